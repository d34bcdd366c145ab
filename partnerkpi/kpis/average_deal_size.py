r"""What a customer spends per deal: the won amount divided by the number of won deals.

Deals count in the quarter in which they closed, with their amount in the book's currency at that day's rate. A deal
without an amount, or with one of zero, has no size and does not enter: the count beside the figure is that of the won
deals with an amount. Without any such deal the figure is missing, never zero.

Deal sizes are skewed: a few large deals carry the mean. So the median leads, on the cover too; the share of the
largest deal, and the mean without it stand beside it. The median's interval is exact: it lies between two of the deals
and exists from six on. That of the mean is taken on the log scale, shown from five deals on, and is as wide as the
sizes of the whole network's last year ask for: a giant that did not come this quarter is not forgotten. What the won
deals earned the partner stands beside it where its commission rate is recorded.

Two deals of 200 and 400 closed within fifteen days make an average deal size of 300:

>>> from partnerkpi.opening import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on,amount\n"
...                      "D1,2025-10-01,won,2025-10-06,200\n"
...                      "D2,2025-10-03,won,2025-10-15,400\n"
...                      "D3,2025-10-03,won,2025-10-20,\n", as_of="2025-12-31")
>>> print(average_deal_size(book, "2025Q4"))
€300 (2 won deals with an amount; fewer than 5: no interval)
"""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import priced, won_in
from partnerkpi.kpi import kpi
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded, need_won_amounts
from partnerkpi.statistics import largest_share, mean, mean_without_largest, median, recorded_total
from partnerkpi.wording import PRICED_DEALS, WON_DEALS, Code


def sold(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The deals won in the quarter that have a size, with their amount as value."""
    need_won_amounts(book)
    deals = priced(won_in(book.deals, quarter))
    return deals.assign(value=deals["amount"])


@kpi(
    title="Average deal size",
    formula="won amount ÷ won deals",
    unit="money",
    counts=PRICED_DEALS,
    better="higher",
    kind="flow",
    span="quarter",
    rose="Deals became larger",
    fell="Deals became smaller",
    statistic=mean,
)
def average_deal_size(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What does a customer spend per deal?"""
    return sold(book, quarter)


@average_deal_size.companion(
    title="Median deal size",
    formula="the middle one of the won amounts",
    on_cover="always",
    statistic=median,
)
def median_deal_size(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What does the customer in the middle spend?"""
    return sold(book, quarter)


@average_deal_size.companion(
    title="Share of the largest deal",
    formula="largest won amount ÷ won amount",
    unit="share",
    better="lower",
    statistic=largest_share,
)
def largest_deal_share(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much of the quarter hangs on one deal?"""
    return sold(book, quarter)


@average_deal_size.companion(
    title="Average without the largest deal",
    formula="(won amount − largest) ÷ (won deals − 1)",
    on_cover="giant",
    statistic=mean_without_largest,
)
def without_largest(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What would the average be without the largest deal?"""
    return sold(book, quarter)


@average_deal_size.companion(
    title="Commission earned",
    formula="won amount × the partner's commission rate",
    counts=WON_DEALS,
    statistic=recorded_total,
)
def commission_earned(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What did the won deals earn the partner?"""
    need_won_amounts(book)
    if not book.records("partners.commission_rate"):
        raise NotRecorded(Code.COMMISSION_NOT_RECORDED())
    won = won_in(book.deals, quarter)
    paid = won["partner_id"].notna() & ~won["partner_id"].isin(book.direct)
    won = won[paid]  # the vendor's own sales earn nobody anything
    rates = book.partners.set_index(book.partners["partner_id"].astype("str"))["commission_rate"]
    rate = won["partner_id"].astype("str").map(rates).to_numpy(dtype=np.float64)
    return won.assign(value=(won["amount"] * rate).round(book.money_digits))
