"""Notes: a table of the book known from its quarter's end on, and a command that adds a line and touches nothing."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

import partnerkpi as pk
from partnerkpi import notes as notes_room
from partnerkpi import show
from partnerkpi.cli import run
from partnerkpi.notes import add_note, decided
from partnerkpi.others import given_to
from partnerkpi.slices import write_slice

DEALS = "deal_id,created_on,status,closed_on,partner_id\nD1,2025-01-01,won,2025-10-06,P\nD2,2025-01-02,open,,Q\n"
NOTES = (
    "partner_id,quarter,action,owner,due_on,outcome\n"
    "Q,2025Q2,Train the sellers,Ann,2025-08-01,Trained\n"
    "P,2025Q3,Stop the fair,,2025-10-31,\n"
    "P,2025Q2,Call every customer,Ben,2025-09-30,\n"
    "Q,2025Q3,Hand over,Ann,2026-02-01,Half of it\n"
    "P,2025Q4,Later,,,\n"
    "P,2024Q1,Long ago,,,Forgotten\n"
)
HEADER = "partner_id,quarter,action,owner,due_on,outcome\n"


def rows_of(path: Path, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), delimiter=delimiter))


# The table


def test_notes_are_read_counted_and_checked_like_any_table(write_book: Callable[..., Path]) -> None:
    wrong = HEADER + "P,2025Q3,a,,,\nP,Q3 2025,b,,,\nP,2025Q3,,,,\nP,2025Q3,c,,tomorrow,\nX,2025Q3,d,,,\n"
    folder = write_book(DEALS, notes=wrong, partners="partner_id\nP\nQ\n")
    reading = pk.check_book(folder)
    told = {(f.column, f.rule.partition(":")[0]) for f in reading.faults if f.table == "notes"}
    assert ("quarter", "is no quarter") in told
    assert ("action", "is empty and must not be") in told
    assert ("partner_id", "no such partner in the partners table") in told
    assert [f.column for f in reading.faults if f.value == "tomorrow"] == ["due_on"]
    book = pk.open_book(folder, allow_set_aside=True)
    assert list(book.notes["action"]) == ["a", "c", "d"]
    assert any(line.startswith("notes: 5 rows read = 3 used") for line in reading.lines())


@pytest.mark.parametrize(
    ("day", "known", "outcomes"),
    [
        ("2025-12-31", 6, {"Trained", "Half of it", "Forgotten"}),
        ("2025-12-30", 5, {"Trained", "Forgotten"}),  # 2025Q4 has not ended, so nobody knows how 2025Q3's went on
        ("2025-09-30", 5, {"Trained", "Forgotten"}),
        ("2025-09-29", 3, {"Forgotten"}),
        ("2025-06-29", 1, {"Forgotten"}),
        ("2024-03-30", 0, set()),
    ],
)
def test_a_day_knows_the_notes_of_quarters_that_had_ended(
    write_book: Callable[..., Path], day: str, known: int, outcomes: set[str]
) -> None:
    book = pk.open_book(write_book(DEALS, notes=NOTES), as_of=day, allow_approximate=True)
    assert len(book.notes) == known
    assert set(book.notes["outcome"].dropna()) == outcomes


def test_quarters_are_those_of_the_book_s_own_year(write_book: Callable[..., Path]) -> None:
    head = '[book]\nname = "T"\ncurrency = "EUR"\nextracted_on = 2025-12-31\nfiscal_year_starts = 4\n'
    note = HEADER + "P,2026Q3,a,,,\n"  # October to December 2025
    assert len(pk.open_book(write_book(DEALS, notes=note, book=head)).notes) == 1
    assert (
        len(pk.open_book(write_book(DEALS, notes=note, book=head), as_of="2025-12-30", allow_approximate=True).notes)
        == 0
    )


def test_a_slice_holds_the_partner_s_own_notes_only(write_book: Callable[..., Path], tmp_path: Path) -> None:
    book = pk.open_book(write_book(DEALS, notes=NOTES))
    mine = book.where(partner_id="Q")
    write_slice(mine, given_to(mine, [mine.quarter("2025Q4")], [], []), tmp_path / "slice")
    alone = pk.open_book(tmp_path / "slice")
    assert list(alone.notes["action"]) == ["Train the sellers", "Hand over"]
    pd.testing.assert_frame_equal(decided(alone, "2025Q4"), decided(mine, "2025Q4"))
    assert b"Stop the fair" not in b"".join(p.read_bytes() for p in (tmp_path / "slice").iterdir())


# What was decided


def test_decided_brings_back_the_quarters_before_newest_first(write_book: Callable[..., Path]) -> None:
    book = pk.open_book(write_book(DEALS, notes=NOTES))
    table = decided(book, "2025Q4")
    assert list(table["action"]) == ["Stop the fair", "Hand over", "Call every customer", "Train the sellers"]
    assert list(table["overdue"]) == [True, False, True, False], "past its day, and no outcome told"
    assert list(decided(book, "2025Q3")["action"]) == ["Call every customer", "Train the sellers"]
    assert list(decided(book, "2025Q3")["overdue"]) == [True, False], "on its last day"
    assert list(decided(book, "2025Q4", back=1)["action"]) == ["Stop the fair", "Hand over"]
    assert list(decided(book.for_partner("P"))["action"]) == ["Stop the fair", "Call every customer"]
    with pytest.raises(pk.UsageError, match="At least one quarter"):
        decided(book, "2025Q4", back=0)


def test_decided_is_shown_and_nothing_is_where_nothing_was(write_book: Callable[..., Path]) -> None:
    book = pk.open_book(write_book(DEALS, notes=NOTES.replace("Stop the fair", "<b>Stop</b>")))
    shown = show.decided(book.for_partner("P"), "2025Q4")
    assert "&lt;b&gt;Stop&lt;/b&gt;" in shown.html
    assert "partner" not in repr(shown).splitlines()[1], "whose notes they are is said above"
    nothing = show.decided(pk.open_book(write_book(DEALS)), "2025Q4")
    assert repr(nothing) == "What was decided before: nothing is noted"
    assert "<table" not in nothing.html


# Writing one


def test_the_first_note_makes_the_table(write_book: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_book(DEALS)
    words = ["--partner", "P", "--action", 'Say "no", then wait', "--owner", "Ann", "--due", "2026-01-31"]
    assert run(["note", str(folder), *words]) == 0
    path = folder / "notes.csv"
    assert capsys.readouterr().err == f"Written to {path}.\n"
    assert path.read_bytes() == (HEADER + 'P,2025Q4,"Say ""no"", then wait",Ann,2026-01-31,\n').encode()
    book = pk.open_book(folder)
    assert book.notes.iloc[0].dropna().to_dict() == {
        "partner_id": "P",
        "quarter": "2025Q4",
        "action": 'Say "no", then wait',
        "owner": "Ann",
        "due_on": pd.Timestamp("2026-01-31"),
    }


@pytest.mark.parametrize(
    ("there", "added"),
    [
        (b"partner_id,quarter,action\nP,2025Q3,a\n", b"P,2025Q3,b\n"),
        (b"partner_id,quarter,action\nP,2025Q3,a", b"\nP,2025Q3,b\n"),
        (b"partner_id,quarter,action\r\nP,2025Q3,a\r\n", b"P,2025Q3,b\r\n"),
        (b'\xef\xbb\xbfaction,mood,quarter,partner_id\n"a\n2",good,2025Q3,P\n', b"b,,2025Q3,P\n"),
        (b'"partner_id","quarter","action"\n\n', b"P,2025Q3,b\n"),
    ],
    ids=["plain", "no last line end", "from Windows", "with a mark and columns of its own", "quoted, nothing in it"],
)
def test_what_stands_there_stays_byte_for_byte(write_book: Callable[..., Path], there: bytes, added: bytes) -> None:
    folder = write_book(DEALS, notes=there)
    add_note(folder, "P", "b", "2025Q3")
    assert (folder / "notes.csv").read_bytes() == there + added
    assert list(pk.open_book(folder).notes["action"])[-1] == "b"


def test_a_table_of_another_name_and_separator_is_added_to(write_book: Callable[..., Path]) -> None:
    folder = write_book(DEALS, toml='[notes]\nfiles = ["decided.tsv"]\n')
    (folder / "decided.tsv").write_text("partner_id\tquarter\taction\n", encoding="utf-8")
    add_note(folder, "Q", "a, b", "2025Q1")
    assert rows_of(folder / "decided.tsv", "\t")[-1] == ["Q", "2025Q1", "a, b"]
    assert not (folder / "notes.csv").exists()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", " =cmd|' /C calc'!A0", "\t=1", "＝1"])  # noqa: RUF001
def test_what_a_spreadsheet_would_run_is_harmless(write_book: Callable[..., Path], text: str) -> None:
    folder = write_book(DEALS)
    add_note(folder, "P", text, owner=text, outcome=text)
    _, line = rows_of(folder / "notes.csv")
    assert all(cell.startswith("'") for cell in (line[2], line[3], line[5]))


def test_line_ends_and_control_characters_become_spaces(write_book: Callable[..., Path]) -> None:
    folder = write_book(DEALS)
    add_note(folder, "P", "one\r\ntwo\x1b[2J\u202e  three")
    assert rows_of(folder / "notes.csv")[1][2] == "one two[2J three"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-p", "p", "-a", "x"], "no partner 'p'. Did you mean 'P'?"),
        (["-p", "P", "-a", "x", "-q", "2026Q1"], "The quarter 2026Q1 begins on 2026-01-01"),
        (["-p", "P", "-a", "x", "-q", "Q4"], "'Q4' is no quarter"),
        (["-p", "P", "-a", "x", "--due", "31.1.2026"], "'31.1.2026' is no day"),
        (["-p", "P", "-a", "x", "--due", "2026-02-30"], "'2026-02-30' is no day"),
        (["-p", "P", "-a", " \n"], "the action is empty"),
        (["-p", "P"], "Missing option '--action'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    write_book: Callable[..., Path], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_book(DEALS)
    assert run(["note", str(folder), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "notes.csv").exists()


def test_a_column_that_is_not_there_is_not_made_up(write_book: Callable[..., Path]) -> None:
    folder = write_book(DEALS, notes="partner_id,quarter,action\n")
    with pytest.raises(pk.UsageError, match=r"notes\.csv has no column 'owner'"):
        add_note(folder, "P", "x", owner="Ann")
    assert (folder / "notes.csv").read_text(encoding="utf-8") == "partner_id,quarter,action\n"


def test_notes_that_are_read_in_their_own_way_are_left_to_their_owner(write_book: Callable[..., Path]) -> None:
    notes = "Partner;Quartal;Was\nP;2025Q3;a\n"
    toml = '[notes]\ndelimiter = ";"\n[notes.columns]\npartner_id = "Partner"\nquarter = "Quartal"\naction = "Was"\n'
    folder = write_book(DEALS, toml=toml, notes=notes)
    assert list(pk.open_book(folder).notes["action"]) == ["a"]
    with pytest.raises(pk.UsageError, match="by hand"):
        add_note(folder, "P", "x")


def test_the_sample_that_comes_along_a_slice_and_bad_data_take_no_notes(
    write_book: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["note", "-p", "P-003", "-a", "x"]) == 2
    assert "Name the folder of your book" in capsys.readouterr().err
    mine = pk.open_book(write_book(DEALS)).where(partner_id="P")
    write_slice(mine, given_to(mine, [mine.quarter("2025Q4")], [], []), tmp_path / "slice")
    assert run(["note", str(tmp_path / "slice"), "-p", "P", "-a", "x"]) == 2
    assert run(["note", str(write_book(DEALS.replace("won", "wom"))), "-p", "P", "-a", "x"]) == 1
    assert run(["note", str(tmp_path / "nowhere"), "-p", "P", "-a", "x"]) == 2


def test_two_at_once_lose_nothing(write_book: Callable[..., Path]) -> None:
    folder = write_book(DEALS)
    each = [threading.Thread(target=add_note, args=(folder, "P", f"note {i}")) for i in range(6)]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    assert sorted(row[2] for row in rows_of(folder / "notes.csv")[1:]) == [f"note {i}" for i in range(6)]


def test_who_waits_too_long_is_told(write_book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_book(DEALS)
    monkeypatch.setattr(notes_room, "_SECONDS", 0.05)
    with (
        FileLock(folder / ".notes.lock"),
        pytest.raises(pk.SystemProblem, match="Another program is writing the notes"),
    ):
        add_note(folder, "P", "x")


def test_a_write_that_fails_leaves_what_was_there(
    write_book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_book(DEALS, notes=NOTES)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert run(["note", str(folder), "-p", "P", "-a", "x"]) == 4
    assert (folder / "notes.csv").read_text(encoding="utf-8") == NOTES
    assert not list(folder.glob("*.unfinished"))


def test_the_sample_s_notes_are_its_special_partners_(tmp_path: Path) -> None:
    table = decided(pk.open_book(), "2025Q4").set_index("partner_id")
    assert list(table.index) == ["P-003", "P-006", "P-008", "P-010", "P-011", "P-019"]
    assert table["overdue"].to_dict() == {p: p in ("P-008", "P-019") for p in table.index}
    small = pk.write_sample(tmp_path / "small", partners=4, quarters=1)
    assert (small / "notes.csv").read_text(encoding="utf-8") == HEADER
