from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.errors import UsageError
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]
DEALS = "deal_id,created_on,status\nD-1,2025-01-01,open\n"


def test_a_book_with_canonical_tables_needs_only_the_header(write_book: Write) -> None:
    book = open_book(write_book(DEALS))
    assert (book.name, book.currency, book.time_zone, book.fiscal_year_starts) == ("Test", "EUR", "Europe/Paris", 1)
    assert book.as_of == book.extracted_on
    assert len(book.deals) == 1
    assert book.recorded == {"deals", "deals.deal_id", "deals.created_on", "deals.status"}


def test_a_missing_folder_and_a_missing_book_toml_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        open_book(tmp_path / "nowhere")
    with pytest.raises(UsageError) as caught:
        open_book(tmp_path)
    assert "has no book.toml" in str(caught.value)
    assert '[book]\nname = "Example"' in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (
            '[deals.columns]\namout = "Value"',
            r"\[deals.columns\] amout: there is no such name here. Did you mean 'amount'",
        ),
        ('[deals]\ndelimeter = ";"', r"\[deals\] delimeter: .* Did you mean 'delimiter'"),
        ("[deal]\n", r"\[deal\]: .* Did you mean 'deals'"),
        ('[deals.values.status]\nwonn = ["x"]', r"\[deals.values.status\] wonn: .* Did you mean 'won'"),
        ('[deals.values.staus]\nwon = ["x"]', r"staus: .* Did you mean 'status'"),
        ('[deals]\ndates = { created = "%Y" }', r"dates created: .* Did you mean 'created_on'"),
        ('[deals]\ndates = "%d/%m"', "must name year, month and day"),
        ('[deals]\ndates = "%Q/%m/%Y"', "no date format"),
        ('[deals]\ndecimal = ";"', "decimal"),
        ('[deals]\ndecimal = ","\nthousands = ","', "also the decimal mark"),
        ('[deals]\nencoding = "utf-99"', "there is no encoding 'utf-99'"),
        ('[deals]\ndelimiter = ";;"', "one character"),
        ('[deals]\nfiles = ["deels.csv"]', "Did you mean 'deals.csv'"),
        ('[deals]\nfiles = ["deals.csv", "deals.csv"]', "named twice"),
        ('[deals]\nfiles = ["../deals.csv"]', "inside the book's folder"),
        ('[deals]\nfiles = ["https://example.org/deals.csv"]', "inside the book's folder"),
        ('[deals]\nfiles = ["deals.pkl"]', "no file this package reads"),
        ('[deals]\nfiles = ["deals.xlsx"]', r"there is no file 'deals\.xlsx'"),
        (
            '[deals]\nfiles = ["deals.xls"]',
            r"no file this package reads\. Open it in a spreadsheet and save it as \.xlsx",
        ),
        ('[deals]\nfiles = ["deals.xlsm"]', r"A workbook with macros is not opened\. Save it as \.xlsx"),
        ('[deals]\nfiles = ["s3://bucket/deals.parquet"]', "inside the book's folder"),
        ('[source]\nurl = "x"', "begins with the kind of database"),
        ('[deals.columns]\nstage = "s"\n[deals.constants]\nstage = "t"', "Keep one"),
        ("[deals.constants]\namount = 5", "a text in quotes is expected"),
        ('[deals.values.status]\nwon = ["x"]\nlost = ["x"]', "stands under 'won' and 'lost'"),
        ("[leads]\n", "names no file, and there is no leads.csv"),
        ("[deals\n", "not readable as TOML"),
    ],
)
def test_a_wrong_book_toml_is_refused_with_the_place(write_book: Write, toml: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_book(write_book(DEALS, toml=toml))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("book", "said"),
    [
        ("", r"has no \[book\]"),
        ('[book]\ncurrency = "EUR"\n', "extracted_on: the day the export was made"),
        ('[book]\ncurrency = "EUR"\nextracted_on = "2025-02-30"\n', "extracted_on"),
        ('[book]\ncurrency = "EUR"\nextracted_on = 2025-12-31T10:00:00\n', "extracted_on"),
        ('[book]\ncurrency = "euro"\nextracted_on = 2025-12-31\n', "three capital letters"),
        ('[book]\ncurrency = "EUR"\nextracted_on = 2025-12-31\ntime_zone = "Paris"\n', "Europe/Paris"),
        ('[book]\ncurrency = "EUR"\nextracted_on = 2025-12-31\nfiscal_year_starts = 13\n', "month from 1 to 12"),
        ('[book]\ncurrency = "EUR"\nextracted_on = 2025-12-31\npreset = "saleforce"\n', "is not one of"),
        ('[book]\ncurency = "EUR"\n', "Did you mean 'currency'"),
    ],
)
def test_a_wrong_header_is_refused(write_book: Write, book: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_book(write_book(DEALS, book=book))


def test_a_book_without_deals_says_which_files_there_are(write_book: Write) -> None:
    folder = write_book(None, leads="lead_id,created_on\n")
    with pytest.raises(UsageError, match=r"there is no deals\.csv.*The folder has: leads\.csv"):
        open_book(folder)


@pytest.mark.parametrize("as_of", ["2026-01-01", "31.12.2025", "2025-13-01", "today"])
def test_a_day_after_the_export_or_no_day_is_refused(write_book: Write, as_of: str) -> None:
    with pytest.raises(UsageError):
        open_book(write_book(DEALS), as_of)


def test_mapped_columns_constants_and_values_are_used(write_book: Write) -> None:
    toml = """
[deals]
files = ["export.csv"]
delimiter = ";"
decimal = ","
thousands = "."
dates = "%d/%m/%Y"
encoding = "cp1252"
[deals.columns]
deal_id = "Opportunity ID"
created_on = "Created"
closed_on = "Closed"
status = "Stage"
amount = "Value"
customer = "Customer"
[deals.values.status]
won = ["Closed Won"]
ignore = ["Prospecting"]
[deals.constants]
sourced = "partner"
"""
    folder = write_book(None, toml=toml)
    lines = [
        "Opportunity ID;Created;Closed;Stage;Value;Customer;Note",
        "007;01/02/2025;31/03/2025;Closed Won;1.234,50;Café;x",
        "1E5;1/2/2025;;Prospecting;99;;y",
        "NA;01/02/2025;;open;;;z",
    ]
    (folder / "export.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    book = open_book(folder, allow_set_aside=True)
    assert book.deals["deal_id"].tolist() == ["007", "NA"]
    assert book.deals["amount"].iloc[0] == 1234.5
    assert book.deals["customer"].iloc[0] == "Café"
    assert list(book.deals["sourced"]) == ["partner", "partner"]
    assert book.deals["closed_on"].iloc[0].isoformat() == "2025-03-31T00:00:00"
    assert book.records("deals.sourced")
    assert not book.records("deals.stage")
    assert book.reading.rows() == {"read": 3, "used": 2, "out of scope": 1, "set aside": 0}
    assert book.reading.money()["EUR"] == {
        "read": 133350,
        "used": 123450,
        "out of scope": 9900,
        "set aside": 0,
        "unknown": 0,
    }
    assert set(book.reading.inputs) == {"book.toml", "export.csv"}


def test_dates_may_be_declared_column_by_column(write_book: Write) -> None:
    toml = '[deals]\ndates = { created_on = "%d.%m.%Y", closed_on = "%d.%m.%Y %H:%M %z" }\n'
    text = "deal_id,created_on,status,closed_on\nD-1,01.02.2025,won,31.03.2025 23:30 +0000\n"
    book = open_book(write_book(text, toml=toml))
    assert book.deals["closed_on"].iloc[0].isoformat() == "2025-04-01T00:00:00"  # the day it is in Paris


def test_files_are_appended_in_their_order(write_book: Write) -> None:
    folder = write_book(DEALS, toml='[deals]\nfiles = ["deals.csv", "more.tsv"]\n')
    (folder / "more.tsv").write_text("status\tdeal_id\tcreated_on\topen\nopen\tD-2\t2025-01-01\tx\n")
    book = open_book(folder)
    assert book.deals["deal_id"].tolist() == ["D-1", "D-2"]
    assert book.deals["_file"].tolist() == ["deals.csv", "more.tsv"]


def test_the_sample_book_opens_and_is_whole() -> None:
    reading = check_book()
    assert not reading.refused
    assert reading.rows()["set aside"] == 0


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("year_act = 0.6", ""),
        ("year_akt = 0.6", "year_act"),
        ('year_act = "low"', "a number above 0"),
        ("likely = 2", "at most 1"),
        ("channel_decided = true", "a number above 0"),
        ("year_act = nan", "a number above 0"),
    ],
)
def test_thresholds_of_a_book(tmp_path: Path, line: str, fault: str) -> None:
    (tmp_path / "deals.csv").write_text("deal_id,created_on,status\nD1,2025-10-01,open\n", encoding="utf-8")
    head = '[book]\ncurrency = "EUR"\nextracted_on = 2025-12-31\n\n[thresholds]\n'
    (tmp_path / "book.toml").write_text(head + line + "\n", encoding="utf-8")
    if not fault:
        assert open_book(tmp_path).thresholds.year_act == 0.6
        return
    with pytest.raises(UsageError, match=fault):
        open_book(tmp_path)
