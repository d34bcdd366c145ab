"""Reviews on a cluster: a real scheduler with two workers, one of which is killed; the pages are those made here."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_batch_kernels import alive, soon

from partnerkpi.batch import ReviewResult, cluster, review
from partnerkpi.batch.plan import PARAMETERS, Plan
from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.sample import write_sample

ROOT = Path(__file__).resolve().parent.parent
PARTNERS = ["A", "B", "C"]
END = (
    'display({"application/vnd.partnerkpi.end+json": {"chapter": "CHAPTER", "partner": partner, "quarter": quarter,'
    ' "as_of": as_of, "figures": {"headline": 1.5}}, "text/plain": "end"}, raw=True)'
)

needs_distributed = pytest.mark.skipif(
    find_spec("distributed") is None, reason="distributed, the extra `cluster`, is not installed here"
)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="what runs where is looked up in /proc")


class Dask:
    """A scheduler and workers, each a process of its own; `address` is where the scheduler listens.

    A task is given up when it was on more than `forgiven` workers that died.
    """

    def __init__(self, folder: Path, workers: int, forgiven: int) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        self.forgiven = str(forgiven)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.folder = folder
        absent = folder / "absent"
        absent.mkdir()
        (absent / "partnerkpi.py").write_text("raise ImportError('a scheduler need not have it')")
        where = folder / "scheduler.json"
        local = ["--host", "127.0.0.1", "--no-dashboard"]
        self.scheduler = self._start("scheduler", absent, *local, "--port", "0", "--scheduler-file", str(where))
        assert soon(lambda: where.exists() and where.read_text().endswith("}"))
        self.address = json.loads(where.read_text())["address"]
        own = [*local, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        self.workers = [self._start("worker", ROOT, self.address, *own) for _ in range(workers)]

    def _start(self, what: str, path: Path, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
        env = {**os.environ, "PYTHONPATH": str(path), "TMPDIR": str(self.temporary), "WORKER_PASSWORD": "hunter2"}
        env["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = self.forgiven
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=nowhere, stderr=nowhere)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Callable[..., Dask]]:
    """A function that starts a scheduler with so many workers."""
    started: list[Dask] = []

    def start(workers: int, forgiven: int = 3) -> Dask:
        started.append(Dask(tmp_path / f"dask{len(started)}", workers, forgiven))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def book(write_book: Callable[..., Path]) -> Path:
    names = [*PARTNERS, "D", "E"]
    deals = "".join(f"D-{n},2025-10-0{i},won,2025-11-10,100,{n}\n" for i, n in enumerate(names, 1))
    partners = "partner_id,name\n" + "".join(f"{n},{n} Ltd\n" for n in names)
    return write_book("deal_id,created_on,status,closed_on,amount,partner_id\n" + deals, partners=partners)


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that writes two notebooks, of which the second runs the given code, and has their figures agree."""
    monkeypatch.setattr(Plan, "figures", lambda *_: {"headline": 1.5})
    made: list[int] = []

    def write(code: str) -> Path:
        made.append(1)
        folder = tmp_path / f"notebooks{len(made)}"
        folder.mkdir()
        for name, source in (("00_review", "print(partner)"), ("01_second", code)):
            sources = ["\n".join(f'{each}: str = ""' for each in PARAMETERS), source, END.replace("CHAPTER", name[3:])]
            cells = [
                {"cell_type": "code", "id": f"c{n}", "source": text, "execution_count": None, "outputs": []}
                | {"metadata": {"tags": ["parameters"] if n == 0 else []}}
                for n, text in enumerate(sources)
            ]
            kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
            whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
            (folder / f"{name}.ipynb").write_text(json.dumps(whole))
        return folder

    return write


def pages(result: ReviewResult) -> dict[str, bytes]:
    """Every file of a review but the manifest, which alone knows of times."""
    (folder,) = result.folders
    every = (p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in every}


def manifest(result: ReviewResult) -> dict[str, Any]:
    """The manifest, but for what a clock says."""
    told: dict[str, Any] = json.loads((result.folders[0] / "manifest.json").read_text())
    for part in [told, *told["reports"]]:
        for key in ("started", "finished", "seconds", "engine"):
            part.pop(key, None)
    return told


