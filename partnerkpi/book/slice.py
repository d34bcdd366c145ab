"""A slice on disk: one partner's part of a book as a folder of canonical CSV, and nothing of anybody else.

Beside the tables of a book it holds `spells.csv` and `prospects.csv` (written, because they cannot be derived without
the rest of the book), `network.csv` and `expected.csv` (ready-made aggregates of the others), and the account of the
partner's own rows. Numbers are written so that they are read back to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book.book import Book, NetworkFacts
from partnerkpi.book.config import NAME, BookConfig
from partnerkpi.book.labels import as_label
from partnerkpi.book.prospects import LABELS as PROSPECT_LABELS
from partnerkpi.book.prospects import PROSPECT_COLUMNS
from partnerkpi.book.reading import Reading, empty_found, empty_ledger, empty_set_aside
from partnerkpi.book.schema import PLACE, TABLES
from partnerkpi.book.spells import OF_DEAL, SPELL_COLUMNS
from partnerkpi.errors import SystemProblem, UsageError

_DERIVED = {"spells": SPELL_COLUMNS, "prospects": PROSPECT_COLUMNS}
_FACTS = ("network", "expected")
_ACCOUNT = {"ledger": empty_ledger, "found": empty_found, "set_aside": empty_set_aside}
_SPELL_LABELS = ("status", "stage", "partner_id", *OF_DEAL)
_DAYS = ("from_day", "to_day", "created_on", "closed_on", "expected_close_on")


def write_slice(book: Book, folder: str | Path, facts: NetworkFacts) -> None:
    """Write one partner's part of a book, or the whole of it; the folder is made, files in it are replaced.

    Args:
        book: a book made by `for_partner`; a whole book gives the network's own slice.
        folder: where to write.
        facts: what the slice may know of the network.

    Raises:
        UsageError: the book was narrowed by anything else than a partner.
        SystemProblem: the folder cannot be written.
    """
    if book.chosen not in ((), (("partner_id", book.partner),)) or (book.chosen and not book.partner):
        raise UsageError("Only a whole book or one partner's part of it can be written as a slice: use for_partner.")
    frames = {name: book.tables[name] for name in TABLES}
    frames |= {"spells": book.spells, "prospects": book.prospects}
    frames |= {"network": facts.network, "expected": facts.expected}
    frames |= {name: getattr(book.reading, name) for name in _ACCOUNT}
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, frame in frames.items():
            _texts(frame).to_csv(Path(folder) / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")
        (Path(folder) / NAME).write_text(_header(book, facts), encoding="utf-8", newline="\n")
    except OSError as error:
        raise SystemProblem(f"The slice '{folder}' cannot be written: {error.strerror}.") from error


def read_slice(config: BookConfig, day: pd.Timestamp) -> Book:
    """The book in the folder of a slice, equal to the part it was written from.

    Raises:
        UsageError: another as-of day is asked for than the slice was made for.
    """
    said: Any = config.slice
    as_of = pd.Timestamp(said["as_of"]).as_unit("s")
    if day not in (as_of, config.extracted_on):
        raise UsageError(f"This slice was made as of {as_of:%Y-%m-%d} and cannot tell of another day.")
    tables = {}
    for name, table in TABLES.items():
        text = _read(config.folder, name)
        frame = pd.DataFrame({c.name: _typed(text[c.name], c.dtype) for c in table.columns})
        if name == "deals":
            frame["amount_original"] = _typed(text["amount_original"], "float64")
            for place in PLACE:
                frame[place] = _typed(text[place], "category" if place == "_file" else "int64")
        tables[name] = frame
    given = {name: _derived(_read(config.folder, name), columns) for name, columns in _DERIVED.items()}
    facts = {}
    for name in _FACTS:
        text, dtypes = _read(config.folder, name), said["dtypes"][name]
        facts[name] = pd.DataFrame({c: _typed(text[c], dtypes[c]) for c in text})
    return Book(
        name=config.name,
        currency=config.currency,
        time_zone=config.time_zone,
        fiscal_year_starts=config.fiscal_year_starts,
        as_of=as_of,
        extracted_on=config.extracted_on,
        money_digits=said["money_digits"],
        tables=tables,
        recorded=frozenset(said["recorded"]),
        reading=_reading(config.folder, said["digits"]),
        facts=NetworkFacts(**facts),
        chosen=(("partner_id", said["partner"]),) if said["partner"] else (),
        given=given,
    )


def _header(book: Book, facts: NetworkFacts) -> str:
    """The book.toml of a slice; JSON's texts and lists are also TOML's."""

    def toml(value: object) -> str:
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")

    lines = [
        "[book]",
        f"name = {toml(book.name)}",
        f"currency = {toml(book.currency)}",
        f"time_zone = {toml(book.time_zone)}",
        f"fiscal_year_starts = {book.fiscal_year_starts}",
        f"extracted_on = {book.extracted_on:%Y-%m-%d}",
        "",
        "[slice]",
        f"partner = {toml(book.partner)}",
        f'as_of = "{book.as_of:%Y-%m-%d}"',
        f"money_digits = {book.money_digits}",
        f"digits = {book.reading.digits}",
        f"recorded = {toml(sorted(book.recorded))}",
    ]
    for name in _FACTS:
        lines += ["", f"[slice.dtypes.{name}]"]
        lines += [f"{toml(str(c))} = {toml(_dtype_name(t))}" for c, t in getattr(facts, name).dtypes.items()]
    return "\n".join(lines) + "\n"


def _dtype_name(dtype: Any) -> str:
    return "category" if isinstance(dtype, pd.CategoricalDtype) else str(dtype)


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text that is read back to the same value; missing ones are empty."""
    made = {}
    for name, column in frame.items():
        values = column.astype(object).where(column.notna(), "")
        if column.dtype.kind == "f":
            values = values.map(lambda v: repr(float(v)) if v != "" else "")
        elif column.dtype.kind == "M":
            values = values.map(lambda v: v.isoformat() if v != "" else "")
        made[name] = values
    return pd.DataFrame(made, index=frame.index)


