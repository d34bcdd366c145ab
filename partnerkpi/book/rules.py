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


def check_rows(examined: Examined, export_day: pd.Timestamp) -> None:
    """The faults of single rows of one table."""
    _check_ids(examined)
    if examined.table.name in ("deals", "leads"):
        _check_outcomes(examined, export_day)
    if examined.table.name == "deals":
        _check_deals(examined, export_day)
    if examined.table.name == "history":
        _check_after(examined, "changed_at", export_day)
        _check_after(examined, "recorded_at", export_day)
    if examined.table.name == "touches":
        _check_after(examined, "touched_at", export_day)
        none = np.ones(len(examined.text), dtype=bool)
        for name in ("deal_id", "lead_id"):
            if examined.has(name):
                none &= examined.text[name].isna().to_numpy()
        examined.aside("deal_id", "neither a deal nor a lead is named", none)
    if examined.table.name == "targets" and examined.has("quarter"):
        labels = examined.text["quarter"]
        examined.aside(
            "quarter", "is no quarter: write it like 2025Q4", labels.map(_is_no_quarter).to_numpy(dtype=bool)
        )
    if examined.table.name == "rates" and "rate" in examined.values:
        examined.aside("rate", "a rate must be above zero", _compare(examined, "rate", "<=", 0))
    if examined.table.name == "partners":
        _check_names(examined)
        if "joined_on" in examined.values and "left_on" in examined.values:
            examined.warn("left_on", "left before joining", _before(examined, "left_on", "joined_on"))
    if "amount" in examined.values:
        examined.aside("amount", "is negative", _compare(examined, "amount", "<", 0))


def check_tables(tables: Mapping[str, Examined], home: str) -> None:
    """The faults between tables: rows that speak of deals, leads, partners or rates that are not there."""
    deals, leads = tables["deals"], tables["leads"]
    _check_history(tables["history"], deals)
    touches = tables["touches"]
    if touches.given:
        lost = ~(_names_one_in(touches, "deal_id", deals) | _names_one_in(touches, "lead_id", leads))
        touches.warn("deal_id", "a touch of a deal or lead that is not in use: counted out of scope", lost)
        touches.leave_out(lost)
    if leads.given and deals.has("lead_id"):
        lost = deals.text["lead_id"].notna().to_numpy() & ~_names_one_in(deals, "lead_id", leads)
        deals.warn("lead_id", "there is no such lead: the deal stands for itself", lost)
    if tables["partners"].given:
        for name in ("deals", "leads", "history", "spend", "targets"):
            examined = tables[name]
            if examined.has("partner_id"):
                lost = examined.text["partner_id"].notna().to_numpy() & ~_names_one_in(
                    examined, "partner_id", tables["partners"]
                )
                examined.warn(
                    "partner_id", "no such partner in the partners table: kept, with the id as its name", lost
                )
    for name in ("deals", "spend"):
        _check_currency(tables[name], tables["rates"], home)


def _check_ids(examined: Examined) -> None:
    for name in _IDS:
        if not examined.has(name):
            continue
        text = examined.text[name]
        if examined.table.key != (name,):
            text = pd.Series(text.unique(), dtype="str").dropna()
        numeric = text.str.fullmatch(r"[0-9]+[.]0|[0-9](?:[.][0-9]+)?[eE][+]?[0-9]+").fillna(False)
        spaced = text.str.fullmatch(r"\s.*|.*\s").fillna(False)
        for rule, rows in (
            ("looks like a number that a spreadsheet rewrote", numeric),
            ("begins or ends with a space", spaced),
            ("differs from another only in capitals", _only_case(text)),
        ):
            values = text[rows.to_numpy(dtype=bool)]
            if len(values):
                examined.warn(name, rule, examined.text[name].isin(values).to_numpy())


def _only_case(text: pd.Series) -> pd.Series:
    distinct = text.drop_duplicates()
    folded = distinct.str.lower()
    twice = distinct[folded.duplicated(keep=False) & folded.notna()]
    return text.isin(twice) if len(twice) else pd.Series(False, index=text.index)


