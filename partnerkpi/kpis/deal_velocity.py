r"""Median days from creation to a win, with the deals that are still open counted.

A deal still open has already taken its age, and says so; leaving it out makes a growing partner look fast. So deals
are followed through the four quarters that end with this one: each enters at the age it had when that year began, and
leaves when it is won, ends otherwise, or the quarter ends. Losses, abandonments and rejections are rivals of a win,
not deals that would have been won later (Aalen–Johansen). The median is the age at which the win curve reaches half
of its height.

"Not reached" is an answer: while most deals are still open at the end of the curve, nobody knows its height. The
naive median, over the deals that happened to be won in the quarter, is what a CRM shows; it stands beside it.

Days from creation to closing, per deal; deals that closed before they were created are left out.

>>> from partnerkpi.book import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on\n"
...                      "D1,2025-10-01,won,2025-10-11\nD2,2025-10-01,won,2025-10-31\n"
...                      "D3,2025-10-01,lost,2025-11-15\nD4,2025-10-01,won,2025-12-10\n", as_of="2025-12-31")
>>> print(deal_velocity(book, "2025Q4"))
30 days (4 deals; fewer than 5 won: no interval)
"""

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import histories, won_in, year_to
from partnerkpi.kpi import Kpi, kpi
from partnerkpi.periods import Quarter
from partnerkpi.statistics import median
from partnerkpi.survival import median_days, money_per_day, won_within

DEALS: dict[str, Any] = dict(counts="deals", kind="flow")


def followed(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The deals open at some time in the four quarters that end with this one, their days so far as value."""
    first, last = year_to(quarter)
    rows = histories(book.deals, first, last)
    return rows.assign(value=rows["exit"].astype(np.float64))


@kpi(
    title="Deal velocity",
    formula="age at which the win curve reaches half of its height, open deals counted",
    unit="days",
    counts="deals",
    better="lower",
    kind="flow",
    statistic=median_days,
)
def deal_velocity(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How long does it take to win a deal?"""
    return followed(book, quarter)


@deal_velocity.companion(
    title="Naive median",
    formula="median days of the deals won in the quarter",
    unit="days",
    counts="won deals",
    better="lower",
    kind="flow",
    statistic=median,
)
def naive_days(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How long did the deals take that were won in the quarter?"""
    won = won_in(book.deals, quarter)
    days = (won["closed_on"] - won["created_on"]).dt.days
    return won.assign(value=days.astype(np.float64))[(days >= 0).to_numpy()]


def _won_within(days: int) -> Kpi:
    """The companion that reads the win curve at one age."""

    def rule(book: Book, quarter: Quarter) -> pd.DataFrame:
        return followed(book, quarter)

    rule.__name__ = f"won_within_{days}"
    rule.__doc__ = f"What share of deals is won within {days} days?"
    return deal_velocity.companion(
        title=f"Won within {days} days",
        formula=f"win curve at {days} days",
        unit="share",
        better="higher",
        statistic=won_within(days),
        **DEALS,
    )(rule)


won_within_30, won_within_90, won_within_180 = map(_won_within, (30, 90, 180))


@deal_velocity.companion(
    title="Sales velocity",
    unit="money/day",
    better="higher",
    statistic=money_per_day,
    **DEALS,
    formula="new deals per day × probability of a win × average deal size",
)
def sales_velocity(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much money a day does the stream of deals bring?"""
    first, last = year_to(quarter)
    rows = followed(book, quarter)
    return rows.assign(
        value=rows["amount"].where(rows["outcome"] == "won"),
        entered=(rows["created_on"] >= first).to_numpy(),
        window=(last - first).days + 1,
    )
