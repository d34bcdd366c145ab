"""What a column is, and a table: every fact about them that the schema states.

Kinds of column and what the reader makes of them:

| kind | holds | dtype |
|---|---|---|
| `text` | any text; ids are text and never become numbers | `str` |
| `label` | text with few different values | `category`, sorted |
| `day` | a calendar day in the book's business time zone | `datetime64[s]` at midnight |
| `stamp` | a day, or a time of day in the business time zone | `datetime64[s]` |
| `month` | any day of a month, kept as the first one | `datetime64[s]` at midnight |
| `quarter` | a quarter of the book's fiscal year, written `2025Q4` | `category`, sorted |
| `amount` | money | `float64` |
| `number` | a rate or a share | `float64` |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

Later = Literal["row", "value", "known"]


@dataclass(frozen=True)
class Column:
    """One column and its facts.

    - `meaning`: what stands in it, in a few words; the dictionary and datapackage.json show them;
    - `required`: a source must have it;
    - `values`: the only values it may have, in the book's own words;
    - `level`: the word one groups by; empty: it is no level. One can *choose* by every column;
    - `later`, for days: what a day after the as-of day means. `row`: the row was not there yet (the rule unless another
      is stated); `value`: only this day was not known yet; `known`: a day to come, known ahead. For quarters the same
      of one that had not ended on the as-of day;
    - `quarter_after`: told one quarter after that of its row, so not known before the next one has ended;
    - `closing`: told with the outcome, so not known while the deal was open;
    - `carried`: goes along with the deal into its periods (`past.spells`), as its levels do;
    - `telling`, for levels: its place among those worth the one breakdown of a page, 0: never;
    - `priced_in`, for amounts: `currency` (the row's own column), `deal` (that of its deal) or `book`;
    - `title`: what a reader sees above it; `evidence`: its place among the rows behind a figure, 0: not shown there;
    - `internal`: the vendor's own, never shown among the rows behind a figure;
    - `of_somebody`, for labels: its values name a partner or a person; those of other labels are everyone's;
    - `before`, in a history: it holds the value of that column before the change; read, and then in rows of its own.
    """

    name: str
    kind: str
    meaning: str = ""
    required: bool = False
    values: tuple[str, ...] = ()
    level: str = ""
    later: Later = "row"
    quarter_after: bool = False
    closing: bool = False
    carried: bool = False
    telling: int = 0
    priced_in: str = ""
    title: str = ""
    evidence: int = 0
    internal: bool = False
    of_somebody: bool = False
    before: str = ""

    @property
    def dtype(self) -> str:
        """The pandas dtype of the column once read."""
        plain = {"text": "str", "label": "category", "quarter": "category", "amount": "float64", "number": "float64"}
        return plain.get(self.kind, "datetime64[s]")

    @property
    def dated(self) -> bool:
        """True for columns that hold a day or a time."""
        return self.kind in ("day", "stamp", "month")


@dataclass(frozen=True)
class Table:
    """One table: its columns in their order, and the columns that name a row (`()` when rows have no name).

    `meaning`: what its rows are.
    `money`: its amounts enter the account of a reading. `about`: the tables whose rows it speaks of, which it follows.
    `looked_up`: it speaks of nobody's rows, so nobody chooses among its own.
    """

    name: str
    columns: tuple[Column, ...]
    meaning: str = ""
    key: tuple[str, ...] = ()
    money: bool = False
    about: tuple[str, ...] = ()
    looked_up: bool = False

    def __getitem__(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    def __contains__(self, name: str) -> bool:
        return any(c.name == name for c in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(c.name for c in self.columns)

    @property
    def priced_on(self) -> str:
        """The column whose day gives the rate its amounts are converted at: the first day that every row must have.

        Deals are the exception: they take the rate of the day they close.
        """
        return next((c.name for c in self.columns if c.dated and c.required), "")


text, label, day, stamp, month, quarter, amount, number = (
    partial(Column, kind=kind) for kind in ("text", "label", "day", "stamp", "month", "quarter", "amount", "number")
)