def _read(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.csv"
    try:
        return pd.read_csv(
            path, dtype="str", keep_default_na=False, na_values=[""], encoding="utf-8", lineterminator="\n"
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"The slice '{folder}' is damaged: {path.name} cannot be read ({error}).") from error


def _typed(text: pd.Series, dtype: Any) -> pd.Series:
    if dtype == "category":
        return as_label(text.astype("str"))
    if dtype.startswith("datetime64"):
        return pd.to_datetime(text, format="ISO8601").astype(dtype)
    if dtype.startswith(("float", "int")):
        return pd.Series(np.array([float(v) if isinstance(v, str) else np.nan for v in text]), index=text.index).astype(
            dtype
        )
    if dtype == "bool":
        return text == "True"
    return text.astype("str")


def _derived(text: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    made = {}
    for name in columns:
        if name in _DAYS:
            made[name] = _typed(text[name], "datetime64[s]")
        elif name in ("amount", "deal"):
            made[name] = _typed(text[name], "float64" if name == "amount" else "int64")
        else:
            made[name] = _typed(text[name], "category" if name in (*_SPELL_LABELS, *PROSPECT_LABELS) else "str")
    return pd.DataFrame(made)


def _reading(folder: Path, digits: int) -> Reading:
    frames = {}
    for name, empty in _ACCOUNT.items():
        text, shape = _read(folder, name), empty()
        kinds = {str(c): str(t) for c, t in shape.dtypes.items()}
        texts = {c: text[c].fillna("") for c, t in kinds.items() if t in ("str", "object")}
        frames[name] = pd.DataFrame({c: texts[c] if c in texts else _typed(text[c], t) for c, t in kinds.items()})
    frames["ledger"]["amount"] = frames["ledger"]["amount"].map(int).astype("object")
    return Reading(**frames, inputs={}, digits=digits, unread={})
