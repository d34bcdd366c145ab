"""Binds executed notebooks into one self-contained page; the same inputs give the same bytes.

Nothing of when or where a page was made is in it: no time, no path, no number of a process. What it says about its
origin (as-of day, time zone, rows read, versions) stands in its foot, the rest in the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from partnerkpi.batch.cells import chapter_html, title_of
from partnerkpi.batch.chapters import Chapter
from partnerkpi.estimate import MISSING
from partnerkpi.show.html import outside, style

FOLDER = Path(__file__).resolve().parent / "templates"
#: No script, nothing from elsewhere: the second line of defence, should anything have passed the first.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Foot:
    """What every page says about its origin, in words."""

    book: str
    as_of: str
    time_zone: str
    conservation: str
    versions: str


@dataclass(frozen=True)
class Heading:
    """What stands at the top: whose review (`name`, `partner`), of what (`quarter`, `days`), to date or complete."""

    name: str
    partner: str
    quarter: str
    days: str
    to_date: str = ""


@dataclass(frozen=True)
class Bound:
    """A chapter as it stands in a page: `anchor` is its id."""

    anchor: str
    title: str
    html: Markup


@dataclass(frozen=True)
class Score:
    """One figure of the index: its value, below it its count or why it is missing, and whether the count is small."""

    text: str
    note: str
    few: bool


@dataclass(frozen=True)
class Line:
    """One partner in the index, with a score per KPI; `file` is empty when there is no page to link to."""

    partner: str
    name: str
    file: str
    cells: Sequence[Score]


def bound_chapters(chapters: Sequence[Chapter], notebooks: Sequence[Mapping[str, Any]]) -> tuple[Bound, list[Bound]]:
    """The cover and the other chapters, in order."""
    bound = [
        Bound(
            chapter.name.replace("_", "-"),
            title_of(notebook) or chapter.name.replace("_", " "),
            chapter_html(notebook, first="pk-cover" if chapter.is_cover else ""),
        )
        for chapter, notebook in zip(chapters, notebooks, strict=True)
    ]
    cover = next((b for b, chapter in zip(bound, chapters, strict=True) if chapter.is_cover), None)
    return cover or Bound("review", "", Markup()), [b for b in bound if b is not cover]


def page(heading: Heading, cover: Bound, chapters: Sequence[Bound], foot: Foot) -> bytes:
    """A partner's page."""
    return _rendered("page.html", heading=heading, cover=cover, chapters=chapters, foot=foot)


def index(
    heading: Heading, kpis: Sequence[str], lines: Sequence[Line], cover: Bound, chapters: Sequence[Bound], foot: Foot
) -> bytes:
    """The page of the network: every partner with every KPI, then the network's own chapters."""
    missing = [cell.note for line in lines for cell in line.cells if cell.text == MISSING]
    marks = {reason: number for number, reason in enumerate(dict.fromkeys(missing), start=1)}
    return _rendered(
        "index.html", heading=heading, kpis=kpis, lines=lines, marks=marks, cover=cover, chapters=chapters, foot=foot
    )


def _rendered(template: str, **values: Any) -> bytes:
    html = _environment().get_template(template).render(policy=POLICY, css=_css(), **values)
    return (html.strip() + "\n").encode()


@cache
def _css() -> Markup:
    shown = str(style()).removeprefix("<style>").removesuffix("</style>")
    return Markup(shown + "\n" + (FOLDER / "page.css").read_text(encoding="utf-8").strip())


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["outside"] = outside
    return made
