"""The statistics of the KPIs: each takes rows and groups and answers every group at once.

A statistic is a function `(rows, codes, groups, known) -> DataFrame`. `rows` has one row per unit with its `value`
(and what else the statistic names), `codes` gives each row's group as an integer below `groups`, `known` is what the
network's past tells of how such figures vary. The answer has one row per group: `value`, `low`, `high`, `n`, `reason`.
There is no second code path for a single number: that is one group.

Intervals are 95 % and estimate the long-run truth: a count or sum the pace of such a quarter, a rate the rate, a size
the mean or the median. Where a method covers the truth in fewer than 90 of 100 simulated worlds at some count, no
interval is shown at that count and the reason says so; `tests/coverage_table.py` measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from partnerkpi.experience import STEADY, Experience, Floats, Ints
from partnerkpi.intervals import Z, counted, design_effect, pace_limits, rate_limits, unsteadiness
from partnerkpi.wording import FEW, Code

Statistic = Callable[[pd.DataFrame, Ints, int, Experience], pd.DataFrame]

#: An interval whose limits lie this many times apart says nothing of the figure.
WIDEST = 10_000.0

#: The exact interval of a median exists from so many rows on.
FEWEST_RANKED = 6
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


def divide(a: Floats, b: Any) -> Floats:
    """a ÷ b, missing where b is not positive."""
    b = np.asarray(b, dtype=np.float64)
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def count(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """Number of rows, with the exact interval of the pace behind it: over-dispersed as `known`; see `pace_limits`."""
    n = counted(codes, groups)
    low, high = pace_limits(n, *unsteadiness(rows, codes, groups, known), exact=known.exact)
    return answer(n.astype(np.float64), n, low, high)


def share(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """Share of rows whose value is true, with Wilson's score interval (Wilson 1927), from two rows on.

    Rows of one customer, or of one partner's quarter, are alike as `known`: the interval is that of as many
    independent rows as they are worth (the design effect, Kish 1965), and the nearer to the exact one the more of them
    customers share; see `rate_limits`.
    """
    n = counted(codes, groups)
    yes = np.bincount(codes, weights=values_of(rows), minlength=groups)
    value = divide(yes, n)
    effect = design_effect(rows, codes, groups, known.like_outcomes, known.drift)
    customers = design_effect(rows, codes, groups, known.like_outcomes)
    low, high = rate_limits(np.nan_to_num(value) * n / effect, n / effect, 1 - 1 / customers)
    reason = reasons_of([(n == 1, Code.ONE_ONLY())])
    return answer(value, n, np.where(n > 1, low, np.nan), np.where(n > 1, high, np.nan), reason)


def _mean_and_half(
    rows: pd.DataFrame, values: Floats, codes: Ints, groups: int, known: Experience
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Mean per group, half the width of its interval on the log scale, and where all values are equal.

    The larger of what the group's own values say and what the network's sizes do. Own: the larger of Cox's variance
    for log-normal values, s²/n + s⁴/2(n−1) with s² that of the logs (Zhou & Gao 1997), and the delta method's cv²/n,
    which needs no shape, with Student's t. The network's: log(1 + cv²/n), the variance of the logarithm of a mean of n
    values as if it were log-normal: a giant that did not come this quarter is not forgotten. Deals of one customer are
    alike as `known`.
    """
    from scipy.special import stdtrit

    n = counted(codes, groups).astype(np.float64)
    average = divide(exact_total(values, codes, groups), n)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
        centre = np.bincount(codes, weights=logs, minlength=groups) / n
        s2 = np.bincount(codes, weights=(logs - centre[codes]) ** 2, minlength=groups) / (n - 1)
        relative = values / average[codes] - 1
        cv2 = np.bincount(codes, weights=relative**2, minlength=groups) / (n - 1)
        own = np.maximum(s2 / n + s2**2 / (2 * (n - 1)), cv2 / n)
        effect = design_effect(rows, codes, groups, known.like_sizes)
        half = stdtrit(np.maximum(n - 1, 1), 0.975) * np.sqrt(own * effect)
        half = np.maximum(half, Z * np.sqrt(np.log1p(known.spread * effect / n)))
    half[n < 2] = np.nan
    return average, half, own < 1e-20


