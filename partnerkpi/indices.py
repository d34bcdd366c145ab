"""Statistics that set a group beside a reference: the quality score and its kin, and observed ÷ expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.experience import STEADY, Experience, Floats, Ints
from partnerkpi.intervals import Z, counted, design_effect, wilson
from partnerkpi.statistics import (
    IN_FULL,
    NO_INTERVAL,
    TOO_FEW,
    Statistic,
    all_unknown,
    answer,
    count,
    divide,
    exact_total,
    largest_of,
    product_on_log_scale,
    reasons_of,
    recorded_count,
    recorded_total,
    total,
    total_without_largest,
    values_of,
)
from partnerkpi.wording import FEW, Code

#: An expectation made of fewer prospects of others, as if all were like one's own, cannot judge anybody.
FEWEST_ALIKE = 30
#: The columns of `ranks`.
RANKS = ("rank", "best", "worst")


def index(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """100 × (W ÷ W₀)^½ × (R ÷ R₀)^½ for W rows worth R; W₀ and R₀ are the columns `typical_deals`, `typical_amount`.

    Interval on the log scale: that of the pace, and half that of the mean size; the reference is fixed.
    """
    n = counted(codes, groups)
    held = values_of(rows) > 0
    amount = exact_total(values_of(rows)[held], codes[held], groups)
    w0, r0 = (largest_of(values_of(rows, c), codes, groups) for c in ("typical_deals", "typical_amount"))
    value = 100 * np.sqrt(divide(n.astype(np.float64), w0) * divide(amount, r0))
    bare = all_unknown(values_of(rows), codes, groups)
    value[bare] = np.nan
    frame = product_on_log_scale(rows, held, codes, value, known, weight=0.5).assign(n=n)
    frame["reason"] = frame["reason"].mask(np.isnan(value) & (n > 0), Code.TYPICAL_WITHOUT_AMOUNT())
    frame["reason"] = frame["reason"].mask(bare, Code.NONE_WITH_AMOUNT())
    return frame


def index_without_largest(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """`index` with each group's largest row left out; missing for one row."""
    values = values_of(rows)
    order = np.lexsort((np.where(np.isnan(values), -np.inf, values), codes))
    last_of_group = np.append(codes[order][1:] != codes[order][:-1], True) if len(order) else np.zeros(0, dtype=bool)
    keep = order[~last_of_group]
    frame = index(rows.iloc[keep], codes[keep], groups, known)
    n = counted(codes, groups)
    bare = all_unknown(values_of(rows), codes, groups)
    value = np.where((n > 1) & ~bare, frame["value"], np.nan)
    cases = [(n == 0, None), (n == 1, Code.ONE_DEAL_ONLY()), (np.isnan(value), Code.NONE_WITH_AMOUNT())]
    return answer(value, n, reason=reasons_of(cases, NO_INTERVAL))


