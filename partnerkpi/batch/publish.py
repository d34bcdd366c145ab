"""What becomes of an executed report: proven, bound, looked at by the gate, put in its place. Or not.

A good page is never replaced by a failed one. The manifest is written last and says of every report how it went.
"""

from __future__ import annotations

import datetime
import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from partnerkpi.batch import disclosure, done, files, gate, page
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import NETWORK, Plan
from partnerkpi.batch.report import Report, State
from partnerkpi.export import to_csv
from partnerkpi.figures import HEADLINE
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.cover import who
from partnerkpi.show.html import FOLDER as SHOWN
from partnerkpi.show.html import clean
from partnerkpi.wording import FEW, MISSING, amount_text, day_text, say

#: What a page says it was made with.
VERSIONS = ("partnerkpi", "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "papermill")
#: So many reasons a report that failed gives.
REASONS = 5


class QuarterFolder:
    """The reports of one quarter, and the folder their pages stand in.

    `private` is the folder of this run's slices, `register` what belongs to which partner. With `resume` a report is
    left as it stands where nothing it was made from has changed.

    Raises:
        UsageError, SystemProblem: the folder holds something in the place of a page, or another's manifest.
    """

    def __init__(
        self,
        plan: Plan,
        quarter: Quarter,
        folder: Path,
        *,
        private: Path,
        register: disclosure.Register,
        resume: bool = False,
    ) -> None:
        self.plan = plan
        self.quarter = quarter
        self.folder = folder
        self.private = private
        self.register = register
        self.earlier = done.standing(folder, files.earlier(folder))
        self.reports: dict[str, Report] = {}
        self.unsearched: dict[str, int] = {}
        files.free_for(folder, [*(plan.files[p] for p in (NETWORK, *plan.partners)), "scorecard.csv", "set-aside.csv"])
        self._network: tuple[list[dict[str, Any]], Job, float] | None = None
        self._done = {p: entry for p, entry in self.earlier.items() if resume and entry["state"] == "published"}
        self._keys: dict[str, str] = {}
        self._left: dict[str, dict[str, Any]] = {}

    def stands(self, partner: str, job: Job) -> bool:
        """True when the page of a job, whose slice is written, need not be made again; it is reported as it is then.

        The network's page speaks of all others: it stands where they all do.
        """
        around = {
            "file": self.plan.files[partner],
            "foot": vars(self._foot(partner)),
            "links": [(line.partner, line.file) for line in self._neighbours(partner)] if partner else "",
        }
        key = self._keys[partner] = done.key_of(job, around)
        entry = self._done.get(partner, {})
        if entry.get("key") != key or not isinstance(seconds := entry.get("seconds"), float):
            return False
        if entry["file"] != self.plan.files[partner] or not self._stands(partner):
            return False
        if partner == NETWORK and set(self._left) != set(self.plan.partners):
            return False
        self._left[partner] = entry
        self._report(partner, "published", seconds, sha256=entry["sha256"], left=True)
        return True

    def take(self, partner: str, job: Job, outcome: Outcome) -> None:
        """Settle one executed report; the network's page waits for `finish`, as it links to the others."""
        if outcome.failure:
            self._fail(partner, "failed", outcome.failure, outcome.seconds)
            return
        notebooks = [json.loads(job.output(c).read_text(encoding="utf-8")) for c in job.chapters]
        for chapter, notebook in zip(job.chapters, notebooks, strict=True):
            claim = self.plan.claim(chapter, partner, self.quarter)
            if faults := gate.faults(notebook, claim, self.plan.figures(chapter, partner, self.quarter)):
                self._fail(partner, "failed", f"{chapter.path.name}: {'; '.join(faults[:REASONS])}", outcome.seconds)
                return
        if partner == NETWORK:
            self._network = notebooks, job, outcome.seconds
        else:
            short = self.plan.is_short(partner, self.quarter)
            cover, chapters, closing = page.bound_chapters(job.chapters, notebooks, short=short)
            cover = replace(cover, html=page.linked(cover.html, self._neighbours(partner)))
            content = page.partner_page(
                self._heading(partner), cover, chapters, self._foot(partner), closing, self.plan.files[NETWORK]
            )
            self._publish(partner, content, notebooks, job, outcome.seconds)

    def finish(self) -> None:
        """Bind and publish the network's page."""
        if self._network is None:
            return
        notebooks, job, seconds = self._network
        cover, chapters, closing = page.bound_chapters(job.chapters, notebooks)
        content = page.network_page(
            self._heading(NETWORK),
            kpis=[say(kpi.title) for kpi in KPIS],
            lines=self._lines(),
            failures=self._failures(),
            cover=cover,
            chapters=chapters,
            foot=self._foot(NETWORK),
            closing=closing,
        )
        self._publish(NETWORK, content, notebooks, job, seconds)

    def write_tables(self) -> dict[str, str]:
        """Write the tidy table behind all pages, and the rows that were set aside; the hash of each file."""
        scores, set_aside = self.plan.scores, self.plan.book.reading.set_aside
        tables = {"scorecard.csv": scores[scores["quarter"] == self.quarter.label], "set-aside.csv": set_aside}
        if not len(set_aside):
            del tables["set-aside.csv"]
            (self.folder / "set-aside.csv").unlink(missing_ok=True)
        return {name: files.put(self.folder / name, to_csv(table).encode()) for name, table in tables.items()}

    def write_manifest(self, started: float, engine: str, request: Mapping[str, Any]) -> None:
        """Write what was asked for and read, with what, and what became of every report; `started` is of the epoch."""
        book, quarter = self.plan.book, self.quarter
        manifest: dict[str, Any] = {
            "quarter": quarter.label,
            "to_date": None if quarter.complete else f"{quarter.days_so_far} of {quarter.days} days",
            "as_of": f"{book.as_of:%Y-%m-%d}",
            "book": {"name": book.name, "currency": book.currency, "time_zone": book.time_zone},
            "inputs": dict(sorted(book.reading.inputs.items())),
            "conservation": book.reading.lines(),
            "notebooks": {c.path.name: files.sha256_of(c.path.read_bytes()) for c in self.plan.chapters},
            "versions": versions(),
            "engine": engine,
            "request": request,
            "started": _time(started),
            "finished": _time(time.time()),
            "reports": sorted(self._entries(), key=lambda entry: str(entry["partner"])),
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
        files.put(self.folder / files.MANIFEST, text.encode("utf-8", "surrogatepass"))

        done.forget(self.folder)

    def _entries(self) -> Iterator[dict[str, Any]]:
        yield from self._left.values()
        for report in (report for report in self.reports.values() if report.partner not in self._left):
            yield self._entry(report)
        # Good pages this run was not about.
        yield from (entry for p, entry in self.earlier.items() if p not in self.reports and self._stands(p))

    def _entry(self, report: Report) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "partner": report.partner,
            "file": report.path.name,
            "state": report.state,
            "sha256": report.sha256,
            "seconds": report.seconds,
            "as_of": f"{self.plan.book.as_of:%Y-%m-%d}",
        }
        if report.state == "published":
            entry["key"] = self._keys[report.partner]
        if report.reason:
            entry["reason"] = report.reason
        if report.stale:
            before = self.earlier[report.partner]
            entry |= {key: before[key] for key in ("file", "sha256", "as_of")} | {"stale": True}
        if count := self.unsearched.get(report.partner):
            entry["names_not_searched"] = count
        return entry

    def _publish(
        self, partner: str, content: bytes, notebooks: Sequence[Mapping[str, Any]], job: Job, seconds: float
    ) -> None:
        is_network = partner == NETWORK
        findings = gate.findings(
            content,
            foreign=None if is_network else self._foreign(partner),
            allowed=() if is_network else self._may_be_named(partner),
            links={line.file for line in self._lines()} if is_network else self._links(partner),
            private=str(self.private),
        )
        if findings:
            state: State = "failed" if all(f.kind == "quality" for f in findings) else "refused"
            self._fail(partner, state, "; ".join(map(str, findings[:REASONS])), seconds)
            return
        path = self.folder / self.plan.files[partner]
        stored = self.folder / "notebooks" / self.plan.folders[partner]
        for chapter, notebook in zip(job.chapters, notebooks, strict=True):
            files.put_notebook(stored / chapter.path.name, notebook, job.parameters["book"])
        for chapter in set(self.plan.chapters) - set(job.chapters):  # of an earlier, longer page
            (stored / chapter.path.name).unlink(missing_ok=True)
        self._report(partner, "published", seconds, sha256=files.sha256_of(content))
        done.note(self.folder, self._entry(self.reports[partner]))
        files.put(path, content)
        done.replaced(self.folder, self.earlier.get(partner), path.name)

    def _fail(self, partner: str, state: State, reason: str, seconds: float) -> None:
        reason = reason.replace(str(self.private), "…")
        self._report(partner, state, seconds, reason=reason, stale=self._stands(partner))

    def _report(self, partner: str, state: State, seconds: float, **more: Any) -> None:
        self.reports[partner] = Report(
            partner=partner,
            name=self._name(partner),
            quarter=self.quarter.label,
            path=self.folder / self.plan.files[partner],
            state=state,
            seconds=seconds,
            **more,
        )

    def _stands(self, partner: str) -> bool:
        entry = self.earlier.get(partner, {})
        return bool(entry.get("sha256")) and files.still_there(self.folder, entry["file"], entry["sha256"])

    def _name(self, partner: str) -> str:
        return self.plan.names[partner] if partner else self.plan.book.name

    def _heading(self, partner: str) -> page.Heading:
        q = self.quarter
        to_date = "" if q.complete else say("to date, {done} of {days} days", done=q.days_so_far, days=q.days)
        days = say("{first} to {last}", first=q.start, last=q.last_day)
        return page.Heading(
            name=clean(self._name(partner)),
            partner=partner,
            quarter=q.label,
            days=say("as of {day}", day=day_text(self.plan.book.as_of)) if partner else days,
            to_date=to_date,
            who=who(self.plan.book, partner),
        )

    def _foot(self, partner: str) -> page.Foot:
        book = self.plan.book
        reading = self.plan.part(partner).reading
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
        nothing = page.Score(MISSING, say("no rows"), few=True)
        lines = []
        stands = self.plan.standings(self.quarter)
        for partner, name in sorted(self.plan.names.items()):
            scores_of = tuple(cells.get((partner, kpi.name), nothing) for kpi in KPIS)
            lines.append(
                page.Line(
                    partner=partner,
                    name=clean(name),
                    file=self._file(partner),
                    cells=scores_of,
                    earlier=self._earlier_day(partner),
                    verdict=str(stands[partner]),
                    sign=stands[partner].sign,
                )
            )
        something = now[(now["group"] == UNASSIGNED) & (now["n"] > 0)]
        for group, name in ((UNASSIGNED, "unassigned"), (ALL, "all partners")):
            if group is ALL or len(something):
                cells_of = tuple(cells[group, kpi.name] for kpi in KPIS)
                lines.append(page.Line(partner="", name=say(name), file="", cells=cells_of))
        return lines

    def _file(self, partner: str) -> str:
        report = self.reports.get(partner)
        if report and report.state == "published":
            return report.path.name
        return self.earlier[partner]["file"] if self._stands(partner) else ""

    def _earlier_day(self, partner: str) -> str:
        """The as-of day of the page that stands, where it is not of this run; else empty."""
        report = self.reports.get(partner)
        if (report and report.state == "published") or not self._stands(partner):
            return ""
        day = str(self.earlier[partner]["as_of"])
        return day if report or day != f"{self.plan.book.as_of:%Y-%m-%d}" else ""

    def _failures(self) -> list[page.Failure]:
        return [
            page.Failure(
                partner=report.partner,
                name=clean(report.name),
                state=report.state,
                reason=report.reason,
                earlier=self._earlier_day(report.partner),
            )
            for report in sorted(self.reports.values(), key=lambda report: report.partner)
            if report.state != "published"
        ]

    def _foreign(self, partner: str) -> disclosure.Foreign:
        mine = self.plan.part(partner)
        own = [partner, self.plan.names[partner], *disclosure.own_texts(mine)]
        figures = self.plan.ends(partner)
        spellings = (0, self.plan.book.money_digits)
        keys = {disclosure.amount_key(f, digits) for f in figures for digits in spellings}
        foreign = self.register.foreign_to(partner, own, keys, disclosure.noted_texts(mine), self._prose)
        names = {w for p, name in self.plan.names.items() if p != partner for w in (p, name)}
        self.unsearched[partner] = sum(not foreign.is_looked_for(name) for name in names)
        return foreign

    @cached_property
    def _counterparties(self) -> dict[str, list[str]]:
        return disclosure.counterparties(self.plan.book)

    def _neighbours(self, partner: str) -> list[page.Line]:
        """The partners that had deals of this one before or after it, with the pages this run makes of them."""
        return [
            page.Line(other, self._name(other), self.plan.files[other] if other in self.plan.partners else "", ())
            for other in self._counterparties.get(partner, ())
        ]

    def _links(self, partner: str) -> set[str]:
        return {self.plan.files[NETWORK], *(line.file for line in self._neighbours(partner) if line.file)}

    def _may_be_named(self, partner: str) -> list[str]:
        return [word for other in self._counterparties.get(partner, ()) for word in (other, self.plan.names[other])]

    @cached_property
    def _prose(self) -> set[disclosure.Word]:
        """The words of the register that pages say whoever they are about: in notebooks, definitions and templates."""
        figures = [f for kpi in KPIS for f in (kpi, *kpi.companions)]
        texts = [t for f in figures for t in (f.title, f.question, f.definition, f.formula, str(f.counts))]
        for chapter in self.plan.chapters:
            for cell in json.loads(chapter.path.read_text(encoding="utf-8"))["cells"]:
                texts.append("".join(cell["source"]))
        templates = [path for folder in (SHOWN, page.FOLDER) for path in folder.glob("*.*")]  # style sheets too
        book = self.plan.book
        shared = disclosure.shared_texts(book)
        texts += [t.read_text(encoding="utf-8") for t in templates]
        return self.register.words_in([*texts, book.name, book.time_zone, *shared])


@cache
def versions() -> str:
    """The versions a page was made with, in words."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in VERSIONS)])


def _score(row: Mapping[Any, Any]) -> page.Score:
    if pd.isna(row["value"]):
        return page.Score(MISSING, clean(str(row["reason"])), few=True)
    count = int(row["n"])
    return page.Score(amount_text(float(row["value"]), str(row["unit"])), f"n = {count:,}", few=count < FEW)


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
