"""Comparison: against one's own past, against peers, against the target. A difference has its own interval.

"Better" and "worse" come from the interval of the difference, never from two point values. It is put together from the
two estimates' own limits (the method of variance estimates recovery, Zou & Donner 2008; for shares with Wilson's limits
it is Newcombe's interval), so one rule serves all KPIs.

What a figure is tested against is what tells most. A count or sum: the partner's usual pace of its own eight quarters
before, moved by the season that the network shows; two quarters alone could hardly tell anything. A rate or a size: the
same quarter a year before. A duration: the deals that entered in these four quarters beside those of the four before,
all as far as they are known now. The quarter before is a number and no test: winter is not decline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, unique
from functools import partial
from math import hypot, inf, isfinite

import numpy as np
import pandas as pd

from partnerkpi.book import Book, Spread
from partnerkpi.estimate import Estimate
from partnerkpi.experience import Experience
from partnerkpi.figures import figure
from partnerkpi.kpi import Kpi
from partnerkpi.kpis.number_of_deals import attainment
from partnerkpi.network import presence
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded
from partnerkpi.wording import Code, Remark, amount_text, say, signed_text, span_text


@unique
class Verdict(Enum):
    """What a change says."""

    BETTER = "better"
    WORSE = "worse"
    NO_CLEAR_CHANGE = "no clear change"
    TOO_FEW_TO_TELL = "too few to tell"
    TOO_FEW = "too few to compare"
    NOT_TESTED = "not tested"

    def __str__(self) -> str:
        return say(self.value)


#: So many quarters are looked back on for what is usual, and so many at least must be known.
LOOKED_BACK, FEWEST_BEFORE = 8, 4
#: What a quarter's rows are set beside; a past quarter's are set beside the same.
REFERENCES = ("typical_deals", "typical_amount")
#: The verdicts that say that something changed.
CLEAR = (Verdict.BETTER, Verdict.WORSE)
#: A change for the worse by a third of what was: where it would be seen in less than half of the cases, silence means
#: nothing.
THIRD = 1 / 3


@dataclass(frozen=True)
class Change:
    """The difference `now` − `before` with its 95 % interval, and what it says.

    `verdict` is TOO_FEW with fewer than five on either side, NOT_TESTED where a value or an interval is missing;
    `reason` then says why. It is TOO_FEW_TO_TELL where nothing is clear and a change for the worse by a third would not
    have been either, more often than not; `below` and `above` are what would have stood out, as far as the interval
    keeps its width (None: nothing on that side).
    """

    before: Estimate
    now: Estimate
    against: str
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: Remark | None = None
    below: float | None = None
    above: float | None = None

    def __str__(self) -> str:
        """`+4 % against 2025Q3 (−3 % to +11 %): no clear change`."""
        said = {"verdict": self.verdict, "quarter": self.against, "change": self.change_text}
        if self.value is None:
            return say("{verdict} against {quarter} ({reason})", None, **said, reason=self.reason)
        if self.low is None or self.high is None:
            return say("{change} against {quarter}: {verdict}", None, **said)
        return say("{change} against {quarter} ({span}): {verdict}", None, **said, span=self.interval_text)

    @property
    def change_text(self) -> str:
        """The difference with its sign: `+4.0 points`; empty without one."""
        return "" if self.value is None else signed_text(self.value, self.now.unit)

    @property
    def seen_text(self) -> str:
        """What would have stood out: `less than 12 % or more than 55 %`; empty where nothing would."""
        most = 1.0 if self.now.unit == "share" else inf
        low = None if self.below is None or self.below <= 0 else amount_text(self.below, self.now.unit)
        high = None if self.above is None or self.above >= most else amount_text(self.above, self.now.unit)
        if low is None and high is None:
            return ""
        if high is None:
            return say("less than {low}", low=low)
        if low is None:
            return say("more than {high}", high=high)
        return say("less than {low} or more than {high}", low=low, high=high)

    @property
    def interval_text(self) -> str:
        """The interval of the difference: `−3.0 points to +11.0 points`; empty without one."""
        if self.low is None or self.high is None:
            return ""
        unit = self.now.unit
        return say("{low} to {high}", low=signed_text(self.low, unit), high=signed_text(self.high, unit))


def change(kpi: Kpi, book: Book, quarter: str | Quarter, against: str | Quarter) -> Change:
    """How the figure changed from the quarter `against` to this one."""
    this, then = book.quarter(quarter), book.quarter(against)
    now, before = figure(kpi, book, this), figure(kpi, book, then)
    if kpi.accumulates and not (this.complete and then.complete):
        running = this if not this.complete else then
        reason = Code.TO_DATE(done=running.days_so_far, days=running.days)
        return Change(before, now, then.label, Verdict.NOT_TESTED, reason=reason)
    return difference(now, before, then.label, better=kpi.better)


def tested(kpi: Kpi, book: Book, quarter: str | Quarter) -> Change:
    """How the figure changed against the past that tells most of it; see above."""
    this = book.quarter(quarter)
    if kpi.pooled:
        return _against_usual(kpi, book, this)
    if kpi.entering is not None:
        cohort = entering(kpi, this)
        now, then = (book.once((kpi, q, this), partial(cohort, book, q)) for q in (this, this.year_before))
        return difference(now, then, say("entered in a year, after those of the year before"), better=kpi.better)
    return change(kpi, book, this, this.year_before)


def entering(kpi: Kpi, seen: Quarter) -> Kpi:
    """The figure of what entered in the year that ends with a quarter, followed to the end of `seen`."""
    rule = kpi.entering
    return kpi if rule is None else replace(kpi, rule=lambda book, quarter: rule(book, quarter, seen))


def _against_usual(kpi: Kpi, book: Book, this: Quarter) -> Change:
    now, usual = figure(kpi, book, this), usual_of(kpi, book, this)
    label = say("the usual of such a quarter")
    if not this.complete:
        reason = Code.TO_DATE(done=this.days_so_far, days=this.days)
        return Change(now if usual.value is None else usual, now, label, Verdict.NOT_TESTED, reason=reason)
    if now.value is None or usual.value is None:
        return difference(now, usual, label, better=kpi.better, counted=kpi.counted)
    rows = kpi.rule(book, this)
    row = kpi.statistic(rows, np.zeros(len(rows), dtype=np.int64), 1, yardstick(book, this)).iloc[0]
    low, high = (None if pd.isna(row[c]) else float(row[c]) for c in ("low", "high"))
    told = difference(replace(now, low=low, high=high), usual, label, better=kpi.better, counted=kpi.counted)
    return replace(told, now=now)


def yardstick(book: Book, this: Quarter) -> Experience:
    """What the network's past tells of how much figures vary, to judge a quarter by.

    How far paces move is that of the quarters before: a fall in this one is no excuse of itself. Limits are those that
    hold as often as they say on average (see `pace_limits`): exact ones on both sides of a difference tell too little.
    """
    known, before = book.others.experience(this), book.others.experience(this.before)
    return replace(known, pace=before.pace, exact=False)


def usual_of(kpi: Kpi, book: Book, quarter: str | Quarter) -> Estimate:
    """What a count or sum usually is in such a quarter: the pace of eight quarters before, times the season.

    Its interval is that of the pace over these quarters: each moves by itself, so that their sum moves less. Missing
    where fewer than `FEWEST_BEFORE` quarters can be looked back on.
    """
    this = book.quarter(quarter)
    answer: Estimate = book.once((kpi, this, "usual"), lambda: _usual(kpi, book, this))
    return answer


def _usual(kpi: Kpi, book: Book, this: Quarter) -> Estimate:
    known = yardstick(book, this)
    past = [this - back for back in range(LOOKED_BACK, 0, -1)]
    weights = presence(book, past) * np.array([known.season[q.number - 1] for q in past])
    unit = kpi.currency_unit(book)
    if kpi.only_for and not book.partner:
        return Estimate(None, None, None, 0, unit, kpi.counts, kpi.not_for())
    tables: list[pd.DataFrame] = []
    for at in np.flatnonzero(weights > 0):
        try:
            tables.append(kpi.rule(book, past[at]))
        except NotRecorded:
            weights[at] = 0.0
    if (weights > 0).sum() < FEWEST_BEFORE:
        return Estimate(None, None, None, 0, unit, kpi.counts, Code.TOO_SHORT_A_PAST(n=FEWEST_BEFORE))
    try:
        last = kpi.rule(book, this)
    except NotRecorded as missing:
        return Estimate(None, None, None, 0, unit, kpi.counts, missing.reason)
    rows = pd.concat(tables)
    rows = rows.assign(**{name: last[name].max() for name in REFERENCES if name in last})
    shared = float((weights**2).sum() / weights.sum() ** 2)
    row = kpi.statistic(rows, np.zeros(len(rows), dtype=np.int64), 1, replace(known, pace=known.pace * shared)).iloc[0]
    scale = float(presence(book, [this])[0] * known.season[this.number - 1] / weights.sum())
    value, low, high = (None if pd.isna(row[c]) else float(row[c]) * scale for c in ("value", "low", "high"))
    reason = row["reason"] if isinstance(row["reason"], Remark) else None
    if value is None and reason is None:
        reason = Code.NONE(rows=kpi.counts)
    return Estimate(value, low, high, int(row["n"]), unit, kpi.counts, reason)


def difference(now: Estimate, before: Estimate, against: str, *, better: str, counted: bool = False) -> Change:
    """The difference of two estimates of one figure.

    Of fewer than five nothing is said, unless the count itself is what is `counted`: 40 wins and then 4 are no few.

    >>> from partnerkpi.wording import PROSPECTS
    >>> a = Estimate(0.5, 0.42, 0.58, n=150, unit="share", counts=PROSPECTS)
    >>> b = Estimate(0.3, 0.23, 0.38, n=140, unit="share", counts=PROSPECTS)
    >>> print(difference(a, b, "2025Q3", better="higher"))
    +20.0 points against 2025Q3 (+8.7 points to +30.6 points): better
    """
    if now.value is None or before.value is None:
        then = Code.MISSING_THEN(quarter=against, reason=before.reason)
        which = Code.MISSING_NOW(reason=now.reason) if now.value is None else then
        return Change(before, now, against, Verdict.NOT_TESTED, reason=which)
    value = now.value - before.value
    if (now.few or before.few) and not counted:
        return Change(before, now, against, Verdict.TOO_FEW, value, reason=Code.TOO_FEW_TO_COMPARE())
    if now.low is None or before.low is None:
        reason = now.reason if now.low is None else before.reason
        return Change(before, now, against, Verdict.NOT_TESTED, value, reason=reason)
    upper_now = inf if now.high is None else now.high
    upper_before = inf if before.high is None else before.high
    low = value - hypot(now.value - now.low, upper_before - before.value)
    high = value + hypot(upper_now - now.value, before.value - before.low)
    verdict = Verdict.NO_CLEAR_CHANGE
    if low > 0 or high < 0:
        verdict = Verdict.BETTER if (low > 0) == (better == "higher") else Verdict.WORSE
    fall, rise = high - value, value - low  # what a change must exceed to be clear
    if verdict is Verdict.NO_CLEAR_CHANGE and abs(before.value) * THIRD < (fall if better == "higher" else rise):
        verdict = Verdict.TOO_FEW_TO_TELL
    told = (low, high, before.value - fall, before.value + rise)
    ends = [x if isfinite(x) else None for x in told]
    return Change(before, now, against, verdict, value, ends[0], ends[1], None, ends[2], ends[3])


@dataclass(frozen=True)
class Peers:
    """What the other partners show, as a safe aggregate: median and middle half; no number for fewer than five."""

    n: int
    median: float | None
    lower: float | None
    upper: float | None
    unit: str
    reason: Remark | None = None

    def __str__(self) -> str:
        """`median 31 %, middle half 24 % to 40 % (18 partners)`, or the reason."""
        if self.median is None:
            return say("not shown: {reason}", reason=self.reason)
        middle = amount_text(self.median, self.unit)
        return say(
            "median {median}, middle half {span} ({n} partner)",
            "median {median}, middle half {span} ({n} partners)",
            n=self.n,
            median=middle,
            span=self.span,
        )

    @property
    def span(self) -> str:
        """The middle half in words: `24 % to 40 %`; empty where it is not shown."""
        return "" if self.lower is None or self.upper is None else span_text(self.lower, self.upper, self.unit)


def peers(kpi: Kpi, book: Book, quarter: str | Quarter) -> Peers:
    """Median and middle half of the other partners' figures; a book of more than one partner has no peers.

    Only partners whose figure is not missing contribute; the rules of what is shown are those of `partnerkpi.others`.
    """
    unit = kpi.currency_unit(book)
    if not book.partner:
        return Peers(0, None, None, None, unit, Code.NOT_A_PARTNER())
    if book.partner in book.direct:
        return Peers(0, None, None, None, unit, Code.OWN_SALES())
    spread: Spread = book.others.peers(kpi, book.quarter(quarter), book.partner)
    reason = Code.TOO_FEW_PARTNERS() if spread.median is None else None
    return Peers(spread.n, spread.median, spread.lower, spread.upper, unit, reason)


def target(book: Book, quarter: str | Quarter) -> Estimate:
    """Won amount ÷ target of the quarter; missing with a reason where no target is recorded."""
    return figure(attainment, book, book.quarter(quarter))
