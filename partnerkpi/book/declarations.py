"""What a section of book.toml says of one table: its files, how they are written, which column and value is what."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

from partnerkpi.book import meaning
from partnerkpi.book.keys import NAME, OF_BOOK, OF_TABLE, check_name, mapping_of, one_of, shown, text_of, zone_of
from partnerkpi.book.meaning import Flags, Source
from partnerkpi.book.merging import merged
from partnerkpi.book.schema import ENUMERATED, STATUSES, Table
from partnerkpi.errors import UsageError, nearest

IGNORE = "ignore"
SHEETS, COLUMNS = ".xlsx", ".parquet"
SUFFIXES = (".csv", ".tsv", ".txt", SHEETS, COLUMNS)
_OTHER_KINDS = {
    ".xls": "Open it in a spreadsheet and save it as .xlsx.",
    ".xlsm": "A workbook with macros is not opened. Save it as .xlsx, which has none.",
    ".xlsb": "Open it in a spreadsheet and save it as .xlsx.",
    ".ods": "Open it in a spreadsheet and save it as .xlsx or .csv.",
    ".gz": "Unpack it.",
    ".zip": "Unpack it.",
    ".pkl": "A pickle can run code when it is opened, so none is.",
    ".pickle": "A pickle can run code when it is opened, so none is.",
    ".db": 'A database is named by [source] url = "sqlite:///…".',
    ".sqlite": 'A database is named by [source] url = "sqlite:///…".',
}

#: Days as spreadsheets store them: how many since this one.
SERIALS = {"excel-1900": "1899-12-30", "excel-1904": "1904-01-01"}
_DIRECTIVES = "YymdHIMSfzbBp"
_SELECT = re.compile(r"(?:--[^\n]*\n|/\*.*?\*/|\s)*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_OF_THIS_MACHINE = ("mbcs", "oem")
#: What stays the same in every encoding of files: all but those that escape, shift or spell some of it.
_PROBE = "".join(map(chr, range(32, 127))).replace("\\", "") + "\t\r\n\\u0041.xn--tda"


@dataclass(frozen=True)
class TableConfig:
    """How one table is read.

    `dates` holds the declared format by column, `""` for all others; `values` the canonical value by column and value
    in the export, where `ignore` puts the row out of scope; `unread` the columns that are not to be read though the
    file may have them; `declared` which keys the file really has. `missing` are the cells that mean nothing,
    `skip_rows` and `footer` how many lines stand above the header and below the rows, `rows` and `amount_total` what
    the file is said to hold, `times` the zone of times without offset (empty: the business zone), `largest_amount` what
    no amount can be beyond.

    `flags`, `key`, `latest_by`, `leave_out`, `only` and `credited_deal` (the deal that a credit note takes money back
    from, where there are `credit_notes`) are of the columns of the export; `probabilities` the chance of each stage;
    `remarks` what is to be said of a column that is there, `expects` what where no row has a status; `offered` the keys
    ("columns.amount", "flags.won", "leave_out.Type") that only a preset has, whose columns a file need not have.
    """

    name: str
    files: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ""
    decimal: str = "."
    thousands: str = ""
    dates: Mapping[str, str] = field(default_factory=dict)
    sql: str = ""
    columns: Mapping[str, Source] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    skip_rows: int = 0
    footer: int = 0
    rows: int | None = None
    amount_total: Decimal | None = None
    times: str = ""
    declared: frozenset[str] = frozenset()
    flags: Flags = field(default_factory=Flags)
    key: tuple[str, ...] = ()
    latest_by: str = ""
    credit_notes: bool = False
    credited_deal: str = ""
    leave_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)
    expects: Mapping[str, str] = field(default_factory=dict)
    offered: frozenset[str] = frozenset()
    sheet: str = ""
    query: str = ""
    relation: str = ""
    largest_amount: float = OF_BOOK["largest_amount"].default

    @property
    def given(self) -> bool:
        """True when the book has the table."""
        return bool(self.files or self.sql or self.query or self.relation)

    def date_format(self, column: str) -> str:
        """The declared format of a date column, empty where none is."""
        return self.dates.get(column, self.dates.get("", ""))

    def delimiter_of(self, file: str) -> str:
        """The declared delimiter; else a tab for .tsv, a comma for the rest."""
        return self.delimiter or ("\t" if file.lower().endswith(".tsv") else ",")


def table_config(table: Table, section: Any, folder: Path, preset: Mapping[str, Any] | None = None) -> TableConfig:
    """How the table is read; without any files or SQL when the book does not have it.

    What its section leaves open is as the section of a preset has it.
    """
    default = f"{table.name}.csv"
    if section is None and not (preset and ("query" in preset or (folder / default).is_file())):
        return TableConfig(table.name, files=_default_files(table, folder))
    where = f"[{table.name}]"
    section, offered = merged(mapping_of({} if section is None else section, where), preset or {}, table)
    for key in section:
        check_name(key, OF_TABLE, f"{where} {key}")
    sql = text_of(section.get("sql", ""), f"{where} sql").strip()
    if "sql" in section and not sql:
        raise UsageError(f"{NAME}, {where} sql: the query is empty. Write one SELECT, or leave the line out.")
    files = _files(section["files"], folder, f"{where} files") if "files" in section else ()
    live = _live(section, where)
    if not files and not sql and not live:
        files = _default_files(table, folder)
        if not files:
            raise UsageError(f"{where} names no file, and there is no {default}. {csv_files(folder)}")
    columns = meaning.sources_of(table, section.get("columns", {}))
    unread = frozenset(name for name, source in columns.items() if not source.names)
    for name in sorted(unread):
        if table[name].required:
            raise UsageError(f"[{table.name}.columns] {name}: the column must be read, so it cannot be empty here.")
    constants = _named(table, section.get("constants", {}), f"[{table.name}.constants]")
    for name in constants:
        if name in columns:
            raise UsageError(f"[{table.name}.constants] {name}: it is also in [{table.name}.columns]. Keep one.")
    decimal = one_of(
        section.get("decimal", OF_TABLE["decimal"].default), OF_TABLE["decimal"].allowed, f"{where} decimal"
    )
    thousands = one_of(section.get("thousands", ""), ("", *OF_TABLE["thousands"].allowed), f"{where} thousands")
    if thousands == decimal:
        raise UsageError(f"{where} thousands: '{thousands}' is also the decimal mark.")
    delimiter = text_of(section.get("delimiter", ""), f"{where} delimiter")
    if len(delimiter) > 1 or delimiter == '"' or not (delimiter.isprintable() or delimiter == "\t"):
        raise UsageError(f"{where} delimiter: it must be one character other than a quote, not {shown(delimiter)}.")
    return TableConfig(
        name=table.name,
        files=files,
        encoding=_encoding(section.get("encoding", OF_TABLE["encoding"].default), f"{where} encoding"),
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        dates=_dates(table, section.get("dates", {})),
        sql=sql,
        columns=meaning.shared_by_status({name: source for name, source in columns.items() if source.names}),
        unread=unread,
        values=_values(table, section.get("values", {})),
        constants=constants,
        missing=_missing(section.get("missing", []), f"{where} missing"),
        skip_rows=_lines(section.get("skip_rows", 0), f"{where} skip_rows"),
        footer=_lines(section.get("footer", 0), f"{where} footer"),
        rows=_lines(section["rows"], f"{where} rows") if "rows" in section else None,
        amount_total=_amount_total(table, section["amount_total"]) if "amount_total" in section else None,
        times=zone_of(section["times"], f"{where} times", "UTC") if "times" in section else "",
        declared=frozenset(section),
        flags=meaning.flags_of(table, section.get("flags", {})),
        key=_key(table, section, columns),
        latest_by=meaning.latest_by_of(table, section.get("latest_by", "")),
        credit_notes=bool(credited := meaning.credit_notes_of(table, section.get("credit_notes", ""))),
        credited_deal="" if credited is True else credited,
        leave_out=meaning.rows_of(section.get("leave_out", {}), f"[{table.name}.leave_out]"),
        only=meaning.rows_of(section.get("only", {}), f"[{table.name}.only]"),
        probabilities=meaning.probabilities_of(table, section.get("probabilities", {})),
        remarks=meaning.sentences_of(table.names, section.get("remarks", {}), f"[{table.name}.remarks]"),
        expects=meaning.sentences_of(STATUSES, section.get("expects", {}), f"[{table.name}.expects]"),
        offered=offered,
        sheet=_sheet(section, files, where),
        query=live.get("query", ""),
        relation=live.get("relation", ""),
    )


def _key(table: Table, section: Mapping[str, Any], columns: Mapping[str, Source]) -> tuple[str, ...]:
    if "key" not in section:
        return ()
    key = meaning.key_of(table, section["key"])
    name = table.key[0]
    if name in columns:
        raise UsageError(f"{NAME}, [{table.name}] key: {name} is also in [{table.name}.columns]. Keep one.")
    return key


def _live(section: Mapping[str, Any], where: str) -> dict[str, str]:
    """What is asked of the database of [source]: a `query`, or a `relation`; nothing where it is not asked."""
    said = {key: text_of(section[key], f"{where} {key}").strip() for key in ("query", "relation") if key in section}
    for key, text in said.items():
        if other := [name for name in ("files", "sql", "relation") if name in section and name != key]:
            raise UsageError(f"{NAME}, {where}: the rows come from {key} or from {other[0]}, not from both.")
        if not text:
            raise UsageError(f"{NAME}, {where} {key}: it is empty.")
        if key == "query" and not _SELECT.match(text):
            raise UsageError(f"{NAME}, {where} query: one SELECT is expected, not {shown(text)}.")
        if key == "relation" and not all(text.split(".")):
            raise UsageError(f'{NAME}, {where} relation: the name of a table is expected, like "crm.deals".')
    return said


def _sheet(section: Mapping[str, Any], files: tuple[str, ...], where: str) -> str:
    sheet = text_of(section.get("sheet", ""), f"{where} sheet")
    if "sheet" in section and not (sheet and any(PurePosixPath(name).suffix.lower() == SHEETS for name in files)):
        raise UsageError(f"{NAME}, {where} sheet: it names the sheet of a {SHEETS} file, and files names none.")
    return sheet


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
        if path.suffix.lower() in _OTHER_KINDS:
            raise UsageError(f"{where}: '{name}' is no file this package reads. {_OTHER_KINDS[path.suffix.lower()]}")
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{where}: '{name}' is no file this package reads ({', '.join(SUFFIXES)}).")
        if not (folder / name).is_file():
            raise UsageError(f"{where}: there is no file '{name}' in '{folder}'. {csv_files(folder, name)}")
        check_inside(folder, name, where)
    if len({(folder / name).resolve() for name in names}) < len(names):
        raise UsageError(f"{where}: a file is named twice, and its rows would be read twice.")
    return tuple(names)


def _named(table: Table, value: Any, where: str) -> dict[str, str]:
    named = mapping_of(value, where)
    for name in named:
        check_name(name, table.names, f"{where} {name}")
    return {name: text_of(text, f"{where} {name}") for name, text in named.items()}


def _dates(table: Table, value: Any) -> dict[str, str]:
    where = f"[{table.name}] dates"
    formats = {"": value} if isinstance(value, str) else mapping_of(value, where)
    dated = [*(c.name for c in table.columns if c.dated), "latest_by"]
    for name, text in formats.items():
        if name:
            check_name(name, dated, f"{where} {name}")
        text = text_of(text, f"{where} {name}".rstrip())
        if text in SERIALS:
            continue
        used = re.findall(r"%(.)", text)
        whole = name not in table or table[name].kind != "month"
        if any(u not in _DIRECTIVES for u in used) or len(set(used)) < len(used):
            raise UsageError(f"{where}: '{text}' is no date format this package knows (each of %{_DIRECTIVES} once).")
        if not {"Y", "y"} & set(used) or not {"m", "b", "B"} & set(used) or (whole and "d" not in used):
            raise UsageError(f"{where}: '{text}' must name year, month and day, like %d/%m/%Y.")
    return dict(formats)


def _values(table: Table, value: Any) -> dict[str, dict[str, str]]:
    """The canonical value of each value in the export, by column."""
    canonicals: dict[str, dict[str, str]] = {}
    for column, mapping in mapping_of(value, f"[{table.name}.values]").items():
        check_name(column, table.names, f"[{table.name}.values] {column}")
        where = f"[{table.name}.values.{column}]"
        canonicals[column] = {}
        for canonical, listed in mapping_of(mapping, where).items():
            if column in ENUMERATED:
                check_name(canonical, (*ENUMERATED[column], IGNORE), f"{where} {canonical}")
            elif table[column].kind not in ("text", "label", "quarter") and canonical != IGNORE:
                raise UsageError(
                    f"{NAME}, {where}: a column of kind {table[column].kind} has no values to map, only rows to "
                    f'{IGNORE}. Where a text stands for an empty cell, say missing = ["…"] under [{table.name}].'
                )
            if not isinstance(listed, str | list):
                raise UsageError(
                    f'{NAME}, {where} {canonical}: a list of values in the export is expected, like ["…"], '
                    f"not {shown(listed)}."
                )
            for text in [listed] if isinstance(listed, str) else listed:
                text = text_of(text, f"{where} {canonical}")
                if canonicals[column].get(text, canonical) != canonical:
                    raise UsageError(f"{where}: '{text}' stands under '{canonicals[column][text]}' and '{canonical}'.")
                canonicals[column][text] = canonical
    return canonicals


def _missing(value: Any, where: str) -> frozenset[str]:
    """The texts that stand for an empty cell, without spaces around them."""
    if not isinstance(value, str | list):
        raise UsageError(f'{NAME}, {where}: a list of texts is expected, like ["NA", "-"], not {shown(value)}.')
    return frozenset(text_of(text, where).strip() for text in ([value] if isinstance(value, str) else value))


def _lines(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**9:
        raise UsageError(f"{NAME}, {where}: a whole number is expected, like 3, not {shown(value)}.")
    return value


def _amount_total(table: Table, value: Any) -> Decimal:
    """The sum all amounts of the table are said to have, exactly."""
    where = f"[{table.name}] amount_total"
    if "amount" not in table:
        raise UsageError(f"{NAME}, {where}: the table {table.name} has no amounts. Leave the line out.")
    text = value.strip() if isinstance(value, str) else repr(value) if isinstance(value, int | float) else ""
    if not re.fullmatch(r"-?[0-9]{1,15}([.][0-9]{1,6})?", text):
        raise UsageError(
            f'{NAME}, {where}: a number in quotes is expected, with a point before the decimals, like "106217317.46", '
            f"not {shown(value)}."
        )
    return Decimal(text)


def _encoding(value: Any, where: str) -> str:
    """The encoding's own name, if it is one of text in which plain letters, digits and marks are themselves."""
    hint = "Often it is utf-8 or cp1252."
    try:
        name = codecs.lookup(text_of(value, where)).name
        plain = name.startswith(("utf-16", "utf-32")) or _PROBE.encode().decode(name) == _PROBE
    except LookupError as error:  # also one that is not of text, like hex
        raise UsageError(f"{NAME}, {where}: there is no encoding {shown(value)} of text. {hint}") from error
    except ValueError:
        plain = False
    if not plain or name in _OF_THIS_MACHINE:
        raise UsageError(f"{NAME}, {where}: files in {shown(value)} are not read. {hint}")
    return name


def csv_files(folder: Path, wanted: str = "") -> str:
    """A sentence on the files of the folder: the one nearest to what is wanted, or all."""
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not names:
        return f"The folder has no {', '.join(SUFFIXES)} file."
    return nearest(wanted, names) if wanted else f"The folder has: {', '.join(names[:12])}."
