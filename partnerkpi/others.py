"""What one partner's figures need to know of the whole network: references, shares and peers, never others' rows.

In memory these are computed from the whole book. In a slice (one partner's rows on disk) they were computed before the
slice was written and are read back: a kernel that runs a partner's notebook never holds anybody else's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from partnerkpi.book import Book, NetworkFacts
from partnerkpi.deals import DECIDED, ENDED, decided_in, media_of, won_in, year_to
from partnerkpi.periods import Quarter
from partnerkpi.statistics import exact_total

T = TypeVar("T")
FACT_COLUMNS = ["name", "quarter", "key", "value", "n"]
_memo: WeakKeyDictionary[Book, dict[tuple[Any, ...], Any]] = WeakKeyDictionary()


def remembered(fact: Callable[..., T]) -> Callable[..., T]:
    """Compute a fact once per book (always the whole one) and quarter."""

    @wraps(fact)
    def once(book: Book, *key: Any) -> T:
        whole = book.network or book
        store = _memo.setdefault(whole, {})
        place = (fact.__name__, *(k.label if isinstance(k, Quarter) else k for k in key))
        if place not in store:
            store[place] = fact(whole, *key)
        return store[place]

    return once


def stored(book: Book, name: str, quarter: Quarter | None = None) -> pd.DataFrame:
    """The facts of this name (and quarter) that a slice was given."""
    assert book.facts is not None
    table = book.facts.network
    keep = table["name"] == name
    if quarter is not None:
        keep &= table["quarter"] == quarter.label
    return table[keep]


@remembered
def first_day(book: Book) -> pd.Timestamp | None:
    """The first day the book knows anything of; None when it has neither deals nor leads."""
    if book.facts is not None:
        table = stored(book, "first_day")
        return pd.Timestamp(str(table["key"].iloc[0])) if len(table) else None
    days = [t["created_on"].min() for t in (book.deals, book.leads) if len(t)]
    days = [d for d in days if pd.notna(d)]
    return min(days) if days else None


def nothing_known(book: Book, quarter: Quarter) -> str:
    """Why the book can say nothing at all about the quarter; empty when it can."""
    first = first_day(book)
    if first is None:
        return "no deals in this book"
    if first > quarter.last_day:
        return f"the book's records begin on {first:%Y-%m-%d}"
    return ""


@remembered
def records_status(book: Book, status: str) -> bool:
    """True when the book has any prospect with this status: a book without one does not record it."""
    if book.facts is not None:
        return bool(stored(book, "records_status").set_index("key")["value"].get(status, 0))
    return any(bool((t["status"] == status).any()) for t in (book.deals, book.leads))


@remembered
def typical(book: Book, quarter: Quarter) -> tuple[float, float]:
    """Deals and amount of the typical partner: the medians over partners with at least one win in the quarter.

    Missing (NaN, NaN) when nobody won. Deals without a partner belong to nobody's typical quarter.
    """
    if book.facts is not None:
        table = stored(book, "typical", quarter).set_index("key")["value"]
        return float(table.get("deals", np.nan)), float(table.get("amount", np.nan))
    won = won_in(book.deals, quarter)
    won = won[won["partner_id"].notna()]
    codes = won["partner_id"].cat.codes.to_numpy(dtype=np.int64)
    size = len(won["partner_id"].cat.categories)
    wins = np.bincount(codes, minlength=size)
    amount = exact_total(np.nan_to_num(won["amount"].to_numpy(dtype=np.float64)), codes, size)
    active = wins > 0
    if not active.any():
        return np.nan, np.nan
    return float(np.median(wins[active])), float(np.median(amount[active]))


@remembered
def stage_win_shares(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the decided deals that were ever open in a stage, what share was won; by stage, with their number `n`.

    Deals decided up to the quarter's last day. Needs stage history: empty without it.
    """
    if book.facts is not None:
        return stored(book, "stage_win_share", quarter).set_index("key")[["value", "n"]]
    if not book.records("history.stage"):
        return pd.DataFrame({"value": [], "n": []}, dtype=float)
    deals = book.deals
    decided = deals["status"].isin(DECIDED) & (deals["closed_on"] <= quarter.last_day)
    spells = book.spells
    passed = spells[(spells["status"] == "open").to_numpy() & spells["stage"].notna().to_numpy()]
    passed = passed[["deal_id", "stage"]].drop_duplicates()
    won = pd.Series((deals["status"] == "won").to_numpy(), index=deals["deal_id"])[decided.to_numpy()]
    outcome = passed["deal_id"].map(won)
    known = outcome.notna()
    grouped = outcome[known].astype(float).groupby(passed.loc[known, "stage"].astype(str))
    return pd.DataFrame({"value": grouped.mean(), "n": grouped.size().astype(float)})