def mean(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """Arithmetic mean of positive values; interval on the log scale, symmetric in ratio, from five rows on."""
    value, half, equal = _mean_and_half(rows, values_of(rows), codes, groups, known)
    return _log_scale(value, half, half, counted(codes, groups), equal)


def _log_scale(value: Floats, down: Floats, up: Floats, n: Ints, equal: NDArray[np.bool_]) -> pd.DataFrame:
    """From value ÷ exp(down) to value × exp(up) from `FEW` rows on, unless that is too wide; the reason elsewhere."""
    possible = (n >= FEW) & ~equal & np.isfinite(down) & np.isfinite(up)
    wide = possible & (down + up > np.log(WIDEST))
    shown = possible & ~wide
    low, high = (np.exp(np.where(shown, log, np.nan)) for log in (-down, up))
    nothing = (n == 0) & np.isnan(value)
    reason = reasons_of(
        [(nothing, None), (n < FEW, TOO_FEW), (equal, Code.EQUAL_SIZES()), (wide, Code.TOO_WIDE(times=int(WIDEST)))]
    )
    return answer(value, n, value * low, value * high, reason)


def product_on_log_scale(
    rows: pd.DataFrame, held: NDArray[np.bool_], codes: Ints, value: Floats, known: Experience, weight: float = 1.0
) -> pd.DataFrame:
    """The interval of count × mean^weight: the logarithms of both intervals put together (Zou & Donner 2008)."""
    groups = len(value)
    part, own = rows[held], codes[held]
    k = counted(own, groups)
    _, half, _ = _mean_and_half(part, values_of(part), own, groups, known)
    least, most = pace_limits(k, *unsteadiness(part, own, groups, known), exact=known.exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        down, up = (np.hypot(np.log(ratio), weight * half) for ratio in (k / least, most / k))
    return _log_scale(value, down, up, k, np.zeros(groups, dtype=bool))


def total(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """Sum of the values of a flow; the interval lets both the pace and the sizes vary.

    Missing where there are rows but none has a value. `n` counts all rows.
    """
    values = values_of(rows)
    n, unknown = counted(codes, groups), counted(codes[np.isnan(values)], groups)
    held = values > 0
    value = np.where((n > 0) & (unknown == n), np.nan, exact_total(values[held], codes[held], groups))
    frame = product_on_log_scale(rows, held, codes, value, known).assign(n=n)
    frame["reason"] = frame["reason"].mask(np.isnan(value), Code.NONE_WITH_AMOUNT())
    frame["reason"] = frame["reason"].fillna(pd.Series(_some_without(unknown, n), dtype=object))
    return frame


def recorded_total(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """Sum of recorded values; nothing is sampled, so there is no interval. `n` counts all rows.

    Missing where there are rows but none has a value: a pipeline without amounts is not a pipeline of nothing.
    """
    values = values_of(rows)
    n, blank = counted(codes, groups), counted(codes[np.isnan(values)], groups)
    value = np.where((n > 0) & (blank == n), np.nan, exact_total(np.nan_to_num(values), codes, groups))
    reason = reasons_of([(np.isnan(value), Code.NONE_WITH_AMOUNT()), (blank > 0, _some_without(blank, n))], IN_FULL)
    return answer(value, n, reason=reason)


def all_unknown(values: Floats, codes: Ints, groups: int) -> NDArray[np.bool_]:
    """True for the groups that have rows of which none has a value: nothing is known of them, which is not nothing."""
    n = counted(codes, groups)
    return np.asarray((n > 0) & (counted(codes[np.isnan(values)], groups) == n))


def _some_without(blank: Ints, n: Ints) -> NDArray[np.object_]:
    """For each group the remark that some of its rows have no amount; None where all have one."""
    remarks = np.full(len(n), None, dtype=object)
    for group in np.flatnonzero(blank):
        remarks[group] = Code.SOME_WITHOUT_AMOUNT(blank=int(blank[group]), n=int(n[group]))
    return remarks


def recorded_count(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """Number of rows that are there on one day; nothing is sampled, so there is no interval."""
    n = counted(codes, groups)
    return answer(n.astype(np.float64), n, reason=IN_FULL)


def ratio_or(
    otherwise: Code, less: float = 0.0, empty: Code | None = None, least: int = 0, largest: bool = True
) -> Statistic:
    """The statistic Σ `value` ÷ Σ `of` − `less`; where Σ `of` is not positive, missing for the reason `otherwise`.

    Where Σ `value` is zero too the reason is `empty`, if one is given. Missing as well where rows are counted but none
    of them has a value, where rows are marked `needed` but none of them has an `of`, and where fewer than `least` are
    counted. `n` counts the rows marked `counted`, all of them without such a column. Without `largest` the largest
    value of each group is left out.
    """

    def ratio(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
        values = values_of(rows)
        top = exact_total(np.nan_to_num(values), codes, groups)
        if not largest:
            top = top - np.nan_to_num(largest_of(values, codes, groups))
        of = values_of(rows, "of")
        bottom = exact_total(np.nan_to_num(of), codes, groups)
        counts = rows["counted"].to_numpy(dtype=bool) if "counted" in rows else np.ones(len(rows), dtype=bool)
        n = counted(codes[counts], groups)
        bare = all_unknown(values[counts], codes[counts], groups)
        if "needed" in rows:
            needed = rows["needed"].eq(True).to_numpy(dtype=bool)
            bare |= all_unknown(of[needed], codes[needed], groups)
        few = (bottom > 0) & (n < least)
        value = np.where(bare | few, np.nan, divide(top, bottom) - less)
        undefined, nothing = np.isnan(value), (top == 0) & (bottom == 0)
        cases = [(~undefined, Code.RATIO_OF_SUMS()), (bare & (bottom > 0), Code.NONE_WITH_AMOUNT())]
        cases.append((few, Code.TOO_FEW_FOR_RATIO()))
        reason = reasons_of([*cases, (nothing, (empty or otherwise)())], otherwise())
        return answer(value, n, reason=reason)

    return ratio


def share_by_amount(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """Share of the amounts in `of` whose row has a true `value`.

    Missing where a side has deals of which none has an amount: what was won, or lost, is then not known. A row that is
    no deal (without `deal_id`) never had an amount and says nothing. `n` counts the rows with an amount above zero.
    """
    yes, of = values_of(rows) > 0, values_of(rows, "of")
    deal = rows["deal_id"].notna().to_numpy(dtype=bool)
    held = of > 0
    n = counted(codes[held], groups)
    value = divide(exact_total(of[held & yes], codes[held & yes], groups), exact_total(of[held], codes[held], groups))
    one_sided = np.zeros(groups, dtype=bool)
    for side in (deal & yes, deal & ~yes):
        one_sided |= all_unknown(of[side], codes[side], groups)
    value[one_sided] = np.nan
    blank = counted(codes[deal & np.isnan(of)], groups)
    remarks = _some_without(blank, counted(codes[deal], groups))
    cases = [(one_sided & (n > 0), Code.ONE_SIDE_WITHOUT_AMOUNT()), (np.isnan(value), Code.NO_AMOUNTS_DECIDED())]
    return answer(value, n, reason=reasons_of([*cases, (blank > 0, remarks)], Code.RATIO_OF_SUMS()))


def _least_of_coins(n: Ints) -> Ints:
    """Of n tosses of a coin the number of heads that is reached or not in one case of 40: the 2.5 % quantile."""
    from scipy.special import bdtr, bdtrik

    count = np.ceil(bdtrik(0.025, n, 0.5))
    one_less = np.maximum(count - 1, 0)
    return np.where(bdtr(one_less, n, 0.5) >= 0.025, one_less, count).astype(np.int64)


def median(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """Median with the exact interval between two order statistics, which exists from six rows on.

    Rows of one customer are alike as `known`: the two ranks are those that as many independent rows as they are worth
    would have, as shares of all.
    """
    values = values_of(rows)
    order = np.lexsort((values, codes))
    ordered = values[order]
    n = counted(codes, groups)
    start = np.concatenate([[0], np.cumsum(n)[:-1]])

    def at(rank: Ints) -> Floats:  # the rank-th smallest of each group, counted from 0
        picked = np.full(groups, np.nan)
        inside = (rank >= 0) & (rank < n)
        picked[inside] = ordered[(start + rank)[inside]]
        return picked

    middle = (at((n - 1) // 2) + at(n // 2)) / 2
    worth = np.floor(n / design_effect(rows, codes, groups, known.like_sizes) + 1e-9).astype(np.int64)
    rank = _least_of_coins(np.maximum(worth, 1))
    below = np.floor(rank * n / np.maximum(worth, 1)).astype(np.int64) - 1
    wide = rank > 0
    low, high = np.where(wide, at(below), np.nan), np.where(wide, at(n - 1 - below), np.nan)
    few = reasons_of([(n < FEWEST_RANKED, Code.FEWER_THAN_SIX())], Code.FEW_CUSTOMERS())
    return answer(middle, n, low, high, reasons_of([(~wide & (n > 0), few)]))


def largest_share(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """The largest value as a share of the sum."""
    values, n = values_of(rows), counted(codes, groups)
    share_of = divide(largest_of(values, codes, groups), exact_total(values, codes, groups))
    return answer(share_of, n, reason=reasons_of([(n > 0, NO_INTERVAL)]))


def total_without_largest(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """The sum of all values but the largest; missing where there are rows but none has a value."""
    values, n = values_of(rows), counted(codes, groups)
    rest = exact_total(np.nan_to_num(values), codes, groups) - np.nan_to_num(largest_of(values, codes, groups))
    bare = all_unknown(values, codes, groups)
    return answer(np.where(bare, np.nan, rest), n, reason=reasons_of([(bare, Code.NONE_WITH_AMOUNT())], NO_INTERVAL))


def mean_without_largest(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """The mean of all values but the largest; missing for one row."""
    values, n = values_of(rows), counted(codes, groups)
    rest = exact_total(values, codes, groups) - np.nan_to_num(largest_of(values, codes, groups))
    return answer(divide(rest, n - 1), n, reason=_one_only(n))


def _one_only(n: Ints) -> Any:
    return reasons_of([(n == 0, None), (n == 1, Code.ONE_DEAL_ONLY())], NO_INTERVAL)


def largest_of(values: Floats, codes: Ints, groups: int) -> Floats:
    """The largest value of each group; missing without any."""
    top = np.full(groups, -np.inf)
    np.fmax.at(top, codes, values)
    return np.where(np.isfinite(top), top, np.nan)
