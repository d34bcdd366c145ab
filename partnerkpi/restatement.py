"""What was restated: how a quarter looked at its own end, and how the book tells it now.

A figure of the quarter before may have changed since its review: a lost deal was opened again, a closing was entered
late, an amount was corrected, a deal was handed on. Two tellings of each deal are set beside each other: its state at
the end of the quarter as the book of that evening had it (without the changes that were entered only later), and that
of the book in hand. Only what a history tells can be compared: what an export overwrote without a trace is not found.

In one partner's part of a book a deal that was another's then, or is now, has no state on that side: whose it was is
not the partner's to know. Of a deal that left the partner what was entered late is not known apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.labels import among
from partnerkpi.book.money import converted
from partnerkpi.book.past import deals_on, entered_after, state_on
from partnerkpi.book.periods import deal_ids
from partnerkpi.book.schema import CLOSED
from partnerkpi.deals import closed_in, won_in
from partnerkpi.periods import Quarter

#: What of a deal may be restated; `amount` is in the deal's own currency.
FACTS = ("status", "closed_on", "amount", "partner_id")
COLUMNS = (
    "deal_id",
    "currency",
    *(f"{fact}_{side}" for fact in FACTS for side in ("then", "now")),
    "won_amount",
    "won_deals",
)


def restated(book: Book, quarter: str | Quarter = "") -> pd.DataFrame:
    """What changed of the quarter before this one since its own end: one row per deal, the largest effect first.

    Deals that had an outcome in that quarter by either telling, and of which outcome, closing day, amount or owner
    differ. The default quarter is the last complete one, so that the one before it is looked at.

    Returns:
        `deal_id` and its `currency`; `status`, `closed_on`, `amount` (in that currency) and `partner_id` as known
        `_then` and `_now`, missing on a side where the deal is not of this part of the book; `won_amount` (the book's
        currency, at the rate of each closing day) and `won_deals`: by how much the change moves the quarter's sum and
        count of wins. Their sums are exactly the difference between the two tellings. Empty where the book has no
        history.

    Raises:
        UsageError: the text is no quarter, or the quarter has not begun.
    """
    past = book.quarter(quarter).before
    return changed_since(book, past, past.end)


def changed_since(book: Book, past: Quarter, day: pd.Timestamp) -> pd.DataFrame:
    """What changed of a quarter since the end of a day: as `restated`, with the book of that day on the other side."""
    then, now = _told_then(book, day), book.deals
    closed = [closed_in(side, past, CLOSED)["deal_id"] for side in (then, now)]
    ids = pd.Index(pd.concat(closed).unique())
    sides = {"then": _side(book, then, past, ids), "now": _side(book, now, past, ids)}
    both = sides["then"]["there"] & sides["now"]["there"]
    differs = ~both & (sides["then"]["there"] | sides["now"]["there"])
    for fact in FACTS:
        one, other = (side[fact] for side in sides.values())
        differs |= both & (one != other) & ~(one.isna() & other.isna())
    told = {f"{fact}_{name}": side[fact] for fact in FACTS for name, side in sides.items()}
    effects = {name: sides["now"][name] - sides["then"][name] for name in ("won_amount", "won_deals")}
    effects["won_amount"] = effects["won_amount"].round(book.money_digits)
    told["currency"] = sides["now"]["currency"].fillna(sides["then"]["currency"])
    table = pd.DataFrame({"deal_id": ids, **told, **effects})[differs.to_numpy()]
    size = table[["won_amount", "won_deals"]].abs()
    order = np.lexsort((table["deal_id"], -size["won_deals"], -size["won_amount"]))
    return table.iloc[order].reset_index(drop=True)[list(COLUMNS)]


def _told_then(book: Book, day: pd.Timestamp) -> pd.DataFrame:
    """The deals as the book of that evening had them, those that have left this part of the book since among them."""
    spells, history, deals = book.periods, book.history, book.deals
    unheard = history.loc[entered_after(history, day), "deal_id"]
    then = state_on(spells[~among(deal_ids(spells, deals), unheard)].reset_index(drop=True), deals, day)
    late = deals[among(deals["deal_id"], unheard)].reset_index(drop=True)
    if not len(late):
        return then
    own = history[among(history["deal_id"], late["deal_id"])].reset_index(drop=True)
    again = deals_on(late, own, day, book.as_of)
    if book.partner:
        again = again[(again["partner_id"] == book.partner).to_numpy(dtype=bool)]
    return pd.concat([then, again], ignore_index=True)


def _side(book: Book, deals: pd.DataFrame, past: Quarter, ids: pd.Index) -> pd.DataFrame:
    """One telling of the deals of these ids, in their order: its facts, and what each won in the quarter."""
    part = deals.take(pd.Index(deals["deal_id"]).get_indexer(ids[ids.isin(deals["deal_id"])]))
    won = part["deal_id"].isin(won_in(part, past)["deal_id"])
    days = part["closed_on"].fillna(past.end)
    worth = converted(part, days, book.rates, book.currency, book.money_digits, amount="amount_original")
    side = pd.DataFrame(
        {
            "status": part["status"].astype("str"),
            "closed_on": part["closed_on"],
            "amount": part["amount_original"],
            "partner_id": part["partner_id"].astype("str"),
            "currency": part["currency"].astype("str"),
            "won_amount": worth.where(won).fillna(0.0),
            "won_deals": won.astype(np.int64),
            "there": True,
        }
    )
    side = side.set_axis(pd.Index(part["deal_id"])).reindex(ids).reset_index(drop=True)
    nothing = {"won_amount": 0.0, "won_deals": 0, "there": False}
    return side.fillna(nothing).astype({"won_deals": "int64", "there": "bool"})
