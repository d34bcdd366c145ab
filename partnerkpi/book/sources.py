"""What every source gives: rows of text, with the number of each record and the line it begins on."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from partnerkpi.errors import UsageError

_SHOWN = 12
_MANY = 1 << 30
_LARGE = 100_000


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file as such; `kind` is E, Q or W."""

    record: int
    line: int
    column: str
    value: str
    rule: str
    kind: str
    count: int = 1


@dataclass
class RawTable:
    """Rows of text from one file or query: `text` by column name, and for each row its record and line.

    `ragged` holds the rows with too few or too many cells; they are not in `text`. `typed` says for the columns of a
    query which are not text but "number", "day" or "stamp", written in one known way.
    `below` counts the lines of the footer that are not empty.
    """

    file: str
    header: list[str] = field(default_factory=list)
    text: pd.DataFrame = field(default_factory=pd.DataFrame)
    record: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    line: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    files: np.ndarray | None = None
    ragged: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    typed: dict[str, str] = field(default_factory=dict)
    sha256: str = ""
    below: int = 0

    @property
    def refused(self) -> bool:
        """True when the file could not be read at all."""
        return any(p.kind == "E" for p in self.problems)

    def without(self, meaningless: Collection[str]) -> RawTable:
        """The same, but with every cell missing that is, without spaces around it, one of these texts."""
        if meaningless:
            columns = {n: c.mask(c.str.strip().isin(meaningless)) for n, c in self.text.items()}
            self.text = pd.DataFrame(columns, index=self.text.index)
        return self


def row_numbers(rows: int) -> np.ndarray:
    """The numbers of so many records, from 1, in half of what a number usually takes where they fit."""
    return np.arange(1, rows + 1, dtype=np.int32 if rows < _MANY else np.int64)


def give_back(rows: int) -> None:
    """Return to the system what work on so many rows needed and needs no more."""
    if rows < _LARGE:
        return
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":  # glibc keeps whatever lies below something that is still in use, unless it is told
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def doubled(header: Iterable[str]) -> str:
    """What is wrong with a header that names a column twice; empty where none is."""
    twice = sorted(name for name, times in Counter(n.strip() for n in header).items() if times > 1)
    shown = ", ".join(f"'{n}'" for n in twice[:_SHOWN]) + (" …" if len(twice) > _SHOWN else "")
    return f"the header names a column twice: {shown}" if twice else ""


def most(name: str, default: int) -> int:
    """How much may be read: what the environment says under the name, or else the default.

    Raises:
        UsageError: what it says is no whole number above 0.
    """
    said = os.environ.get(name, "")
    if said and not re.fullmatch("[1-9][0-9]{0,11}", said):
        raise UsageError(f"{name} in the environment must be a whole number above 0, not '{said[:40]}'.")
    return int(said) if said else default
