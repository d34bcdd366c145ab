"""What is wrong with a file as `partnerkpi check` says it: as a text, as JSON, through any terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.book import Fault
from partnerkpi.cli import run

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id\n"


@pytest.fixture
def checked(capsys: pytest.CaptureFixture[str]) -> Callable[[Path], tuple[int, list[str]]]:
    """A function that gives the exit code of `check` and the lines of its faults, which JSON has too."""

    def check(folder: Path) -> tuple[int, list[str]]:
        code = run(["check", str(folder)])
        out, err = capsys.readouterr()
        assert not err
        assert run(["check", str(folder), "--format", "json"]) == code
        rows = json.loads(capsys.readouterr().out)["faults"]
        lines = [line for line in out.splitlines() if line[:2] in ("E ", "Q ", "W ")]
        assert [str(Fault(**row)) for row in rows] == lines
        verdict = "The book is refused." if code else "The book can be used."
        assert out.splitlines()[-1] == verdict
        return code, lines

    return check


Check = Callable[[Path], tuple[int, list[str]]]


def test_one_comma_too_many_on_every_row(write_book: Write, checked: Check) -> None:
    code, lines = checked(write_book(HEAD + "A,2025-01-01,open,,5,P,\nB,2025-01-01,open,,6,P,\n"))
    assert code == 1
    assert lines == [
        "E deals.csv: the header has 6 cells, 2 of 2 rows have another number: "
        "the row has 7 cells, the header 6 (2 rows, first: line 2)"
    ]


def test_amounts_without_a_locale(write_book: Write, checked: Check) -> None:
    code, lines = checked(write_book(HEAD + 'A,2025-01-01,open,,1.234,P\nB,2025-01-01,open,,"12,5",P\n'))
    assert code == 1
    assert lines[:2] == [
        "E deals.csv, line 2 (record 1), amount '1.234': could be thousands or decimals: declare decimal and thousands",
        'Q deals.csv, line 3 (record 2), amount \'12,5\': not an amount: say decimal = "," and thousands = "."',
    ]
    declared = '[deals]\ndecimal = ","\nthousands = "."\n'
    folder = write_book(HEAD + 'A,2025-01-01,open,,1.234,P\nB,2025-01-01,open,,"12,5",P\n', toml=declared)
    assert checked(folder) == (0, [])
    wrong = write_book(HEAD + 'B,2025-01-01,open,,"12,5",P\n', toml='[deals]\nthousands = ","\n')
    assert checked(wrong)[1][0].endswith('\'12,5\': not an amount with decimal = "." and thousands = ","')


def test_ids_stay_what_they_are(write_book: Write, checked: Check, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ["NA", "007", "1E5", "123456789012345678"]
    rows = "".join(f"{i},2025-01-01,won,2025-02-01,5,{i}\n" for i in ids)
    folder = write_book(HEAD + rows)
    code, lines = checked(folder)
    assert code == 0
    assert [line.split(": ")[0] for line in lines] == [
        "W deals.csv, line 4 (record 3), deal_id '1E5'", "W deals.csv, line 4 (record 3), partner_id '1E5'"
    ]  # fmt: skip
    run(["score", str(folder), "--quarter", "2025Q1", "--format", "csv"])
    groups = {line.split(",")[1] for line in capsys.readouterr().out.splitlines()}
    assert set(ids) <= groups


def test_days_nobody_can_place(write_book: Write, checked: Check) -> None:
    code, lines = checked(write_book(HEAD + "A,03/04/2024,open,,5,P\nB,45382,open,,5,P\n"))
    assert code == 1
    assert lines[0] == (
        "E deals.csv, line 2 (record 1), created_on '03/04/2024': declare the format: without one a day is written "
        'like 2025-12-31. It could be dates = "%d/%m/%Y" or dates = "%m/%d/%Y"'
    )
    assert lines[1].startswith(
        "Q deals.csv, line 3 (record 2), created_on '45382': a number as spreadsheets store days"
    )


TWENTY = [
    ("D0", "2025-02-30", "open", "", "5", "P", "Q", "created_on '2025-02-30': no such day in the calendar"),
    ("", "2025-01-01", "open", "", "5", "P", "Q", "deal_id: is empty and must not be"),
    ("D2", "", "open", "", "5", "P", "Q", "created_on: is empty and must not be"),
    ("D3", "2025-01-01", "", "", "5", "P", "Q", "status: is empty and must not be"),
    ("D4", "2025-01-01", "Stalled", "", "5", "P", "E", "status 'Stalled': is none of open, won, lost, abandoned"),
    ("D5", "2025-01-01", "won", "", "5", "P", "Q", "closed_on: closed, but no day of closing"),
    ("D6", "2025-01-01", "won", "never", "5", "P", "Q", "closed_on 'never': not written like 2025-12-31. If it means"),
    ("D7", "2025-01-01", "lost", "2026-02-01", "5", "P", "Q", "closed_on '2026-02-01': is after the day of the export"),
    ("D8", "2026-01-01", "open", "", "5", "P", "Q", "created_on '2026-01-01': is after the day of the export"),
    ("D9", "2025-01-01", "open", "", "-7", "P", "Q", "amount '-7': is negative"),
    ("D10", "2025-01-01", "open", "", "inf", "P", "Q", "amount 'inf': not an amount. If it means nothing, say missing"),
    ("D11", "2025-01-01", "open", "", "1e18", "P", "Q", "amount '1e18': an amount beyond 1,000,000,000,000"),
    ("D12", "2025-01-01", "open", "", "1,5", "P", "Q", "amount '1,5': not an amount: say decimal = \",\""),
    ("D13", "2025-01-01", "open", "", "$8", "P", "Q", "amount '$8': which currency is '$'?"),
    ("D14", "9999-12-31", "open", "", "5", "P", "Q", "created_on '9999-12-31': a year before 1900 or after 2199"),
    ("D15", "2025-06-01", "won", "2025-05-01", "5", "P", "W", "closed_on '2025-05-01': closed before it was created"),
    ("D16", "2025-01-01", "open", "", "0", "P", "W", "amount '0': the amount is zero"),
    ("D17", "2025-01-01", "open", "", "", "P", "W", "amount: no amount: counted, but adds no money"),
    ("D18", "2025-01-01", "open", "", "5", "", "W", "partner_id: no partner: counted as unassigned"),
    ("d18", "2025-01-01", "open", "", "5", "P", "W", "deal_id 'D18': differs from another only in capitals (2 rows"),
]


def test_twenty_faults_are_all_listed_once_with_their_place(write_book: Write, checked: Check) -> None:
    head = HEAD.replace("\n", ",name\n")
    first = 'A,2025-01-01,open,,5,P,"two\nlines"\n'
    rows = "".join(",".join(f'"{c}"' if "," in c else c for c in row[:6]) + ",x\n" for row in TWENTY)
    folder = write_book(head + first + rows)
    code, lines = checked(folder)
    assert code == 1
    for number, (*_, kind, said) in enumerate(TWENTY):
        record, line = number + 2, number + 4
        own = [text for text in lines if f", {said}" in text or f": {said}" in text]
        assert len(own) == 1, said
        if said.startswith("deal_id 'D18'"):
            assert own == [f"W deals.csv, {said}, first: line {line - 1})"]
        else:
            assert own[0].startswith(f"{kind} deals.csv, line {line} (record {record}), {said}")
    assert re.fullmatch("E+Q+E+W+", "".join(line[0] for line in lines))  # causes, and what follows from them


def test_the_causes_come_before_what_follows_from_them(write_book: Write, checked: Check) -> None:
    rows = "".join(f"D{i},2025-01-01,open,,NA,P\n" for i in range(2_908))
    code, lines = checked(write_book(HEAD + rows))
    assert code == 1
    assert lines[0] == (
        "Q deals.csv, amount 'NA': not an amount. If it means nothing, say missing = [\"NA\"] under [deals] "
        "(2,908 rows, first: line 2)"
    )
    assert all(line.startswith("E ") and "set aside" in line for line in lines[1:])
    assert len(lines) == 4
    assert checked(write_book(HEAD + rows, toml='[deals]\nmissing = ["NA"]\n'))[0] == 0


def test_the_account_is_printed_and_true(write_book: Write, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "A,2025-01-01,open,,5.25,P\nB,2025-02-30,open,,1,P\nC,2025-01-01,Test,,2,P\nTotal\n"
    toml = '[deals]\nfooter = 1\n[deals.values.status]\nignore = ["Test"]\n'
    run(["check", str(write_book(HEAD + rows, toml=toml))])
    assert capsys.readouterr().out.splitlines()[2] == (
        "deals: 4 rows read = 1 used + 2 out of scope + 1 set aside; "
        "EUR 8.25 = 5.25 used + 2.00 out of scope + 1.00 set aside"
    )


TEXT = HEAD + "A,2025-01-01,open,,5,Müller\n"


@pytest.mark.parametrize(
    ("data", "toml", "said"),
    [
        (
            TEXT.encode("utf-16"),
            "",
            'byte 0 cannot be read as utf-8: it begins like UTF-16, declare encoding = "utf-16"',
        ),
        (TEXT.encode("utf-16"), 'encoding = "cp1252"', 'it begins like UTF-16, declare encoding = "utf-16"'),
        (TEXT.replace(",", "\t").encode("utf-16"), 'delimiter = ";"', "begins like UTF-16"),
        (TEXT.replace(",", '"\t"').encode("utf-16"), 'encoding = "utf-16"', "holds a tab: declare the delimiter"),
        (HEAD.encode("utf-16-le"), "", 'every second byte is nought as in UTF-16, declare encoding = "utf-16-le"'),
        (HEAD.encode("utf-16-be"), 'encoding = "latin-1"', 'declare encoding = "utf-16-be"'),
        (TEXT.encode("latin-1"), "", "byte 76 cannot be read as utf-8: declare its real encoding, often encoding ="),
        (TEXT.replace(",", ";").encode(), "", "holds ';': declare the delimiter, delimiter = \";\""),
        (TEXT.replace("Müller", "M\0").encode(), "", "a NUL character"),
        (b"", "", "the file is empty: not even a header"),
    ],
)
def test_a_file_in_another_shape_is_refused_with_one_cause(
    write_book: Write, checked: Check, data: bytes, toml: str, said: str
) -> None:
    code, lines = checked(write_book(data, toml=f"[deals]\n{toml}\n"))
    assert code == 1
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf" + TEXT.encode(), HEAD.encode()])
def test_a_byte_order_mark_and_a_header_alone_are_no_faults(write_book: Write, checked: Check, data: bytes) -> None:
    assert checked(write_book(data))[0] == 0


@pytest.mark.parametrize("name", ["deals.pkl", "https://example.org/deals.csv", "s3://bucket/deals.parquet"])
def test_code_and_addresses_are_no_files(
    write_book: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What a pickle would run, and whom an address would call, is not even tried."""

    def never(*_: object) -> None:
        raise AssertionError("a connection, or a pickle")

    for module, function in ((socket.socket, "connect"), (socket, "getaddrinfo"), (pickle, "load"), (pickle, "loads")):
        monkeypatch.setattr(module, function, never)
    folder = write_book(None, toml=f'[deals]\nfiles = ["{name}"]\n')
    (folder / "deals.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    for command in (["check", str(folder)], ["init", str(folder / "deals.pkl")]):
        assert run(command) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.startswith("partnerkpi: ")
    assert sorted(path.name for path in folder.iterdir()) == ["book.toml", "deals.pkl"]


def score_of(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[tuple[str, str], str]:
    """What `score` says of each group and figure, beside the headlines of each KPI."""
    assert run(["score", str(folder), "--quarter", "2025Q4", "--format", "csv", *options]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    return {(r["group"], r["kpi"] if r["figure"] == "headline" else r["figure"]): r["value"] for r in rows}


def test_the_business_zone_decides_in_which_quarter_a_deal_was_closed(
    write_book: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "A,2025-05-01,won,2025-09-30T23:30:00,100,P\nB,2025-05-01,won,2025-09-30T20:00:00,10,P\n"
    for zone, stamp, won in (("Europe/Berlin", "", 0), ("Europe/Berlin", "Z", 100), ("America/New_York", "Z", 0)):
        book = f'[book]\nname = "T"\ncurrency = "EUR"\ntime_zone = "{zone}"\nextracted_on = 2025-12-31\n'
        folder = write_book(HEAD + rows.replace(":00,1", f":00{stamp},1"), book=book)
        assert float(score_of(folder, capsys)["all", "won_amount"]) == won
        run(["check", str(folder)])
        assert "The book can be used." in capsys.readouterr().out


def test_deals_without_a_partner_stand_on_their_own_line(write_book: Write, capsys: pytest.CaptureFixture[str]) -> None:
    amounts = {"P": [10.25, 20.5], "Q": [40], "": [80.75, 160]}
    rows = [
        f"{p or 'U'}{n},2025-09-01,won,2025-11-03,{a},{p}\n" for p, own in amounts.items() for n, a in enumerate(own)
    ]
    values = score_of(write_book(HEAD + "".join(rows)), capsys)
    for partner, own in amounts.items():
        assert float(values[partner or "unassigned", "won_amount"]) == sum(own)
        assert float(values[partner or "unassigned", "number_of_deals"]) == len(own)
    assert float(values["all", "won_amount"]) == sum(map(sum, amounts.values()))
    assert float(values["all", "number_of_deals"]) == 5


def test_two_currencies_without_a_rate(write_book: Write, checked: Check) -> None:
    dollars = "A,2025-01-01,open,,5,P,USD\n"
    rest = "B,2025-01-01,open,,6,P,EUR\nC,2025-01-01,won,2025-02-01,7,P,GBP\n"
    rows = dollars + rest + dollars.replace("A", "D")
    code, lines = checked(write_book(HEAD.replace("\n", ",currency\n") + rows))
    assert code == 1
    assert [line for line in lines if line[0] == "E"] == [
        "E deals.csv, line 4 (record 3), currency 'GBP': no rate for GBP in the rates table, and the book is in EUR",
        "E deals.csv, currency 'USD': no rate for USD in the rates table, and the book is in EUR "
        "(2 rows, first: line 2)",
    ]


def test_one_id_twice(write_book: Write, checked: Check) -> None:
    same = "A,2025-01-01,open,,5,P\n"
    code, lines = checked(write_book(HEAD + same + "B,2025-01-01,open,,6,P\n" + same))
    said = "W deals.csv, line 4 (record 3), deal_id 'A': an identical row stands above: counted out of scope"
    assert (code, lines) == (0, [said])
    code, lines = checked(write_book(HEAD + same + "B,2025-01-01,open,,6,P\n" + same.replace(",5,", ",7,")))
    assert code == 1
    assert lines[0] == "Q deals.csv, deal_id 'A': the same key stands in rows that differ (2 rows, first: line 2)"
    code, lines = checked(write_book(HEAD + same + same.replace(",P", ",Q")))
    assert code == 1
    assert "differ in the partner: to share a deal among partners is not in this version" in lines[0]


NAMED = HEAD.replace("\n", ",name\n")
OPEN = "A,2025-01-01,open,,5,P,{}\n"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("N\ufeffordwind", "holds a character that is not seen"),
        ("Nord\x1b[31mwind", "holds a character that is not seen"),
        ("N\u200bord", "holds a character that is not seen"),
        ("Caf\ufffd", "holds \ufffd, which stands for a letter that was lost before: another encoding, at the export"),
        (
            "Caf\u00c3\u00a9",
            "reads like UTF-8 that was taken for another encoding before the export: its letters are two",
        ),
        ("It\u00e2\u20ac\u2122s", "reads like UTF-8 that was taken for another encoding before the export"),
        ("S\u00c3O \u00c2NGELO \u00e2", ""),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 12\u00a0rue", ""),
    ],
)
def test_texts_show_what_was_damaged_before_the_export(write_book: Write, checked: Check, cell: str, said: str) -> None:
    code, lines = checked(write_book(NAMED + OPEN.format(cell) + OPEN.format("Plain").replace("A,", "B,")))
    assert code == 0
    assert [said in line and line.startswith("W deals.csv, line 2 (record 1), name '") for line in lines] == (
        [True] if said else []
    )


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1250", "mac-roman"])
def test_utf_8_is_not_read_as_another_encoding(write_book: Write, checked: Check, encoding: str) -> None:
    toml = f'[deals]\nencoding = "{encoding}"\n'
    text = NAMED + OPEN.format("plain") + OPEN.format("Müller").replace("A", "B")
    code, lines = checked(write_book(text, toml=toml))
    assert code == 1
    assert len(lines) == 1
    if encoding != "latin-1":  # of which the bytes may be no letters at all
        assert lines[0].startswith("E deals.csv, line 3: read as ")
        assert lines[0].endswith('but every letter beyond ASCII is one of UTF-8: declare encoding = "utf-8"')
    assert checked(write_book(NAMED + OPEN.format("plain"), toml=toml)) == (0, [])
    assert checked(write_book(text.encode(encoding), toml=toml)) == (0, [])


def test_partners_that_read_alike_are_two_and_it_is_said(write_book: Write, checked: Check) -> None:
    alike = {
        "Acme  Ltd": "Acme Ltd",
        "Acme\u00a0Ltd": "Acme Ltd",
        "\uff21cme Ltd": "Acme Ltd",
        "\u0410\u0441\u043c\u0435": "Acme",
        "Acm\u0435": "Acme",
    }
    ids = [*alike, "Acme Ltd", "Acme Ltd", "Acme", "Acme"]
    code, lines = checked(write_book(HEAD + "".join(f"D{n},2025-01-01,open,,5,{i}\n" for n, i in enumerate(ids))))
    assert code == 0
    said = [re.search("partner_id '(.+)': reads like '(.+)': two partners, unless", line) for line in lines]
    assert {found[1]: found[2] for found in said if found} == alike


def test_a_deal_of_two_partners_is_refused(write_book: Write, checked: Check) -> None:
    rows = "A,2025-01-01,open,,5,P\nB,2025-01-01,open,,5,Q\nC,2025-01-01,open,,5,P;Q\nD,2025-01-01,open,,5,P & Sons\n"
    code, lines = checked(write_book(HEAD + rows))
    assert code == 1
    assert lines == [
        "E deals.csv, line 4 (record 3), partner_id 'P;Q': names several partners: to share a deal among them is not "
        "in this version, name one"
    ]


def test_days_as_spreadsheets_count_them_are_read_where_that_is_declared(
    write_book: Write, checked: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "A,45748,won,45930.99999,5,P\nB,45748.5,won,45931,7,P\n"
    for first, moved in (("excel-1900", 0), ("excel-1904", -1462)):
        text = HEAD + re.sub("45[0-9]+", lambda day, by=moved: str(int(day[0]) + by), rows)
        folder = write_book(text, toml=f'[deals]\ndates = "{first}"\n')
        assert checked(folder) == (0, [])
        assert float(score_of(folder, capsys)["all", "won_amount"]) == 7  # 45931 is 1 October 2025
    folder = write_book(HEAD + "A,60,open,,5,P\n", toml='[deals]\ndates = "excel-1900"\n')
    assert checked(folder)[1][0].startswith("Q deals.csv, line 2 (record 1), created_on '60': no such day")


ODD = "1\u202f234,50\u00a0€\u200b\U0001f600x"


@pytest.mark.parametrize("environment", [{"LANG": "C", "LC_ALL": "C"}, {"PYTHONIOENCODING": "cp1252"},
                                         {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "utf-8"}])  # fmt: skip
def test_a_value_survives_every_terminal(write_book: Write, environment: dict[str, str]) -> None:
    folder = write_book(HEAD + f'A,2025-01-01,open,,"{ODD}",P\n')
    shown = {}
    for style in ("table", "json"):
        command = [sys.executable, "-m", "partnerkpi", "check", str(folder), "--format", style]
        ended = subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=False)
        assert (ended.returncode, ended.stderr) == (1, b"")
        shown[style] = ended.stdout.decode("cp1252" if "cp1252" in environment.values() else "utf-8")
        assert "\ufffd" not in shown[style]
    assert json.loads(shown["json"])["faults"][0]["value"] == ODD
    text = "1\u202f234,50\u00a0€\\u200b\U0001f600x"  # what has no shape is shown as its number
    if "cp1252" in environment.values():
        text = "1\\u202f234,50\u00a0€\\u200b\\ud83d\\ude00x"
    assert f"amount '{text}': not an amount" in shown["table"]