ADJUSTED_FOR = ("month", "region", "product", "size", "channel")


@remembered
def expected_wins(book: Book, quarter: Quarter) -> pd.Series:
    """The probability of a win that the network's experience gives each prospect decided in the quarter.

    Indexed by `prospect_id`. A logistic model with a weak ridge, fitted to the prospects decided in the four quarters
    that end with this one, on those of season (calendar month of the decision), region, product, size band and channel
    that the book records. Empty when it records none of them or decided too few (fewer than 50).
    """
    if book.facts is not None:
        return book.facts.expected.set_index("prospect_id")["expected"]
    prospects = book.prospects
    first, last = year_to(quarter)
    fit_on = prospects[prospects["status"].isin(DECIDED) & prospects["closed_on"].between(first, last)]
    cells = pd.DataFrame(index=fit_on.index)
    for name in ADJUSTED_FOR:
        column = _covariate(book, fit_on, name)
        if column is not None and column.nunique() > 1:
            cells[name] = column
    if cells.empty or len(cells.columns) == 0 or len(cells) < 50:
        return pd.Series(dtype=np.float64)
    won = (fit_on["status"] == "won").to_numpy(dtype=np.float64)
    chance = _fitted_chance(cells, won)
    now = fit_on["closed_on"].ge(quarter.start).to_numpy()
    return pd.Series(chance[now], index=fit_on.loc[now, "prospect_id"].to_numpy())


def _covariate(book: Book, rows: pd.DataFrame, name: str) -> pd.Series | None:
    if name == "month":
        return rows["closed_on"].dt.month.astype(str)
    if name == "size":  # only where all have one: a lead that came to nothing never had an amount to be judged by
        if not rows["amount"].gt(0).all():
            return None
        return pd.qcut(rows["amount"], 4, labels=False, duplicates="drop").astype(str)
    if name == "channel":
        return media_of(book, rows[name]).astype(str) if rows[name].notna().any() else None
    return rows[name].astype(object).fillna("none").astype(str) if rows[name].notna().any() else None


def _fitted_chance(cells: pd.DataFrame, won: np.ndarray) -> np.ndarray:
    """Fitted win probability per row of a main-effects logistic model; a small ridge keeps empty cells finite.

    Rows with equal covariates are one binomial cell, so the cost does not grow with the number of prospects.
    """
    from scipy.optimize import minimize

    code = cells.groupby(list(cells.columns), sort=True, observed=True).ngroup().to_numpy()
    trials = np.bincount(code).astype(np.float64)
    wins = np.bincount(code, weights=won)
    first = np.unique(code, return_index=True)[1]
    dummies = pd.get_dummies(cells.iloc[first], drop_first=True, dtype=np.float64).to_numpy()
    design = np.column_stack([np.ones(len(first)), dummies])
    ridge = np.r_[0.0, np.full(design.shape[1] - 1, 0.5)]

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        eta = design @ beta
        value = np.sum(trials * np.logaddexp(0, eta) - wins * eta) + 0.5 * np.sum(ridge * beta**2)
        return float(value), design.T @ (trials / (1 + np.exp(-eta)) - wins) + ridge * beta

    best = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-8})
    return np.asarray((1 / (1 + np.exp(-(design @ best.x))))[code])


def decided_with_chance(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The prospects decided in the quarter that have an expected chance, in column `expected`."""
    rows = decided_in(book.prospects, quarter)
    return rows.assign(expected=rows["prospect_id"].map(expected_wins(book, quarter))).dropna(subset=["expected"])


def facts(book: Book, quarters: Sequence[Quarter]) -> NetworkFacts:
    """Everything a partner's slice needs to know of the network in these quarters, apart from its peers.

    The facts are aggregates of the whole book; `expected` holds the chance of each prospect decided in them.
    """
    whole = book.network or book
    first = first_day(whole)
    table: list[tuple[str, str, str, float, float]] = []
    if first is not None:
        table.append(("first_day", "", f"{first:%Y-%m-%d}", 0.0, 0.0))
    table += [("records_status", "", s, float(records_status(whole, s)), 0.0) for s in ENDED]
    chances = []
    for quarter in quarters:
        deals, amount = typical(whole, quarter)
        table += [("typical", quarter.label, "deals", deals, 0.0), ("typical", quarter.label, "amount", amount, 0.0)]
        shares = stage_win_shares(whole, quarter)
        table += [("stage_win_share", quarter.label, str(k), r["value"], r["n"]) for k, r in shares.iterrows()]
        chances.append(expected_wins(whole, quarter))
    expected = pd.concat(chances) if chances else pd.Series(dtype=np.float64)
    return NetworkFacts(
        network=pd.DataFrame(table, columns=FACT_COLUMNS),
        expected=expected.rename_axis("prospect_id").rename("expected").reset_index(),
    )
