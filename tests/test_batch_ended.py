"""Reviews that are killed, interrupted, out of room or not let in: as real processes, with real notebooks."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_batch_kernels import notebook, soon
from tiny_reviews import HEADER, QUARTER, Tiny, opened

from partnerkpi.batch import done, forks, review
from partnerkpi.batch import run as run_of_batch
from partnerkpi.batch.plan import Plan
from partnerkpi.cli import run

ROOT = Path(__file__).resolve().parent.parent
execute = run_of_batch.execute
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not forks.available(), reason="processes are forked and watched on Linux alone"),
]
#: Seconds after which nothing of a review may be left; and how many times, after how many pages, one is killed.
SOON, KILLS, AFTER = 5.0, 8, 8


class Batch:
    """Reviews of many small partners in processes of their own, by which everything that they start is known."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, partners: int) -> None:
        self.tiny = Tiny(folder, patch)
        patch.setattr("partnerkpi.batch.run.execute", execute)  # notebooks are executed here
        patch.setattr(Plan, "known", {})
        self.data = {f"P-{n:03}": ((100 + n,), f"Partner {n}") for n in range(partners)}
        self.notebooks = notebook(folder / "real", "print(open(book + '/rows.csv').read())")
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        patch.setattr(tempfile, "tempdir", str(self.temporary))
        self.mark = f"LC_{uuid.uuid4().hex}"
        patch.setenv(self.mark, "ours")  # the part of an environment that is handed on, also to those who left

    def start(self, out: Path, **options: Any) -> psutil.Process:
        """A review in a copy of this process, which has everything imported."""
        book = opened(tuple(self.data.items()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
            child = os.fork()
        if child:
            return psutil.Process(child)
        code = 70
        try:
            code = review(book, QUARTER, out=out, notebooks=self.notebooks, jobs=2, **options).exit_code
        except BaseException as error:
            sys.stderr.write(repr(error))
        finally:
            os._exit(code)

    def ours(self) -> list[psutil.Process]:
        """What runs of what a review has started; those that are copies of this process are not among it."""
        found = []
        for process in psutil.process_iter():
            try:
                if self.mark in process.environ() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def ended(process: psutil.Process) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])


def test_a_review_killed_again_and_again_comes_to_its_end_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at random moments: every page there is is whole and known, nothing runs on, nobody's rows stay behind."""
    batch, moments = Batch(tmp_path, monkeypatch, partners=40), random.Random(20)
    tiny = batch.tiny
    assert ended(batch.start(tmp_path / "undisturbed")) == 0
    whole = tiny.files(tmp_path / "undisturbed")
    for kill in range(KILLS):
        before, wanted = len(tiny.pages()), moments.randrange(AFTER)
        started = batch.start(tiny.out, resume=True)
        if kill % 4:
            assert soon(lambda n=before + wanted: len(tiny.pages()) >= n, 60)
            time.sleep(moments.uniform(0, 0.05))
        else:
            time.sleep(moments.uniform(0, 1.5))  # its template has just begun
        started.kill()
        assert ended(started) == -signal.SIGKILL
        assert soon(lambda: not batch.ours(), SOON), batch.ours()
        told = {(entry["file"], entry["sha256"]) for entry in tiny.accounts()}
        for name, content in tiny.pages().items():
            assert content == whole[name]
            assert (name, hashlib.sha256(content).hexdigest()) in told
    assert 10 < len(tiny.pages()) < 41
    assert ended(batch.start(tiny.out, resume=True)) == 0
    assert tiny.files() == whole
    assert not (tiny.quarter / done.NOTED).exists()
    assert list(batch.temporary.iterdir()) == []


#: What of a notebook is hard to end: it never gives the interpreter back, or it is in a session of its own.
HARD = (
    "import os, subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'], start_new_session=True)\n"
    "open(os.path.join({out!r}, 'calls' + partner), 'w').close()\n"
    "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')\n"
)
#: It has no parent any more that would be known: only where jobs are forks does it come to somebody.
ORPHAN = "import os, time\nif not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n    time.sleep(99)\n"


@pytest.mark.parametrize(("engine", "first", "parts"), [("fork", ORPHAN, 7), ("pool", "", 6)], ids=["fork", "pool"])
def test_what_is_hard_to_end_ends_with_a_review_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, first: str, parts: int
) -> None:
    batch = Batch(tmp_path, monkeypatch, partners=2)
    batch.notebooks = notebook(tmp_path / "hard", first + HARD.format(out=str(tmp_path)))
    started = batch.start(batch.tiny.out, engine=engine)
    assert soon(lambda: len(list(tmp_path.glob("calls*"))) == 2, 60)
    assert len(batch.ours()) >= parts  # what runs the reports, and of each report its notebook and what that started
    started.kill()
    assert ended(started) == -signal.SIGKILL
    assert soon(lambda: not batch.ours(), SOON), batch.ours()
    assert list(batch.temporary.glob("partnerkpi-*")) == []
    assert batch.tiny.pages() == {}


# Disks that are full or not to be written, as the system has them

