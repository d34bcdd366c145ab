"""A KPI is three things: the rows that count, one value per row, and a statistic.

`@kpi(...)` turns a function that picks rows and writes `value` into a `Kpi`; from those three follow, written once, the
number with its interval, the breakdown by any column, the trend, the picture and the rows behind. A companion figure is
the same thing with another name: `@close_rate.companion(...)`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from partnerkpi import others
from partnerkpi.book import Book
from partnerkpi.estimate import Estimate, amount_text
from partnerkpi.groups import ALL, Groups, groups_of
from partnerkpi.periods import Quarter
from partnerkpi.statistics import ACCUMULATING, Statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rule = Callable[[Book, Quarter], pd.DataFrame]
Better = Literal["higher", "lower"]
Kind = Literal["flow", "stock"]


#: The columns of the rows behind a figure that a reader is shown, where the rows have them.
EVIDENCE = (
    *("deal_id", "lead_id", "month", "partner_id", "customer", "product", "channel", "media"),
    *("created_on", "closed_on", "entry", "exit", "stage", "status", "outcome", "reason", "amount", "value"),
)


_known: WeakKeyDictionary[Book, dict[tuple[Kpi, Quarter], pd.DataFrame]] = WeakKeyDictionary()


class NotRecorded(Exception):
    """A rule raises this when the book does not hold what its figure is made of; the text becomes the reason."""


@dataclass(frozen=True, eq=False)
class Kpi:
    """One KPI or companion figure, with the facts that describe it and the rule that makes it.

    `unit` is `money`, `money/day` or one of the plain units of `partnerkpi.estimate`; `counts` names the rows counted
    in `n`; `better` is the direction; a `flow` is counted over a quarter, a `stock` on its last day.
    """

    name: str
    title: str
    question: str
    definition: str
    formula: str
    unit: str
    counts: str
    better: Better
    kind: Kind
    statistic: Statistic = field(repr=False)
    rule: Rule = field(repr=False)
    companions: list[Kpi] = field(default_factory=list, repr=False)
    stand_ins: list[Kpi] = field(default_factory=list, repr=False)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """The definition, for `close_rate?` in a notebook."""
        return f"{self.title}: {self.question}\n\n{self.formula}\n\n{self.definition}"

    @property
    def __wrapped__(self) -> Rule:
        """The rule, so that `close_rate??` shows its source."""
        return self.rule

    def __call__(self, book: Book, quarter: str | Quarter) -> Estimate:
        """The figure for everything in the book, as an estimate."""
        return self._estimate(self._whole(book, book.quarter(quarter)).iloc[-1])

    def rows(self, book: Book, quarter: str | Quarter) -> pd.DataFrame:
        """The rows behind the figure: those of the book's table that count, with what each contributed in `value`.

        Empty when the book does not record what the figure needs.
        """
        try:
            return self.rule(book, book.quarter(quarter))
        except NotRecorded:
            return book.deals.iloc[:0].assign(value=np.nan)

    def by(self, book: Book, quarter: str | Quarter, by: str) -> pd.DataFrame:
        """The figure for each value of a column (`partner`, `rep`, `unit`, `region`, `product`, `channel`, `tier` …).

        Columns `group`, `value`, `low`, `high`, `n`, `unit`, `reason`; one row for every group that has any row in
        the book, then `unassigned` for rows without one, then `all`.

        Raises:
            UsageError: the book has no such column.
        """
        return self._table(book, book.quarter(quarter), groups_of(book, by))

    def trend(self, book: Book, quarters: Iterable[str | Quarter]) -> pd.DataFrame:
        """The figure quarter by quarter: columns `quarter`, `value`, `low`, `high`, `n`, `unit`, `reason`."""
        periods = [book.quarter(q) for q in quarters]
        tables = [self._whole(book, q).assign(group=q.label) for q in periods]
        return pd.concat(tables, ignore_index=True).rename(columns={"group": "quarter"})

    def plot(self, book: Book, quarters: Sequence[str | Quarter], ax: Axes | None = None) -> Axes:
        """Draw the trend with its interval; returns the Axes to carry on with."""
        from partnerkpi import plot

        last = book.quarter(quarters[-1])
        table = self.trend(book, quarters)
        return plot.trend(
            table, title=self.title, counts=self.counts, better=self.better, running=not last.complete, ax=ax
        )

    def evidence(self, book: Book, quarter: str | Quarter) -> pd.DataFrame:
        """The rows behind the figure as one would read them: what identifies and explains each, the largest first."""
        rows = self.rows(book, quarter)
        known = {"partner_id"} if book.partner else set()
        if "deal_id" in rows and "kind" not in rows:
            known.add("lead_id")  # a deal speaks for itself; a prospect may be a lead only
        columns = [c for c in EVIDENCE if c in rows and c not in known]
        return rows.sort_values(["value", columns[0]], ascending=[False, True], na_position="last")[columns]

    def describe(self, book: Book, quarters: Sequence[str | Quarter]) -> str:
        """What the picture of the trend shows, in words, for a reader who does not see it."""
        table = self.trend(book, quarters)
        points = [
            f"{q} {e.reason if e.value is None else amount_text(e.value, e.unit)}"
            for q, e in zip(table["quarter"], estimates(self, table), strict=True)
        ]
        return f"{self.title} by quarter, with 95 % intervals where there are any: {'; '.join(points)}."

    def leading(self, book: Book, quarter: str | Quarter) -> Kpi:
        """The figure that leads: this one, or its first stand-in where the book does not record what this one needs."""
        try:
            if self.stand_ins:
                self.rule(book, book.quarter(quarter))
        except NotRecorded:
            return self.stand_ins[0]
        return self

    def companion(self, *, stands_in: bool = False, **facts: Any) -> Callable[[Rule], Kpi]:
        """Declare a companion figure of this KPI; the facts are those of `kpi`.

        One that `stands_in` leads the page where the KPI itself cannot be measured; the first declared comes first.
        """

        def declare(rule: Rule) -> Kpi:
            figure = _declare(rule, facts)
            self.companions.append(figure)
            if stands_in:
                self.stand_ins.append(figure)
            return figure

        return declare

    def currency_unit(self, book: Book) -> str:
        """The unit with `money` written as the book's currency."""
        return self.unit.replace("money", book.currency)

    @property
    def accumulates(self) -> bool:
        """True when the figure grows with every day of the quarter, so that a running quarter is not yet comparable."""
        return self.kind == "flow" and self.statistic in ACCUMULATING

    def _whole(self, book: Book, quarter: Quarter) -> pd.DataFrame:
        """The line `all` alone; remembered with the book, which never changes, as a page asks for it many times."""
        known = _known.setdefault(book, {})
        if (self, quarter) not in known:
            known[self, quarter] = self._table(book, quarter, None)
        return known[self, quarter]

    def _table(self, book: Book, quarter: Quarter, groups: Groups | None) -> pd.DataFrame:
        """The figure for each group, and for `all` in the last row. Without groups only that row."""
        count = len(groups.labels) if groups else 0
        unit = self.currency_unit(book)
        reason = others.nothing_known(book, quarter)
        if not reason:
            try:
                rows = self.rule(book, quarter)
            except NotRecorded as missing:
                reason = str(missing)
        if reason:
            table = pd.DataFrame({"value": np.nan, "low": np.nan, "high": np.nan, "n": 0}, index=range(count + 1))
            table["reason"] = reason
        else:
            whole = self.statistic(rows, np.zeros(len(rows), dtype=np.int64), 1)
            table = whole
            if groups:
                parts = self.statistic(rows, groups.codes(rows), count)
                table = pd.concat([parts, whole], ignore_index=True)
            bare = table["value"].isna() & (table["reason"] == "")
            table.loc[bare, "reason"] = (
                f"no {self.counts} in the quarter" if self.kind == "flow" else f"no {self.counts}"
            )
            note = rows.attrs.get("note", "")
            if note:
                said = table["reason"].where(table["reason"] == "", table["reason"] + "; ") + note
                table["reason"] = table["reason"].where(table["value"].isna(), said)
        table.insert(0, "group", [*(groups.labels if groups else ()), ALL])
        table.insert(5, "unit", unit)
        return table

    def _estimate(self, row: pd.Series) -> Estimate:
        value, low, high = (None if pd.isna(row[c]) else float(row[c]) for c in ("value", "low", "high"))
        return Estimate(value, low, high, int(row["n"]), str(row["unit"]), self.counts, str(row["reason"]))


