"""A review that is taken up again: what stands and would come out the same is left, everything else is made anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import partnerkpi as pk
from partnerkpi.batch import ReviewResult, done, review
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import PARAMETERS, Plan

DEALS = "deal_id,created_on,status,closed_on,amount,partner_id,name\n"
ROWS = {name: f"D-{name},2025-10-01,won,2025-11-1{n},{100 + n},{name},Big one\n" for n, name in enumerate("ABC")}
END = "application/vnd.partnerkpi.end+json"


class Batch:
    """Reviews of a small book whose notebooks are not executed: of each job it is noted that it was asked for."""

    def __init__(self, folder: Path, write_book: Callable[..., Path], patch: pytest.MonkeyPatch) -> None:
        self.write, self.out, self.asked = write_book, folder / "out", list[str]()
        self.stop_after: int | None = None
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self.edit("first")
        patch.setattr(Plan, "figures", lambda *_: {"headline": 1.5})
        patch.setattr("partnerkpi.batch.run.execute", self._execute)

    def edit(self, text: str) -> None:
        """Write the one notebook."""
        parameters = "\n".join(f'{name}: str = ""' for name in PARAMETERS)
        sources = [parameters, f"print({text!r})"]
        cells = [
            {
                "cell_type": "code",
                "metadata": {"tags": ["parameters"] if not n else []},
                "source": source,
                "outputs": [],
            }
            for n, source in enumerate(sources)
        ]
        (self.notebooks / "00_only.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))

    def review(self, rows: Sequence[str], **options: Any) -> ReviewResult:
        self.asked.clear()
        options |= {"out": self.out, "notebooks": self.notebooks, "engine": "pool"}  # nothing is forked here
        return review(self.write(DEALS + "".join(rows)), "2025Q4", **options)

    def _execute(self, jobs: Sequence[Job], *given: Any) -> Iterator[Outcome]:
        *_, prepare = given
        for job in filter(prepare, jobs):
            if self.stop_after is not None and len(self.asked) == self.stop_after:
                raise KeyboardInterrupt
            self.asked.append(job.parameters["partner"])
            job.folder.mkdir()
            marker = {"chapter": "only", "partner": job.parameters["partner"], "quarter": "2025Q4"}
            marker |= {"as_of": job.parameters["as_of"], "figures": {"headline": 1.5}}
            output = {"output_type": "display_data", "data": {END: marker, "text/html": "<p>x</p>"}, "metadata": {}}
            cell = {"cell_type": "code", "source": "x", "execution_count": 1, "outputs": [output], "metadata": {}}
            job.output(job.chapters[0]).write_text(json.dumps({"cells": [cell], "metadata": {"papermill": {}}}))
            yield Outcome(job.number, "", 0.5)

    def pages(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.out / "2025Q4").glob("*.html")}


@pytest.fixture
def batch(tmp_path: Path, write_book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Batch:
    return Batch(tmp_path, write_book, monkeypatch)


def test_where_nothing_changed_nothing_is_done(batch: Batch) -> None:
    batch.review(list(ROWS.values()))
    assert batch.asked == ["", "A", "B", "C"]
    before, entries = batch.pages(), json.loads((batch.out / "2025Q4" / "manifest.json").read_text())["reports"]
    again = batch.review(list(ROWS.values()), resume=True)
    assert batch.asked == []
    assert again.exit_code == 0
    assert [report.state for report in again.reports] == ["published"] * 4
    assert batch.pages() == before
    assert json.loads((batch.out / "2025Q4" / "manifest.json").read_text())["reports"] == entries
    assert not (batch.out / "2025Q4" / done.NOTED).exists()


def test_where_no_file_changed_the_book_is_not_even_opened(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    first = batch.review(list(ROWS.values()))
    monkeypatch.setattr("partnerkpi.batch.run.planned", _opened)
    again = batch.review(list(ROWS.values()), resume=True)
    assert again.account == first.account
    assert [(r.partner, r.path, r.sha256) for r in again.reports] == [
        (r.partner, r.path, r.sha256) for r in first.reports
    ]
    assert all(report.left for report in again.reports)
    assert again.folders == first.folders


CHANGES: dict[str, Callable[[Batch, Path], dict[str, Any]]] = {
    "a table more": lambda _, book: {"written": (book / "leads.csv").write_text("lead_id,created_on\n")},
    "another day": lambda *_: {"as_of": "2025-12-30"},
    "fewer partners": lambda *_: {"partners": ["A", "B"]},
    "another notebook": lambda batch, _: {"written": batch.edit("second")},
    "a page that is gone": lambda batch, _: {"written": next((batch.out / "2025Q4").glob("A*.html")).unlink()},
    "another table of figures": lambda batch, _: {"written": (batch.out / "2025Q4" / "scorecard.csv").write_text("")},
    "a review that was killed": lambda batch, _: {"written": (batch.out / "2025Q4" / done.NOTED).write_text("")},
    "no manifest": lambda batch, _: {"written": (batch.out / "2025Q4" / "manifest.json").unlink()},
    "what is let pass": lambda *_: {"allow_set_aside": True},
}


@pytest.mark.parametrize("change", CHANGES)
def test_where_anything_changed_the_book_is_opened(batch: Batch, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch.review(list(ROWS.values()))
    book = batch.write(DEALS + "".join(ROWS.values()))
    options = CHANGES[change](batch, book)
    options.pop("written", None)
    monkeypatch.setattr("partnerkpi.batch.run.planned", _opened)
    with pytest.raises(Opened):
        review(book, "2025Q4", resume=True, out=batch.out, notebooks=batch.notebooks, engine="pool", **options)


def test_a_book_in_hand_is_looked_at(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory may be of another day than the files."""
    book = pk.open_book(batch.write(DEALS + "".join(ROWS.values())))
    options: dict[str, Any] = {"out": batch.out, "notebooks": batch.notebooks, "engine": "pool"}
    review(book, "2025Q4", **options)
    monkeypatch.setattr("partnerkpi.batch.run.planned", _opened)
    with pytest.raises(Opened):
        review(book, "2025Q4", resume=True, **options)


