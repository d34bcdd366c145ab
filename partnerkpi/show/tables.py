"""Frames as tables one can read, print and hear: a caption, headers with their scope, numbers to the right."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from partnerkpi.book import Book
from partnerkpi.book.schema import column_called, shared_labels, title_of
from partnerkpi.errors import UsageError
from partnerkpi.estimate import Estimate
from partnerkpi.figures import MEDIA_FIGURES, figure, media_table, scorecard
from partnerkpi.groups import UNASSIGNED, Key, group_text
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.kpis.opportunity_pipeline import backtest as forecasts_before
from partnerkpi.periods import Quarter
from partnerkpi.quality import warnings_of
from partnerkpi.recorded import approximation
from partnerkpi.show.html import Shown, clean, outside, render
from partnerkpi.wording import FEW, MISSING, ROWS, amount_text, languages, number_text, say, speak

EDITIONS = ("internal",)
#: A text up to this long is not broken into lines.
SHORT = 18
#: More rows than this fold away on a page.
MANY = 25
#: More columns than this do not fit on paper unless they are set small.
WIDE = 10
#: A word as databases spell it.
CODE = re.compile("[a-z]+(_[a-z]+)+")


@dataclass(frozen=True)
class Cell:
    """One cell: `text` for a terminal, `html` for a page, `number` when it is aligned to the right."""

    text: str
    html: Markup
    number: bool = False

    @property
    def style(self) -> str:
        """The classes of the cell: flush right for numbers, in one line when it is short."""
        short = len(self.text) <= SHORT and "," not in self.text
        return " ".join(name for name, there in (("pk-number", self.number), ("pk-short", short)) if there)


def rows(
    frame: pd.DataFrame,
    caption: str,
    limit: int = 20,
    currency: str = "",
    units: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
    anchor: str = "",
) -> Shown:
    """The first rows of a frame as a table that says how many there are: "20 of 57 rows".

    Columns without any value, those whose name begins with `_`, and a `value` that is the amount or the age at exit,
    or 1 in every row, are left out. Amounts are written in `currency` when it is given, other columns in their unit,
    where `units` has one. What a column is called is what the schema says, or `titles`. Missing is a dash. More than
    25 rows, and those of an `anchor` one can link to, fold away on a page until one opens them.
    """
    kept = [c for c in frame.columns if not str(c).startswith("_") and (frame[c].notna().any() or frame.empty)]
    if "value" in kept and _says_nothing(frame[kept]):
        kept.remove("value")
    part = frame[kept].head(limit)
    kinds = {c: _kind(frame[c]) for c in kept}
    known = {str(c): _unit(str(c), currency) for c in kept} | dict(units or {})
    body = [
        [_cell(_in_words(value, str(c)), kinds[c], known[str(c)]) for c, value in zip(kept, row, strict=True)]
        for row in part.itertuples(index=False, name=None)
    ]
    count = _counted(len(frame)) if len(part) == len(frame) else say("{part} of {n} rows", part=len(part), n=len(frame))
    head = [((titles or {}).get(str(c)) or say(title_of(str(c))), kinds[c] in ("number", "count")) for c in kept]
    return table_of(head, body, caption, count, anchor=anchor)


def breakdown(frame: pd.DataFrame, title: str, by: str = "") -> Shown:
    """A table of `kpi.by(...)` or `kpi.trend(...)`: value, 95 % interval, count and note per group.

    Groups stand in the order they come in, which is by name: a table is not a ranking. The line of what belongs to no
    group is left out where nothing does. With `by`, the level the groups are of, the first column is called so, and
    codes are written as words.
    """
    first = by or str(frame.columns[0])
    lines = []
    for group, record in zip(frame.iloc[:, 0], frame.to_dict("records"), strict=True):
        if group is UNASSIGNED and not record["n"]:
            continue
        label = plain_cell(str(group)) if isinstance(group, Key) else _text(_in_words(group_text(str(group)), first))
        lines.append((label, _estimate(record)))
    return estimates_table(say(title_of(first)), lines, title)


def about(book: Book, quarter: str | Quarter) -> Shown:
    """What every figure of a page rests on: the book, the day, the quarter, and the account of the rows read."""
    period = book.quarter(quarter)
    names = book.partners.set_index("partner_id")["name"]
    name = names.get(book.partner)
    label = f"{book.partner} {name}" if pd.notna(name) and name != book.partner else book.partner
    many = len(set(book.partner_ids) - set(book.direct))
    whole = say("the whole network, {n} partner", "the whole network, {n} partners", n=many)
    facts = {
        say("partner"): label if book.partner else whole,
        say("quarter"): say("{quarter}: {first} to {last}", quarter=str(period), first=period.start, last=period.end),
        say("as of"): str(approximation(book) or say("{day}; nothing later is in any figure", day=book.as_of)),
        say("book"): say("{book}, exported on {day}", book=book.name, day=book.extracted_on),
        say("money and days"): say("{currency}; days in {zone}", currency=book.currency, zone=book.time_zone),
        say("rows"): book.reading.line(),
    }
    body = [[plain_cell(fact), _text(here)] for fact, here in facts.items()]
    found = warnings_of(book) or [say("nothing that touches these figures")]
    body += [[plain_cell(say("found in the data") if not n else ""), _text(one)] for n, one in enumerate(found)]
    return table_of([(say("fact"), False), (say("here"), False)], body, say("What these figures rest on"), "")


def media(book: Book, quarter: str | Quarter, by: str, caption: str) -> Shown:
    """What each media type, or channel, brought and cost; each column says which rows it counts."""
    table = media_table(book, quarter, by)
    rate = "close_rate"
    units = {name: one.currency_unit(book) for name, one in MEDIA_FIGURES.items()}
    units |= {name: "share" for name in (rate, f"{rate}_low", f"{rate}_high")}
    counted = {"leads": "", "won_deals": "", "decided": ""}  # a count says in its title what it counts
    titles = {
        "leads": say("leads entered"),
        "won_deals": say("deals won"),
        "won_amount": say("won amount"),
        "decided": say("prospects decided"),
        rate: say("of these won"),
        f"{rate}_low": say("from"),
        f"{rate}_high": say("to"),
        "cost_per_lead": say("cost per lead"),
        "cost_per_won_deal": say("cost per won deal"),
        "return_on_spend": say("return"),
    }
    return rows(table, caption, limit=100, units=units | counted, titles=titles)


def backtest(book: Book, quarter: str | Quarter) -> Shown:
    """What was expected of the open deals at past quarter ends, and what came."""
    table = forecasts_before(book, book.quarter(quarter))
    expected = [
        say("{low} to {high}", low=number_text(int(low)), high=number_text(int(high)))
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    shown = pd.DataFrame(
        {
            "quarter": table["quarter"],
            "open_deals": table["open_deals"],
            "expected": table["expected"].round(1),
            "interval": expected,
            "came": table["came"],
        }
    )
    titles = {
        "quarter": say("at the end of"),
        "open_deals": say("open deals"),
        "expected": say("wins expected within two quarters"),
        "interval": say("95 % interval"),
        "came": say("wins that came"),
    }
    inside = int(table["inside"].sum())
    caption = say("What came of earlier forecasts: {inside} of {n} inside the interval", inside=inside, n=len(table))
    return rows(shown, caption, titles=titles)


def scores(book: Book, quarter: str | Quarter) -> Shown:
    """Every figure of the book in one table, KPI by KPI, its companions below each."""
    every = {one.name: one for kpi in KPIS for one in (kpi, *kpi.companions)}
    lines = []
    for record in scorecard(book, quarter, by="none").to_dict("records"):
        one: Kpi = every[record["kpi"] if record["figure"] not in every else record["figure"]]
        title = say(one.title)
        label = Cell(title, Markup("<strong>{}</strong>").format(title) if one in KPIS else escape(title))
        lines.append((label, _estimate(record)))
    return estimates_table(say("figure"), lines, say("All figures"))


def what_if(kpi: Kpi, books: Mapping[str, Book], quarter: str | Quarter) -> Shown:
    """The figure of several books below each other, each with its name: what it is, and what it would be.

    `books` are parts of one book, made by `where` and `without`.
    """
    lines = [(_text(name), figure(kpi, book, book.quarter(quarter))) for name, book in books.items()]
    return estimates_table(say("which rows"), lines, say("What if: {title}", title=say(kpi.title)))


def prepare(edition: str, language: str) -> None:
    """Make what is shown from now on in this edition and language.

    Raises:
        UsageError: they cannot; a page in another edition or language than asked for would be worse than none.
    """
    for what, asked, known in (("edition", edition, EDITIONS), ("language", language, languages())):
        if asked not in known:
            raise UsageError(f"There is no {what} '{asked}' in this version. There is: {', '.join(known)}.")
    speak(language)


def estimates_table(first: str, lines: Sequence[tuple[Cell, Estimate]], caption: str) -> Shown:
    """Estimates below each other: value, 95 % interval, count. What several of them must know is said once, below."""
    notes = [_note(estimate) for _, estimate in lines]
    shared = [note for note, count in Counter(notes).items() if note and count > 1]
    own = any(note and note not in shared for note in notes)
    head = [(first, False), (say("value"), True), (say("95 % interval"), True), (say("n"), True)]
    body = []
    for (label, estimate), note in zip(lines, notes, strict=True):
        mark = str(shared.index(note) + 1) if note in shared else ""
        value = amount_text(estimate.value, estimate.unit)
        html = escape(value) if estimate.value is None else Markup("<strong>{}</strong>").format(value)
        line = [
            label,
            Cell(value, html, number=True),
            _marked(estimate.interval_text or MISSING, mark),
            plain_cell(number_text(estimate.n), number=True),
        ]
        body.append([*line, plain_cell("" if mark else note)] if own else line)
    return table_of([*head, (say("note"), False)] if own else head, body, caption, "", footnotes=shared)


def _note(estimate: Estimate) -> str:
    few = say("fewer than {few}: too few to compare", few=FEW) if 0 < estimate.n < FEW else ""
    return str(estimate.remarks) or few


def _marked(text: str, mark: str) -> Cell:
    """A number with the mark of its footnote."""
    if not mark:
        return plain_cell(text, number=True)
    return Cell(f"{text} [{mark}]", Markup("{}<sup>{}</sup>").format(text, mark), number=True)


def table_of(
    head: list[tuple[str, bool]],
    body: list[list[Cell]],
    caption: str,
    count: str,
    *,
    footnotes: Sequence[str] = (),
    anchor: str = "",
) -> Shown:
    """A table of cells below its headers, each with True where it is aligned to the right.

    One with an `anchor`, the id by which it is linked to, folds away like one of many rows.
    """
    folded = len(body) > MANY or bool(anchor)
    told = {"head": head, "body": body, "caption": clean(caption), "count": count, "footnotes": footnotes}
    html = render("table.html", folded=folded, anchor=anchor, wide=len(head) > WIDE, **told)
    notes = [f"[{number}] {note}" for number, note in enumerate(footnotes, start=1)]
    return Shown(html, "\n".join([_as_text(head, body, caption, count), *notes]))


def nothing_of(caption: str, count: str) -> Shown:
    """In place of a table without rows one line: what was asked for, and why there is none of it."""
    return Shown(render("nothing.html", caption=caption, count=count), f"{caption}: {count}")


def _as_text(head: list[tuple[str, bool]], body: list[list[Cell]], caption: str, count: str) -> str:
    lines = [[title for title, _ in head], *([cell.text for cell in line] for line in body)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    written = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, (_, right) in zip(line, widths, head, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([f"{caption} ({count})" if count else caption, *written])


def _says_nothing(frame: pd.DataFrame) -> bool:
    """True when each `value` is the row's amount or its age at exit, or the one that every row counts for."""
    value = frame["value"]
    if not pd.api.types.is_numeric_dtype(value) or pd.api.types.is_bool_dtype(value):
        return False
    same = any(value.astype("Float64").equals(frame[c].astype("Float64")) for c in ("amount", "exit") if c in frame)
    return len(frame) > 0 and (same or bool(value.eq(1).all()))


