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
import unicodedata
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
from partnerkpi.show.html import POLICY, clean, environment, outside, page_style, style
from partnerkpi.wording import MISSING, say

FOLDER = Path(__file__).resolve().parent / "templates"
EMPTY = Markup()
#: The tags of cells that fold, beside the lesson's.
FOLDED = {"method", "what-if"}
Cell = Mapping[str, Any]

_OPENING = re.compile(r"<h[1-6]>.*?</h[1-6]>", re.DOTALL)
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
    """What stands at the top: whose review (`name`, `partner`), of what (`quarter`, `days`), to date or complete.

    `who` says what the book records of the partner, as HTML.
    """

    name: str
    partner: str
    quarter: str
    days: str
    to_date: str = ""
    who: Markup = EMPTY


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


def bound_chapters(
    chapters: Sequence[Chapter], notebooks: Sequence[Mapping[str, Any]], *, short: bool = False
) -> tuple[Bound, list[Bound], Markup]:
    """The cover, the other chapters in order, and what closes the page.

    Of the cover what is shown comes first, and what its figures rest on and mean closes the page. Of a `short` page
    the cover has its first card alone.
    """
    cover, closing, bound = Bound("review", "", Markup()), Markup(), []
    for chapter, notebook in zip(chapters, notebooks, strict=True):
        parts, anchor = parted(notebook), chapter.name.replace("_", "-")
        title = title_of(notebook) or chapter.name.replace("_", " ")
        if chapter.is_cover:
            cover = Bound(anchor, title, _markup(parts.shown[:1] if short else parts.shown))
            closing = _markup(parts.foot if short else [*parts.foot, *_folded(parts.fold)])
        else:
            bound.append(Bound(anchor, title, chapter_html(notebook)))
    return cover, bound, closing


def partner_page(
    heading: Heading, cover: Bound, chapters: Sequence[Bound], foot: Foot, closing: Markup = EMPTY, index: str = ""
) -> bytes:
    """A partner's page; `index` is the file of the network's, where there will be one."""
    told = {"heading": heading, "cover": cover, "chapters": chapters, "foot": foot}
    return _rendered("page.html", closing=closing, index=index, running=running(heading), **told)


def network_page(
    heading: Heading,
    *,
    kpis: Sequence[str],
    lines: Sequence[Line],
    failures: Sequence[Failure],
    cover: Bound,
    chapters: Sequence[Bound],
    foot: Foot,
    closing: Markup = EMPTY,
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
        closing=closing,
        running=running(heading),
    )


def running(heading: Heading) -> Markup:
    """Whose page it is, for the margin of each printed one: of a name only what no style sheet could misread."""
    text = f"{heading.partner} {heading.name}, {heading.quarter}".strip()
    kept = "".join(c if c in " -.,&'" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    risky = any(word in kept.casefold() for word in ("http", "image-set"))
    return Markup("" if risky else " ".join(kept.split()))


def linked(html: Markup, lines: Sequence[Line]) -> Markup:
    """What names a partner in a cover, made a link where the partner has a page, and plain text where it has none.

    A notebook cannot know which pages there will be, so it marks names: `<a data-partner="P-003">…</a>`.
    """
    count = Counter(clean(line.partner) for line in lines)
    alone = {clean(x.partner): x for x in lines if x.partner and count[clean(x.partner)] == 1}

    def link(match: re.Match[str]) -> str:
        line = alone.get(unescape(match[1]))
        if line is None:
            return match[2]
        name = str(outside(line.name)) if match[2] == match[1] else match[2]  # who is named by its id gets its name
        return f'<a href="{escape(line.file)}">{name}</a>' if line.file else name

    return Markup(_NAMED.sub(link, str(html)))


def _rendered(template: str, **values: Any) -> bytes:
    html = environment(FOLDER).get_template(template).render(policy=POLICY, css=page_style(), **values)
    return (html.strip() + "\n").encode()


@dataclass(frozen=True)
class Parts:
    """A chapter as HTML: its `title`, what is `shown`, what folds behind it, and what closes a page (`foot`)."""

    title: list[str]
    shown: list[str]
    fold: list[str]
    foot: list[str]


def parted(notebook: Mapping[str, Any], demote: int = 1) -> Parts:
    """The cells of an executed notebook by where they stand in a page; headings go `demote` levels down.

    Cells tagged `method` (what a figure means, how to read it), `what-if` and `lesson` fold together, a lesson with its
    code and the prose right behind it; cells tagged `foot` close the page. The heading of folded prose that opens the
    notebook stays outside: it is the chapter's title.
    """
    parts = Parts([], [], [], [])
    in_lesson = False
    for number, cell in enumerate(notebook["cells"]):
        tags = cell.get("metadata", {}).get("tags", ())
        in_lesson = "lesson" in tags or (in_lesson and cell["cell_type"] == "markdown" and not tags)
        made = _cell(cell, demote, with_code=in_lesson)
        if "method" in tags and not number and made and (heading := _OPENING.match(made[0])):
            parts.title.append(heading[0])
            made = [made[0].removeprefix(heading[0]).strip()]
        folds = in_lesson or bool(FOLDED & set(tags))
        place = parts.fold if folds else parts.foot if "foot" in tags else parts.shown
        place.extend(part for part in made if part)
    return parts


def chapter_html(notebook: Mapping[str, Any], demote: int = 1) -> Markup:
    """A chapter: its title, what it shows, and behind one fold what it means and how it is derived."""
    parts = parted(notebook, demote)
    return _markup([*parts.title, *parts.shown, *parts.foot, *_folded(parts.fold)])


def _markup(parts: Sequence[str]) -> Markup:
    return Markup("\n".join(parts))


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


def _folded(parts: Sequence[str]) -> list[str]:
    inner = "\n".join(parts)
    summary = escape(say("What it means, and how it is derived"))
    return [f'<details class="lesson"><summary>{summary}</summary>\n{inner}\n</details>'] if parts else []


def _source(cell: Cell) -> str:
    return _joined(cell["source"])


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
