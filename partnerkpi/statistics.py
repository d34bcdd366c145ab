"""The statistics of the KPIs: each takes rows and groups and answers every group at once.

A statistic is a function `(rows, codes, groups) -> DataFrame`. `rows` has one row per unit with its `value` (and what
else the statistic names), `codes` gives each row's group as an integer below `groups`. The answer has one row per
group: `value`, `low`, `high`, `n`, `reason`. There is no second code path for a single number: that is one group.

Intervals are 95 %. Where a method covers the truth in fewer than 90 of 100 simulated worlds at some count, no interval
is shown at that count and the reason says so; the measured coverage is asserted in `tests/test_coverage.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from partnerkpi.wording import FEW, Code

Ints = NDArray[Any]  # whole numbers
Floats = NDArray[Any]
Statistic = Callable[[pd.DataFrame, Ints, int], pd.DataFrame]

Z = 1.959963984540054  # the 97.5 % point of the normal distribution
#: An interval whose limits lie this many times apart says nothing of the figure.
WIDEST = 10_000.0

IN_FULL = Code.IN_FULL()
NO_INTERVAL = Code.NO_INTERVAL()
TOO_FEW = Code.FEWER_THAN_FEW()


def answer(value: Floats, n: Ints, low: Any = np.nan, high: Any = np.nan, reason: Any = None) -> pd.DataFrame:
    """One row per group; an interval without a value is dropped, a value without both limits keeps its reason.

    `reason` is a `Remark`, or an array of remarks and None.
    """
    frame = pd.DataFrame({"value": value, "low": low, "high": high, "n": n})
    reasons = np.full(len(frame), None, dtype=object)
    reasons[:] = reason
    frame["reason"] = pd.Series(reasons, index=frame.index, dtype=object)
    frame.loc[frame["value"].isna(), ["low", "high"]] = np.nan
    return frame


def reasons_of(cases: Sequence[tuple[Any, Any]], otherwise: Any = None) -> NDArray[np.object_]:
    """For each group the remark of the first case that holds there, as an array of remarks and None.

    A case is where it holds, and what is to be said: one remark, None, or an array with one for each group.
    """
    held = [np.asarray(case) for case, _ in cases]
    reasons = np.full(held[0].shape, None, dtype=object)
    reasons[:] = otherwise
    for case, (_, remark) in zip(reversed(held), reversed(list(cases)), strict=True):
        reasons[case] = remark[case] if isinstance(remark, np.ndarray) else remark
    return reasons


def values_of(rows: pd.DataFrame, column: str = "value") -> Floats:
    """The column as floats."""
    return rows[column].to_numpy(dtype=np.float64)


def exact_total(values: Floats, codes: Ints, groups: int) -> Floats:
    """Sum per group, exactly for decimal amounts of up to six places, whatever the order of the rows.

    Sums are taken over whole minor units (cents), which floats hold exactly up to 9e15 of them; only the result is
    rounded, once.
    """
    for digits in (0, 2, 4, 6):
        units = np.rint(values * 10.0**digits)
        if np.all(np.abs(units / 10.0**digits - values) <= np.abs(values) * 1e-15):
            return np.bincount(codes, weights=units, minlength=groups) / 10.0**digits
    return np.bincount(codes, weights=values, minlength=groups)


def _counted(codes: Ints, groups: int) -> Ints:
    return np.bincount(codes, minlength=groups).astype(np.int64)


def _divide(a: Floats, b: Any) -> Floats:
    """a ÷ b, missing where b is not positive."""
    b = np.asarray(b, dtype=np.float64)
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def count(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Number of rows, with the exact Poisson interval (Garwood 1936)."""
    from scipy.stats import chi2

    n = _counted(codes, groups)
    low = np.where(n > 0, chi2.ppf(0.025, 2 * np.maximum(n, 1)) / 2, 0.0)
    return answer(n.astype(np.float64), n, low, chi2.ppf(0.975, 2 * n + 2) / 2)


