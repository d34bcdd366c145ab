"""book.toml: what a book is called and how each of its tables is to be read. Nothing unknown is passed over."""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from partnerkpi.book import thresholds
from partnerkpi.book.schema import ENUMERATED, TABLES, Table
from partnerkpi.errors import SystemProblem, UsageError, nearest

NAME = "book.toml"
IGNORE = "ignore"
SUFFIXES = (".csv", ".tsv", ".txt")
LATER_SUFFIXES = (".xlsx", ".xls", ".parquet")

EXAMPLE = """\
[book]
name = "Example"
currency = "EUR"
extracted_on = 2025-12-31

[deals]
files = ["deals.csv"]
"""

_BOOK_KEYS = ("name", "currency", "time_zone", "fiscal_year_starts", "extracted_on")
_TABLE_KEYS = (
    "files", "encoding", "delimiter", "decimal", "thousands", "dates", "sql", "columns", "values", "constants"
)  # fmt: skip
_LATER = {"preset": "A preset for a CRM's export", "source": "Reading from a live database"}
_THOUSANDS = (".", ",", " ", "'", "’", "\u00a0", "\u202f")
_DIRECTIVES = "YymdHIMSfzbBp"
_OF_THIS_MACHINE = ("mbcs", "oem")
#: What stays the same in every encoding of files: all but those that escape, shift or spell some of it.
_PROBE = "".join(map(chr, range(32, 127))).replace("\\", "") + "\t\r\n\\u0041.xn--tda"


@dataclass(frozen=True)
class TableConfig:
    """How one table is read.

    `dates` holds the declared format by column, `""` for all others; `values` the canonical value by column and value
    in the export, where `ignore` puts the row out of scope; `unread` the columns that are not to be read though the
    file may have them; `declared` which keys the file really has.
    """

    name: str
    files: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ""
    decimal: str = "."
    thousands: str = ""
    dates: Mapping[str, str] = field(default_factory=dict)
    sql: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()

    def date_format(self, column: str) -> str:
        """The declared format of a date column, empty where none is."""
        return self.dates.get(column, self.dates.get("", ""))

    def delimiter_of(self, file: str) -> str:
        """The declared delimiter; else a tab for .tsv, a comma for the rest."""
        return self.delimiter or ("\t" if file.lower().endswith(".tsv") else ",")


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
            f"The folder '{folder}' has no {NAME}, which says how to read it. Make one like this "
            f"(data/README.md describes the tables and columns):\n\n{EXAMPLE}"
        )
    check_inside(folder, NAME, str(path))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, an endless number, brackets without end
        raise UsageError(f"{path} is not readable as TOML: {error}.") from error
    except OSError as error:
        raise SystemProblem(f"The file '{path}' cannot be read: {error.strerror}.") from error
    for key in content:
        _check_name(key, ("book", "thresholds", *TABLES), f"[{key}]")
    if "book" not in content:
        raise UsageError(f"{path} has no [book]. It begins like this:\n\n{EXAMPLE}")
    book = _mapping(content["book"], "[book]")
    for key in book:
        _check_name(key, _BOOK_KEYS, f"[book] {key}")
    tables = {name: _table(TABLES[name], content.get(name), folder) for name in TABLES}
    if not (tables["deals"].files or tables["deals"].sql):
        raise UsageError(
            f"The book in '{folder}' has no deals: there is no deals.csv, and {NAME} names no other file. "
            f'Write [deals] files = ["…"]. {_csv_files(folder)}'
        )
    return BookConfig(
        folder=folder,
        name=_name(book.get("name", folder.resolve().name)),
        currency=_currency(book),
        time_zone=_zone(book.get("time_zone", "UTC")),
        fiscal_year_starts=_month(book.get("fiscal_year_starts", 1)),
        extracted_on=_day(book),
        tables=tables,
        thresholds=_thresholds(content.get("thresholds", {})),
    )


def _thresholds(section: Any) -> dict[str, float]:
    given = _mapping(section, "[thresholds]")
    for key, value in given.items():
        _check_name(key, thresholds.names(), f"[thresholds] {key}")
        if fault := thresholds.fault_of(key, value):
            raise UsageError(f"{NAME}, [thresholds] {key}: it must be {fault}, not {value!r}.")
    return {key: float(value) for key, value in given.items()}


