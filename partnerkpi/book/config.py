"""book.toml: what a book is called and how each of its tables is to be read. Nothing unknown is passed over."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from partnerkpi.book import thresholds
from partnerkpi.book.connections import Source, source_of
from partnerkpi.book.declarations import TableConfig, check_inside, csv_files, table_config
from partnerkpi.book.keys import NAME, OF_BOOK, PRESETS, check_name, mapping_of, shown, text_of, zone_of
from partnerkpi.book.later import not_yet
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.shipped import shipped

EXAMPLE = """\
[book]
name = "Example"
currency = "EUR"
extracted_on = 2025-12-31

[deals]
files = ["deals.csv"]
"""

_ROWS = frozenset({"files", "sql", "query", "relation"})
_PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class BookConfig:
    """The whole of a book.toml."""

    folder: Path
    name: str
    currency: str
    time_zone: str
    fiscal_year_starts: int
    extracted_on: pd.Timestamp
    tables: Mapping[str, TableConfig]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    direct: tuple[str, ...] = ()
    source: Source | None = None


def read_config(folder: Path) -> BookConfig:
    """The checked content of the folder's book.toml.

    Raises:
        UsageError: the folder or the file is missing, or the file says something that cannot be.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder '{folder}'.")
    path = folder / NAME
    if path.is_dir():
        raise UsageError(f"{path} is a folder. It must be a file, which says how to read the book.")
    if not path.is_file():
        raise UsageError(
            f"The folder '{folder}' has no {NAME}, which says how to read it. Let one be made of the files with "
            f"partnerkpi init '{folder}' --write, or write one like this ({dictionary()} has every key):\n\n{EXAMPLE}"
        )
    check_inside(folder, NAME, str(path))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, an endless number, brackets without end
        raise UsageError(f"{path} is not readable as TOML: {error}.") from error
    except OSError as error:
        raise SystemProblem(f"The file '{path}' cannot be read: {error.strerror}.") from error
    for key in content:
        check_name(key, ("book", "source", "thresholds", *TABLES), f"[{key}]")
    if "book" not in content:
        raise UsageError(f"{path} has no [book]. It begins like this:\n\n{EXAMPLE}")
    book = mapping_of(content["book"], "[book]")
    for key in book:
        check_name(key, OF_BOOK, f"[book] {key}")
    preset = preset_called(text_of(book.get("preset", ""), "[book] preset"))
    asked = {name: _asked(name, section, content) for name, section in preset.items()}
    tables = {name: table_config(TABLES[name], content.get(name), folder, asked.get(name)) for name in TABLES}
    largest = _largest(book.get("largest_amount", OF_BOOK["largest_amount"].default))
    tables = {name: replace(table, largest_amount=largest) for name, table in tables.items()}
    source = source_of(content.get("source"))
    _check_source(source, tables)
    if not tables["deals"].given:
        raise UsageError(
            f"The book in '{folder}' has no deals: there is no deals.csv, and {NAME} names no other file. "
            f'Write [deals] files = ["…"]. {csv_files(folder)}'
        )
    return BookConfig(
        folder=folder,
        name=_name(book.get("name", folder.resolve().name)),
        currency=_currency(book),
        time_zone=zone_of(book.get("time_zone", OF_BOOK["time_zone"].default), "[book] time_zone", "Europe/Paris"),
        fiscal_year_starts=_month(book.get("fiscal_year_starts", OF_BOOK["fiscal_year_starts"].default)),
        extracted_on=_day(book),
        tables=tables,
        thresholds=_thresholds(content.get("thresholds", {})),
        direct=_direct(book.get("direct", [])),
        source=source,
    )


def dictionary() -> Path:
    """Where every key and column is described."""
    return shipped("data") / "dictionary.md"


def preset_names() -> tuple[str, ...]:
    """The names of all presets, each that of a CRM."""
    return PRESETS


def preset_called(name: str) -> dict[str, Any]:
    """The sections of a preset by table: what a CRM's export calls columns and values; none for an empty name.

    Raises:
        UsageError: there is no such preset.
    """
    if not name:
        return {}
    if name not in preset_names():
        raise UsageError(f"{NAME}, [book] preset: {shown(name)} is not one of {', '.join(map(repr, preset_names()))}.")
    return tomllib.loads((_PRESETS / f"{name}.toml").read_text(encoding="utf-8"))


