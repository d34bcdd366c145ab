"""The template: a process that has imported everything once and is copied, by a fork, for every report.

A copy begins where a warm kernel would be and shares nothing with the other copies. The template itself computes
nothing and holds nobody's rows. It watches: a copy in which one cell takes too long, or which takes more memory than
it may, is killed with everything it started; so is what a copy left behind when it ended. When the review that started
the template is gone, by whatever way, all its copies go too, and the folder with the slices.

What needs Linux is asked for there alone: orphans come to the template (`PR_SET_CHILD_SUBREAPER`), and copies die with
it (`PR_SET_PDEATHSIG`).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import select
import selectors
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from partnerkpi.batch.engine import run_notebook
from partnerkpi.batch.kernels import DEATH_SIGNAL, Job, Outcome, end, in_words, remember, renew
from partnerkpi.figures import tell
from partnerkpi.opening import open_book

if TYPE_CHECKING:
    from partnerkpi.batch.direct import Direct

#: Seconds between two looks at how much memory the copies take.
LOOK = 0.2
#: Seconds a copy may take to show that it can run a cell.
PROOF = 10
#: When a copy looks for garbage by itself: seldom, for it does between notebooks, and does not live long.
GARBAGE = (50_000, 20, 50)
_SUBREAPER = 36


class ReviewGone(Exception):
    """The review that started the template has ended."""


@dataclass(eq=False)
class _Copy:
    """One copy at work: on which job, from which of its notebooks on, and what was last heard of it."""

    job: Job
    first: int
    started: float
    process: psutil.Process
    ear: Connection
    end: int
    at: int = 0
    beat: float = field(default_factory=time.monotonic)
    failure: str | None = None
    killed: str = ""


class Template:
    """Runs jobs in copies of this process, at most `workers` at a time; `memory` is what a job may take, in bytes."""

    def __init__(self, parent: Connection, kernel: Direct, workers: int, memory: int) -> None:
        self.parent, self.kernel, self.workers, self.memory = parent, kernel, workers, memory
        self.waiting: deque[tuple[Job, int, float]] = deque()
        self.copies: list[_Copy] = []
        self.retried: set[tuple[int, int]] = set()

    def serve(self) -> None:
        """Run what the review sends, until it is gone: then raise `ReviewGone`."""
        with selectors.DefaultSelector() as selector:
            self.selector = selector
            selector.register(self.parent, selectors.EVENT_READ)
            try:
                while True:
                    for key, _ in selector.select(LOOK if self.copies else None):
                        if key.fileobj is self.parent:
                            self.waiting.append((self._next(), 0, time.monotonic()))
                        elif key.fileobj == key.data.end:
                            self._gone(key.data)
                        elif key.data in self.copies:
                            self._hear(key.data)
                    self._watch()
                    while self.waiting and len(self.copies) < self.workers:
                        self._copy(*self.waiting.popleft())
            finally:
                for copy in self.copies:
                    end(copy.process)
                self._sweep()

    def _next(self) -> Job:
        try:
            job: Job = self.parent.recv()
        except (EOFError, ConnectionError):
            raise ReviewGone from None
        return job

    def _copy(self, job: Job, first: int, started: float) -> None:
        ear, mouth = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads: BLAS has some, and copes
            pid = os.fork()
        if not pid:
            os.close(ear)
            for heard in (self.parent, *(other.ear for other in self.copies)):
                heard.close()
            _work(job, first, self.kernel, Connection(mouth, readable=False))
        os.close(mouth)
        process, exit_of = psutil.Process(pid), os.pidfd_open(pid)
        copy = _Copy(job, first, started, process, Connection(ear, writable=False), exit_of, at=first)
        self.copies.append(copy)
        self.selector.register(copy.ear, selectors.EVENT_READ, copy)
        self.selector.register(copy.end, selectors.EVENT_READ, copy)

    def _hear(self, copy: _Copy) -> None:
        """What a copy says: which notebook it is at as each cell begins, and at the end how it went."""
        try:
            copy.at, copy.failure = copy.ear.recv()
            copy.beat = time.monotonic()
        except (EOFError, OSError):
            self.selector.unregister(copy.ear)

    def _watch(self) -> None:
        for copy in list(self.copies):
            if time.monotonic() > copy.beat + copy.job.timeout:
                copy.killed = f"a cell took longer than {copy.job.timeout:g} seconds"
            elif _memory(copy.process) > self.memory:
                copy.killed = f"it took more than {self.memory / 1e6:,.0f} MB of memory"
            else:
                continue
            end(copy.process)

    def _gone(self, copy: _Copy) -> None:
        """Settle a copy that has ended: its job is done, or goes on in another copy, or has failed.

        What failed in a copy that had run other notebooks, or that died, is tried once more in a fresh one.
        """
        while copy.ear in self.selector.get_map() and copy.ear.poll():
            self._hear(copy)
        for heard in (copy.ear, copy.end):
            with contextlib.suppress(KeyError):
                self.selector.unregister(heard)
        copy.ear.close()
        os.close(copy.end)
        self.copies.remove(copy)
        _, status = os.waitpid(copy.process.pid, 0)
        self._sweep()
        job, at, died = copy.job, copy.at, copy.failure is None
        failure = copy.killed or (f"the kernel died ({_how(status)})" if died else copy.failure)
        again = job.retry and (died or at > copy.first) and (job.number, at) not in self.retried
        if failure and again and not copy.killed:
            self.retried.add((job.number, at))
        elif failure or at == len(job.chapters):
            named = f"{job.chapters[at].path.name}: {failure}" if failure else ""
            self.parent.send(Outcome(job.number, named, round(time.monotonic() - copy.started, 3)))
            return
        self.waiting.appendleft((job, at, copy.started))

    def _sweep(self) -> None:
        """End what copies left behind: it is this process's now."""
        ours = {copy.process.pid for copy in self.copies}
        for process in psutil.Process().children():
            if process.pid not in ours:
                end(process)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, 0)


