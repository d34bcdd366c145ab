import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from partnerkpi.book.connections import source_of
from partnerkpi.cli import partnerkpi
from partnerkpi.errors import DataRefused, PartnerKpiError, SystemProblem, UsageError
from partnerkpi.opening import check_book, open_book

pytest.importorskip("sqlalchemy")

Write = Callable[..., Path]
FILE = '[source]\nurl = "sqlite:///crm.db"\n'
SELECT = "SELECT id AS deal_id, day AS created_on, 'open' AS status, value AS amount FROM crm"


def file_of(write_book: Write, deals: str, *statements: str, source: str = FILE, more: str = "") -> Path:
    folder = write_book(None, toml=f"{source}[deals]\n{deals}\n{more}")
    with sqlite3.connect(folder / "crm.db") as made:
        made.execute("CREATE TABLE crm (id TEXT, day TEXT, value NUMERIC)")
        made.executemany("INSERT INTO crm VALUES (?, ?, ?)", [("D-2", "2025-01-02", 0.1), ("D-1", "2025-01-01", 12.5)])
        for statement in statements:
            made.execute(statement)
    made.close()
    return folder


def asking(query: str) -> str:
    return f'query = """{query}"""'


def test_rows_come_in_the_order_of_the_key_and_are_the_input(write_book: Write) -> None:
    folder = file_of(write_book, asking(SELECT + " ORDER BY value"))
    book = open_book(folder)
    assert book.deals["deal_id"].tolist() == ["D-1", "D-2"]
    assert book.deals["amount"].tolist() == [12.5, 0.1]
    assert book.deals[["_file", "_record", "_line"]].to_numpy().tolist() == [
        ["[deals] query", 1, 0], ["[deals] query", 2, 0]
    ]  # fmt: skip
    turned = file_of(write_book, asking(SELECT + " ORDER BY id"), "CREATE TABLE other (x)")
    assert open_book(turned).reading.inputs["[deals] query"] == book.reading.inputs["[deals] query"]
    grown = file_of(write_book, asking(SELECT), "INSERT INTO crm VALUES ('D-3', '2025-01-03', 1)")
    assert open_book(grown).reading.inputs["[deals] query"] != book.reading.inputs["[deals] query"]


def test_a_relation_is_mapped_like_a_file_and_files_may_stand_beside_it(write_book: Write) -> None:
    columns = (
        '[deals.columns]\ndeal_id = "id"\ncreated_on = "day"\namount = "value"\n[deals.constants]\nstatus="open"\n'
    )
    folder = file_of(write_book, 'relation = "crm"', more=columns)
    (folder / "partners.csv").write_text("partner_id,name\nP-1,One\n")
    book = open_book(folder)
    assert book.deals["amount"].tolist() == [12.5, 0.1]
    assert sorted(book.reading.inputs) == ["[deals] relation", "book.toml", "partners.csv"]
    with pytest.raises(UsageError, match=r"\[deals\] relation fails: no such table: cmr\. Did you mean 'crm'\?"):
        open_book(file_of(write_book, 'relation = "cmr"', more=columns))
    with pytest.raises(DataRefused, match=r"the column 'vlaue' is missing\. Did you mean 'value'"):
        open_book(file_of(write_book, 'relation = "crm"', more=columns.replace("value", "vlaue")))


