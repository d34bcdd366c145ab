"""Jobs in worker processes, where a process cannot be forked and watched: slower than forks, with the same pages.

A worker runs the notebooks of a report in a kernel of its own. One that dies takes the whole pool with it, and nobody
can say whose job did it. Jobs that had not begun go on in a new pool; those that had are tried once more, each in a
pool of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import types
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from partnerkpi.batch.kernels import Job, Outcome, begin, run_job
from partnerkpi.startup import loading

#: Seconds between two looks at how far the workers are.
LOOK = 0.25


def execute(jobs: Sequence[Job], workers: int, look: Callable[[], None]) -> Generator[Outcome, None, None]:
    """Yield each job's outcome as it ends. `look` is called several times a second while waiting.

    When the caller stops (an error, Ctrl-C), the workers and their kernels are ended before this returns.
    """
    lost: list[Job] = []
    yield from _in_pool(jobs, workers, look, lost)
    while lost:
        begun = [job for job in lost if job.folder.exists()]
        waiting = [job for job in lost if not job.folder.exists()]
        lost = []
        if not begun:  # the pool cannot even start
            for job in waiting:
                yield Outcome(job.number, "the worker processes could not be started", 0.0)
            return
        for job in begun:
            set_aside(job)
            alone: list[Job] = []
            yield from _in_pool([job], 1, look, alone)
            if alone:
                yield Outcome(job.number, "its worker process died", 0.0)
        yield from _in_pool(waiting, workers, look, lost)


def set_aside(job: Job) -> None:
    """Put what came of a job out of the way: somebody who lost his worker may still write there."""
    os.rename(job.folder, tempfile.mkdtemp(prefix="lost-", dir=job.folder.parent))


def _in_pool(jobs: Sequence[Job], workers: int, look: Callable[[], None], lost: list[Job]) -> Iterator[Outcome]:
    """Run jobs in one pool; those without an outcome because the pool broke are added to `lost`."""
    if not jobs:
        return
    finished = False
    running: dict[Future[Outcome], Job] = {}
    with _plain_start():
        pool = ProcessPoolExecutor(
            max_workers=min(workers, len(jobs)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=exec,
            initargs=(loading(begin.__module__, f"begin({str(jobs[0].folder.parent)!r})"), {}),
        )
        try:
            for job in jobs:
                running[pool.submit(run_job, job)] = job
        except BrokenProcessPool:
            lost.extend(jobs[len(running) :])
    try:
        while running:
            done, _ = wait(running, timeout=LOOK, return_when=FIRST_COMPLETED)
            look()
            for future in done:
                job = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost.append(job)
                except Exception as error:
                    yield Outcome(job.number, f"{type(error).__name__}: {error}", 0.0)
        finished = True
    finally:
        processes = list((pool._processes or {}).values())
        if not finished:
            for process in processes:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _plain_start() -> Iterator[None]:
    """How processes are started here: without the user's script, and nothing is imported from the working folder.

    A script may have no main guard, and workers need nothing of it. Whatever lies in the working folder, beside the
    data, is no module of ours: a new Python must not look there, neither while it starts nor later.
    """
    main, path, safe = sys.modules["__main__"], sys.path[:], os.environ.get("PYTHONSAFEPATH")
    here = os.path.realpath(os.getcwd())
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.path[:] = [entry for entry in path if entry and os.path.realpath(entry) != here]
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        sys.path[:] = path
        if safe is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = safe
