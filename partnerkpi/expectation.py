"""What was to be expected: each prospect's chance of a win by the experience of everybody but its own partner.

A logistic model of the wins among the prospects that were decided in four quarters, on those of season (calendar month
of the decision), region, product, size band and media type that the book records, each with a weak ridge. Who is
judged by an expectation has no part in it: for each partner the model is fitted again without its prospects (a few
Newton steps from the common fit, which are where a fit from the start ends too). The expectation's own error comes
along: alone in its region a partner cannot be told from the region.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED, closed_between, decided_by
from partnerkpi.experience import Floats, Ints
from partnerkpi.periods import Quarter

#: A fitted chance needs at least so many decided prospects behind it.
FEWEST_DECIDED = 50
ADJUSTED_FOR = ("month", "region", "product", "size", "media")
#: The same of all quarters, of each channel by itself.
IN_CHANNELS = ("channel", "year", "month", "region", "product", "size")
#: The precision that each effect is given beforehand, so that all levels can have one and none is the reference: weak,
#: and an effect nobody tells of is none.
RIDGE = 0.5
USUAL = 0.2  # the variance of an outcome, about
#: Newton's steps from the fit of all rows at most, and the step after which the next would change nothing: its error
#: is of the order of the square.
STEPS, CLOSE = 4, 1e-6
#: What it reads of a prospect.
_USED = ("prospect_id", "partner_id", "status", "closed_on", "amount", "channel", "region", "product")
COLUMNS = ("chance", "error", "alike", "part")
NOTHING = pd.DataFrame({name: pd.Series(dtype=np.float64) for name in COLUMNS})
CHUNK = 64  # partners fitted at once: bounds the memory


def expectation(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The chance of each prospect decided in the four quarters that end with this one, and how sure it is.

    Indexed by `prospect_id`. `error` is one standard error of the chance, the same luck for all prospects alike, so
    that the errors of a partner's prospects add up. `part` is its part in the variance of what is expected of all
    prospects of its partner together, where errors of unlike prospects cancel: the parts add up to it. `alike` is of
    how many prospects of others the chance is made, as if all of them were equal to this one; no outcome enters in it.
    Empty where the book records nothing to adjust for, decided too few, all alike, or all of one partner: then nobody
    else is there to be expected from.
    """
    rows = closed_between(book.prospects[list(_USED)], *quarter.year, DECIDED)
    return _expected(rows, _covariates(book, quarter, rows, ADJUSTED_FOR))