@pytest.mark.slow
@needs_distributed
def test_the_pages_are_those_of_a_review_without_a_cluster(dask: Callable[..., Dask], tmp_path: Path) -> None:
    """Of a small simulated book, with the notebooks that come along."""
    small = write_sample(tmp_path / "small", partners=5, quarters=6, deals=300, seed="cluster")
    there = dask(2)
    given: dict[str, Any] = {"book": small, "partners": ["P-001", "P-003"]}
    far = review(**given, out=tmp_path / "far", cluster=there.address)
    near = review(**given, out=tmp_path / "near")
    assert far.exit_code == near.exit_code == 0, str(far)
    assert len(pages(far)) > 3 + 9
    assert pages(far) == pages(near)
    assert manifest(far) == manifest(near)
    assert json.loads((far.folders[0] / "manifest.json").read_text())["engine"] == "cluster"
    again = review(**given, out=tmp_path / "near", cluster=there.address, resume=True)
    assert [report.left for report in again.reports] == [True] * 3
    assert not list(there.temporary.glob("partnerkpi-*/parcel*"))


@pytest.mark.slow
@needs_distributed
@needs_linux
@pytest.mark.parametrize("forgiven", [3, 0])
def test_what_a_killed_worker_ran_is_run_by_another(
    dask: Callable[..., Dask], book: Path, notebooks: Callable[..., Path], tmp_path: Path, forgiven: int
) -> None:
    """Dask tries it again, or it is we who ask once more."""
    began = tmp_path / "began"
    code = (
        "import os, pathlib, time\n"
        f"here, part = pathlib.Path({str(began)!r}), pathlib.Path({str(began)!r} + str(os.getpid()))\n"
        "if partner == 'B' and not here.exists():\n"
        "    _ = part.write_text(f'{os.getpid()} {os.getppid()}'), part.rename(here), time.sleep(99)\n"
    )
    folder, there = notebooks(code), dask(2, forgiven)
    killed: list[int] = []

    def kill() -> None:
        if soon(began.exists):
            notebook, template = map(int, began.read_text().split())
            worker = psutil.Process(template).parent()
            assert worker is not None
            worker.kill()
            killed.extend([worker.pid, template, notebook])

    killer = threading.Thread(target=kill)
    killer.start()
    far = review(book, "2025Q4", PARTNERS, out=tmp_path / "far", notebooks=folder, cluster=there.address)
    killer.join()
    assert killed[0] in {process.pid for process in there.workers}
    assert far.exit_code == 0, str(far)
    assert soon(lambda: not any(map(alive, killed[1:])))
    assert soon(lambda: not list(there.temporary.glob(f"partnerkpi-{killed[0]}-*")))
    near = review(book, "2025Q4", PARTNERS, out=tmp_path / "near", notebooks=folder)
    assert pages(far) == pages(near)
    assert manifest(far) == manifest(near)


