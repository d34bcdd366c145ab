"""Event histories: how long deals take to be won, with open deals counted and other endings as rivals of a win.

Deals are followed by age in whole days. A deal is at risk from `entry` (its age when the window opens, 0 if it was
created inside) to `exit` (its age when it ends or the window does), both included. `outcome` says how the stay ended:
`won`, `other` (lost, abandoned, rejected) or `open` (still open: censored). The win curve is the Aalen–Johansen
estimate of the probability to be won by each age (Aalen & Johansen 1978); its variance is that of the hazards by the
delta method, and the interval of the median inverts a test at each age (Brookmeyer & Crowley 1982).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from partnerkpi.experience import STEADY, Experience, Floats, Ints
from partnerkpi.intervals import Z, design_effect, unsteadiness, wilson
from partnerkpi.statistics import (
    NO_INTERVAL,
    TOO_FEW,
    Statistic,
    answer,
    exact_total,
    reasons_of,
)
from partnerkpi.wording import FEW, Code

HORIZON = 365  # days of age: how long a deal takes is told of those won by then
CELLS = 4_000_000  # ages × groups worked on at once: bounds the memory
TINY = 1e-12
QUARTER = 365 / 4  # days


@dataclass(frozen=True)
class Curve:
    """The win curves of some groups: arrays of groups × ages (days)."""

    at_risk: Floats
    win: Floats  # hazard of a win at each age
    end: Floats  # hazard of any ending
    before: Floats  # probability to be still open just before each age
    won: Floats  # probability to be won by each age: the win curve
    last: Ints  # the oldest age anyone was followed to, per group; −1 where nobody was

    @property
    def height(self) -> Floats:
        """Probability to be won at all, as far as the deals were followed."""
        return self.won[:, -1]

    @property
    def still_open(self) -> Floats:
        """Probability to be still open after the last age."""
        return self.before[:, -1] * (1 - self.end[:, -1])


def win_curves(rows: pd.DataFrame, codes: Ints, groups: int) -> Iterator[tuple[slice, Curve]]:
    """The win curves, some groups at a time. `rows` has `entry`, `exit` (days, entry ≤ exit) and `outcome`."""
    entry = rows["entry"].to_numpy(dtype=np.int64)
    leave = rows["exit"].to_numpy(dtype=np.int64)
    won, other = ((rows["outcome"] == outcome).to_numpy() for outcome in ("won", "other"))
    ages = int(leave.max(initial=0)) + 1
    step = max(1, CELLS // ages)
    for first in range(0, groups, step):
        stop = min(groups, first + step)
        mine = slice(None) if stop - first == groups else (codes >= first) & (codes < stop)
        cell = (codes[mine] - first) * ages
        size = (stop - first, ages)

        def tally(keys: Ints, size: tuple[int, int] = size) -> Floats:
            return np.bincount(keys, minlength=size[0] * size[1]).reshape(size).astype(np.float64)

        out = cell + leave[mine]
        gone = tally(out)
        at_risk = np.cumsum(tally(cell + entry[mine]), axis=1) - (np.cumsum(gone, axis=1) - gone)
        sure = np.maximum(at_risk, 1)
        win = tally(out[won[mine]]) / sure
        end = win + tally(out[other[mine]]) / sure
        after = np.cumprod(1 - end, axis=1)
        before = np.concatenate([np.ones((size[0], 1)), after[:, :-1]], axis=1)
        last = np.where(gone.any(axis=1), ages - 1 - np.argmax(gone[:, ::-1] > 0, axis=1), -1)
        yield slice(first, stop), Curve(at_risk, win, end, before, np.cumsum(before * win, axis=1), last)


def _variance_parts(c: Curve) -> tuple[Floats, Floats, Floats, Floats]:
    """1/Y, p. ÷ (1 − p.), p₁·S and p₁(1 − p₁)·S² at each age, over which every variance here is a sum."""
    inverse = np.divide(1.0, c.at_risk, out=np.zeros_like(c.at_risk), where=c.at_risk > 0)
    odds = np.divide(c.end, 1 - c.end, out=np.zeros_like(c.end), where=c.end < 1 - TINY)
    return inverse, odds, c.win * c.before, c.win * (1 - c.win) * c.before**2


def horizons(rows: pd.DataFrame, codes: Ints, groups: int) -> Ints:
    """The age up to which each group's win curve is told: `HORIZON`, or as long as its deals have been followed."""
    return np.minimum(longest(rows, codes, groups), HORIZON)


