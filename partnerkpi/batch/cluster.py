"""Jobs on other machines: on the workers of a Dask scheduler that is running already.

A job is a function of a slice, notebooks and parameters, and nothing else travels: the slice, which holds one partner's
rows and ready-made aggregates of the others, the notebooks, the parameters, the figures that are known of the slice;
nothing of the environment. What comes back are the executed notebooks. Pages are bound, and looked at by the gate,
where the review runs, so they are those of a review without a cluster.

On a worker a job runs in a fork of a template, which stays there for the next one, or in a kernel of its own where
nothing can be forked. A worker that ends takes its slices and whatever it runs along; its jobs run on another one.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import os
import pickle
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psutil

from partnerkpi.batch import done, files, pool
from partnerkpi.batch.forks import LIBRARIES, Forks, available
from partnerkpi.batch.kernels import Job, Outcome, run_job
from partnerkpi.batch.plan import chapters
from partnerkpi.batch.publish import versions
from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.figures import Known

ADDRESS = re.compile(r"(?:tcp|tls|wss?)://[^\s/]+:\d{1,5}")
#: Seconds in which a scheduler answers, in which a worker is there at the beginning, and in which one comes back.
CONNECT, FIRST, AGAIN = 5, 10, 60
#: Seconds between two looks at the workers, and in which an answer of the scheduler or a worker is there.
LOOK, ANSWER = 2.0, 30
#: Jobs a cluster has at hand for each thread of a worker.
AHEAD = 2
_KEPT = "What was published stands; the same review with --resume makes the rest."
_SAME = "Install the same partnerkpi and packages on the workers as here"


@dataclass(frozen=True)
class Parcel:
    """A job as it travels: the contents of the files of its slice and of its notebooks, by name.

    `made_with` is what pages are made with where it comes from.
    """

    slice: Mapping[str, bytes] = field(repr=False)
    notebooks: Mapping[str, bytes] = field(repr=False)
    parameters: Mapping[str, str]
    timeout: float
    fresh_kernels: bool
    known: Known = field(repr=False)
    made_with: str


@dataclass(frozen=True)
class Reply:
    """What comes back: the executed notebooks by name, none where one failed; `slice` is where the slice was.

    `made_with` is what pages are made with on the worker. Where that is another than the parcel's nothing was run.
    """

    failure: str
    seconds: float
    notebooks: Mapping[str, bytes] = field(repr=False)
    slice: str
    made_with: str


class Cluster:
    """Runs jobs on the workers of the scheduler at `address`, `most` at a time, or as many as there are threads.

    Raises:
        UsageError: that is no address of a scheduler, or `distributed` is not installed.
        SystemProblem: no scheduler answers there, it has no worker, or one has another partnerkpi.
    """

    def __init__(self, address: str, most: int | None = None) -> None:
        if not ADDRESS.fullmatch(address):
            raise UsageError(f"'{address}' is no address of a Dask scheduler: write it like tcp://host:8786.")
        try:
            from distributed import Client, KilledWorker
        except ImportError as problem:
            raise UsageError(
                "A cluster needs distributed: install it with  pip install 'partnerkpi[cluster]'"
            ) from problem
        _quiet()
        self.address, self.most, self._killed = address, most, KilledWorker
        _check_answer(address)
        self.client = Client(address, timeout=CONNECT, set_as_default=False)
        try:
            self._threads = self._first_workers()
            self._compare()
        except BaseException:
            self.close()
            raise

    def execute(
        self, jobs: Sequence[Job], look: Callable[[], None], every: float, prepare: Callable[[Job], bool]
    ) -> Iterator[Outcome]:
        """Yield each job's outcome as it ends; `look` is called every so many seconds while waiting.

        `prepare` is called for a job before it is sent; one for which it says False is none. A job whose workers are
        killed is tried once more, beyond the times that Dask tries it.

        Raises `SystemProblem` when the scheduler is gone, when no worker is left, or one has another partnerkpi.
        """
        left, ended = iter(jobs), SimpleQueue[Any]()
        running: dict[Any, tuple[Job, Any]] = {}
        retried: set[int] = set()
        seen = looked = time.monotonic()

        def await_(job: Job, future: Any) -> None:
            running[future.key] = job, future
            future.add_done_callback(ended.put)

        try:
            while True:
                while len(running) < (self.most or AHEAD * self._threads) and (job := next(left, None)):
                    if prepare(job):
                        await_(job, self._sent(job))
                if not running:
                    return
                if time.monotonic() > looked + LOOK:
                    looked = time.monotonic()
                    if workers := self._workers():
                        seen, self._threads = looked, sum(workers.values())
                    elif looked > seen + AGAIN:
                        raise self._abandoned()
                try:
                    future = ended.get(timeout=every)
                except Empty:
                    look()
                    continue
                job, _ = running.pop(future.key)
                try:
                    yield self._outcome(job, future)
                except TimeoutError:  # its worker ended before it handed it over: Dask runs it once more
                    await_(job, future)
                except self._killed:
                    if job.number in retried:
                        yield Outcome(job.number, "its worker process died", 0.0)
                    else:
                        retried.add(job.number)
                        await_(job, self._sent(job))
        finally:
            with contextlib.suppress(Exception):  # a scheduler that is gone has forgotten them
                self.client.cancel([future for _, future in running.values()], force=True)

    def _sent(self, job: Job) -> Any:
        """The future of a job that was sent."""
        if self.client.status != "running":
            raise self._lost()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # a slice is as large as it is
            return self.client.submit(_far(), pickle.dumps(_packed(job)), pure=False, retries=1)

    def _outcome(self, job: Job, future: Any) -> Outcome:
        """How a job ended whose future is at its end.

        Raises `KilledWorker` where Dask gave up, `TimeoutError` where the result is not to be had yet, and what
        `execute` raises.
        """
        if future.status == "error":
            error = future.exception()
            if isinstance(error, self._killed):
                raise error
            if isinstance(error, ImportError):
                raise _unable("A worker", error)
            return Outcome(job.number, f"{type(error).__name__}: {error}", 0.0)
        try:
            reply = future.result(timeout=ANSWER)
        except TimeoutError:
            raise
        except (CancelledError, OSError):
            raise self._lost() from None
        if reply.made_with != _made_with():
            raise _another("A worker", reply.made_with)
        return _unpacked(job, reply)

    def close(self) -> None:
        """Leave the scheduler; what still runs there runs to its end, and nobody asks for it."""
        with contextlib.suppress(Exception):
            self.client.close(timeout=CONNECT)

    def _workers(self) -> dict[str, int]:
        """The threads of each worker."""
        try:
            found: dict[str, int] = self.client.sync(self.client.nthreads, callback_timeout=ANSWER)
        except (OSError, RuntimeError):
            raise self._lost() from None
        return found

    def _first_workers(self) -> int:
        until = time.monotonic() + FIRST
        while not (workers := self._workers()):
            if time.monotonic() > until:
                raise SystemProblem(
                    f"The Dask scheduler at {self.address} has no worker. Start one:  dask worker {self.address}"
                )
            time.sleep(0.1)
        return sum(workers.values())

    def _compare(self) -> None:
        """Raise `SystemProblem` for a worker on which pages would not be made with what is here."""
        try:
            told = self.client.sync(self.client.run, _made_with, on_error="return", callback_timeout=ANSWER)
        except OSError:
            raise self._lost() from None
        for worker, answer in told.items():
            if isinstance(answer, BaseException):
                raise _unable(f"The worker at {worker}", answer)
            if answer != _made_with():
                raise _another(f"The worker at {worker}", answer)

    def _lost(self) -> SystemProblem:
        return SystemProblem(f"The Dask scheduler at {self.address} is gone. {_KEPT}")

    def _abandoned(self) -> SystemProblem:
        return SystemProblem(f"The Dask scheduler at {self.address} has no worker left. {_KEPT}")


def _check_answer(address: str) -> None:
    """Raise `SystemProblem` when it is no scheduler that answers, or none in time: a client might wait for ever."""
    from distributed import rpc
    from distributed.security import Security

    async def who() -> str:
        async with rpc(address, connection_args=Security().get_connection_args("client"), timeout=CONNECT) as scheduler:
            return str((await scheduler.identity())["type"])

    async def in_time() -> str:
        return await asyncio.wait_for(who(), CONNECT)

    why = ""
    try:
        with ThreadPoolExecutor(1) as thread:  # where a notebook asks for the review this one has a loop of its own
            if thread.submit(asyncio.run, in_time()).result() == "Scheduler":
                return
    except OSError:
        pass
    except Exception as problem:  # what an address may mean is Dask's: no certificate, say
        why = f" ({problem})"
    raise SystemProblem(f"No Dask scheduler answers at {address}{why}. Start one there, or review without --cluster.")


def run_parcel(parcel: Parcel) -> Reply:
    """On a worker: run the notebooks of a job, in a folder that is gone when they have ended."""
    here = _made_with()
    if here != parcel.made_with:
        return Reply("", 0.0, {}, "", here)
    with _template() as (private, forks):
        folder = Path(tempfile.mkdtemp(prefix="parcel", dir=private))
        try:
            for name, contents in (("slice", parcel.slice), ("notebooks", parcel.notebooks)):
                (folder / name).mkdir()
                for file, content in contents.items():
                    (folder / name / file).write_bytes(content)
            job = Job(
                number=0,
                folder=folder / "job",
                chapters=chapters(folder / "notebooks"),
                parameters={**parcel.parameters, "book": str(folder / "slice")},
                timeout=parcel.timeout,
                fresh_kernels=parcel.fresh_kernels,
                known=parcel.known,
            )
            outcome = _outcome(job, forks)
            executed = {} if outcome.failure else {c.path.name: job.output(c).read_bytes() for c in job.chapters}
            failure = outcome.failure.replace(str(folder), "…")
            return Reply(failure, outcome.seconds, executed, str(folder / "slice"), here)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _outcome(job: Job, forks: Forks | None) -> Outcome:
    """Run a job; where its template dies, once more in another. It never has the worker itself for a parent."""
    for _ in range(2):
        if forks is not None and not forks.ready():  # it died since
            forks.close()
            forks.start()
        if forks is None or not forks.ready():
            return run_job(job)
        for outcome in forks.execute([job], lambda: None, LOOK, lambda _: True):
            return outcome
        if job.folder.exists():
            pool.set_aside(job)
    return Outcome(job.number, "its worker process died", 0.0)


#: The templates of this worker that have nothing to do, each with its private folder. A thread takes one.
_idle: list[tuple[Path, Forks | None]] = []


@contextlib.contextmanager
def _template() -> Iterator[tuple[Path, Forks | None]]:
    try:
        mine = _idle.pop()
    except IndexError:
        mine = _begun()
    try:
        yield mine
    finally:
        _idle.append(mine)


def _begun() -> tuple[Path, Forks | None]:
    """A private folder, and a template where there can be one; both end with the worker."""
    kept = contextlib.ExitStack()
    atexit.register(kept.close)
    private = kept.enter_context(files.private())
    if not available():
        return private, None
    memory = psutil.virtual_memory().total // (os.cpu_count() or 1)
    forks = Forks(private, workers=1, memory=memory, also=LIBRARIES)
    kept.callback(forks.close)
    return private, forks


def _packed(job: Job) -> Parcel:
    return Parcel(
        slice={path.name: path.read_bytes() for path in Path(job.parameters["book"]).iterdir()},
        notebooks={chapter.path.name: chapter.path.read_bytes() for chapter in job.chapters},
        parameters=job.parameters,
        timeout=job.timeout,
        fresh_kernels=job.fresh_kernels,
        known=job.known,
        made_with=_made_with(),
    )


def _unpacked(job: Job, reply: Reply) -> Outcome:
    """Put the executed notebooks where an engine here would have put them, and name the slice as it is named here."""
    if not reply.failure:
        there, here = (json.dumps(place)[1:-1].encode() for place in (reply.slice, job.parameters["book"]))
        job.folder.mkdir(mode=0o700)
        for chapter in job.chapters:
            job.output(chapter).write_bytes(reply.notebooks[chapter.path.name].replace(there, here))
    return Outcome(job.number, reply.failure, reply.seconds)


def _made_with() -> str:
    """What pages are made with in this process: what they say themselves, and which partnerkpi it is to the letter."""
    return f"{versions()}, package {done.package_hash()[:12]}"


def _far() -> Callable[[bytes], Any]:
    """What a worker is asked to do. It travels as its own code: the scheduler unpacks it and may have no partnerkpi."""

    def far(parcel: bytes) -> Any:
        return import_module("partnerkpi.batch.cluster").run_parcel(pickle.loads(parcel))

    return far


def _unable(worker: str, error: BaseException) -> SystemProblem:
    return SystemProblem(f"{worker} cannot run this partnerkpi ({type(error).__name__}: {error}). {_SAME}.")


def _another(worker: str, made_with: str) -> SystemProblem:
    return SystemProblem(f"{worker} has another partnerkpi: {made_with}; here it is {_made_with()}. {_SAME}.")


def _quiet() -> None:
    """Let Dask's logs be silent: what goes wrong is said once, by an error."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
