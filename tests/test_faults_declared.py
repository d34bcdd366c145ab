"""What a key of book.toml decides, what is not in this version, and a book.toml at fault: by the command line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from partnerkpi.cli import run

Write = Callable[..., Path]
Text = pytest.CaptureFixture[str]
BOOK = '[book]\nname = "T"\ncurrency = "EUR"\nextracted_on = 2025-12-31\n'
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id"


def checked(folder: Path, capsys: Text) -> tuple[int, list[str], dict[str, int]]:
    """The exit code of `check`, the lines of its faults, and the account of the deals, which always adds up."""
    code = run(["check", str(folder)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line[:2] in ("E ", "Q ", "W ")]
    assert run(["check", str(folder), "--format", "json"]) == code
    rows = json.loads(capsys.readouterr().out)["account"]["deals"]["rows"]
    assert rows["read"] == rows["used"] + rows["out of scope"] + rows["set aside"]
    return code, lines, rows


def scored(folder: Path, capsys: Text, *options: str, quarter: str = "2025Q4") -> dict[str, str]:
    """What `score` says of the whole network, by figure; headlines by the name of their KPI."""
    command = ["score", str(folder), "--by", "none", "--quarter", quarter, "--format", "csv", *options]
    assert run(command) == 0, capsys.readouterr().err
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return {r["kpi"] if r["figure"] == "headline" else r["figure"]: r["value"] for r in rows if r["group"] == "all"}


VERSIONS = f"{HEAD},Modified\n" + (
    "A,2025-09-01,won,2025-11-03,100,P,2025-11-03 09:00\n"
    "A,2025-09-01,won,2025-11-03,140,P,2025-12-01 09:00\n"
    "A,2025-09-01,open,,90,P,2025-09-02 09:00\n"
    "B,2025-09-01,won,2025-11-04,50,P,\n"
)
LATEST = '[deals]\nlatest_by = "Modified"\n'


def test_of_several_versions_the_latest_is_used_where_that_is_declared(write_book: Write, capsys: Text) -> None:
    """The won amount beside that of a query which takes the latest row of each id."""
    folder = write_book(VERSIONS, toml=LATEST)
    code, lines, rows = checked(folder, capsys)
    assert (code, rows) == (0, {"read": 4, "used": 2, "out of scope": 2, "set aside": 0})
    assert lines == [
        "W deals.csv, deal_id 'A': an older version of a row that stands in several: the latest by 'Modified' counts "
        "(2 rows, first: line 2)"
    ]
    sql = f"""SELECT sum(amount) FROM (SELECT * FROM read_csv('{folder}/deals.csv')
              QUALIFY row_number() OVER (PARTITION BY deal_id ORDER BY Modified DESC) = 1) WHERE status = 'won'"""
    (whole,) = duckdb.sql(sql).fetchall()[0]
    assert float(scored(folder, capsys)["won_amount"]) == whole == 190
    undeclared = write_book(VERSIONS)
    code, lines, rows = checked(undeclared, capsys)
    assert (code, rows["set aside"]) == (1, 3)
    assert lines[0] == "Q deals.csv, deal_id 'A': the same key stands in rows that differ (3 rows, first: line 2)"


@pytest.mark.parametrize("stamp", ["2025-12-01 09:00", "", "yesterday"])
def test_versions_of_which_none_is_the_latest_are_all_set_aside(write_book: Write, capsys: Text, stamp: str) -> None:
    folder = write_book(VERSIONS + f"A,2025-09-01,won,2025-11-03,150,P,{stamp}\n", toml=LATEST)
    code, lines, rows = checked(folder, capsys)
    assert (code, rows) == (1, {"read": 5, "used": 1, "out of scope": 0, "set aside": 4})
    assert lines[0].startswith(
        "Q deals.csv, deal_id 'A': the same key stands in rows that differ, and 'Modified' does not tell which is the "
    )
    assert scored(folder, capsys, "--allow-set-aside")["won_amount"] == "50.0"


def test_no_version_is_used_because_another_cannot_be_read(write_book: Write, capsys: Text) -> None:
    text = f"{HEAD}\nA,2025-09-01,open,,x5,P\nA,2025-09-01,open,,7,P\nB,2025-09-01,open,,2,P\n"
    code, lines, rows = checked(write_book(text), capsys)
    assert (code, rows) == (1, {"read": 3, "used": 1, "out of scope": 0, "set aside": 2})
    assert "Q deals.csv, line 3 (record 2), deal_id 'A': the same key stands in rows that differ" in lines


def test_no_older_version_takes_the_place_of_a_latest_that_cannot_be_read(write_book: Write, capsys: Text) -> None:
    folder = write_book(VERSIONS.replace(",140,", ",1x0,"), toml=LATEST)
    _, lines, rows = checked(folder, capsys)
    assert rows == {"read": 4, "used": 1, "out of scope": 2, "set aside": 1}
    assert lines[0].startswith("Q deals.csv, line 3 (record 2), amount '1x0': not an amount")
    assert scored(folder, capsys, "--allow-set-aside")["won_amount"] == "50.0"


def test_the_latest_is_told_in_a_declared_format(write_book: Write, capsys: Text) -> None:
    text = VERSIONS.replace("2025-12-01 09:00", "01/12/2025").replace("2025-11-03 09:00", "03/11/2025")
    text = text.replace("2025-09-02 09:00", "02/09/2025")
    folder = write_book(text, toml=LATEST + 'dates = { latest_by = "%d/%m/%Y" }\n')
    assert checked(folder, capsys)[0] == 0
    assert scored(folder, capsys)["won_amount"] == "190.0"


def test_a_column_that_tells_the_latest_must_be_there(write_book: Write, capsys: Text) -> None:
    code, lines, _ = checked_without_account(write_book(f"{HEAD}\nA,2025-01-01,open,,1,P\n", toml=LATEST), capsys)
    assert code == 1
    assert lines[0].startswith("E deals.csv: [deals] latest_by: the column 'Modified' is missing")
    for table in ("spend", "history"):
        folder = write_book(VERSIONS, toml=f'[{table}]\nlatest_by = "x"\n', **{table: "a,b\n"})
        assert run(["check", str(folder)]) == 2
        assert f"[{table}] latest_by: rows of this table have no id" in capsys.readouterr().err


def checked_without_account(folder: Path, capsys: Text) -> tuple[int, list[str], str]:
    code = run(["check", str(folder)])
    out, err = capsys.readouterr()
    return code, [line for line in out.splitlines() if line[:2] in ("E ", "Q ", "W ")], err


@pytest.mark.parametrize(
    ("bound", "amounts", "aside"),
    [
        ("", ["1e12", "1000000000001", "-1000000000001"], 2),
        ("largest_amount = 5000\n", ["5000", "5000.01", "7"], 1),
        ("largest_amount = 2e12\n", ["2000000000000", "1", "2000000000001"], 1),
    ],
)
def test_the_bound_of_amounts_is_a_key(
    write_book: Write, capsys: Text, bound: str, amounts: list[str], aside: int
) -> None:
    rows = "".join(f"D{n},2025-09-01,open,,{amount},P\n" for n, amount in enumerate(amounts))
    folder = write_book(f"{HEAD}\n{rows}", book=BOOK + bound)
    code, lines, account = checked(folder, capsys)
    assert (code, account["set aside"]) == (1, aside)
    most = {"": "1,000,000,000,000", "largest_amount = 5000\n": "5,000"}.get(bound, "2,000,000,000,000")
    assert sum(f"an amount beyond {most}" in line for line in lines) == aside
    whole = sum(float(a) for a in amounts if float(a) <= float(most.replace(",", "")) and float(a) > 0)
    assert float(scored(folder, capsys, "--allow-set-aside")["opportunity_pipeline"]) == whole


@pytest.mark.parametrize("bound", ["0", "-1", "1e14", "inf", "nan", "true", '"1e9"'])
def test_a_bound_that_cannot_be(write_book: Write, capsys: Text, bound: str) -> None:
    assert run(["check", str(write_book(VERSIONS, book=BOOK + f"largest_amount = {bound}\n"))]) == 2
    assert "largest_amount: a number above 0 and at most 1e13" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "NaN", "1e400", "1e309", "9" * 400])
def test_what_is_not_finite_sets_its_row_aside_and_is_in_no_sum(write_book: Write, capsys: Text, cell: str) -> None:
    folder = write_book(f"{HEAD}\nA,2025-09-01,open,,{cell},P\nB,2025-09-01,open,,5,P\n")
    code, lines, rows = checked(folder, capsys)
    assert (code, rows["set aside"]) == (1, 1)
    assert re.match(r"Q deals\.csv, line 2 \(record 1\), amount '.*': (not an amount|an amount beyond)", lines[0])
    assert scored(folder, capsys, "--allow-set-aside")["opportunity_pipeline"] == "5.0"


LATER = [
    ('[book]\nfiscal_year_named_by = "start"\n', "another name for the fiscal year", "the calendar year it ends in"),
    ('[book]\ncalendar = "4-4-5"\n', "quarters of weeks (4-4-5", "fiscal_year_starts"),
    ('[book]\nfiscal_year_starts = "4-4-5"\n', "quarters of weeks (4-4-5", "three calendar months"),
    ('[calendar]\nfiles = ["weeks.csv"]\n', "quarters of weeks (4-4-5", "fiscal_year_starts"),
    ('[partners.merge]\n"P-2" = "P-1"\n', "one partner of two", "[deals.values.partner_id]"),
    ('[partners.columns]\nmerged_into = "Successor"\n', "one partner of two", "[deals.values.partner_id]"),
    ('[renames]\n"Old" = "New"\n', "one partner of two", "column name of the partners table"),
    ('[deals.columns]\nshare = "Split %"\n', "sharing a deal among partners", "name one for each deal"),
    ('[deals]\nsplit = ["P-1", "P-2"]\n', "sharing a deal among partners", 'key = ["Deal", "Partner"]'),
    ('[shares]\nfiles = ["shares.csv"]\n', "sharing a deal among partners", "name one for each deal"),
]


@pytest.mark.parametrize(
    ("toml", "what", "until"), LATER, ids=[toml.split("\n")[0] + toml[-9:-1] for toml, _, _ in LATER]
)
def test_what_is_not_in_this_version_is_refused_with_what_to_do_until_then(
    write_book: Write, capsys: Text, toml: str, what: str, until: str
) -> None:
    own = toml.removeprefix("[book]\n") if toml.startswith("[book]") else ""
    folder = write_book(VERSIONS, partners="partner_id\nP\n", book=BOOK + own, toml="" if own else toml)
    assert run(["check", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("partnerkpi: book.toml, [")
    for part in (what, "not in this version", until):
        assert part in err


def test_what_to_do_until_then_can_be_done(write_book: Write, capsys: Text) -> None:
    """One id for both, and one row for each part of a deal: by hand 30 + 12 of P-1, 18 of P-2."""
    text = "Deal,created_on,status,closed_on,amount,Partner\n" + (
        "A,2025-09-01,won,2025-11-03,30,P-1\nA,2025-09-01,won,2025-11-03,18,P-2\nB,2025-09-01,won,2025-11-04,12,P-3\n"
    )
    toml = '[deals]\nkey = ["Deal", "Partner"]\n[deals.columns]\npartner_id = "Partner"\n'
    toml += '[deals.values.partner_id]\n"P-1" = ["P-3"]\n'
    folder = write_book(text, toml=toml)
    assert run(["score", str(folder), "--quarter", "2025Q4", "--format", "csv"]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    won = {r["group"]: float(r["value"]) for r in rows if r["figure"] == "won_amount" and r["value"]}
    assert won == {"P-1": 42, "P-2": 18, "all": 60, "unassigned": 0}


AT_FAULT = [
    ("[book\n", "is not readable as TOML", 1),
    (BOOK + "[deals]\nseparator = ';'\n", "[deals] separator: there is no such name here", 0),
    (BOOK + "[deals]\nfiles = ['lost.csv']\n", "there is no file 'lost.csv'", 0),
    ('[book]\nname = "<script>alert(1)</script>"\ncurrency = "euro"\nextracted_on = 2025-12-31\n', "three capital", 0),
    ("", "has no [book]", 0),
    (None, "has no book.toml", 0),
]


@pytest.mark.parametrize(("content", "said", "line"), AT_FAULT, ids=[said for _, said, _ in AT_FAULT])
def test_a_book_toml_at_fault_has_a_page_and_json_that_say_so(
    write_book: Write, tmp_path: Path, capsys: Text, content: str | None, said: str, line: int
) -> None:
    folder = write_book(VERSIONS)
    if content is None:
        (folder / "book.toml").unlink()
    else:
        (folder / "book.toml").write_text(content)
    assert run(["check", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert said in err
    page = tmp_path / "page.html"
    assert run(["check", str(folder), "--format", "html", "-o", str(page)]) == 2
    assert capsys.readouterr().err == err
    text = page.read_text(encoding="utf-8")
    assert "Refused: no figure is made of this book" in text
    assert said.replace("'", "&#39;") in text
    assert "<script" not in text
    assert run(["check", str(folder), "--format", "json"]) == 2
    out, again = capsys.readouterr()
    assert again == err
    told = json.loads(out)
    assert (told["book"], told["state"], told["account"], told["kpis"]) == (folder.name, "refused", {}, None)
    (fault,) = told["faults"]
    assert (fault["kind"], fault["file"], fault["line"]) == ("E", "book.toml", line)
    assert said in fault["rule"]
    assert told["findings"][0]["what"] == fault["rule"]


def test_a_folder_that_is_not_there_has_a_page_too(tmp_path: Path, capsys: Text) -> None:
    page = tmp_path / "page.html"
    assert run(["check", str(tmp_path / "nowhere"), "-o", str(page)]) == 2
    assert "There is no folder" in capsys.readouterr().err
    assert "There is no folder" in page.read_text(encoding="utf-8")