#: The command with notebooks of its own, in a place where a small disk of its own is mounted over `out`.
PLACE = """
import functools, sys
from pathlib import Path
import pytest
import partnerkpi.batch, partnerkpi.cli
from partnerkpi.batch import run
from partnerkpi.batch.plan import Plan
sys.path.append(TESTS)
from tiny_reviews import Tiny
Path("tiny").mkdir(exist_ok=True)
execute, Plan.known = run.execute, {}
Tiny(Path("tiny"), pytest.MonkeyPatch())
run.execute, review, out = execute, partnerkpi.batch.review, Path("out")
def reviewed(notebooks):
    partnerkpi.batch.review = functools.partial(review, notebooks=notebooks)
    return partnerkpi.cli.run(["review", "book", "--out", "out", "--jobs", "1"])
def files():
    every = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "filler")
    return {path.name: path.read_bytes() for path in every if path.name[0] != "." or "unfinished" in path.name}
"""


def on_a_disk_of_its_own(folder: Path, options: str, code: str) -> str:
    """What a script says in which `out` is on a small disk; skips where nobody may mount one."""
    mounted = f'mount -t tmpfs -o {options} none out && exec "$0" "$@"'
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted]
    (folder / "out").mkdir()
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], cwd=folder, check=False).returncode:
        pytest.skip("nobody may mount a disk here")
    command = [*own, sys.executable, "-P", "-c", f"TESTS = {str(ROOT / 'tests')!r}\n" + PLACE + code]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stderr


def book_in(folder: Path) -> None:
    rows = "".join(f"D-{p},2025-10-01,won,2025-11-10,100,{p}\n" for p in "ABC")
    (folder / "book").mkdir()
    (folder / "book" / "book.toml").write_text(HEADER)
    (folder / "book" / "deals.csv").write_text("deal_id,created_on,status,closed_on,amount,partner_id\n" + rows)


def test_a_disk_that_fills_while_a_review_runs_costs_no_page_that_stands(tmp_path: Path) -> None:
    """A notebook takes all room there is; later, with room again, the review is taken up."""
    book_in(tmp_path)
    notebook(tmp_path / "first", "print('first')")
    fills = (
        f"if partner == 'B' and not os.path.exists({str(tmp_path / 'room')!r}):\n"
        f"    with open({str(tmp_path / 'out' / 'filler')!r}, 'wb', buffering=0) as file:\n"
        "        try:\n"
        "            while file.write(bytes(4096)): pass\n"
        "        except OSError: pass\n"
        "print('second')"
    )
    notebook(tmp_path / "second", "import os\n" + fills)
    said = on_a_disk_of_its_own(
        tmp_path,
        "size=20m",
        """
assert reviewed("first") == 0
first = files()
assert reviewed("second") == 4
there = files()
assert first.keys() == there.keys(), there.keys()
same = {name for name in first if first[name] == there[name]}
assert {"B.html", "C.html", "index.html", "manifest.json"} <= same, same
for page in ("A.html", "B.html", "C.html", "index.html"):
    assert there[page].rstrip().endswith(b"</html>")
(out / "filler").unlink()
Path("room").touch()
partnerkpi.batch.review = functools.partial(review, notebooks="second")
assert partnerkpi.cli.run(["review", "book", "--out", "out", "--jobs", "1", "--resume"]) == 0
assert all(b"second" in files()[page] for page in ("A.html", "B.html", "C.html", "index.html"))
""",
    )
    assert "No space left on device. The disk is full, and each report that is not there yet may need 4 MB." in said
    assert "Traceback" not in said


def test_into_a_folder_that_is_only_to_be_read_or_has_no_room_no_notebook_is_run(tmp_path: Path) -> None:
    book_in(tmp_path)
    notebook(tmp_path / "marks", f"open({str(tmp_path / 'it ran')!r}, 'w').close()")
    said = on_a_disk_of_its_own(tmp_path, "ro", "assert reviewed('marks') == 4")
    assert f"Cannot write to {tmp_path / 'out'}: Read-only file system. Make it writable, or write elsewhere" in said
    (tmp_path / "out").rmdir()
    shutil.rmtree(tmp_path / "tiny")
    said = on_a_disk_of_its_own(tmp_path, "size=9m", "assert reviewed('marks') == 4\nassert files() == {}")
    assert "has 9 MB left and 4 reports may need 16 MB" in said
    assert not (tmp_path / "it ran").exists()


def test_a_second_review_into_the_same_folder_is_told_so_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = Batch(tmp_path, monkeypatch, partners=2)
    waits = f"import os, time\nopen({str(tmp_path / 'runs')!r}, 'w').close()\n"
    waits += f"while not os.path.exists({str(tmp_path / 'go on')!r}): time.sleep(0.05)"
    batch.notebooks = notebook(tmp_path / "waits", waits)
    first = batch.start(batch.tiny.out)
    assert soon((tmp_path / "runs").exists, 60)
    book_in(tmp_path)
    for _ in range(2):
        assert run(["review", str(tmp_path / "book"), "--out", str(batch.tiny.out)]) == 4
        said = capsys.readouterr().err
        assert f"{batch.tiny.out} is in use by process {first.pid}, started 20" in said
        assert "Wait until that review has ended, or write elsewhere with --out." in said
    assert batch.tiny.pages() == {}
    (tmp_path / "go on").touch()
    assert ended(first) == 0
    assert len(batch.tiny.pages()) == 3
