"""Binds executed notebooks into one self-contained page; the same inputs give the same bytes.

Of a notebook a page has the prose and the outputs, the code left out, the lesson folded. Prose is our own, outputs were
escaped where they were made; whatever else a notebook printed is escaped here. What is bound is looked at again by the
gate, as bytes.

Nothing of when or where a page was made is in it: no time, no path, no number of a process. What it says about its
origin (as-of day, time zone, rows read, versions) stands in its foot, the rest in the manifest.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import mistune
from markupsafe import Markup, escape

from partnerkpi.batch.plan import Chapter
from partnerkpi.show.html import clean, environment, style
from partnerkpi.wording import MISSING, say

FOLDER = Path(__file__).resolve().parent / "templates"
#: No script, nothing from elsewhere: the second line of defence, should anything have passed the first.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
Cell = Mapping[str, Any]

_HEADING = re.compile(r"(</?h)([1-6])(?=[\s>])")
_NAMED = re.compile(r'<a data-partner="([^"]*)">(.*?)</a>', re.DOTALL)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


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
    """One partner in the index, with a score per KPI.

    `file` is empty when there is no page to link to; `earlier` is the as-of day of that page when it is of an earlier
    run; `verdict` says how the partner stands, `sign` is that as a class.
    """

    partner: str
    name: str
    file: str
    cells: tuple[Score, ...]
    earlier: str = ""
    verdict: str = ""
    sign: str = ""


@dataclass(frozen=True)
class Failure:
    """A report that was not published, and why; `earlier` is the as-of day of an earlier page that still stands."""

    partner: str
    name: str
    state: str
    reason: str
    earlier: str = ""


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


def partner_page(heading: Heading, cover: Bound, chapters: Sequence[Bound], foot: Foot) -> bytes:
    """A partner's page."""
    return _rendered("page.html", heading=heading, cover=cover, chapters=chapters, foot=foot)


def network_page(
    heading: Heading,
    *,
    kpis: Sequence[str],
    lines: Sequence[Line],
    failures: Sequence[Failure],
    cover: Bound,
    chapters: Sequence[Bound],
    foot: Foot,
) -> bytes:
    """The page of the network: its cover, every partner with every KPI, what was not published, its own chapters."""
    missing = [cell.note for line in lines for cell in line.cells if cell.text == MISSING]
    marks = {reason: number for number, reason in enumerate(dict.fromkeys(missing), start=1)}
    return _rendered(
        "index.html",
        heading=heading,
        kpis=kpis,
        lines=lines,
        failures=failures,
        marks=marks,
        cover=replace(cover, html=linked(cover.html, lines)),
        chapters=chapters,
        foot=foot,
    )


def linked(html: Markup, lines: Sequence[Line]) -> Markup:
    """What names a partner in a cover, made a link where the partner has a page, and plain text where it has none.

    A notebook cannot know which pages there will be, so it marks names: `<a data-partner="P-003">…</a>`.
    """
    count = Counter(clean(line.partner) for line in lines)
    files = {clean(x.partner): x.file for x in lines if x.partner and x.file and count[clean(x.partner)] == 1}

    def link(match: re.Match[str]) -> str:
        file = files.get(unescape(match[1]))
        return f'<a href="{escape(file)}">{match[2]}</a>' if file else match[2]

    return Markup(_NAMED.sub(link, str(html)))


def _rendered(template: str, **values: Any) -> bytes:
    html = environment(FOLDER).get_template(template).render(policy=POLICY, css=_css(), **values)
    return (html.strip() + "\n").encode()


@cache
def _css() -> Markup:
    shown = str(style()).removeprefix("<style>").removesuffix("</style>")
    return Markup(shown + "\n" + (FOLDER / "page.css").read_text(encoding="utf-8").strip())


def chapter_html(notebook: Mapping[str, Any], demote: int = 1, first: str = "") -> Markup:
    """The cells of an executed notebook as HTML.

    What is shown with the class `first` moves to the top: who has a minute reads no further. Headings
    go `demote` levels down. Cells tagged `lesson`, and the prose right behind them, fold under "How this
    number is derived", with their code.
    """
    parts: list[str] = []
    lesson: list[str] = []
    for cell in notebook["cells"]:
        tags = cell.get("metadata", {}).get("tags", ())
        in_lesson = "lesson" in tags or (bool(lesson) and cell["cell_type"] == "markdown")
        if lesson and not in_lesson:
            parts.append(_folded(lesson))
            lesson = []
        (lesson if in_lesson else parts).extend(_cell(cell, demote, with_code=in_lesson))
    if lesson:
        parts.append(_folded(lesson))
    if first:
        card = [part for part in parts if f'class="pk {first}"' in part]
        parts = [*card, *(part for part in parts if part not in card)]
    return Markup("\n".join(part for part in parts if part))


def title_of(notebook: Mapping[str, Any]) -> str:
    """The notebook's first heading, as plain text."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            heading = re.search(r"^#\s+(.+?)\s*$", _source(cell), re.MULTILINE)
            if heading:
                return re.sub(r"[*_`]", "", heading[1])
    return ""


def _cell(cell: Cell, demote: int, with_code: bool) -> list[str]:
    if cell["cell_type"] == "markdown":
        return [_prose(_source(cell), demote)]
    if cell["cell_type"] != "code":
        return []
    shown = [_output(output) for output in cell.get("outputs", ())]
    source = _source(cell).strip()
    if with_code and source:
        return [f'<pre class="code"><code>{escape(source)}</code></pre>', *shown]
    return shown


def _prose(source: str, demote: int) -> str:
    html = str(_markdown()(source)).strip()
    return _HEADING.sub(lambda m: f"{m[1]}{min(6, int(m[2]) + demote)}", html)


@cache
def _markdown() -> mistune.Markdown:
    return mistune.create_markdown(escape=True, plugins=["table"])


def _output(output: Mapping[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _printed(output["text"]) if output["name"] == "stdout" else ""
    data = output.get("data", {})
    if "text/html" in data:
        return _joined(data["text/html"]).replace(str(style()), "").strip()
    for mime in ("image/svg+xml", "image/png"):
        if mime in data:
            return _image(mime, data[mime], output.get("metadata", {}).get(mime, {}).get("alt", ""))
    if any(mime.startswith("application/") for mime in data):
        return ""
    return _printed(data.get("text/plain", ""))


def _image(mime: str, content: Any, alt: str) -> str:
    text = _joined(content)
    encoded = base64.b64encode(text.encode()).decode() if mime == "image/svg+xml" else re.sub(r"\s", "", text)
    described = f' alt="{escape(alt)}"' if alt else ""
    return f'<figure class="pk pk-picture"><img src="data:{mime};base64,{escape(encoded)}"{described}></figure>'


def _printed(text: Any) -> str:
    plain = _ESCAPES.sub("", _joined(text)).rstrip()
    return f"<pre>{escape(plain)}</pre>" if plain else ""


def _folded(parts: Sequence[str]) -> str:
    inner = "\n".join(part for part in parts if part)
    summary = escape(say("How this number is derived"))
    return f'<details class="lesson"><summary>{summary}</summary>\n{inner}\n</details>'


def _source(cell: Cell) -> str:
    return _joined(cell["source"])


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
