"""The ledger of an account: how many rows of a table, and how much money, met each fate, to the last unit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book.examined import ASIDE, FATES, OUT, Examined
from partnerkpi.book.labels import as_label


def empty_ledger() -> pd.DataFrame:
    """An account without any row."""
    texts = {name: pd.Series(dtype="str") for name in ("table", "partner_id", "currency", "fate")}
    return pd.DataFrame({**texts, "rows": pd.Series(dtype="int64"), "amount": pd.Series(dtype="object"),
                         "unknown": pd.Series(dtype="int64")})  # fmt: skip


def ledger_of(examined: Examined, home: str, digits: int) -> pd.DataFrame:
    """Rows and money by partner, currency and fate."""
    money = examined.table.money and "amount" in examined.values
    names: dict[str, pd.Index] = {}
    cell = np.zeros(len(examined.text), dtype=np.int64)
    for name, word, there in (("partner_id", "", True), ("currency", home, money)):
        names[name] = pd.Index([word if there else ""], dtype="str")
        if there and examined.has(name):
            label = _filled(examined.text[name], word)
            names[name] = label.cat.categories
            cell = cell * len(names[name]) + label.cat.codes.to_numpy()
    cell = cell * len(FATES) + examined.fate
    rows = np.bincount(cell)
    amount = np.zeros(len(rows), dtype=np.int64)
    if money:
        units = units_of(examined.values["amount"].fillna(0.0).to_numpy(), digits)
        amount = amount.astype(units.dtype)
        np.add.at(amount, cell, units)
    unknown = np.bincount(cell[examined.unknown_money()] if money else cell[:0], minlength=len(rows))
    some = np.flatnonzero(rows)
    partner, currency = np.divmod(some // len(FATES), len(names["currency"]))
    ledger = pd.DataFrame(
        {
            "partner_id": names["partner_id"].take(partner),
            "currency": names["currency"].take(currency),
            "fate": some % len(FATES),
            "rows": rows[some],
            "amount": amount[some],
            "unknown": unknown[some],
        }
    )
    if examined.ragged:  # of a row whose cells are not told apart neither partner nor money can be known
        many = len(examined.ragged)
        own = home if money and not examined.has("currency") else ""
        lost = pd.DataFrame([("", own, ASIDE, many, 0, many if money else 0)], columns=list(ledger))
        ledger = pd.concat([ledger, lost], ignore_index=True)
    if examined.below:
        footer = pd.DataFrame([("", "", OUT, examined.below, 0, 0)], columns=list(ledger))
        ledger = pd.concat([ledger, footer], ignore_index=True)
    ledger["fate"] = np.array(FATES, dtype=object)[ledger["fate"].to_numpy(dtype=np.int64)]
    return ledger.assign(table=examined.table.name, amount=ledger["amount"].map(int).astype("object"))[
        list(empty_ledger())
    ]


def _filled(text: pd.Series, word: str) -> pd.Series:
    """The texts as a label, a word where there is none."""
    label = as_label(text)
    names = pd.Index(sorted({word, *label.cat.categories}), dtype="str")
    place = names.get_indexer(pd.Index([*label.cat.categories, word], dtype="str"))
    return pd.Series(pd.Categorical.from_codes(place[label.cat.codes.to_numpy()], names), index=text.index)


def units_of(amounts: np.ndarray, digits: int) -> np.ndarray:
    """Whole units of 10^-digits; as Python's unbounded integers where the sum of 64 bits could overflow."""
    scaled = np.rint(amounts * 10**digits)
    if np.abs(scaled).sum() < 4e18:
        return scaled.astype(np.int64)
    return np.array([int(v) for v in scaled], dtype=object)