def _check_names(examined: Examined) -> None:
    """Names are labels, so equal ones are only mentioned: perhaps two ids are one partner."""
    if not examined.has("name"):
        return
    folded = examined.text["name"].map(_folded, na_action="ignore")
    examined.warn("name", "the same name as another partner: perhaps one partner with two ids",
              (folded.duplicated(keep=False) & folded.notna()).to_numpy())  # fmt: skip


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _check_outcomes(examined: Examined, export_day: pd.Timestamp) -> None:
    """Creation, status and closing of deals and leads must fit together."""
    _check_after(examined, "created_on", export_day)
    _check_after(examined, "closed_on", export_day)
    if not examined.has("status"):
        return
    closed = examined.text["status"].isin(CLOSED).to_numpy()
    ends = examined.values.get("closed_on")
    ended = ends.notna().to_numpy() if ends is not None else np.zeros(len(examined.text), dtype=bool)
    unread = ~ended & (examined.text["closed_on"].notna().to_numpy() if examined.has("closed_on") else False)
    examined.aside(
        "closed_on" if examined.has("closed_on") else "status",
        "closed, but no day of closing",
        closed & ~ended & ~unread,
    )
    if ends is not None:
        still = (examined.text["status"] == "open").to_numpy() & ended
        examined.warn("closed_on", "open, so the day of closing is not used", still)
        examined.values["closed_on"] = ends.mask(pd.Series(still, index=ends.index))
        if "created_on" in examined.values:
            early = _before(examined, "closed_on", "created_on")
            examined.warn("closed_on", "closed before it was created: left out of durations", early)


def _check_deals(examined: Examined, export_day: pd.Timestamp) -> None:
    if examined.has("partner_id"):
        examined.warn("partner_id", "no partner: counted as unassigned", examined.text["partner_id"].isna().to_numpy())
    if "amount" in examined.values:
        examined.warn("amount", "no amount: counted, but adds no money", examined.text["amount"].isna().to_numpy())
        examined.warn("amount", "the amount is zero", _compare(examined, "amount", "==", 0))
    if "expected_close_on" in examined.values:
        late = (examined.values["expected_close_on"] < export_day) & (examined.text["status"] == "open")
        examined.warn("expected_close_on", "open, and the expected closing has passed", late.to_numpy())


def _check_after(examined: Examined, column: str, export_day: pd.Timestamp) -> None:
    if column in examined.values:
        late = (examined.values[column] >= export_day + pd.Timedelta(days=1)).to_numpy()
        examined.aside(column, f"is after the day of the export, {export_day:%Y-%m-%d}", late)


def _check_history(history: Examined, deals: Examined) -> None:
    if not history.given or not history.has("deal_id"):
        return
    lost = ~_names_one_in(history, "deal_id", deals)
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
    with_status = history.text["status"].take(rows).notna().to_numpy()
    rows, place, stamps = rows[with_status], place[with_status], stamps[with_status]
    order = np.lexsort((rows, stamps, place))
    last = order[np.append(place[order][1:] != place[order][:-1], True)] if len(order) else order
    now = deals.text["status"].take(own).to_numpy()[place[last]]
    differs = np.zeros(len(history.text), dtype=bool)
    differs[rows[last][history.text["status"].take(rows[last]).to_numpy() != now]] = True
    history.warn("status", "the last change says another status than the deals table, which holds now", differs)


def _check_currency(examined: Examined, rates: Examined, home: str) -> None:
    """Every amount in another currency needs a rate on its day."""
    if not examined.has("currency") or "amount" not in examined.values:
        return
    currency = examined.text["currency"]
    foreign = (
        (currency.notna() & (currency != home)).to_numpy()
        & examined.used
        & examined.values["amount"].notna().to_numpy()
    )
    if not foreign.any():
        return
    table = rates.frame()
    if examined.table.name == "spend":
        on = examined.values["month"]
    else:
        last = pd.Timestamp("2199-12-31")  # open deals take the latest rate there is
        on = (
            examined.values["closed_on"].fillna(last)
            if "closed_on" in examined.values
            else pd.Series(last, index=currency.index)
        )
    rate = rates_on(table, currency, on, home).isna().to_numpy()
    have = set(table["currency"].cat.categories) if rates.given else set()
    for name in sorted(set(currency[foreign])):
        rows = foreign & (currency == name).to_numpy() & rate
        why = f"no rate on or before the day for {name}" if name in have else f"no rate for {name} in the rates table"
        examined.refuse("currency", f"{why}, and the book is in {home}", rows)


def _names_one_in(examined: Examined, column: str, other: Examined) -> np.ndarray:
    """True where the row names a row of the other table that is in use."""
    if not examined.has(column) or not other.has(column):
        return np.zeros(len(examined.text), dtype=bool)
    return among(examined.text[column], other.text[column][other.used])


def _before(examined: Examined, one: str, other: str) -> np.ndarray:
    return (examined.values[one] < examined.values[other]).to_numpy()


def _compare(examined: Examined, column: str, sign: str, number: float) -> np.ndarray:
    values = examined.values[column]
    return {"<": values < number, "<=": values <= number, "==": values == number}[sign].to_numpy()


def _is_no_quarter(label: object) -> bool:
    if not isinstance(label, str):
        return False
    try:
        checked(label)
    except UsageError:
        return True
    return False
