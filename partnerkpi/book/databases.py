"""Tables of a live database to text: one SELECT each, all in one transaction that can only read.

PostgreSQL, and SQLite files in the book's folder. Numbers come exactly as they are stored, days and times as what they
are. The rows are put in the order of the table's key, and the hash of the input is that of these rows: the same rows
give the same account, wherever the database keeps them.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerkpi.book import postgres
from partnerkpi.book.cells import Column, Unreadable
from partnerkpi.book.connections import Source
from partnerkpi.book.declarations import TableConfig, check_inside
from partnerkpi.book.sources import Problem, RawTable, most
from partnerkpi.errors import SystemProblem, UsageError, nearest

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_CHUNK = 8_192
_MOST_CELLS = 250_000_000
_INSTALL = "Reading from a database needs {}: install it with  pip install 'partnerkpi[sql]'"
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_REASONS = (
    ("password|authentication|pg_hba|role .* does not exist|permission denied", "it refused the user or the password"),
    ("database .* does not exist", "it has no database of that name"),
    ("translate|resolve|name or service|getaddrinfo|nodename", "there is no host of that name"),
    ("refused|no such file|unreachable|no route", "nothing answers there"),
    ("time", f"it did not answer within {postgres.PATIENCE} seconds"),
    ("ssl|certificate|tls", "no safe connection could be made"),
)

Columns = Callable[[TableConfig, list[str]], Collection[str]]


def read_tables(
    source: Source, folder: Path, configs: Iterable[TableConfig], wanted: Columns, key: Columns
) -> dict[str, RawTable]:
    """The text of every table that names a query or a relation, as they all stood at one moment.

    Args:
        source: the database.
        folder: the book's folder; a SQLite file must be in it.
        configs: how the tables are read.
        wanted: given a table and a header, the columns to keep.
        key: given a table and a header, those of them the rows are ordered by before all others.

    Raises:
        UsageError: the address or a query is wrong, a query takes too long, or a package is not installed.
        SystemProblem: the database cannot be reached.
    """
    asked = [config for config in configs if config.query or config.relation]
    raws = {}
    with _transaction(source, folder) as connection:
        for config in asked:
            where = f"[{config.name}] " + ("query" if config.query else "relation")
            with _sentences(source, connection, config, where):
                raws[config.name] = _table(connection, config, where, source.seconds, wanted, key)
    return raws


def _table(
    connection: Connection, config: TableConfig, where: str, seconds: int, wanted: Columns, key: Columns
) -> RawTable:
    raw = RawTable(where)
    until = time.monotonic() + seconds
    _watch(connection, until)
    query, columns = config.query.strip().rstrip(";"), None
    if config.relation:
        quote = connection.dialect.identifier_preparer.quote_identifier
        table = ".".join(map(quote, config.relation.split(".")))
        raw.header = list(connection.exec_driver_sql(f"SELECT * FROM {table} WHERE 1 = 0").keys())
        named = set(wanted(config, raw.header))
        columns = [name for name in raw.header if name in named]
        query = f"SELECT {', '.join(map(quote, columns)) or '1'} FROM {table}"
    if connection.dialect.name == "sqlite":
        result = connection.execution_options(no_parameters=True).exec_driver_sql(query)
        names, parts = list(result.keys()), result.partitions(_CHUNK)
    else:
        names, parts = postgres.answer(connection, query, _CHUNK)
    if columns is None:
        raw.header = names
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise UsageError(f"{where}: two columns of the result have one name, '{twice[0]}'. Use AS.")
    named = set(wanted(config, raw.header))
    cells = {i: Column(config.decimal) for i, name in enumerate(names) if name in named}
    rows = 0
    for part in parts:
        rows += len(part)
        if rows * max(1, len(cells)) > (allowed := most("PARTNERKPI_MOST_CELLS", _MOST_CELLS)):
            raise UsageError(
                f"{where} is stopped: it gives more than the {allowed:,} cells that are read unasked. Set "
                "PARTNERKPI_MOST_CELLS in the environment if that is right."
            )
        if time.monotonic() > until:
            raise TimeoutError
        _add(raw, cells, names, list(zip(*part, strict=True)))
    frame = pd.DataFrame({names[i]: column.text() for i, column in cells.items()}, index=range(rows))
    raw.typed = {names[i]: kind for i, column in cells.items() if (kind := column.typed())}
    first = [name for name in key(config, raw.header) if name in frame]
    order = [*dict.fromkeys(first), *(str(name) for name in frame if name not in first)]
    raw.text = frame.sort_values(order, kind="stable", ignore_index=True) if order else frame
    raw.record = np.arange(1, rows + 1)
    raw.line = np.zeros(rows, dtype=np.int64)
    raw.sha256 = hashlib.sha256(raw.text.to_csv(index=False, lineterminator="\n").encode()).hexdigest()
    return raw


def _add(raw: RawTable, cells: dict[int, Column], names: list[str], values: list[tuple[object, ...]]) -> None:
    """Append a part of the result; a column whose values have no text is blamed and read no further."""
    for i in list(cells):
        try:
            cells[i].add(values[i])
        except Unreadable as error:
            del cells[i]
            rule = f"the column holds values of the kind {error}, which is no plain value: CAST it AS TEXT in a query"
            raw.problems.append(Problem(0, 0, names[i], "", rule, "E"))


@contextmanager
def _transaction(source: Source, folder: Path) -> Iterator[Connection]:
    """A connection in a transaction that can only read."""
    engine = _engine(source, folder)
    try:
        try:
            connection = engine.connect()
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
                connection.exec_driver_sql("BEGIN")
                if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
                    raise sqlite3.DatabaseError("malformed")  # rows would be missing without a word
                _driver(connection).set_authorizer(_only_reading)
            else:
                postgres.begin(connection, source.seconds)
        except UsageError:
            raise
        except Exception as error:  # whatever the driver says may hold the address: none of it is passed on
            raise SystemProblem(_unreached(source, error)) from None
        with connection:
            try:
                yield connection
            finally:
                if engine.dialect.name == "sqlite":
                    _driver(connection).set_authorizer(None)  # or the transaction could not be ended
    finally:
        engine.dispose()


def _engine(source: Source, folder: Path) -> Engine:
    try:
        import sqlalchemy
        from sqlalchemy.pool import NullPool
    except ImportError as error:
        raise UsageError(_INSTALL.format("SQLAlchemy")) from error
    try:
        url = sqlalchemy.make_url(source.address())
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise UsageError(
            "[source] url: what the environment holds is no address of a database, like "
            "postgresql://user:password@host/name. A sign like @ or / in a password is written %40 or %2F."
        ) from None
    kind = url.drivername
    if kind == "sqlite":
        path = _file_of(url, folder)
        return sqlalchemy.create_engine(
            "sqlite://",
            poolclass=NullPool,
            creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None),
        )
    if kind not in postgres.KINDS:
        raise UsageError(
            "[source] url: only databases of the kinds postgresql and sqlite are read. Export the tables of another to "
            "files."
        )
    try:
        import pg8000  # noqa: F401
    except ImportError as error:
        raise UsageError(_INSTALL.format("pg8000")) from error
    return sqlalchemy.create_engine(
        "postgresql+pg8000://",
        poolclass=NullPool,
        hide_parameters=True,
        creator=lambda: postgres.connected(url, source.seconds),
    )


def _file_of(url: Any, folder: Path) -> Path:
    """The SQLite file, which must be one in the book's folder."""
    where = "[source] url"
    name = url.database or ""
    if url.query or url.host or not name or name.startswith("file:") or name == ":memory:":
        raise UsageError(f"{where}: a file in the book's folder is expected, like sqlite:///crm.db.")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        if not Path(name).is_absolute() and ".." not in Path(name).parts:
            check_inside(folder, name, where)
        raise UsageError(f"{where}: the SQLite file must be inside the book's folder.")
    if not path.is_file():
        files = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in (".db", ".sqlite", ".sqlite3"))
        raise UsageError(f"{where}: the book's folder has no such SQLite file. {nearest(path.name, files)}")
    return path


