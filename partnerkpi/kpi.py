"""A KPI is three things: the rows that count, one value per row, and a statistic.

`@kpi(...)` turns a function that picks rows and writes `value` into a `Kpi`; from those three follow, written once, the
number with its interval, the breakdown by any column, the trend, the picture and the rows behind. A companion figure is
the same thing with another name: `@close_rate.companion(...)`; what it does not say is what its KPI says.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from partnerkpi import plot
from partnerkpi.book import Book
from partnerkpi.book.schema import evidence as evidence_columns
from partnerkpi.errors import UsageError
from partnerkpi.estimate import Estimate, both
from partnerkpi.experience import Experience
from partnerkpi.groups import ALL, Groups, Key, groups_of
from partnerkpi.indices import ACCUMULATING, POOLED
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded, approximation
from partnerkpi.statistics import Statistic, count
from partnerkpi.wording import Code, Noun, Remark, amount_text, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rule = Callable[[Book, Quarter], pd.DataFrame]
#: The rows that entered in the year that ends with one quarter, followed to the end of another.
Entering = Callable[[Book, Quarter, Quarter], pd.DataFrame]
Note = Callable[[Book, Quarter], Remark | None]
Better = Literal["higher", "lower"]
Kind = Literal["flow", "stock"]
Span = Literal["quarter", "year"]
OnCover = Literal["", "always", "giant", "instead"]


def silent(book: Book, quarter: Quarter) -> None:
    """The note of a companion that needs none though its KPI has one."""


@dataclass(eq=False)
class Kpi:
    """One KPI or companion figure, with the facts that describe it and the rule that makes it.

    - `unit` is `money`, `money/day` or one of `wording.PLAIN_UNITS`; `counts` names the rows counted in `n`;
    - `better` is the direction; `rose` and `fell` say in words that it changed;
    - a `flow` is counted over a quarter, or over the year that ends with it (`span`); a `stock` on its last day;
    - `rule` picks the rows; `note` says what else must be known to read the figure in this book and quarter;
    - `only_for` names the levels it is made for (`partner_id`), where it says nothing of any other group or the whole;
      `not_for` is what is said of those;
    - `entering` picks the rows by which a change is told where those of the figure overlap between quarters: what
      entered in one year, followed to the end of a later one;
    - one `on_cover` stands below its KPI's value on the first page: always, where a giant deal carries the quarter, or
      instead of a value that cannot be told;
    - one that `grows` does so with every day of the quarter, though it is no count or sum;
    - `companions` stand beside it, `stand_ins` lead in its place where the book does not record what it needs.
    """

    name: str
    title: str
    question: str
    definition: str
    formula: str
    unit: str
    counts: Noun
    better: Better
    kind: Kind
    span: Span
    rose: str
    fell: str
    statistic: Statistic = field(repr=False)
    rule: Rule = field(repr=False)
    note: Note | None = field(default=None, repr=False)
    only_for: tuple[str, ...] = ()
    not_for: Code = Code.PARTNERS_ONLY
    entering: Entering | None = field(default=None, repr=False)
    on_cover: OnCover = ""
    grows: bool = False
    companions: tuple[Kpi, ...] = field(default=(), repr=False)
    stand_ins: tuple[Kpi, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.question.endswith("?"):
            raise TypeError(
                f"{self.name}: the docstring must be the question the figure answers, not {self.question!r}"
            )
        for fact, options in ((self.better, Better), (self.kind, Kind), (self.span, Span)):
            if fact not in get_args(options):
                raise TypeError(f"{self.name}: {fact!r} is none of {', '.join(get_args(options))}")

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """The definition, for `close_rate?` in a notebook."""
        return f"{self.title}: {self.question}\n\n{self.formula}\n\n{self.definition}"

    @property
    def __wrapped__(self) -> Rule:
        """The rule, so that `close_rate??` shows its source."""
        return self.rule

    def __call__(self, book: Book, quarter: str | Quarter) -> Estimate:
        """The figure for everything in the book, as an estimate.

        Raises:
            UsageError: the text is no quarter, or the quarter is of another calendar or has not begun.
        """
        table = self._table(book, _checked(book).quarter(quarter), None)
        return self.estimates(table)[-1]

    def rows(self, book: Book, quarter: str | Quarter) -> pd.DataFrame:
        """The rows behind the figure: those of the book's table that count, with what each contributed in `value`.

        Empty when the book does not record what the figure needs.
        """
        try:
            return self.rule(book, _checked(book).quarter(quarter))
        except NotRecorded:
            return book.deals.iloc[:0].assign(value=np.nan)

    def by(self, book: Book, quarter: str | Quarter, by: str) -> pd.DataFrame:
        """The figure for each value of a column (`partner`, `rep`, `unit`, `region`, `product`, `channel`, `tier` …).

        Columns `group`, `value`, `low`, `high`, `n`, `unit`, `reason`, `note`; one row for every group that has any
        row in the book, then `groups.UNASSIGNED` for rows without one, then `groups.ALL`.

        Raises:
            UsageError: the book has no such column.
        """
        return self._table(book, _checked(book).quarter(quarter), groups_of(book, by))

    def trend(self, book: Book, quarters: Iterable[str | Quarter]) -> pd.DataFrame:
        """The figure quarter by quarter: columns `quarter`, `value`, `low`, `high`, `n`, `unit`, `reason`, `note`.

        Raises:
            UsageError: one text instead of a list of quarters.
        """
        periods = [book.quarter(q) for q in several(quarters)]
        tables = [self._table(book, q, None).assign(group=q.label) for q in periods]
        return pd.concat(tables, ignore_index=True).rename(columns={"group": "quarter"})

    def plot(self, book: Book, quarters: Sequence[str | Quarter], ax: Axes | None = None) -> Axes:
        """Draw the trend with its interval; returns the Axes to carry on with."""
        last = book.quarter(list(several(quarters))[-1])
        return plot.trend(
            self.trend(book, quarters),
            title=say(self.title),
            counts=str(self.counts),
            better=self.better,
            running=not last.complete,
            ax=ax,
        )

    def evidence(self, book: Book, quarter: str | Quarter) -> pd.DataFrame:
        """The rows behind the figure as one would read them: what identifies and explains each, the largest first."""
        rows = self.rows(book, quarter)
        plain = {"partner_id"} if book.partner else set()
        if "deal_id" in rows and "kind" not in rows:
            plain.add("lead_id")  # a deal speaks for itself; a prospect may be a lead only
        columns = [c for c in evidence_columns() if c in rows and c not in plain]
        return rows.sort_values(["value", columns[0]], ascending=[False, True], na_position="last")[columns]

    def describe(self, book: Book, quarters: Sequence[str | Quarter]) -> str:
        """What the picture of the trend shows, in words, for a reader who does not see it."""
        return self.described(self.trend(book, quarters))

    def described(self, table: pd.DataFrame) -> str:
        """What the picture of this trend shows, in words."""
        points = [
            f"{q} {e.reason if e.value is None else amount_text(e.value, e.unit)}"
            for q, e in zip(table["quarter"], self.estimates(table), strict=True)
        ]
        return say(
            "{title} by quarter, with 95 % intervals where there are any: {points}.",
            title=say(self.title),
            points="; ".join(points),
        )

    def leading(self, book: Book, quarter: str | Quarter) -> Kpi:
        """The figure that leads: this one, or its first stand-in where the book does not record what this one needs."""
        try:
            if self.stand_ins:
                self.rule(book, book.quarter(quarter))
        except NotRecorded:
            return self.stand_ins[0]
        return self

    def companion(
        self,
        *,
        title: str,
        formula: str,
        statistic: Statistic | None = None,
        unit: str | None = None,
        counts: Noun | None = None,
        better: Better | None = None,
        kind: Kind | None = None,
        span: Span | None = None,
        note: Note | None = None,
        only_for: tuple[str, ...] = (),
        not_for: Code = Code.PARTNERS_ONLY,
        on_cover: OnCover = "",
        grows: bool = False,
        stands_in: bool = False,
    ) -> Callable[[Rule], Kpi]:
        """Declare a companion figure of this KPI: what it does not say is what the KPI says.

        One that `stands_in` leads the page where the KPI itself cannot be measured; the first declared comes first.
        """

        def declare(rule: Rule) -> Kpi:
            figure = Kpi(
                name=rule.__name__,
                title=title,
                question=inspect.cleandoc(rule.__doc__ or ""),
                definition=self.definition,
                formula=formula,
                unit=unit or self.unit,
                counts=counts or self.counts,
                better=better or self.better,
                kind=kind or self.kind,
                span=span or self.span,
                rose=self.rose,
                fell=self.fell,
                statistic=statistic or self.statistic,
                rule=rule,
                note=note or self.note,
                only_for=only_for or self.only_for,
                not_for=not_for,
                on_cover=on_cover,
                grows=grows,
            )
            self.companions += (figure,)
            if stands_in:
                self.stand_ins += (figure,)
            return figure

        return declare

    def currency_unit(self, book: Book) -> str:
        """The unit with `money` written as the book's currency."""
        return self.unit.replace("money", book.currency)

    @property
    def accumulates(self) -> bool:
        """True when the figure grows with every day of the quarter, so that a running quarter is not yet comparable."""
        return self.kind == "flow" and (self.grows or self.statistic in ACCUMULATING)

    @property
    def pooled(self) -> bool:
        """True for a count or sum whose quarters are of one pace, so that several tell of it together."""
        return self.kind == "flow" and self.statistic in POOLED

    @property
    def counted(self) -> bool:
        """True where the count of rows is the figure itself."""
        return self.statistic is count

    def _table(self, book: Book, quarter: Quarter, groups: Groups | None) -> pd.DataFrame:
        """The figure for each group, and for `ALL` in the last row. Without groups only that row."""
        labels: tuple[str | Key, ...] = (*(groups.labels if groups else ()), ALL)
        reason = nothing_known(book, quarter)
        try:
            rows = pd.DataFrame() if reason else self.rule(book, quarter)
        except NotRecorded as missing:
            reason = missing.reason
        if reason:
            table = pd.DataFrame({"value": np.nan, "low": np.nan, "high": np.nan, "n": 0}, index=range(len(labels)))
            table["reason"] = pd.Series([reason] * len(labels), dtype=object)
            table["note"] = pd.Series([None] * len(labels), dtype=object)
        else:
            table = self._measured(rows, groups, book.others.experience(quarter))
            if self.only_for:
                alone = any(c.column in self.only_for and len(c.values) == 1 and not c.opposite for c in book.choices)
                listed = groups is not None and groups.column in self.only_for
                others = np.array([not alone and (not listed or isinstance(label, Key)) for label in labels])
                own = np.array([label in book.direct or (alone and book.partner in book.direct) for label in labels])
                table.loc[others | own, ["value", "low", "high"]] = np.nan
                table["reason"] = table["reason"].mask(others, self.not_for()).mask(own, Code.OWN_SALES())
            note = self.note(book, quarter) if self.note else None
            table["note"] = table["note"].where(table["note"].notna() | table["value"].isna(), note)
            if (told := approximation(book)) and {"deal_id", "lead_id"} & {*rows}:
                table["note"] = pd.Series([both(note, told) for note in table["note"]], dtype=object)
        table.insert(0, "group", pd.Series(labels, dtype=object))
        table.insert(5, "unit", self.currency_unit(book))
        return table

    def _measured(self, rows: pd.DataFrame, groups: Groups | None, known: Experience) -> pd.DataFrame:
        table = self.statistic(rows, np.zeros(len(rows), dtype=np.int64), 1, known)
        codes = np.zeros(len(rows), dtype=np.int64)
        if groups:
            codes = groups.codes(rows)
            grouped = np.ones(len(rows), dtype=bool)
            if "whole" in rows:  # without a group these rows are of the whole, and of no group
                grouped = ~(rows["whole"].eq(True) & (codes == len(groups.labels) - 1)).to_numpy(dtype=bool)
            parts = self.statistic(rows[grouped], codes[grouped], len(groups.labels), known)
            table = pd.concat([parts, table], ignore_index=True)
        nothing = (Code.NONE_IN_QUARTER if self.kind == "flow" else Code.NONE)(rows=self.counts)
        table["reason"] = table["reason"].where(table["reason"].notna() | table["value"].notna(), nothing)
        notes = np.full(len(table), None, dtype=object)
        if "note" in table:
            notes[:] = table["note"]
        if "remark" in rows and (noted := np.flatnonzero(rows["remark"].notna())).size:
            notes[codes[noted]] = notes[-1] = rows["remark"].iloc[noted[0]]
        return table.assign(note=pd.Series(notes, dtype=object))

    def estimates(self, table: pd.DataFrame) -> list[Estimate]:
        """The rows of a table of `by` or `trend` as estimates, in the same order."""
        found = []
        columns = ("value", "low", "high", "n", "unit", "reason", "note")
        for *numbers, n, unit, reason, note in zip(*(table[c] for c in columns), strict=True):
            value, low, high = (None if pd.isna(one) else float(one) for one in numbers)
            why, more = (one if isinstance(one, Remark) else None for one in (reason, note))
            found.append(Estimate(value, low, high, int(n), str(unit), self.counts, why, more))
        return found


