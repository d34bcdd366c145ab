"""Files are put in their place whole or not at all, by one review at a time, and never over what is not its own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partnerkpi.batch import files
from partnerkpi.batch.files import earlier, free_for, locked, place, prepared, put, put_notebook, still_there, sweep
from partnerkpi.cli import run
from partnerkpi.errors import SystemProblem, UsageError

posix = pytest.mark.skipif(sys.platform == "win32", reason="open files and modes are otherwise on Windows")


def test_put_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "a.html", b"old")
    digest = put(tmp_path / "a.html", b"new")
    assert (tmp_path / "a.html").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.html"]
    assert still_there(tmp_path, "a.html", digest)
    assert not still_there(tmp_path, "a.html", "0" * 64)
    assert not still_there(tmp_path, "b.html", digest)


def test_put_writes_to_the_disk_before_it_replaces_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads meanwhile sees the old file or the new one, and so does whoever reads after a power cut."""
    path = tmp_path / "a.html"
    put(path, b"old")
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        assert os.fstat(handle).st_size == len(b"new and whole")
        assert path.read_bytes() == b"old"
        steps.append("fsync")
        fsync(handle)

    def replaced(source: str, target: Path) -> None:
        assert Path(source).read_bytes() == b"new and whole"
        assert Path(source).parent == path.parent  # else it would be a copy, not a step
        assert path.read_bytes() == b"old"
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    put(path, b"new and whole")
    assert steps == ["fsync", "replace"]
    assert path.read_bytes() == b"new and whole"


@posix
def test_who_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    put(tmp_path / "a.html", b"old")
    with open(tmp_path / "a.html", "rb") as reader:
        put(tmp_path / "a.html", b"new")
        assert reader.read() == b"old"