def _table(table: Table, section: Any, folder: Path) -> TableConfig:
    """How the table is read; without any files or SQL when the book does not have it."""
    default = f"{table.name}.csv"
    if section is None:
        return TableConfig(table.name, files=_default_files(table, folder))
    where = f"[{table.name}]"
    section = _mapping(section, where)
    for key in section:
        _check_name(key, _TABLE_KEYS, f"{where} {key}")
    sql = _text(section.get("sql", ""), f"{where} sql").strip()
    if "sql" in section and not sql:
        raise UsageError(f"{NAME}, {where} sql: the query is empty. Write one SELECT, or leave the line out.")
    files = _files(section["files"], folder, f"{where} files") if "files" in section else ()
    if not files and not sql:
        files = _default_files(table, folder)
        if not files:
            raise UsageError(f"{where} names no file, and there is no {default}. {_csv_files(folder)}")
    columns = _named(table, section.get("columns", {}), f"[{table.name}.columns]")
    unread = frozenset(name for name, source in columns.items() if not source)
    for name in sorted(unread):
        if table[name].required:
            raise UsageError(f"[{table.name}.columns] {name}: the column must be read, so it cannot be empty here.")
    constants = _named(table, section.get("constants", {}), f"[{table.name}.constants]")
    for name in constants:
        if name in columns:
            raise UsageError(f"[{table.name}.constants] {name}: it is also in [{table.name}.columns]. Keep one.")
    decimal = _one_of(section.get("decimal", "."), (".", ","), f"{where} decimal")
    thousands = _one_of(section.get("thousands", ""), ("", *_THOUSANDS), f"{where} thousands")
    if thousands == decimal:
        raise UsageError(f"{where} thousands: '{thousands}' is also the decimal mark.")
    delimiter = _text(section.get("delimiter", ""), f"{where} delimiter")
    if len(delimiter) > 1 or delimiter == '"' or not (delimiter.isprintable() or delimiter == "\t"):
        raise UsageError(f"{where} delimiter: it must be one character other than a quote, not {_shown(delimiter)}.")
    return TableConfig(
        name=table.name,
        files=files,
        encoding=_encoding(section.get("encoding", "utf-8"), f"{where} encoding"),
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        dates=_dates(table, section.get("dates", {})),
        sql=sql,
        columns={name: source for name, source in columns.items() if source},
        unread=unread,
        values=_values(table, section.get("values", {})),
        constants=constants,
        declared=frozenset(section),
    )


def check_inside(folder: Path, name: str, where: str) -> None:
    """Pass unless the file is a link, or lies behind one, that leads out of the folder.

    Raises:
        UsageError: it is.
    """
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"{where}: '{name}' is a link that leads out of the book's folder. Copy the file there instead."
        )


def _default_files(table: Table, folder: Path) -> tuple[str, ...]:
    """The file named like the table, where there is one."""
    name = f"{table.name}.csv"
    if not (folder / name).is_file():
        return ()
    check_inside(folder, name, f"[{table.name}]")
    return (name,)


def _files(value: Any, folder: Path, where: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise UsageError(f'{where}: a list of file names is expected, like ["deals.csv"].')
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if "://" in name or path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
            raise UsageError(f"{where}: '{name}' must be a file inside the book's folder.")
        if path.suffix.lower() in LATER_SUFFIXES:
            raise UsageError(f"{where}: '{name}': {path.suffix} files are not supported yet. Save it as CSV.")
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{where}: '{name}' is no file this package reads ({', '.join(SUFFIXES)}).")
        if not (folder / name).is_file():
            raise UsageError(f"{where}: there is no file '{name}' in '{folder}'. {_csv_files(folder, name)}")
        check_inside(folder, name, where)
    if len({(folder / name).resolve() for name in names}) < len(names):
        raise UsageError(f"{where}: a file is named twice, and its rows would be read twice.")
    return tuple(names)


def _named(table: Table, value: Any, where: str) -> dict[str, str]:
    named = _mapping(value, where)
    for name in named:
        _check_name(name, table.names, f"{where} {name}")
    return {name: _text(text, f"{where} {name}") for name, text in named.items()}


def _dates(table: Table, value: Any) -> dict[str, str]:
    where = f"[{table.name}] dates"
    formats = {"": value} if isinstance(value, str) else _mapping(value, where)
    dated = [c.name for c in table.columns if c.dated]
    for name, text in formats.items():
        if name:
            _check_name(name, dated, f"{where} {name}")
        text = _text(text, f"{where} {name}".rstrip())
        used = re.findall(r"%(.)", text)
        whole = not name or table[name].kind != "month"
        if any(u not in _DIRECTIVES for u in used) or len(set(used)) < len(used):
            raise UsageError(f"{where}: '{text}' is no date format this package knows (each of %{_DIRECTIVES} once).")
        if not {"Y", "y"} & set(used) or not {"m", "b", "B"} & set(used) or (whole and "d" not in used):
            raise UsageError(f"{where}: '{text}' must name year, month and day, like %d/%m/%Y.")
    return dict(formats)


def _values(table: Table, value: Any) -> dict[str, dict[str, str]]:
    """The canonical value of each value in the export, by column."""
    canonicals: dict[str, dict[str, str]] = {}
    for column, mapping in _mapping(value, f"[{table.name}.values]").items():
        _check_name(column, table.names, f"[{table.name}.values] {column}")
        where = f"[{table.name}.values.{column}]"
        canonicals[column] = {}
        for canonical, listed in _mapping(mapping, where).items():
            if column in ENUMERATED:
                _check_name(canonical, (*ENUMERATED[column], IGNORE), f"{where} {canonical}")
            elif table[column].kind not in ("text", "label", "quarter") and canonical != IGNORE:
                raise UsageError(
                    f"{NAME}, {where}: a column of kind {table[column].kind} has no values to map, only rows to "
                    f"{IGNORE}. Where a text stands for an empty cell, empty it with sql: nullif({column}, '…')."
                )
            if not isinstance(listed, str | list):
                raise UsageError(
                    f'{NAME}, {where} {canonical}: a list of values in the export is expected, like ["…"], '
                    f"not {_shown(listed)}."
                )
            for text in [listed] if isinstance(listed, str) else listed:
                text = _text(text, f"{where} {canonical}")
                if canonicals[column].get(text, canonical) != canonical:
                    raise UsageError(f"{where}: '{text}' stands under '{canonicals[column][text]}' and '{canonical}'.")
                canonicals[column][text] = canonical
    return canonicals


def _check_name(key: str, options: Iterable[str], where: str) -> None:
    """Pass when the key is one of the options.

    Raises:
        UsageError: it is not; the text says where it stands and what is nearest.
    """
    listed = tuple(options)
    if key in listed:
        return
    if key in _LATER:
        raise UsageError(f"{NAME}, {where}: {_LATER[key]} is not supported yet.")
    raise UsageError(f"{NAME}, {where}: there is no such name here. {nearest(key, listed)}")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{NAME}, {where}: a table of names and values is expected, not {_shown(value)}.")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{NAME}, {where}: a text in quotes is expected, not {_shown(value)}.")
    return value


