"""The tables of a book: their columns, what a cell of each holds, which must be there, which name a row.

Kinds of column and what the reader makes of them:

| kind | holds | dtype |
|---|---|---|
| `text` | any text; ids are text and never become numbers | `str` |
| `label` | text with few different values | `category`, sorted |
| `day` | a calendar day in the book's business time zone | `datetime64[s]` at midnight |
| `stamp` | a day, or a time of day in the business time zone | `datetime64[s]` |
| `month` | any day of a month, kept as the first one | `datetime64[s]` at midnight |
| `amount` | money | `float64` |
| `number` | a rate or a share | `float64` |
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

STATUSES = ("open", "won", "lost", "abandoned", "rejected")
CLOSED = ("won", "lost", "abandoned", "rejected")
MEASURES = ("won_amount", "deals", "pipeline")
ENUMERATED = MappingProxyType(
    {
        "status": STATUSES,
        "sourced": ("partner", "vendor"),
        "media": ("paid", "earned", "owned"),
        "measure": MEASURES,
    }
)


@dataclass(frozen=True)
class Column:
    """One column: its name, the kind of its cells, and whether a source must have it."""

    name: str
    kind: str
    required: bool = False

    @property
    def dtype(self) -> str:
        """The pandas dtype of the column once read."""
        return {"text": "str", "label": "category", "amount": "float64", "number": "float64"}.get(
            self.kind, "datetime64[s]"
        )

    @property
    def dated(self) -> bool:
        """True for columns that hold a day or a time."""
        return self.kind in ("day", "stamp", "month")


@dataclass(frozen=True)
class Table:
    """One table: its columns in their order, and the columns that name a row (`()` when rows have no name)."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(c.name for c in self.columns)


def _table(name: str, key: str, columns: str) -> Table:
    made = []
    for word in columns.split():
        column, _, kind = word.partition(":")
        made.append(Column(column.removeprefix("*"), kind or "label", column.startswith("*")))
    return Table(name, tuple(made), tuple(key.split()))


_ALL = (
    _table(
        "deals",
        "deal_id",
        "*deal_id:text *created_on:day *status partner_id closed_on:day amount:amount currency name:text customer:text"
        " stage expected_close_on:day sourced registered_on:day accepted_on:day reason:text competitor:text channel"
        " lead_id:text rep unit region product",
    ),
    _table(
        "partners",
        "partner_id",
        "*partner_id name:text type tier region country manager joined_on:day left_on:day commission_rate:number",
    ),
    _table(
        "leads",
        "lead_id",
        "*lead_id:text *created_on:day partner_id status closed_on:day channel region product",
    ),
    _table(
        "history",
        "deal_id changed_at",
        "*deal_id:text *changed_at:stamp stage status amount:amount expected_close_on:day partner_id recorded_at:stamp",
    ),
    _table("spend", "", "*channel *month:month *amount:amount partner_id currency"),
    _table("channels", "channel", "*channel *media"),
    _table("touches", "", "deal_id:text lead_id:text *channel *touched_at:stamp"),
    _table("targets", "", "*quarter *amount:amount partner_id rep unit measure"),
    _table("rates", "currency date", "*currency *date:day *rate:number"),
)

#: Every table a book may have, by name.
TABLES = MappingProxyType({table.name: table for table in _ALL})

#: Where a row was read: file, number of the record in it, line of the file the record begins on.
PLACE = ("_file", "_record", "_line")
