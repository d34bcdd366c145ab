"""`init`: look at exports, say what they are, and write the first book.toml where that is asked for."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from pathlib import Path

from partnerkpi.book.keys import NAME
from partnerkpi.export import write_text
from partnerkpi.survey.draft import draft
from partnerkpi.survey.lines import counted
from partnerkpi.survey.memory import differences, recall, remember
from partnerkpi.survey.preview import preview
from partnerkpi.survey.report import report
from partnerkpi.survey.survey import Survey, survey


@dataclass(frozen=True)
class Outcome:
    """What is to be printed, and how the command ends: 0, or 2 where a book.toml that is there was not overwritten."""

    text: str
    exit_code: int = 0


def init(files: list[str], *, profile: str = "", write: bool = False, diff: bool = False) -> Outcome:
    """Look at exports and say what they are.

    Args:
        files: the files, or one folder.
        profile: the CRM they come from; empty to recognise it.
        write: keep the draft as book.toml in the folder of the files; one that is there is never overwritten.
        diff: say only what is otherwise than when the book.toml was written.

    Raises:
        UsageError: a file is not there, none holds deals, or there is nothing to compare with.
        SystemProblem: a file cannot be read or written.
    """
    found = survey([Path(name) for name in files], profile)
    if diff:
        return _diff(found)
    made, trial = draft(found), draft(found, trial=True)
    shown = preview(list(dict.fromkeys(p.sheet.path for p in found.parts)), made.text, trial.text)
    place = found.folder / NAME
    if not write:
        step = f"Next: partnerkpi init {shlex.join(files)} --write"
        return Outcome(report(found, made, trial, shown, next_step=step))
    if place.exists():
        return Outcome(_refused(place, made.text), 2)
    write_text(made.text, place)
    remember(found)
    book = shlex.quote(str(found.folder))
    edits = f"decide {counted(len(made.needed), 'line')} there, then  " if made.needed else ""
    step = f"Written to {place}.\nNext: {edits}partnerkpi check {book}, and partnerkpi review {book}"
    return Outcome(report(found, made, trial, shown, next_step=step, written=True))


def _refused(place: Path, text: str) -> str:
    """Why nothing was written, and how the draft differs from what is there."""
    there = place.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    lines = difflib.unified_diff(there, text.splitlines(), str(place), "the draft", lineterm="", n=1)
    listed = list(lines)
    if not listed:
        return f"{place} is there already, and the draft says the same. Nothing is written."
    return "\n".join([f"{place} is there already and is not overwritten. The draft differs from it so:", "", *listed])


def _diff(found: Survey) -> Outcome:
    lines = differences(found, recall(found.folder))
    if not lines:
        return Outcome(
            "The exports have the columns and values they had when book.toml was made: it holds for them.\n"
            f"Next: partnerkpi check {shlex.quote(str(found.folder))}"
        )
    return Outcome("\n".join(["What is otherwise than when book.toml was made:", *(f"- {line}" for line in lines)]))
