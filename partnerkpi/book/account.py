"""The account of a reading: what became of every row and all money, and whether too much was set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from partnerkpi.book.intake import ASIDE, Examined
from partnerkpi.book.reading import FATES, SET_ASIDE, Reading, empty_found, empty_ledger, empty_set_aside

MOST_SET_ASIDE = 0.01
FEW_ROWS = 5
WITH_MONEY = ("deals", "spend")  # a target may be a number of deals


def account(tables: Mapping[str, Examined], home: str, inputs: Mapping[str, str], *, allow_set_aside: bool) -> Reading:
    """The reading of all tables; more than 1 % set aside refuses the book unless that is allowed."""
    digits = max((t.decimals for t in tables.values()), default=0)
    given = [t for t in tables.values() if t.given]
    ledger = pd.concat([empty_ledger(), *(_ledger(t, home, digits) for t in given)], ignore_index=True)
    for seen in given:
        _check_share(seen, ledger[ledger["table"] == seen.table.name], "W" if allow_set_aside else "E")
    found = pd.concat([empty_found(), *(f for t in tables.values() for f in t.faults)], ignore_index=True)
    order = found["kind"].map({"E": 0, "Q": 1, "W": 2})
    found = found.assign(order=order).sort_values("order", kind="stable").drop(columns="order").reset_index(drop=True)
    aside = pd.concat([empty_set_aside(), *(_set_aside(t) for t in given)], ignore_index=True)
    return Reading(ledger, found, aside, dict(sorted(inputs.items())), digits)


def _ledger(seen: Examined, home: str, digits: int) -> pd.DataFrame:
    """Rows and money by partner, currency and fate."""
    money = seen.table.name in WITH_MONEY and "amount" in seen.values
    currency = seen.text["currency"].fillna(home) if seen.has("currency") else home
    rows = pd.DataFrame(
        {
            "partner_id": seen.partner_of(),
            "currency": currency if money else "",
            "fate": seen.fate,
            "amount": _units(seen.values["amount"], digits) if money else 0,
        },
        index=seen.text.index,
    )
    groups = rows.groupby(["partner_id", "currency", "fate"], sort=True)["amount"]
    made = pd.DataFrame({"rows": groups.size(), "amount": groups.sum()}).reset_index()
    if seen.ragged:
        lost = pd.DataFrame([("", home if money else "", ASIDE, len(seen.ragged), 0)], columns=list(made))
        made = pd.concat([made, lost], ignore_index=True)
    made["fate"] = np.array(FATES, dtype=object)[made["fate"].to_numpy(dtype=np.int64)]
    return made.assign(table=seen.table.name, amount=made["amount"].map(int).astype("object"))[list(empty_ledger())]


def _units(amounts: pd.Series, digits: int) -> pd.Series:
    """Whole units of 10^-digits; as Python's unbounded integers where 64 bits could overflow."""
    scaled = np.rint(amounts.fillna(0.0).to_numpy() * 10**digits)
    if np.abs(scaled).sum() < 4e18:
        return pd.Series(scaled.astype(np.int64), index=amounts.index)
    return pd.Series([int(v) for v in scaled], index=amounts.index, dtype="object")


def _check_share(seen: Examined, ledger: pd.DataFrame, kind: str) -> None:
    """Blame the table for setting aside more than one in a hundred: of its rows, its money, or a partner's."""
    name = seen.table.name
    _blame_share(seen, ledger, kind, f"{name}: ", "")
    if name != "deals" or not (ledger["fate"] == SET_ASIDE).any():
        return
    for partner in sorted(set(ledger.loc[ledger["fate"] == SET_ASIDE, "partner_id"]) - {""}):
        own = ledger[ledger["partner_id"] == partner]
        if own["rows"].sum() >= FEW_ROWS:
            _blame_share(seen, own, kind, f"partner {partner}: ", partner)


def _blame_share(seen: Examined, ledger: pd.DataFrame, kind: str, who: str, partner: str) -> None:
    aside = ledger["fate"] == SET_ASIDE
    sums = [("rows", "", ledger)]
    sums += [("amount", str(c), own) for c, own in ledger.groupby("currency", sort=True) if c]
    for column, currency, own in sums:
        lost, read = (sum(map(abs, map(int, part[column]))) for part in (own[aside.loc[own.index]], own))
        if lost > MOST_SET_ASIDE * read:
            what = f"{lost:,} of {read:,} rows" if column == "rows" else f"{100 * lost / read:.1f} % of all {currency}"
            rule = f"{who}{what} set aside, more than 1 %: correct the data or allow it (--allow-set-aside)"
            seen.blame(rule, kind, partner=partner)


def _set_aside(seen: Examined) -> pd.DataFrame:
    """Every fault of a row set aside, with the row's text."""
    faults = [f[f["kind"] == "Q"] for f in seen.faults]
    found = pd.concat([empty_found(), *faults], ignore_index=True).drop(columns=["kind", "count"])
    where = np.flatnonzero(seen.fate == ASIDE)
    texts = dict(zip(_places(seen.file[where], seen.record[where]), _joined(seen.text.take(where)), strict=True))
    texts |= {(file, p.record): p.value for file, p in seen.ragged}
    rows = [texts.get(place, "") for place in _places(found["file"], found["record"])]
    return found.assign(row=pd.Series(rows, index=found.index, dtype="str"))[list(empty_set_aside())]


def _places(files: Iterable[object], records: Iterable[object]) -> list[tuple[str, int]]:
    return [(str(f), int(r)) for f, r in zip(files, records, strict=True)]  # type: ignore[call-overload]


def _joined(text: pd.DataFrame) -> list[str]:
    """Each row as `column=value` for the columns that have one."""
    return [
        "; ".join(f"{n}={v}" for n, v in row.items() if isinstance(v, str)) for row in text.to_dict(orient="records")
    ]
