"""The commands: what they print and where, how they end, and that an error is a sentence and not a traceback."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import cli, export
from partnerkpi.book.schema import levels
from partnerkpi.cli import run
from partnerkpi.shipped import shipped

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = dict(cli.partnerkpi.commands)
COLUMNS = "by,group,quarter,as_of,kpi,figure,value,low,high,n,unit,reason"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a book that is read in no time."""
    return str(pk.write_sample(tmp_path_factory.mktemp("small") / "book", partners=4, quarters=6))


@pytest.fixture
def bad_book(tmp_path: Path) -> Path:
    (tmp_path / "deals.csv").write_text(
        "deal_id,created_on,status,closed_on,amount\nD-1,2025-01-01,wom,2025-02-30,12\n", encoding="utf-8"
    )
    (tmp_path / "book.toml").write_text(
        '[book]\nname = "Bad"\ncurrency = "EUR"\ntime_zone = "UTC"\nextracted_on = 2025-12-31\n', encoding="utf-8"
    )
    return tmp_path


# What every command keeps


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example:  partnerkpi {name}" in text
    assert "--debug" in text


def test_the_commands_are_those_promised() -> None:
    assert set(COMMANDS) == {
        "review",
        "score",
        "signals",
        "bridge",
        "restated",
        "note",
        "check",
        "init",
        "kpis",
        "sample",
    }


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md"))]
)
def test_the_pages_mention_every_command(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [name for name in COMMANDS if f"partnerkpi {name}" not in text and f"`{name}`" not in text]
    assert page.startswith("docs") or not missing


@pytest.mark.parametrize("name", ["score", "bridge", "check", "kpis", "sample"])
def test_the_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").symlink_to(shipped("data"))
    monkeypatch.chdir(tmp_path)
    example = str(COMMANDS[name].epilog).removeprefix("Example:  partnerkpi ")
    assert run(shlex.split(example)) == 0


def test_python_m_is_the_same_command() -> None:
    ended = subprocess.run([sys.executable, "-m", "partnerkpi", "kpis"], capture_output=True, text=True, check=True)
    assert "close_rate" in ended.stdout
    assert ended.stderr == ""


# score


def test_score_prints_the_scorecard_and_nothing_else(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", small, "-q", "2025Q4", "--quarter", "2025Q3", "--by", "region", "--format", "csv"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(COLUMNS + "\n")
    table = pk.scorecard(pk.open_book(small), ["2025Q4", "2025Q3"], by="region")
    again = pd.read_csv(io.StringIO(printed.out))
    np.testing.assert_array_equal(again["value"], table["value"])
    assert list(again["group"]) == list(map(str, table["group"]))
    assert "rows read =" in printed.err


def test_score_writes_json_with_null(small: str, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert run(["score", small, "-o", str(path), "--by", "none"]) == 0
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert ",".join(rows[0]) == COLUMNS
    assert {row["group"] for row in rows} == {"all"}
    assert all(row["value"] is None or np.isfinite(row["value"]) for row in rows)
    assert all(row["reason"] for row in rows if row["value"] is None)


def test_score_writes_a_workbook(small: str, tmp_path: Path) -> None:
    path = tmp_path / "figures.xlsx"
    assert run(["score", small, "--output", str(path), "--by", "tier"]) == 0
    again = pd.read_excel(path, engine="openpyxl")
    table = pk.scorecard(pk.open_book(small), by="tier")
    assert ",".join(again.columns) == COLUMNS
    np.testing.assert_allclose(again["value"], table["value"], rtol=1e-12)


def test_score_of_one_partner_and_of_a_running_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "--as-of", "2025-11-18", "-q", "2025Q4", "-p", "P-003"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == len(pk.KPIS)
    assert all(line.startswith("P-003  2025Q4 to date, 49 of 92 days") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "-o", "figures.docx"], "end it on .csv, .json, .xlsx, .txt"),
        (["score", "--by", "regoin"], "There is no level 'regoin'. Did you mean 'region'"),
        (["score", "-q", "2025-4"], "'2025-4' is no quarter. Write it like 2025Q4."),
        (["score", "-q", "2019Q1"], "before the records of the book"),
        (["review", "-q", "2019Q1"], "before the records of the book"),
        (["score", "-p", "P-3"], "Did you mean 'P-003'"),
        (["review", "-o", __file__], "is a file, and a folder is needed there"),
        (["kpis", "Close rat"], "There is no KPI called 'Close rat'"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_else(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in " ".join(printed.err.split())
    assert "rows read" not in printed.err, "the account stands beside a result, not before an error"


def test_a_kpi_is_found_by_its_title_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kpis", "Close rate"]) == 0
    assert capsys.readouterr().out.startswith("Close rate (close_rate)")


def test_the_overview_cuts_no_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_score_shows_the_headlines(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", small, "-q", "2025Q4", "--by", "none"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(pk.KPIS)
    assert all("nan" not in line.lower().split() for line in lines)


@pytest.mark.parametrize("by", [*levels(), "none"])
def test_score_answers_at_every_level(by: str, small: str, tmp_path: Path) -> None:
    path = tmp_path / "score.csv"
    assert run(["score", small, "--by", by, "-o", str(path)]) == 0
    assert pd.read_csv(path)["group"].iloc[-1] == "all"


def test_score_as_of_knows_nothing_later(small: str, tmp_path: Path) -> None:
    path = tmp_path / "score.csv"
    assert run(["score", small, "--as-of", "2025-08-15", "--by", "none", "-o", str(path)]) == 0
    assert set(pd.read_csv(path)["quarter"]) == {"2025Q2"}
    assert set(pd.read_csv(path)["as_of"]) == {"2025-08-15"}


# check, kpis, sample, review


def test_check_of_the_sample_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check"]) == 0
    out = capsys.readouterr().out
    assert "deals: 3,600 rows read =" in out
    assert out.rstrip().endswith("The book can be used.")


def test_check_lists_the_faults_of_a_bad_book(bad_book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(bad_book)]) == 1
    out = capsys.readouterr().out
    assert "deals.csv, line 2 (record 1), status 'wom'" in out
    assert "2025-02-30" in out
    assert run(["check", str(bad_book), "--format", "json"]) == 1
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert {"file", "record", "line", "column", "value", "rule"} <= set(faults[0])


@pytest.mark.parametrize("kpi", pk.KPIS, ids=lambda kpi: kpi.name)
def test_kpis_defines_each(kpi: pk.Kpi, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kpis", kpi.name]) == 0
    text = capsys.readouterr().out
    for part in (kpi.title, kpi.question, kpi.formula, kpi.better, *(c.name for c in kpi.companions)):
        assert part in text
    for companion in kpi.companions:
        assert run(["kpis", companion.name]) == 0


def test_sample_writes_a_book_that_opens(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    assert run(["sample", str(folder), "--partners", "3", "--quarters", "4", "--deals", "80", "--seed", "lemon"]) == 0
    book = pk.open_book(folder)
    assert book.reading.rows()["read"] == 80
    assert (folder / "truth.json").is_file()


def test_review_passes_everything_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: dict[str, object] = {}

    def fake(book: str, quarters: object, partners: object, **options: object) -> object:
        seen.update(book=book, quarters=quarters, partners=partners, **options)
        return SimpleNamespace(exit_code=3, failed=("one",), account=("so many rows read = all",))

    monkeypatch.setattr(import_module("partnerkpi.batch"), "review", fake, raising=False)
    given = "review -q 2025Q4 -q 2025Q3 -p P-003 --as-of 2025-12-30 --out elsewhere -j 1 --timeout 9 --allow-set-aside"
    assert run(shlex.split(f"{given} --cluster tcp://host:8786")) == 3
    assert seen["quarters"] == ("2025Q4", "2025Q3")
    assert seen["partners"] == ("P-003",)
    assert (seen["out"], seen["jobs"], seen["timeout"]) == ("elsewhere", 1, 9.0)
    assert (seen["cluster"], seen["as_of"]) == ("tcp://host:8786", "2025-12-30")
    assert (seen["allow_set_aside"], seen["allow_approximate"]) == (True, False)
    assert "rows read =" in capsys.readouterr().err


# How commands end


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("scor", "score"),
        ("score --quarter 2025", "2025"),
        ("score --quarter 2031Q1", "2031Q1"),
        ("score --by colour", "region"),
        ("score --format xlsx", "-o"),
        ("score --as-of 2031-01-01", "2031"),
        ("score --as-of yesterday", "yesterday"),
        ("kpis close_rat", "close_rate"),
        ("kpis zzz", "average_deal_size"),
        ("review -p P-03", "P-003"),
        ("review --jobs 0", "jobs"),
        ("check no/such/folder", "no/such/folder"),
        ("sample here --partners 0", "partners"),
        ("check --no-such-option", "--no-such-option"),
    ],
)
def test_a_wrong_use_ends_with_2_and_a_hint(arguments: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shlex.split(arguments)) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_refused_data_end_with_1_and_every_fault(bad_book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", str(bad_book)]) == 1
    printed = capsys.readouterr()
    assert "wom" in printed.err
    assert "2025-02-30" in printed.err
    assert printed.out == ""


def test_a_file_that_cannot_be_written_ends_with_4(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("score.csv", "score.xlsx"):
        assert run(["score", small, "--by", "none", "-o", str(tmp_path / "missing" / name)]) == 4
        assert "missing" in capsys.readouterr().err


def test_a_full_disk_leaves_what_stood_there(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "score.csv"
    assert run(["score", small, "--by", "none", "-o", str(path)]) == 0
    path.chmod(0o640)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert run(["score", small, "--by", "partner", "-o", str(path)]) == 4
    assert "No space left" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert run(["score", small, "--by", "partner", "-o", str(path)]) == 0
    assert path.read_bytes() != before
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    export.write_text("a\n", tmp_path / "pipe")
    assert os.read(reader, 9) == b"a\n"
    os.close(reader)
    export.write_text("b\n", tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    export.write_text("c\n", tmp_path / "link")
    assert (tmp_path / "file").read_text() == "c\n"


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("partnerkpi.figures.overview", stop)
    assert run(["kpis"]) == 130
    assert capsys.readouterr().err == "partnerkpi: Interrupted.\n"


def test_a_fault_of_ours_is_a_sentence_unless_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("partnerkpi.figures.overview", fail)
    assert run(["kpis"]) == 4
    assert "Traceback" not in capsys.readouterr().err
    for arguments in (["kpis", "--debug"], ["--debug", "kpis"]):
        assert run(arguments) == 4
        assert "ZeroDivisionError: of all things" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise on Windows")
def test_a_closed_pipe_ends_with_130_and_no_noise() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "partnerkpi", "kpis"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ended.returncode == 130
    assert ended.stderr == ""


# What leaves for other programs


def test_text_that_a_spreadsheet_would_run_is_harmless(tmp_path: Path) -> None:
    starts = ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", "＝1", " =1"]  # noqa: RUF001
    frame = pd.DataFrame({"group": starts, "value": [-1.5] * len(starts)})
    again = pd.read_csv(io.StringIO(export.to_csv(frame)))
    assert list(again["group"]) == ["'=1+1", "'+1", "'-1", "'@A1", " x", " x", "'＝1", "' =1"]  # noqa: RUF001
    assert set(again["value"]) == {-1.5}

    from openpyxl import load_workbook

    page = load_workbook(export.write_xlsx(frame, tmp_path / "t.xlsx")).active
    assert page is not None
    assert {cell.data_type for cell in page["A"]} == {"s"}
    assert [cell.value for cell in page["B"]][1:] == [-1.5] * len(starts)


def test_a_terminal_gets_no_control_characters() -> None:
    text = export.columns_text(["group"], [["\x1b[2Jclear\u202eback"], ["two\nlines"]])
    assert text.splitlines() == ["group", "[2Jclearback", "two lines"]


def test_every_option_is_in_the_help_in_words() -> None:
    for command in COMMANDS.values():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help or isinstance(option.type, click.Choice), f"{command.name} {option.name}"
