"""A PostgreSQL server of one's own: read exactly and only read; and credentials stay where they are."""

import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from click.testing import CliRunner
from postgres import OWNER, PASSWORD, asked, postgres_server

from partnerkpi.batch.plan import planned
from partnerkpi.book.connections import Source
from partnerkpi.book.databases import read_tables
from partnerkpi.book.declarations import TableConfig
from partnerkpi.cli import partnerkpi
from partnerkpi.errors import PartnerKpiError, SystemProblem
from partnerkpi.opening import open_book

pytest.importorskip("sqlalchemy")

Write = Callable[..., Path]


def asking(query: str) -> str:
    return f'query = """{query}"""'


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("pg8000")
    with postgres_server() as address:
        asked(
            address,
            "CREATE SCHEMA crm",
            'CREATE TABLE crm."Deals 2025" (deal_id text, created_on date, closed_on timestamptz,'
            " amount numeric(19, 4), status text, flags int[], partner_id uuid)",
            """INSERT INTO crm."Deals 2025" VALUES
            ('D-2', '2025-01-05', '2025-03-31 23:30+00', 0.1, 'won', '{1}', null),
            ('D-1', '2025-01-06', null, 123456789012.3456, 'open', null, '00000000-0000-0000-0000-000000000001')""",
        )
        yield address


def book_on(write_book: Write, deals: str, url: str = "${CRM_DB_URL}", seconds: int = 60) -> Path:
    return write_book(None, toml=f'[source]\nurl = "{url}"\nseconds = {seconds}\n[deals]\n{deals}\n')


def test_postgresql_is_read_exactly(write_book: Write, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    monkeypatch.setenv("CRM_DB_URL", server)
    book = open_book(book_on(write_book, 'relation = "crm.Deals 2025"'))
    assert book.deals["deal_id"].tolist() == ["D-1", "D-2"]
    assert book.deals["amount"].tolist() == [123456789012.3456, 0.1]
    assert book.reading.money()["EUR"]["read"] == 1234567890124456  # exact: ten-thousandths
    assert str(book.deals["closed_on"].iloc[1])[:10] == "2025-04-01"  # in Paris
    assert book.deals["partner_id"].astype("str").tolist()[0] == "00000000-0000-0000-0000-000000000001"
    columns = "deal_id, created_on, status, amount"
    query = f"""SELECT {columns} FROM crm."Deals 2025" WHERE deal_id LIKE 'D%' AND ':x' <> '%s' AND status = 'open';"""
    again = book_on(write_book, asking(query.replace('"', r"\"")))
    assert open_book(again).deals["amount"].tolist() == [123456789012.3456]
    assert "flags" in str(book.reading.unread)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("CAST('12345678901234567890.123456' AS numeric)", "12345678901234567890.123456"),
        ("CAST('NaN' AS numeric)", "NaN"),
        ("CAST(0.1 AS double precision)", "0.1"),
        ("CAST('NaN' AS double precision)", None),
        ("CAST(1e20 AS real)", "100000000000000000000"),
        ("CAST(7 AS smallint)", "7"),
        ("true", "TRUE"),
        ("CAST('2025-01-05' AS date)", "2025-01-05"),
        ("CAST('2025-01-05 10:11:12.5' AS timestamp)", "2025-01-05 10:11:12.500000"),
        ("CAST('2025-01-05 10:11:12+00' AS timestamptz)", "2025-01-05 10:11:12+00:00"),
        ("CAST('ä, \\b''\"%s :x' AS varchar(20))", "ä, \\b'\"%s :x"),
        ("CAST('x' AS char(3))", "x  "),
        ("NULL", None),
    ],
)
def test_postgresql_values_of_every_kind_are_read_as_they_are(server: str, value: str, read: str | None) -> None:
    """Where the server writes days in its own way, and in a zone of half an hour."""
    asked(
        server,
        "ALTER DATABASE postgres SET DateStyle = 'German'",
        "ALTER DATABASE postgres SET TimeZone = 'Asia/Kolkata'",
    )
    source = Source(server)
    config = TableConfig("deals", query=f"SELECT {value} AS value, 1 AS other")
    try:
        raw = read_tables(source, Path(), [config], lambda _, header: header, lambda *_: ())["deals"]
    finally:
        asked(server, "ALTER DATABASE postgres RESET ALL")
    (text,) = raw.text["value"].tolist()
    assert (None if pd.isna(text) else text) == read


