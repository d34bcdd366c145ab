r"""The won amount of the quarter that came through a marketing channel: paid, earned or owned media.

Each deal has one recorded channel (its own, else its lead's); the book's channel table says which media type that is.
Deals whose channel is not in the table are `unmapped`, deals without a channel `none_recorded`: both always stand
beside the three, so that the five add up to the quarter's won amount exactly. Without a channel table no deal can be
said to have come through marketing: the figure is missing then.

Spend is that of the months of the quarter. The cost of a lead or a win is the spend divided by the leads that entered,
or the deals won, from the channels with spend. The return is (won amount of the deals that have a channel − all spend)
÷ all spend, that on channels which brought nothing included. Spend of no partner is shared by the wins of its channel
(of leads, by the leads), whoever's they are. A cost or a return without spend is missing, neither free nor infinite,
and so is one of fewer than five; the return without the largest deal stands beside it.

>>> from partnerkpi.opening import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on,amount,channel\n"
...                      "D1,2025-10-01,won,2025-10-06,200,search_ads\n"
...                      "D2,2025-10-03,won,2025-10-15,400,newsletter\n"
...                      "D3,2025-10-03,won,2025-10-20,100,\n",
...                channels="channel,media\nsearch_ads,paid\nnewsletter,owned\n",
...                spend="channel,month,amount\nsearch_ads,2025-10-01,120\ndisplay,2025-11-01,80\n",
...                as_of="2025-12-31")
>>> print(marketing_channels(book, "2025Q4"))
€600 (2 won deals; fewer than 5: no interval)
>>> print(paid(book, "2025Q4"))
€200 (1 won deal; fewer than 5: no interval)
>>> print(return_on_spend(book, "2025Q4"))  # of two deals
— (fewer than 5: too few for a ratio)
"""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import entered_in, won_in
from partnerkpi.kpi import kpi
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded, need_wins, need_won_amounts
from partnerkpi.statistics import count, ratio_or, recorded_total, total
from partnerkpi.wording import FEW, LEADS, SPEND_ENTRIES, WON_DEALS, Code

MARKETING = ("paid", "earned", "owned")


