"""A file somebody named is written whole or not at all, whenever the command is killed, and whatever stood there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tiny_reviews import KILLED, apart, die, no_room

from partnerkpi import export
from partnerkpi.cli import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are copies of this one")
DEALS = "deal_id,created_on,status,closed_on,amount,partner_id\n" + "".join(
    f"D-{n},2025-07-0{1 + n % 9},{'won' if n % 3 else 'lost'},2025-11-1{n % 9},{100 + n},P-{n % 3}\n" for n in range(30)
)
NOTES = "partner_id,quarter,action\nP-1,2025Q3,Call them\n"
COMMANDS = {
    "score.csv": "score {book} --by none -o {out}",
    "score.xlsx": "score {book} --by none -o {out}",
    "signals.json": "signals {book} -o {out}",
    "bridge.csv": "bridge {book} -o {out}",
    "restated.csv": "restated {book} -o {out}",
    "quality.html": "check {book} -o {out}",
}
OLD = b"what stood there before"


@pytest.fixture
def book(write_book: Callable[..., Path]) -> Path:
    return write_book(DEALS, notes=NOTES)


def code_of(command: str) -> Callable[[], int]:
    return lambda: run(command.split())


def workbook(path: Path) -> None:
    export.write_xlsx(pd.DataFrame({"a": ["=1", "b"], "n": [1, 2]}), path)


def text(path: Path) -> None:
    export.write_text("a line\n" * 99, path)


@pytest.mark.parametrize("write", [text, workbook])
@pytest.mark.parametrize("happens", [die, no_room])
def test_a_file_is_the_old_or_the_new_one_whatever_happens(
    tmp_path: Path, write: Callable[[Path], None], happens: Callable[[str], None]
) -> None:
    """Before every change of the folder its writer is killed, or the disk is full from there on."""
    path, at, code = tmp_path / "out" / "file", 0, -1
    path.parent.mkdir()
    while code:
        at += 1
        path.write_bytes(OLD)
        code = apart(path.parent, at, happens, lambda: write(path) or 0)
        new = path.read_bytes()
        assert (new == OLD) == (code != 0) or code == KILLED  # perhaps after its last step
        assert new in (OLD, b"a line\n" * 99) or (
            write is workbook and len(pd.read_excel(path, engine="openpyxl")) == 2
        )
        left = [each.name for each in path.parent.iterdir() if each != path]
        assert code == KILLED or left == []
        assert all(each.startswith(".") for each in left)  # no one takes it for a result
    assert at > 1 + (happens is die)
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_leaves_what_stood_there_when_the_disk_is_full(
    book: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / name).write_bytes(OLD)
    monkeypatch.setattr(os, "fsync", full)
    before = sorted(tmp_path.iterdir())
    assert run(COMMANDS[name].format(book=book, out=tmp_path / name).split()) == 4
    assert f"Cannot write {tmp_path / name}: No space left on device." in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == OLD
    assert sorted(tmp_path.iterdir()) == before


def test_a_note_is_added_or_not(book: Path) -> None:
    before, at, code = (book / "notes.csv").read_text(), 0, KILLED
    command = f"note {book} --partner P-2 --quarter 2025Q4 --action Train"
    while code == KILLED:
        at += 1
        code = apart(book, at, die, code_of(command))
        lines = (book / "notes.csv").read_text()
        assert lines.startswith(before)
        assert lines.count("Train") <= 1
        assert lines.endswith("\n")
        (book / "notes.csv").write_text(before)
    assert code == 0
    assert at > 2


def test_a_draft_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    whole, at, code = "", 0, 0
    while code == KILLED or not at:
        folder = tmp_path / f"export{at}"
        folder.mkdir()
        (folder / "deals.csv").write_text(DEALS)
        command = code_of(f"init {folder / 'deals.csv'} --write")
        if not at:
            assert command() == 0
            whole = (folder / "book.toml").read_text()
            code = KILLED
        else:
            code = apart(folder, at, die, command)
            path = folder / "book.toml"
            assert not path.exists() or path.read_text().replace(folder.name, "export0") == whole
        at += 1
    assert code == 0
    assert at > 4


def test_a_sample_book_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    out, at, code = tmp_path / "out", 0, KILLED
    command = code_of(f"sample {out / 'book'} --partners 2 --quarters 1 --deals 5")
    while code == KILLED:
        at += 1
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        code = apart(out, at, die, command)
        assert (out / "book").exists() == (code == 0)
    assert code == 0
    assert (out / "book" / "truth.json").exists()
    assert at > 5
