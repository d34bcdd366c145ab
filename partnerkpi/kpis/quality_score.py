r"""Deals won and the amount they brought, in one index: 100 × (W ÷ W₀)^½ × (R ÷ R₀)^½.

W₀ and R₀ are those of a typical partner, who scores 100: the middle, over the partners with at least one win in the
four quarters before, of their quarterly means of deals won and of amount brought. What this quarter brings cannot move
them: 100 stays 100. Each is the mean of the three partners in the middle (of four where their number is even), rounded
to two digits, and there is no typical partner below five. A higher score means that the partner brought more. It is
made for one partner: the whole network has none.

Any one number for two things can mislead: twenty wins worth 200 against two worth 300, say; so the pair (W, R) itself
stands beside a partner's score, with that of a typical partner, and its rank over every weight of the count.

>>> from partnerkpi.opening import book_of
>>> wins = {"P1": [100], "P2": [100, 300], "P3": [250, 250], "P4": [200, 100], "P5": [900, 500, 100]}
>>> rows = [f"D{p}{q}{i},2024-10-01,won,{day},{a},{p}" for p, amounts in wins.items() for i, a in enumerate(amounts)
...         for q, day in enumerate(["2024-10-06", "2025-01-06", "2025-04-06", "2025-07-06", "2025-10-06"])]
>>> head = "deal_id,created_on,status,closed_on,amount,partner_id"
>>> book = book_of(deals="\n".join([head, *rows]), as_of="2025-12-31")
>>> book.others.typical(book.quarter("2025Q4"))
(2.0, 400.0)
>>> quality_score.by(book, "2025Q4", "partner")[["group", "value"]].round(1)
        group  value
0          P1   35.4
1          P2  100.0
2          P3  111.8
3          P4   86.6
4          P5  237.2
5  unassigned    NaN
6         all    NaN
"""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import won_in
from partnerkpi.indices import RANKS, index, index_against_past, index_without_largest, ranked
from partnerkpi.kpi import kpi
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded, need_won_amounts
from partnerkpi.wording import WON_DEALS, Code


@kpi(
    title="Quality score",
    formula="100 × √(deals won ÷ typical deals) × √(amount ÷ typical amount)",
    unit="index",
    counts=WON_DEALS,
    better="higher",
    kind="flow",
    span="quarter",
    rose="The partner brought more, deals and amount together",
    fell="The partner brought less, deals and amount together",
    statistic=index,
    only_for=("partner_id",),
)
def quality_score(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much did the partner bring, deals and amount together, against a typical partner?"""
    need_won_amounts(book)
    need_year_before(book, quarter)
    deals, amount = book.others.typical(quarter)
    if np.isnan(deals):
        raise NotRecorded(Code.FEW_TYPICAL())
    won = won_in(book.deals, quarter)
    return won.assign(value=won["amount"], typical_deals=deals, typical_amount=amount)


@quality_score.companion(
    title="Score without the largest deal",
    formula="the score with the largest deal left out",
    on_cover="giant",
    statistic=index_without_largest,
)
def score_without_largest(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What would the score be without the largest deal?"""
    return quality_score.rule(book, quarter)


@quality_score.companion(
    title="Rank by score",
    formula="rank among the partners with a win, by deals^½ × amount^½; beside it the ranks over every weight",
    unit="rank",
    better="lower",
    statistic=ranked,
)
def score_rank(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Where does the partner stand among the others, and how far does that hang on the weight of the count?"""
    need_won_amounts(book)
    won = won_in(book.deals, quarter)
    known = book.others.ranks(quarter)
    each = known.reindex(won["partner_id"].astype("str")).set_axis(won.index)
    return won.assign(**{name: each[name] for name in RANKS}, value=each["rank"])


@quality_score.companion(
    title="Against own past",
    statistic=index_against_past,
    formula="the score against the average of the four quarters before (100 = the usual)",
)
def own_past(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much did the partner bring against its own four quarters before?"""
    need_won_amounts(book)
    need_year_before(book, quarter)
    quarters = [quarter, *(so_far(quarter - back, quarter) for back in range(1, 5))]
    won = [won_in(book.deals, q).assign(now=q is quarter) for q in quarters]
    rows = pd.concat(won)
    return rows.assign(value=rows["amount"].astype(np.float64))


def so_far(past: Quarter, running: Quarter) -> Quarter:
    """The past quarter up to as many days as the running one has had; all of it beside a complete one."""
    return past if running.complete else past.known_on(past.start + pd.Timedelta(days=running.days_so_far - 1))


def need_year_before(book: Book, quarter: Quarter) -> None:
    """Pass when the four quarters before are recorded.

    Raises:
        NotRecorded: the book's records begin later.
    """
    first = book.others.first_day
    if first is None or first > quarter.year_before.end:
        raise NotRecorded(Code.YEAR_BEFORE_NOT_RECORDED())
