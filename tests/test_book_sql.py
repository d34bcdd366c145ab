from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.book import queries
from partnerkpi.errors import DataRefused, UsageError
from partnerkpi.opening import open_book

Write = Callable[..., Path]
ORDERS = "order,partner,day,value\nO-2,P-1,2025-01-02,1.25\nO-1,P-1,2025-01-01,2.50\nO-2,P-1,2025-01-02,1.25\n"
SUMS = (
    'SELECT "order" AS deal_id, partner AS partner_id, CAST(day AS DATE) AS created_on, day AS closed_on,'
    " sum(CAST(value AS DECIMAL(18, 2))) AS amount, 'won' AS status FROM orders GROUP BY ALL"
)


def book_with(write_book: Write, sql: str, extra: str = "", orders: str = ORDERS) -> Path:
    folder = write_book(None, toml=f'[deals]\nsql = """{sql}"""\n{extra}')
    (folder / "orders.csv").write_text(orders)
    return folder


def test_rows_are_summed_and_joined_and_the_account_is_over_the_result(write_book: Write) -> None:
    book = open_book(book_with(write_book, SUMS))
    assert book.deals["deal_id"].tolist() == ["O-1", "O-2"]
    assert book.deals["amount"].tolist() == [2.5, 2.5]
    assert book.deals["created_on"].dt.strftime("%Y-%m-%d").tolist() == ["2025-01-01", "2025-01-02"]
    assert book.deals["_file"].tolist() == ["[deals] sql"] * 2
    assert book.deals["_record"].tolist() == [1, 2]
    assert book.reading.rows()["read"] == 2
    assert "orders.csv" in book.reading.inputs


def test_a_result_that_carries_its_place_keeps_it(write_book: Write) -> None:
    sql = SUMS.replace("SELECT", "SELECT min(_record) AS _record, min(_line) AS _line, any_value(_file) AS _file,")
    book = open_book(book_with(write_book, sql))
    assert book.deals[["_file", "_record", "_line"]].to_numpy().tolist() == [["orders.csv", 1, 2], ["orders.csv", 2, 3]]


def test_values_that_are_no_text_are_read_as_they_are_whatever_is_declared(write_book: Write) -> None:
    sql = (
        "SELECT 'A' AS deal_id, 'open' AS status, TIMESTAMP '2025-01-05 10:00:00' AS created_on,"
        " CAST(1234.5 AS DECIMAL(9, 2)) AS amount, 'x' AS rep, NULL AS stage, '' AS unit"
    )
    folder = write_book(None, toml=f'[deals]\ndecimal = ","\nthousands = "."\ndates = "%d/%m/%Y"\nsql = """{sql}"""\n')
    deal = open_book(folder).deals.iloc[0]
    assert (deal["amount"], str(deal["created_on"])) == (1234.5, "2025-01-05 00:00:00")
    assert open_book(folder).deals[["stage", "unit"]].isna().all(axis=None)


def test_cells_reach_the_query_as_text_and_empty_ones_as_null(write_book: Write) -> None:
    sql = "SELECT id AS deal_id, d AS created_on, 'open' AS status, coalesce(note, 'none') AS name FROM orders"
    folder = book_with(write_book, sql, orders="id,d,note\n007,2025-01-01,\nNA,2025-01-01,null\n")
    assert open_book(folder).deals[["deal_id", "name"]].to_numpy().tolist() == [["007", "none"], ["NA", "null"]]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", r"\[deals\] sql fails"),
        ("SELECT nothing FROM orders", r"\[deals\] sql fails: .*nothing"),
        ("SELECT * FROM ordres", "ordres"),
        ("SELECT 1; SELECT 2", "sql is refused: one SELECT is expected.*, not SELECT, then SELECT"),
        ("COPY (SELECT 1) TO 'out.csv'", "one SELECT is expected.*, not COPY"),
        ("ATTACH 'x.db'", "one SELECT is expected.*, not ATTACH"),
        ("INSTALL httpfs", "one SELECT is expected"),
        ("SET threads = 4", "one SELECT is expected.*, not SET"),
        ("-- nothing", "one SELECT is expected.*, not nothing"),
        ("SELECT 1 AS a, 2 AS A", "two columns of the result have one name among a, A"),
        ("SELECT 1.5 AS _record", "_record says where a row was read"),
        ("SELECT 'x' AS _line", "_line says where a row was read"),
        (
            "SELECT * FROM read_csv('orders.csv')",
            "sql is refused: it reads a file or changes a setting. A query can read",
        ),
        ("SELECT * FROM 'orders.csv'", "sql is refused: it reads a file or changes a setting. A query can read"),
        (
            "SELECT * FROM read_text('/etc/hostname')",
            "sql is refused: it reads a file or changes a setting. A query can read",
        ),
        ("SELECT * FROM glob('/*')", "sql is refused: it reads a file or changes a setting. A query can read"),
        ("SELECT * FROM sources", "sql fails"),
        (
            "SELECT * FROM read_csv('https://example.org/x.csv')",
            "sql is refused: it reads a file or changes a setting. A query can read",
        ),
    ],
)
def test_a_query_can_read_the_views_and_nothing_else(write_book: Write, sql: str, said: str) -> None:
    folder = book_with(write_book, sql)
    before = sorted(p.name for p in folder.iterdir())
    with pytest.raises(UsageError, match=said):
        open_book(folder)
    assert sorted(p.name for p in folder.iterdir()) == before