def estimates(figure: Kpi, table: pd.DataFrame) -> list[Estimate]:
    """The rows of a `by` or `trend` table as estimates, in the same order."""
    return [figure._estimate(row) for _, row in table.iterrows()]


def kpi(
    *, title: str, formula: str, unit: str, counts: str, better: Better, kind: Kind, statistic: Statistic
) -> Callable[[Rule], Kpi]:
    """Declare a KPI: the decorated function picks the rows and writes `value`; no fact has a default.

    The function's name is the KPI's, its docstring the question it answers, the module's docstring its definition.

    Raises:
        TypeError: a fact is missing or misspelt, or the question does not end with a question mark (at import).
    """
    facts = dict(title=title, formula=formula, unit=unit, counts=counts, better=better, kind=kind, statistic=statistic)
    return lambda rule: _declare(rule, facts)


def _declare(rule: Rule, facts: dict[str, Any]) -> Kpi:
    question = inspect.cleandoc(rule.__doc__ or "")
    if not question.endswith("?"):
        raise TypeError(f"{rule.__name__}: the docstring must be the question the figure answers, not {question!r}")
    if facts.get("better") not in ("higher", "lower") or facts.get("kind") not in ("flow", "stock"):
        raise TypeError(f"{rule.__name__}: better must be 'higher' or 'lower', kind 'flow' or 'stock'")
    definition = inspect.cleandoc(sys.modules[rule.__module__].__doc__ or "")
    return Kpi(name=rule.__name__, question=question, definition=definition, rule=rule, **facts)
