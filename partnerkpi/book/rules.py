"""Faults that need more than one cell: between columns, against the day of the export, and between tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import numpy as np
import pandas as pd

from partnerkpi.book.intake import Examined
from partnerkpi.book.labels import among
from partnerkpi.book.money import rates_on
from partnerkpi.book.schema import CLOSED
from partnerkpi.errors import UsageError
from partnerkpi.periods import checked

_IDS = ("deal_id", "lead_id", "partner_id")


def check_rows(seen: Examined, export_day: pd.Timestamp) -> None:
    """The faults of single rows of one table."""
    _check_ids(seen)
    if seen.table.name in ("deals", "leads"):
        _check_outcomes(seen, export_day)
    if seen.table.name == "deals":
        _check_deals(seen, export_day)
    if seen.table.name == "history":
        _check_after(seen, "changed_at", export_day)
        _check_after(seen, "recorded_at", export_day)
    if seen.table.name == "touches":
        _check_after(seen, "touched_at", export_day)
        none = np.ones(len(seen.text), dtype=bool)
        for name in ("deal_id", "lead_id"):
            if seen.has(name):
                none &= seen.text[name].isna().to_numpy()
        seen.aside("deal_id", "neither a deal nor a lead is named", none)
    if seen.table.name == "targets" and seen.has("quarter"):
        labels = seen.text["quarter"]
        seen.aside("quarter", "is no quarter: write it like 2025Q4", labels.map(_is_no_quarter).to_numpy(dtype=bool))
    if seen.table.name == "rates" and "rate" in seen.values:
        seen.aside("rate", "a rate must be above zero", _compare(seen, "rate", "<=", 0))
    if seen.table.name == "partners":
        _check_names(seen)
        if "joined_on" in seen.values and "left_on" in seen.values:
            seen.warn("left_on", "left before joining", _before(seen, "left_on", "joined_on"))
    if "amount" in seen.values:
        seen.aside("amount", "is negative", _compare(seen, "amount", "<", 0))


def check_tables(tables: Mapping[str, Examined], home: str) -> None:
    """The faults between tables: rows that speak of deals, leads, partners or rates that are not there."""
    deals, leads = tables["deals"], tables["leads"]
    _check_history(tables["history"], deals)
    touches = tables["touches"]
    if touches.given:
        lost = ~(_known(touches, "deal_id", deals) | _known(touches, "lead_id", leads))
        touches.warn("deal_id", "a touch of a deal or lead that is not in use: counted out of scope", lost)
        touches.leave_out(lost)
    if leads.given and deals.has("lead_id"):
        lost = deals.text["lead_id"].notna().to_numpy() & ~_known(deals, "lead_id", leads)
        deals.warn("lead_id", "there is no such lead: the deal stands for itself", lost)
    if tables["partners"].given:
        for name in ("deals", "leads", "history", "spend", "targets"):
            seen = tables[name]
            if seen.has("partner_id"):
                lost = seen.text["partner_id"].notna().to_numpy() & ~_known(seen, "partner_id", tables["partners"])
                seen.warn("partner_id", "no such partner in the partners table: kept, with the id as its name", lost)
    for name in ("deals", "spend"):
        _check_currency(tables[name], tables["rates"], home)


def _check_ids(seen: Examined) -> None:
    for name in _IDS:
        if not seen.has(name):
            continue
        text = seen.text[name]
        if seen.table.key != (name,):
            text = pd.Series(text.unique(), dtype="str").dropna()
        numeric = text.str.fullmatch(r"[0-9]+[.]0|[0-9](?:[.][0-9]+)?[eE][+]?[0-9]+").fillna(False)
        odd = text.str.fullmatch(r"\s.*|.*\s").fillna(False)
        for rule, found in (
            ("looks like a number that a spreadsheet rewrote", numeric),
            ("begins or ends with a space", odd),
            ("differs from another only in capitals", _only_case(text)),
        ):
            values = text[found.to_numpy(dtype=bool)]
            if len(values):
                seen.warn(name, rule, seen.text[name].isin(values).to_numpy())


def _only_case(text: pd.Series) -> pd.Series:
    distinct = text.drop_duplicates()
    folded = distinct.str.lower()
    twice = distinct[folded.duplicated(keep=False) & folded.notna()]
    return text.isin(twice) if len(twice) else pd.Series(False, index=text.index)


def _check_names(seen: Examined) -> None:
    """Names are labels, so equal ones are only mentioned: perhaps two ids are one partner."""
    if not seen.has("name"):
        return
    folded = seen.text["name"].map(_folded, na_action="ignore")
    seen.warn("name", "the same name as another partner: perhaps one partner with two ids",
              (folded.duplicated(keep=False) & folded.notna()).to_numpy())  # fmt: skip


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _check_outcomes(seen: Examined, export_day: pd.Timestamp) -> None:
    """Creation, status and closing of deals and leads must fit together."""
    _check_after(seen, "created_on", export_day)
    _check_after(seen, "closed_on", export_day)
    if not seen.has("status"):
        return
    closed = seen.text["status"].isin(CLOSED).to_numpy()
    ends = seen.values.get("closed_on")
    ended = ends.notna().to_numpy() if ends is not None else np.zeros(len(seen.text), dtype=bool)
    unread = ~ended & (seen.text["closed_on"].notna().to_numpy() if seen.has("closed_on") else False)
    seen.aside(
        "closed_on" if seen.has("closed_on") else "status", "closed, but no day of closing", closed & ~ended & ~unread
    )
    if ends is not None:
        still = (seen.text["status"] == "open").to_numpy() & ended
        seen.warn("closed_on", "open, so the day of closing is not used", still)
        seen.values["closed_on"] = ends.mask(pd.Series(still, index=ends.index))
        if "created_on" in seen.values:
            early = _before(seen, "closed_on", "created_on")
            seen.warn("closed_on", "closed before it was created: left out of durations", early)


def _check_deals(seen: Examined, export_day: pd.Timestamp) -> None:
    if seen.has("partner_id"):
        seen.warn("partner_id", "no partner: counted as unassigned", seen.text["partner_id"].isna().to_numpy())
    if "amount" in seen.values:
        seen.warn("amount", "no amount: counted, but adds no money", seen.text["amount"].isna().to_numpy())
        seen.warn("amount", "the amount is zero", _compare(seen, "amount", "==", 0))
    if "expected_close_on" in seen.values:
        late = (seen.values["expected_close_on"] < export_day) & (seen.text["status"] == "open")
        seen.warn("expected_close_on", "open, and the expected closing has passed", late.to_numpy())


def _check_after(seen: Examined, column: str, export_day: pd.Timestamp) -> None:
    if column in seen.values:
        late = (seen.values[column] >= export_day + pd.Timedelta(days=1)).to_numpy()
        seen.aside(column, f"is after the day of the export, {export_day:%Y-%m-%d}", late)


def _check_history(history: Examined, deals: Examined) -> None:
    if not history.given or not history.has("deal_id"):
        return
    lost = ~_known(history, "deal_id", deals)
    history.warn("deal_id", "a change of a deal that is not in use: counted out of scope", lost)
    history.leave_out(lost)
    if "changed_at" not in history.values or "created_on" not in deals.values:
        return
    rows = np.flatnonzero(history.used)
    own = np.flatnonzero(deals.used)
    place = pd.Index(deals.text["deal_id"].take(own)).get_indexer(history.text["deal_id"].take(rows))
    created = deals.values["created_on"].to_numpy(dtype="datetime64[s]")[own][place]
    stamps = history.values["changed_at"].to_numpy(dtype="datetime64[s]")[rows]
    early = np.zeros(len(history.text), dtype=bool)
    early[rows[stamps < created]] = True
    history.warn("changed_at", "a change before the deal was created: taken as its beginning", early)
    if not (history.has("status") and deals.has("status")):
        return
    told = history.text["status"].take(rows).notna().to_numpy()
    rows, place, stamps = rows[told], place[told], stamps[told]
    order = np.lexsort((rows, stamps, place))
    last = order[np.append(place[order][1:] != place[order][:-1], True)] if len(order) else order
    now = deals.text["status"].take(own).to_numpy()[place[last]]
    differs = np.zeros(len(history.text), dtype=bool)
    differs[rows[last][history.text["status"].take(rows[last]).to_numpy() != now]] = True
    history.warn("status", "the last change says another status than the deals table, which holds now", differs)


def _check_currency(seen: Examined, rates: Examined, home: str) -> None:
    """Every amount in another currency needs a rate on its day."""
    if not seen.has("currency") or "amount" not in seen.values:
        return
    currency = seen.text["currency"]
    foreign = (currency.notna() & (currency != home)).to_numpy() & seen.used & seen.values["amount"].notna().to_numpy()
    if not foreign.any():
        return
    table = rates.frame()
    if seen.table.name == "spend":
        on = seen.values["month"]
    else:
        last = pd.Timestamp("2199-12-31")  # open deals take the latest rate there is
        on = (
            seen.values["closed_on"].fillna(last)
            if "closed_on" in seen.values
            else pd.Series(last, index=currency.index)
        )
    rate = rates_on(table, currency, on, home).isna().to_numpy()
    have = set(table["currency"].cat.categories) if rates.given else set()
    for name in sorted(set(currency[foreign])):
        rows = foreign & (currency == name).to_numpy() & rate
        why = f"no rate on or before the day for {name}" if name in have else f"no rate for {name} in the rates table"
        seen.refuse("currency", f"{why}, and the book is in {home}", rows)


def _known(seen: Examined, column: str, other: Examined) -> np.ndarray:
    """True where the row names a row of the other table that is in use."""
    if not seen.has(column) or not other.has(column):
        return np.zeros(len(seen.text), dtype=bool)
    return among(seen.text[column], other.text[column][other.used])


def _before(seen: Examined, one: str, other: str) -> np.ndarray:
    return (seen.values[one] < seen.values[other]).to_numpy()


def _compare(seen: Examined, column: str, sign: str, number: float) -> np.ndarray:
    values = seen.values[column]
    return {"<": values < number, "<=": values <= number, "==": values == number}[sign].to_numpy()


def _is_no_quarter(label: object) -> bool:
    if not isinstance(label, str):
        return False
    try:
        checked(label)
    except UsageError:
        return True
    return False
