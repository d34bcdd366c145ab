"""Cells of spreadsheets and databases to text, each kind in one known way.

A number has a point and no exponent, a day is 2025-12-31, a time of day follows after a space, with `+00:00` where it
had an offset; TRUE and FALSE are themselves. A column that holds one kind alone says which, so that it is read as that
whatever is declared of texts; one that mixes kinds is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd

NOTHING, TEXT, NUMBER, DAY, STAMP = range(5)
_SHEET_DIGITS = 15  # a spreadsheet knows no more of a number
_EXACT = 10.0**_SHEET_DIGITS
# A number with noughts at its end beyond two decimals.
_PADDED = re.compile(r"^(-?[0-9]+[.][0-9]{2}[0-9]*?)0+$")


class Unreadable(Exception):
    """A value that has no text: a list, bytes, anything nested; the message is the name of its kind."""


class Column:
    """One column, filled piece by piece.

    Args:
        decimal: the declared decimal mark, for numbers that stand among texts.
        missing: texts that mean nothing; they do not make a column of numbers one of texts.
        sheet: the numbers are a spreadsheet's: 15 digits count, the rest is noise of its arithmetic.
    """

    def __init__(self, decimal: str = ".", missing: Collection[str] = (), *, sheet: bool = False) -> None:
        self._decimal, self._missing, self._sheet = decimal, frozenset(missing), sheet
        self._texts: list[pd.api.extensions.ExtensionArray] = []
        self._kinds: list[np.ndarray] = []

    def add(self, values: Iterable[object]) -> None:
        """Append cells.

        Raises:
            Unreadable: one has no text.
        """
        texts, kinds = [], bytearray()
        for value in values:
            kind, text = self._written(value)
            texts.append(text)
            kinds.append(kind)
        self._texts.append(pd.array(texts, dtype="str"))
        self._kinds.append(np.frombuffer(bytes(kinds), dtype=np.uint8))

    def kinds(self) -> np.ndarray:
        """The kind of each cell."""
        return np.concatenate([*self._kinds, np.empty(0, np.uint8)])

    def typed(self) -> str:
        """What all filled cells are: `number`, `day` or `stamp`; empty for texts and for a mixture."""
        found = set(np.unique(self.kinds()).tolist()) - {NOTHING}
        if found == {NUMBER}:
            return "number"
        return {(DAY,): "day", (STAMP,): "stamp", (DAY, STAMP): "stamp"}.get(tuple(sorted(found)), "")

    def text(self) -> pd.Series:
        """The cells as text, missing where there is nothing."""
        parts = [pd.Series(part) for part in self._texts]
        text = pd.concat(parts, ignore_index=True) if parts else pd.Series(dtype="str")
        if self._decimal != "." and not self.typed():
            numbers = pd.Series(self.kinds() == NUMBER, index=text.index)
            text = text.mask(numbers, text.str.replace(".", self._decimal, regex=False))
        return text.mask(text == "")

    def _written(self, value: object) -> tuple[int, str]:
        if isinstance(value, str):
            return (TEXT if value and value not in self._missing else NOTHING), value
        if isinstance(value, float) and self._sheet and -_EXACT < value < _EXACT:
            return NUMBER, without_exponent(f"{value:.{_SHEET_DIGITS}g}")
        return written(value)


def written(value: object) -> tuple[int, str]:
    """The kind and the text of a cell.

    >>> written(12345.0), written(Decimal("1234.50")), written(date(2025, 1, 5)), written(True)
    ((2, '12345'), (2, '1234.50'), (3, '2025-01-05'), (1, 'TRUE'))

    Raises:
        Unreadable: it has none.
    """
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise Unreadable(type(value).__name__)


def without_exponent(number: str) -> str:
    """A number without exponent, and without noughts that only tell how wide its column is: two decimals may stay.

    >>> without_exponent("1.5e+17"), without_exponent("12345.0"), without_exponent("12.5000")
    ('150000000000000000', '12345', '12.50')
    """
    if "e" in number or "E" in number:
        number = f"{Decimal(number):f}"
    return _PADDED.sub(r"\1", number.removesuffix(".0"))


def _float(value: float) -> tuple[int, str]:
    if value != value:  # a missing number is stored as "not a number"
        return NOTHING, ""
    return NUMBER, without_exponent(repr(float(value)))


def _decimal(value: Decimal) -> tuple[int, str]:
    return (NUMBER, without_exponent(f"{value:f}")) if value.is_finite() else (TEXT, str(value))


def _stamp(value: datetime) -> tuple[int, str]:
    if value.tzinfo is not None:
        return STAMP, value.astimezone(UTC).isoformat(" ")
    if value.time() == time(0):
        return DAY, value.date().isoformat()
    return STAMP, value.isoformat(" ")


_WRITERS: dict[type, Callable[..., tuple[int, str]]] = {  # a truth is also an integer, a stamp also a day
    str: lambda value: (TEXT if value else NOTHING, value),
    float: _float,
    type(None): lambda value: (NOTHING, ""),
    bool: lambda value: (TEXT, "TRUE" if value else "FALSE"),
    int: lambda value: (NUMBER, str(value)),
    Decimal: _decimal,
    datetime: _stamp,
    date: lambda value: (DAY, value.isoformat()),
    time: lambda value: (TEXT, value.isoformat()),
    timedelta: lambda value: (TEXT, str(value)),
    UUID: lambda value: (TEXT, str(value)),
}
