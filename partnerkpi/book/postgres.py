"""A PostgreSQL server: how it is connected to, and how one query is asked of it, piece by piece.

The driver is pg8000, which is plain Python under a permissive licence. What an address says after its `?` is either
followed or refused: one that asks for a checked certificate must not be let in without.
"""

from __future__ import annotations

import getpass
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from partnerkpi.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

KINDS = ("postgresql", "postgres", "postgresql+pg8000", "postgresql+psycopg", "postgresql+psycopg2")
PATIENCE = 10  # seconds until a server that does not answer is given up
_PORT = 5432
_FOLLOWED = ("host", "sslmode", "sslrootcert")
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_CURSOR = "partnerkpi_rows"


def connected(url: URL, seconds: int) -> Any:
    """A connection of the driver, none of whose answers takes much longer than so many seconds.

    Raises:
        UsageError: the address asks for something that is not followed.
        OSError: nothing answers there.
    """
    import pg8000

    unknown = [key for key in url.query if key not in _FOLLOWED]
    if unknown:  # which is not said: it may be a part of the credentials
        raise UsageError(f"[source] url: after the ? only {', '.join(_FOLLOWED)} can stand.")
    asked = {key: str(value) for key, value in url.query.items()}
    host, port = asked.get("host") or url.host or "localhost", url.port or _PORT
    context = False if host.startswith("/") else _encryption(asked.get("sslmode", "prefer"), asked.get("sslrootcert"))
    line = _line(host, port)
    line.settimeout(seconds + PATIENCE)  # the server ends a query itself, if it still can
    try:
        connection = pg8000.Connection(
            user=url.username or getpass.getuser(),
            password=url.password,
            database=url.database,
            host=host,
            sock=line,
            ssl_context=context,
            application_name="partnerkpi",
        )
    except BaseException as error:
        line.close()
        raise _first_said(error) from None
    for number, read in _READERS.items():
        connection.register_in_adapter(number, read)
    return connection


def _line(host: str, port: int) -> socket.socket:
    """A line to the server: by network, or by the socket in a folder of this machine."""
    if not host.startswith("/"):
        return socket.create_connection((host, port), PATIENCE)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(PATIENCE)
        line.connect(f"{host}/.s.PGSQL.{port}")
    except OSError:
        line.close()
        raise
    return line


def _first_said(error: BaseException) -> BaseException:
    """What the server said, where the driver then failed to say goodbye to one that had hung up."""
    told: BaseException | None = error
    while told is not None:
        if told.args and isinstance(told.args[0], dict):
            return told
        told = told.__context__
    return error


def _encryption(mode: str, authority: str | None) -> Any:
    """What the driver is to do: False not at all, None where the server can, True or a context in any case."""
    if mode not in _MODES:
        raise UsageError(f"[source] url: sslmode is one of {', '.join(_MODES)}.")
    if mode in ("verify-ca", "verify-full"):
        try:
            context = ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise UsageError("[source] url: sslrootcert names no file of certificates.") from error
        context.check_hostname = mode == "verify-full"
        return context
    return {"disable": False, "require": True}.get(mode)


def _or_text(read: Callable[[str], object]) -> Callable[[str], object]:
    """The reader for what it can read; all else ("infinity", years before Christ) stays the text it is."""

    def value(text: str) -> object:
        try:
            return read(text)
        except ValueError:
            return text

    return value


_DAY, _STAMP = _or_text(date.fromisoformat), _or_text(datetime.fromisoformat)
#: By the number of the type: date, timestamp, timestamptz. The driver's own take ten times as long, and guess.
_READERS = {1082: _DAY, 1114: _STAMP, 1184: _STAMP}


def begin(connection: Connection, seconds: int) -> None:
    """Begin a transaction that can only read and sees one moment; a query in it ends after so many seconds."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {1000 * seconds}")
    connection.exec_driver_sql("SET LOCAL DateStyle = 'ISO'")  # the driver reads no other


def answer(connection: Connection, query: str, size: int) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The names of the query's columns, and its rows in pieces of a size.

    The query is sent in the way in which a server takes one statement only.
    """
    driver: Any = connection.connection.driver_connection
    driver.execute_unnamed(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {query}")
    fetch = f"FETCH FORWARD {size} FROM {_CURSOR}"
    first = connection.exec_driver_sql(fetch)

    def pieces() -> Iterator[Sequence[Any]]:
        rows = first.fetchall()
        while rows:
            yield rows
            rows = connection.exec_driver_sql(fetch).fetchall()
        connection.exec_driver_sql(f"CLOSE {_CURSOR}")

    return list(first.keys()), pieces()


def said(error: BaseException) -> tuple[str, str]:
    """What the server says is wrong, on one line, and its code for it."""
    told = error.args[0] if error.args else ""
    if isinstance(told, dict):
        return str(told.get("M", "")).partition("\n")[0], str(told.get("C", ""))
    return str(told).partition("\n")[0], ""
