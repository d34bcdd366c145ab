"""Which figure rests on which columns of an export, found out by looking on while each figure is made.

Every figure is made of a small simulated book whose tables note what is taken from them; then once more without each
column so noted, and it rests on those without which it is another. What the package derives (prospects, periods,
converted amounts) is led back to the columns of an export it comes from. What was found out is kept in `uses.json`,
which a test compares; a figure that is not in it is looked at when it is asked for. Intervals are left out: they rest
on the whole network's experience.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.causes import Cause
from partnerkpi.book.schema import TABLES, Column
from partnerkpi.experience import STEADY
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.opening import open_book
from partnerkpi.others import Computed
from partnerkpi.recorded import NotRecorded
from partnerkpi.sample import write_sample

Place = tuple[str, str]
Kept = dict[str, list[str]]
#: What was found out of the figures of this package: for each its columns, like "deals.amount".
KEPT = Path(__file__).resolve().with_name("uses.json")
#: Large enough for every figure to be made.
_PARTNERS, _QUARTERS, _DEALS = 24, 8, 1600


@dataclass(frozen=True)
class Touch:
    """What a fault touches.

    `figures` by KPI, the `levels` one breaks down by, and whether the rows listed behind figures show it.
    """

    figures: dict[str, tuple[Kpi, ...]]
    levels: tuple[str, ...] = ()
    shown: bool = False

    @property
    def nothing(self) -> bool:
        """True when no figure, no breakdown and no list of rows is another for it."""
        return not (self.figures or self.levels or self.shown)


NOTHING = Touch({})


def touched_by(cause: Cause, table: str, column: str) -> Touch:
    """The figures that rest on what such a fault costs: of a row or table all that use it, else those of the column."""
    if cause.costs == "nothing" or table not in TABLES:
        return NOTHING
    if cause.costs in ("row", "table") or column not in TABLES[table]:
        return Touch(_by_kpi({one for one, places in uses().items() if any(t == table for t, _ in places)}))
    told = TABLES[table][column]
    needed = {(table, column), (table, cause.beside or column)}
    figures = {one for one, places in uses().items() if needed <= places}
    levels = (told.level,) if told.level and any(t == table for used in uses().values() for t, _ in used) else ()
    return Touch(_by_kpi(figures), levels, _shown(table, told))


@cache
def uses() -> dict[Kpi, frozenset[Place]]:
    """The tables and columns of an export that each figure's value rests on."""
    kept: Kept = json.loads(KEPT.read_text(encoding="utf-8"))
    every = [one for kpi in KPIS for one in (kpi, *kpi.companions)]
    new = found_out(*(one for one in every if one.name not in kept))
    places = {name: (one.partition(".") for one in columns) for name, columns in (kept | new).items()}
    return {one: frozenset((table, column) for table, _, column in places[one.name]) for one in every}


def found_out(*figures: Kpi) -> Kept:
    """The columns that each of the figures rests on, found out by making it of a simulated book."""
    if not figures:
        return {}
    with TemporaryDirectory(prefix="partnerkpi-") as folder:
        book = open_book(write_sample(folder, partners=_PARTNERS, quarters=_QUARTERS, deals=_DEALS))
    kept: Kept = {}
    for one in figures:
        origins = {f"{table}.{column}" for seen in _needed(one, book) for table, column in _origins(*seen)}
        kept[one.name] = sorted(origins)
    return kept


class _Watched(pd.DataFrame):
    """A table that notes which of its columns are taken, also from the frames made of it."""

    _metadata = ["_table", "_seen"]  # noqa: RUF012  (pandas asks for a list)
    _table: str
    _seen: set[Place]

    @property
    def _constructor(self) -> type[_Watched]:
        return _Watched

    def __getitem__(self, key: Any) -> Any:
        if (seen := getattr(self, "_seen", None)) is not None:
            names = [key] if isinstance(key, str) else key if isinstance(key, list | pd.Index) else ()
            seen.update((self._table, name) for name in names if isinstance(name, str))
        return super().__getitem__(key)


