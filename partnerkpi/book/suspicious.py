"""What can be read and yet may be wrong: rows that are totals of others, rows given twice, rates of another time or
turned round, changes whose order nobody knows, and files that hold something else than they are said to hold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import pandas as pd

from partnerkpi.book.currencies import meant_by
from partnerkpi.book.declarations import TableConfig
from partnerkpi.book.examined import ASIDE, OUT, Examined
from partnerkpi.book.labels import all_differ, distinct, texts_of
from partnerkpi.book.ledger import units_of
from partnerkpi.book.reading import Control
from partnerkpi.book.schema import tables_with

_TOTALS = """
    total totals grand_total sub_total subtotal sum sums summe gesamt gesamtsumme gesamtergebnis zwischensumme ergebnis
    insgesamt total_général total_general sous-total somme suma suma_total total_generale totale totaal subtotaal
    totalt razem celkem итого всего overall all_records
"""
_WORDS = frozenset(word.replace("_", " ") for word in _TOTALS.split())
_LIKE_TOTAL = r"(?i)total|sum|gesamt|ergebnis|totaal|razem|celkem|somme|итого|всего|overall|all records"
_TAIL = re.compile(r"\s*(?:[:=].*|\([^)]*\)|[0-9].*)?$", re.S)
_CYRILLIC_GREEK = "АВЕКМНОРСТХавекмнорстхуіѕјΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"
_LOOKS = str.maketrans(_CYRILLIC_GREEK, "ABEKMHOPCTXabekmhopctxyisjABEZHIKMNOPTYXo")
_LEAST_ROWS = 5  # above a row for their sum to be no chance
_QUARTER = 92  # days
_FACTOR = 3.0


def check_suspicious(tables: Mapping[str, Examined], home: str, export_day: pd.Timestamp) -> None:
    """The faults that no single cell shows, of all tables."""
    for examined in tables.values():
        if examined.given and len(examined.text):
            _check_totals_among_rows(examined)
            _check_twins(examined)
    _check_spelling_of_ids(tables)
    _check_moments(tables["history"])
    _check_signs(tables["history"], tables["deals"], home)
    _check_rates(tables["rates"], home)
    for name in ("deals", "spend"):
        _check_age(tables[name], tables["rates"], home, export_day)
    shares = tables["partners"].values.get("commission_rate")
    if shares is not None:
        rule = "a share above 1, which is 100 %: percent are written 12 %, or 0.12"
        tables["partners"].warn("commission_rate", rule, (shares > 1).to_numpy())


def check_control_totals(examined: Examined, config: TableConfig) -> Iterator[Control]:
    """The numbers of rows and the sum of amounts of a table, beside those it is said to have; blamed where they differ.

    Nothing of a table that is not there or was not read.
    """
    if not examined.given or (not len(examined.text) and any((f["kind"] == "E").any() for f in examined.faults)):
        return  # why it was not read is said
    where, read = f"[{config.name}]", len(examined.text) + len(examined.ragged)
    declared = "" if config.rows is None else str(config.rows)
    yield Control(config.name, "rows", declared, str(read), config.rows in (None, read))
    if config.rows not in (None, read):
        examined.blame(f"{where} rows = {config.rows} is declared, but {read} rows are read", "E", late=True)
    if "amount" not in examined.values:
        return
    amounts = examined.values["amount"].dropna().to_numpy()
    exact = int(units_of(amounts, examined.decimals).sum())
    whole, rest = divmod(abs(exact), 10**examined.decimals)
    shown = f"{'-' if exact < 0 else ''}{whole}" + (f".{rest:0{examined.decimals}d}" if examined.decimals else "")
    if config.amount_total is None:
        yield Control(config.name, "amount_total", "", shown, True)
        return
    places = max(0, -int(config.amount_total.as_tuple().exponent))
    gap = abs(exact * 10**places - int(config.amount_total.scaleb(places)) * 10**examined.decimals)
    holds = 2 * gap < 10**examined.decimals
    yield Control(config.name, "amount_total", str(config.amount_total), shown, holds)
    if gap:
        unread = int((examined.values["amount"].isna() & examined.text["amount"].notna()).sum())
        but = f"; {unread:,} cannot be read" if unread else ""
        rule = f"{where} amount_total = {config.amount_total} is declared, but the amounts read sum to {shown}{but}"
        if holds:
            examined.blame(f"{rule}: the same when rounded", "W", "amount", late=True)
        else:
            examined.blame(rule, "E", "amount", late=True)


def _check_totals_among_rows(examined: Examined) -> None:
    """Rows that say they are a total, or whose amount is the sum of those above: refused where the row has no id."""
    bare = examined.fate == ASIDE
    if examined.table.key and examined.has(examined.table.key[0]):
        bare &= examined.text[examined.table.key[0]].isna().to_numpy()
    there = examined.fate != OUT
    hint = f"say footer = 1 under [{examined.table.name}] where it stands below all rows, else leave it out"
    said = np.zeros(len(there), dtype=bool)
    wordy = [c.name for c in examined.table.columns if c.kind in ("text", "label", "quarter") and examined.has(c.name)]
    for name in wordy if not examined.table.about else []:
        rows = there & _says_total(examined.text[name])
        examined.refuse(name, f"a row that is a total, and no row of its own: {hint}", rows & bare & ~said)
        examined.warn(name, f"reads like a total of other rows: if it is one, {hint}", rows & ~bare & ~said)
        said |= rows
    if "amount" not in examined.values or not there.any():
        return
    amounts = examined.values["amount"].fillna(0.0).to_numpy()
    summed = there & (amounts > 0) & ~said & _sums_up(examined, amounts, bare)
    examined.refuse("amount", f"the sum of the rows above, in a row without an id: {hint}", summed & bare)
    examined.warn("amount", f"exactly the sum of all rows above: if it is their total, {hint}", summed & ~bare)


def _says_total(text: pd.Series) -> np.ndarray:
    """True where the cell is a word for a total, or that word beside another value of the column."""
    found = np.zeros(len(text), dtype=bool)
    values = texts_of(text)[1].dropna()
    like = [str(v) for v in values[values.str.contains(_LIKE_TOTAL)].unique()]
    if not like:
        return found
    others = {str(v).strip().casefold() for v in values}
    total = [v for v in like if _is_total(v.strip().casefold(), others)]
    return text.isin(total).to_numpy()


def _is_total(word: str, others: set[str]) -> bool:
    plain = _TAIL.sub("", word)
    if plain in _WORDS:
        return True
    ways = [(plain[: -len(w) - 1], w) for w in _WORDS if plain.endswith(" " + w)]
    ways += [(plain[len(w) + 1 :].removeprefix("for "), w) for w in _WORDS if plain.startswith(w + " ")]
    return any(rest.strip(" -:") in others for rest, _ in ways)


def _sums_up(examined: Examined, amounts: np.ndarray, bare: np.ndarray) -> np.ndarray:
    """True for rows without an id that are the sum of those since the one before, and for a last row that sums all."""
    units = np.rint(amounts * 10**examined.decimals)
    found = np.zeros(len(units), dtype=bool)
    codes = np.asarray(examined.file.codes)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if not bare[rows].any() and len(rows) <= _LEAST_ROWS:
            continue
        own = np.cumsum(np.where(bare[rows], 0.0, units[rows]))
        start = 0
        for at in np.flatnonzero(bare[rows]):
            part = own[at] - (own[start - 1] if start else 0.0)
            found[rows[at]] = (at - start > 1 and units[rows[at]] == part) or (at > 1 and units[rows[at]] == own[at])
            start = int(at) + 1
        last = rows[-1]
        if not bare[last] and len(rows) > _LEAST_ROWS and np.count_nonzero(units[rows[:-1]]) >= _LEAST_ROWS:
            found[last] = units[last] == own[-2]
    return found


def _check_twins(examined: Examined) -> None:
    """Rows that are given twice where no id tells: tables without a key, and deals of one customer or name."""
    table, text = examined.table, examined.text
    if table.name == "targets":
        key = [c for c in ("quarter", "partner_id", "rep", "unit", "measure") if examined.has(c)]
        rule = "a target for whom and when a row above has one: both are added"
        examined.warn("quarter", rule, _again(text[key], examined.used))
    elif not table.key:
        first = next(iter(text))
        examined.warn(str(first), "the same as a row above, word for word: both are used", _again(text, examined.used))
    elif examined.made_key:
        return  # `examine` compares rows whose key was made
    elif table.name == "deals" and examined.has("amount") and (who := [c for c in ("customer", "name") if c in text]):
        known = examined.used & text[who].notna().any(axis=1).to_numpy() & text["amount"].notna().to_numpy()
        near = _again(text[[*who, "created_on", "amount"]], known, keep=False)
        twins = _again(text.drop(columns="deal_id"), near) if near.any() else near
        examined.warn("deal_id", "the same as a deal above in all but its id: both are used", twins)


def _again(text: pd.DataFrame, rows: np.ndarray, *, keep: str | bool = "first") -> np.ndarray:
    """True for those of the rows that stand above already."""
    found = np.zeros(len(text), dtype=bool)
    at = np.flatnonzero(rows)
    found[at] = text.take(at).duplicated(keep=keep).to_numpy()  # type: ignore[arg-type]
    return found


def _check_spelling_of_ids(tables: Mapping[str, Examined]) -> None:
    """Partner ids that read like another: of the partners table where there is one, else of the same table."""
    partners = tables["partners"]
    listed = set(partners.text["partner_id"].dropna()) if partners.has("partner_id") else set()
    table = {_as_read(k): k for k in sorted(map(str, listed), reverse=True)}
    for name in (n for n in tables_with("partner_id") if tables[n].has("partner_id")):
        codes, each = distinct(tables[name].text["partner_id"])
        counts = pd.Series(np.bincount(codes[codes >= 0], minlength=len(each)), index=each.to_numpy())
        counts = counts.sort_values(ascending=False, kind="stable")
        usual = table or {_as_read(v): v for v in reversed(sorted(map(str, counts.index), key=lambda v: -counts[v]))}
        for value in sorted(set(map(str, counts.index)) - (listed if name != "partners" else set())):
            own = usual.get(_as_read(value), value)
            if own == value or (own in counts.index and own.lower() == value.lower()):
                continue  # two that differ in capitals alone are said already
            rule = f"reads like '{own}': two partners, unless they are mapped to one"
            if name != "partners" and listed:
                rule = f"the partners table spells it '{own}': two partners, unless they are mapped to one"
            tables[name].warn("partner_id", rule, codes == int(np.flatnonzero(each == value)[0]))


@cache
def _as_read(text: str) -> str:
    """A text as one reads it: without capitals, kinds and numbers of spaces, width of letters, and other alphabets."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_LOOKS).casefold().split())


