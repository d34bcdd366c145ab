"""Faults that need more than one cell: between columns, against the day of the export, and between tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from partnerkpi.book.examined import Examined
from partnerkpi.book.labels import among, as_text, distinct, in_order, places, spread
from partnerkpi.book.money import rates_on
from partnerkpi.book.schema import CLOSED, tables_with
from partnerkpi.errors import UsageError, nearest
from partnerkpi.periods import checked

_BETWEEN = r"[;,/|+&]"
_IDS = ("deal_id", "lead_id", "partner_id")
_REWRITTEN = r"[0-9]+[.]0|[0-9](?:[.][0-9]+)?[eE][+]?[0-9]+|[1-9][0-9]{14}0+"
_HIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2028-\u202e\u2060-\u2064\ufeff"
_UNSEEN = f"[{_HIDDEN}\t\r\n\u200c-\u200f]"
_UNSEEN_IN_TEXT = f"[{_HIDDEN}]"  # joiners, and marks of the direction of writing, belong to some languages
_LOST = "\ufffd"
_LOST_SAID = f"holds {_LOST}, which stands for a letter that was lost before: another encoding, at the export"
_TWO_ALPHABETS = "[A-Za-z].*[\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff].*[A-Za-z]"
#: Letters of UTF-8 that were taken for cp1252 once: "Ã¼" for "ü", "â€™" for an apostrophe.
_TWICE = "\u00c3[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|"
_TWICE += "\u00c2[\u00a0-\u00bf]|\u00e2\u20ac"
_TWICE_SAID = "reads like UTF-8 that was taken for another encoding before the export: its letters are two signs each"


def check_rows(examined: Examined, export_day: pd.Timestamp) -> None:
    """The faults of single rows of one table."""
    _check_ids(examined)
    _check_texts(examined)
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
    for name in (c.name for c in examined.table.columns if c.kind == "quarter" and examined.has(c.name)):
        wrong = examined.text[name].astype("str").map(_is_no_quarter).to_numpy(dtype=bool)
        examined.aside(name, "is no quarter: write it like 2025Q4", wrong)
    if examined.table.name == "rates" and "rate" in examined.values:
        examined.aside("rate", "a rate must be above zero", _compare(examined, "rate", "<=", 0))
    if examined.table.name == "partners":
        _check_names(examined)
        if "joined_on" in examined.values and "left_on" in examined.values:
            examined.warn("left_on", "left before joining", _before(examined, "left_on", "joined_on"))


def check_tables(tables: Mapping[str, Examined], home: str) -> None:
    """The faults between tables: rows that speak of deals, leads, partners or rates that are not there."""
    deals, leads = tables["deals"], tables["leads"]
    _check_history(tables["history"], deals)
    touches = tables["touches"]
    if touches.given:
        lost = ~(_names_one_in(touches, "deal_id", deals) | _names_one_in(touches, "lead_id", leads))
        touches.warn("deal_id", "a touch of a deal or lead that is not in use: counted out of scope", lost)
        touches.leave_out(lost)
    _check_shared(deals, tables["partners"])
    if leads.given and deals.has("lead_id"):
        lost = deals.text["lead_id"].notna().to_numpy() & ~_names_one_in(deals, "lead_id", leads)
        deals.warn("lead_id", "there is no such lead: the deal stands for itself", lost)
    if tables["partners"].given:
        for name in (n for n in tables_with("partner_id") if n != "partners"):
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


def _check_shared(deals: Examined, partners: Examined) -> None:
    """A cell that names two known partners shares the deal between them: this version gives it to one."""
    if not deals.has("partner_id"):
        return
    ids = deals.text["partner_id"]
    codes, each = distinct(ids)
    known = {str(one) for one in (*each, *(partners.text["partner_id"] if partners.has("partner_id") else ()))}
    for at in np.flatnonzero(each.str.contains(_BETWEEN)):
        value = each[at]
        parts = [part.strip() for part in re.split(_BETWEEN, str(value))]
        if len(parts) > 1 and known.issuperset(parts):
            rule = "names several partners: to share a deal among them is not in this version, name one"
            deals.refuse("partner_id", rule, codes == at)


def check_direct(deals: Examined, direct: Sequence[str]) -> None:
    """Every id that is the vendor's own must be one: else its sales would pass for a partner's without a word."""
    known = {"", *distinct(deals.text["partner_id"])[1]} if deals.has("partner_id") else {""}
    for one in direct:
        if one not in known:  # which ids there are is nothing for every reader of a fault
            rule = "[book] direct: no deal is of this id: write it exactly as the partner's column has it"
            deals.blame(rule, "W", "partner_id", one)


def check_stages(deals: Examined, declared: Mapping[str, float]) -> None:
    """Every stage with a declared chance must be that of a deal: else its chance is used nowhere without a word."""
    known = sorted(deals.text["stage"].dropna().unique()) if deals.has("stage") else []
    for stage in declared:
        if stage not in known:
            rule = f"[deals.probabilities]: no deal is in this stage. {nearest(stage, known)}"
            deals.blame(rule, "W", "stage", stage)


def _check_ids(examined: Examined) -> None:
    for name in _IDS:
        if not examined.has(name):
            continue
        text = as_text(examined.text[name]) if examined.table.key == (name,) else distinct(examined.text[name])[1]
        plain = r"[^!-~]|^[0-9][0-9.eE+]*$"  # most ids are plain, and looked at once
        odd = text[text.str.contains(plain).fillna(False).to_numpy(dtype=bool)]
        capitals = len(odd) or text.str.contains("[a-z]").any()  # else all letters there are are capitals
        for rule, values in (
            ("looks like a number that a spreadsheet rewrote", odd[odd.str.fullmatch(_REWRITTEN)]),
            ("begins or ends with a space", odd[odd.str.fullmatch(r"\s.*|.*\s")]),
            ("holds a character that is not seen", odd[odd.str.contains(_UNSEEN)]),
            (_LOST_SAID, odd[odd.str.contains(_LOST)]),
            (_TWICE_SAID, odd[odd.str.contains(_TWICE)]),
            ("mixes letters of two alphabets that look alike", odd[odd.str.contains(_TWO_ALPHABETS)]),
            ("differs from another only in capitals", text[_only_case(text)] if capitals else text[:0]),
        ):
            if len(values):
                examined.warn(name, rule, examined.text[name].isin(values).to_numpy())


def _check_texts(examined: Examined) -> None:
    """Characters in texts that no export means to write: what was damaged groups and reads otherwise."""
    for column in examined.table.columns:
        if column.kind not in ("text", "label") or column.name in _IDS or not examined.has(column.name):
            continue
        codes, text = distinct(examined.text[column.name])
        if not text.str.contains(f"[{_HIDDEN}{_LOST}]|{_TWICE}").any():
            continue
        unseen = ("holds a character that is not seen", _UNSEEN_IN_TEXT)
        for rule, shape in (unseen, (_LOST_SAID, _LOST), (_TWICE_SAID, _TWICE)):
            examined.warn(column.name, rule, spread(text.str.contains(shape).to_numpy(dtype=bool), codes))


def _only_case(text: pd.Series) -> pd.Series:
    distinct = text.drop_duplicates()
    folded = distinct.str.lower()
    twice = distinct[folded.duplicated(keep=False) & folded.notna()]
    return text.isin(twice) if len(twice) else pd.Series(False, index=text.index)


def _check_names(examined: Examined) -> None:
    """Names are labels, so equal ones are only mentioned: perhaps two ids are one partner."""
    if not examined.has("name"):
        return
    folded = examined.text["name"].astype("str").map(_folded, na_action="ignore")
    examined.warn("name", "the same name as another partner: perhaps one partner with two ids",
              (folded.duplicated(keep=False) & folded.notna()).to_numpy())  # fmt: skip


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _check_outcomes(examined: Examined, export_day: pd.Timestamp) -> None:
    """Creation, status and closing of deals and leads must fit together."""
    _check_after(examined, "created_on", export_day)
    _expect_closing(examined)
    _check_after(examined, "closed_on", export_day)
    if not examined.has("status"):
        return
    closed = examined.text["status"].isin(CLOSED).to_numpy()
    if not examined.has("closed_on"):
        examined.aside("status", "closed, but no day of closing", closed)
        return
    examined.aside("closed_on", "closed, but no day of closing", closed & examined.text["closed_on"].isna().to_numpy())
    if "created_on" in examined.values:
        early = _before(examined, "closed_on", "created_on")
        examined.warn("closed_on", "closed before it was created: left out of durations", early)


def _expect_closing(examined: Examined) -> None:
    """The day of closing of what is open is an expectation: `expected_close_on` of a deal where that is empty."""
    if not examined.has("closed_on"):
        return
    deals = examined.table.name == "deals"
    is_open = pd.Series(not deals, index=examined.text.index)  # a lead without a status is open
    if examined.has("status"):
        status = examined.text["status"]
        is_open = (status == "open") | (status.isna() & (not deals))
    days, text = examined.values["closed_on"], as_text(examined.text["closed_on"])
    moved = is_open & days.notna()
    if not moved.any():
        return
    rule = "open, so its day of closing is not used"
    if deals:
        rule = "open, so its day of closing is an expectation: expected_close_on where that is empty"
    examined.warn("closed_on", rule, moved.to_numpy())
    if deals:
        for cells, source in ((examined.values, days), (examined.text, text)):
            own = cells["expected_close_on"] if "expected_close_on" in cells else source.mask(source.notna())
            own = own.astype(source.dtype)
            cells["expected_close_on"] = own.where(own.notna() | ~moved, source)
    examined.values["closed_on"] = days.mask(moved)
    examined.text["closed_on"] = text.mask(moved)


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
    """What the history says of a deal beside what the deals table says of it."""
    if not history.given or not history.has("deal_id"):
        return
    lost = ~_names_one_in(history, "deal_id", deals)
    history.warn("deal_id", "a change of a deal that is not in use: counted out of scope", lost)
    history.leave_out(lost)
    if "changed_at" not in history.values or "created_on" not in deals.values:
        return
    rows, own = np.flatnonzero(history.used).astype(np.int32), np.flatnonzero(deals.used)
    place = places(history.text["deal_id"], deals.text["deal_id"].take(own))[rows]
    stamps = history.values["changed_at"].to_numpy(dtype="datetime64[s]")[rows]
    if not in_order(place, stamps):
        order = np.lexsort((stamps, place))  # stable, so rows of one moment stay in their order
        rows, place, stamps = rows[order], place[order], stamps[order]
    created = deals.values["created_on"].to_numpy(dtype="datetime64[s]")[own][place]
    history.warn(
        "changed_at",
        "a change before the deal was created: taken as its beginning",
        _mask(history, rows[stamps < created]),
    )
    history.warn(
        "changed_at",
        "creates the deal a second time: nothing differs from the change before",
        _mask(history, _second_creations(history, rows, place)),
    )
    for column in (c for c in history.table.columns if c.before and history.has(c.name)):
        _check_before(history, column.name, column.before, rows, place)
    if not (history.has("status") and deals.has("status")):
        return
    with_status = history.text["status"].take(rows).notna().to_numpy()
    rows, place, stamps = rows[with_status], place[with_status], stamps[with_status]
    status = history.text["status"]
    if "closed_on" in deals.values:
        closed_on = deals.values["closed_on"].to_numpy(dtype="datetime64[D]")[own].astype("datetime64[s]")
        before = np.flatnonzero(stamps < closed_on[place])
        ends = rows[before[_last_of_each(place[before])]]
        history.warn(
            "status",
            "closes the deal before the deals table does: closed from this change on",
            _mask(history, ends[status.take(ends).isin(CLOSED)]),
        )
    last = _last_of_each(place)
    ends, now = rows[last], deals.text["status"].take(own[place[last]])
    differs = ends[status.take(ends).to_numpy() != now.to_numpy()]
    history.warn(
        "status", "the last change says another status than the deals table, which holds now", _mask(history, differs)
    )


def _check_before(history: Examined, old: str, column: str, rows: np.ndarray, place: np.ndarray) -> None:
    """What changes say of the value before, in the order of deal and time, beside what the change before says."""
    said = _told(history, old, rows)
    now = pd.Series(np.nan, index=said.index, dtype=said.dtype)
    if history.has(column):
        now = _told(history, column, rows)
    before = now.groupby(place, sort=False).ffill().groupby(place, sort=False).shift()
    differs = said.notna() & before.notna() & (said != before)
    history.warn(
        old, f"differs from what the change before says of {column}, which holds", _mask(history, rows[differs])
    )
    emptied = said.notna() & now.isna()
    rule = f"empties {column}, which a history cannot tell: what was before stays until the next change of it"
    history.warn(old, rule, _mask(history, rows[emptied]))


def _told(history: Examined, column: str, rows: np.ndarray) -> pd.Series:
    """The values of some rows, or their text where the column is one of text."""
    if column in history.values:
        return history.values[column].take(rows)
    return as_text(history.text[column].take(rows))


def _second_creations(history: Examined, rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Of the rows, in the order of deal and time, those that say the deal's first change once more, word for word."""
    columns = [c for c in history.text if c not in ("deal_id", "changed_at", "recorded_at")]
    first = np.append(True, place[1:] != place[:-1])[: len(place)]
    second = np.flatnonzero(np.append(False, first[:-1]) & ~first) if len(first) else np.zeros(0, dtype=np.int64)
    for name in columns:
        one, other = (as_text(history.text[name].take(rows[at])).fillna("").to_numpy() for at in (second - 1, second))
        second = second[one == other]
    return rows[second] if columns else rows[:0]


def _mask(examined: Examined, rows: np.ndarray) -> np.ndarray:
    """True at the rows."""
    mask = np.zeros(len(examined.text), dtype=bool)
    mask[rows] = True
    return mask


def _last_of_each(place: np.ndarray) -> np.ndarray:
    """True at the last of each run of equal numbers."""
    return np.append(place[1:] != place[:-1], True) if len(place) else np.zeros(0, dtype=bool)


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
