"""Workers and kernels: nothing is left behind, whatever ends the review, and a used kernel is as good as new."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from partnerkpi.batch import kernels
from partnerkpi.batch.engine import kill
from partnerkpi.batch.plan import PARAMETERS
from partnerkpi.batch.run import _tidied_when_ended

ROOT = Path(__file__).resolve().parent.parent
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
#: It takes about a second where nothing else runs; a busy machine needs more, and a notebook would sleep on for 99.
PATIENCE = 90
END = (
    'display({"application/vnd.partnerkpi.end+json": {"chapter": "only", "partner": partner, "quarter": quarter,'
    ' "as_of": as_of, "figures": {"headline": 1.5}}, "text/plain": "end"}, raw=True)'
)


def notebook(folder: Path, source: str) -> Path:
    """A folder with one notebook that runs this cell."""
    folder.mkdir()
    sources = ("\n".join(f'{name}: str = ""' for name in PARAMETERS), source, END)
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": [] if number else ["parameters"]},
            "source": text,
            "execution_count": None,
            "outputs": [],
        }
        for number, text in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "00_only.ipynb").write_text(json.dumps(made))
    return folder


@pytest.fixture
def book(write_book: Callable[..., Path]) -> Path:
    return write_book("deal_id,created_on,status,closed_on,amount,partner_id\nD-1,2025-10-01,won,2025-11-10,100,A\n")


def soon(done: Callable[[], object], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Nothing is left behind


@pytest.mark.slow
@posix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_review_leaves_nothing_running(book: Path, tmp_path: Path, how: signal.Signals) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    cell = (
        "import os, pathlib, time\n"
        f"for pid in (os.getpid(), os.getppid()): pathlib.Path({str(pids)!r}, str(pid)).touch()\n"
        "time.sleep(99)"
    )
    named = dict(out=str(tmp_path / "out"), notebooks=str(notebook(tmp_path / "nb", cell)), jobs=2)
    with started(f"pk.review({str(book)!r}, **{named!r})", tmp_path) as (batch, temporary):
        assert soon(lambda: len(list(pids.iterdir())) >= 3, 90)  # two reports and what they were forked from
        batch.send_signal(how)
        assert soon(lambda: batch.poll() is not None, 5)
        assert soon(lambda: not any(alive(int(p.name)) for p in pids.iterdir()), 5)
        assert soon(lambda: not list(temporary.glob("partnerkpi-*")), 5)
    assert list((tmp_path / "out" / "2025Q4").glob("*.html")) == []


@posix
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_slices_do_not_outlive_a_review_that_has_no_workers_yet(
    book: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """Nobody but the review itself is there to remove the rows it has written for its notebooks."""
    code = (
        "import time\nfrom partnerkpi.batch.plan import Plan\nwrite = Plan.write_slice\n"
        "def slowly(*given):\n    write(*given)\n    time.sleep(99)\nPlan.write_slice = slowly\n"
        f"pk.review({str(book)!r}, out={str(tmp_path / 'out')!r})"
    )
    with started(code, tmp_path) as (batch, temporary):
        assert soon(lambda: list(temporary.glob("partnerkpi-*/slice0/*")), 90)
        batch.send_signal(how)
        assert soon(lambda: batch.poll() is not None)
    assert list(temporary.glob("partnerkpi-*")) == []
    assert batch.returncode == {signal.SIGINT: -signal.SIGINT}.get(how, 128 + how)
    assert not (tmp_path / "out" / ".review.holder").exists()


class started:
    """A review begun in a process of its own, with a folder for its temporary files; ended for good at the end."""

    def __init__(self, code: str, folder: Path) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        # A shell starts what runs in its background with Ctrl-C ignored; the batch must hear it here all the same.
        heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nimport partnerkpi as pk\n"
        self.batch = subprocess.Popen(
            [sys.executable, "-c", heard + code],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )

    def __enter__(self) -> tuple[subprocess.Popen[bytes], Path]:
        return self.batch, self.temporary

    def __exit__(self, *_: object) -> None:
        self.batch.kill()
        self.batch.wait()


@posix
def test_signals_are_heard_only_while_a_review_runs() -> None:
    def end() -> None:
        with _tidied_when_ended():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(SystemExit) as ended:
        end()
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@posix
def test_a_signal_somebody_else_listens_to_is_left_to_them() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with _tidied_when_ended():
            os.kill(os.getpid(), signal.SIGTERM)
            assert soon(lambda: heard, 5)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_review_in_a_thread_listens_to_nothing() -> None:
    went: list[bool] = []

    def inside() -> None:
        with _tidied_when_ended():
            went.append(True)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert went == [True]


@posix
def test_a_kernel_is_killed_with_all_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import pathlib, subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        f"part = pathlib.Path({str(child)!r} + '.part')\npart.write_text(str(p.pid))\npart.rename({str(child)!r})\n"
        "time.sleep(99)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        assert soon(child.exists)
        kill(SimpleNamespace(provisioner=SimpleNamespace(process=process)))  # type: ignore[arg-type]
        assert soon(lambda: process.poll() is not None)
        assert soon(lambda: not alive(int(child.read_text())))
    finally:
        process.kill()
        process.wait()
    kill(SimpleNamespace(provisioner=SimpleNamespace(process=process)))  # type: ignore[arg-type]
    kill(SimpleNamespace(provisioner=None))  # type: ignore[arg-type]


def test_a_worker_without_its_parent_ends_its_kernels_and_removes_the_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    (private / "slice0").mkdir(parents=True)
    steps: list[str] = []

    def killed() -> None:
        steps.append("killed while its folder is there" if private.exists() else "killed")

    monkeypatch.setattr(kernels, "_kernels", [SimpleNamespace(kill=killed), SimpleNamespace(kill=killed)])
    monkeypatch.setattr(os, "_exit", lambda code: steps.append(f"left with {code}"))
    parent, child = os.pipe()
    os.close(child)  # the parent is gone
    try:
        kernels._watch(parent, str(private))
    finally:
        os.close(parent)
    assert steps[:2] == ["killed while its folder is there"] * 2  # a kernel that lives on would write on
    assert steps[-1] == "left with 143"
    assert not private.exists()


def test_a_used_kernel_is_as_good_as_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a notebook changed is put back: here without a kernel, so that each thing can be looked at."""
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = dict(os.environ), plt.rcParams["font.size"], np.geterr(), pd.options.display.max_rows, sys.path[:]
    kernels.remember()
    os.environ["DIRT"] = "1"
    os.environ.pop("PATH", None)
    plt.rcParams["font.size"] = 40
    plt.figure()
    np.seterr(all="ignore")
    pd.options.display.max_rows = 7
    sys.path.append("dirt")
    (tmp_path / "sub").mkdir()
    os.chdir("sub")
    formatter = SimpleNamespace(formatters={})
    shell = SimpleNamespace(reset=lambda new_session: None, display_formatter=formatter)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    kernels.renew()
    after = dict(os.environ), plt.rcParams["font.size"], np.geterr(), pd.options.display.max_rows, sys.path[:]
    assert after == before
    assert os.getcwd() == str(tmp_path)
    assert plt.get_fignums() == []
