"""Opening a book: book.toml, files, faults, as-of, money — in that order."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from partnerkpi.book.book import Book
from partnerkpi.book.config import NAME, BookConfig, TableConfig, read_config
from partnerkpi.book.intake import Examined, examine, note_file, wanted_columns
from partnerkpi.book.labels import as_label, first_known
from partnerkpi.book.money import converted
from partnerkpi.book.past import Tables, as_known_on
from partnerkpi.book.reading import Fault, Reading, account
from partnerkpi.book.rules import check_rows, check_tables
from partnerkpi.book.schema import PLACE, TABLES
from partnerkpi.book.slice import read_slice
from partnerkpi.book.sources import RawTable, read_file, run_query
from partnerkpi.errors import DataRefused, SystemProblem, UsageError
from partnerkpi.shipped import shipped

_SHOWN = 20


def open_book(folder: str | Path = "", as_of: str | None = None, *, allow_set_aside: bool = False) -> Book:
    """The book in a folder as it was known at the end of a day.

    Args:
        folder: the folder with book.toml; empty for the sample book that comes with the package.
        as_of: the day, like "2025-12-31"; None or empty for the day of the export.
        allow_set_aside: accept a book of which more than 1 % is set aside.

    Raises:
        UsageError: there is no such book, its book.toml says what cannot be, or the day is after the export.
        DataRefused: the data have faults that forbid any figure; the error lists them.
    """
    config = read_config(_place(folder))
    day = _as_of(as_of, config)
    if config.slice is not None:
        return read_slice(config, day)
    seen, reading = _read(config, allow_set_aside=allow_set_aside)
    if reading.refused:
        raise DataRefused(_refusal(config, reading), reading.faults)
    recorded = _recorded(seen)
    known = as_known_on(_tables(seen, config.currency), day, config.extracted_on)
    known["partners"] = _all_partners(known)
    known["deals"] = _in_home_currency(known, config.currency, reading.digits, day)
    known["spend"] = known["spend"].assign(
        amount=converted(known["spend"], known["spend"]["month"], known["rates"], config.currency, reading.digits)
    )
    return Book(
        name=config.name,
        currency=config.currency,
        time_zone=config.time_zone,
        fiscal_year_starts=config.fiscal_year_starts,
        as_of=day,
        extracted_on=config.extracted_on,
        money_digits=reading.digits,
        tables=known,
        recorded=recorded,
        reading=reading,
    )


def check_book(folder: str | Path = "", *, allow_set_aside: bool = False) -> Reading:
    """The account of a book with every fault, also of one whose data are refused.

    Raises:
        UsageError: there is no such book, or its book.toml says what cannot be.
    """
    config = read_config(_place(folder))
    if config.slice is not None:
        return read_slice(config, config.extracted_on).reading
    return _read(config, allow_set_aside=allow_set_aside)[1]


def _place(folder: str | Path) -> Path:
    return Path(folder) if str(folder) else shipped("data")


def _as_of(said: str | None, config: BookConfig) -> pd.Timestamp:
    if not said:
        return config.extracted_on
    text = said.isoformat()[:10] if isinstance(said, date) else str(said)
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        day = pd.Timestamp(text).as_unit("s")
    except ValueError:
        raise UsageError(f"'{said}' is no day. Write it like 2025-12-31.") from None
    if day > config.extracted_on:
        last = f"{config.extracted_on:%Y-%m-%d}"
        raise UsageError(
            f"The book '{config.name}' was exported on {last} and knows nothing after that, not on {text}."
        )
    return day


def _read(config: BookConfig, *, allow_set_aside: bool) -> tuple[dict[str, Examined], Reading]:
    """All tables examined, and the account of it."""
    inputs = {NAME: hashlib.sha256((config.folder / NAME).read_bytes()).hexdigest()}
    seen = {}
    for name, table in TABLES.items():
        raws, queried = _raw_tables(config.tables[name], config.folder, inputs)
        seen[name] = examine(table, config.tables[name], raws, config.time_zone)
        seen[name].queried = frozenset(raw.file for raw in queried)
        for raw in queried:
            note_file(seen[name], raw)
        check_rows(seen[name], config.extracted_on)
    check_tables(seen, config.currency)
    return seen, account(seen, config.currency, inputs, allow_set_aside=allow_set_aside)


def _raw_tables(config: TableConfig, folder: Path, inputs: dict[str, str]) -> tuple[list[RawTable], list[RawTable]]:
    """The text of a table, and the files behind a query, with what is wrong with them."""

    def read(name: str, everything: bool = True) -> RawTable:
        def wanted(header: list[str]) -> set[str]:
            return set(header) if everything else set(wanted_columns(TABLES[config.name], config, header).values())

        try:
            raw = read_file(folder / name, name, config.encoding, config.delimiter_of(name), wanted)
        except OSError as error:
            raise SystemProblem(f"The file '{folder / name}' cannot be read: {error.strerror}.") from error
        inputs[name] = raw.sha256
        return raw

    if config.sql:
        made, files = run_query(config, folder, read)
        for raw in files:  # a row that is no part of the result could not be accounted for
            raw.problems += [replace(p, kind="E") for p in raw.ragged]
            raw.ragged = []
        return [made] if made.header else [], files
    return [read(name, everything=False) for name in config.files], []


def _tables(seen: dict[str, Examined], home: str) -> Tables:
    """The frames of all rows used, at the day of the export; amounts in their own currency."""
    tables = {name: table.frame() for name, table in seen.items()}
    deals = tables["deals"]
    deals = deals.assign(
        amount_original=deals["amount"], amount=np.nan, currency=as_label(deals["currency"].astype("str").fillna(home))
    )
    if len(tables["leads"]):
        channel = tables["leads"].set_index("lead_id")["channel"].astype("str")
        of_lead = pd.Series(channel.reindex(pd.Index(deals["lead_id"])).to_numpy(), dtype="str")
        deals = deals.assign(channel=first_known(deals["channel"], as_label(of_lead)))
    tables["deals"] = deals[[c for c in deals if c not in PLACE] + list(PLACE)]
    status = tables["leads"]["status"].astype("str").fillna("open")
    tables["leads"] = tables["leads"].assign(status=as_label(status))
    currency = tables["spend"]["currency"].astype("str").fillna(home)
    tables["spend"] = tables["spend"].assign(currency=as_label(currency))
    return {n: t if n == "deals" else t.drop(columns=list(PLACE)) for n, t in tables.items()}


def _all_partners(known: Tables) -> pd.DataFrame:
    """The partners, and every id that stands anywhere else; an id without a name is its own."""
    partners = known["partners"]
    named = set().union(
        *(set(known[n]["partner_id"].cat.categories) for n in ("deals", "leads", "history", "spend", "targets"))
    )
    missing = sorted(named - set(partners["partner_id"].cat.categories))
    if missing:
        more = pd.DataFrame({"partner_id": pd.Series(missing, dtype="str")})
        texts = partners.astype({n: "str" for n in TABLES["partners"].names if partners[n].dtype == "category"})
        whole = pd.concat([texts, more.reindex(columns=texts.columns).astype(texts.dtypes)], ignore_index=True)
        labels = [c.name for c in TABLES["partners"].columns if c.kind == "label"]
        partners = whole.assign(**{n: as_label(whole[n]) for n in labels})
    partners = partners.sort_values("partner_id", kind="stable").reset_index(drop=True)
    return partners.assign(name=partners["name"].fillna(partners["partner_id"].astype("str")))


def _in_home_currency(known: Tables, home: str, digits: int, day: pd.Timestamp) -> pd.DataFrame:
    """The deals with `amount` at the rate of the closing day, of open ones at that of the as-of day."""
    deals = known["deals"]
    days = deals["closed_on"].fillna(day)
    amount = converted(deals, days, known["rates"], home, digits, amount="amount_original")
    lost = amount.isna() & deals["amount_original"].notna()
    if lost.any():
        names = ", ".join(sorted(set(deals.loc[lost, "currency"].astype(str))))
        raise UsageError(f"On {day:%Y-%m-%d} the book had no rate for {names}. Choose a later as-of day.")
    return deals.assign(amount=amount)


def _recorded(seen: dict[str, Examined]) -> frozenset[str]:
    """The tables and columns that the source really has: given, and filled in at least one row used."""
    found = set()
    for name, table in seen.items():
        if table.given:
            found.add(name)
            part = table.text[table.used]
            found |= {f"{name}.{c}" for c in table.table.names if c in part and part[c].notna().any()}
    if {"deals.lead_id", "leads.channel"} <= found:
        found.add("deals.channel")
    return frozenset(found)


def _refusal(config: BookConfig, reading: Reading) -> str:
    faults: tuple[Fault, ...] = reading.faults
    listed = "\n".join(f"  {f}" for f in faults[:_SHOWN])
    more = len(faults) - _SHOWN
    rest = f"\n  … and {more:,} more; 'partnerkpi check {config.folder}' lists them all." if more > 0 else ""
    many = f"{len(faults):,} faults" if len(faults) > 1 else "1 fault"
    return f"The data of the book '{config.name}' are refused ({many}):\n{listed}{rest}"
