"""The end marker: the last thing a notebook shows, and the proof that it came to its end with these figures."""

from __future__ import annotations

from typing import Any

from partnerkpi.book import Book
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.html import Shown

#: The mime type a page's maker looks for; nothing of it is visible.
END = "application/vnd.partnerkpi.end+json"


class End(Shown):
    """A line of text in a notebook, and the marker beside it for the maker of the page."""

    def __init__(self, marker: dict[str, Any]) -> None:
        text = f"end of {marker['chapter']}, {marker['quarter']}, as of {marker['as_of']}"
        super().__init__("", text)
        self.marker = marker

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, END: self.marker}


def end(chapter: Kpi | str, book: Book, quarter: str | Quarter) -> End:
    """Mark the end of a chapter with its figures: those of the KPI, or every headline for a name such as `"review"`."""
    period = book.quarter(quarter)
    name = chapter if isinstance(chapter, str) else chapter.name
    marker = {
        "chapter": name,
        "partner": book.partner,
        "quarter": period.label,
        "as_of": f"{book.as_of:%Y-%m-%d}",
        "figures": figures(chapter, book, period),
    }
    return End(marker)


def figures(chapter: Kpi | str, book: Book, period: Quarter) -> dict[str, float | None]:
    """The values a chapter must end with, by figure name."""
    if isinstance(chapter, str):
        return {kpi.name: kpi(book, period).value for kpi in KPIS}
    made = {"headline": chapter(book, period).value}
    return made | {figure.name: figure(book, period).value for figure in chapter.companions}
