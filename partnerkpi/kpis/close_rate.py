r"""Of the prospects decided in the quarter, the share that was won.

A prospect is a lead, or a deal that came from no lead. Decided means won, lost or abandoned: an open prospect is
neither won nor lost yet, and a rejected one was never a chance. Wilson's interval. A book that never records a loss
has no close rate (everything it decided was won): the headline is missing and the cohort rate, which needs no losses,
leads.

Season, place and product move the rate, so the page also shows observed ÷ expected: the wins against those that the
whole network's experience gives the same months, regions, products and channels.

>>> from partnerkpi.book import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on\n"
...                      "D1,2025-08-01,won,2025-10-06\nD2,2025-09-03,lost,2025-11-15\n"
...                      "D3,2025-09-03,abandoned,2025-12-01\nD4,2025-09-20,open,\n", as_of="2025-12-31")
>>> print(close_rate(book, "2025Q4"))
33 % (95 % interval 6.1 % to 79 %, 3 prospects)
"""

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi import others
from partnerkpi.book import Book
from partnerkpi.deals import closed_in, decided_in, histories, year_to
from partnerkpi.kpi import Kpi, NotRecorded, kpi
from partnerkpi.periods import Quarter
from partnerkpi.statistics import ratio_or, share, standardised
from partnerkpi.survival import won_within

PROSPECTS: dict[str, Any] = dict(counts="prospects", better="higher", kind="flow")


def lossless(book: Book) -> bool:
    """True when the book never records a prospect that was decided against us."""
    return not (others.records_status(book, "lost") or others.records_status(book, "abandoned"))


def decided_prospects(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The prospects decided in the quarter."""
    if lossless(book):
        raise NotRecorded("losses are not recorded")
    return decided_in(book.prospects, quarter)


@kpi(
    title="Close rate",
    formula="won ÷ (won + lost + abandoned)",
    unit="share",
    counts="prospects",
    better="higher",
    kind="flow",
    statistic=share,
)
def close_rate(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the prospects decided in the quarter, what share bought?"""
    decided = decided_prospects(book, quarter)
    return decided.assign(value=decided["status"] == "won")


@close_rate.companion(
    title="Narrow close rate", formula="won ÷ (won + lost)", unit="share", statistic=share, **PROSPECTS
)
def narrow(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of those who said yes or no, what share said yes?"""
    if lossless(book):
        raise NotRecorded("losses are not recorded")
    decided = closed_in(book.prospects, quarter, ("won", "lost"))
    return decided.assign(value=decided["status"] == "won")


@close_rate.companion(
    title="Close rate by amount",
    formula="won amount ÷ decided amount",
    unit="share",
    statistic=ratio_or("no amounts were decided"),
    **PROSPECTS,
)
def by_amount(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the money decided in the quarter, what share was won?"""
    decided = decided_prospects(book, quarter)
    decided = decided[decided["amount"] > 0]
    if not (decided["status"] != "won").any():
        raise NotRecorded("lost deals carry no amounts")
    return decided.assign(value=decided["amount"].where(decided["status"] == "won", 0.0), of=decided["amount"])


def cohort(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The prospects that entered in the four quarters that end with this one, followed to its last day."""
    first, last = year_to(quarter)
    prospects = book.prospects
    entered = histories(prospects[prospects["created_on"].between(first, last)], first, last)
    return entered.assign(value=(entered["outcome"] == "won").astype(np.float64))


def _cohort(days: int) -> Kpi:
    """The companion that follows the year's new prospects for so many days; it needs no losses, so it may stand in."""

    def rule(book: Book, quarter: Quarter) -> pd.DataFrame:
        return cohort(book, quarter)

    rule.__name__ = f"cohort_{days}"
    rule.__doc__ = f"Of the prospects that came in during the past year, what share is won within {days} days?"
    return close_rate.companion(
        title=f"Won within {days} days",
        formula=f"win curve of the year's new prospects at {days} days, open ones counted",
        unit="share",
        statistic=won_within(days),
        stands_in=True,
        **PROSPECTS,
    )(rule)


cohort_90, cohort_180 = map(_cohort, (90, 180))


@close_rate.companion(
    title="Observed ÷ expected",
    unit="ratio",
    statistic=standardised,
    **PROSPECTS,
    formula="wins ÷ the wins expected for the same months, regions, products and channels",
)
def observed_to_expected(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Given where and when these prospects were decided, are there more wins than the network would have?"""
    if lossless(book):
        raise NotRecorded("losses are not recorded")
    rows = others.decided_with_chance(book, quarter)
    if rows.empty:
        raise NotRecorded("too little is recorded to say what was to be expected")
    return rows.assign(value=(rows["status"] == "won").astype(np.float64), of=rows["expected"])
