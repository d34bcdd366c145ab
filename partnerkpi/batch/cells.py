"""An executed notebook as the HTML of one chapter: its prose and outputs, the code left out, the lesson folded.

Prose is our own, outputs were escaped where they were made; whatever else a notebook printed is escaped here. What is
bound is looked at again by the gate, as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import mistune
from markupsafe import Markup, escape

from partnerkpi.show.html import style

Cell = Mapping[str, Any]

_HEADING = re.compile(r"(</?h)([1-6])(?=[\s>])")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def chapter_html(notebook: Mapping[str, Any], demote: int = 1, first: str = "") -> Markup:
    """The cells of an executed notebook as HTML.

    What is shown with the class `first` moves up behind the opening prose: who has a minute reads no further. Headings
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
        parts = [*parts[:1], *card, *(part for part in parts[1:] if part not in card)]
    return Markup("\n".join(part for part in parts if part))


def title_of(notebook: Mapping[str, Any]) -> str:
    """The notebook's first heading, as plain text."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            found = re.search(r"^#\s+(.+?)\s*$", _source(cell), re.MULTILINE)
            if found:
                return re.sub(r"[*_`]", "", found[1])
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
    import base64

    text = _joined(content)
    encoded = base64.b64encode(text.encode()).decode() if mime == "image/svg+xml" else re.sub(r"\s", "", text)
    described = f' alt="{escape(alt)}"' if alt else ""
    return f'<figure class="pk pk-picture"><img src="data:{mime};base64,{escape(encoded)}"{described}></figure>'


def _printed(text: Any) -> str:
    plain = _ESCAPES.sub("", _joined(text)).rstrip()
    return f"<pre>{escape(plain)}</pre>" if plain else ""


def _folded(parts: Sequence[str]) -> str:
    inner = "\n".join(part for part in parts if part)
    return f'<details class="lesson"><summary>How this number is derived</summary>\n{inner}\n</details>'


def _source(cell: Cell) -> str:
    return _joined(cell["source"])


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