def _check_moments(history: Examined) -> None:
    """Changes of one deal at one moment that contradict each other: which was the last nobody can tell."""
    if "changed_at" not in history.values or not history.has("deal_id"):
        return
    key = pd.DataFrame({"deal_id": history.text["deal_id"], "at": history.values["changed_at"]})
    known = history.used & key["deal_id"].notna().to_numpy() & key["at"].notna().to_numpy()
    if (known == history.used).all() and all_differ([key[name] for name in key], known):
        return
    rows = np.flatnonzero(_again(key, history.used, keep=False))
    if not len(rows):
        return
    others = [c for c in history.text if c not in ("deal_id", "changed_at", "recorded_at")]
    groups = history.text.take(rows)[others].astype("str").groupby([key[c].take(rows) for c in key], sort=False)
    differ = (groups.transform("nunique") > 1).any(axis=1).to_numpy()
    mask = np.zeros(len(history.text), dtype=bool)
    mask[rows[differ]] = True
    rule = "changes of one deal at one moment that contradict each other: taken in the order of the file"
    history.warn("changed_at", rule, mask)


def _check_signs(history: Examined, deals: Examined, home: str) -> None:
    """A sign beside an amount of the history must be able to mean the currency of its deal."""
    if history.signs is None or not history.has("deal_id") or not deals.has("deal_id"):
        return
    said = (
        deals.text["currency"].astype("str")
        if deals.has("currency")
        else pd.Series(home, index=deals.text.index, dtype="str")
    )
    by_deal = pd.Series(said.to_numpy(), index=deals.text["deal_id"].to_numpy())[deals.used].to_dict()
    own = history.text["deal_id"].astype("str").map(by_deal).fillna(home).to_numpy(dtype=object)
    for sign in sorted(set(history.signs) - {""}):
        other = (history.signs == sign).to_numpy() & ~np.isin(own.astype(str), meant_by(sign))
        history.aside("amount", f"'{sign}' stands beside the amount, but its deal is in another currency", other)


