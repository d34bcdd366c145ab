"""Groups: the values of one column that a figure is broken down by, the same for every table of the book."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, unique

import numpy as np
import pandas as pd

from partnerkpi.book import MEDIA, Book
from partnerkpi.book.schema import TABLES, levels, telling_levels
from partnerkpi.errors import UsageError, nearest
from partnerkpi.experience import Ints
from partnerkpi.wording import say


@unique
class Key(Enum):
    """Groups that are no value of a column, and equal to no text: an id may be called `all` or `unassigned`."""

    ALL = "all"
    UNASSIGNED = "unassigned"

    def __str__(self) -> str:
        """The word that stands for the group in tables and files."""
        return say(self.value)


ALL, UNASSIGNED = Key.ALL, Key.UNASSIGNED
#: So alike must a word be to a level to be taken for a slip of the pen.
LIKENESS = 0.7


def group_text(group: str | Key) -> str:
    """The group as tables and files have it; an id that looks like one of the two other groups is put in quotes.

    >>> group_text(ALL), group_text("P-003"), group_text("all")
    ('all', 'P-003', '"all"')
    """
    words = {word for key in Key for word in (key.value, str(key))}
    return quoted(group, words) if isinstance(group, str) else str(group)


def quoted(text: str, words: Collection[str]) -> str:
    """The text itself; in quotes when it is one of these words, in one more pair when it is one in quotes already."""
    return f'"{text}"' if text.strip('"') in words else text


@dataclass(frozen=True, eq=False)
class Groups:
    """The labels of the groups, `UNASSIGNED` last, and where each row belongs."""

    book: Book
    column: str
    labels: tuple[str | Key, ...]

    def codes(self, rows: pd.DataFrame) -> Ints:
        """The group of each row as a position in `labels`; rows without a value belong to `UNASSIGNED`."""
        last = len(self.labels) - 1
        values = self.book.level(rows, self.column)
        if values is None:
            return np.full(len(rows), last, dtype=np.int64)
        key = values.astype("category")
        place = pd.Index(self.labels[:-1], dtype="str").get_indexer(pd.Index(key.cat.categories, dtype="str"))
        codes = np.append(place, -1)[key.cat.codes]
        return np.where(codes < 0, last, codes).astype(np.int64)


def groups_of(book: Book, by: str) -> Groups:
    """Every value of the column that has any row in the book, in alphabetical order, and `UNASSIGNED`.

    Raises:
        UsageError: there is no such level; the text names the nearest ones.
    """
    known = levels()
    if not isinstance(by, str):
        raise UsageError(f"Figures are broken down by one level, like 'region', not by {by!r}.")
    column = known.get(by, by)
    if column not in known.values():
        raise UsageError(f"Cannot break down by '{by}'. {nearest(by, known, LIKENESS)}")
    labels = book.once(("groups", column), lambda: MEDIA if column == "media" else _labels_in(book, column))
    return Groups(book, column, (*labels, UNASSIGNED))


def _labels_in(book: Book, column: str) -> tuple[str, ...]:
    seen: set[str] = set()
    own = (table.name for table in TABLES.values() if not (table.about or table.looked_up))
    for name in (*own, "spells"):
        values = book.level(book.periods if name == "spells" else book.table(name), column)
        if values is not None:
            seen.update(map(str, values.dropna().unique()))
    return tuple(sorted(seen))


def telling_level(book: Book) -> str:
    """The level at which a breakdown of this book tells most: partners for a network, else the first that differs."""
    for by in telling_levels():
        if len(groups_of(book, by).labels) > 2:
            return by
    return "partner"