@posix
def test_others_may_read_a_page_as_far_as_the_user_lets_them(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        put(tmp_path / "a.html", b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.html").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    put(tmp_path / "a.html", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(SystemProblem, match=r"disk is full.*Earlier files are untouched"):
        put(tmp_path / "a.html", b"new")
    assert (tmp_path / "a.html").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.html"]


def test_an_interruption_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.html", b"old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path / "a.html", b"new")
    assert (tmp_path / "a.html").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.html"]


def test_what_a_killed_review_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    for name in (".x1.unfinished", "notebooks/.x2.unfinished", "a.html", "b.unfinished", ".hidden"):
        (tmp_path / name).write_text("x")
    sweep(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"a.html", "b.unfinished", ".hidden"}


# A folder to write to


@pytest.mark.parametrize("inside", ["", "reports", "reports/2025Q4"])
def test_a_file_in_the_place_of_a_folder(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("mine")
    for checked in (place, lambda folder: prepared(folder, reports=1)):
        with pytest.raises(UsageError, match="is a file, and a folder is needed there"):
            checked(tmp_path / "file" / inside)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    free_for(tmp_path, ["a.html"])
    with pytest.raises(UsageError, match=r"index\.html is a folder, and a file is needed there"):
        free_for(tmp_path, ["a.html", "index.html"])


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(SystemProblem, match=r"Cannot write to .*: Permission denied\. Make it writable, or write"):
        prepared(tmp_path / "reports", reports=1)


def test_too_little_room_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SystemProblem, match=r"may need [\d,]+ MB"):
        prepared(tmp_path, reports=10**9)


# The manifest

GOOD = {"partner": "P-1", "file": "P-1.html", "state": "published", "sha256": "0", "as_of": "2025-12-31"}


def test_a_manifest_says_what_stands_there(tmp_path: Path) -> None:
    assert earlier(tmp_path) == {}
    assert earlier(tmp_path / "nowhere") == {}
    (tmp_path / "manifest.json").write_text(json.dumps({"reports": [{**GOOD, "more": 1}]}))
    assert earlier(tmp_path) == {"P-1": {**GOOD, "more": 1}}


NOT_OURS: list[Any] = [
    [],
    ["x"],
    "text",
    7,
    None,
    {},
    {"reports": None},
    {"reports": "P-1"},
    {"reports": {"P-1": GOOD}},
    {"reports": ["P-1"]},
    {"reports": [None]},
    {"reports": [[]]},
    {"reports": [GOOD, {}]},
    *({"reports": [{k: v for k, v in GOOD.items() if k != key}]} for key in GOOD),
    *({"reports": [{**GOOD, key: 1}]} for key in GOOD),
    *(
        {"reports": [{**GOOD, "file": name}]}
        for name in ("", ".html", "../x.html", "a/b.html", "C:\\x.html", "book.toml")
    ),
]


@pytest.mark.parametrize(
    "content", [*map(json.dumps, NOT_OURS), "", "{ cut", "[" * 200_000, "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_manifest_of_another_shape_is_not_written_over(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(SystemProblem, match=r"manifest\.json is not the manifest of a review: .*Nothing was run"):
        earlier(tmp_path)
    assert path.read_bytes() == before


def test_a_manifest_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(SystemProblem, match=r"Cannot read .*manifest\.json: .*Move it away, or write elsewhere"):
        earlier(tmp_path)


# As the command line says it


@pytest.fixture
def book(write_book: Callable[..., Path]) -> Path:
    return write_book("deal_id,created_on,status,closed_on,amount,partner_id\nD-1,2025-10-01,won,2025-11-10,100,A\n")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")}


@pytest.mark.parametrize(
    ("occupied", "code", "says"),
    [
        ("", 2, "is a file, and a folder is needed there"),
        ("2025Q4", 2, "2025Q4 is a file, and a folder is needed there"),
        ("2025Q4/index.html/", 2, "index.html is a folder, and a file is needed there"),
        ("2025Q4/A.html/", 2, "A.html is a folder, and a file is needed there"),
        ("2025Q4/scorecard.csv/", 2, "scorecard.csv is a folder, and a file is needed there"),
        ("2025Q4/manifest.json/", 4, "Cannot read"),
        ("2025Q4/manifest.json", 4, "is not the manifest of a review: it has no list of reports"),
        (".review.lock/", 4, "Cannot lock"),
    ],
)
def test_what_stands_in_the_way_is_said_in_a_sentence(
    book: Path, tmp_path: Path, occupied: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    path = out / occupied.rstrip("/") if occupied else out
    if occupied.endswith("/"):
        path.mkdir(parents=True)
        (path / "mine.txt").write_text("mine")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('["mine"]')
    before = contents(tmp_path)
    assert run(["review", str(book), "-o", str(out), "-j", "1"]) == code
    printed = capsys.readouterr()
    assert says in printed.err
    assert "a fault in partnerkpi" not in printed.err.lower()
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert contents(tmp_path) == before


def test_a_folder_nobody_may_write_to_ends_with_4(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refused)
    assert run(["review", str(book), "-o", str(tmp_path / "out")]) == 4
    assert "Permission denied. Make it writable, or write elsewhere with --out." in capsys.readouterr().err


# Notebooks and locks


def test_a_stored_notebook_knows_nothing_of_this_machine(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "id": "0af1",
        "metadata": {"papermill": {"start_time": "now"}, "tags": ["injected-parameters"]},
        "source": 'book = "/private/gr\\xf6\\xdfer/x/slice0"\nother = "/private/größer/x/slice0"',
        "outputs": [],
    }
    made = {"cells": [cell], "metadata": {"papermill": {"input_path": "/home/me"}, "kernelspec": {}}}
    put_notebook(tmp_path / "n.ipynb", made, "/private/größer/x")
    text = (tmp_path / "n.ipynb").read_text()
    assert "/private" not in text
    assert "papermill" not in text
    assert json.loads(text)["cells"][0]["id"] == "parameters-0"


def test_a_second_review_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom partnerkpi.errors import SystemProblem\n"
        "from partnerkpi.batch.files import locked\n"
        "try:\n    with locked(Path(sys.argv[1])): pass\n"
        "except SystemProblem as problem: print(problem); sys.exit(4)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        for _ in range(2):  # having asked changes nothing
            second = subprocess.run(command, capture_output=True, text=True, check=False)
            assert second.returncode == 4, second.stderr
            assert f"is in use by process {os.getpid()}, started 20" in second.stdout
        with pytest.raises(SystemProblem, match=f"process {os.getpid()}"), locked(tmp_path):
            pass
    assert subprocess.run(command, check=False).returncode == 0
    assert not (tmp_path / files.HOLDER).exists()


@posix
def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom partnerkpi.batch.files import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert (tmp_path / files.HOLDER).exists()
    with locked(tmp_path):
        assert f"process {os.getpid()}," in (tmp_path / files.HOLDER).read_text()


# The folder of slices


def test_a_review_has_a_folder_of_its_own_that_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with files.private() as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(f"partnerkpi-{os.getpid()}-")
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "slice0").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_review_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that runs nothing is touched, nor is what no review made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    gone, there = int(ended.stdout), os.getppid()
    for name in (f"partnerkpi-{gone}-left", f"partnerkpi-{there}-runs", "partnerkpi-notes", "partnerkpi-x-y"):
        (tmp_path / name / "slice0").mkdir(parents=True)
    with files.private():
        left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(f"partnerkpi-{os.getpid()}-")}
    assert left == {f"partnerkpi-{there}-runs", "partnerkpi-notes", "partnerkpi-x-y"}