@contextmanager
def _sentences(source: Source, connection: Connection, config: TableConfig, where: str) -> Iterator[None]:
    """What goes wrong with a query, in a sentence that holds no credentials."""
    import sqlalchemy

    own = connection.dialect.loaded_dbapi.Error  # of the driver, where it is asked without SQLAlchemy
    errors: tuple[type[Exception], ...] = (sqlalchemy.exc.SQLAlchemyError, own)
    listed = f"is stopped: it takes longer than {source.seconds} seconds. [source] seconds can allow more."
    try:
        yield
    except TimeoutError:
        raise UsageError(f"{where} {listed}") from None
    except MemoryError:
        raise UsageError(f"{where} is stopped: its result does not fit into memory.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{where}: the database holds text that is no UTF-8, or is damaged.") from None
    except errors as error:
        said, state = postgres.said(getattr(error, "orig", None) or error)
        if getattr(error, "connection_invalidated", False) or "network error" in said:
            raise SystemProblem(f"{where}: the database ended the connection. Try again.") from None
        if state == "57014" or "interrupted" in said:
            raise UsageError(f"{where} {listed}") from None
        if state == "25006" or re.search("not authorized|one statement|multiple commands|not contain data-mod", said):
            raise UsageError(f"{where} is refused: one SELECT is expected, which only reads.") from None
        if re.search("not a database|malformed", said):
            raise UsageError("[source] url: the file is no SQLite database, or damaged.") from None
        hint = ""
        if config.relation and (state == "42P01" or "no such table" in said):
            hint = " " + nearest(config.relation, _relations(connection))
        raise UsageError(f"{where} fails: {_without_secrets(said, source)}.{hint}") from None


