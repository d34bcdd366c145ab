"""What becomes of an executed report: proven, bound, looked at by the gate, put in its place. Or not.

Finished files are put in their place whole or not at all, and never over a good one by a failed one. One batch at a
time works in an output folder: the system holds the lock and frees it when the batch ends or dies.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Literal

import pandas as pd

from partnerkpi.batch import gate, page
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import NETWORK, Plan
from partnerkpi.book import Book
from partnerkpi.errors import SystemProblem
from partnerkpi.figures import HEADLINE
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.html import FOLDER as SHOWN
from partnerkpi.show.html import clean
from partnerkpi.wording import FEW, MISSING, amount_text, say

#: Room a report needs at the most, in bytes: page, executed notebooks, and what lies beside them while they run.
ROOM = 4_000_000
LOCK = ".review.lock"
#: What a page says it was made with.
VERSIONS = ("partnerkpi", "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "papermill")

State = Literal["published", "failed", "refused"]


def prepared(folder: Path, reports: int) -> None:
    """Make the folder if it is not there; raise `SystemProblem` when it cannot be written or is too small."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise SystemProblem(
            f"Cannot write to {folder}: {error.strerror}. Make it writable, or write elsewhere with --out."
        ) from error
    if free < ROOM * reports:
        need, there = (f"{size / 1e6:,.0f} MB" for size in (ROOM * reports, free))
        raise SystemProblem(
            f"{folder} has {there} left and {reports} reports may need {need}. Make room, or write elsewhere."
        )