def expectation_in_channels(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The same of every prospect decided by the end of the quarter, by everybody else's experience in its channel.

    Of all quarters together, so that there is enough of each channel; years of four quarters back from this one are
    among what is adjusted for. Empty also where no channel is recorded, or one only.
    """
    rows = decided_by(book.prospects[list(_USED)], quarter.last_day)
    covariates = _covariates(book, quarter, rows, IN_CHANNELS)
    return _expected(rows, covariates) if "channel" in covariates else NOTHING


def _covariates(book: Book, quarter: Quarter, rows: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """What the book records of these, if it is not the same of all rows."""
    cells = pd.DataFrame(index=rows.index)
    for name in names:
        column = _covariate(book, quarter, rows, name)
        if column is not None and column.nunique() > 1:
            cells[name] = column
    return cells


def _expected(rows: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    won = (rows["status"] == "won").to_numpy(dtype=np.float64)
    if len(cells.columns) == 0 or len(cells) < FEWEST_DECIDED or won.all() or not won.any():
        return NOTHING
    if rows["partner_id"].cat.codes.nunique() < 2:
        return NOTHING
    cell = cells.groupby(list(cells.columns), sort=True, observed=True).ngroup().to_numpy()
    of_cell = np.empty(cell.max() + 1, dtype=np.int64)
    of_cell[cell] = np.arange(len(cell))  # any row of a cell stands for it
    dummies = pd.get_dummies(cells.iloc[of_cell], dtype=np.float64).to_numpy()
    design = np.column_stack([np.ones(len(of_cell)), dummies])
    columns = _left_out(design, cell, rows["partner_id"].cat.codes.to_numpy(dtype=np.int64) + 1, won)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=pd.Index(rows["prospect_id"].array))


def _covariate(book: Book, quarter: Quarter, rows: pd.DataFrame, name: str) -> pd.Series | None:
    if name == "month":
        return _texts(rows["closed_on"].dt.month)
    if name == "year":
        months = (quarter.last_day.year - rows["closed_on"].dt.year) * 12
        months = months + quarter.last_day.month - rows["closed_on"].dt.month
        return _texts(months // 12)
    if name == "size":  # only where all have one: a lead that came to nothing never had an amount to be judged by
        if not rows["amount"].gt(0).all():
            return None
        return _texts(pd.qcut(rows["amount"], 4, labels=False, duplicates="drop"))
    if name == "media":
        return _texts(book.media(rows["channel"])) if rows["channel"].notna().any() else None
    if not rows[name].notna().any():
        return None
    return _texts(rows[name])


def _texts(values: pd.Series) -> pd.Series:
    """The values as texts, `none` for a missing one; each is written once, not once a row."""
    codes, found = pd.factorize(values)
    texts = pd.Index([*found.astype(str), *(["none"] if (codes < 0).any() else [])], dtype="str")
    names = pd.Index(sorted(set(texts)), dtype="str")
    return pd.Series(pd.Categorical.from_codes(names.get_indexer(texts)[codes], names), index=values.index)


def _left_out(design: Floats, cell: Ints, partner: Ints, won: Floats) -> tuple[Floats, ...]:
    """For each row the fitted chance without its partner's rows, its standard error, how many were like it, its part.

    `design` has one line for each cell of equal covariates, so that the cost does not grow with the rows.
    """
    from scipy.sparse import csr_array

    cells, effects = design.shape
    trials, wins = np.bincount(cell, minlength=cells), np.bincount(cell, weights=won, minlength=cells)
    ridge = np.r_[0.0, np.full(effects - 1, RIDGE)]
    common = _common_fit(design, trials, wins, ridge)
    owner, names = pd.factorize(partner, sort=True)
    products = _products(design)
    design_of_cells = csr_array(design)
    chance, error, alike, part = (np.empty(len(won)) for _ in COLUMNS)
    for begin in range(0, len(names), CHUNK):
        here = (owner >= begin) & (owner < begin + CHUNK)
        place = owner[here] - begin
        size = (min(CHUNK, len(names) - begin), cells)
        at = place * cells + cell[here]
        n, w = (np.bincount(at, weights=x, minlength=size[0] * cells).reshape(size) for x in (None, won[here]))
        n, w = trials - n, wins - w
        beta = np.tile(common, (size[0], 1))
        move, steps = np.inf, 0
        while True:
            p = 1 / (1 + np.exp(-(design_of_cells @ beta.T).T))
            bend = _square((products @ (n * p * (1 - p)).T).T, effects) + np.diag(ridge)
            if move < CLOSE or steps == STEPS:  # the last time only to know how sure the fit is
                break
            slope = (design_of_cells.T @ (w - n * p).T).T - ridge * beta
            step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
            beta, move, steps = beta + step, float(np.abs(step).max()), steps + 1
        counted = _square((products @ n.T).T, effects) + np.diag(ridge / USUAL)
        mine = p[place, cell[here]]
        chance[here] = mine
        error[here] = mine * (1 - mine) * np.sqrt(_spread(bend, products)[place, cell[here]])
        alike[here] = 1 / _spread(counted, products)[place, cell[here]]
        lean = p * (1 - p)  # by how much a chance moves with its logit
        own = (design_of_cells.T @ ((trials - n) * lean).T).T
        whole = np.linalg.solve(bend, own[:, :, None])[:, :, 0]
        part[here] = (lean * (design_of_cells @ whole.T).T)[place, cell[here]]
    return chance, error, alike, part


def _square(half: Floats, effects: int) -> Floats:
    """Symmetric matrices from their upper halves, one in each line."""
    one, other = np.triu_indices(effects)
    whole = np.empty((len(half), effects, effects))
    whole[:, one, other] = whole[:, other, one] = half
    return whole


def _products(design: Floats) -> Any:
    """For each pair of effects, once, the product of the two in every line: sparse, as few effects meet in a line."""
    from scipy.sparse import csc_array, csr_array

    one, other = np.triu_indices(design.shape[1])
    columns = csc_array(design)
    return csr_array(columns[:, one].multiply(columns[:, other]).T)


def _spread(information: Floats, products: Any) -> Floats:
    """x'V x of each partner and line x of the design, V the inverse of the partner's information."""
    one, other = np.triu_indices(information.shape[1])
    inverse = np.linalg.inv(information)[:, one, other] * np.where(one == other, 1, 2)
    return np.asarray((products.T @ inverse.T).T)


def _common_fit(design: Floats, trials: Floats, wins: Floats, ridge: Floats) -> Floats:
    """The model of all rows: statsmodels' regularised binomial GLM, which penalises the mean log-likelihood."""
    from statsmodels.api import GLM
    from statsmodels.genmod.families import Binomial

    model = GLM(np.column_stack([wins, trials - wins]), design, family=Binomial())
    return np.asarray(model.fit_regularized(alpha=ridge / len(design), L1_wt=0.0).params)