def test_postgresql_results_come_in_pieces_and_whole(server: str) -> None:
    for count in (0, 1, 8192, 20001):
        config = TableConfig("deals", query=f"SELECT x AS value FROM generate_series(1, {count}) x")
        raw = read_tables(Source(server), Path(), [config], lambda _, header: header, lambda *_: ())["deals"]
        assert sorted(map(int, raw.text["value"])) == list(range(1, count + 1))
        assert raw.header == ["value"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://somebody:hunter2@{host}/postgres?sslmode=sometimes", "sslmode is one of disable, allow, prefer"),
        ("postgresql://somebody:hunter2@127.0.0.1:{port}/x?sslmode=verify-full&sslrootcert=no.pem", "names no file"),
        ("postgresql://somebody:hunter2@127.0.0.1:{port}/x?sslmode=require", "no safe connection could be made"),
        ("postgresql://somebody:hunter2@127.0.0.1:{port}/x?sslmode=verify-full", "no safe connection could be made"),
    ],
)
def test_an_address_that_asks_for_encryption_gets_it_or_is_refused(url: str, said: str) -> None:
    """By a server that has none to offer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with contextlib.suppress(OSError), listening.accept()[0] as line:
                line.recv(8)
                line.sendall(b"N")
                assert line.recv(1) == b""  # no word of a user or a password

        threading.Thread(target=answer, daemon=True).start()
        source = Source(url.format(host="127.0.0.1", port=listening.getsockname()[1]))
        config = TableConfig("deals", query="SELECT 1 AS value")
        with pytest.raises(PartnerKpiError, match=said) as caught:
            read_tables(source, Path(), [config], lambda _, header: header, lambda *_: ())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (":s%40", ":t%40", "it refused the user or the password"),
        (OWNER, "hunter2", "it refused the user or the password"),
        ("/postgres?", "/hunter2?", "it has no database of that name"),
        ("?host=/tmp", "?host=/tmp/hunter2", "nothing answers there"),
    ],
)
def test_why_a_server_is_not_reached_is_told_without_the_address(server: str, old: str, new: str, said: str) -> None:
    config = TableConfig("deals", query="SELECT 1 AS value")
    with pytest.raises(SystemProblem, match=said) as caught:
        read_tables(Source(server.replace(old, new)), Path(), [config], lambda _, header: header, lambda *_: ())
    assert not re.search(f"hunter2|{OWNER}|{re.escape(PASSWORD)}", str(caught.value))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('SELECT 1; DELETE FROM crm."Deals 2025"', "one SELECT is expected, which only reads"),
        ('SELECT 1; COMMIT; DROP TABLE crm."Deals 2025"', "one SELECT is expected, which only reads"),
        ('WITH x AS (DELETE FROM crm."Deals 2025" RETURNING *) SELECT * FROM x', "one SELECT is expected, which only"),
        ("SELECT 1 AS deal_id INTO crm.other", "SELECT ... INTO is not allowed here"),
        ("SELECT lo_create(0) AS deal_id", "the column 'created_on' is missing"),  # and what it made is rolled back
        ("SELECT set_config('transaction_read_only', 'off', false)", "must be set before any query"),
        ("SELECT pg_sleep(9)", "is stopped: it takes longer than 1 seconds"),
        ("SELECT x AS deal_id FROM generate_series(1, 1000000000) x", "is stopped: it takes longer than 1 seconds"),
        ("SELECT CAST(current_user AS int)", "so it is not shown here"),
        ("SELECT * FROM crm.nothing", 'relation "crm.nothing" does not exist'),
        (
            "SELECT 'D-1' AS deal_id, 'open' AS status, CAST('infinity' AS date) AS created_on",
            r"created_on 'infinity'",
        ),
    ],
)
def test_postgresql_is_only_read(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, server: str, query: str, said: str
) -> None:
    monkeypatch.setenv("CRM_DB_URL", server)
    with pytest.raises(PartnerKpiError, match=said):
        open_book(book_on(write_book, asking(query), seconds=1))
    assert asked(server, 'SELECT count(*) FROM crm."Deals 2025"') == [[2]]
    assert asked(server, "SELECT count(*) FROM pg_largeobject_metadata") == [[0]]


def shown_and_written(folder: Path, tmp_path: Path, environment: dict[str, str]) -> list[bytes]:
    """All that commands print of the book and write of it: pages, notebooks, tables, manifest, slices."""
    out, env = tmp_path / "out", {**os.environ, **environment}
    texts = []
    for arguments in (
        ["check", str(folder), "--format", "json"],
        ["score", str(folder), "--format", "json"],
        ["review", str(folder), "--quarter", "2025Q2", "--out", str(out), "--jobs", "1"],
    ):
        command = [sys.executable, "-m", "partnerkpi", *arguments]
        ended = subprocess.run(command, env=env, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        texts += [ended.stdout, ended.stderr]
    plan = planned(folder, "2025Q2", None, as_of=None, allow_set_aside=False, notebooks=None)
    plan.write_slice("", out)
    written = [path for path in out.rglob("*") if path.is_file()]
    assert {".html", ".ipynb", ".json", ".csv", ".arrow"} <= {path.suffix for path in written}
    return [*texts, *(path.read_bytes() for path in written), *(str(path).encode() for path in written)]


@pytest.mark.slow
def test_credentials_stand_in_no_file_page_slice_or_error(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, server: str, tmp_path: Path
) -> None:
    where = server.partition("?host=")[2]
    secrets = {"CRM_PASSWORD": PASSWORD, "CRM_SOCKET": where}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    url = f"postgresql+psycopg://{OWNER}:${{CRM_PASSWORD}}@/postgres?host=${{CRM_SOCKET}}"
    folder = book_on(write_book, 'relation = "crm.Deals 2025"', url)
    texts = shown_and_written(folder, tmp_path, secrets)
    monkeypatch.setenv("CRM_PASSWORD", PASSWORD + "x")
    refused = CliRunner().invoke(partnerkpi, ["check", str(folder), "--debug"])
    assert isinstance(refused.exception, SystemProblem)
    assert "it refused the user or the password" in str(refused.exception)
    for text in [*texts, f"{refused.output}{refused.exception}".encode()]:
        for secret in (PASSWORD, quote(PASSWORD, safe=""), OWNER, where):
            assert secret.encode() not in text


@pytest.mark.slow
def test_the_address_of_a_file_stands_in_no_file_page_or_slice(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRM_DB_URL", "sqlite:///hunter2.db")
    query = "SELECT id AS deal_id, day AS created_on, day AS closed_on, 'won' AS status, value AS amount FROM crm"
    folder = book_on(write_book, asking(query))
    with contextlib.closing(sqlite3.connect(folder / "hunter2.db")) as made:
        made.execute("CREATE TABLE crm AS SELECT 'D-1' AS id, '2025-05-01' AS day, 12.5 AS value")
        made.commit()
    assert not [text for text in shown_and_written(folder, tmp_path, {}) if b"hunter2" in text]
