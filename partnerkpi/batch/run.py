"""The whole review: plan → execute → bind → gate → publish.

Jobs run in other processes, a few at a time; whatever happens to one job costs only that job. Where the system allows
it they are forks of one template (`forks`), else workers with kernels of their own (`pool`); where one is named, they
run on a `cluster`. The pages are the same.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from partnerkpi.batch import files, pool
from partnerkpi.batch.cluster import Cluster
from partnerkpi.batch.disclosure import register_of
from partnerkpi.batch.forks import LIBRARIES, Forks, available
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import NETWORK, Plan, planned
from partnerkpi.batch.progress import Progress, shown
from partnerkpi.batch.publish import QuarterFolder
from partnerkpi.batch.report import Report
from partnerkpi.batch.request import Manifest, Request, request_of, standing
from partnerkpi.book import Book
from partnerkpi.errors import UsageError
from partnerkpi.figures import Known
from partnerkpi.groups import ALL, Key
from partnerkpi.periods import Quarter
from partnerkpi.recorded import approximation

#: Exit codes of a review in which something was not published.
FAILED, REFUSED = 3, 5
#: How jobs are run: as forks of one template, or by workers with kernels of their own.
ENGINES = ("fork", "pool")


@dataclass(frozen=True)
class ReviewResult:
    """The reports of a review, the folders they are in, one per quarter, and the `seconds` the review took.

    `account` says what was read, and first, of a book that is approximate, that it is.
    """

    reports: tuple[Report, ...]
    folders: tuple[Path, ...]
    seconds: float = 0.0
    account: tuple[str, ...] = ()

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
        """A few plain sentences: how many, in what time, what failed why, and where they are."""
        left = sum(report.left for report in self.reports)
        states = Counter(report.state for report in self.reports)
        counts = {
            "made": states["published"] - left,
            "left as they were": left,
            "failed": states["failed"],
            "kept back": states["refused"],
        }
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        good = states["published"]
        lines = [f"{good} of {len(self.reports)} reports published: {told}, in {_duration(self.seconds)}."]
        for report in self.failed:
            kept = " The earlier page was kept." if report.stale else ""
            lines.append(f"{report.quarter}, {report.who}: {report.state}: {report.reason}.{kept}".replace("..", "."))
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
    allow_approximate: bool = False,
    progress: bool | None = None,
    notebooks: str | Path | None = None,
    fresh_kernels: bool = False,
    engine: str = "",
    resume: bool = False,
    cluster: str = "",
) -> ReviewResult:
    """Execute the KPI notebooks for every partner, or those named, and once for the network; publish the pages.

    `quarters` default to the last complete one; one that has begun and not ended is marked "to date". The pages of a
    quarter go to `out/<quarter>/`: `index.html`, one page per partner, `scorecard.csv`, `manifest.json`, and the
    executed notebooks under `notebooks/`. `jobs` reports run at a time (one per processor), a cell may take `timeout`
    seconds. `progress` shows a bar over the reports on stderr; without a word only where that is a terminal, and what
    fails is named there as it happens, unless `progress` is False. `notebooks` is the folder to take the notebooks
    from; `fresh_kernels` gives every notebook its own kernel: slower, with the same pages. `engine` is how they are
    run: `fork`, where the system can, else `pool`. With `resume` a page is left as it stands where its rows, what it
    may know of others, the notebooks, the package and the parameters are those it was made with, also by a review that
    was killed; where no file of the book has changed either, it is not even opened. `cluster` is the address of a Dask
    scheduler on whose workers the notebooks run (`tcp://host:8786`); `jobs` are then as many as it has threads.

    What fails costs only its own report; the result says which and why.

    Raises:
        UsageError: no such quarter or partner, a notebook with other parameters, a file in the place of the output
            folder; nothing was run.
        DataRefused: the book's data cannot be trusted; nothing was run.
        SystemProblem: the output folder cannot be written, is full, is used by another review, or holds a manifest
            that no review wrote; the cluster does not answer, is lost, or has another partnerkpi than this one.
    """
    began = time.time()
    if (jobs is not None and jobs < 1) or timeout <= 0:
        raise UsageError("At least one job at a time and a timeout above zero are needed.")
    out = files.place(out)
    workers = jobs or os.cpu_count() or 1
    allowed = {"allow_set_aside": allow_set_aside, "allow_approximate": allow_approximate}
    request = None if isinstance(book, Book) else request_of(book, quarters, partners, as_of, notebooks, **allowed)
    if resume and request is not None and out.is_dir():
        with files.locked(out):
            stands = standing(request, out)
        if stands is not None:
            return _as_it_stands(*stands, out, began)
    with (
        _tidied_when_ended(),
        files.private() as private,
        _engine(engine, private, workers) if not cluster else _cluster(cluster, engine, jobs) as runs,
    ):
        plan = planned(
            book,
            quarters,
            partners,
            as_of=as_of,
            notebooks=Path(notebooks) if notebooks else None,
            **allowed,
        )
        files.prepared(out, reports=len(plan.quarters) * (1 + len(plan.partners)))
        with files.locked(out):
            register = register_of(plan.book, plan.names)
            folders = {}
            for quarter in plan.quarters:
                files.prepared(out / quarter.label, reports=0)
                files.sweep(out / quarter.label)
                folders[quarter.label] = QuarterFolder(
                    plan, quarter, out / quarter.label, private=private, register=register, resume=resume
                )
            known = plan.known if runs is not None else {}  # the pool's kernels cannot be told
            todo = _jobs(plan, private, known, timeout=timeout, fresh_kernels=fresh_kernels)
            if resume:  # the network's page stands only where all others do
                todo.sort(key=lambda job: job.parameters["partner"] == NETWORK)
            with _settled():
                return _run(plan, todo, folders, runs, workers=workers, progress=progress, began=began, request=request)


def _run(
    plan: Plan,
    jobs: Sequence[Job],
    folders: Mapping[str, QuarterFolder],
    runs: Forks | Cluster | None,
    *,
    workers: int,
    progress: bool | None,
    began: float,
    request: Request | None,
) -> ReviewResult:
    rough = approximation(plan.book)
    account = (*([f"{rough}."] if rough else []), plan.book.reading.line())
    made = {"made": list(folders), "partners": list(plan.partners), "account": account}
    asked = {"asked": request.asked(), **made} if request else {}
    of_job = {job.number: job for job in jobs}
    with shown(len(jobs), progress) as told:
        prepare = partial(_prepare, plan, folders, told)
        with contextlib.closing(execute(jobs, workers, told.look, runs, prepare)) as outcomes:
            for outcome in outcomes:
                job = of_job[outcome.number]
                folder, partner = folders[job.parameters["quarter"]], job.parameters["partner"]
                folder.take(partner, job, outcome)
                told.ran()
                if partner in folder.reports:  # the network's is settled by `finish`
                    told.settled(folder.reports[partner])
        for folder in folders.values():
            settled = NETWORK in folder.reports
            folder.finish()
            if not settled:
                told.settled(folder.reports[NETWORK])
            tables = folder.write_tables()
            folder.write_manifest(began, _named(runs), {**asked, "tables": tables} if asked else {})
    reports = tuple(f.reports[p] for f in folders.values() for p in (NETWORK, *plan.partners))
    return ReviewResult(reports, tuple(f.folder for f in folders.values()), time.time() - began, account)


def _as_it_stands(reports: Sequence[Report], manifests: Sequence[Manifest], out: Path, began: float) -> ReviewResult:
    """What an earlier review made, as the result of one that need not be run."""
    folders = tuple(out / str(manifest["quarter"]) for manifest in manifests)
    account = tuple(map(str, manifests[0]["request"]["account"]))
    return ReviewResult(tuple(reports), folders, time.time() - began, account)


def _named(runs: Forks | Cluster | None) -> str:
    """How jobs were run, as the manifest says it."""
    if isinstance(runs, Cluster):
        return "cluster"
    return "fork" if runs is not None and runs.ready() else "pool"


def execute(
    jobs: Sequence[Job],
    workers: int,
    look: Callable[[], None],
    runs: Forks | Cluster | None,
    prepare: Callable[[Job], bool],
) -> Generator[Outcome, None, None]:
    """Yield each job's outcome as it ends. `look` is called several times a second while waiting.

    `prepare` is called with each job before it is run; one for which it says False is none. When the caller stops (an
    error, Ctrl-C), whatever runs is ended before this returns; what runs on a cluster ends there, and nobody waits.
    """
    if isinstance(runs, Cluster):
        yield from runs.execute(jobs, look, pool.LOOK, prepare)
        return
    left = {job.number: job for job in jobs}

    def wanted(job: Job) -> bool:
        if not prepare(job):
            del left[job.number]
        return job.number in left

    while left and runs is not None and runs.ready():
        for outcome in runs.execute(list(left.values()), look, pool.LOOK, wanted):
            del left[outcome.number]
            yield outcome
        # Where the template died it was one of those that ran: each is tried once more by itself, out of its reach.
        begun = [job for job in left.values() if job.folder.exists()]
        for job in begun:
            pool.set_aside(job)
            yield from pool.execute([job], 1, look)
            del left[job.number]
        if not begun:  # it dies before any begins, and would again
            break
        runs.close()
        runs.start()
    yield from pool.execute([job for job in list(left.values()) if wanted(job)], workers, look)


@contextmanager
def _cluster(address: str, engine: str, jobs: int | None) -> Iterator[Cluster]:
    """The cluster at an address."""
    if engine:
        raise UsageError(f"On a cluster jobs are not run by an engine of one's choice: leave out '{engine}'.")
    with contextlib.closing(Cluster(address, jobs)) as cluster:
        yield cluster


@contextmanager
def _engine(engine: str, private: Path, workers: int) -> Iterator[Forks | None]:
    """The template that jobs are forked from; none where there can be none, or where the pool was asked for."""
    if engine not in ("", *ENGINES) or (engine == "fork" and not available()):
        raise UsageError(f"There is no engine '{engine}' here: name one of {', '.join(ENGINES)}, or none.")
    if engine == "pool" or not available():
        yield None
        return
    with contextlib.closing(Forks(private, workers, also=LIBRARIES)) as forks:
        yield forks


@contextmanager
def _settled() -> Iterator[None]:
    """What there is by now stays to the end of the review: no collection of garbage looks at it again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


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


def _jobs(
    plan: Plan, private: Path, known: Mapping[str | Key, Known], *, timeout: float, fresh_kernels: bool
) -> list[Job]:
    """One job per quarter and partner, the network's first as it takes longest."""
    jobs: list[Job] = []
    for number, partner in enumerate((NETWORK, *plan.partners)):
        place = private / f"slice{number}"
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
                known=known.get(partner or ALL, {}),
            )
            jobs.append(job)
    return jobs


def _prepare(plan: Plan, folders: Mapping[str, QuarterFolder], told: Progress, job: Job) -> bool:
    """Write the slice of a job, which it shares with those of the partner's other quarters; False if it is done."""
    place, partner = Path(job.parameters["book"]), job.parameters["partner"]
    if not place.exists():
        place.mkdir(mode=0o700)
        plan.write_slice(partner, place)
    stands = folders[job.parameters["quarter"]].stands(partner, job)
    if stands:
        told.left()
    return not stands


def _duration(seconds: float) -> str:
    """How long something took: in seconds, from a minute on in minutes too.

    >>> _duration(8.44), _duration(119.7), _duration(3723)
    ('8.4 s', '2 min 0 s', '62 min 3 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
