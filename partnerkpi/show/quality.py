"""The data-quality page of a book: whether it is accepted, the account, what is wrong and how to cure it, and the KPIs.

It holds rows of all partners, so it is the vendor's own; it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

from partnerkpi.book import Reading
from partnerkpi.book.examined import FATES
from partnerkpi.book.reading import in_one_line
from partnerkpi.kpis import KPIS
from partnerkpi.quality import KINDS, Finding, Quality, declared, tables_of, touch_text
from partnerkpi.show.html import LONGEST, POLICY, Shown, page_style, render
from partnerkpi.show.tables import Cell, plain_cell, table_of
from partnerkpi.wording import MISSING, number_text, say

#: The sign of a verdict, as the style calls it.
_SIGNS = {"accepted": "on-track", "warned": "watch", "refused": "act"}


@dataclass(frozen=True)
class Class:
    """The findings of one class: what the class is called, what it means, its sign."""

    kind: str
    title: str
    means: str
    sign: str
    findings: tuple[Told, ...]


@dataclass(frozen=True)
class Told:
    """A finding as the page has it: `anchor` is its id, `faults` a table, `examples` where and what."""

    anchor: str
    what: Markup
    count: str
    faults: Markup
    examples: tuple[Markup, ...]
    cure: Markup
    touches: str


def quality_page(quality: Quality) -> str:
    """The page: one file of HTML without script or reference."""
    told = quality.told
    return render(
        "quality.html",
        policy=POLICY,
        css=page_style(),
        name=as_it_is(quality.name),
        state=quality.state,
        sign=_SIGNS[quality.state],
        word=say({"accepted": "accepted", "warned": "accepted with warnings", "refused": "refused"}[quality.state]),
        verdict=quality.verdict,
        account=Markup(_account(quality.reading).html),
        controls=Markup(_controls(quality.reading).html) if declared(quality.reading) else "",
        declarable=list(_declarable(quality.reading)),
        classes=list(_classes(quality)),
        kpis=Markup(_kpis(quality).html) if told else "",
        companions=Markup(_companions(quality).html) if told and told.companions else "",
        unread=[
            (as_it_is(file), Markup(", ").join(as_it_is(name or say("(no name)")) for name in names))
            for file, names in quality.reading.unread.items()
        ],
    )


def as_it_is(text: str) -> Markup:
    """A value as it stands in the data: every space kept, what has no shape as its number, its direction its own."""
    return Markup('<bdi class="pk-as-it-is">{}</bdi>').format(escape(in_one_line(text, LONGEST)))


def _value(text: str) -> Cell:
    return Cell(in_one_line(text, LONGEST), as_it_is(text)) if text else plain_cell("")


def _account(reading: Reading) -> Shown:
    """Rows and money of every table: read = used + out of scope + set aside, money that cannot be read in rows."""
    head = [("table", False), ("of", False), ("read", True), *((fate, True) for fate in FATES)]
    body: list[list[Cell]] = []
    for table in tables_of(reading):
        rows = reading.rows(table)
        numbers = [number_text(rows[fate]) for fate in ("read", *FATES)]
        body.append(_line(say(table), say("rows"), numbers))
        for currency, sums in reading.money(table).items():
            if currency and (sums["read"] or sums["unknown"]):
                body.append(_line("", currency, [reading.money_text(sums[fate]) for fate in ("read", *FATES)]))
        ledger = reading.ledger[reading.ledger["table"] == table]
        if ledger["unknown"].any():
            unknown = [int(ledger.loc[ledger["fate"] == fate, "unknown"].sum()) for fate in FATES]
            body.append(_line("", say("rows of unknown money"), [number_text(n) for n in (sum(unknown), *unknown)]))
    return table_of([(say(title), right) for title, right in head], body, say("What became of every row"), "")


def _line(table: str, of: str, numbers: list[str]) -> list[Cell]:
    return [plain_cell(table), plain_cell(of), *(plain_cell(number, number=True) for number in numbers)]


def _controls(reading: Reading) -> Shown:
    """The totals that book.toml declares, beside those read."""
    head = [(say("table"), False), (say("declared"), False), (say("read"), True), (say("holds"), False)]
    body = [
        [
            plain_cell(say(one.table)),
            plain_cell(f"{one.name} = {one.declared}"),
            plain_cell(one.read, number=True),
            plain_cell(say("yes") if one.holds else say("no")),
        ]
        for one in declared(reading)
    ]
    return table_of(head, body, say("Control totals"), "")


def _declarable(reading: Reading) -> Iterator[str]:
    """The lines of book.toml that would declare the totals read, of tables for which none is."""
    of_table = {table: [one for one in reading.controls if one.table == table] for table in tables_of(reading)}
    for table, totals in of_table.items():
        if totals and not any(one.declared for one in totals):
            yield f"[{table}]"
            yield from (
                f'{one.name} = "{one.read}"' if "." in one.read else f"{one.name} = {one.read}" for one in totals
            )


def _classes(quality: Quality) -> Iterator[Class]:
    """The findings by class, what refuses the book first."""
    means = {
        "E": say("No figure is made before these are cured."),
        "Q": say("These rows are in no figure; they are counted above."),
        "W": say("These rows are used. Look whether they are what they should be."),
    }
    signs = {"E": "act", "Q": "watch", "W": ""}
    for kind in KINDS:
        own = [one for one in quality.findings if one.kind == kind]
        if own:
            told = tuple(_told(f"{kind.lower()}-{n}", one) for n, one in enumerate(own, start=1))
            yield Class(kind, say(KINDS[kind]), means[kind], signs[kind], told)


def _told(anchor: str, one: Finding) -> Told:
    count = say("{n} row", "{n} rows", n=one.rows) if one.of_rows else ""
    return Told(
        anchor,
        as_it_is(one.what),
        count,
        Markup(_faults(one).html),
        tuple(_examples(one)),
        as_it_is(one.cure),
        touch_text(one.touch),
    )


def _faults(one: Finding) -> Shown:
    """Each rule and value of a finding, how often, and where it stands first."""
    head = [(say("value"), False), (say("rule"), False), (say("rows"), True), (say("first place"), False)]
    body = [
        [
            _value(fault.value),
            _value(fault.rule),
            plain_cell(number_text(fault.count) if fault.record or fault.line else MISSING, number=True),
            Cell(place := in_one_line(place_text(fault.file, fault.record, fault.line)), as_it_is(place)),
        ]
        for fault in one.faults
    ]
    return table_of(head, body, say("Where"), "")


def _examples(one: Finding) -> Iterator[Markup]:
    """A few of the rows."""
    for example in one.examples:
        place = as_it_is(place_text(example.file, example.record, example.line))
        yield Markup("{}: {}").format(place, as_it_is(example.row))


def place_text(file: str, record: int, line: int) -> str:
    """Where a row was read: the file, and its line, or its record where the source has no lines."""
    if line:
        return say("{file}, line {line}", file=file, line=str(line))
    return say("{file}, record {record}", file=file, record=str(record)) if record else file


def _kpis(quality: Quality) -> Shown:
    """Which KPIs the book gives, and what the others lack."""
    told = quality.told
    assert told is not None
    head = [(say("KPI"), False), (say("is made"), False), (say("lacks"), False)]
    lacks = {kpi.name: say(lack) for kpi, lack in told.missing}
    body = [
        [
            plain_cell(say(kpi.title)),
            plain_cell(say("no") if kpi.name in lacks else say("yes")),
            plain_cell(lacks.get(kpi.name, "")),
        ]
        for kpi in KPIS
    ]
    return table_of(head, body, say("KPIs of this book"), "")


def _companions(quality: Quality) -> Shown:
    """The figures beside KPIs that the book does not give, and what they lack."""
    told = quality.told
    assert told is not None
    lacking: dict[str, list[str]] = {}
    for kpi, lack in told.companions:
        lacking.setdefault(lack, []).append(say(kpi.title))
    body = [[plain_cell(say(lack)), plain_cell(", ".join(titles))] for lack, titles in lacking.items()]
    return table_of(
        [(say("lacking"), False), (say("so these figures are not made"), False)], body, say("Figures beside them"), ""
    )
