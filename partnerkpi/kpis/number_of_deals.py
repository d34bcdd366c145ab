r"""How many deals were won in the quarter.

A deal counts once, on the day it closed, whatever its amount. The interval is exact for a pace that moves from quarter
to quarter as far as the network's last two years tell, season apart (negative binomial; Poisson's where it does not
move): how far the count of somebody who sells at this pace strays. Zero is a count like any other; the figure is
missing only where nothing could have been counted, because the book's records begin later or because it never records
a win.

A change is told against the pace of eight quarters before. Where paces are steady, a fall by 60 % from twelve deals
is told six times in ten, one by 30 % from twenty once in five; where they move by half from quarter to quarter, hardly
once in six: there a quarter's fall is mostly the luck of the quarter.

The amount matters more than the count, so the won amount stands beside it, with the share of the target that was
reached where there is a target, and the deals per month of membership.

>>> from partnerkpi.opening import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on,amount\n"
...                      "D1,2025-10-01,won,2025-10-06,200\n"
...                      "D2,2025-10-03,won,2025-10-15,400\n"
...                      "D3,2025-10-03,lost,2025-10-20,900\n", as_of="2025-12-31")
>>> print(number_of_deals(book, "2025Q4"))
2 deals (95 % interval 0.2 to 7.2 deals, 2 won deals)
>>> print(number_of_deals(book, "2025Q2"))
— (the book's records begin on 2025-10-01)
"""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import target_rows, won_in
from partnerkpi.kpi import kpi
from partnerkpi.periods import Quarter
from partnerkpi.recorded import need_wins, need_won_amounts
from partnerkpi.statistics import count, ratio_or, total, total_without_largest
from partnerkpi.wording import WON_DEALS, Code


@kpi(
    title="Number of deals",
    formula="count of deals won in the quarter",
    unit="deals",
    counts=WON_DEALS,
    better="higher",
    kind="flow",
    span="quarter",
    rose="More deals were won",
    fell="Fewer deals were won",
    statistic=count,
)
def number_of_deals(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How many deals were won?"""
    need_wins(book)
    return won_in(book.deals, quarter).assign(value=1.0)


@number_of_deals.companion(
    title="Won amount",
    formula="sum of the amounts of the deals won in the quarter",
    on_cover="always",
    unit="money",
    statistic=total,
)
def won_amount(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much did they bring?"""
    need_won_amounts(book)
    won = won_in(book.deals, quarter)
    return won.assign(value=won["amount"])


@number_of_deals.companion(
    title="Won amount without the largest deal",
    formula="won amount − largest won amount",
    unit="money",
    on_cover="giant",
    statistic=total_without_largest,
)
def won_amount_without_largest(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much did they bring without the largest deal?"""
    return won_amount.rule(book, quarter)


@number_of_deals.companion(
    title="Attainment",
    formula="won amount ÷ target of the quarter",
    unit="share",
    statistic=ratio_or(Code.NO_TARGET),
    grows=True,
)
def attainment(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much of the target was reached?"""
    won = won_amount.rule(book, quarter)
    return pd.concat([won.assign(of=0.0, counted=True), target_rows(book, quarter)])


@number_of_deals.companion(
    title="Deals per active month",
    formula="won deals ÷ months the partner was active",
    unit="deals/month",
    statistic=ratio_or(Code.NOT_A_PARTNER_THEN),
)
def deals_per_active_month(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How many deals a month, counting only the months the partner was with us?"""
    won = number_of_deals.rule(book, quarter)
    partners = book.partners[~book.partners["partner_id"].isin(book.direct)]
    first = partners["joined_on"].where(partners["joined_on"] > quarter.start, quarter.start)
    last = partners["left_on"].where(partners["left_on"] < quarter.last_day, quarter.last_day)
    days = ((last - first).dt.days + 1).clip(lower=0)
    months = days / quarter.days * 3
    active = partners[["partner_id"]].assign(value=0.0, of=months, counted=False, whole=True)
    return pd.concat([won.assign(of=0.0, counted=True), active[np.asarray(months > 0)]])
