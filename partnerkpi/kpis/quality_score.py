r"""Deals won and the amount they brought, in one index: 100 × (W ÷ W₀)^½ × (R ÷ R₀)^½.

W₀ and R₀ are the medians, over the partners with at least one win in the quarter, of deals won and of amount brought:
a typical partner scores 100. A higher score means the partner brought more. Any one number for two things can
mislead: twenty wins worth 200 against two worth 300, say; so the pair (W, R) itself always stands beside the score,
and the page says where the order by score and by amount differ.

>>> from partnerkpi.book import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on,amount,partner_id\n"
...                      "D1,2025-10-01,won,2025-10-06,100,P1\nD2,2025-10-01,won,2025-10-06,100,P2\n"
...                      "D3,2025-10-01,won,2025-10-06,300,P2\n", as_of="2025-12-31")
>>> quality_score.by(book, "2025Q4", "partner")[["group", "value"]].round(1)
        group  value
0          P1   51.6
1          P2  146.1
2  unassigned    NaN
3         all  200.0
"""

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi import others
from partnerkpi.book import Book
from partnerkpi.deals import won_in
from partnerkpi.kpi import NotRecorded, kpi
from partnerkpi.periods import Quarter
from partnerkpi.statistics import index, index_against_past, index_without_largest

WON_DEALS: dict[str, Any] = dict(counts="won deals", unit="index", better="higher", kind="flow")


@kpi(
    title="Quality score",
    formula="100 × √(deals won ÷ typical deals) × √(amount ÷ typical amount)",
    unit="index",
    counts="won deals",
    better="higher",
    kind="flow",
    statistic=index,
)
def quality_score(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much did the partner bring, deals and amount together, against a typical partner?"""
    won = won_in(book.deals, quarter)
    deals, amount = others.typical(book, quarter)
    if len(won) and np.isnan(deals):
        raise NotRecorded("no partner won a deal in the quarter")
    return won.assign(value=won["amount"], typical_deals=deals, typical_amount=amount)


@quality_score.companion(
    title="Score without the largest deal",
    statistic=index_without_largest,
    **WON_DEALS,
    formula="the score with the largest deal left out",
)
def score_without_largest(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What would the score be without the largest deal?"""
    return quality_score.rule(book, quarter)


@quality_score.companion(
    title="Against own past",
    statistic=index_against_past,
    **WON_DEALS,
    formula="the score against the average of the four quarters before (100 = the usual)",
)
def own_past(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much did the partner bring against its own four quarters before?"""
    first = others.first_day(book)
    if first is None or first > (quarter - 4).end:
        raise NotRecorded("fewer than four quarters before this one are recorded")
    quarters = [quarter, *(quarter - back for back in range(1, 5))]
    won = [won_in(book.deals, q).assign(now=q is quarter) for q in quarters]
    rows = pd.concat(won)
    return rows.assign(value=rows["amount"].astype(np.float64))
