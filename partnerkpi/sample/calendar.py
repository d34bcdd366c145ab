"""The days of the book as whole numbers: day 0 is the first, day `days` − 1 the one the export was made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from partnerkpi.sample.draws import Ints

LAST_DAY = np.datetime64("2025-12-31", "D")
BEYOND = 4000  # days after the end in which the future of open deals is still worked out


@dataclass(frozen=True)
class Calendar:
    """`quarters` calendar quarters that end on 31 December 2025."""

    quarters: int
    first: np.datetime64 = field(init=False)
    days: int = field(init=False)
    month: Ints = field(init=False, repr=False)
    workday: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        first = (np.datetime64("2026-01", "M") - np.timedelta64(3 * self.quarters, "M")).astype("datetime64[D]")
        days = int((LAST_DAY - first).astype(int)) + 1
        every = first + np.arange(days + BEYOND)
        weekday = (every.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday; 0 = Monday
        shift = np.where(weekday == 5, 2, np.where(weekday == 6, 1, 0))
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "days", days)
        months = every.astype("datetime64[M]").astype(np.int64)
        object.__setattr__(self, "month", months - months[0])
        object.__setattr__(self, "workday", np.minimum(np.arange(days + BEYOND) + shift, days + BEYOND - 1))

    @property
    def months(self) -> int:
        """Months in the book."""
        return 3 * self.quarters

    @property
    def labels(self) -> list[str]:
        """The quarters, `2023Q1` first."""
        starts = np.datetime64("2026-01", "M") - 3 * np.arange(self.quarters, 0, -1)
        return [f"{str(start)[:4]}Q{(int(str(start)[5:7]) + 2) // 3}" for start in starts]

    def month_starts(self) -> list[str]:
        """The first day of every month of the book, as ISO text."""
        starts = np.datetime64("2026-01", "M") - np.arange(self.months, 0, -1)
        return [f"{start}-01" for start in starts]

    def mondays(self) -> list[int]:
        """Every Monday of the book after its first day."""
        start = int(self.first.astype(np.int64)) + 3  # 1 January 1970 was a Thursday
        return [day for day in range(1, self.days) if (start + day) % 7 == 0]

    def to_workday(self, day: Ints) -> Ints:
        """Saturdays and Sundays move to Monday; days too far ahead end with the calendar."""
        return self.workday[np.clip(day, 0, len(self.workday) - 1)]

    def month_of(self, day: Ints) -> Ints:
        """Months since the first one (day −1 gives the first)."""
        return self.month[np.clip(day, 0, len(self.month) - 1)]

    def month_of_year(self, day: Ints) -> Ints:
        """0 for January … 11 for December."""
        first = int(self.first.astype("datetime64[M]").astype(np.int64)) % 12
        return (self.month_of(day) + first) % 12

    def first_full_month(self, day: Ints) -> Ints:
        """The first month that begins on or after a day; 0 for day −1, that is, from the start."""
        return np.where(day < 0, 0, self.month_of(day - 1) + 1)

    def middle_of_month(self, share: float) -> int:
        """A day in the middle of the month at this share of the book."""
        return int(np.searchsorted(self.month, int(share * self.months))) + 10

    def end_of_month(self, share: float) -> int:
        """The last day of the month at this share of the book."""
        return int(np.searchsorted(self.month, int(share * self.months), side="right")) - 1

    def iso(self, extra: int = 0) -> list[str]:
        """Every day as ISO text, the days after the end too, and an empty text last so that day −1 is empty."""
        every = self.first + np.arange(self.days + extra)
        return [*np.datetime_as_string(every, unit="D").tolist(), ""]
