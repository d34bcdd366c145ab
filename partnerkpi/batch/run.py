"""The whole review: plan → execute → bind → gate → publish.

Jobs run in worker processes, a few at a time; whatever happens to one job costs only that job. A worker that dies takes
the whole pool with it, and nobody can say whose job did it. Jobs that had not begun go on in a new pool; those that had
are tried once more, each in a pool of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from partnerkpi.batch import files
from partnerkpi.batch.disclosure import register_of
from partnerkpi.batch.kernels import Job, Outcome, begin, run_job
from partnerkpi.batch.plan import NETWORK, Plan, planned
from partnerkpi.batch.publish import QuarterFolder, Report
from partnerkpi.book import Book
from partnerkpi.errors import UsageError
from partnerkpi.periods import Quarter
from partnerkpi.startup import loading

#: Exit codes of a review in which something was not published.
FAILED, REFUSED = 3, 5
#: Seconds between two looks at how far the workers are.
LOOK = 0.25


@dataclass(frozen=True)
class ReviewResult:
    """The reports of a review, and the folders they are in, one per quarter."""

    reports: tuple[Report, ...]
    folders: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """0 all published, 5 when the gate refused one, else 3."""
        states = {report.state for report in self.reports}
        return REFUSED if "refused" in states else FAILED if "failed" in states else 0

    @property
    def failed(self) -> tuple[Report, ...]:
        """The reports that were not published."""
        return tuple(report for report in self.reports if report.state != "published")

    def __str__(self) -> str:
        """A few plain sentences: how many, where, and what failed why."""
        good = len(self.reports) - len(self.failed)
        lines = [f"{good} of {len(self.reports)} reports published."]
        for report in self.failed:
            kept = " The earlier page was kept." if report.stale else ""
            who = report.partner or "the network"
            lines.append(f"{report.quarter}, {who}: {report.state}: {report.reason}.{kept}".replace("..", "."))
        pages = (folder / "index.html" for folder in self.folders)
        return "\n".join([*lines, *(f"Open {page}" for page in pages if page.exists())])


def review(
    book: Book | str | Path = "",
    quarters: str | Quarter | Sequence[str | Quarter] | None = None,
    partners: Sequence[str] | None = None,
    *,
    as_of: str | None = None,
    out: str | Path = "reports",
    jobs: int | None = None,
    timeout: float = 600,
    allow_set_aside: bool = False,
    progress: bool | None = None,
    notebooks: str | Path | None = None,
    fresh_kernels: bool = False,
) -> ReviewResult:
    """Execute the KPI notebooks for every partner, or those named, and once for the network; publish the pages.

    `quarters` default to the last complete one; one that has begun and not ended is marked "to date". The pages of a
    quarter go to `out/<quarter>/`: `index.html`, one page per partner, `scorecard.csv`, `manifest.json`, and the
    executed notebooks under `notebooks/`. `jobs` reports run at a time (one per processor), a cell may take `timeout`
    seconds. `progress` shows a bar; without a word only where stderr is a terminal. `notebooks` is the folder to take
    the notebooks from; `fresh_kernels` gives every notebook its own kernel: slower, with the same pages.

    What fails costs only its own report; the result says which and why.

    Raises:
        UsageError: no such quarter or partner, a notebook with other parameters, a file in the place of the output
            folder; nothing was run.
        DataRefused: the book's data cannot be trusted; nothing was run.
        SystemProblem: the output folder cannot be written, is full, is used by another review, or holds a manifest
            that no review wrote.
    """
    if (jobs is not None and jobs < 1) or timeout <= 0:
        raise UsageError("At least one job at a time and a timeout above zero are needed.")
    out = files.place(out)
    plan = planned(
        book,
        quarters,
        partners,
        as_of=as_of,
        allow_set_aside=allow_set_aside,
        notebooks=Path(notebooks) if notebooks else None,
    )
    files.prepared(out, reports=len(plan.quarters) * (1 + len(plan.partners)))
    with (
        _tidied_when_ended(),
        files.locked(out),
        tempfile.TemporaryDirectory(prefix="partnerkpi-", ignore_cleanup_errors=True) as private,
    ):
        register = register_of(plan.book, plan.names)
        folders = {}
        for quarter in plan.quarters:
            files.prepared(out / quarter.label, reports=0)
            files.sweep(out / quarter.label)
            folders[quarter.label] = QuarterFolder(
                plan, quarter, out / quarter.label, private=Path(private), register=register
            )
        reports = _jobs(plan, Path(private), timeout=timeout, fresh_kernels=fresh_kernels)
        return _run(plan, reports, folders, workers=jobs or os.cpu_count() or 1, progress=progress)


def _run(
    plan: Plan, jobs: Sequence[Job], folders: Mapping[str, QuarterFolder], *, workers: int, progress: bool | None
) -> ReviewResult:
    started = time.time()
    of_job = {job.number: job for job in jobs}
    with _bar(jobs, progress) as look, contextlib.closing(execute(jobs, workers, look)) as outcomes:
        for outcome in outcomes:
            job = of_job[outcome.number]
            folders[job.parameters["quarter"]].take(job.parameters["partner"], job, outcome)
            look()
    for folder in folders.values():
        folder.finish()
        folder.write_tables()
        folder.write_manifest(started)
    reports = tuple(f.reports[p] for f in folders.values() for p in (NETWORK, *plan.partners))
    return ReviewResult(reports, tuple(f.folder for f in folders.values()))


@contextmanager
def _tidied_when_ended() -> Iterator[None]:
    """Let a signal that ends the process raise `SystemExit` first, so that nobody's rows stay behind in a slice."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        signals = []  # only the main thread may listen

    def end(number: int, _: object) -> None:
        for each in mine:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    mine = [each for each in signals if signal.getsignal(each) is signal.SIG_DFL]
    for each in mine:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each in mine:
            signal.signal(each, signal.SIG_DFL)


