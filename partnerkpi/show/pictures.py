"""An Axes as a picture that is the same every time, small, and says in words what it shows."""

from __future__ import annotations

import base64
import io
import warnings
from typing import TYPE_CHECKING

from partnerkpi.show.html import Shown, clean, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

#: No salt, date or path of the machine; text stays text; a pair of dollars in a name is no formula.
SETTINGS = {"svg.hashsalt": "partnerkpi", "svg.fonttype": "none", "text.parse_math": False, "text.usetex": False}
NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}


def picture(ax: Axes, alt: str) -> Shown:
    """The figure an Axes belongs to, as a figure with its description.

    `alt` says what one would see: it is what a reader hears who does not see the picture.

    Raises:
        ValueError: the description is empty.
    """
    if not alt.strip():
        raise ValueError("a picture needs a description: say in `alt` what one would see")
    svg = drawn(ax)
    source = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
    words = clean(alt, longest=600)
    return Shown(render("picture.html", source=source, alt=words), f"[picture: {words}]")


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
