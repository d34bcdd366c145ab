"""SQL over the files of a book's folder: joins, sums, whatever goes beyond renaming a column.

Each file is a view named by its stem: every column as text (an empty cell is NULL), and `_file`, `_record`, `_line`.
The query can read these views and nothing else: no other file, no network, no settings; and it has to end in time and
fit into memory.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerkpi.book.declarations import SUFFIXES, TableConfig, check_inside
from partnerkpi.book.schema import PLACE, TABLES
from partnerkpi.book.sources import RawTable
from partnerkpi.errors import UsageError

if TYPE_CHECKING:
    import duckdb

_KINDS = {  # of a column of a query, by the type without its width
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "number"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL"), "number"),
    "DATE": "day", "TIMESTAMP": "stamp", "TIMESTAMP WITH TIME ZONE": "stamp",
}  # fmt: skip
_LOCKED = ("memory_limit = '2GB'", "temp_directory = ''", "threads = 1", "TimeZone = 'UTC'",
           "enable_external_access = false", "python_enable_replacements = false",
           "autoinstall_known_extensions = false", "autoload_known_extensions = false",
           "lock_configuration = true")  # fmt: skip
_SECONDS = 60  # a query may take
_TEXT = 2 << 30  # bytes its result may have


def run_query(config: TableConfig, folder: Path, read: Callable[[str], RawTable]) -> tuple[RawTable, list[RawTable]]:
    """The result of the table's query as text, and the files it was made from.

    Where the result has `_file`, `_record` or `_line` these say where a row comes from; else the record is the number
    of the row in the result, ordered by the table's key.

    Raises:
        UsageError: the query is not one SELECT, fails, reads what is not there, takes too long or needs too much.
    """
    where = f"[{config.name}] sql"
    views: dict[str, RawTable] = {}
    for name in config.files or _mentioned(config.sql, folder, where):
        stem = Path(name).stem
        if stem.casefold() in map(str.casefold, views):
            raise UsageError(f"{where}: two files are called '{stem}'. Name the one meant under files.")
        views[stem] = raw = read(name)
        if len(set(map(str.casefold, raw.header))) < len(raw.header):
            raise UsageError(f"{where}: in '{name}' two columns differ only in capitals, which SQL takes for one.")
    files = list(views.values())
    result = RawTable(where)
    if any(f.refused for f in files):
        return result, files
    frame, types = _query(config.sql, views, where)
    frame = _ordered(frame, config.name, where)
    result.header = [str(c) for c in frame if c not in PLACE]
    result.text = frame[result.header]
    result.typed = {name: _KINDS[kind] for name, kind in types.items() if kind in _KINDS}
    result.record = frame["_record"].to_numpy() if "_record" in frame else np.arange(1, len(frame) + 1)
    result.line = frame["_line"].to_numpy() if "_line" in frame else np.zeros(len(frame), dtype=np.int64)
    file = frame["_file"].fillna(where) if "_file" in frame else pd.Series(where, index=frame.index)
    result.files = file.to_numpy(dtype=object)
    return result, files


def _query(sql: str, views: dict[str, RawTable], where: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of the query as text, and the type of each column."""
    import duckdb

    listed = f"A query can read these views and nothing else: {', '.join(sorted(views)) or 'there is none'}."
    connection = duckdb.connect(":memory:")
    alarm = threading.Timer(_SECONDS, connection.interrupt)
    alarm.daemon = True
    try:
        for stem, raw in views.items():
            connection.register(stem, raw.text.assign(_file=raw.file, _record=raw.record, _line=raw.line))
        for setting in _LOCKED:
            connection.execute(f"SET {setting}")
        alarm.start()
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = ", then ".join(s.type.name for s in statements) or "nothing"
            raise UsageError(f"{where} is refused: one SELECT is expected, nothing before or after it, not {kinds}.")
        asked = statements[0].query.strip().rstrip(";")
        described = connection.execute(f"DESCRIBE ({asked}\n)").fetchall()
        names = [str(row[0]) for row in described]
        if len(set(map(str.casefold, names))) < len(names):
            raise UsageError(f"{where}: two columns of the result have one name among {', '.join(names)}. Use AS.")
        quoted = ['"' + name.replace('"', '""') + '"' for name in names]
        cast = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in quoted)
        connection.execute(f"SELECT {cast} FROM ({asked}\n)")
        frame = _fetched(connection, names)
    except (duckdb.InterruptException, TimeoutError) as error:
        raise UsageError(f"{where} is stopped: it takes longer than {_SECONDS} seconds.") from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise UsageError(f"{where} is stopped: it needs more than 2 GB of memory.") from error
    except duckdb.PermissionException as error:
        raise UsageError(f"{where} is refused: it reads a file or changes a setting. {listed}") from error
    except duckdb.Error as error:
        lines = str(error).strip().splitlines()
        raise UsageError(f"{where} fails: {lines[0] if lines else error} {listed}") from error
    finally:
        alarm.cancel()
        connection.close()
    return frame, {name: str(row[1]).partition("(")[0] for name, row in zip(names, described, strict=True)}


def _fetched(connection: duckdb.DuckDBPyConnection, names: list[str]) -> pd.DataFrame:
    """The result piece by piece, so that one without end is noticed: a TimeoutError or MemoryError."""
    parts, size, until = [pd.DataFrame(columns=names, dtype="str")], 0, time.monotonic() + _SECONDS
    while len(part := connection.fetch_df_chunk(64).astype("str")):
        parts.append(part.mask(part == ""))
        size += int(part.memory_usage(index=False, deep=True).sum())
        if size > _TEXT:
            raise MemoryError
        if time.monotonic() > until:
            raise TimeoutError
    return pd.concat(parts, ignore_index=True)


def _mentioned(sql: str, folder: Path, where: str) -> list[str]:
    """The files whose stem stands in the query as a word."""
    words = {w.casefold() for w in re.findall(r'"([^"]+)"|(\w+)', sql) for w in w if w}
    files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.stem.casefold() in words and p.is_file()]
    names = sorted(path.name for path in files)
    for name in names:
        check_inside(folder, name, where)
    return names


def _ordered(frame: pd.DataFrame, table: str, where: str) -> pd.DataFrame:
    """The rows in an order that depends on nothing but their content: by place where they tell it, else by key."""
    for name in {"_record", "_line"} & set(frame):
        if not frame[name].str.fullmatch("[0-9]{1,15}").fillna(True).all():
            raise UsageError(f"{where}: {name} says where a row was read, so it must be a whole number.")
        frame = frame.assign(**{name: pd.to_numeric(frame[name]).fillna(0).astype("int64")})
    names = [str(c) for c in frame]
    first = [c for c in (PLACE if "_record" in names else TABLES[table].key) if c in names]
    order = frame.sort_values([*first, *(c for c in names if c not in first)], kind="stable").index
    return frame.loc[order].reset_index(drop=True)
