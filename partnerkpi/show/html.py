"""What a notebook displays: HTML for a page, plain text for a terminal, both the same every time; pictures; the end.

Text from outside (names, reasons, anything a CRM holds) becomes HTML in one way only: through these templates, which
escape it. `outside` marks it besides, so that a page can be searched for figures that are none.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from partnerkpi.book import Book
from partnerkpi.figures import HEADLINE, figure
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.wording import FEW, language, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

#: Longest text of a cell; what is longer is cut and marked.
LONGEST = 400
#: Invisible, but part of how Persian, Hindi and emoji are written.
JOINERS = "\u200c\u200d"
FOLDER = Path(__file__).resolve().parent / "templates"
#: What a page may do: no script, nothing from elsewhere: the second line of defence, should anything pass the first.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
#: The mime type a page's maker looks for at the end of a notebook; nothing of it is visible.
END = "application/vnd.partnerkpi.end+json"
#: No salt, date or path of the machine; text stays text; a pair of dollars in a name is no formula.
SETTINGS = {"svg.hashsalt": "partnerkpi", "svg.fonttype": "none", "text.parse_math": False, "text.usetex": False}
NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}


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
    return environment(FOLDER).get_template(template).render(**values).strip()


@cache
def environment(folder: Path) -> Environment:
    """The templates of a folder, with escaping on and a missing value an error; they `say` what the catalogue has."""
    templates = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    templates.filters["outside"] = outside
    templates.filters["plain"] = clean
    templates.globals["style"] = style
    templates.globals |= {"say": say, "language": language, "few": FEW}
    return templates


@cache
def style() -> Markup:
    """The style of everything shown, for the first output of a notebook; a page has it once in its head."""
    return Markup("<style>" + (FOLDER / "show.css").read_text(encoding="utf-8").strip() + "</style>")


@cache
def page_style() -> Markup:
    """The style of a whole page, that of everything shown in it among it."""
    shown = str(style()).removeprefix("<style>").removesuffix("</style>")
    return Markup(shown + "\n" + (FOLDER / "page.css").read_text(encoding="utf-8").strip())


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


def picture(ax: Axes, alt: str, key: str = "") -> Shown:
    """The figure an Axes belongs to, as a figure with its description.

    `alt` says what one would see: it is what a reader hears who does not see the picture. `key`, where it is given,
    stands below the picture and says how it is read.

    Raises:
        ValueError: the description is empty.
    """
    if not alt.strip():
        raise ValueError("a picture needs a description: say in `alt` what one would see")
    svg = drawn(ax)
    source = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
    words = clean(alt, longest=600)
    told = say("[picture: {words}]", words=words)
    return Shown(render("picture.html", source=source, alt=words, key=key), f"{told}\n{key}" if key else told)


def drawn(ax: Axes) -> bytes:
    """The figure as SVG: without a second pass for tight margins, and closed if pyplot made it."""
    import sys

    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    figure = ax.get_figure(root=True)
    assert figure is not None
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        _in_plain_figures(axis)
    buffer = io.BytesIO()
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():  # type: ignore[arg-type]
        # Text stays text: the reader's own fonts draw what ours here lack.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasSVG(figure).print_svg(buffer, metadata=NOTHING)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(figure)
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def _in_plain_figures(axis: Axis) -> None:
    """Write 1,000 where a logarithmic axis would write ten to the power of three as a formula."""
    from matplotlib.ticker import Formatter, LogFormatterMathtext

    class Plain(Formatter):
        """Labels the ticks that the axis' own formatter would label."""

        def __init__(self, own: Formatter) -> None:
            self.own = own

        def set_locs(self, locs: list[float]) -> None:
            self.own.set_locs(locs)

        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:,.10g}" if self.own(x, pos) else ""

    if isinstance(own := axis.get_major_formatter(), LogFormatterMathtext):
        axis.set_major_formatter(Plain(own))
    if isinstance(own := axis.get_minor_formatter(), LogFormatterMathtext):
        axis.set_minor_formatter(Plain(own))


class End(Shown):
    """The last thing a notebook shows: a line of text, and beside it the proof that it came to its end."""

    def __init__(self, marker: dict[str, Any]) -> None:
        where = {name: marker[name] for name in ("chapter", "quarter", "as_of")}
        super().__init__("", say("end of {chapter}, {quarter}, as of {as_of}", None, **where))
        self.marker = marker

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, END: self.marker}


def end(chapter: Kpi | str, book: Book, quarter: str | Quarter) -> End:
    """Mark the end of a chapter with its figures: those of the KPI, or every headline for a name such as `"review"`."""
    period = book.quarter(quarter)
    marker = {
        "chapter": chapter if isinstance(chapter, str) else chapter.name,
        "partner": book.partner,
        "quarter": period.label,
        "as_of": f"{book.as_of:%Y-%m-%d}",
        "figures": end_figures(chapter, book, period),
    }
    return End(marker)


def end_figures(chapter: Kpi | str, book: Book, quarter: Quarter) -> dict[str, float | None]:
    """The values a chapter must end with, by figure name."""
    if isinstance(chapter, str):
        return {kpi.name: figure(kpi, book, quarter).value for kpi in KPIS}
    values = {HEADLINE: figure(chapter, book, quarter).value}
    return values | {one.name: figure(one, book, quarter).value for one in chapter.companions}
