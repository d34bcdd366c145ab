"""The trade's words as filters: which deals, leads and prospects belong to a quarter or stand on a day.

Every filter takes a frame of a book (or the book where it needs two tables) and returns some of its rows, unchanged.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.periods import lasts_on, with_deals
from partnerkpi.book.schema import TABLES
from partnerkpi.periods import Quarter

#: Statuses with a decision: the customer bought, or did not.
DECIDED = ("won", "lost", "abandoned")
#: Statuses that end a prospect; `rejected` never became a chance to sell.
ENDED = (*DECIDED, "rejected")
#: Wins of so many quarters before this one tell, with its own, what a usual deal is.
LOOKED_BACK = 7


def within(days: pd.Series, first: pd.Timestamp, last: pd.Timestamp) -> pd.Series:
    """True for days from `first` to `last`, both included; a missing day is never within."""
    values = days.to_numpy()
    return pd.Series((values >= first.to_datetime64()) & (values <= last.to_datetime64()), index=days.index)


def with_status(frame: pd.DataFrame, statuses: tuple[str, ...]) -> pd.Series:
    """True where the status is one of these."""
    status = frame["status"]
    if not isinstance(status.dtype, pd.CategoricalDtype):  # as told by a history
        return status.isin(statuses)
    wanted = np.append(status.cat.categories.isin(statuses), False)  # looked up once a status, not once a row
    return pd.Series(wanted[status.cat.codes], index=frame.index)


def closed_in(frame: pd.DataFrame, quarter: Quarter, statuses: tuple[str, ...]) -> pd.DataFrame:
    """Rows that ended in the quarter with one of these statuses."""
    return closed_between(frame, quarter.start, quarter.last_day, statuses)


def closed_between(
    frame: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp, statuses: tuple[str, ...]
) -> pd.DataFrame:
    """Rows that ended from one day to another with one of these statuses."""
    return frame[(within(frame["closed_on"], first, last) & with_status(frame, statuses)).to_numpy()]


def won_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows won in the quarter."""
    return closed_in(frame, quarter, ("won",))