def warm(*also: str) -> None:
    """Import what notebooks need, so that no copy has to, and the modules named."""
    for module in ("matplotlib.pyplot", "scipy.special", *also):
        importlib.import_module(module)


def serve(channel: int, private: str, workers: int, memory: int, kernel: Direct) -> None:
    """Be the template of a review, which is at the other end of `channel`; `private` is the folder of its slices."""
    _prctl(_SUBREAPER, 1)
    remember()
    gc.collect()
    gc.freeze()  # copies share these pages as long as no collection writes to them
    parent = Connection(channel)
    if not _works(kernel):
        return
    _prctl(DEATH_SIGNAL, 0)  # from here on it hears itself that the review is gone, and tidies up
    try:
        parent.send("ready")
        Template(parent, kernel, workers, memory).serve()
    except (ReviewGone, ConnectionError):  # it is noticed where something is to be heard or said
        shutil.rmtree(private, ignore_errors=True)


def _works(kernel: Direct) -> bool:
    """True when a copy of this process can run a cell: threads of a library may forbid it, and it would hang."""
    pid = os.fork()
    if not pid:
        try:
            os._exit(0 if kernel.answers() else 1)
        finally:
            os._exit(1)
    exit_of = os.pidfd_open(pid)
    ended, _, _ = select.select([exit_of], [], [], PROOF)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    os.close(exit_of)
    return os.waitpid(pid, 0)[1] == 0


def _work(job: Job, first: int, kernel: Direct, mouth: Connection) -> None:
    """In the copy: run the notebooks of a job, from the given one on, up to the first that fails."""
    at, failure = first, ""
    try:
        os.setsid()
        _prctl(DEATH_SIGNAL, signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
        job.folder.mkdir(mode=0o700, exist_ok=True)
        os.chdir(_workplace(job))
        gc.set_threshold(*GARBAGE)
        remember()
        if job.known:
            tell(open_book(job.parameters["book"]), job.known)
        for at, chapter in enumerate(job.chapters[first:], first):
            kernel.on_cell = partial(mouth.send, (at, None))
            kernel.on_cell()
            renew()
            run_notebook(kernel, chapter.path, job.output(chapter), job.unfinished(chapter), job.parameters)
            if job.fresh_kernels:
                break
        at += 1
    except Exception as error:
        failure = in_words(error, job.timeout)
    finally:
        mouth.send((at, failure))
        os._exit(0)


def _workplace(job: Job) -> Path:
    """The folder in which the notebooks run: an empty private one, or the one asked for, whose modules count then."""
    if job.workplace is not None:
        sys.path.insert(0, "")
        return job.workplace
    return Path(tempfile.mkdtemp(prefix="work", dir=job.folder))


def _memory(process: psutil.Process) -> int:
    """Bytes that a process and everything it started hold."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_info().rss
    return total


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"{signal.Signals(os.WTERMSIG(status)).name}: killed, out of memory, or crashed"
    return f"the notebook ended it, with code {os.waitstatus_to_exitcode(status)}"


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