def share(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Share of rows whose value is true, with Wilson's score interval (Wilson 1927), from two rows on."""
    n = _counted(codes, groups)
    yes = np.bincount(codes, weights=values_of(rows), minlength=groups)
    low, high = wilson(yes, n)
    reason = reasons_of([(n == 1, Code.ONE_ONLY())])
    return answer(_divide(yes, n), n, np.where(n > 1, low, np.nan), np.where(n > 1, high, np.nan), reason)


def wilson(yes: Floats, n: Any) -> tuple[Floats, Floats]:
    """Wilson's interval for `yes` of `n`, missing where n is 0; n need not be whole (an effective sample size)."""
    from statsmodels.stats.proportion import proportion_confint

    n = np.asarray(n, dtype=np.float64)
    sure = np.where(n > 0, n, 1.0)
    low, high = proportion_confint(np.clip(yes, 0, sure), sure, method="wilson")
    p = np.clip(yes, 0, sure) / sure
    low, high = np.minimum(np.clip(low, 0, 1), p), np.maximum(np.clip(high, 0, 1), p)  # rounding at 0 and 1
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def _log_variance_of_mean(values: Floats, codes: Ints, groups: int) -> tuple[Floats, Floats]:
    """Mean per group and the variance of its logarithm, for positive skewed values.

    The larger of two estimates: Cox's for log-normal values, s²/n + s⁴/2(n−1) with s² the variance of the logs
    (Zhou & Gao 1997), and the delta method's cv²/n, which needs no shape. Alone, the first fails for short-tailed
    values and the second for long-tailed ones.
    """
    n = _counted(codes, groups).astype(np.float64)
    mean = _divide(exact_total(values, codes, groups), n)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
        centre = np.bincount(codes, weights=logs, minlength=groups) / n
        s2 = np.bincount(codes, weights=(logs - centre[codes]) ** 2, minlength=groups) / (n - 1)
        relative = values / mean[codes] - 1
        cv2 = np.bincount(codes, weights=relative**2, minlength=groups) / (n - 1)
        variance = np.maximum(s2 / n + s2**2 / (2 * (n - 1)), cv2 / n)
    variance[n < 2] = np.nan
    return mean, variance


def mean(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Arithmetic mean of positive values; interval on the log scale, symmetric in ratio, from five rows on."""
    from scipy.stats import t

    n = _counted(codes, groups)
    value, variance = _log_variance_of_mean(values_of(rows), codes, groups)
    half = t.ppf(0.975, np.maximum(n - 1, 1)) * np.sqrt(variance)
    return _log_scale(value, half, n, equal=variance < 1e-20)


def _log_scale(value: Floats, half: Floats, n: Ints, equal: NDArray[np.bool_]) -> pd.DataFrame:
    """Value ×÷ exp(half) from `FEW` rows on, unless that is so wide that it says nothing; the reason elsewhere."""
    possible = (n >= FEW) & ~equal & np.isfinite(half)
    wide = possible & (2 * half > np.log(WIDEST))
    half = np.where(possible & ~wide, half, np.nan)
    nothing = (n == 0) & np.isnan(value)
    reason = reasons_of(
        [(nothing, None), (n < FEW, TOO_FEW), (equal, Code.EQUAL_SIZES()), (wide, Code.TOO_WIDE(times=int(WIDEST)))]
    )
    return answer(value, n, value * np.exp(-half), value * np.exp(half), reason)


def total(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Sum of the values of a flow; the interval lets both the count and the sizes vary (a compound Poisson sum).

    On the log scale the variance is 1/k for the k rows with a value above zero plus that of their mean. Missing where
    there are rows but none has a value. `n` counts all rows.
    """
    n = _counted(codes, groups)
    unknown = _counted(codes[np.isnan(values_of(rows))], groups)
    held, codes = _positive(rows, codes)
    k = _counted(codes, groups)
    value = np.where((n > 0) & (unknown == n), np.nan, exact_total(held, codes, groups))
    _, variance = _log_variance_of_mean(held, codes, groups)
    half = Z * np.sqrt(_divide(np.ones(groups), k) + variance)
    frame = _log_scale(value, half, k, equal=np.zeros(groups, dtype=bool)).assign(n=n)
    frame["reason"] = frame["reason"].mask(np.isnan(value), Code.NONE_WITH_AMOUNT())
    frame["reason"] = frame["reason"].fillna(pd.Series(_some_without(unknown, n), dtype=object))
    return frame


def _positive(rows: pd.DataFrame, codes: Ints, column: str = "value") -> tuple[Floats, Ints]:
    values = values_of(rows, column)
    keep = values > 0
    return values[keep], codes[keep]


def recorded_total(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Sum of recorded values; nothing is sampled, so there is no interval. `n` counts all rows.

    Missing where there are rows but none has a value: a pipeline without amounts is not a pipeline of nothing.
    """
    values = values_of(rows)
    n, blank = _counted(codes, groups), _counted(codes[np.isnan(values)], groups)
    value = np.where((n > 0) & (blank == n), np.nan, exact_total(np.nan_to_num(values), codes, groups))
    reason = reasons_of([(np.isnan(value), Code.NONE_WITH_AMOUNT()), (blank > 0, _some_without(blank, n))], IN_FULL)
    return answer(value, n, reason=reason)


def _all_unknown(values: Floats, codes: Ints, groups: int) -> NDArray[np.bool_]:
    """True for the groups that have rows of which none has a value: nothing is known of them, which is not nothing."""
    n = _counted(codes, groups)
    return np.asarray((n > 0) & (_counted(codes[np.isnan(values)], groups) == n))


def _some_without(blank: Ints, n: Ints) -> NDArray[np.object_]:
    """For each group the remark that some of its rows have no amount; None where all have one."""
    remarks = np.full(len(n), None, dtype=object)
    for group in np.flatnonzero(blank):
        remarks[group] = Code.SOME_WITHOUT_AMOUNT(blank=int(blank[group]), n=int(n[group]))
    return remarks


def recorded_count(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Number of rows that are there on one day; nothing is sampled, so there is no interval."""
    n = _counted(codes, groups)
    return answer(n.astype(np.float64), n, reason=IN_FULL)


def ratio_or(otherwise: Code, less: float = 0.0, empty: Code | None = None) -> Statistic:
    """The statistic Σ `value` ÷ Σ `of` − `less`; where Σ `of` is not positive, missing for the reason `otherwise`.

    Where Σ `value` is zero too the reason is `empty`, if one is given. Missing as well where rows are counted but none
    of them has a value, and where rows are marked `needed` but none of them has an `of`. `n` counts the rows marked
    `counted`, all of them without such a column.
    """

    def ratio(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
        values = values_of(rows)
        top = exact_total(np.nan_to_num(values), codes, groups)
        of = values_of(rows, "of")
        bottom = exact_total(np.nan_to_num(of), codes, groups)
        counted = rows["counted"].to_numpy(dtype=bool) if "counted" in rows else np.ones(len(rows), dtype=bool)
        n = _counted(codes[counted], groups)
        bare = _all_unknown(values[counted], codes[counted], groups)
        if "needed" in rows:
            needed = rows["needed"].eq(True).to_numpy(dtype=bool)
            bare |= _all_unknown(of[needed], codes[needed], groups)
        value = np.where(bare, np.nan, _divide(top, bottom) - less)
        undefined, nothing = np.isnan(value), (top == 0) & (bottom == 0)
        cases = [(~undefined, Code.RATIO_OF_SUMS()), (bare & (bottom > 0), Code.NONE_WITH_AMOUNT())]
        reason = reasons_of([*cases, (nothing, (empty or otherwise)())], otherwise())
        return answer(value, n, reason=reason)

    return ratio


def share_by_amount(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Share of the amounts in `of` whose row has a true `value`.

    Missing where a side has deals of which none has an amount: what was won, or lost, is then not known. A row that is
    no deal (without `deal_id`) never had an amount and says nothing. `n` counts the rows with an amount above zero.
    """
    yes, of = values_of(rows) > 0, values_of(rows, "of")
    deal = rows["deal_id"].notna().to_numpy(dtype=bool)
    held = of > 0
    n = _counted(codes[held], groups)
    value = _divide(exact_total(of[held & yes], codes[held & yes], groups), exact_total(of[held], codes[held], groups))
    one_sided = np.zeros(groups, dtype=bool)
    for side in (deal & yes, deal & ~yes):
        one_sided |= _all_unknown(of[side], codes[side], groups)
    value[one_sided] = np.nan
    blank = _counted(codes[deal & np.isnan(of)], groups)
    remarks = _some_without(blank, _counted(codes[deal], groups))
    cases = [(one_sided & (n > 0), Code.ONE_SIDE_WITHOUT_AMOUNT()), (np.isnan(value), Code.NO_AMOUNTS_DECIDED())]
    return answer(value, n, reason=reasons_of([*cases, (blank > 0, remarks)], Code.RATIO_OF_SUMS()))


def median(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Median with the exact interval between two order statistics, which exists from six rows on."""
    from scipy.stats import binom

    values = values_of(rows)
    order = np.lexsort((values, codes))
    ordered = values[order]
    n = _counted(codes, groups)
    start = np.concatenate([[0], np.cumsum(n)[:-1]])

    def at(rank: Ints) -> Floats:  # the rank-th smallest of each group, counted from 0
        picked = np.full(groups, np.nan)
        inside = (rank >= 0) & (rank < n)
        picked[inside] = ordered[(start + rank)[inside]]
        return picked

    middle = (at((n - 1) // 2) + at(n // 2)) / 2
    below = binom.ppf(0.025, np.maximum(n, 1), 0.5).astype(np.int64) - 1
    wide = below >= 0
    low, high = np.where(wide, at(below), np.nan), np.where(wide, at(n - 1 - below), np.nan)
    return answer(middle, n, low, high, reasons_of([(~wide & (n > 0), Code.FEWER_THAN_SIX())]))


def largest_share(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """The largest value as a share of the sum."""
    values, n = values_of(rows), _counted(codes, groups)
    share_of = _divide(_largest(values, codes, groups), exact_total(values, codes, groups))
    return answer(share_of, n, reason=reasons_of([(n > 0, NO_INTERVAL)]))


def mean_without_largest(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """The mean of all values but the largest; missing for one row."""
    values, n = values_of(rows), _counted(codes, groups)
    rest = exact_total(values, codes, groups) - np.nan_to_num(_largest(values, codes, groups))
    return answer(_divide(rest, n - 1), n, reason=_one_only(n))


def _one_only(n: Ints) -> Any:
    return reasons_of([(n == 0, None), (n == 1, Code.ONE_DEAL_ONLY())], NO_INTERVAL)


def _largest(values: Floats, codes: Ints, groups: int) -> Floats:
    top = np.full(groups, -np.inf)
    np.fmax.at(top, codes, values)
    return np.where(np.isfinite(top), top, np.nan)


def index(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """100 × (W ÷ W₀)^½ × (R ÷ R₀)^½ for W rows worth R; W₀ and R₀ are the columns `typical_deals`, `typical_amount`.

    Interval on the log scale: the count enters with weight one, the mean size with one half; the reference is fixed.
    """
    n = _counted(codes, groups)
    held, held_codes = _positive(rows, codes)
    amount = exact_total(held, held_codes, groups)
    w0, r0 = (_largest(values_of(rows, c), codes, groups) for c in ("typical_deals", "typical_amount"))
    value = 100 * np.sqrt(_divide(n.astype(np.float64), w0) * _divide(amount, r0))
    bare = _all_unknown(values_of(rows), codes, groups)
    value[bare] = np.nan
    _, variance = _log_variance_of_mean(held, held_codes, groups)
    half = Z * np.sqrt(_divide(np.ones(groups), n) + variance / 4)
    frame = _log_scale(value, half, n, equal=np.zeros(groups, dtype=bool))
    frame["reason"] = frame["reason"].mask(np.isnan(value) & (n > 0), Code.TYPICAL_WITHOUT_AMOUNT())
    frame["reason"] = frame["reason"].mask(bare, Code.NONE_WITH_AMOUNT())
    return frame


def index_without_largest(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """`index` with each group's largest row left out; missing for one row."""
    values = values_of(rows)
    order = np.lexsort((np.where(np.isnan(values), -np.inf, values), codes))
    last_of_group = np.append(codes[order][1:] != codes[order][:-1], True) if len(order) else np.zeros(0, dtype=bool)
    keep = order[~last_of_group]
    frame = index(rows.iloc[keep], codes[keep], groups)
    n = _counted(codes, groups)
    bare = _all_unknown(values_of(rows), codes, groups)
    value = np.where((n > 1) & ~bare, frame["value"], np.nan)
    cases = [(n == 0, None), (n == 1, Code.ONE_DEAL_ONLY()), (np.isnan(value), Code.NONE_WITH_AMOUNT())]
    return answer(value, n, reason=reasons_of(cases, NO_INTERVAL))


def index_against_past(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """`index` of the rows marked `now` against a quarter of the sums over the others (four quarters before)."""
    now = rows["now"].to_numpy(dtype=bool)
    amount = np.nan_to_num(values_of(rows))
    n, n_past = _counted(codes[now], groups), _counted(codes[~now], groups)
    r, r_past = (exact_total(amount[part], codes[part], groups) for part in (now, ~now))
    bare = np.logical_or(*(_all_unknown(values_of(rows)[part], codes[part], groups) for part in (now, ~now)))
    value = np.where(bare, np.nan, 100 * np.sqrt(_divide(4.0 * n, n_past) * _divide(4.0 * r, r_past)))
    cases = [(n_past == 0, Code.NO_WIN_IN_YEAR_BEFORE()), (bare, Code.NONE_WITH_AMOUNT())]
    return answer(value, n, reason=reasons_of(cases, NO_INTERVAL))


def standardised(rows: pd.DataFrame, codes: Ints, groups: int) -> pd.DataFrame:
    """Observed ÷ expected: Σ `value` ÷ Σ `of`; the interval is Wilson's for the rate ÷ the expected rate.

    Rows without an expectation (`of` missing) are not counted; where no row has one the reason says so.
    """
    expected_here = ~np.isnan(values_of(rows, "of"))
    some, codes = _counted(codes, groups) > 0, codes[expected_here]
    n = _counted(codes, groups)
    observed = np.bincount(codes, weights=values_of(rows)[expected_here], minlength=groups)
    expected = np.bincount(codes, weights=values_of(rows, "of")[expected_here], minlength=groups)
    low, high = wilson(observed, n)
    scale = np.where(n >= FEW, _divide(n.astype(np.float64), expected), np.nan)
    reason = reasons_of([((n == 0) & some, Code.TOO_LITTLE_TO_EXPECT()), ((n > 0) & (n < FEW), TOO_FEW)])
    return answer(_divide(observed, expected), n, low * scale, high * scale, reason)


#: Statistics of a flow that grow with every day of a quarter; shares, means and medians do not.
ACCUMULATING = (count, total, recorded_total, recorded_count, index, index_without_largest, index_against_past)