def won_between(frame: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Rows won from one day to another."""
    return closed_between(frame, first, last, ("won",))


def decided_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows won, lost or abandoned in the quarter."""
    return closed_in(frame, quarter, DECIDED)


def decided_by(frame: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Rows won, lost or abandoned by the end of the day."""
    return frame[((frame["closed_on"] <= day) & with_status(frame, DECIDED)).to_numpy()]


def ended_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows that got an outcome in the quarter, refused registrations included."""
    return closed_in(frame, quarter, ENDED)


def entered_in(frame: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Rows created in the quarter."""
    return frame[within(frame["created_on"], quarter.start, quarter.last_day)]


def priced(deals: pd.DataFrame) -> pd.DataFrame:
    """Deals with an amount above zero; the others have no size to average."""
    return deals[deals["amount"] > 0]


def giant(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The won deal that carries the quarter, as one row; none where no deal does.

    It is above a third of the quarter (of the network's: a tenth), and at least five times the usual deal: the median
    of the other wins of two years, its own partner's or, where it is a tenth of the network's quarter, the network's.
    """
    won = _priced_wins(book, quarter)
    return _giants(book, quarter, won, pd.Series("", index=won.index), 3 if book.partner else 10)


def giants_of_partners(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The giant of each partner that has one, as `giant` finds it in the partner's own book."""
    won = _priced_wins(book, quarter)
    won = won[won["partner_id"].notna()]
    return _giants(book, quarter, won, won["partner_id"], 3)


def _priced_wins(book: Book, quarter: Quarter) -> pd.DataFrame:
    return priced(won_between(book.deals, (quarter - LOOKED_BACK).start, quarter.last_day))


def _giants(book: Book, quarter: Quarter, won: pd.DataFrame, owner: pd.Series, part: int) -> pd.DataFrame:
    """Of each owner the largest win of the quarter, where it is more than one part of so many and stands out."""
    now = won_in(won, quarter)
    if not len(now):
        return now
    each = now["amount"].groupby(owner.loc[now.index], observed=True)
    largest = each.idxmax()
    size = now["amount"].loc[largest.to_numpy()].set_axis(largest.index)
    others = won["amount"].drop(largest.to_numpy())
    usual = others.groupby(owner.loc[others.index], observed=True).median().reindex(largest.index)
    network, usual_of_network = book.others.wins(quarter)
    stands_out = (size >= 5 * usual) | ((size > network / 10) & (size >= 5 * usual_of_network))
    return now.loc[largest[(size > each.sum() / part) & stands_out].to_numpy()]


def brought_by_partner(book: Book, deals: pd.DataFrame) -> pd.DataFrame:
    """Deals the partner brought; all of them where the book does not record who did."""
    return deals[deals["sourced"] == "partner"] if book.records("deals.sourced") else deals


def known_to_vendor(deals: pd.DataFrame) -> pd.Series:
    """True for registrations refused because the vendor already knew the customer."""
    refused = with_status(deals, ("rejected",))
    refused[refused.to_numpy()] = deals["reason"][refused.to_numpy()].fillna("").str.casefold() == "conflict"
    return refused


def lasting_open(book: Book, day: pd.Timestamp) -> pd.DataFrame:
    """The periods of deals that are open at the end of the day, amounts in the deals' own currency."""
    spells = book.periods
    return with_deals(spells[lasts_on(spells, day) & (spells["status"] == "open").to_numpy()], book.deals)


def open_at(book: Book, day: pd.Timestamp) -> pd.DataFrame:
    """Deals open at the end of the day, with stage, amount, owner and expected close as they stood then.

    `amount` is converted at the day's rate where the deal is in another currency.
    """
    return book.in_book_currency(lasting_open(book, day), day)


def histories(frame: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Rows open at some time from `first` to `last`, with `entry` and `exit` age in days and `outcome` by then.

    Left out are rows that ended before they began. `outcome` is `won`, `other` or `open` (still open on `last`);
    `reach` is the age a row has on `last`, or would have had: so long it could have been followed.
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
        reach=(end - created) // day,
        outcome=pd.Categorical.from_codes(
            np.select([won, ended], [0, 1], 2).astype(np.int64), pd.Index(["won", "other", "open"])
        ),
    )


def targets_ahead(book: Book, quarter: Quarter, quarters: int) -> pd.DataFrame:
    """The targets of the quarters after this one, as `target_rows`: of those who have one for each of them.

    Half of the targets would make what is expected look twice as good.
    """
    rows = pd.concat([target_rows(book, quarter + ahead) for ahead in range(1, quarters + 1)])
    levels = [c.name for c in TABLES["targets"].columns if c.level]
    told = rows.groupby(levels, dropna=False, observed=True)["of"].transform("size") >= quarters
    return rows[told.to_numpy(dtype=bool)]


def target_rows(book: Book, quarter: Quarter, measure: str = "won_amount") -> pd.DataFrame:
    """The quarter's targets in column `of`, none of them counted; at one level, so that nothing is added twice.

    A book may set targets per partner, per rep, per unit or for the whole: the first of these that it has is used. A
    target without a measure is one for the won amount. A target that names no group is one of the whole, not of the
    rows without a group.
    """
    table = book.targets
    table = table[
        (table["quarter"] == quarter.label) & (table["measure"].astype("str").fillna("won_amount") == measure)
    ]
    for level in (c.name for c in TABLES["targets"].columns if c.level):
        if book.records(f"targets.{level}"):
            table = table[table[level].notna()]
            break
    keys = table[[c.name for c in TABLES["targets"].columns if c.level]]
    return keys.assign(value=0.0, of=table["amount"].to_numpy(dtype=np.float64), counted=False, whole=True)