@pytest.mark.slow
@needs_distributed
@needs_linux
def test_what_fails_costs_only_its_own_report_and_no_worker(
    dask: Callable[..., Dask],
    book: Path,
    notebooks: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A notebook that fails, one that kills what it was forked from, and one that looks for what is secret."""
    monkeypatch.setenv("REVIEW_PASSWORD", "hunter2")
    faults = {
        "A": "raise ValueError(f'not so: {book}')",
        "B": "import os; os.kill(os.getppid(), 9)",
        "C": "import os; assert not {'REVIEW_PASSWORD', 'WORKER_PASSWORD'} & set(os.environ)",
        "D": "while True: pass",
    }
    folder, there = notebooks(f"exec({faults!r}.get(partner, ''))"), dask(2)
    result = review(
        book, "2025Q4", list(faults), out=tmp_path / "out", notebooks=folder, cluster=there.address, timeout=3
    )
    assert result.exit_code == 3
    reasons = {report.partner: report.reason for report in result.reports}
    assert reasons[""] == reasons["C"] == ""
    assert reasons["A"] == "01_second.ipynb: cell 3: ValueError: not so: …/slice"
    assert reasons["B"] == "its worker process died"
    assert reasons["D"] == "01_second.ipynb: a cell took longer than 3 seconds"
    assert all(process.poll() is None for process in there.workers)


@pytest.mark.slow
@needs_distributed
@pytest.mark.parametrize("lost", ["scheduler killed", "scheduler ended", "workers killed"])
def test_a_cluster_that_is_lost_costs_nothing_that_was_published(
    dask: Callable[..., Dask],
    book: Path,
    notebooks: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    monkeypatch.setattr(cluster, "AGAIN", 2)
    gate = tmp_path / "gate"
    wait = f"import pathlib, time\nwhile partner != 'A' and not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.1)"
    folder, there = notebooks(wait), dask(2)
    page = tmp_path / "out" / "2025Q4" / "A-a-ltd.html"
    of_it = there.workers if lost == "workers killed" else [there.scheduler]

    def kill() -> None:
        if soon(page.exists):
            for process in of_it:
                process.send_signal(signal.SIGTERM if lost.endswith("ended") else signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    given: dict[str, Any] = {"partners": PARTNERS, "out": tmp_path / "out", "notebooks": folder}
    said = "has no worker left" if lost == "workers killed" else "is gone"
    with pytest.raises(SystemProblem, match=rf"{said}\. What was published stands; .* --resume"):
        review(book, "2025Q4", **given, cluster=there.address)
    killer.join()
    gate.touch()
    result = review(book, "2025Q4", **given, resume=True)
    assert result.exit_code == 0, str(result)
    assert [report.left for report in result.reports] == [False, True, False, False]


@needs_distributed
def test_workers_with_another_package_are_refused(
    dask: Callable[..., Dask], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = dask(1)
    monkeypatch.setattr(cluster, "versions", lambda: "Python 2.7, partnerkpi 0.0.1")
    with pytest.raises(SystemProblem, match=r"The worker at tcp://.* has another partnerkpi: .*Install the same"):
        review(book, out=tmp_path / "out", cluster=there.address)
    assert not (tmp_path / "out").exists()


def test_a_worker_that_came_later_runs_nothing_of_another_package() -> None:
    parcel = cluster.Parcel({}, {}, {}, 9, False, {}, made_with="something else")
    reply = cluster.run_parcel(parcel)
    assert reply.made_with != parcel.made_with
    assert not reply.notebooks


@needs_distributed
def test_where_no_scheduler_answers_a_sentence_says_so_at_once(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(SystemProblem, match=rf"No Dask scheduler answers at tcp://127.0.0.1:{port}\."):
            review(book, cluster=f"tcp://127.0.0.1:{port}")
    with pytest.raises(SystemProblem, match="No Dask scheduler answers"):
        review(book, cluster=f"tcp://127.0.0.1:{port}")
    assert time.monotonic() - began < 4 * cluster.CONNECT


@needs_distributed
def test_a_scheduler_without_workers_is_not_waited_for(
    dask: Callable[..., Dask], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "FIRST", 0.5)
    there = dask(0)
    with pytest.raises(SystemProblem, match=rf"has no worker\. Start one:  dask worker {there.address}"):
        review(book, cluster=there.address)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:8786", "tcp://host", "file:///x:1"])
def test_what_is_no_address_is_wrong_usage(book: Path, address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a Dask scheduler"):
        review(book, cluster=address)


def test_an_engine_is_not_chosen_for_a_cluster(book: Path) -> None:
    with pytest.raises(UsageError, match="leave out 'pool'"):
        review(book, cluster="tcp://127.0.0.1:1", engine="pool")


def test_without_its_package_a_sentence_names_the_extra(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'partnerkpi\[cluster\]'"):
        review(book, cluster="tcp://127.0.0.1:1")


def test_it_is_imported_where_it_is_asked_for_alone() -> None:
    code = "import sys, partnerkpi.batch.cluster; print('distributed' in sys.modules, 'dask' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "False"]