def test_a_file_that_cannot_be_read_whole_refuses_the_query(write_book: Write) -> None:
    with pytest.raises(DataRefused, match=r"orders.csv, line 3 .record 2.*: the row has 3 cells, the header 4"):
        open_book(book_with(write_book, SUMS, orders=ORDERS.replace(",2.50", "")))
    with pytest.raises(DataRefused, match="NUL"):
        open_book(book_with(write_book, SUMS, orders=ORDERS.replace("O-2", "O\0")))


def test_a_result_without_a_required_column_is_refused(write_book: Write) -> None:
    with pytest.raises(DataRefused, match=r"\[deals\] sql.*'created_on' is missing"):
        open_book(book_with(write_book, "SELECT \"order\" AS deal_id, 'open' AS status FROM orders"))


def test_a_misspelt_view_name_lists_the_views(write_book: Write) -> None:
    folder = book_with(write_book, "SELECT * FROM ordes", extra='files = ["orders.csv"]\n')
    with pytest.raises(UsageError, match="A query can read these views and nothing else: orders"):
        open_book(folder)


def test_views_and_columns_that_differ_only_in_capitals_are_refused(write_book: Write) -> None:
    folder = book_with(write_book, "SELECT * FROM orders")
    (folder / "Orders.csv").write_text(ORDERS)
    with pytest.raises(UsageError, match="two files are called"):
        open_book(folder)
    with pytest.raises(UsageError, match=r"in 'orders.csv' two columns differ only in capitals"):
        open_book(book_with(write_book, "SELECT * FROM orders", orders="Value,value\n1,2\n"))


def test_the_settings_of_a_query_are_locked(write_book: Write) -> None:
    sql = "SELECT name AS deal_id, value AS name, 'open' AS status, '2025-01-01' AS created_on FROM duckdb_settings()"
    deals = open_book(book_with(write_book, sql)).deals.set_index("deal_id")["name"]
    assert deals["lock_configuration"] == "true"
    assert deals["enable_external_access"] == "false"
    assert deals["python_enable_replacements"] == "false"
    assert deals["temp_directory"] != deals["temp_directory"]  # an empty text is missing
    assert deals["TimeZone"] == "UTC"


ENDLESS = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT sum(a.range * b.range) AS deal_id FROM range(1000000) a, range(1000) b",
            "takes longer than 0.3 seconds",
        ),
        (ENDLESS, "takes longer than 0.3 seconds"),
        ("SELECT range AS deal_id FROM range(100000000000)", "is stopped: it (takes longer|needs more)"),
        ("SELECT list(range) AS deal_id FROM range(1000000000)", "needs more than 2 GB of memory"),
    ],
)
def test_a_query_without_end_is_stopped(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    monkeypatch.setattr(queries, "_SECONDS", 60 if "memory" in said else 0.3)
    settings = [s.replace("2GB", "50MB") for s in queries._LOCKED]
    monkeypatch.setattr(queries, "_LOCKED", settings)
    with pytest.raises(UsageError, match=said):
        open_book(book_with(write_book, sql))


def test_a_result_that_is_too_large_is_stopped(write_book: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_TEXT", 1 << 20)
    with pytest.raises(UsageError, match="needs more than 2 GB of memory"):
        open_book(book_with(write_book, "SELECT range AS deal_id FROM range(10000000)"))
