"""How a delimited file begins: where its header may stand and what separates its cells, to say so where it fails.

Nothing is read by what is found here: it is advice for book.toml.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

_LINES = 60
_MARKS = ",;\t|"
_NO_NAME = re.compile(r"[\W\d]+")


def shown_mark(mark: str) -> str:
    """The delimiter as it may stand in a sentence."""
    return "a tab" if mark == "\t" else f"'{mark}'"


@dataclass(frozen=True)
class Head:
    """The first lines of a file below the `above` lines that are skipped already."""

    path: Path
    encoding: str
    above: int

    @cached_property
    def lines(self) -> list[str]:
        """The first lines; none where they cannot be read."""
        with self.path.open(encoding=self.encoding, errors="ignore", newline="") as file:
            return [line[:10_000] for line in islice(file, self.above, self.above + _LINES)]

    def delimiter_but(self, declared: str) -> str:
        """The mark that stands in the first line, or else in more than half of the lines, but is not declared."""
        filled = [line for line in self.lines if line.strip()]
        first = self.lines[0] if self.lines else ""
        for mark in _MARKS:
            if mark != declared and mark in first and not first.casefold().startswith("sep="):
                return mark
        often = Counter(mark for line in filled for mark in _MARKS if mark != declared and mark in line)
        mark, times = max(often.items(), key=lambda item: item[1], default=("", 0))
        return mark if 2 * times > len(filled) else ""

    def advice(self, delimiter: str, declared: str) -> str:
        """What to declare so that the header is found; empty where the file says nothing of the kind."""
        skip = self._before_header(delimiter)
        parts = [f"skip_rows = {self.above + skip}"] if skip else []
        if delimiter == declared:
            return f"Say {parts[0]}" if parts else ""
        spelt = "\\t" if delimiter == "\t" else delimiter
        parts.append(f'delimiter = "{spelt}"')
        return f"declare the delimiter, {' and '.join(parts)}"

    def _before_header(self, delimiter: str) -> int:
        """How many lines stand before the first that can be a header: names, as many as most lines have cells."""
        reader = csv.reader(self.lines, delimiter=delimiter)
        rows: list[tuple[int, list[str]]] = []
        start = 0
        try:
            for row in reader:
                rows.append((start, [cell.strip() for cell in row]))
                start = reader.line_num
        except csv.Error:
            pass
        widths = Counter(len(row) for _, row in rows if row)
        usual = max(widths, key=lambda width: (widths[width], width), default=0)
        for before, row in rows:
            names = [cell for cell in row if cell]
            plain = len(set(names)) == len(names) and not any(map(_NO_NAME.fullmatch, names))
            if usual > 1 and len(row) == usual and 2 * len(names) > usual and plain:
                return before
        return 0
