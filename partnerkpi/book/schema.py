"""The tables of a book, and for every column all that is to be known of it, once.

Everything else asks here: the reader what to parse, as-of what to cut, `where` and `by` what one can choose and group
by, the pages what a column is called and whether it is shown. To add a column, a table or a level is one edit here.

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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

STATUSES = ("open", "won", "lost", "abandoned", "rejected")
CLOSED = ("won", "lost", "abandoned", "rejected")
MEASURES = ("won_amount", "deals", "pipeline")
SOURCES = ("partner", "vendor")

Later = Literal["row", "value", "known"]


@dataclass(frozen=True)
class Column:
    """One column and its facts.

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

    `money`: its amounts enter the account of a reading. `about`: the tables whose rows it speaks of, which it follows.
    `looked_up`: it speaks of nobody's rows, so nobody chooses among its own.
    """

    name: str
    columns: tuple[Column, ...]
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

PARTNER = label("partner_id", of_somebody=True, level="partner", telling=1, title="partner", evidence=30)
REP, UNIT = label("rep", of_somebody=True, level="rep", telling=5), label("unit", level="unit", telling=4)
REGION, PRODUCT = label("region", level="region", telling=2), label("product", level="product", telling=3, evidence=50)
CHANNEL = label("channel", level="channel", telling=6, evidence=60)
STATUS = label("status", values=STATUSES, evidence=130)
STAGE = label("stage", evidence=120)
SOURCED = label("sourced", values=SOURCES)
CLOSED_ON = day("closed_on", later="value", evidence=90)
CREATED_ON = day("created_on", required=True, carried=True, evidence=80)
EXPECTED = day("expected_close_on", later="known")
OWN_MONEY = amount("amount", priced_in="currency", evidence=160)

_ALL = (
    Table(
        "deals",
        key=("deal_id",),
        money=True,
        columns=(
            text("deal_id", required=True, title="deal", evidence=10),
            CREATED_ON,
            label("status", required=True, values=STATUSES, evidence=130),
            PARTNER,
            CLOSED_ON,
            OWN_MONEY,
            label("currency", carried=True),
            text("name", carried=True),
            text("customer", carried=True, evidence=40),
            STAGE,
            EXPECTED,
            SOURCED,
            day("registered_on", later="value"),
            day("accepted_on", later="value"),
            text("reason", closing=True, evidence=150),
            text("competitor", closing=True),
            CHANNEL,
            text("lead_id", title="lead", evidence=20),
            REP,
            UNIT,
            REGION,
            PRODUCT,
        ),
    ),
    Table(
        "partners",
        key=("partner_id",),
        columns=(
            label("partner_id", required=True, of_somebody=True, level="partner", title="partner"),
            text("name"),
            label("type", level="type"),
            label("tier", level="tier"),
            REGION,
            label("country", level="country"),
            label("manager", of_somebody=True, level="manager"),
            day("joined_on"),
            day("left_on", later="value"),
            number("commission_rate", internal=True),
        ),
    ),
    Table(
        "leads",
        key=("lead_id",),
        columns=(
            text("lead_id", required=True, title="lead", evidence=20),
            CREATED_ON,
            PARTNER,
            STATUS,
            CLOSED_ON,
            CHANNEL,
            REGION,
            PRODUCT,
        ),
    ),
    Table(
        "history",
        key=("deal_id", "changed_at"),
        about=("deals",),
        columns=(
            text("deal_id", required=True, title="deal"),
            stamp("changed_at", required=True),
            STAGE,
            STATUS,
            amount("amount", priced_in="deal"),
            EXPECTED,
            PARTNER,
            SOURCED,
            CHANNEL,
            text("reason"),
            stamp("recorded_at"),
            label("old_stage", before="stage"),
            amount("old_amount", before="amount", priced_in="deal"),
            day("old_expected_close_on", before="expected_close_on", later="known"),
            label("old_partner_id", before="partner_id", of_somebody=True),
            label("old_sourced", before="sourced", values=SOURCES),
            label("old_channel", before="channel"),
        ),
    ),
    Table(
        "spend",
        money=True,
        columns=(
            label("channel", required=True, level="channel", evidence=60),
            month("month", required=True, evidence=25),
            amount("amount", required=True, priced_in="currency", evidence=160),
            PARTNER,
            label("currency"),
        ),
    ),
    Table(
        "channels",
        key=("channel",),
        looked_up=True,
        columns=(
            label("channel", required=True, level="channel"),
            label("media", required=True, values=("paid", "earned", "owned"), level="media"),
        ),
    ),
    Table(
        "touches",
        about=("deals", "leads"),
        columns=(
            text("deal_id", title="deal"),
            text("lead_id", title="lead"),
            label("channel", required=True, level="channel"),
            stamp("touched_at", required=True),
        ),
    ),
    Table(
        "targets",
        columns=(
            quarter("quarter", required=True, later="known"),
            amount("amount", required=True, priced_in="book"),
            PARTNER,
            REP,
            UNIT,
            label("measure", values=MEASURES),
        ),
    ),
    Table(
        "rates",
        key=("currency", "date"),
        looked_up=True,
        columns=(label("currency", required=True), day("date", required=True), number("rate", required=True)),
    ),
    Table(
        "notes",
        columns=(
            label("partner_id", required=True, of_somebody=True, level="partner", title="partner"),
            quarter("quarter", required=True),
            text("action", required=True, title="what was decided"),
            text("owner", title="who does it"),
            day("due_on", later="known", title="by when"),
            text("outcome", quarter_after=True),
        ),
    ),
)

#: Every table a book may have, by name.
TABLES: dict[str, Table] = {table.name: table for table in _ALL}

#: What the package derives from them, with the columns its rules add.
DERIVED = (
    label("kind"),
    text("prospect_id", title="prospect"),
    label("media", level="media", evidence=70),
    number("entry", title="age at entry", evidence=100),
    number("exit", title="age at exit", evidence=110),
    label("outcome", evidence=140),
    number("value", evidence=170),
)

#: Where a row was read: file, number of the record in it, line of the file the record begins on.
PLACE = ("_file", "_record", "_line")


def every_column() -> Iterator[Column]:
    """Every column of every table, then those the package derives; a name may come several times."""
    for table in TABLES.values():
        yield from table.columns
    yield from DERIVED


def column_called(name: str) -> Column | None:
    """The first column of this name."""
    return next((c for c in every_column() if c.name == name), None)


class _Enumerated(Mapping[str, tuple[str, ...]]):
    @staticmethod
    def _values() -> dict[str, tuple[str, ...]]:
        return {c.name: c.values for table in TABLES.values() for c in table.columns if c.values}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())


#: The only values that a column of this name may have, for the columns that have such.
ENUMERATED: Mapping[str, tuple[str, ...]] = _Enumerated()


def tables_with(name: str) -> tuple[str, ...]:
    """The tables that have a column of this name."""
    return tuple(table.name for table in TABLES.values() if name in table)


def levels() -> dict[str, str]:
    """What one may group by, and the column that holds it, in the order of the schema."""
    return {c.level: c.name for c in every_column() if c.level}


def telling_levels() -> tuple[str, ...]:
    """The levels worth a page's one breakdown, the most telling first."""
    places = {c.level: c.telling for c in every_column() if c.telling}
    return tuple(sorted(places, key=lambda level: places[level]))


def changing() -> tuple[str, ...]:
    """The columns of a deal whose past a history can tell."""
    return tuple(c.name for c in TABLES["history"].columns if c.name in TABLES["deals"] and c.name != "deal_id")


def standing() -> tuple[str, ...]:
    """The columns of a deal that go along with its periods unchanged: its levels, and what is marked as carried."""
    past = changing()
    return tuple(c.name for c in TABLES["deals"].columns if (c.level or c.carried) and c.name not in past)


def shared_labels() -> tuple[str, ...]:
    """The labels whose values are everyone's: regions, products, stages, quarters, and so on."""
    return tuple(dict.fromkeys(c.name for c in every_column() if c.dtype == "category" and not c.of_somebody))


def title_of(name: str) -> str:
    """What a reader sees above the column."""
    column = column_called(name)
    return (column.title if column else "") or name.replace("_", " ")


def evidence() -> tuple[str, ...]:
    """The columns of the rows behind a figure that a reader is shown, in their order."""
    shown = {c.name: c.evidence for c in every_column() if c.evidence and not c.internal}
    return tuple(sorted(shown, key=lambda name: shown[name]))