def _check_rates(rates: Examined, home: str) -> None:
    """Rates that are far from the others of their currency, or those turned round."""
    if "rate" not in rates.values or not rates.has("currency"):
        return
    rate = rates.values["rate"].where(pd.Series(rates.used, index=rates.text.index))
    rate = rate.where(rate > 0)
    currency = rates.text["currency"]
    rule = f"one {home} is one {home}, the book's own currency: not used"
    rates.warn("rate", rule, ((currency == home) & (rate != 1) & rate.notna()).to_numpy())
    usual = rate.groupby(currency).transform("median")
    off, product = (np.abs(np.log(x.to_numpy())) for x in (rate / usual, rate * usual))
    foreign = (currency != home).to_numpy()
    turned = foreign & (off > 0.08) & (product < 0.25 * off)
    far = foreign & ~turned & (off > np.log(_FACTOR))
    for code in sorted(set(currency[turned | far])):
        own = (currency == code).to_numpy()
        unit = f"the rates are {home} for one {code}"
        rates.warn("rate", f"{code}: one divided by the usual rate, so turned round? {unit}", own & turned)
        rates.warn("rate", f"{code}: more than {_FACTOR:g} times or less than a third of the usual rate", own & far)


def _check_age(examined: Examined, rates: Examined, home: str, export_day: pd.Timestamp) -> None:
    """Rates that are older than a quarter on the day they are used."""
    if "rate" not in rates.values or "date" not in rates.values or "amount" not in examined.values:
        return
    for code, rows, on in _foreign(examined, home, export_day):
        own = rates.used & (rates.text["currency"] == code).to_numpy()
        dates = np.sort(rates.values["date"].to_numpy(dtype="datetime64[D]")[own])
        place = np.searchsorted(dates, on, side="right") - 1
        known = np.append(dates, np.datetime64("NaT", "D"))[place]  # before the first there is none
        age = np.where(place >= 0, (on - known).astype(np.int64), 0)
        old = np.zeros(len(examined.text), dtype=bool)
        old[rows[age > _QUARTER]] = True
        rule = (
            f"no rate of {code} within a quarter before the day: the last one is used, {age.max(initial=0):,} days old"
        )
        examined.warn("currency", f"{rule} at most", old)


def _foreign(examined: Examined, home: str, export_day: pd.Timestamp) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each other currency, the rows with amounts in it, and the day whose rate each is converted at."""
    if not examined.has("currency"):
        return
    column = "month" if examined.table.name == "spend" else "closed_on"
    day = examined.values.get(column, pd.Series(pd.NaT, index=examined.text.index))
    days = day.fillna(export_day).to_numpy(dtype="datetime64[D]")
    some = examined.used & examined.values["amount"].notna().to_numpy()
    for code in sorted(set(examined.text["currency"].dropna().unique()) - {home}):
        rows = np.flatnonzero(some & (examined.text["currency"] == code).to_numpy())
        if len(rows):
            yield code, rows, days[rows]
