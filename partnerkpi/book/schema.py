"""The tables of a book, and for every column all that is to be known of it, once.

Everything else asks here: the reader what to parse, as-of what to cut, `where` and `by` what one can choose and group
by, the pages what a column is called and whether it is shown. To add a column, a table or a level is one edit here.
What a column can be stands in `kinds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from partnerkpi.book.kinds import Column as Column
from partnerkpi.book.kinds import Table as Table
from partnerkpi.book.kinds import amount, day, label, month, number, quarter, stamp, text

STATUSES = ("open", "won", "lost", "abandoned", "rejected")
CLOSED = ("won", "lost", "abandoned", "rejected")
MEASURES = ("won_amount", "deals", "pipeline")
SOURCES = ("partner", "vendor")

PARTNER = label(
    "partner_id",
    meaning="whose it is; empty: the vendor's own, the line `unassigned`",
    of_somebody=True,
    level="partner",
    telling=1,
    title="partner",
    evidence=30,
)
REP = label("rep", meaning="the seller", of_somebody=True, level="rep", telling=5)
UNIT = label("unit", meaning="the seller's department", level="unit", telling=4)
REGION = label("region", meaning="where the customer is", level="region", telling=2)
PRODUCT = label("product", meaning="what is sold", level="product", telling=3, evidence=50)
CHANNEL = label("channel", meaning="how the customer came", level="channel", telling=6, evidence=60)
STATUS = label("status", meaning="how it stands, or ended", values=STATUSES, evidence=130)
STAGE = label("stage", meaning="how far it has come", evidence=120)
SOURCED = label("sourced", meaning="who brought it", values=SOURCES)
CLOSED_ON = day("closed_on", meaning="when it ended; empty while open", later="value", evidence=90)
CREATED_ON = day("created_on", meaning="when it was entered", required=True, carried=True, evidence=80)
EXPECTED = day("expected_close_on", meaning="when it is promised to close", later="known")
OWN_MONEY = amount("amount", meaning="the price, in the row's own currency", priced_in="currency", evidence=160)
CURRENCY = label("currency", meaning="three letters, like EUR; empty: the book's")
THE_DEAL = text("deal_id", meaning="the deal it is about", title="deal")

_ALL = (
    Table(
        "deals",
        meaning="one row per deal, open or ended",
        key=("deal_id",),
        money=True,
        columns=(
            text("deal_id", meaning="names the deal", required=True, title="deal", evidence=10),
            CREATED_ON,
            label("status", meaning="how it stands, or ended", required=True, values=STATUSES, evidence=130),
            PARTNER,
            CLOSED_ON,
            OWN_MONEY,
            replace(CURRENCY, carried=True),
            text("name", meaning="what the deal is called", carried=True),
            text("customer", meaning="who buys", carried=True, evidence=40),
            STAGE,
            EXPECTED,
            SOURCED,
            day("registered_on", meaning="when the partner registered it", later="value"),
            day("accepted_on", meaning="when the vendor accepted the registration", later="value"),
            text("reason", meaning="why it was not won", closing=True, evidence=150),
            text("competitor", meaning="the rival", closing=True),
            CHANNEL,
            text("lead_id", meaning="the lead it began as", title="lead", evidence=20),
            REP,
            UNIT,
            REGION,
            PRODUCT,
        ),
    ),
    Table(
        "partners",
        meaning="one row per partner; without it partners are the distinct `partner_id` of the deals",
        key=("partner_id",),
        columns=(
            label(
                "partner_id",
                meaning="names the partner",
                required=True,
                of_somebody=True,
                level="partner",
                title="partner",
            ),
            text("name", meaning="what the partner is called"),
            label("type", meaning="kind of partner", level="type"),
            label("tier", meaning="rank in the programme", level="tier"),
            replace(REGION, meaning="where the partner is"),
            label("country", meaning="where the partner is", level="country"),
            label("manager", meaning="who looks after it at the vendor", of_somebody=True, level="manager"),
            day("joined_on", meaning="first day in the programme; empty: not known"),
            day("left_on", meaning="last day in the programme", later="value"),
            number("commission_rate", meaning="share of the won amount paid to it: 0.1, or 10 %", internal=True),
        ),
    ),
    Table(
        "leads",
        meaning="one row per lead; one that became a deal ends with it",
        key=("lead_id",),
        columns=(
            text("lead_id", meaning="names the lead", required=True, title="lead", evidence=20),
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
        meaning="one row per change of a deal, and what holds after it; `old_…` held from creation to the first",
        key=("deal_id", "changed_at"),
        about=("deals",),
        columns=(
            replace(THE_DEAL, required=True),
            stamp("changed_at", meaning="when it changed", required=True),
            STAGE,
            STATUS,
            amount("amount", meaning="the price then, in the deal's currency", priced_in="deal"),
            EXPECTED,
            PARTNER,
            SOURCED,
            CHANNEL,
            text("reason", meaning="why it was not won"),
            stamp("recorded_at", meaning="when the change was entered; empty: at once"),
            label("old_stage", meaning="the stage before the change", before="stage"),
            amount("old_amount", meaning="the price before the change", before="amount", priced_in="deal"),
            day(
                "old_expected_close_on",
                meaning="the promised day before the change",
                before="expected_close_on",
                later="known",
            ),
            label("old_partner_id", meaning="whose it was before the change", before="partner_id", of_somebody=True),
            label("old_sourced", meaning="who brought it, before the change", before="sourced", values=SOURCES),
            label("old_channel", meaning="the channel before the change", before="channel"),
        ),
    ),
    Table(
        "spend",
        meaning="one row per channel, month and perhaps partner: what marketing cost",
        money=True,
        columns=(
            label("channel", meaning="what was paid for", required=True, level="channel", evidence=60),
            month("month", meaning="any day of the month", required=True, evidence=25),
            replace(OWN_MONEY, meaning="what was spent; below 0: given back", required=True),
            replace(PARTNER, meaning="for whom; empty: for the whole network"),
            CURRENCY,
        ),
    ),
    Table(
        "channels",
        meaning="one row per channel: what kind of marketing it is",
        key=("channel",),
        looked_up=True,
        columns=(
            label("channel", meaning="as in deals, leads and spend", required=True, level="channel"),
            label(
                "media",
                meaning="bought, spoken of by others, or one's own",
                required=True,
                values=("paid", "earned", "owned"),
                level="media",
            ),
        ),
    ),
    Table(
        "touches",
        meaning="one row per contact before a deal or lead; a row needs one of the two",
        about=("deals", "leads"),
        columns=(
            THE_DEAL,
            text("lead_id", meaning="the lead it is about", title="lead"),
            label("channel", meaning="by what", required=True, level="channel"),
            stamp("touched_at", meaning="when", required=True),
        ),
    ),
    Table(
        "targets",
        meaning="one row per quarter and perhaps partner, seller, department or measure: what is to be reached",
        columns=(
            quarter("quarter", meaning="like 2025Q4", required=True, later="known"),
            amount("amount", meaning="the target: money of the book, or deals", required=True, priced_in="book"),
            replace(PARTNER, meaning="whose target; empty: the whole network's"),
            REP,
            UNIT,
            label("measure", meaning="of what; empty: of the won amount", values=MEASURES),
        ),
    ),
    Table(
        "rates",
        meaning="one row per currency and day: what one unit of it is worth",
        key=("currency", "date"),
        looked_up=True,
        columns=(
            label("currency", meaning="three letters, like GBP", required=True),
            day("date", meaning="from which day on the rate holds", required=True),
            number("rate", meaning="units of the book's currency for one", required=True),
        ),
    ),
    Table(
        "notes",
        meaning="one row per decision of a review, and what came of it",
        columns=(
            label(
                "partner_id",
                meaning="whom it is about",
                required=True,
                of_somebody=True,
                level="partner",
                title="partner",
            ),
            quarter("quarter", meaning="the quarter that was reviewed", required=True),
            text("action", meaning="what was decided", required=True, title="what was decided"),
            text("owner", meaning="who does it", title="who does it"),
            day("due_on", meaning="by when", later="known", title="by when"),
            text("outcome", meaning="what came of it; empty while nothing is told", quarter_after=True),
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
