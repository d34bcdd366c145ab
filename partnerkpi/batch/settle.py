"""What becomes of one executed report: proven, bound, looked at by the gate, put in its place. Or not."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from partnerkpi.batch import gate, proof, publish
from partnerkpi.batch import page as bind
from partnerkpi.batch.plan import NETWORK, Plan
from partnerkpi.batch.result import Report, State
from partnerkpi.batch.worker import Job, Outcome
from partnerkpi.book import Book
from partnerkpi.estimate import FEW, MISSING, amount_text
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.html import FOLDER as SHOWN
from partnerkpi.show.html import clean

VERSIONS = ("partnerkpi", "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "papermill")


class Settling:
    """Settles the reports of one quarter into its folder. `private` is the folder of this run's slices."""

    def __init__(self, plan: Plan, quarter: Quarter, folder: Path, private: Path) -> None:
        self.plan = plan
        self.quarter = quarter
        self.folder = folder
        self.private = private
        self.earlier = {entry["partner"]: entry for entry in publish.earlier(folder).get("reports", ())}
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
            if faults := proof.faults(notebook, claim, self.plan.figures(chapter, partner, self.quarter)):
                self._fail(partner, "failed", f"{chapter.path.name}: {'; '.join(faults[:5])}", outcome.seconds)
                return
        if partner == NETWORK:
            self._network = notebooks, job, outcome.seconds
        else:
            cover, chapters = bind.bound_chapters(self.plan.chapters, notebooks)
            page = bind.page(self._heading(partner), cover, chapters, self._foot(partner))
            self._publish(partner, page, notebooks, job, outcome.seconds)

    def finish(self) -> None:
        """Bind and publish the network's page."""
        if self._network is None:
            return
        notebooks, job, seconds = self._network
        cover, chapters = bind.bound_chapters(self.plan.chapters, notebooks)
        page = bind.index(
            self._heading(NETWORK), [kpi.title for kpi in KPIS], self._lines(), cover, chapters, self._foot(NETWORK)
        )
        self._publish(NETWORK, page, notebooks, job, seconds)

    def kept(self) -> list[dict[str, Any]]:
        """Entries of the earlier manifest for good pages this run was not about."""
        return [e for p, e in self.earlier.items() if p not in self.reports and self._stands(p)]

    def _publish(
        self, partner: str, page: bytes, notebooks: Sequence[Mapping[str, Any]], job: Job, seconds: float
    ) -> None:
        links = {line.file for line in self._lines()} if partner == NETWORK else set()
        foreign = self._foreign(partner) if partner != NETWORK else []
        found = gate.findings(page, foreign=foreign, links=links, private=str(self.private))
        if found:
            state: State = "failed" if all(f.kind == "quality" for f in found) else "refused"
            self._fail(partner, state, "; ".join(map(str, found[:5])), seconds)
            return
        path = self.folder / self.plan.files[partner]
        for chapter, notebook in zip(self.plan.chapters, notebooks, strict=True):
            stored = self.folder / "notebooks" / self.plan.folders[partner] / chapter.path.name
            publish.put_notebook(stored, notebook, job.parameters["book"])
        sha256 = publish.put(path, page)
        old = self.earlier.get(partner, {}).get("file", path.name)
        if old != path.name and self._stands(partner):
            (self.folder / old).unlink()
        self.reports[partner] = Report(
            partner, self._name(partner), self.quarter.label, path, "published", "", sha256, seconds
        )

    def _fail(self, partner: str, state: State, reason: str, seconds: float) -> None:
        path = self.folder / self.plan.files[partner]
        self.reports[partner] = Report(
            partner, self._name(partner), self.quarter.label, path, state, reason, "", seconds, self._stands(partner)
        )

    def _stands(self, partner: str) -> bool:
        entry = self.earlier.get(partner, {})
        return bool(entry.get("sha256")) and publish.still_there(self.folder, entry["file"], entry["sha256"])

    def _name(self, partner: str) -> str:
        return self.plan.names[partner] if partner else self.plan.book.name

    def _heading(self, partner: str) -> bind.Heading:
        q = self.quarter
        to_date = "" if q.complete else f"to date, {q.days_so_far} of {q.days} days"
        days = f"{q.start:%Y-%m-%d} to {q.last_day:%Y-%m-%d}"
        return bind.Heading(clean(self._name(partner)), partner, q.label, days, to_date)

    def _foot(self, partner: str) -> bind.Foot:
        book = self.plan.book
        reading = book.reading.of_partner(partner) if partner else book.reading
        return bind.Foot(book.name, f"{book.as_of:%Y-%m-%d}", book.time_zone, reading.line(), versions())

    def _lines(self) -> list[bind.Line]:
        scores = self.plan.scores
        now = scores[scores["quarter"] == self.quarter.label]
        cells = {(r["group"], r["kpi"]): _score(r) for r in now[now["figure"] == "headline"].to_dict("records")}
        for kpi in KPIS:
            figure = kpi.leading(self.plan.book, self.quarter)
            for r in now[now["figure"] == figure.name].to_dict("records") if figure is not kpi else ():
                score = _score(r)
                cells[r["group"], kpi.name] = replace(score, note=f"{figure.title.lower()}: {score.note}")
        lines = []
        for partner, name in sorted(self.plan.names.items()):
            scores_of = [cells.get((partner, kpi.name), bind.Score(MISSING, "no rows", few=True)) for kpi in KPIS]
            lines.append(bind.Line(partner, clean(name), self._file(partner), scores_of))
        for group, name in (("unassigned", "unassigned"), ("all", "all partners")):
            if (group, KPIS[0].name) in cells:
                lines.append(bind.Line("", name, "", [cells[group, kpi.name] for kpi in KPIS]))
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
        said = [t for f in figures for t in (f.title, f.question, f.definition, f.formula, f.counts)]
        for chapter in self.plan.chapters:
            for cell in json.loads(chapter.path.read_text(encoding="utf-8"))["cells"]:
                said.append("".join(cell["source"]))
        templates = [*SHOWN.glob("*.html"), *bind.FOLDER.glob("*.html")]
        book = self.plan.book
        return "\n".join([*said, *(t.read_text(encoding="utf-8") for t in templates), book.name, book.time_zone])


def own_text(book: Book) -> str:
    """Every text in a partner's own rows, each once, except whose they are."""
    found: set[str] = set()
    for table in (book.deals, book.leads, book.partners, book.history, book.touches, book.spend, book.targets):
        for name in table.columns.difference(["partner_id"]):
            column = table[name]
            if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
                found.update(map(str, column.dropna().unique()))
    return "\n".join(sorted(found))


def versions() -> str:
    """The versions a page was made with, in words."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in VERSIONS)])


def _score(row: Mapping[Any, Any]) -> bind.Score:
    if pd.isna(row["value"]):
        return bind.Score(MISSING, clean(str(row["reason"])), few=True)
    count = int(row["n"])
    return bind.Score(amount_text(float(row["value"]), str(row["unit"])), f"n = {count:,}", few=count < FEW)
