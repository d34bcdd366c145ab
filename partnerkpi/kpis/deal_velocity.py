r"""Median days from creation to a win over four quarters, with the deals that are still open counted.

A deal still open has already taken its age, and says so; leaving it out makes a growing seller look fast. So deals
are followed through the four quarters that end with this one: each enters at the age it had when that year began, and
leaves when it is won, ends otherwise, or the quarter ends. Losses, abandonments and rejections are rivals of a win,
not deals that would have been won later (Aalen–Johansen). The median is the age at which the win curve reaches half
of its height at a fixed horizon: 365 days of age, or as long as any deal has been followed, which the note then says.
So half of the wins that come within the horizon have come by the median; what comes later cannot be known yet.

The median is missing where no deal was followed at some age up to it; the share won within 90 days tells more then.
The naive median, over the deals that happened to be won in the quarter, is what a CRM shows; it stands beside it. A
change is told of the deals that entered in these four quarters beside those that entered in the four before, both as
far as they are known at the end of the quarter.

Days are counted from creation to closing; deals that closed before they were created are left out.

>>> from partnerkpi.opening import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on\n"
...                      "D1,2025-10-01,won,2025-10-11\nD2,2025-10-01,won,2025-10-31\n"
...                      "D3,2025-10-01,lost,2025-11-15\nD4,2025-10-01,won,2025-12-10\n", as_of="2025-12-31")
>>> velocity = deal_velocity(book, "2025Q4")
>>> velocity.value, str(velocity.reason)
(30.0, 'fewer than 5 won: no interval')
>>> print(velocity.note)
of wins within 91 days of entry, as long as any deal is followed so far: longer ones cannot be known yet
"""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import histories, within, won_in
from partnerkpi.kpi import kpi
from partnerkpi.periods import Quarter
from partnerkpi.recorded import need_wins, need_won_amounts
from partnerkpi.statistics import median
from partnerkpi.survival import median_days, money_per_day, won_within
from partnerkpi.wording import DEALS, WON_DEALS


def followed(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The deals open at some time in the four quarters that end with this one, their days so far as value."""
    need_wins(book)
    first, last = quarter.year
    rows = histories(book.deals, first, last)
    return rows.assign(value=rows["exit"].astype(np.float64))


def entered(book: Book, quarter: Quarter, seen: Quarter) -> pd.DataFrame:
    """The deals that entered in the four quarters that end with `quarter`, followed to the last day of `seen`."""
    need_wins(book)
    first, last = quarter.year
    rows = histories(book.deals[within(book.deals["created_on"], first, last)], first, seen.last_day)
    return rows.assign(value=rows["exit"].astype(np.float64))


@kpi(
    title="Deal velocity",
    formula="age at which the win curve reaches half of its height at 365 days, open deals counted",
    unit="days",
    counts=DEALS,
    better="lower",
    kind="flow",
    span="year",
    rose="Deals take longer",
    fell="Deals are won faster",
    statistic=median_days,
    entering=entered,
)
def deal_velocity(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How long does it take to win a deal?"""
    return followed(book, quarter)


@deal_velocity.companion(
    title="Naive median",
    formula="median days of the deals won in the quarter",
    counts=WON_DEALS,
    span="quarter",
    statistic=median,
)
def naive_days(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How long did the deals take that were won in the quarter?"""
    need_wins(book)
    won = won_in(book.deals, quarter)
    days = (won["closed_on"] - won["created_on"]).dt.days
    return won.assign(value=days.astype(np.float64))[(days >= 0).to_numpy()]


@deal_velocity.companion(
    title="Won within 30 days",
    formula="win curve at 30 days",
    unit="share",
    better="higher",
    statistic=won_within(30),
)
def won_within_30(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What share of deals is won within 30 days?"""
    return followed(book, quarter)


@deal_velocity.companion(
    title="Won within 90 days",
    formula="win curve at 90 days",
    on_cover="instead",
    unit="share",
    better="higher",
    statistic=won_within(90),
)
def won_within_90(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What share of deals is won within 90 days?"""
    return followed(book, quarter)


@deal_velocity.companion(
    title="Won within 180 days",
    formula="win curve at 180 days",
    unit="share",
    better="higher",
    statistic=won_within(180),
)
def won_within_180(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What share of deals is won within 180 days?"""
    return followed(book, quarter)


@deal_velocity.companion(
    title="Sales velocity",
    formula="new deals per day × probability of a win × average deal size",
    unit="money/day",
    better="higher",
    statistic=money_per_day,
)
def sales_velocity(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much money a day does the stream of deals bring?"""
    need_won_amounts(book)
    first, last = quarter.year
    rows = followed(book, quarter)
    return rows.assign(
        value=rows["amount"].where(rows["outcome"] == "won"),
        entered=(rows["created_on"] >= first).to_numpy(),
        window=(last - first).days + 1,
    )