def _needed(one: Kpi, book: Book) -> set[Place]:
    """The columns of a book's tables without which the figure is another, of those it takes."""
    seen: set[Place] = set()
    whole = _made(one, book, {name: _watched(name, book.table(name), seen) for name in book._frames}, seen)
    taken = {(table, column) for table, column in seen if table in book._frames and column in book.table(table)}
    needed = set()
    for table, column in taken:
        for other in (_without, _exchanged):
            frames = {name: book.table(name) for name in book._frames}
            frames[table] = frames[table].assign(**{column: other(frames[table][column])})
            try:
                differs = _made(one, book, frames, set()) != whole
            except Exception:  # of whatever kind: without the column it cannot even be made
                differs = True
            if differs:
                needed.add((table, column))
                break
    return needed


def _made(one: Kpi, book: Book, frames: dict[str, pd.DataFrame], seen: set[Place]) -> tuple[str, ...]:
    """The figure, of the whole book, of other tables than its own."""
    others = Computed(lambda others: replace(book, _frames=frames, others=others))
    _ = others.statuses, others.priced, others.first_day  # whether the book records something at all
    seen.clear()
    try:
        rows = one.rule(others.whole, others.whole.quarter())
    except NotRecorded as missing:
        return (str(missing.reason),)
    told = one.statistic(rows, np.zeros(len(rows), dtype=np.int64), 1, STEADY).iloc[0]
    return str(told["value"]), str(told["n"])


def _watched(name: str, frame: pd.DataFrame, seen: set[Place]) -> pd.DataFrame:
    table = _Watched(frame)
    table._table, table._seen = name, seen
    return table


def _without(column: pd.Series) -> pd.Series:
    """The column without any value."""
    return column.where(np.zeros(len(column), dtype=bool))


def _exchanged(column: pd.Series) -> pd.Series:
    """The column with each row's value in the row below."""
    return column.shift(fill_value=column.iloc[-1]) if len(column) else column


def _origins(table: str, column: str) -> Iterator[Place]:
    """The columns of an export that a column of a book is made of."""
    if table == "prospects":
        for name in ("deals", "leads"):
            yield (name, "lead_id")
            if column in TABLES[name]:
                yield from _origins(name, column)
    elif table == "spells":
        days = (("history", "changed_at"), ("deals", "created_on"), ("deals", "closed_on"))
        yield from (("history", "deal_id"), ("deals", "deal_id"))
        yield from days if column in ("from_day", "to_day") else ()
        for name in ("history", "deals"):
            if column in TABLES[name]:
                yield from _origins(name, column)
    elif table in TABLES and column in TABLES[table]:
        yield table, column
        yield from ((table, c.name) for c in TABLES[table].columns if c.before == column)
        yield from _converted(table, TABLES[table][column])
        from_lead = TABLES[table][column].level and column in TABLES["leads"] and column != "partner_id"
        if table == "deals" and from_lead:
            yield from (("leads", column), ("deals", "lead_id"), ("leads", "lead_id"))  # the lead says it for the deal


def _converted(table: str, column: Column) -> Iterator[Place]:
    """What an amount is converted by."""
    if column.priced_in in ("currency", "deal"):
        yield ("deals" if column.priced_in == "deal" else table), "currency"
        yield from (("rates", c.name) for c in TABLES["rates"].columns)


def _by_kpi(figures: set[Kpi]) -> dict[str, tuple[Kpi, ...]]:
    """The figures of each KPI, in reading order, under its name."""
    own = {kpi.name: tuple(one for one in (kpi, *kpi.companions) if one in figures) for kpi in KPIS}
    return {name: ones for name, ones in own.items() if ones}


def _shown(table: str, column: Column) -> bool:
    return table in ("deals", "leads", "spend") and bool(column.evidence) and not column.internal
