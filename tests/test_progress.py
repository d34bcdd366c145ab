"""What is told while a review runs: a bar on a terminal, failures by name anywhere, and a summary at the end."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from partnerkpi.batch import Report, ReviewResult, review
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import PARAMETERS, Plan

pty = pytest.importorskip("pty", reason="there are no pseudo terminals here")
termios = pytest.importorskip("termios", reason="there are no pseudo terminals here")

DEALS = "deal_id,created_on,status,closed_on,amount,partner_id\n"
PARTNERS = ("A", "B", "C")
LEAK = "<script>alert(1)</script>"
END = "application/vnd.partnerkpi.end+json"
NAMED = "2025Q4, B: failed: 00_only.ipynb: cell 2: ValueError: no such thing"


@pytest.fixture
def reviewed(tmp_path: Path, write_book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that reviews a small book, of which B's notebook fails and C's shows what must not get out."""
    book = write_book(DEALS + "".join(f"D-{n},2025-10-01,won,2025-11-10,100,{n}\n" for n in PARTNERS))
    source = "\n".join(f'{name}: str = ""' for name in PARAMETERS)
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source, "outputs": []}
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "00_only.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}}))
    monkeypatch.setattr(Plan, "figures", lambda *_: {"headline": 1.5})

    def execute(jobs: Sequence[Job], workers: int, look: Callable[[], None], *given: Any) -> Iterator[Outcome]:
        *_, prepare = given
        for job in filter(prepare, jobs):
            look()
            partner = job.parameters["partner"]
            marker = {"chapter": "only", "partner": partner, "quarter": "2025Q4", "as_of": job.parameters["as_of"]}
            data = {END: {**marker, "figures": {"headline": 1.5}}, "text/html": LEAK if partner == "C" else "<p>x</p>"}
            outputs = [{"output_type": "display_data", "data": data, "metadata": {}}]
            done = {"cell_type": "code", "source": "x", "execution_count": 1, "outputs": outputs, "metadata": {}}
            job.folder.mkdir()
            job.output(job.chapters[0]).write_text(json.dumps({"cells": [done], "metadata": {"papermill": {}}}))
            failure = "00_only.ipynb: cell 2: ValueError: no such thing\nat all" if partner == "B" else ""
            yield Outcome(job.number, failure, 0.5)
            look()

    monkeypatch.setattr("partnerkpi.batch.run.execute", execute)

    def once(**options: Any) -> ReviewResult:
        return review(book, "2025Q4", out=tmp_path / "out", notebooks=folder, engine="pool", **options)

    return once


class Terminal:
    """A pseudo terminal in the place of stderr; `text` is all that was written to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.text = ""

    def __enter__(self) -> Terminal:
        self._reader, writer = pty.openpty()
        termios.tcsetwinsize(writer, (40, 120))
        self._written = os.fdopen(writer, "w", encoding="utf-8")
        self.patch.setattr(sys, "stderr", self._written)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def _read(self) -> None:
        pieces = []
        try:
            while piece := os.read(self._reader, 65536):
                pieces.append(piece)
        except OSError:  # what Linux says when nobody can write to it any more
            pass
        self.text = b"".join(pieces).decode()

    def __exit__(self, *_: object) -> None:
        self.patch.undo()
        self._written.close()
        self._thread.join(10)
        os.close(self._reader)


def test_on_a_terminal_there_is_a_bar_over_reports(
    reviewed: Callable[..., ReviewResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Terminal(monkeypatch) as terminal:
        result = reviewed()
    assert result.exit_code == 5
    bars = re.findall(r"review:[^\r\n]*", terminal.text)
    assert "0/4" in bars[0]
    assert re.search(r"4/4 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+ ?(report/s|s/report)\]", bars[-1]), bars[-1]
    assert not re.search(r"[\d.]+ ?notebook", terminal.text)
    lines = [line for line in re.split(r"[\r\n]+", terminal.text) if line.startswith("2025Q4")]
    assert lines[0] == NAMED
    assert lines[1].startswith("2025Q4, C: refused: ")
    assert len(lines) == 2
    last = re.split(r"\r", terminal.text.rstrip("\r"))[-1]
    assert not last.strip(), "the bar is gone when there is nothing more to come"


def test_reports_that_are_left_take_no_time_and_count(
    reviewed: Callable[..., ReviewResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed(progress=False)
    with Terminal(monkeypatch) as terminal:
        result = reviewed(resume=True)
    assert "4/4" in re.findall(r"review:[^\r\n]*", terminal.text)[-1]
    assert [report.left for report in result.reports] == [False, True, False, False]


def test_elsewhere_there_is_none_and_what_fails_is_named(
    reviewed: Callable[..., ReviewResult], capsys: pytest.CaptureFixture[str]
) -> None:
    reviewed()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[0] == NAMED
    assert printed.err.splitlines()[1].startswith("2025Q4, C: refused: ")
    assert "\r" not in printed.err
    assert "report/s" not in printed.err


def test_who_wants_no_progress_is_told_nothing(
    reviewed: Callable[..., ReviewResult], capsys: pytest.CaptureFixture[str]
) -> None:
    reviewed(progress=False)
    assert capsys.readouterr() == ("", "")


def test_the_summary_counts_what_became_of_each(reviewed: Callable[..., ReviewResult]) -> None:
    first, *rest = str(reviewed(progress=False)).splitlines()
    assert re.fullmatch(r"2 of 4 reports published: 2 made, 1 failed, 1 kept back, in [\d.]+ s\.", first)
    assert rest[0] == NAMED
    assert rest[-1].endswith("index.html")
    again, *_ = str(reviewed(progress=False, resume=True)).splitlines()
    assert re.fullmatch(
        r"2 of 4 reports published: 1 made, 1 left as they were, 1 failed, 1 kept back, in [\d.]+ s\.", again
    )


def test_a_summary_without_a_review(tmp_path: Path) -> None:
    report = Report(partner="", name="N", quarter="2025Q4", path=tmp_path, state="failed", reason="no.", stale=True)
    said = str(ReviewResult((report,), (tmp_path,), 3723.4))
    assert said.splitlines() == [
        "0 of 1 reports published: 1 failed, in 62 min 3 s.",
        "2025Q4, the network: failed: no. The earlier page was kept.",
    ]