def test_numbers_among_texts_and_bytes_are_not_guessed(write_book: Write) -> None:
    """A SQLite column holds what was put into it: 12.345 beside a text is still twelve and a bit."""
    marks = '\ndecimal = ","\nthousands = "."'
    folder = file_of(
        write_book, asking(SELECT) + marks, "UPDATE crm SET value = '1.234,5' WHERE id = 'D-2'",
        "UPDATE crm SET value = 12.345 WHERE id = 'D-1'",
    )  # fmt: skip
    assert open_book(folder).deals["amount"].tolist() == [12.345, 1234.5]
    folder = file_of(write_book, asking(SELECT), "UPDATE crm SET value = x'3132' WHERE id = 'D-2'")
    with pytest.raises(DataRefused, match=r"amount: the column holds values of the kind bytes.*CAST it AS TEXT"):
        open_book(folder)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM crm", "one SELECT is expected, not 'DELETE FROM crm'"),
        ("SELECT 1; DELETE FROM crm", "is refused: one SELECT is expected, which only reads"),
        ("WITH x AS (SELECT 1) DELETE FROM crm", "is refused: one SELECT is expected, which only reads"),
        ("WITH x AS (SELECT 1) INSERT INTO crm SELECT 'D-9', '', 1", "is refused: one SELECT"),
        ("SELECT load_extension('x')", "is refused: one SELECT"),
        ("SELECT nix FROM crm", r"\[deals\] query fails: no such column: nix"),
        ("SELECT 1 AS a, 2 AS a", "two columns of the result have one name, 'a'"),
        ("SELEC 1", "one SELECT is expected"),
        ("", "query: it is empty"),
        (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) AS deal_id FROM n",
            "is stopped: it takes longer than 1 seconds",
        ),
        (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS deal_id FROM n",
            "is stopped: it (takes longer than 1 seconds|gives more than the 100,000 cells)",
        ),
    ],
)
def test_a_query_reads_and_ends(write_book: Write, monkeypatch: pytest.MonkeyPatch, query: str, said: str) -> None:
    monkeypatch.setenv("PARTNERKPI_MOST_CELLS", "100000")
    folder = file_of(write_book, asking(query), source=FILE + "seconds = 1\n")
    before = (folder / "crm.db").read_bytes()
    with pytest.raises(UsageError, match=said):
        open_book(folder)
    assert (folder / "crm.db").read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["book.toml", "crm.db"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///../crm.db", "must be inside the book's folder"),
        ("sqlite:////etc/passwd", "must be inside the book's folder"),
        ("sqlite:///link.db", "a link that leads out of the book's folder"),
        ("sqlite://", "a file in the book's folder is expected"),
        ("sqlite:///:memory:", "a file in the book's folder is expected"),
        ("sqlite:///file:crm.db?uri=true", "a file in the book's folder is expected"),
        ("sqlite:///crn.db", "has no such SQLite file. Did you mean 'crm.db'"),
        ("sqlite:///text.db", "no SQLite database, or damaged"),
        ("mysql://${U}@host/db", "only databases of the kinds postgresql and sqlite are read"),
        ("crm.db", "begins with the kind of database"),
        ("postgresql://u:hunter2@host/db", "a password stands in it"),
        ("postgresql://u:hunter2${U}@host/db", "a password stands in it"),
        ("postgresql://u:hun@ter2@host/db", "a password stands in it"),
        ("postgresql://host/db?user=u&password=hunter2", "'password' stands in it"),
        ("postgresql://u:$hunter2@host/db", "is written \\$\\{NAME\\}"),
        ("${NOT_THERE}", "the environment has no NOT_THERE"),
        ("postgresql://u:${NOT_THERE}@host/db", "the environment has no NOT_THERE"),
    ],
)
def test_a_wrong_address_is_refused_without_its_secrets(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, said: str
) -> None:
    monkeypatch.setenv("U", "somebody:hunter2")
    folder = file_of(write_book, asking(SELECT), source=f'[source]\nurl = "{url}"\n')
    (folder / "text.db").write_text("deal_id\n" * 999)
    (tmp_path / "outside.db").write_bytes(b"")
    (folder / "link.db").symlink_to(tmp_path / "outside.db")
    with pytest.raises(PartnerKpiError, match=said) as caught:
        open_book(folder)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://somebody:hunter2@127.0.0.1:1/crm", "cannot be reached: nothing answers there.*as CRM_DB_URL"),
        ("postgresql://somebody:hunter2@nowhere.invalid/crm", "cannot be reached"),
        ("postgresql://somebody:hun/ter2@127.0.0.1/crm", "cannot be reached|is no address"),
        ("postgresql://somebody:hunter2@host:hunter2/crm", "is no address of a database"),
        ("somebody:hunter2@host", "is no address of a database"),
        ("hunter2://somebody@host", "only databases of the kinds"),
        (
            "postgresql://somebody:hunter2@127.0.0.1:1/crm?hunter2=x",
            "after the . only host, sslmode, sslrootcert can stand",
        ),
    ],
)
def test_no_error_repeats_the_address(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    pytest.importorskip("pg8000")
    monkeypatch.setenv("CRM_DB_URL", address)
    folder = file_of(write_book, asking(SELECT), source='[source]\nurl = "${CRM_DB_URL}"\n')
    with pytest.raises((SystemProblem, UsageError), match=said) as caught:
        open_book(folder)
    result = CliRunner().invoke(partnerkpi, ["check", str(folder), "--debug"])
    for text in (str(caught.value), result.output, str(result.exception)):
        assert not re.search("hunter2|ter2|somebody|nowhere", text)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (f"[deals]\n{asking(SELECT)}\n", "no database is named. Write .source. url"),
        (FILE + '[deals]\nfiles = ["deals.csv"]\n', "nothing is read from it"),
        (FILE + f'[deals]\nfiles = ["deals.csv"]\n{asking(SELECT)}\n', "from query or from files, not from both"),
        (FILE + f'[deals]\nrelation = "crm"\n{asking(SELECT)}\n', "from query or from relation, not from both"),
        (FILE + '[deals]\nrelation = "crm."\n', "the name of a table is expected"),
        ('[source]\nurl = ["postgresql://u:hunter2@host"]\n', "url: a text is expected"),
        ('[source]\nurl = "sqlite:///x.db"\npassword = "hunter2"\n', "password: there is no such name here"),
        (FILE + "seconds = 0\n", "seconds: a whole number from 1 to 3,600"),
    ],
)
def test_a_wrong_section_is_refused(write_book: Write, toml: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_book(write_book("deal_id,created_on,status\n", toml=toml))
    assert "hunter2" not in str(caught.value)


def test_what_the_environment_holds_may_have_any_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", "a@b/c:d%e")
    source = source_of({"url": "postgresql://u:${CRM_PASSWORD}@host/db"})
    assert source is not None
    assert source.address() == "postgresql://u:a%40b%2Fc%3Ad%25e@host/db"
    assert "a@b" not in repr(source)


@pytest.mark.parametrize("package", ["sqlalchemy", "pg8000"])
def test_without_a_package_a_sentence_names_the_extra(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("CRM_DB_URL", "postgresql://somebody:hunter2@host/db")
    folder = file_of(write_book, asking(SELECT), source='[source]\nurl = "${CRM_DB_URL}"\n')
    with pytest.raises(UsageError, match=r"pip install 'partnerkpi\[sql\]'"):
        open_book(folder)


def test_without_a_password_in_the_way_check_says_what_is_wrong(write_book: Write) -> None:
    folder = file_of(write_book, asking(SELECT), "UPDATE crm SET day = '01/02/2025' WHERE id = 'D-2'")
    assert "E [deals] query, record 2, created_on '01/02/2025': declare the format" in str(check_book(folder).faults[0])