def _shown(value: Any) -> str:
    """The value as it may stand in a sentence: on one line, and not too long for it."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no number of more than 4,300 digits
        text = "a number without end"
    return text if len(text) <= 60 else text[:60] + "…"


def _name(value: Any) -> str:
    name = _text(value, "[book] name")
    if not name:
        raise UsageError(f"{NAME}, [book] name: it is empty. Write what the book is called, or leave the line out.")
    return name


def _one_of(value: Any, options: Iterable[str], where: str) -> str:
    listed = tuple(options)
    if value not in listed:
        raise UsageError(f"{NAME}, {where}: {_shown(value)} is not one of {', '.join(map(repr, listed))}.")
    return str(value)


def _encoding(value: Any, where: str) -> str:
    """The encoding's own name, if it is one of text in which plain letters, digits and marks are themselves."""
    hint = "Often it is utf-8 or cp1252."
    try:
        name = codecs.lookup(_text(value, where)).name
        plain = name.startswith(("utf-16", "utf-32")) or _PROBE.encode().decode(name) == _PROBE
    except LookupError as error:  # also one that is not of text, like hex
        raise UsageError(f"{NAME}, {where}: there is no encoding {_shown(value)} of text. {hint}") from error
    except ValueError:
        plain = False
    if not plain or name in _OF_THIS_MACHINE:
        raise UsageError(f"{NAME}, {where}: files in {_shown(value)} are not read. {hint}")
    return name


def _currency(book: dict[str, Any]) -> str:
    code = book.get("currency", "")
    if not isinstance(code, str) or not re.fullmatch(r"[A-Z]{3}", code):
        raise UsageError(
            f'{NAME}, [book] currency: three capital letters are expected, like "EUR", not {_shown(code)}.'
        )
    return code


def _zone(name: Any) -> str:
    try:
        return str(ZoneInfo(_text(name, "[book] time_zone")).key)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"{NAME}, [book] time_zone: {_shown(name)} is unknown. Write it like Europe/Paris.") from error


def _month(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 12:
        raise UsageError(f"{NAME}, [book] fiscal_year_starts: a month from 1 to 12 is expected, not {_shown(number)}.")
    return number


def _day(book: dict[str, Any]) -> pd.Timestamp:
    value = book.get("extracted_on")
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if not isinstance(value, date) or isinstance(value, datetime) or not 1900 <= value.year <= 2199:
        shown = value.isoformat() if isinstance(value, date) else _shown(value)
        raise UsageError(
            f"{NAME}, [book] extracted_on: the day the export was made is expected, like 2025-12-31, not {shown}."
        )
    return pd.Timestamp(value).as_unit("s")


def _csv_files(folder: Path, wanted: str = "") -> str:
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not names:
        return f"The folder has no {', '.join(SUFFIXES)} file."
    return nearest(wanted, names) if wanted else f"The folder has: {', '.join(names[:12])}."