def _asked(name: str, section: Mapping[str, Any], content: Mapping[str, Any]) -> Mapping[str, Any]:
    """A preset's section of a table; its query where the book has a [source] and names no rows of its own.

    Of tables other than the deals the query is asked only where book.toml has their section, be it empty. What a
    section remarks is of exports alone; one without columns is about its query alone.
    """
    if "query" not in section:
        return section
    own = content.get(name, {} if name == "deals" else None)
    asked = "source" in content and isinstance(own, dict) and not _ROWS.intersection(own)
    left = {key: value for key, value in section.items() if key != ("remarks" if asked else "query")}
    return left if asked or "columns" in left else {}


def _direct(value: Any) -> tuple[str, ...]:
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, list) or not all(isinstance(one, str) and one for one in ids):
        expected = 'a list of partner ids is expected, like ["Direct"]'
        raise UsageError(f"{NAME}, [book] direct: {expected}, not {shown(value)}.")
    return tuple(dict.fromkeys(ids))


def _check_source(source: Source | None, tables: Mapping[str, TableConfig]) -> None:
    """Every table that is read from a database has one, and a database that is named is read."""
    live = [name for name, table in tables.items() if table.query or table.relation]
    if live and source is None:
        key = "query" if tables[live[0]].query else "relation"
        raise UsageError(f'{NAME}, [{live[0]}] {key}: no database is named. Write [source] url = "${{CRM_DB_URL}}".')
    if source is not None and not live:
        raise UsageError(f'{NAME}, [source]: nothing is read from it. Write [deals] query = "SELECT …", or relation.')


def _thresholds(section: Any) -> dict[str, float]:
    given = mapping_of(section, "[thresholds]")
    for key, value in given.items():
        check_name(key, thresholds.names(), f"[thresholds] {key}")
        if fault := thresholds.fault_of(key, value):
            raise UsageError(f"{NAME}, [thresholds] {key}: it must be {fault}, not {value!r}.")
    return {key: float(value) for key, value in given.items()}


def _name(value: Any) -> str:
    name = text_of(value, "[book] name")
    if not name:
        raise UsageError(f"{NAME}, [book] name: it is empty. Write what the book is called, or leave the line out.")
    return name


def _currency(book: dict[str, Any]) -> str:
    code = book.get("currency", "")
    if "currency" not in book:
        raise UsageError(f'{NAME}, [book] currency: the currency of the sums is not said. Write it: currency = "EUR".')
    if not isinstance(code, str) or not re.fullmatch(r"[A-Z]{3}", code):
        raise UsageError(f'{NAME}, [book] currency: three capital letters are expected, like "EUR", not {shown(code)}.')
    return code


def _month(number: Any) -> int:
    if isinstance(number, str) and (later := not_yet(number)):
        raise UsageError(f"{NAME}, [book] fiscal_year_starts: {later}")
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 12:
        raise UsageError(f"{NAME}, [book] fiscal_year_starts: a month from 1 to 12 is expected, not {shown(number)}.")
    return number


def _largest(bound: Any) -> float:
    """The bound beyond which no amount is believed; above 1e13 a float no longer holds every cent."""
    if not isinstance(bound, int | float) or isinstance(bound, bool) or not 0 < bound <= 1e13:
        raise UsageError(
            f"{NAME}, [book] largest_amount: a number above 0 and at most 1e13 is expected, not {shown(bound)}."
        )
    return float(bound)


def _day(book: dict[str, Any]) -> pd.Timestamp:
    value = book.get("extracted_on")
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if not isinstance(value, date) or isinstance(value, datetime) or not 1900 <= value.year <= 2199:
        given = value.isoformat() if isinstance(value, date) else shown(value) if "extracted_on" in book else "nothing"
        raise UsageError(
            f"{NAME}, [book] extracted_on: the day the export was made is expected, like 2025-12-31, not {given}."
        )
    return pd.Timestamp(value).as_unit("s")
