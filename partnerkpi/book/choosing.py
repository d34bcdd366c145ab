"""Choosing a part of a book: every table filtered alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerkpi.book.labels import among, trimmed
from partnerkpi.errors import UsageError, nearest

if TYPE_CHECKING:
    from partnerkpi.book.book import Book

Chosen = tuple[tuple[str, str | None], ...]

COLUMNS = ("partner_id", "rep", "unit", "region", "product", "channel", "tier", "type", "country", "manager")
_FOLLOWING = ("history", "touches")
_WHOLE = ("channels", "rates")  # these speak of no partner


def checked_choice(book: Book, column: str, value: str | None) -> None:
    """Pass when the column can be chosen by and the value occurs.

    Raises:
        UsageError: it cannot, or it does not.
    """
    if column not in COLUMNS:
        raise UsageError(f"A book cannot be filtered by '{column}'. {nearest(column, COLUMNS)}")
    if value is None:
        return
    known: set[str] = set()
    for table in book.tables.values():
        if column in table:
            known.update(table[column].cat.categories)
    if column == "partner_id":
        known.update(book.spells["partner_id"].cat.categories)
    if value not in known:
        what = "partner" if column == "partner_id" else column
        raise UsageError(f"The book '{book.name}' has no {what} '{value}'. {nearest(value, sorted(known))}")


def chosen_tables(book: Book, chosen: Chosen) -> dict[str, pd.DataFrame]:
    """All tables of the whole book with only the rows chosen."""
    tables = {n: t if n in _WHOLE else t[_rows(book, t, chosen)] for n, t in book.tables.items()}
    deals = tables["deals"]["deal_id"]
    leads = book.leads
    if any(_place(book, leads, column) is None for column, _ in chosen):  # a lead has no rep of its own, its deal has
        tables["leads"] = leads[among(leads["lead_id"], _chosen(book.prospects, chosen, book)["lead_id"])]
    for name in _FOLLOWING:
        table = book.tables[name]
        keep = among(table["deal_id"], deals)
        if "lead_id" in table:
            keep |= among(table["lead_id"], tables["leads"]["lead_id"])
        if "partner_id" in table:
            own = _rows(book, table, tuple(c for c in chosen if c[0] == "partner_id"))
            keep &= own | table["partner_id"].isna().to_numpy()
        tables[name] = table[keep]
    return {name: table if name in _WHOLE else trimmed(table) for name, table in tables.items()}


def chosen_derived(frame: pd.DataFrame, chosen: Chosen, deals: pd.DataFrame | None, book: Book) -> pd.DataFrame:
    """The chosen rows of spells or prospects; with `deals`, `deal` becomes the position in these."""
    part = trimmed(_chosen(frame, chosen, book))
    if deals is None:
        return part
    return part.assign(deal=pd.Index(deals["deal_id"]).get_indexer(part["deal_id"]).astype(np.int64))


def _chosen(frame: pd.DataFrame, chosen: Chosen, book: Book) -> pd.DataFrame:
    return frame[_rows(book, frame, chosen)]


def _rows(book: Book, frame: pd.DataFrame, chosen: Iterable[tuple[str, str | None]]) -> np.ndarray:
    """True for the rows chosen; a column that the frame can say nothing about chooses all."""
    keep = np.ones(len(frame), dtype=bool)
    for column, value in chosen:
        key = _place(book, frame, column)
        if key is None:
            continue
        keep &= (key.isna() if value is None else key == value).to_numpy()
    return keep


def _place(book: Book, frame: pd.DataFrame, column: str) -> pd.Series | None:
    """The column of the frame; where only partners have it, that of each row's partner; None where it has neither."""
    fact = column in ("tier", "type", "country", "manager")
    if column in frame and not (column == "region" and _is_fact(book, column)):
        return frame[column]
    if (fact or _is_fact(book, column)) and "partner_id" in frame:
        of_partner = book.partners.set_index("partner_id")[column].astype("str")
        key = frame["partner_id"]
        place = of_partner.reindex(pd.Index(key.cat.categories)).to_numpy(dtype=object)
        return pd.Series(np.append(place, np.nan)[key.cat.codes], index=frame.index, dtype="str")
    return None


def _is_fact(book: Book, column: str) -> bool:
    """True when the book knows the column of partners only."""
    recorded = book.recorded
    return column == "region" and "partners.region" in recorded and "deals.region" not in recorded
