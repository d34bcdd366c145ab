"""Chance by counting: draw k of stream s is a hash of (seed, s, k), so it never depends on what was drawn before.

Because of that the simulated book is the same whatever the number of deals generated at a time. Normal and log-normal
variates come from tables of quantiles rounded to nine decimals: apart from them only +, −, ×, ÷ and comparisons are
used, which give the same bits on every machine.
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

_TABLE_STEPS = 4096


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64-bit words so that neighbours have nothing in common (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


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
        found = np.searchsorted(ladder, self.uniform(stream, index) * ladder[-1], side="right")
        return np.minimum(found, len(shares) - 1).astype(np.int64)

    def pick_by_row(self, stream: str, index: Ints, row: Ints, ladders: Floats) -> Ints:
        """A column number per index, from the row of `ladders` (see `ladder`) that belongs to it."""
        steps = ladders.shape[1]
        found = np.searchsorted(ladders.ravel(), self.uniform(stream, index) + row, side="right") - row * steps
        return np.minimum(found, steps - 1).astype(np.int64)


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
