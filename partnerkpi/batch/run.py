"""The whole review: plan → execute → bind → gate → publish.

Jobs run in worker processes, a few at a time; whatever happens to one job costs only that job. A worker that dies takes
the whole pool with it, and nobody can say whose job did it. Jobs that had not begun go on in a new pool; those that had
are tried once more, each in a pool of its own.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partnerkpi.batch import publish
from partnerkpi.batch.kernels import Job, Outcome, begin, run_job
from partnerkpi.batch.plan import NETWORK, Plan, planned
from partnerkpi.batch.publish import QuarterFolder, Report
from partnerkpi.book import Book
from partnerkpi.errors import UsageError
from partnerkpi.export import to_csv
from partnerkpi.periods import Quarter

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
        UsageError: no such quarter or partner, a notebook with other parameters; nothing was run.
        DataRefused: the book's data cannot be trusted; nothing was run.
        SystemProblem: the output folder cannot be written, is full, or is used by another review.
    """
    if (jobs is not None and jobs < 1) or timeout <= 0:
        raise UsageError("At least one job at a time and a timeout above zero are needed.")
    plan = planned(
        book,
        quarters,
        partners,
        as_of=as_of,
        allow_set_aside=allow_set_aside,
        notebooks=Path(notebooks) if notebooks else None,
    )
    folder = Path(out).resolve()
    publish.prepared(folder, reports=len(plan.quarters) * (1 + len(plan.partners)))
    with (
        publish.locked(folder),
        tempfile.TemporaryDirectory(prefix="partnerkpi-", ignore_cleanup_errors=True) as private,
    ):
        job_list = _jobs(plan, Path(private), timeout=timeout, fresh_kernels=fresh_kernels)
        return _run(
            plan, job_list, out=folder, private=Path(private), workers=jobs or os.cpu_count() or 1, progress=progress
        )


def _run(
    plan: Plan, jobs: Sequence[Job], *, out: Path, private: Path, workers: int, progress: bool | None
) -> ReviewResult:
    started = time.time()
    folders = {q.label: QuarterFolder(plan, q, out / q.label, private) for q in plan.quarters}
    of_job = {job.number: job for job in jobs}
    with _bar(jobs, progress) as look, contextlib.closing(execute(jobs, workers, look)) as outcomes:
        for outcome in outcomes:
            job = of_job[outcome.number]
            folders[job.parameters["quarter"]].take(job.parameters["partner"], job, outcome)
            look()
    for folder in folders.values():
        folder.finish()
        _write_tables(folder)
        _write_manifest(folder, started)
    reports = tuple(f.reports[p] for f in folders.values() for p in (NETWORK, *plan.partners))
    return ReviewResult(reports, tuple(f.folder for f in folders.values()))


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
                chapters=plan.chapters,
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


def _write_tables(folder: QuarterFolder) -> None:
    scores, book = folder.plan.scores, folder.plan.book
    mine = scores[scores["quarter"] == folder.quarter.label]
    publish.put(folder.folder / "scorecard.csv", to_csv(mine).encode())
    aside = folder.folder / "set-aside.csv"
    if len(book.reading.set_aside):
        publish.put(aside, to_csv(book.reading.set_aside).encode())
    else:
        aside.unlink(missing_ok=True)


def _write_manifest(folder: QuarterFolder, started: float) -> None:
    plan, quarter = folder.plan, folder.quarter
    book = plan.book
    manifest: dict[str, Any] = {
        "quarter": quarter.label,
        "to_date": None if quarter.complete else f"{quarter.days_so_far} of {quarter.days} days",
        "as_of": f"{book.as_of:%Y-%m-%d}",
        "book": {"name": book.name, "currency": book.currency, "time_zone": book.time_zone},
        "inputs": dict(sorted(book.reading.inputs.items())),
        "conservation": book.reading.lines(),
        "notebooks": {c.path.name: hashlib.sha256(c.path.read_bytes()).hexdigest() for c in plan.chapters},
        "versions": publish.versions(),
        "started": _time(started),
        "finished": _time(time.time()),
        "reports": sorted([*map(dict, _entries(folder)), *folder.kept()], key=lambda entry: str(entry["partner"])),
    }
    publish.put(folder.folder / "manifest.json", (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode())


def _entries(folder: QuarterFolder) -> Iterator[dict[str, Any]]:
    for report in folder.reports.values():
        entry = {
            "partner": report.partner,
            "file": report.path.name,
            "state": report.state,
            "sha256": report.sha256,
            "seconds": report.seconds,
            "as_of": f"{folder.plan.book.as_of:%Y-%m-%d}",
        }
        if report.reason:
            entry["reason"] = report.reason
        if report.stale:
            entry |= {key: folder.earlier[report.partner][key] for key in ("file", "sha256", "as_of")} | {"stale": True}
        if count := folder.unsearched.get(report.partner):
            entry["names_not_searched"] = count
        yield entry


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


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
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=begin,
        initargs=(jobs[0].folder.parent,),
    )
    finished = False
    try:
        running: dict[Future[Outcome], Job] = {}
        with _nameless_main():
            try:
                for job in jobs:
                    running[pool.submit(run_job, job)] = job
            except BrokenProcessPool:
                lost.extend(jobs[len(running) :])
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
def _nameless_main() -> Iterator[None]:
    """Keep workers from importing the user's script: it may have no main guard, and they need nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
