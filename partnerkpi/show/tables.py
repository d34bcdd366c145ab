"""Frames as tables one can read, print and hear: a caption, headers with their scope, numbers to the right."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from partnerkpi.estimate import FEW, MISSING, Estimate, amount_text
from partnerkpi.show.html import Shown, clean, outside, render

#: Headers that read better than the column's own name.
TITLES = {
    "deal_id": "deal",
    "lead_id": "lead",
    "partner_id": "partner",
    "prospect_id": "prospect",
    "close_rate_low": "from",
    "close_rate_high": "to",
}
#: A text up to this long is not broken into lines.
SHORT = 18
#: More rows than this fold away on a page.
MANY = 25
#: Columns of amounts in the book's currency.
MONEY = frozenset({"amount", "spend", "won_amount", "cost_per_lead", "cost_per_won_deal"})
#: Columns of shares, written in per cent.
SHARES = frozenset({"close_rate", "close_rate_low", "close_rate_high", "return_on_spend"})


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


def rows(frame: pd.DataFrame, caption: str, limit: int = 20, currency: str = "") -> Shown:
    """The first rows of a frame as a table that says how many there are: "20 of 57 rows".

    Columns without any value and those whose name begins with `_` are left out. Amounts are written in `currency`
    when it is given. Missing is a dash. More than 25 rows fold away until one opens them.
    """
    kept = [c for c in frame.columns if not str(c).startswith("_") and (frame[c].notna().any() or frame.empty)]
    part = frame[kept].head(limit)
    kinds = {c: _kind(frame[c]) for c in kept}
    body = [
        [_cell(value, kinds[c], str(c), currency) for c, value in zip(kept, row, strict=True)]
        for row in part.itertuples(index=False, name=None)
    ]
    count = f"{len(part):,} of {len(frame):,} rows" if len(part) < len(frame) else _counted(len(frame))
    head = [(_title(str(c)), kinds[c] in ("number", "count")) for c in kept]
    return _table(head, body, caption, count)


def breakdown(frame: pd.DataFrame, title: str) -> Shown:
    """A table of `kpi.by(...)` or `kpi.trend(...)`: value, 95 % interval, count and note per group.

    Groups stand in the order they come in, which is by name: a table is not a ranking.
    """
    first = str(frame.columns[0])
    body = []
    for record in frame.to_dict("records"):
        estimate = _estimate(record)
        group = str(record[first])
        label = Cell(group, escape(group)) if group in ("all", "unassigned") else _text(group)
        body.append([label, *estimate_cells(estimate)])
    head = [(_title(first), False), ("value", True), ("95 % interval", True), ("n", True), ("note", False)]
    return _table(head, body, title, "")


def estimate_cells(estimate: Estimate) -> list[Cell]:
    """Value, interval, count and note of an estimate as four cells."""
    note = estimate.reason or (f"fewer than {FEW}: too few to compare" if 0 < estimate.n < FEW else "")
    value = amount_text(estimate.value, estimate.unit)
    return [
        Cell(
            value, escape(value) if estimate.value is None else Markup("<strong>{}</strong>").format(value), number=True
        ),
        _plain(estimate.interval_text or MISSING, number=True),
        _plain(f"{estimate.n:,}", number=True),
        _plain(note),
    ]


def _table(head: list[tuple[str, bool]], body: list[list[Cell]], caption: str, count: str) -> Shown:
    html = render("table.html", head=head, body=body, caption=clean(caption), count=count, folded=len(body) > MANY)
    return Shown(html, _as_text(head, body, caption, count))


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


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "yes or no"
    if pd.api.types.is_integer_dtype(column):
        return "count"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    return "day" if pd.api.types.is_datetime64_any_dtype(column) else "text"


def _cell(value: Any, kind: str, column: str, currency: str) -> Cell:
    if pd.isna(value) or value == "":
        return _plain(MISSING, number=kind in ("number", "count"))
    if kind == "yes or no":
        return _plain("yes" if value else "no")
    if kind == "count":
        return _plain(f"{value:,}", number=True)
    if kind == "number":
        unit = currency if column in MONEY else "share" if column in SHARES else ""
        return _plain(_number(float(value), unit), number=True)
    if isinstance(value, datetime.datetime):
        return _plain(f"{value:%Y-%m-%d}")
    return _text(str(value))


def _number(value: float, unit: str) -> str:
    if unit:
        return amount_text(value, unit)
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")


def _text(text: str) -> Cell:
    return Cell(clean(text), outside(text))


def _plain(text: str, number: bool = False) -> Cell:
    return Cell(text, escape(text), number)


def _title(column: str) -> str:
    return TITLES.get(column, column.replace("_", " "))


def _counted(count: int) -> str:
    return "no rows" if count == 0 else "1 row" if count == 1 else f"{count:,} rows"


def _estimate(record: dict[Any, Any]) -> Estimate:
    value, low, high = (None if pd.isna(record[c]) else float(record[c]) for c in ("value", "low", "high"))
    reason = "" if pd.isna(record["reason"]) else str(record["reason"])
    return Estimate(value, low, high, int(record["n"]), str(record["unit"]), "rows", reason)
