"""What every source gives: rows of text, with the number of each record and the line it begins on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


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