def _up_to(c: Curve, horizon: Ints) -> Curve:
    """The curves with nothing after the horizon: no risk, no win, no other end."""
    ages = np.arange(c.won.shape[1])
    inside = ages <= horizon[:, None]
    at_risk, win, end = (np.where(inside, x, 0.0) for x in (c.at_risk, c.win, c.end))
    before = np.concatenate([np.ones((len(win), 1)), np.cumprod(1 - end, axis=1)[:, :-1]], axis=1)
    return replace(c, at_risk=at_risk, win=win, end=end, before=before, won=np.cumsum(before * win, axis=1))


def median_days(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
    """Median days to a win: the first age at which the win curve reaches half of its height at the horizon.

    The horizon is `HORIZON` days of age, or the longest a deal of the group can have been followed, and the note names
    it; where everybody has left before it while a deal could still be open, it is the last age anyone reached. Missing
    without a win, and where nobody was followed at some age up to the median: the risk set does not hold. The interval
    holds the ages at which half the height is not refused at 5 %, wins of one customer counted as what they are worth;
    an upper limit that the curve never reaches is missing.

    Where the pace moves from quarter to quarter, short and long deals are not seen in proportion: those at risk are
    won d quarters later, so that of K quarters' wins the first d lack their risk and the last d their wins. With a pace
    of squared coefficient of variation φ the hazards then move with variance 2 (d ÷ K)² φ, and so does the logit of the
    share won by an age: a variance that more deals do not lessen (`_moved`).
    """
    horizon = horizons(rows, codes, groups)
    effect = design_effect(rows, codes, groups, known.like_outcomes)
    unsteady, quarters = unsteadiness(rows, codes, groups, known)[0], followed_quarters(rows, codes, groups)
    parts = []
    for part, whole in win_curves(rows, codes, groups):
        horizon[part] = np.where(whole.still_open > TINY, np.minimum(horizon[part], whole.last), horizon[part])
        c = _up_to(whole, horizon[part])
        height = c.height
        lead = c.won - height[:, None] / 2  # ψ(t): zero where the curve is at half its height
        middle = np.argmax(lead >= -TINY, axis=1)
        moved = _moved(middle, unsteady[part], quarters[part])
        share = np.divide(c.won, height[:, None], out=np.zeros_like(c.won), where=height[:, None] > TINY)
        se = np.sqrt(
            _variance_of_lead(c, lead) * effect[part][:, None]
            + (height[:, None] * share * (1 - share)) ** 2 * moved[:, None]
        )
        low = np.argmax(lead + Z * se >= -TINY, axis=1).astype(np.float64)
        surely_over = lead - Z * se > TINY
        high = np.where(surely_over.any(axis=1), np.argmax(surely_over, axis=1), np.nan)
        least = np.minimum.accumulate(c.at_risk, axis=1)[np.arange(len(middle)), middle]
        none, broken = height <= TINY, least < 1
        median = np.where(none | broken, np.nan, middle)
        reason = reasons_of([(none, Code.NO_DEAL_WON_IN_WINDOW()), (broken, Code.NOBODY_AT_RISK())])
        parts.append((median, np.minimum(low, median), high, reason))
    median, low, high, reason = (np.concatenate(p) for p in zip(*parts, strict=True))
    wins = np.bincount(codes[(rows["outcome"] == "won").to_numpy()], minlength=groups)
    there = ~np.isnan(median)
    few = (wins < FEW) & there
    equal = there & ~few & (low == high)
    low[few | equal], high[few | equal] = np.nan, np.nan
    cases = [(few, Code.FEWER_THAN_FEW_WON()), (equal, Code.EQUAL_DURATIONS())]
    reason = reasons_of([*cases, (there & np.isnan(high), Code.UPPER_LIMIT_NOT_REACHED())], reason)
    table = answer(median, np.bincount(codes, minlength=groups).astype(np.int64), low, high, reason)
    ages, place = np.unique(horizon, return_inverse=True)
    notes = [Code.WITHIN_HORIZON(n=int(h)) if h >= HORIZON else Code.FOLLOWED_SO_FAR(n=int(h)) for h in ages]
    return table.assign(note=pd.Series(notes, dtype=object).take(place).reset_index(drop=True).where(there, None))


def _moved(days: Ints, pace: Floats, quarters: Floats) -> Floats:
    """The variance that a moving pace gives the logit of a share won by an age; see `median_days`.

    2 d² φ ÷ K² for deals that take d quarters in the middle, of K quarters; 2 d from one quarter on, since then it is
    whole quarters that are not shared.
    """
    d = days / QUARTER
    return 2 * d * np.minimum(d, 1) * pace / quarters**2


def followed_quarters(rows: pd.DataFrame, codes: Ints, groups: int) -> Floats:
    """For how many quarters each group's deals have been followed, from one to four."""
    return np.clip((longest(rows, codes, groups) + 1) / QUARTER, 1, 4)


def _variance_of_lead(c: Curve, lead: Floats) -> Floats:
    """Variance of ψ(t) = F(t) − F(∞)/2 at every age t.

    With x, y the derivatives of ψ by the two hazards at age s (x through survival, y through the win itself), each
    age adds (p.·x² + 2p₁·xy + p₁·y²) ÷ Y, the hazards' variances being a Poisson process's (Aalen 1978): those of
    multinomial shares are nought where the only deal at risk ends (Klein 1991 compares them). For s ≤ t:
    x = −(ψ(t) − F(s)/2), y = S/2; for s > t: x = (F(∞) − F(s))/2, y = −S/2. Both are polynomials in ψ(t), so running
    sums do. What comes after t is never surer than `_least_after`.
    """
    inverse = np.divide(1.0, c.at_risk, out=np.zeros_like(c.at_risk), where=c.at_risk > 0)
    f, ps, pss = c.won, c.win * c.before, c.win * c.before**2
    rest = c.height[:, None] - f

    def running(x: Floats) -> Floats:
        return np.cumsum(inverse * x, axis=1)

    early = running(c.end) * lead**2 - running(c.end * f + ps) * lead + running(c.end * f**2 / 4 + ps * f / 2 + pss / 4)
    late = running(c.end * rest**2 / 4 - ps * rest / 2 + pss / 4)
    return np.maximum(early, 0) + np.maximum(late[:, -1:] - late, _least_after(c, rest) / 4)


def _least_after(c: Curve, rest: Floats) -> Floats:
    """The least variance, at each age, of what is still to be won up to the horizon.

    After an age with Y deals still at risk a share S·q is yet to be won, and of q no more is known than Y deals can
    tell: S²q(1 − q) ÷ (Y + 2), one win and one other end put to them (Agresti & Coull 1998). Where few are followed
    for long and none of them happens to be won, the hazards alone would call it certain. The largest of later ages.
    """
    still = c.before * (1 - c.end)
    at_risk = np.concatenate([c.at_risk[:, 1:], np.zeros((len(rest), 1))], axis=1)
    share = np.divide(rest, still, out=np.zeros_like(still), where=still > TINY)
    share = (np.clip(share, 0, 1) * at_risk + 1) / (at_risk + 2)
    least = np.where(at_risk > 0, still**2 * share * (1 - share) / (at_risk + 2), 0.0)
    return np.maximum.accumulate(least[:, ::-1], axis=1)[:, ::-1]


def won_within(days: int) -> Statistic:
    """The statistic "share won within `days` days of entry", with open deals counted and other endings as rivals.

    Interval: Wilson's with the effective sample size F(1 − F) ÷ Var(F), a moving pace counted in as for the median.
    Missing where nobody was followed that long.
    """

    def won_by_age(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience = STEADY) -> pd.DataFrame:
        value, effective = np.full(groups, np.nan), np.zeros(groups)
        unsteady, quarters = unsteadiness(rows, codes, groups, known)[0], followed_quarters(rows, codes, groups)
        for part, c in win_curves(rows, codes, groups):
            at = min(days, c.won.shape[1] - 1)
            f = c.won[:, at]
            inverse, odds, ps, pss = (x[:, : at + 1] for x in _variance_parts(c))
            gap = f[:, None] - c.won[:, : at + 1]
            parts = np.zeros((len(f), days + 1))  # as many for every book: a sum of floats depends on its length
            parts[:, : at + 1] = inverse * (odds * gap**2 - 2 * ps * gap + pss)
            variance = parts.sum(axis=1)
            height = c.won[:, min(HORIZON, c.won.shape[1] - 1)]
            share = np.divide(f, height, out=np.ones_like(f), where=height > TINY)
            middle = np.argmax(c.won >= height[:, None] / 2 - TINY, axis=1)
            variance += (f * np.maximum(1 - share, 0)) ** 2 * _moved(middle, unsteady[part], quarters[part])
            at_stake = np.maximum(c.at_risk[:, : at + 1].max(axis=1), 1)
            size = np.divide(f * (1 - f), variance, out=at_stake.copy(), where=variance > TINY)
            value[part] = np.where(c.last >= 0, f, np.nan)
            effective[part] = np.minimum(size, at_stake)
        value[longest(rows, codes, groups) < days] = np.nan
        n = np.bincount(codes, minlength=groups).astype(np.int64)
        # a year's prospects are decided in about four quarters, each of which moves by itself
        effective /= design_effect(rows, codes, groups, known.like_outcomes, known.drift / 4)
        low, high = wilson(np.nan_to_num(value) * effective, effective)
        shown = (n >= FEW) & ~np.isnan(value)
        unseen = (n > 0) & np.isnan(value)
        reason = reasons_of([(unseen, Code.NOBODY_FOLLOWED_SO_LONG(days=days)), ((n > 0) & ~shown, TOO_FEW)])
        return answer(value, n, np.where(shown, low, np.nan), np.where(shown, high, np.nan), reason)

    return won_by_age


def longest(rows: pd.DataFrame, codes: Ints, groups: int) -> Ints:
    """The most days anyone of each group can have been followed; −1 without anyone."""
    most = np.full(groups, -1)
    np.maximum.at(most, codes, rows["reach"].to_numpy(dtype=np.int64))
    return most


def money_per_day(rows: pd.DataFrame, codes: Ints, groups: int, _known: Experience = STEADY) -> pd.DataFrame:
    """Sales velocity: entries per day × probability of a win × average deal size, in money per day.

    `rows` has, beside `entry`, `exit` and `outcome`, `entered` (true for deals created in the window), `value` (the
    amount of a won deal, missing elsewhere) and `window` (its length in days).
    """
    win = np.concatenate([c.height for _, c in win_curves(rows, codes, groups)])
    entered = rows["entered"].to_numpy(dtype=bool)
    window = float(rows["window"].iloc[0]) if len(rows) else np.nan
    value = rows["value"].to_numpy(dtype=np.float64)
    sold = value > 0
    deals = np.bincount(codes[sold], minlength=groups)
    amount = exact_total(value[sold], codes[sold], groups)
    size = np.divide(amount, deals, out=np.full(groups, np.nan), where=deals > 0)
    entries = np.bincount(codes[entered], minlength=groups)
    reason = reasons_of([(np.isnan(size), Code.NO_DEAL_WON_IN_WINDOW())], NO_INTERVAL)
    return answer(entries / window * win * size, np.bincount(codes, minlength=groups).astype(np.int64), reason=reason)