def _relations(connection: Connection) -> list[str]:
    """The tables and views of the database, as far as they can still be asked for."""
    import sqlalchemy

    try:
        if connection.dialect.name != "sqlite":
            connection.rollback()
        inspector = sqlalchemy.inspect(connection)
        return sorted({*inspector.get_table_names(), *inspector.get_view_names()})
    except sqlalchemy.exc.SQLAlchemyError:
        return []


def _without_secrets(said: str, source: Source) -> str:
    """What the database said, if nothing of the credentials stands in it."""
    import sqlalchemy

    url = sqlalchemy.make_url(source.address())
    secrets = {str(url.password or ""), str(url.username or ""), source.address()} - {""}
    if any(secret in said for secret in secrets):
        return "the database names the user or the password in what it says, so it is not shown here"
    return said.rstrip(".")


def _unreached(source: Source, error: Exception) -> str:
    text = str(getattr(error, "orig", error)).casefold()
    if "not a database" in text or "malformed" in text or "unable to open" in text:
        return "The file of [source] cannot be read: it is no SQLite database, or damaged, or being written."
    reason = next((reason for pattern, reason in _REASONS if re.search(pattern, text)), "the connection failed")
    names = ", ".join(source.variables())
    check = f" Check what the environment holds as {names}." if names else " Check the url."
    return f"The database of [source] cannot be reached: {reason}.{check}"


def _watch(connection: Connection, until: float) -> None:
    """Let a query on a SQLite file end in time; a server is told so itself."""
    if connection.dialect.name == "sqlite":
        _driver(connection).set_progress_handler(lambda: int(time.monotonic() > until), 10_000)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _only_reading(action: int, first: str | None, second: str | None, *_: object) -> int:
    if action not in _READING or (action == sqlite3.SQLITE_FUNCTION and second == "load_extension"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