def nothing_known(book: Book, quarter: Quarter) -> Remark | None:
    """Why the book can say nothing at all about the quarter; None when it can."""
    first = book.others.first_day
    if first is None:
        return Code.NO_DEALS_IN_BOOK()
    return Code.RECORDS_BEGIN(day=first) if first > quarter.last_day else None


def several(quarters: Iterable[str | Quarter]) -> Iterable[str | Quarter]:
    """The quarters themselves.

    Raises:
        UsageError: one text instead of several; it would be taken letter by letter.
    """
    if isinstance(quarters, str | Quarter):
        raise UsageError(f"A list of quarters is expected, not '{quarters}': write quarters('{quarters}', back=8).")
    return list(quarters)


def _checked(book: Book) -> Book:
    if not isinstance(book, Book):
        raise UsageError(f"The book comes first, then the quarter: {book!r} is no book.")
    return book


def kpi(
    *,
    title: str,
    formula: str,
    unit: str,
    counts: Noun,
    better: Better,
    kind: Kind,
    span: Span,
    rose: str,
    fell: str,
    statistic: Statistic,
    note: Note | None = None,
    only_for: tuple[str, ...] = (),
    entering: Entering | None = None,
) -> Callable[[Rule], Kpi]:
    """Declare a KPI: the decorated function picks the rows and writes `value`; no fact that describes it has a default.

    The function's name is the KPI's, its docstring the question it answers, the module's docstring its definition.

    Raises:
        TypeError: a fact is missing or misspelt, or the question does not end with a question mark (at import).
    """

    def declare(rule: Rule) -> Kpi:
        return Kpi(
            name=rule.__name__,
            title=title,
            question=inspect.cleandoc(rule.__doc__ or ""),
            definition=inspect.cleandoc(sys.modules[rule.__module__].__doc__ or ""),
            formula=formula,
            unit=unit,
            counts=counts,
            better=better,
            kind=kind,
            span=span,
            rose=rose,
            fell=fell,
            statistic=statistic,
            rule=rule,
            note=note,
            only_for=only_for,
            entering=entering,
        )

    return declare
