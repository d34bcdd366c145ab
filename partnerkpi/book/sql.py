"""SQL over the files of a book's folder: joins, sums, whatever goes beyond renaming a column.

Each file is a view named by its stem: every column as text (an empty cell is NULL), and `_file`, `_record`, `_line`.
The query can read these views and nothing else: no other file, no network, no settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from partnerkpi.book.config import SUFFIXES, TableConfig
from partnerkpi.book.schema import PLACE, TABLES
from partnerkpi.book.sources import RawTable
from partnerkpi.errors import UsageError, nearest

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_LOCKED = ("enable_external_access = false", "python_enable_replacements = false", "threads = 1", "TimeZone = 'UTC'",
           "autoinstall_known_extensions = false", "autoload_known_extensions = false",
           "lock_configuration = true")  # fmt: skip


def run(config: TableConfig, folder: Path, read: Callable[[str], RawTable]) -> tuple[RawTable, list[RawTable]]:
    """The result of the table's query as text, and the files it was made from.

    Where the result has `_file`, `_record` or `_line` these say where a row comes from; else the record is the number
    of the row in the result, ordered by the table's key.

    Raises:
        UsageError: the query is not one SELECT, fails, or reads what is not there.
    """
    where = f"[{config.name}] sql"
    sources = {}
    for name in config.files or _mentioned(config.sql, folder):
        stem = Path(name).stem
        if stem in sources:
            raise UsageError(f"{where}: two files are called '{stem}'. Name the one meant under files.")
        sources[stem] = read(name)
    files = list(sources.values())
    made = RawTable(where, [], pd.DataFrame(), np.empty(0, np.int64), np.empty(0, np.int64))
    if any(f.refused for f in files):
        return made, files
    frame, types = _query(config.sql, sources, where, folder)
    frame = _ordered(frame, config.name)
    made.header = [str(c) for c in frame if c not in PLACE]
    made.text = frame[made.header]
    made.typed = {n: k for n, t in types.items() if (k := _kind(t))}
    made.record = _whole(frame.get("_record"), np.arange(1, len(frame) + 1))
    made.line = _whole(frame.get("_line"), np.zeros(len(frame), dtype=np.int64))
    made.files = (
        frame["_file"].fillna(where).to_numpy(dtype=object)
        if "_file" in frame
        else np.full(len(frame), where, dtype=object)
    )
    return made, files


def _query(sql: str, sources: dict[str, RawTable], where: str, folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    import duckdb

    connection = duckdb.connect(":memory:")
    try:
        for stem, raw in sources.items():
            connection.register(stem, raw.text.assign(_file=raw.file, _record=raw.record, _line=raw.line))
        for setting in _LOCKED:
            connection.execute(f"SET {setting}")
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(f"{where}: one SELECT is expected, nothing before or after it.")
        asked = statements[0].query.strip().rstrip(";")
        types = {
            str(row[0]): str(row[1]).partition("(")[0] for row in connection.execute(f"DESCRIBE ({asked}\n)").fetchall()
        }
        cast = ", ".join(f"CAST({_quoted(n)} AS VARCHAR) AS {_quoted(n)}" for n in types)
        table = connection.execute(f"SELECT {cast} FROM ({asked}\n)").fetchdf()
    except duckdb.Error as error:
        said = str(error).strip().splitlines()
        there = nearest("", []) if not sources else "Views: " + ", ".join(sorted(sources)) + "."
        raise UsageError(f"{where} fails: {said[0] if said else error} {there}") from error
    finally:
        connection.close()
    return table.astype("str").mask(table == ""), types


def _mentioned(sql: str, folder: Path) -> list[str]:
    """The files whose stem stands in the query as a word."""
    words = {w.casefold() for w in re.findall(r'"([^"]+)"|(\w+)', sql) for w in w if w}
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    return [n for n in names if Path(n).stem.casefold() in words]


def _ordered(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """The rows in an order that depends on nothing but their content: by place where they tell it, else by key."""
    names = [str(c) for c in frame]
    first = [c for c in (PLACE if "_record" in names else TABLES[table].key) if c in names]
    by = [*first, *(c for c in names if c not in first)]
    whole = frame.assign(**{c: pd.to_numeric(frame[c]) for c in ("_record", "_line") if c in names})
    order = whole.sort_values(by, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _whole(column: pd.Series | None, default: np.ndarray) -> np.ndarray:
    if column is None:
        return default
    return pd.to_numeric(column).fillna(0).to_numpy(dtype=np.int64)


def _kind(kind: str) -> str:
    if kind in _NUMBERS:
        return "number"
    return {"DATE": "day", "TIMESTAMP": "stamp", "TIMESTAMP WITH TIME ZONE": "stamp"}.get(kind, "")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
