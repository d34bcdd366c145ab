"""Wins month by month, drawn with the limits of chance; a mark draws the eye, and only a test speaks."""

from __future__ import annotations

from partnerkpi import plot
from partnerkpi.book import Book
from partnerkpi.findings import process
from partnerkpi.periods import Quarter
from partnerkpi.show.html import Shown, picture
from partnerkpi.show.tables import plain_cell, table_of
from partnerkpi.wording import figure_text, say


def months(book: Book, quarter: str | Quarter) -> Shown:
    """The wins of the last 24 complete months as a picture, with what is usual, the limits of chance, and marks."""
    table = process.months(book, book.quarter(quarter))
    title = say("Deals won, month by month")
    if not len(table):
        return table_of([(say("note"), False)], [[plain_cell(say("no whole month to show yet"))]], title, "")
    points = [f"{month:%Y-%m} {int(count)}" for month, count in zip(table["month"], table["count"], strict=True)]
    told = [say("{title}: {points}.", title=title, points="; ".join(points))]
    if table["mean"].isna().any():
        key = say(
            "No limits are drawn: they mean something from {months} whole months and {wins} win a month on.",
            None,
            months=process.FEWEST_MONTHS,
            wins=figure_text(process.FEWEST_A_MONTH, "deals"),
        )
        return picture(plot.months(table, title=title), alt=told[0], key=key)
    marked = [f"{month:%Y-%m}" for month in table["month"][table["rule"].ne("").to_numpy()]]
    told.insert(0, say("Marked: {months}.", months=", ".join(marked)) if marked else say("No month is marked."))
    key = say(
        "Line and band: what is usual in such a month, and how far months stray by chance; squares: months outside, or "
        "part of {run} in a row on one side, of {trend} that rise or fall, or of two of three near a limit. Among so "
        "many months chance makes some: a square says where to look, not that anything changed.",
        None,
        run=process.RUN,
        trend=process.TREND,
    )
    return picture(plot.months(table, title=title), alt=" ".join(told), key=key)
