"""Credit notes: amounts below zero that book.toml declares, and the deal that each takes money back from.

A credit note is no deal. From its day on it lowers the amount of the won deal it names, and every figure has it by the
rules it has anyway: the won amount of the quarter in which the deal was won is what is left of it, the deal counts
once, its size is what is left (none where nothing is), and no rate or duration knows of the note. On a day before the
note the deal has its whole amount. One of spend lowers what was spent in its month. An amount below zero that is not
declared, or a note that cannot be placed, sets its row aside.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book.declarations import TableConfig
from partnerkpi.book.examined import Examined, Notes
from partnerkpi.book.past import put_before


def check_negative(examined: Examined, config: TableConfig, home: str) -> None:
    """Set amounts below zero aside, but for credit notes that are declared: these are kept, and said once."""
    _leave_out_notes(examined)
    if "amount" not in examined.values:
        return
    below = (examined.values["amount"] < 0).to_numpy()
    if config.credit_notes and examined.table.name == "spend":
        examined.warn("amount", "a credit note: it lowers what was spent in its month", below)
        return
    if config.credit_notes and examined.has("status"):
        notes = below & examined.used & (examined.text["status"] == "won").to_numpy()
        if notes.any():
            _place(examined, config.credited_deal, notes, home)
        below = below & ~notes
    examined.aside("amount", "is negative", below)


def _leave_out_notes(examined: Examined) -> None:
    """A change or contact of a credit note is none of a deal."""
    if examined.deals is None or not examined.has("deal_id") or not len(examined.deals.notes.row):
        return
    ids = examined.deals.text["deal_id"].take(examined.deals.notes.row)
    rows = examined.text["deal_id"].isin(ids).to_numpy()
    examined.warn("deal_id", "of a credit note, which is no deal: counted out of scope", rows)
    examined.leave_out(rows)


def _place(examined: Examined, column: str, notes: np.ndarray, home: str) -> None:
    """Find the deal of each credit note; set aside those that have none from which they could take back so much."""
    amount = examined.values["amount"].to_numpy(dtype=np.float64)
    own = np.flatnonzero(examined.used & (examined.text["status"] == "won").to_numpy() & ~(amount < 0))
    row = np.flatnonzero(notes)
    at = pd.Index(examined.text["deal_id"].take(own)).get_indexer(pd.Index(examined.beside[column].take(row)))
    lost = _rows(examined, row[at < 0])
    examined.aside("amount", f"a credit note, and '{column}' names no deal that is won and used", lost)
    pairs = Notes(row[at >= 0], own[at[at >= 0]])
    if examined.has("currency"):
        currency = examined.text["currency"].astype("str").fillna(home).to_numpy()
        other = _rows(examined, pairs.row[currency[pairs.row] != currency[pairs.of]])
        examined.aside("amount", "a credit note in another currency than the deal it names", other)
        pairs = _still(examined, pairs)
    closed = examined.values["closed_on"].to_numpy(dtype="datetime64[s]")
    early = _rows(examined, pairs.row[closed[pairs.row] < closed[pairs.of]])
    examined.aside("amount", "a credit note of a day before the deal it names was won", early)
    pairs = _still(examined, pairs)
    back = np.bincount(pairs.of, weights=amount[pairs.row], minlength=len(amount))
    left = np.round(amount + back, examined.decimals)
    more = _rows(examined, pairs.row[~(left[pairs.of] >= 0)])  # also where the deal has no amount
    examined.aside("amount", "credit notes of more than the amount of the deal they name", more)
    examined.notes = _still(examined, pairs)
    good = _rows(examined, examined.notes.row)
    examined.warn("amount", "a credit note: it lowers the amount of the deal it names, and is no deal itself", good)


def _rows(examined: Examined, places: np.ndarray) -> np.ndarray:
    return np.isin(np.arange(len(examined.text)), places)


def _still(examined: Examined, notes: Notes) -> Notes:
    """Those of the credit notes that are not set aside."""
    used = examined.used[notes.row]
    return Notes(notes.row[used], notes.of[used])


def with_credits(history: pd.DataFrame, deals: Examined) -> pd.DataFrame:
    """The history, in which each credit note is a change of its deal's amount on its day.

    A deal whose history tells no amount had its whole one from its creation on.
    """
    notes = deals.notes
    if not len(notes.row):
        return history
    amount = deals.values["amount"].to_numpy(dtype=np.float64)
    day = deals.values["closed_on"].to_numpy(dtype="datetime64[s]")
    order = np.lexsort((notes.row, day[notes.row], notes.of))
    row, of = notes.row[order], notes.of[order]
    back = pd.Series(amount[row]).groupby(of).cumsum().to_numpy()
    ids = deals.text["deal_id"].astype("str")
    changes = pd.DataFrame({"deal_id": ids.take(of).array, "changed_at": day[row]})
    changes["amount"] = np.round(amount[of] + back, deals.decimals)
    first = np.unique(of)
    created = deals.values["created_on"].to_numpy(dtype="datetime64[s]")[first]
    whole = pd.DataFrame({"deal_id": ids.take(first).array, "changed_at": created, "amount": amount[first]})
    told = set(history["deal_id"][history["amount"].notna()])
    whole = whole[~whole["deal_id"].isin(told).to_numpy()]
    return put_before(pd.concat([whole, changes], ignore_index=True), history)
