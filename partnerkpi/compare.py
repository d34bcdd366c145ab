"""Comparison: against an earlier quarter, against peers, against the target. A difference has its own interval.

"Better" and "worse" come from the interval of the difference, never from two point values. It is put together from the
two estimates' own limits (the method of variance estimates recovery, Zou & Donner 2008; for shares with Wilson's limits
it is Newcombe's interval), so one rule serves all eight KPIs. Figures over four quarters share data with the quarter
before; the interval, which takes them as independent, is then wider than it need be: it errs towards "no clear change".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, inf, isfinite

import numpy as np
import pandas as pd

from partnerkpi import others
from partnerkpi.book import Book
from partnerkpi.estimate import FEW, Estimate, amount_text, span_text
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.kpis.number_of_deals import attainment
from partnerkpi.periods import Quarter

CLOSE = "too few to compare"


@dataclass(frozen=True)
class Change:
    """The difference `now` − `before` with its 95 % interval, and what it says.

    `verdict` is `better`, `worse`, `no clear change`, `too few` (fewer than five on either side) or `not tested`
    (a value or an interval is missing; `reason` says which).
    """

    before: Estimate
    now: Estimate
    against: str
    value: float | None
    low: float | None
    high: float | None
    verdict: str
    reason: str = ""

    def __str__(self) -> str:
        """`+4 % against 2025Q3 (−3 % to +11 %): no clear change`."""
        if self.value is None:
            return f"{self.verdict} against {self.against} ({self.reason})"
        around = ""
        if self.low is not None and self.high is not None:
            around = f" ({signed(self.low, self.now.unit)} to {signed(self.high, self.now.unit)})"
        return f"{signed(self.value, self.now.unit)} against {self.against}{around}: {self.verdict}"


def signed(value: float, unit: str) -> str:
    """A difference with its sign: `+€120`, `−3 %` (of shares: percentage points, `−3 points`)."""
    text = f"{abs(100 * value):,.1f} points" if unit == "share" else amount_text(abs(value), unit)
    return text if value == 0 else ("+" if value > 0 else "−") + text


def change(figure: Kpi, book: Book, quarter: str | Quarter, against: str | Quarter) -> Change:
    """How the figure changed from the quarter `against` to this one."""
    now, then = book.quarter(quarter), book.quarter(against)
    if figure.accumulates and not (now.complete and then.complete):
        reason = f"to date, {now.days_so_far} of {now.days} days: not compared with a whole quarter"
        return Change(figure(book, then), figure(book, now), then.label, None, None, None, "not tested", reason)
    return difference(figure(book, now), figure(book, then), then.label, better=figure.better)


def difference(now: Estimate, before: Estimate, against: str, *, better: str) -> Change:
    """The difference of two estimates of one figure.

    >>> a = Estimate(0.5, 0.42, 0.58, n=150, unit="share", counts="prospects")
    >>> b = Estimate(0.3, 0.23, 0.38, n=140, unit="share", counts="prospects")
    >>> print(difference(a, b, "2025Q3", better="higher"))
    +20.0 points against 2025Q3 (+8.7 points to +30.6 points): better
    """
    if now.value is None or before.value is None:
        which = "this quarter" if now.value is None else against
        reason = f"{which}: {now.reason if now.value is None else before.reason}"
        return Change(before, now, against, None, None, None, "not tested", reason)
    value = now.value - before.value
    if now.few or before.few:
        return Change(before, now, against, value, None, None, "too few", CLOSE)
    if now.low is None or before.low is None:
        reason = now.reason if now.low is None else before.reason
        return Change(before, now, against, value, None, None, "not tested", reason)
    upper_now = inf if now.high is None else now.high
    upper_before = inf if before.high is None else before.high
    low = value - hypot(now.value - now.low, upper_before - before.value)
    high = value + hypot(upper_now - now.value, before.value - before.low)
    verdict = "no clear change"
    if low > 0 or high < 0:
        verdict = "better" if (low > 0) == (better == "higher") else "worse"
    ends = [x if isfinite(x) else None for x in (low, high)]
    return Change(before, now, against, value, ends[0], ends[1], verdict)


@dataclass(frozen=True)
class Peers:
    """What the other partners show, as a safe aggregate: median and middle half; no number for fewer than five."""

    n: int
    median: float | None
    lower: float | None
    upper: float | None
    unit: str
    reason: str = ""

    def __str__(self) -> str:
        """`median 31 %, middle half 24 % to 40 % (18 partners)`, or the reason."""
        if self.median is None:
            return f"not shown: {self.reason}"
        middle = amount_text(self.median, self.unit)
        return f"median {middle}, middle half {self.span} ({self.n} partners)"

    @property
    def span(self) -> str:
        """The middle half in words: `24 % to 40 %`; empty where it is not shown."""
        return "" if self.lower is None or self.upper is None else span_text(self.lower, self.upper, self.unit)


def peers(figure: Kpi, book: Book, quarter: str | Quarter) -> Peers:
    """Median and middle half of the other partners' figures; for the whole network, of all partners.

    Only partners whose figure is not missing contribute.
    """
    period = book.quarter(quarter)
    unit = figure.currency_unit(book)
    if book.facts is not None and book.partner:
        stored = others.stored(book, f"peers:{figure.name}", period).set_index("key")
        n = int(stored["n"].iloc[0]) if len(stored) else 0
        spread = [float(stored["value"].get(k, np.nan)) for k in ("median", "lower", "upper")]
    else:
        n, spread = peer_spread(figure, book.network or book, period, leave_out=book.partner)
    if n < FEW:
        return Peers(n, None, None, None, unit, "too few partners")
    return Peers(n, spread[0], spread[1], spread[2], unit)


def peer_spread(figure: Kpi, whole: Book, quarter: Quarter, leave_out: str) -> tuple[int, list[float]]:
    """Number, median and quartiles of the partners' figures, one partner left out (none when empty)."""
    table = _partner_table(whole, figure, quarter)
    values = table.drop(leave_out, errors="ignore").dropna().to_numpy()
    if len(values) < FEW:
        return len(values), []
    return len(values), [float(np.quantile(values, q)) for q in (0.5, 0.25, 0.75)]


@others.remembered
def _partner_table(whole: Book, figure: Kpi, quarter: Quarter) -> pd.Series[float]:
    table = figure.by(whole, quarter, "partner").set_index("group")["value"]
    return table.drop([ALL, UNASSIGNED])


def peer_facts(book: Book, quarters: Sequence[Quarter], partner: str) -> pd.DataFrame:
    """The peers of one partner in these quarters as network facts, for its slice: aggregates only."""
    table: list[tuple[str, str, str, float, float]] = []
    for quarter in quarters:
        for figure in (f for kpi in KPIS for f in (kpi, *kpi.stand_ins)):
            n, spread = peer_spread(figure, book.network or book, quarter, leave_out=partner)
            values = dict(zip(("median", "lower", "upper"), spread or [np.nan] * 3, strict=True))
            table += [(f"peers:{figure.name}", quarter.label, k, v, float(n)) for k, v in values.items()]
    return pd.DataFrame(table, columns=others.FACT_COLUMNS)


def target(book: Book, quarter: str | Quarter) -> Estimate:
    """Won amount ÷ target of the quarter; missing with a reason where no target is recorded."""
    return attainment(book, quarter)
