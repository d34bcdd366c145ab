"""What a notebook displays: HTML for a page, plain text for a terminal, both the same every time.

Text from outside (names, reasons, anything a CRM holds) becomes HTML in one way only: through these templates, which
escape it. `outside` marks it besides, so that a page can be searched for figures that are none.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

#: Longest text of a cell; what is longer is cut and marked.
LONGEST = 400
#: Invisible, but part of how Persian, Hindi and emoji are written.
JOINERS = "\u200c\u200d"
FOLDER = Path(__file__).resolve().parent / "templates"


class Shown:
    """Something to display: `html` in notebooks and pages, `text` in a terminal."""

    def __init__(self, html: str, text: str) -> None:
        self.html = html
        self.text = text

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def render(template: str, **values: Any) -> str:
    """Fill one of the templates; everything but markup made here is escaped."""
    return environment().get_template(template).render(**values).strip()


@cache
def environment() -> Environment:
    """The templates of this package, with escaping on and a missing value an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters["outside"] = outside
    made.globals["style"] = style
    return made


@cache
def style() -> Markup:
    """The style of everything shown, for the first output of a notebook; a page has it once in its head."""
    return Markup("<style>" + (FOLDER / "show.css").read_text(encoding="utf-8").strip() + "</style>")


def outside(text: object) -> Markup:
    """Text from outside as HTML: escaped, cleaned, and isolated so that its writing direction stays its own."""
    return Markup("<bdi>{}</bdi>").format(escape(clean(str(text))))


def clean(text: str, longest: int = LONGEST) -> str:
    r"""Text without control and invisible format characters, cut where it is too long.

    >>> clean("Acme\u202egnp.exe\x00"), clean("abcdef", longest=4)
    ('Acmegnp.exe', 'abc…')
    """
    spaced = re.sub(r"\s+", " ", text)
    kept = "".join(c for c in spaced if c in JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return kept if len(kept) <= longest else kept[: longest - 1].rstrip() + "…"
