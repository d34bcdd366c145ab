"""Reviews that are killed, interrupted, out of room or not let in: as real processes, with real notebooks."""

from __future__ import annotations

import hashlib
import os
import random
import signal
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
from tiny_reviews import QUARTER, Tiny, opened

from partnerkpi.batch import done, forks, review
from partnerkpi.batch import run as run_of_batch
from partnerkpi.batch.plan import Plan

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


@pytest.mark.parametrize(("engine", "first", "parts"), [("fork", ORPHAN, 7), ("pool", "", 6)])
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