def _jobs(plan: Plan, private: Path, *, timeout: float, fresh_kernels: bool) -> list[Job]:
    """One job per quarter and partner, the network's first as it takes longest; the slices are written here."""
    jobs: list[Job] = []
    for number, partner in enumerate((NETWORK, *plan.partners)):
        place = private / f"slice{number}"
        place.mkdir(mode=0o700)
        plan.write_slice(partner, place)
        for quarter in plan.quarters:
            parameters = {
                "book": str(place),
                "partner": partner,
                "quarter": quarter.label,
                "as_of": f"{plan.book.as_of:%Y-%m-%d}",
                "edition": "internal",
                "language": "en",
            }
            job = Job(
                number=len(jobs),
                folder=private / f"job{len(jobs)}",
                chapters=plan.chapters_of(partner, quarter),
                parameters=parameters,
                timeout=timeout,
                fresh_kernels=fresh_kernels,
            )
            jobs.append(job)
    return jobs


@contextmanager
def _bar(jobs: Sequence[Job], progress: bool | None) -> Iterator[Callable[[], None]]:
    """A bar over notebooks; what is yielded brings it up to date."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield lambda: None
        return
    from tqdm import tqdm

    total = sum(len(job.chapters) for job in jobs)
    with tqdm(total=total, unit="notebook", desc="review", file=sys.stderr, leave=False) as bar:

        def look() -> None:
            bar.update(sum(sum(1 for _ in job.folder.glob("*.ipynb")) for job in jobs) - bar.n)

        yield look


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
            os.rename(job.folder, job.folder.with_name(job.folder.name + "-lost"))
            alone: list[Job] = []
            yield from _in_pool([job], 1, look, alone)
            if alone:
                yield Outcome(job.number, "its worker process died", 0.0)
        yield from _in_pool(waiting, workers, look, lost)


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
