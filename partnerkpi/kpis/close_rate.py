r"""Of the prospects decided in the quarter, the share that was won.

A prospect is a lead, or a deal that came from no lead; a lead with a deal shares the deal's outcome. Decided means
won, lost or abandoned: an open prospect is neither won nor lost yet, and a rejected one was never a chance. The
interval is Wilson's, of as many independent prospects as those of one customer, or of one partner's quarter, are
worth. A book that never records a loss has no close rate (everything it decided was won), nor has one that never
records a win: the headline is missing, and where losses are missing the cohort rate, which needs none, leads.

Season, place and product move the rate, so observed ÷ expected stands beside it: the wins of four quarters against
those that all others' experience gives the same months, regions, products, sizes and channels, as far as the book
records them. Who is judged has no part in the expectation; a partner that is alone in its region cannot be told from
it.

>>> from partnerkpi.opening import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on\n"
...                      "D1,2025-08-01,won,2025-10-06\nD2,2025-09-03,lost,2025-11-15\n"
...                      "D3,2025-09-03,abandoned,2025-12-01\nD4,2025-09-20,open,\n", as_of="2025-12-31")
>>> print(close_rate(book, "2025Q4"))
33 % (95 % interval 6.1 % to 79 %, 3 prospects)
"""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED, closed_in, decided_in, histories, with_status, within
from partnerkpi.indices import standardised
from partnerkpi.kpi import kpi
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded, need_losses, need_wins, need_won_amounts
from partnerkpi.statistics import share, share_by_amount
from partnerkpi.survival import won_within
from partnerkpi.wording import PROSPECTS, Code


def decided_prospects(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The prospects decided in the quarter."""
    need_losses(book)
    return decided_in(book.prospects, quarter)


@kpi(
    title="Close rate",
    formula="won ÷ (won + lost + abandoned)",
    unit="share",
    counts=PROSPECTS,
    better="higher",
    kind="flow",
    span="quarter",
    rose="A larger share of the prospects bought",
    fell="A smaller share of the prospects bought",
    statistic=share,
)
def close_rate(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the prospects decided in the quarter, what share bought?"""
    decided = decided_prospects(book, quarter)
    return decided.assign(value=decided["status"] == "won")


@close_rate.companion(title="Narrow close rate", formula="won ÷ (won + lost)")
def narrow(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of those who said yes or no, what share said yes?"""
    need_losses(book)
    decided = closed_in(book.prospects, quarter, ("won", "lost"))
    return decided.assign(value=decided["status"] == "won")


@close_rate.companion(
    title="Close rate by amount",
    formula="won amount ÷ decided amount",
    statistic=share_by_amount,
)
def by_amount(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the money decided in the quarter, what share was won?"""
    decided = decided_prospects(book, quarter)
    need_won_amounts(book)
    if not {"lost", "abandoned"} & book.others.priced:
        raise NotRecorded(Code.LOST_AMOUNTS_NOT_RECORDED())
    return decided.assign(value=decided["status"] == "won", of=decided["amount"], counted=decided["amount"] > 0)


def cohort(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The prospects that entered in the four quarters that end with this one, followed to its last day."""
    need_wins(book)
    first, last = quarter.year
    prospects = book.prospects
    entered = histories(prospects[prospects["created_on"].between(first, last)], first, last)
    return entered.assign(value=(entered["outcome"] == "won").astype(np.float64))


@close_rate.companion(
    title="Won within 90 days",
    formula="win curve of the year's new prospects at 90 days, open ones counted",
    span="year",
    statistic=won_within(90),
    stands_in=True,
)
def cohort_90(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the prospects that came in during the past year, what share is won within 90 days?"""
    return cohort(book, quarter)


@close_rate.companion(
    title="Won within 180 days",
    formula="win curve of the year's new prospects at 180 days, open ones counted",
    on_cover="always",
    span="year",
    statistic=won_within(180),
)
def cohort_180(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the prospects that came in during the past year, what share is won within 180 days?"""
    return cohort(book, quarter)


@close_rate.companion(
    title="Observed ÷ expected",
    formula="wins of four quarters ÷ those others would have had in the same months, regions, products, channels",
    unit="ratio",
    span="year",
    statistic=standardised,
    only_for=("partner_id", "rep"),
    not_for=Code.JUDGED_BY_OTHERS,
)
def observed_to_expected(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Given where and when these prospects were decided, are there more wins than others would have had?"""
    need_losses(book)
    first, last = quarter.year
    prospects = book.prospects
    decided = prospects[(within(prospects["closed_on"], first, last) & with_status(prospects, DECIDED)).to_numpy()]
    expected = book.others.expected(quarter).reindex(decided["prospect_id"])
    of = expected["chance"].to_numpy()
    won = (decided["status"] == "won").astype(np.float64)
    sure = {name: expected[name].to_numpy() for name in ("error", "alike")}
    return decided.assign(value=won, of=of, **sure, counted=~np.isnan(of))