def _in_words(value: Any, column: str) -> Any:
    """A code of a shared column (a channel, a stage) in words; what names somebody stays as it is spelled."""
    code = isinstance(value, str) and CODE.fullmatch(value) and column in (*shared_labels(), "media", "reason")
    return value.replace("_", " ") if code else value


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "yes or no"
    if pd.api.types.is_integer_dtype(column):
        return "count"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    return "day" if pd.api.types.is_datetime64_any_dtype(column) else "text"


def _unit(column: str, currency: str) -> str:
    described = column_called(column)
    return currency if described is not None and described.priced_in else ""


def _cell(value: Any, kind: str, unit: str) -> Cell:
    if isinstance(value, Key):
        return plain_cell(str(value))
    if pd.isna(value) or value == "":
        return plain_cell(MISSING, number=kind in ("number", "count"))
    if kind == "yes or no":
        return plain_cell(say("yes") if value else say("no"))
    if kind == "count":
        return plain_cell(number_text(int(value)), number=True)
    if kind == "number":
        return plain_cell(_number(float(value), unit), number=True)
    if isinstance(value, datetime.datetime):
        return plain_cell(f"{value:%Y-%m-%d}")
    return _text(str(value))


def _number(value: float, unit: str) -> str:
    return amount_text(value, unit) if unit else number_text(value, 2, trimmed=True)


def _text(text: str) -> Cell:
    return Cell(clean(text), outside(text))


def plain_cell(text: str, number: bool = False) -> Cell:
    """A cell with a text of our own, which needs no isolation."""
    return Cell(text, escape(text), number)


def _counted(count: int) -> str:
    return say("no rows") if count == 0 else ROWS.counted(count)


def _estimate(record: dict[Any, Any]) -> Estimate:
    value, low, high = (None if pd.isna(record[c]) else float(record[c]) for c in ("value", "low", "high"))
    reason, note = (record.get(name) for name in ("reason", "note"))
    return Estimate(value, low, high, int(record["n"]), str(record["unit"]), ROWS, reason or None, note or None)
