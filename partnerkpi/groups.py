"""Groups: the values of one column that a figure is broken down by, the same for every table of the book."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import MEDIA, media_of
from partnerkpi.errors import UsageError, nearest
from partnerkpi.statistics import Ints

ALL = "all"
UNASSIGNED = "unassigned"

#: What one may break down by, and the column that holds it. Those of `PARTNER_FACTS` are looked up by partner.
LEVELS = {
    "partner": "partner_id",
    "rep": "rep",
    "unit": "unit",
    "region": "region",
    "product": "product",
    "channel": "channel",
    "media": "media",
    "tier": "tier",
    "type": "type",
    "country": "country",
    "manager": "manager",
}
PARTNER_FACTS = ("tier", "type", "country", "manager")
TABLES = ("deals", "leads", "partners", "spells", "spend", "targets")


@dataclass(frozen=True, eq=False)
class Groups:
    """The labels of the groups, `unassigned` last, and where each row belongs."""

    book: Book
    column: str
    labels: tuple[str, ...]

    def codes(self, rows: pd.DataFrame) -> Ints:
        """The group of each row as a position in `labels`; rows without a value belong to `unassigned`."""
        key = _key(self.book, rows, self.column)
        if key is None:
            return np.full(len(rows), len(self.labels) - 1, dtype=np.int64)
        place = pd.Index(self.labels[:-1]).get_indexer(key.cat.categories.astype(str))
        place = np.append(place, -1)[key.cat.codes]
        return np.where(place < 0, len(self.labels) - 1, place).astype(np.int64)


def groups_of(book: Book, by: str) -> Groups:
    """Every value of the column that has any row in the book, in alphabetical order, and `unassigned`.

    Raises:
        UsageError: there is no such level; the text names the nearest ones.
    """
    column = LEVELS.get(by, by)
    if column not in LEVELS.values():
        raise UsageError(f"Cannot break down by '{by}'. {nearest(by, LEVELS)}")
    known = _labels.setdefault(book, {})
    if column not in known:
        known[column] = MEDIA if column == "media" else _labels_in(book, column)
    return Groups(book, column, (*known[column], UNASSIGNED))


_labels: WeakKeyDictionary[Book, dict[str, tuple[str, ...]]] = WeakKeyDictionary()


def _labels_in(book: Book, column: str) -> tuple[str, ...]:
    seen: set[str] = set()
    for name in TABLES:
        key = _key(book, getattr(book, name), column)
        if key is not None:
            codes = np.unique(key.cat.codes)
            seen.update(map(str, key.cat.categories[codes[codes >= 0]]))
    return tuple(sorted(seen))


def telling_level(book: Book) -> str:
    """The level at which a breakdown of this book tells most: partners for a network, else the first that differs."""
    for by in ("partner", "region", "product", "unit", "rep", "channel"):
        if len(groups_of(book, by).labels) > 2:
            return by
    return "partner"


def _key(book: Book, rows: pd.DataFrame, column: str) -> pd.Series | None:
    """The column as a category, looked up by partner where it is a fact of the partner; None where rows lack it."""
    if column == "media" and "channel" in rows:
        return media_of(book, rows["channel"])
    if column in rows:
        return rows[column].astype("category")
    if column in PARTNER_FACTS and "partner_id" in rows:
        facts = book.partners.set_index("partner_id")[column]
        key = rows["partner_id"].astype("category")
        of_partner = facts.reindex(key.cat.categories).astype(object).to_numpy()
        return pd.Series(np.array([*of_partner, None], dtype=object)[key.cat.codes], index=rows.index).astype(
            "category"
        )
    return None