def put(path: Path, content: bytes) -> str:
    """Write a file at once: beside its place, to the disk, then into its place. Returns its SHA-256.

    Raises `SystemProblem` when the disk is full or refuses; what stood there before is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".unfinished")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            full = " The disk is full." if error.errno == errno.ENOSPC else ""
            raise SystemProblem(f"Cannot write {path}: {error.strerror}.{full} Earlier files are untouched.") from error
        raise
    return hashlib.sha256(content).hexdigest()


def put_notebook(path: Path, notebook: Mapping[str, Any], slice_folder: str) -> None:
    """Store an executed notebook without what papermill knows of this machine: paths, times, random ids."""
    clean = json.loads(json.dumps(notebook).replace(json.dumps(slice_folder)[1:-1], ""))
    clean["metadata"].pop("papermill", None)
    for number, cell in enumerate(clean["cells"]):
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        if "injected-parameters" in cell["metadata"].get("tags", ()):
            cell["id"] = f"parameters-{number}"
    put(path, (json.dumps(clean, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode())


def earlier(folder: Path) -> dict[str, Any]:
    """The manifest of an earlier review in this folder; empty when there is none that can be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def still_there(folder: Path, file: str, sha256: str) -> bool:
    """True when the file is in the folder with exactly this content."""
    try:
        return hashlib.sha256((folder / file).read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@dataclass(frozen=True)
class Report:
    """One page: of which partner (empty for the network) and quarter, where it is, and how it went.

    `state` is `published`, `failed` (a notebook did not come to a good end) or `refused` (the gate found something
    that must not get out). `stale` marks a failed one beside which an earlier good page still stands. `seconds` is
    the time its notebooks took.
    """

    partner: str
    name: str
    quarter: str
    path: Path
    state: State
    reason: str = ""
    sha256: str = ""
    seconds: float = 0.0
    stale: bool = False


class QuarterFolder:
    """The reports of one quarter, and the folder their pages stand in. `private` is the folder of this run's slices."""

    def __init__(self, plan: Plan, quarter: Quarter, folder: Path, private: Path) -> None:
        self.plan = plan
        self.quarter = quarter
        self.folder = folder
        self.private = private
        self.earlier = {entry["partner"]: entry for entry in earlier(folder).get("reports", ())}
        self.reports: dict[str, Report] = {}
        self.unsearched: dict[str, int] = {}
        self._network: tuple[list[dict[str, Any]], Job, float] | None = None

    def take(self, partner: str, job: Job, outcome: Outcome) -> None:
        """Settle one executed report; the network's page waits for `finish`, as it links to the others."""
        if outcome.failure:
            self._fail(partner, "failed", outcome.failure, outcome.seconds)
            return
        notebooks = [json.loads(job.output(c).read_text(encoding="utf-8")) for c in job.chapters]
        for chapter, notebook in zip(job.chapters, notebooks, strict=True):
            claim = self.plan.claim(chapter, partner, self.quarter)
            if faults := gate.faults(notebook, claim, self.plan.figures(chapter, partner, self.quarter)):
                self._fail(partner, "failed", f"{chapter.path.name}: {'; '.join(faults[:5])}", outcome.seconds)
                return
        if partner == NETWORK:
            self._network = notebooks, job, outcome.seconds
        else:
            cover, chapters = page.bound_chapters(self.plan.chapters, notebooks)
            content = page.partner_page(self._heading(partner), cover, chapters, self._foot(partner))
            self._publish(partner, content, notebooks, job, outcome.seconds)

    def finish(self) -> None:
        """Bind and publish the network's page."""
        if self._network is None:
            return
        notebooks, job, seconds = self._network
        cover, chapters = page.bound_chapters(self.plan.chapters, notebooks)
        content = page.network_page(
            self._heading(NETWORK), [kpi.title for kpi in KPIS], self._lines(), cover, chapters, self._foot(NETWORK)
        )
        self._publish(NETWORK, content, notebooks, job, seconds)

    def kept(self) -> list[dict[str, Any]]:
        """Entries of the earlier manifest for good pages this run was not about."""
        return [e for p, e in self.earlier.items() if p not in self.reports and self._stands(p)]

    def _publish(
        self, partner: str, content: bytes, notebooks: Sequence[Mapping[str, Any]], job: Job, seconds: float
    ) -> None:
        links = {line.file for line in self._lines()} if partner == NETWORK else set()
        foreign = self._foreign(partner) if partner != NETWORK else []
        findings = gate.findings(content, foreign=foreign, links=links, private=str(self.private))
        if findings:
            state: State = "failed" if all(f.kind == "quality" for f in findings) else "refused"
            self._fail(partner, state, "; ".join(map(str, findings[:5])), seconds)
            return
        path = self.folder / self.plan.files[partner]
        for chapter, notebook in zip(self.plan.chapters, notebooks, strict=True):
            stored = self.folder / "notebooks" / self.plan.folders[partner] / chapter.path.name
            put_notebook(stored, notebook, job.parameters["book"])
        sha256 = put(path, content)
        old = self.earlier.get(partner, {}).get("file", path.name)
        if old != path.name and self._stands(partner):
            (self.folder / old).unlink()
        self.reports[partner] = Report(
            partner=partner,
            name=self._name(partner),
            quarter=self.quarter.label,
            path=path,
            state="published",
            sha256=sha256,
            seconds=seconds,
        )

    def _fail(self, partner: str, state: State, reason: str, seconds: float) -> None:
        path = self.folder / self.plan.files[partner]
        self.reports[partner] = Report(
            partner=partner,
            name=self._name(partner),
            quarter=self.quarter.label,
            path=path,
            state=state,
            reason=reason,
            seconds=seconds,
            stale=self._stands(partner),
        )

    def _stands(self, partner: str) -> bool:
        entry = self.earlier.get(partner, {})
        return bool(entry.get("sha256")) and still_there(self.folder, entry["file"], entry["sha256"])

    def _name(self, partner: str) -> str:
        return self.plan.names[partner] if partner else self.plan.book.name

    def _heading(self, partner: str) -> page.Heading:
        q = self.quarter
        to_date = "" if q.complete else f"to date, {q.days_so_far} of {q.days} days"
        days = f"{q.start:%Y-%m-%d} to {q.last_day:%Y-%m-%d}"
        return page.Heading(
            name=clean(self._name(partner)), partner=partner, quarter=q.label, days=days, to_date=to_date
        )

    def _foot(self, partner: str) -> page.Foot:
        book = self.plan.book
        reading = book.reading.of_partner(partner) if partner else book.reading
        return page.Foot(
            book=book.name,
            as_of=f"{book.as_of:%Y-%m-%d}",
            time_zone=book.time_zone,
            conservation=reading.line(),
            versions=versions(),
        )

    def _lines(self) -> list[page.Line]:
        scores = self.plan.scores
        now = scores[scores["quarter"] == self.quarter.label]
        cells = {(r["group"], r["kpi"]): _score(r) for r in now[now["figure"] == HEADLINE].to_dict("records")}
        for kpi in KPIS:
            figure = kpi.leading(self.plan.book, self.quarter)
            for r in now[now["figure"] == figure.name].to_dict("records") if figure is not kpi else ():
                score = _score(r)
                cells[r["group"], kpi.name] = replace(score, note=f"{say(figure.title)}: {score.note}")
        lines = []
        for partner, name in sorted(self.plan.names.items()):
            scores_of = tuple(cells.get((partner, kpi.name), page.Score(MISSING, "no rows", few=True)) for kpi in KPIS)
            lines.append(page.Line(partner, clean(name), self._file(partner), scores_of))
        something = now[(now["group"] == UNASSIGNED) & (now["n"] > 0)]
        for group, name in ((UNASSIGNED, "unassigned"), (ALL, "all partners")):
            if group is ALL or len(something):
                lines.append(page.Line("", say(name), "", tuple(cells[group, kpi.name] for kpi in KPIS)))
        return lines

    def _file(self, partner: str) -> str:
        report = self.reports.get(partner)
        if report and report.state == "published":
            return report.path.name
        return self.earlier[partner]["file"] if self._stands(partner) else ""

    def _foreign(self, partner: str) -> list[str]:
        others = {w for p, name in self.plan.names.items() if p != partner for w in (p, name)}
        others -= {partner, self.plan.names[partner]}
        searched = gate.telling(others, self._prose + "\n" + own_text(self.plan.book.for_partner(partner)))
        self.unsearched[partner] = len(others) - len(searched)
        return searched

    @cached_property
    def _prose(self) -> str:
        """What pages say whoever they are about: our notebooks, definitions and templates."""
        figures = [f for kpi in KPIS for f in (kpi, *kpi.companions)]
        texts = [t for f in figures for t in (f.title, f.question, f.definition, f.formula, str(f.counts))]
        for chapter in self.plan.chapters:
            for cell in json.loads(chapter.path.read_text(encoding="utf-8"))["cells"]:
                texts.append("".join(cell["source"]))
        templates = [*SHOWN.glob("*.html"), *page.FOLDER.glob("*.html")]
        book = self.plan.book
        return "\n".join([*texts, *(t.read_text(encoding="utf-8") for t in templates), book.name, book.time_zone])


def own_text(book: Book) -> str:
    """Every text in a partner's own rows, each once, except whose they are."""
    texts: set[str] = set()
    for table in (book.deals, book.leads, book.partners, book.history, book.touches, book.spend, book.targets):
        for name in table.columns.difference(["partner_id"]):
            column = table[name]
            if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
                texts.update(map(str, column.dropna().unique()))
    return "\n".join(sorted(texts))


def versions() -> str:
    """The versions a page was made with, in words."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in VERSIONS)])


def _score(row: Mapping[Any, Any]) -> page.Score:
    if pd.isna(row["value"]):
        return page.Score(MISSING, clean(str(row["reason"])), few=True)
    count = int(row["n"])
    return page.Score(amount_text(float(row["value"]), str(row["unit"])), f"n = {count:,}", few=count < FEW)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, or raise `SystemProblem` naming the process that holds it."""
    with open(folder / LOCK, "a+", encoding="utf-8") as file:
        if not _take(file):
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise SystemProblem(
                f"{folder} is in use by {holder}. Wait until that review has ended, or write elsewhere with --out."
            )
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        file.truncate(0)
        file.write(f"process {os.getpid()}, started {started}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


if sys.platform == "win32":
    import msvcrt

    #: Windows locks bytes, and locked bytes cannot be read: one far behind the text is taken.
    _FAR = 1 << 20

    def _take(file: IO[str]) -> bool:
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
