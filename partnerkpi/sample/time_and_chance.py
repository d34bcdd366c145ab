"""Chance by counting, and the days of the book as whole numbers: what everything else here is made of.

Draw k of stream s is a hash of (seed, s, k), so it never depends on what was drawn before, and the simulated book is
the same whatever the number of deals generated at a time. Normal and log-normal variates come from tables of quantiles
rounded to nine decimals: apart from them only +, −, ×, ÷ and comparisons are used, which give the same bits on every
machine. Day 0 is the first of the book, day `days` − 1 the one the export was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from math import exp, fsum
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LAST_DAY = np.datetime64("2025-12-31", "D")
BEYOND = 4000  # days after the end in which the future of open deals is still worked out
_TABLE_STEPS = 4096


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64-bit words so that neighbours have nothing in common (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class Record:
    """What a frozen dataclass of arrays inherits: its arrays cannot be changed in place either."""

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


@dataclass(frozen=True)
class Draws:
    """All the chance of one book. `seed` is a word or a number; equal text means equal draws."""

    seed: str

    def uniform(self, stream: str, index: Ints) -> Floats:
        """One number in [0, 1) for each index, independent between streams (named by words) and indices."""
        digest = blake2b(f"{self.seed}\x1f{stream}".encode(), digest_size=8).digest()
        start = np.uint64(int.from_bytes(digest, "little"))
        words = _mixed(index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start)
        return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def whole(self, stream: str, index: Ints, below: int) -> Ints:
        """One whole number in 0 … below − 1 for each index."""
        return (self.uniform(stream, index) * below).astype(np.int64)

    def lognormal(self, stream: str, index: Ints, sigma: float, mean_one: bool) -> Floats:
        """Log-normal factors with mean one (sizes) or median one (durations)."""
        table = lognormal_table(sigma)
        position = self.uniform(stream, index) * (len(table) - 1)
        below = position.astype(np.int64)
        value = table[below] + (position - below) * (table[below + 1] - table[below])
        return value / lognormal_mean(sigma) if mean_one else value

    def pick(self, stream: str, index: Ints, shares: Floats) -> Ints:
        """A column number per index; `shares` is one row of weights, the same for every index."""
        ladder = np.cumsum(shares)
        column = np.searchsorted(ladder, self.uniform(stream, index) * ladder[-1], side="right")
        return np.minimum(column, len(shares) - 1).astype(np.int64)

    def pick_by_row(self, stream: str, index: Ints, row: Ints, ladders: Floats) -> Ints:
        """A column number per index, from the row of `ladders` (see `ladder`) that belongs to it."""
        steps = ladders.shape[1]
        column = np.searchsorted(ladders.ravel(), self.uniform(stream, index) + row, side="right") - row * steps
        return np.minimum(column, steps - 1).astype(np.int64)


def ladder(shares: Floats) -> Floats:
    """Cumulative shares of each row, lifted by the row number so that one binary search serves all rows."""
    climbing = np.cumsum(shares, axis=1)
    climbing = climbing / climbing[:, -1:]
    return climbing + np.arange(len(shares), dtype=np.float64)[:, None]


@cache
def lognormal_table(sigma: float) -> Floats:
    """Quantiles of a log-normal with median one; a draw interpolates between two neighbours."""
    normal = NormalDist()
    quantiles = [normal.inv_cdf((step + 0.5) / (_TABLE_STEPS + 1)) for step in range(_TABLE_STEPS + 1)]
    return np.array([round(exp(sigma * z), 9) for z in quantiles])


@cache
def lognormal_mean(sigma: float) -> float:
    """The exact mean of what `lognormal` draws (the table's, cut tails included)."""
    table = lognormal_table(sigma).tolist()
    return round((fsum(table) - (table[0] + table[-1]) / 2) / (len(table) - 1), 9)


@dataclass(frozen=True, eq=False)
class Calendar(Record):
    """Calendar quarters that end on 31 December 2025. The arrays have one element per day and go on to BEYOND."""

    quarters: int
    first: np.datetime64
    days: int
    month: Ints  # months since the first one
    workday: Ints  # the day itself, or the Monday after it

    @classmethod
    def of(cls, quarters: int) -> Calendar:
        """The calendar of a book of this many quarters."""
        first = (np.datetime64("2026-01", "M") - np.timedelta64(3 * quarters, "M")).astype("datetime64[D]")
        days = int((LAST_DAY - first).astype(int)) + 1
        dates = first + np.arange(days + BEYOND)
        months = dates.astype("datetime64[M]").astype(np.int64)
        weekday = (dates.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday; 0 = Monday
        to_monday = np.where(weekday == 5, 2, np.where(weekday == 6, 1, 0))
        workday = np.minimum(np.arange(days + BEYOND) + to_monday, days + BEYOND - 1)
        return cls(quarters=quarters, first=first, days=days, month=months - months[0], workday=workday)

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
        dates = self.first + np.arange(self.days + extra)
        return [*np.datetime_as_string(dates, unit="D").tolist(), ""]