def index_against_past(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """`index` of the rows marked `now` against a quarter of the sums over the others (four quarters before)."""
    now = rows["now"].to_numpy(dtype=bool)
    amount = np.nan_to_num(values_of(rows))
    n, n_past = counted(codes[now], groups), counted(codes[~now], groups)
    r, r_past = (exact_total(amount[part], codes[part], groups) for part in (now, ~now))
    bare = np.logical_or(*(all_unknown(values_of(rows)[part], codes[part], groups) for part in (now, ~now)))
    value = np.where(bare, np.nan, 100 * np.sqrt(divide(4.0 * n, n_past) * divide(4.0 * r, r_past)))
    cases = [(n_past == 0, Code.NO_WIN_IN_YEAR_BEFORE()), (bare, Code.NONE_WITH_AMOUNT())]
    return answer(value, n, reason=reasons_of(cases, NO_INTERVAL))


def standardised(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """Observed ÷ expected: Σ `value` ÷ Σ `of`, `error` the standard error of each `of`, made of `alike` others.

    Interval: Wilson's of the observed rate, as for a share of a year, and the expectation's own, put together on the
    log scale (Zou & Donner 2008). Rows without an expectation (`of` missing) are not counted; where no row has one, or
    the expectation is of too few others alike, the reason says so.
    """
    with_one = ~np.isnan(values_of(rows, "of"))
    some = counted(codes, groups) > 0
    rows, codes = rows[with_one], codes[with_one]
    n = counted(codes, groups)
    observed, expected, error = (
        np.bincount(codes, weights=values_of(rows, column), minlength=groups) for column in ("value", "of", "error")
    )
    unsure = divide(error, expected)
    effective = n / design_effect(rows, codes, groups, known.like_outcomes, known.drift / 4)
    rate = divide(observed, n)
    low, high = wilson(np.nan_to_num(rate) * effective, effective)
    with np.errstate(divide="ignore", invalid="ignore"):
        down, up = (np.hypot(np.log(ratio), Z * unsure) for ratio in (rate / low, high / rate))
        value = divide(observed, expected)
        ends = (
            value * np.exp(-down),
            np.where(observed > 0, value * np.exp(up), n * high / expected * np.exp(Z * unsure)),
        )
    alike = divide(np.bincount(codes, weights=values_of(rows, "alike"), minlength=groups), n)
    alone = alike < FEWEST_ALIKE
    value = np.where(alone, np.nan, value)
    low, high = (np.where((n >= FEW) & ~alone, end, np.nan) for end in (np.nan_to_num(ends[0]), ends[1]))
    cases = [((n == 0) & some, Code.TOO_LITTLE_TO_EXPECT()), (alone, Code.NOT_TO_BE_SEPARATED())]
    return answer(value, n, low, high, reasons_of([*cases, ((n > 0) & (n < FEW), TOO_FEW)]))


def ranked(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """The column `rank` of each group, with `best` and `worst` beside it: see `ranks`. Fewer than five have no rank."""
    n = counted(codes, groups)
    value, best, worst = (largest_of(values_of(rows, c), codes, groups) for c in RANKS)
    value = np.where(n < FEW, np.nan, value)
    ranges = np.full(groups, None, dtype=object)
    for at in np.flatnonzero(~np.isnan(value)):
        ranges[at] = Code.OVER_EVERY_WEIGHT(best=int(best[at]), worst=int(worst[at]))
    cases = [(n == 0, None), (n < FEW, Code.TOO_FEW_TO_RANK()), (np.isnan(value), Code.FEW_TO_RANK())]
    return answer(value, n, reason=reasons_of(cases, ranges))


def ranks(deals: pd.Series, amount: pd.Series) -> pd.DataFrame:
    """Where each stands by deals^w × amount^(1 − w): `rank` for w = ½, `best` and `worst` over w = 0, 0.01, … 1.

    Both series are indexed alike, positive; 1 is the highest, and equal ones share the better rank. No reference
    enters: what divides all alike moves no rank.
    """
    from scipy.stats import rankdata

    weights = np.linspace(0, 1, 101)
    logs = np.log(np.column_stack([deals, amount]).astype(np.float64))
    scores = np.round(np.outer(logs[:, 0], weights) + np.outer(logs[:, 1], 1 - weights), 12)
    places = rankdata(-scores, method="min", axis=0)
    columns = (places[:, 50], places.min(axis=1), places.max(axis=1))
    return pd.DataFrame(dict(zip(RANKS, columns, strict=True)), index=deals.index, dtype="float64")


def worth_of(otherwise: Code | None = None) -> Statistic:
    """Σ `value`, amounts × their `chance` to come, with the interval in which 95 % of what comes will lie.

    With `otherwise` it is divided by Σ `of`, and missing for that reason where this is not positive. A prediction: mean
    and variance are those of independent deals that come or do not, and of an over-dispersed whole (`excess`, of all
    together `common`); the limits are a gamma's, the lower one 0 where nothing at all comes in one case of 40.
    """

    def worth(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
        return answer(*_worth(rows, codes, groups, otherwise))

    return worth


def predicted(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """Σ `value`, chances of what is to come, with the interval in which 95 % of what comes will lie.

    A prediction: the limits are those of a negative binomial count of this mean.
    """
    from scipy.stats import nbinom, poisson

    value = np.bincount(codes, weights=values_of(rows), minlength=groups)
    n = counted(codes, groups)
    variance = np.maximum(_excess(rows, codes, groups, values_of(rows)), 1e-9)
    mean = np.maximum(value, 1e-12)
    steady = variance < 1e-6
    low, high = (
        np.where(steady, poisson.ppf(at, mean), nbinom.ppf(at, 1 / variance, 1 / (1 + variance * mean)))
        for at in (0.025, 0.975)
    )
    high = np.maximum(high, np.ceil(value))  # of less than half a deal nothing may well come, or one
    low, high = (np.where(n > 0, limit, np.nan) for limit in (low, high))
    return answer(value, n, low, high, reasons_of([(n == 0, IN_FULL)]))


def _worth(rows: pd.DataFrame, codes: Ints, groups: int, otherwise: Code | None) -> tuple[Any, ...]:
    from scipy.special import gammaincinv

    counts = rows["chance"].notna().to_numpy()
    deals, of = rows[counts], codes[counts]
    n = counted(of, groups)
    values, chance = np.nan_to_num(values_of(deals)), values_of(deals, "chance")
    value = recorded_total(deals, of, groups)["value"].to_numpy()
    variance = np.bincount(of, weights=divide(values**2, chance) - values**2, minlength=groups)
    variance = variance + _excess(deals, of, groups, values) * np.nan_to_num(value) ** 2
    wins = np.bincount(of, weights=chance, minlength=groups)
    over = np.maximum(_excess(deals, of, groups, chance), 1e-9)
    nothing = np.exp(-np.log1p(over * wins) / over)  # a negative binomial count of so many is 0
    shape = divide(value**2, variance)
    low, high = (value * gammaincinv(shape, at) / shape for at in (0.025, 0.975))
    low = np.where((n > 0) & (nothing >= 0.025), 0.0, low)
    cases = [(np.isnan(value), Code.NONE_WITH_AMOUNT())]
    if "declared" in rows:  # chances that nobody's experience stands behind have no interval
        blank, every = counted(codes[~counts], groups), counted(codes, groups)
        value = np.where((blank == every) & (blank > 0), np.nan, value)
        low = high = np.full(groups, np.nan)
        remarks = np.full(groups, None, dtype=object)
        for at in np.flatnonzero(blank):
            remarks[at] = Code.SOME_WITHOUT_CHANCE(blank=int(blank[at]), n=int(every[at]))
        return value, every, low, high, reasons_of([(every == 0, IN_FULL), (blank > 0, remarks), *cases])
    if otherwise is not None:
        bottom = exact_total(np.nan_to_num(values_of(rows, "of")), codes, groups)
        value, low, high = (divide(top, np.where(bottom > 0, bottom, np.nan)) for top in (value, low, high))
        cases.append((np.isnan(value), otherwise()))
    return value, n, low, high, reasons_of([(n == 0, IN_FULL if otherwise is None else otherwise()), *cases])


def _excess(rows: pd.DataFrame, codes: Ints, groups: int, expected: Floats) -> Floats:
    """The squared coefficient of variation of what comes, beyond chance, by group; `expected` of each row.

    That of one partner is `excess`; a group of several shares it as their expectations are shared, and never has less
    than `common`, that of all.
    """
    partner = pd.factorize(rows["partner_id"])[0] + 1
    size = int(partner.max(initial=0)) + 1
    pairs, place = np.unique(codes * size + partner, return_inverse=True)
    each = np.bincount(place, weights=expected, minlength=len(pairs))
    whole = np.bincount(codes, weights=expected, minlength=groups)
    shared = divide(np.bincount(pairs // size, weights=each**2, minlength=groups), whole**2)
    excess, common = (float(rows[c].iloc[0]) if len(rows) else 0.0 for c in ("excess", "common"))
    return np.maximum(excess * np.nan_to_num(shared), common)


#: Statistics of a flow whose quarters add up to one pace.
POOLED = (count, total, index)
#: Statistics of a flow that grow with every day of a quarter; shares, means and medians do not.
ACCUMULATING = (
    count,
    total,
    total_without_largest,
    recorded_total,
    recorded_count,
    index,
    index_without_largest,
    index_against_past,
)
