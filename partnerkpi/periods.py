"""Fiscal quarters: text outside (`2025Q4`), a `Quarter` inside, with the only arithmetic there is.

A fiscal year is named by the calendar year it ends in. Two quarters can be set beside each other only if their years
begin in the same month.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pandas as pd

from partnerkpi.errors import UsageError
from partnerkpi.wording import say

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LABEL = re.compile(r"[1-9]\d{3}Q[1-4]")


@dataclass(frozen=True)
class Quarter:
    """A fiscal quarter as far as it is known.

    `start` and `end` are its first and last day (midnight, both inclusive); `last_day` is the last day that figures
    may use: `end`, or the as-of day while the quarter is still running. `fiscal_year_starts` is its calendar: the
    month in which the fiscal year begins.
    """

    label: str
    start: pd.Timestamp
    end: pd.Timestamp
    last_day: pd.Timestamp
    fiscal_year_starts: int = 1

    @property
    def number(self) -> int:
        """Which quarter of the fiscal year it is, 1 to 4."""
        return int(self.label[5])

    @property
    def complete(self) -> bool:
        """True when the quarter has ended by the as-of day."""
        return self.last_day == self.end

    @property
    def days(self) -> int:
        """Days of the whole quarter."""
        return int((self.end - self.start).days) + 1

    @property
    def days_so_far(self) -> int:
        """Days of the quarter up to the as-of day."""
        return int((self.last_day - self.start).days) + 1

    def __sub__(self, quarters: int) -> Quarter:
        """The quarter so many earlier; it is complete.

        >>> (quarter_of("2025Q2") - 3).start
        Timestamp('2024-07-01 00:00:00')
        """
        year, number = divmod(int(self.label[:4]) * 4 + int(self.label[5]) - 1 - quarters, 4)
        start = self.start - pd.DateOffset(months=3 * quarters)
        end = start + pd.DateOffset(months=3) - pd.Timedelta(days=1)
        return Quarter(f"{year}Q{number + 1}", start, end, end, self.fiscal_year_starts)

    def __add__(self, quarters: int) -> Quarter:
        """The quarter so many later, as if complete.

        >>> (quarter_of("2025Q3") + 2).end
        Timestamp('2026-03-31 00:00:00')
        """
        return self - -quarters

    def known_on(self, day: pd.Timestamp) -> Quarter:
        """The quarter as far as it is known at the end of a day.

        Raises:
            UsageError: the quarter has not begun on that day.
        """
        if self.start > day:
            raise UsageError(
                f"The quarter {self.label} begins on {self.start:%Y-%m-%d}, after the as-of day {day:%Y-%m-%d}: "
                f"nothing of it can be known yet."
            )
        return replace(self, last_day=min(self.end, day))

    @property
    def before(self) -> Quarter:
        """The quarter before."""
        return self - 1

    @property
    def year_before(self) -> Quarter:
        """The same quarter a year before."""
        return self - 4

    @property
    def year(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First and last day of the four quarters that end with this one."""
        return (self - 3).start, self.last_day

    def back(self, quarters: int) -> list[Quarter]:
        """So many consecutive quarters, oldest first, this one last.

        Raises:
            UsageError: less than one.
        """
        if quarters < 1:
            raise UsageError(f"At least one quarter is needed, not {quarters}.")
        return [*(self - i for i in range(quarters - 1, 0, -1)), self]

    def __str__(self) -> str:
        """The label, with a mark while the quarter is still running.

        >>> str(quarter_of("2025Q4", as_of=pd.Timestamp("2025-11-18")))
        '2025Q4 to date, 49 of 92 days'
        """
        if self.complete:
            return self.label
        return say("{quarter} to date, {n} of {days} days", quarter=self.label, n=self.days_so_far, days=self.days)


def quarter_of(label: str, *, fiscal_year_starts: int = 1, as_of: pd.Timestamp | None = None) -> Quarter:
    """The quarter with this label, cut at the as-of day.

    >>> quarter_of("2025Q1", fiscal_year_starts=2).start
    Timestamp('2024-02-01 00:00:00')

    Raises:
        UsageError: the text is no quarter, or the quarter has not begun on the as-of day.
    """
    period = pd.Period(checked(label), freq=frequency(fiscal_year_starts))
    start, end = (t.normalize().as_unit("s") for t in (period.start_time, period.end_time))
    quarter = Quarter(label, start, end, end, fiscal_year_starts)
    return quarter if as_of is None else quarter.known_on(as_of)


def last_complete(as_of: pd.Timestamp, fiscal_year_starts: int = 1) -> str:
    """The label of the last quarter that has ended by the as-of day.

    >>> last_complete(pd.Timestamp("2025-12-31")), last_complete(pd.Timestamp("2025-12-30"))
    ('2025Q4', '2025Q3')
    """
    running = pd.Period(as_of + pd.Timedelta(days=1), freq=frequency(fiscal_year_starts))
    return _text(running - 1)


def quarters(last: str, back: int = 8) -> list[str]:
    """The labels of `back` consecutive quarters, oldest first, the given one last.

    >>> quarters("2025Q2", back=3)
    ['2024Q4', '2025Q1', '2025Q2']

    Raises:
        UsageError: the text is no quarter, or `back` is less than one.
    """
    return [quarter.label for quarter in quarter_of(last).back(back)]


def checked(label: str) -> str:
    """The label itself.

    Raises:
        UsageError: it is not written like 2025Q4.
    """
    if not isinstance(label, str) or not _LABEL.fullmatch(label):
        raise UsageError(f"'{label}' is no quarter. Write it like 2025Q4.")
    return label


def frequency(fiscal_year_starts: int) -> str:
    """The pandas frequency of quarters of a fiscal year that begins in this month."""
    return f"Q-{_MONTHS[(fiscal_year_starts - 2) % 12]}"


def _text(period: pd.Period) -> str:
    return f"{period.year if period.freqstr == 'Q-DEC' else period.qyear}Q{period.quarter}"