def won_with_media(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The deals won in the quarter, their media type in `media` and their amount as value."""
    if not (book.records("deals.channel") or book.records("leads.channel")):
        raise NotRecorded(Code.CHANNELS_NOT_RECORDED())
    need_wins(book)
    won = won_in(book.deals, quarter)
    return won.assign(media=book.media(won["channel"]), value=won["amount"])


def won_through(book: Book, quarter: Quarter, *media: str) -> pd.DataFrame:
    """The deals won through these media types."""
    won = won_with_media(book, quarter)
    need_won_amounts(book)
    if media not in (("unmapped",), ("none_recorded",)) and not book.records("channels.media"):
        raise NotRecorded(Code.NO_CHANNEL_MAPPED())
    return won[won["media"].isin(media)]


@kpi(
    title="Marketing channels",
    formula="won amount through paid + earned + owned media",
    unit="money",
    counts=WON_DEALS,
    better="higher",
    kind="flow",
    span="quarter",
    rose="More was won through marketing",
    fell="Less was won through marketing",
    statistic=total,
)
def marketing_channels(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much of the won amount came through marketing?"""
    return won_through(book, quarter, *MARKETING)


@marketing_channels.companion(title="Paid media", formula="won amount of deals whose channel is paid")
def paid(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much came through media one pays for?"""
    return won_through(book, quarter, "paid")


@marketing_channels.companion(title="Earned media", formula="won amount of deals whose channel is earned")
def earned(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much came through others who speak of the product?"""
    return won_through(book, quarter, "earned")


@marketing_channels.companion(title="Owned media", formula="won amount of deals whose channel is owned")
def owned(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much came through media of one's own?"""
    return won_through(book, quarter, "owned")


@marketing_channels.companion(title="Unmapped channels", formula="won amount of deals whose channel is unmapped")
def unmapped(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much came through channels of no known media type?"""
    return won_through(book, quarter, "unmapped")


@marketing_channels.companion(title="No channel recorded", formula="won amount of deals without a channel")
def none_recorded(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much has no channel on record?"""
    return won_through(book, quarter, "none_recorded")


@marketing_channels.companion(
    title="Leads",
    formula="count of leads that came in during the quarter",
    unit="leads",
    counts=LEADS,
    statistic=count,
)
def leads(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How many leads came in?"""
    if not book.records("leads"):
        raise NotRecorded(Code.LEADS_NOT_RECORDED())
    return entered_in(book.leads, quarter).assign(value=1.0)


def spend_rows(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What was spent on marketing in the months of the quarter, as value."""
    if not book.records("spend"):
        raise NotRecorded(Code.SPEND_NOT_RECORDED())
    table = book.spend
    months = table["month"].between(quarter.start, quarter.last_day)
    return table[months].assign(value=table.loc[months, "amount"])


@marketing_channels.companion(
    title="Spend",
    formula="marketing spend in the months of the quarter",
    counts=SPEND_ENTRIES,
    better="lower",
    statistic=recorded_total,
)
def spend(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What did marketing cost?"""
    return spend_rows(book, quarter)


def _costs(book: Book, quarter: Quarter, units: pd.DataFrame, of: str) -> pd.DataFrame:
    """The spend as `cost`: rows of spend, and what each unit carries of the spend that is shared; units are `counted`.

    Spend of a partner is its own. Spend of no partner is shared by the units of its channel, the network's all alike;
    that of a channel without any belongs to nobody.
    """
    cost = spend_rows(book, quarter)
    each = book.others.shared_spend(quarter)[of].dropna()
    kept = cost["partner_id"].notna() | ~cost["channel"].astype("str").isin(each.index)
    carried = units["channel"].astype(object).map(each).astype(np.float64).fillna(0.0)
    own = cost[kept.to_numpy()]
    return pd.concat(
        [own.assign(cost=own["value"].fillna(0.0), counted=False), units.assign(cost=carried, counted=True)]
    )


def _cost_per(book: Book, quarter: Quarter, units: pd.DataFrame, of: str) -> pd.DataFrame:
    """Spend as value over one `of` for each unit of a channel on which its partner, or everybody, spent."""
    rows = _costs(book, quarter, units, of)
    paid_for = set(_pair(rows[~rows["counted"] & (rows["cost"] > 0)]).dropna())
    bought = ~rows["counted"] | (rows["cost"] > 0) | _pair(rows).isin(paid_for)
    rows = rows[bought.to_numpy()]
    return rows.assign(value=rows["cost"], of=rows["counted"].astype(np.float64))


def _pair(rows: pd.DataFrame) -> pd.Series:
    """Partner and channel of each row as one key; missing where either is."""
    return rows["partner_id"].astype("str") + "\n" + rows["channel"].astype("str")


@marketing_channels.companion(
    title="Cost per lead",
    formula="spend ÷ leads from the channels with spend",
    counts=LEADS,
    better="lower",
    statistic=ratio_or(Code.NO_LEADS_FROM_SPEND, empty=Code.NO_SPEND, least=FEW),
)
def cost_per_lead(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What does a lead cost?"""
    return _cost_per(book, quarter, leads.rule(book, quarter), "per_lead")


@marketing_channels.companion(
    title="Cost per won deal",
    formula="spend ÷ won deals from the channels with spend",
    better="lower",
    statistic=ratio_or(Code.NO_WINS_FROM_SPEND, empty=Code.NO_SPEND, least=FEW),
)
def cost_per_won_deal(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What does a won deal cost in marketing?"""
    return _cost_per(book, quarter, won_with_media(book, quarter), "per_win")


@marketing_channels.companion(
    title="Return on spend",
    formula="(won amount of the deals that have a channel − all spend) ÷ all spend",
    unit="share",
    statistic=ratio_or(Code.NO_SPEND, less=1.0, least=FEW),
)
def return_on_spend(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What does each unit of money spent bring back, beyond itself?"""
    won = won_with_media(book, quarter)
    need_won_amounts(book)
    rows = _costs(book, quarter, won[won["channel"].notna()], "per_win")
    return rows.assign(value=rows["value"].where(rows["counted"], 0.0), of=rows["cost"])


@marketing_channels.companion(
    title="Return without the largest deal",
    formula="the return with the largest of these deals left out",
    unit="share",
    statistic=ratio_or(Code.NO_SPEND, less=1.0, least=FEW, largest=False),
)
def return_without_largest(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What would the return be without the largest deal?"""
    return return_on_spend.rule(book, quarter)
