"""A column is read under the name that is declared, and none that looks like one is dropped without a word."""

from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.cli import run
from partnerkpi.errors import DataRefused, UsageError
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status"
ROW = "D-1,2025-01-01,open"
WIDE_AMOUNT, WIDE_ID = (text.translate({n: n + 0xFEE0 for n in range(33, 127)}) for text in ("amount", "deal-ID"))


def deals(*headers: str) -> str:
    return f"{','.join([HEAD, *headers])}\n{','.join([ROW, *('5' for _ in headers)])}\n"


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("Amount", "amount"),
        ("amount ", "amount"),
        (" AMOUNT", "amount"),
        ("Partner_ID", "partner_id"),
        ("Partner ID", "partner_id"),
        ("partner-id", "partner_id"),
        ("partnerid", "partner_id"),
        (WIDE_AMOUNT, "amount"),
        ("Expected\u00a0Close On", "expected_close_on"),
    ],
)
def test_a_header_that_is_a_known_column_but_for_its_spelling_is_refused(
    write_book: Write, header: str, column: str
) -> None:
    with pytest.raises(DataRefused, match=f'map it under .deals.columns., {column} = "{header}"') as caught:
        open_book(write_book(deals(header)))
    assert [(f.kind, f.file, f.column, f.value) for f in caught.value.faults] == [("E", "deals.csv", column, header)]


def test_it_is_read_once_it_is_mapped_and_left_out_once_that_is_said(write_book: Write) -> None:
    book = open_book(write_book(deals("Amount"), toml='[deals.columns]\namount = "Amount"\n'))
    assert book.deals["amount"].tolist() == [5.0]
    for header in ("Amount", "amount", "amont"):
        book = open_book(write_book(deals(header), toml='[deals.columns]\namount = ""\n'))
        assert book.deals["amount"].isna().all()
        assert not book.reading.faults
        assert book.reading.unread == {"deals.csv": (header,)}
    with pytest.raises(UsageError, match="the column must be read"):
        open_book(write_book(deals(), toml='[deals.columns]\nstatus = ""\n'))


def test_a_column_that_is_read_already_may_have_a_namesake(write_book: Write) -> None:
    for headers, toml in (
        (("amount", "Amount"), ""),
        (("Amount", "net"), '[deals.columns]\namount = "net"\n'),
        (("Amount",), '[deals.constants]\namount = "7"\n'),
    ):
        book = open_book(write_book(deals(*headers), toml=toml))
        assert not book.reading.faults
        assert book.reading.unread == {"deals.csv": ("Amount",)}


def test_a_required_column_is_missed_once_with_the_spelling_that_is_there(write_book: Write) -> None:
    text = deals().replace("deal_id", WIDE_ID)
    with pytest.raises(DataRefused, match=f"'deal_id' is missing. Did you mean '{WIDE_ID}'") as caught:
        open_book(write_book(text))
    assert [f.kind for f in caught.value.faults] == ["E"]
    assert f'Map it under [deals.columns]: deal_id = "{WIDE_ID}"' in str(caught.value)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("ammount", "amount"),
        ("Amout", "amount"),
        ("amuont", "amount"),
        ("amuonts", ""),
        ("statuss", ""),
        ("region_", "region"),
        ("competitors", "competitor"),
        ("close_on", "closed_on"),
        ("unitt", "unit"),
        ("amoebas", ""),
        ("un", ""),
        ("note", ""),
        ("turnover", ""),
    ],
)
def test_a_header_that_is_merely_near_is_mentioned(write_book: Write, header: str, column: str) -> None:
    reading = check_book(write_book(deals(header)))
    near = [(f.kind, f.column, f.value) for f in reading.faults]
    kind = "E" if header == "region_" else "W"
    assert near == ([(kind, column, header)] if column else [])
    assert reading.unread == ({} if column else {"deals.csv": (header,)})


def test_a_missing_required_column_is_not_also_blamed_for_being_near(write_book: Write) -> None:
    reading = check_book(write_book(deals().replace("status", "statuss")))
    assert [(f.kind, f.column) for f in reading.faults] == [("E", "status")]
    assert "Did you mean 'statuss'" in reading.faults[0].rule


def test_other_columns_are_listed_once_for_each_file_by_check(
    write_book: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_book(
        deals("Owner", "Probability"),
        toml='[deals]\nfiles = ["deals.csv", "more.csv"]\n[partners]\nfiles = ["deals.csv"]\n'
        '[partners.columns]\npartner_id = "Owner"\n[channels]\n'
        'sql = "SELECT line AS channel, media, line FROM lines"\n',
        leads="lead_id,created_on,Score,\nL,2025-01-01,5,\n",
    )
    (folder / "more.csv").write_text(f"{HEAD},{','.join(f'c{i}' for i in range(70))}\nD-2{ROW[3:]}{',' * 70}\n")
    (folder / "lines.csv").write_text("line,media,Amount\nweb,paid,5\n")
    reading = check_book(folder)
    assert not reading.faults
    assert reading.unread == {
        "deals.csv": ("Probability",),
        "more.csv": tuple(f"c{i}" for i in range(70)),
        "leads.csv": ("Score", ""),
        "[channels] sql": ("line",),
    }
    assert run(["check", str(folder)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed.count("deals.csv: not read: Probability") == 1
    assert "leads.csv: not read: Score, (no name)" in printed
    assert [line for line in printed if line.endswith(", c59 … and 10 more")]
    assert not open_book(folder).reading.of_partner("5").unread


def test_a_query_is_taken_to_read_all_of_its_files(write_book: Write) -> None:
    toml = '[partners]\nsql = "SELECT Owner AS partner_id FROM deals"\n'
    assert not open_book(write_book(deals("Owner"), toml=toml)).reading.unread
