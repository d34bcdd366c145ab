"""Loading a book: book.toml, files, faults, as-of, money — in that order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from partnerkpi.book.choosing import needed_columns, wanted_columns
from partnerkpi.book.columnar import read_columns
from partnerkpi.book.config import BookConfig, read_config
from partnerkpi.book.credits import check_negative, with_credits
from partnerkpi.book.databases import read_tables
from partnerkpi.book.declarations import COLUMNS, SHEETS, TableConfig
from partnerkpi.book.delimited import read_file
from partnerkpi.book.earlier import spells_heard, spells_until
from partnerkpi.book.examined import Examined
from partnerkpi.book.intake import examine, note_file
from partnerkpi.book.keys import NAME
from partnerkpi.book.labels import as_label, as_text, first_known, places, trimmed
from partnerkpi.book.money import converted
from partnerkpi.book.past import Tables, as_known_on, spells_of, with_beginnings
from partnerkpi.book.prospects import prospects_of
from partnerkpi.book.queries import run_query
from partnerkpi.book.reading import Fault, Reading, account
from partnerkpi.book.rules import check_direct, check_rows, check_stages, check_tables
from partnerkpi.book.schema import PLACE, TABLES, Table, tables_with
from partnerkpi.book.sheets import read_sheet
from partnerkpi.book.sources import RawTable, give_back
from partnerkpi.book.suspicious import check_control_totals, check_suspicious
from partnerkpi.errors import DataRefused, SystemProblem, UsageError
from partnerkpi.periods import last_complete, quarter_of

_SHOWN = 20


@dataclass(frozen=True)
class Loaded:
    """The tables of a book as known at the end of a day, spells and prospects among them, and the account of reading.

    `recorded` names what the source really has. `approximate`: the day is before the export, and there is no history.
    """

    config: BookConfig
    as_of: pd.Timestamp
    tables: Tables
    recorded: frozenset[str]
    reading: Reading
    approximate: bool = False


def load(
    folder: Path, as_of: str | None = None, *, allow_set_aside: bool = False, allow_approximate: bool = False
) -> Loaded:
    """Everything a book in a folder knows at the end of a day; see `partnerkpi.opening.open_book`.

    Raises:
        UsageError: there is no such book, its book.toml says what cannot be, or the day is after the export.
        DataRefused: the data have faults that forbid any figure; the error lists them. Or the day is before the export,
            and no history tells how things stood.
    """
    config = read_config(folder)
    day = day_of(as_of, config.extracted_on, config.name)
    examined, reading = _read(config, allow_set_aside=allow_set_aside)
    if reading.refused:
        raise DataRefused(_refusal(config, reading), reading.faults)
    approximate = day < config.extracted_on and not examined["history"].given
    if approximate and not allow_approximate:
        raise DataRefused(_without_past(config, day))
    given = _given(examined)
    give_back(len(examined["history"].text))
    tables = _known(_tables(examined, config.currency), day, config.extracted_on, config.fiscal_year_starts)
    for name in tables:
        tables[name], lost = _in_home_currency(tables, TABLES[name], config.currency, reading.digits, day)
        if lost:
            raise UsageError(f"On {day:%Y-%m-%d} the book had no rate for {lost}. Choose a later as-of day.")
    give_back(len(tables["history"]))
    tables["spells"] = spells_of(tables["deals"], tables["history"], day)
    give_back(len(tables["history"]))
    tables["prospects"] = prospects_of(tables["deals"], tables["leads"])
    return Loaded(config, day, tables, _recorded(given, tables), reading, approximate)


def known_earlier(
    tables: Mapping[str, pd.DataFrame],
    day: pd.Timestamp,
    as_of: pd.Timestamp,
    *,
    fiscal_year_starts: int,
    home: str,
    digits: int,
) -> Tables:
    """What the tables of a whole book, known at the end of `as_of`, knew on an earlier day: as `load` gives them then.

    Amounts are those of the day at its rates, missing where there was no rate yet. `tables` is left as it is.
    """
    heard = spells_heard(tables, day, as_of)
    known = _known({name: tables[name] for name in TABLES}, day, as_of, fiscal_year_starts, heard)
    # the other tables' amounts are converted for good, at the rate of their own first day
    known["deals"], _ = _in_home_currency(known, TABLES["deals"], home, digits, day)
    known["spells"] = spells_until(heard, known["deals"], tables["history"], day)
    known["prospects"] = prospects_of(known["deals"], known["leads"])
    return known


def _known(
    tables: Tables,
    day: pd.Timestamp,
    as_of: pd.Timestamp,
    fiscal_year_starts: int,
    heard: pd.DataFrame | None = None,
) -> Tables:
    """The tables, known at the end of `as_of`, as known at the end of the day; no amount is converted."""
    known = as_known_on(tables, day, as_of, heard)
    known |= {name: _without_later_quarters(TABLES[name], known[name], fiscal_year_starts, day) for name in known}
    known["targets"] = _without_strangers(known, fiscal_year_starts, day)
    known["partners"] = _all_partners(known)
    known["deals"] = _with_facts_of_leads(known)
    return known


def read_only(folder: Path, *, allow_set_aside: bool = False) -> Reading:
    """The account of a book with every fault, also of one whose data are refused.

    Raises:
        UsageError: there is no such book, or its book.toml says what cannot be.
    """
    return _read(read_config(folder), allow_set_aside=allow_set_aside)[1]


def day_of(said: str | date | None, extracted_on: pd.Timestamp, name: str) -> pd.Timestamp:
    """The as-of day that was asked for; the day of the export where none was.

    Raises:
        UsageError: it is no day, or one after the export.
    """
    if not said:
        return extracted_on
    text = said.isoformat()[:10] if isinstance(said, date) else str(said)
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        day = pd.Timestamp(text).as_unit("s")
    except ValueError:
        raise UsageError(f"'{said}' is no day. Write it like 2025-12-31.") from None
    if day > extracted_on:
        last = f"{extracted_on:%Y-%m-%d}"
        raise UsageError(f"The book '{name}' was exported on {last} and knows nothing after that, not on {text}.")
    return day


def _read(config: BookConfig, *, allow_set_aside: bool) -> tuple[dict[str, Examined], Reading]:
    """All tables examined, and the account of it."""
    inputs = {NAME: hashlib.sha256((config.folder / NAME).read_bytes()).hexdigest()}
    seen = {}
    live = _live_tables(config, inputs)
    for name, table in TABLES.items():
        raws, queried = ([live[name]], []) if name in live else _raw_tables(config.tables[name], config.folder, inputs)
        seen[name] = examine(table, config.tables[name], raws, config.time_zone, config.currency)
        seen[name].deals = seen["deals"] if "deals" in table.about else None
        seen[name].queried = frozenset(raw.file for raw in queried)
        for raw in queried:
            note_file(seen[name], raw)
        check_rows(seen[name], config.extracted_on)
        check_negative(seen[name], config.tables[name], config.currency)
        give_back(len(seen[name].text))
    check_tables(seen, config.currency)
    check_direct(seen["deals"], config.direct)
    check_stages(seen["deals"], config.tables["deals"].probabilities)
    check_suspicious(seen, config.currency, config.extracted_on)
    controls = [c for name, examined in seen.items() for c in check_control_totals(examined, config.tables[name])]
    reading = account(seen, config.currency, inputs, allow_set_aside=allow_set_aside)
    return seen, replace(reading, controls=tuple(controls))


def _live_tables(config: BookConfig, inputs: dict[str, str]) -> dict[str, RawTable]:
    """The text of the tables that come from a database; the hash of such an input is that of the rows read."""
    if config.source is None:
        return {}

    def wanted(table: TableConfig, header: list[str]) -> list[str]:
        return list(needed_columns(TABLES[table.name], table, header))

    def key(table: TableConfig, header: list[str]) -> list[str]:
        sources = wanted_columns(TABLES[table.name], table, header)
        return [source for name in TABLES[table.name].key if name in sources for source in sources[name].names]

    live = read_tables(config.source, config.folder, config.tables.values(), wanted, key)
    inputs |= {raw.file: raw.sha256 for raw in live.values()}
    return live


def _raw_tables(config: TableConfig, folder: Path, inputs: dict[str, str]) -> tuple[list[RawTable], list[RawTable]]:
    """The text of a table, and the files behind a query, with what is wrong with them."""

    def read(name: str, everything: bool = True) -> RawTable:
        def wanted(header: list[str]) -> set[str]:
            return set(header) if everything else needed_columns(TABLES[config.name], config, header)

        try:
            outside = (config.skip_rows, config.footer)
            if name.lower().endswith(SHEETS):
                raw = read_sheet(folder / name, name, config.sheet, wanted, decimal=config.decimal,
                                 missing=config.missing, outside=outside)  # fmt: skip
            elif name.lower().endswith(COLUMNS):
                raw = read_columns(folder / name, name, wanted, coded=not everything)
            else:
                raw = read_file(folder / name, name, config.encoding, config.delimiter_of(name), wanted, outside,
                                coded=not everything)  # fmt: skip
        except OSError as error:
            raise SystemProblem(f"The file '{folder / name}' cannot be read: {error.strerror}.") from error
        inputs[name] = raw.sha256
        return raw.without(config.missing) if everything else raw

    if config.sql:
        made, files = run_query(config, folder, read)
        for raw in files:  # a row that is no part of the result could not be accounted for
            raw.problems += [replace(p, kind="E") for p in raw.ragged]
            raw.ragged = []
        return [made] if made.header else [], files
    return [read(name, everything=False) for name in config.files], []


def _tables(seen: dict[str, Examined], home: str) -> Tables:
    """The frames of all rows used, at the day of the export; amounts in their own currency. `seen` is used up."""
    tables = {}
    for name in tuple(seen):
        tables[name] = seen[name].frame(placed=name == "deals")
        if name != "deals":  # credit notes need it
            del seen[name]  # the text of a large book is not held twice
    deals = tables["deals"]
    deals = deals.assign(
        amount_original=deals["amount"], amount=np.nan, currency=as_label(as_text(deals["currency"]).fillna(home))
    )
    tables["deals"] = deals[[c for c in deals if c not in PLACE] + list(PLACE)]
    status = as_text(tables["leads"]["status"]).fillna("open")
    tables["leads"] = tables["leads"].assign(status=as_label(status))
    currency = as_text(tables["spend"]["currency"]).fillna(home)
    tables["spend"] = tables["spend"].assign(currency=as_label(currency))
    history = with_beginnings(tables["history"], deals)
    return tables | {"history": with_credits(history, seen.pop("deals"))}


def _with_facts_of_leads(tables: Tables) -> pd.DataFrame:
    """The deals, each with what its lead says where it says nothing itself."""
    deals, leads = tables["deals"], tables["leads"]
    if not len(leads):
        return deals
    place = places(deals["lead_id"], leads["lead_id"])
    facts = {name: as_label(pd.Series(leads[name].array.take(place, allow_fill=True))) for name in _of_lead()}
    return deals.assign(**{name: first_known(deals[name], fact) for name, fact in facts.items()})


def _without_strangers(tables: Tables, fiscal_year_starts: int, day: pd.Timestamp) -> pd.DataFrame:
    """The targets, but for those of quarters to come that name a partner of whom nothing else was known yet."""
    targets = tables["targets"]
    named = set().union(*(tables[n]["partner_id"].cat.categories for n in tables_with("partner_id") if n != "targets"))
    begun = _quarters(targets["quarter"], fiscal_year_starts).map(lambda quarter: quarter.start) <= day
    return trimmed(targets[(begun | targets["partner_id"].isna() | targets["partner_id"].isin(named)).to_numpy()])


def _without_later_quarters(
    table: Table, frame: pd.DataFrame, fiscal_year_starts: int, day: pd.Timestamp
) -> pd.DataFrame:
    """The rows whose quarter had ended by the day, without what was told only at the end of the next one."""
    for column in (c for c in table.columns if c.kind == "quarter" and c.later == "row"):
        ended = _quarters(frame[column.name], fiscal_year_starts).map(lambda quarter: quarter.end) <= day
        frame = trimmed(frame[ended.to_numpy(dtype=bool)])
        told = _quarters(frame[column.name], fiscal_year_starts).map(lambda quarter: (quarter + 1).end) <= day
        frame = frame.assign(**{c.name: frame[c.name].where(told) for c in table.columns if c.quarter_after})
    return frame


def _quarters(labels: pd.Series, fiscal_year_starts: int) -> pd.Series:
    """The quarter of each label."""
    known = {q: quarter_of(q, fiscal_year_starts=fiscal_year_starts) for q in labels.unique()}
    return labels.astype("str").map(known)


def _of_lead() -> tuple[str, ...]:
    """The levels that a deal without one has from the lead it came from."""
    both = TABLES["deals"], TABLES["leads"]
    return tuple(c.name for c in both[0].columns if c.level and c.name in both[1] and c.name != "partner_id")


def _all_partners(known: Tables) -> pd.DataFrame:
    """The partners, and every id that stands anywhere else; an id without a name is its own."""
    partners = known["partners"]
    named = set().union(
        *(set(known[n]["partner_id"].cat.categories) for n in tables_with("partner_id") if n != "partners")
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


def _in_home_currency(
    known: Tables, table: Table, home: str, digits: int, day: pd.Timestamp
) -> tuple[pd.DataFrame, str]:
    """The table with the amounts that are in the rows' own currency converted to the book's, and those without a rate.

    Deals at the rate of the closing day, open ones at that of the as-of day; other rows at that of their own first day.
    """
    frame = known[table.name]
    never_dated = pd.Series(day, index=frame.index)
    days = frame["closed_on"].fillna(day) if table.name == "deals" else frame.get(table.priced_on, never_dated)
    without: set[str] = set()
    for name in (c.name for c in table.columns if c.priced_in == "currency"):
        original = "amount_original" if table.name == "deals" and name == "amount" else name
        amount = converted(frame, days, known["rates"], home, digits, amount=original)
        lost = amount.isna() & frame[original].notna()
        without |= set(frame.loc[lost, "currency"].astype(str))
        frame = frame.assign(**{name: amount})
    return frame, ", ".join(sorted(without))


def _given(examined: Mapping[str, Examined]) -> dict[str, set[str]]:
    """The tables that the source has, and the columns of each."""
    return {name: {*table.text, *table.values} for name, table in examined.items() if table.given}


def _recorded(given: Mapping[str, set[str]], tables: Tables) -> frozenset[str]:
    """The tables and columns that the source really has: given, and filled in at least one row known on the day."""
    recorded = set(given)
    for name, columns in given.items():
        named = columns.union(_of_lead() if name == "deals" else ())
        there = [c for c in TABLES[name].names if c in named and c in tables[name]]
        recorded |= {f"{name}.{c}" for c in there if tables[name][c].notna().any()}
    return frozenset(recorded)


def _without_past(config: BookConfig, day: pd.Timestamp) -> str:
    """Why a day before the export cannot be told, and what one can do."""
    quarter = last_complete(day, config.fiscal_year_starts)
    return (
        f"The book '{config.name}' was exported on {config.extracted_on:%Y-%m-%d} and has no history: what was changed "
        f"since {day:%Y-%m-%d} (amounts, stages, owners, outcomes undone) is overwritten and cannot be told. Give it a "
        f"history table or an export made that day; or ask for a past quarter without --as-of (--quarter {quarter}), "
        "which uses created and closed days; or say --allow-approximate (allow_approximate=True), and all figures say "
        "so."
    )


def _refusal(config: BookConfig, reading: Reading) -> str:
    faults: tuple[Fault, ...] = reading.faults
    errors = [f for f in faults if f.kind == "E"][:_SHOWN]
    others = [f for f in faults if f.kind != "E"][: _SHOWN - len(errors)]
    listed = "\n".join(f"  {f}" for f in faults if any(f is one for one in (*errors, *others)))
    more = len(faults) - _SHOWN
    rest = f"\n  … and {more:,} more; 'partnerkpi check {config.folder}' lists them all." if more > 0 else ""
    many = f"{len(faults):,} faults" if len(faults) > 1 else "1 fault"
    return f"The data of the book '{config.name}' are refused ({many}):\n{listed}{rest}"
