"""Opening a book: book.toml, files, faults, money, as-of — in that order."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd

from partnerkpi.book.faults import Reading, empty_found, empty_ledger, empty_set_aside
from partnerkpi.book.labels import as_label
from partnerkpi.book.model import Book
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import UsageError
from partnerkpi.shipped import shipped


def open_book(folder: str | Path = "", as_of: str | None = None, *, allow_set_aside: bool = False) -> Book:
    """The book in a folder as it was known on a day (first version: canonical CSV files, as of the export)."""
    place = Path(folder) if folder else shipped("data")
    facts = tomllib.loads((place / "book.toml").read_text(encoding="utf-8"))["book"]
    tables, recorded = {}, set()
    for table in TABLES.values():
        path = place / f"{table.name}.csv"
        raw = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""]) if path.is_file() else None
        if raw is not None:
            recorded |= {table.name} | {f"{table.name}.{c}" for c in table.names if c in raw and raw[c].notna().any()}
        frame = pd.DataFrame(index=range(len(raw)) if raw is not None else range(0))
        for column in table.columns:
            text = pd.Series(dtype="str", index=frame.index) if raw is None or column.name not in raw else raw[column.name]
            if column.dated:
                frame[column.name] = pd.to_datetime(text).astype("datetime64[s]")
            elif column.dtype == "float64":
                frame[column.name] = text.astype("float64")
            else:
                frame[column.name] = as_label(text) if column.kind == "label" else text
        tables[table.name] = frame
    deals = tables["deals"]
    tables["deals"] = deals.assign(
        amount_original=deals["amount"], _file=pd.Categorical(["deals.csv"] * len(deals)),
        _record=range(1, len(deals) + 1), _line=range(2, len(deals) + 2),
    )
    day = pd.Timestamp(str(as_of or facts["extracted_on"])).as_unit("s")
    if day > pd.Timestamp(str(facts["extracted_on"])):
        raise UsageError(f"The book knows nothing after {facts['extracted_on']}.")
    reading = Reading(empty_ledger(), empty_found(), empty_set_aside())
    return Book(
        name=facts["name"], currency=facts["currency"], time_zone=facts.get("time_zone", "UTC"),
        fiscal_year_starts=facts.get("fiscal_year_starts", 1), as_of=day,
        extracted_on=pd.Timestamp(str(facts["extracted_on"])).as_unit("s"), money_digits=2, tables=tables,
        recorded=frozenset(recorded), reading=reading,
    )


def check_book(folder: str | Path = "") -> Reading:
    """The account of a book and its faults."""
    return open_book(folder).reading
