"""The trade's words as filters: which deals, leads and prospects belong to a quarter or stand on a day.

Every filter takes a frame of a book (or the book where it needs two tables) and returns some of its rows, unchanged.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.periods import Quarter

#: Statuses with a decision: the customer bought, or did not.
DECIDED = ("won", "lost", "abandoned")
#: Statuses that end a prospect; `rejected` never became a chance to sell.
ENDED = (*DECIDED, "rejected")

MEDIA = ("paid", "earned", "owned", "unmapped", "none_recorded")


def year_to(quarter: Quarter) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last day of the four quarters that end with this one."""
    return (quarter - 3).start, quarter.last_day


def within(days: pd.Series, first: pd.Timestamp, last: pd.Timestamp) -> pd.Series:
    """True for days from `first` to `last`, both included; a missing day is never within."""
    return (days >= first) & (days <= last)


def with_status(frame: pd.DataFrame, statuses: tuple[str, ...]) -> pd.Series:
    """True where the status is one of these."""
    return frame["status"].isin(statuses)


def closed_in(frame: pd.DataFrame, quarter: Quarter, statuses: tuple[str, ...]) -> pd.DataFrame:
    """Rows that ended in the quarter with one of these statuses."""
    days = frame["closed_on"].to_numpy()
    first, last = quarter.start.to_datetime64(), quarter.last_day.to_datetime64()
    return frame[(days >= first) & (days <= last) & with_status(frame, statuses).to_numpy()]


def won_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows won in the quarter."""
    return closed_in(frame, quarter, ("won",))


def decided_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows won, lost or abandoned in the quarter."""
    return closed_in(frame, quarter, DECIDED)


def ended_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows that got an outcome in the quarter, refused registrations included."""
    return closed_in(frame, quarter, ENDED)


def entered_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows created in the quarter."""
    return frame[within(frame["created_on"], quarter.start, quarter.last_day)]


def priced(deals: pd.DataFrame) -> pd.DataFrame:
    """Deals with an amount above zero; the others have no size to average."""
    return deals[deals["amount"] > 0]


def brought_by_partner(book: Book, deals: pd.DataFrame) -> pd.DataFrame:
    """Deals the partner brought; all of them where the book does not record who did."""
    return deals[deals["sourced"] == "partner"] if book.records("deals.sourced") else deals


def known_to_vendor(deals: pd.DataFrame) -> pd.Series:
    """True for registrations refused because the vendor already knew the customer."""
    return (deals["status"] == "rejected") & (deals["reason"].fillna("").str.casefold() == "conflict")


def open_at(book: Book, day: pd.Timestamp) -> pd.DataFrame:
    """Deals open at the end of the day, with stage, amount, owner and expected close as they stood then.

    `amount` is converted at the day's rate where the deal is in another currency.
    """
    spells = book.spells
    on = day.to_datetime64()
    to_day = spells["to_day"].to_numpy()
    there = (spells["from_day"].to_numpy() <= on) & (np.isnat(to_day) | (to_day > on))
    there &= (spells["status"] == "open").to_numpy()
    return book.in_book_currency(spells[there], day)


def media_of(book: Book, channel: pd.Series) -> pd.Series:
    """The media type of each channel: `paid`, `earned`, `owned`, else `unmapped`, or `none_recorded` without one."""
    table = book.channels.set_index("channel")["media"]
    kinds = pd.CategoricalDtype(list(MEDIA))
    if isinstance(channel.dtype, pd.CategoricalDtype):
        names = channel.cat.categories
        of_name = pd.Series(names.astype(str)).map(table.astype(str)).fillna("unmapped")
        labels = np.append(of_name.to_numpy(dtype=object), "none_recorded")
        return pd.Series(pd.Categorical(labels[channel.cat.codes], dtype=kinds), index=channel.index)
    return media_of(book, channel.astype("category"))


def histories(frame: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Rows open at some time from `first` to `last`, with `entry` and `exit` age in days and `outcome` by then.

    Left out are rows that ended before they began. `outcome` is `won`, `other` or `open` (still open on `last`).
    """
    created, closed = frame["created_on"].to_numpy(), frame["closed_on"].to_numpy()
    begin, end = first.to_datetime64(), last.to_datetime64()
    alive = (created <= end) & (np.isnat(closed) | ((closed >= begin) & (closed >= created)))
    rows, created, closed = frame[alive], created[alive], closed[alive]
    ended = ~np.isnat(closed) & (closed <= end)
    won = ended & (rows["status"] == "won").to_numpy()
    day = np.timedelta64(1, "D")
    return rows.assign(
        entry=(np.maximum(created, begin) - created) // day,
        exit=(np.where(ended, closed, end) - created) // day,
        outcome=pd.Categorical.from_codes(
            np.select([won, ended], [0, 1], 2).astype(np.int64), pd.Index(["won", "other", "open"])
        ),
    )
