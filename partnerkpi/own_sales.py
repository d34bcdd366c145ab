"""The vendor's own sales: ids that a book names as `direct` are no partners, and are compared with none."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from partnerkpi.book import Book

#: Whose rows of a direct id count on, as nobody's; of all other tables they are left out.
_NOBODYS = ("deals", "leads", "history", "spells", "prospects")


def partners_alone(book: Book) -> Book:
    """The book as partners are compared in it: deals and leads of the vendor's own sales belong to nobody.

    What is the vendor's own in other tables (its targets, spend, notes) is not in it. The book itself where it names
    no direct id.
    """
    if not book.direct:
        return book
    alone: Book = book.once("partners alone", lambda: _alone(book))
    return alone


def _alone(book: Book) -> Book:
    own = list(book.direct)
    frames = {}
    for name, frame in book._frames.items():
        if "partner_id" in frame:
            mine = frame["partner_id"].isin(own).to_numpy()
            if name not in _NOBODYS:
                frame = frame[~mine].reset_index(drop=True)
            partner = _without(frame["partner_id"], own)
            frame = frame.assign(partner_id=partner)
        frames[name] = frame
    return replace(book, direct=(), _frames=frames)


def _without(partner: pd.Series, ids: list[str]) -> pd.Series:
    known = [one for one in ids if one in partner.cat.categories]
    return partner.cat.remove_categories(known)