class Opened(Exception):
    """The book was opened."""


def _opened(*_: Any, **__: Any) -> None:
    raise Opened


def test_without_being_asked_everything_is_done_again(batch: Batch) -> None:
    batch.review(list(ROWS.values()))
    batch.review(list(ROWS.values()))
    assert batch.asked == ["", "A", "B", "C"]


def test_only_what_changed_is_done_again_and_the_network(batch: Batch) -> None:
    batch.review(list(ROWS.values()))
    batch.review([row.replace("101,B,Big", "101,B,Small") for row in ROWS.values()], resume=True)
    assert batch.asked == ["B", ""]
    manifest = json.loads((batch.out / "2025Q4" / "manifest.json").read_text())
    assert [entry["partner"] for entry in manifest["reports"]] == ["", "A", "B", "C"]


def test_what_changes_for_others_by_one_partners_rows_is_done_again(batch: Batch) -> None:
    """What is won by all is part of every page."""
    batch.review(list(ROWS.values()))
    batch.review([row.replace("won,2025-11-11", "lost,2025-11-11") for row in ROWS.values()], resume=True)
    assert batch.asked == ["A", "B", "C", ""]


def test_another_notebook_changes_every_report(batch: Batch) -> None:
    batch.review(list(ROWS.values()))
    batch.edit("second")
    batch.review(list(ROWS.values()), resume=True)
    assert batch.asked == ["A", "B", "C", ""]


def test_another_package_changes_every_report(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    batch.review(list(ROWS.values()))
    monkeypatch.setattr(done, "package_hash", lambda: "another")
    batch.review(list(ROWS.values()), resume=True)
    assert batch.asked == ["A", "B", "C", ""]


def test_a_page_that_is_gone_or_was_changed_is_made_again(batch: Batch) -> None:
    batch.review(list(ROWS.values()))
    before = batch.pages()
    (batch.out / "2025Q4" / "A.html").unlink()
    (batch.out / "2025Q4" / "C.html").write_text("somebody's")
    batch.review(list(ROWS.values()), resume=True)
    assert batch.asked == ["A", "C", ""]
    assert batch.pages() == before


def test_a_review_that_was_stopped_is_taken_up_where_it_was(batch: Batch) -> None:
    batch.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        batch.review(list(ROWS.values()))
    assert batch.asked == ["", "A", "B"]
    noted = batch.out / "2025Q4" / done.NOTED
    noted.write_text(noted.read_text() + '{"partner": "C", "ke')  # it was killed while it wrote
    batch.stop_after = None
    batch.review(list(ROWS.values()), resume=True)
    assert batch.asked == ["C", ""]
    taken_up = batch.pages()
    shutil.rmtree(batch.out)
    batch.review(list(ROWS.values()))
    assert taken_up == batch.pages()
