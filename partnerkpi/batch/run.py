"""The whole review: plan → execute → bind → gate → publish."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from partnerkpi.batch import publish
from partnerkpi.batch.execute import execute
from partnerkpi.batch.lock import locked
from partnerkpi.batch.plan import NETWORK, Plan, planned
from partnerkpi.batch.result import ReviewResult
from partnerkpi.batch.settle import Settling, versions
from partnerkpi.batch.worker import Job
from partnerkpi.book import Book
from partnerkpi.errors import UsageError
from partnerkpi.export import to_csv
from partnerkpi.periods import Quarter


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
    with locked(folder), tempfile.TemporaryDirectory(prefix="partnerkpi-", ignore_cleanup_errors=True) as private:
        return _run(plan, folder, Path(private), jobs or os.cpu_count() or 1, timeout, progress, fresh_kernels)


def _run(
    plan: Plan, out: Path, private: Path, workers: int, timeout: float, progress: bool | None, fresh_kernels: bool
) -> ReviewResult:
    started = time.time()
    settlings = {q.label: Settling(plan, q, out / q.label, private) for q in plan.quarters}
    jobs = _jobs(plan, private, timeout, fresh_kernels)
    of_job = {job.number: job for job in jobs}
    with _bar(jobs, progress) as look, contextlib.closing(execute(jobs, workers, look)) as outcomes:
        for outcome in outcomes:
            job = of_job[outcome.number]
            settlings[job.parameters["quarter"]].take(job.parameters["partner"], job, outcome)
            look()
    for settling in settlings.values():
        settling.finish()
        _write_tables(settling)
        _write_manifest(settling, started)
    reports = tuple(s.reports[p] for s in settlings.values() for p in (NETWORK, *plan.partners))
    return ReviewResult(reports, tuple(s.folder for s in settlings.values()))


def _jobs(plan: Plan, private: Path, timeout: float, fresh_kernels: bool) -> list[Job]:
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
            jobs.append(Job(len(jobs), private / f"job{len(jobs)}", plan.chapters, parameters, timeout, fresh_kernels))
    return jobs


@contextlib.contextmanager
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


def _write_tables(settling: Settling) -> None:
    scores, book = settling.plan.scores, settling.plan.book
    mine = scores[scores["quarter"] == settling.quarter.label]
    publish.put(settling.folder / "scorecard.csv", to_csv(mine).encode())
    aside = settling.folder / "set-aside.csv"
    if len(book.reading.set_aside):
        publish.put(aside, to_csv(book.reading.set_aside).encode())
    else:
        aside.unlink(missing_ok=True)


def _write_manifest(settling: Settling, started: float) -> None:
    plan, quarter = settling.plan, settling.quarter
    book = plan.book
    manifest: dict[str, Any] = {
        "quarter": quarter.label,
        "to_date": None if quarter.complete else f"{quarter.days_so_far} of {quarter.days} days",
        "as_of": f"{book.as_of:%Y-%m-%d}",
        "book": {"name": book.name, "currency": book.currency, "time_zone": book.time_zone},
        "inputs": dict(sorted(book.reading.inputs.items())),
        "conservation": book.reading.lines(),
        "notebooks": {c.path.name: hashlib.sha256(c.path.read_bytes()).hexdigest() for c in plan.chapters},
        "versions": versions(),
        "started": _time(started),
        "finished": _time(time.time()),
        "reports": sorted([*map(dict, _entries(settling)), *settling.kept()], key=lambda entry: str(entry["partner"])),
    }
    publish.put(settling.folder / "manifest.json", (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode())


def _entries(settling: Settling) -> Iterator[dict[str, Any]]:
    for report in settling.reports.values():
        entry = {
            "partner": report.partner,
            "file": report.path.name,
            "state": report.state,
            "sha256": report.sha256,
            "seconds": report.seconds,
            "as_of": f"{settling.plan.book.as_of:%Y-%m-%d}",
        }
        if report.reason:
            entry["reason"] = report.reason
        if report.stale:
            entry |= {key: settling.earlier[report.partner][key] for key in ("file", "sha256", "as_of")} | {
                "stale": True
            }
        if count := settling.unsearched.get(report.partner):
            entry["names_not_searched"] = count
        yield entry


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
