"""What a check of a book's data comes to: the verdict, the account, what is wrong, its cure, and what it touches.

The page, the printed list and the JSON of `partnerkpi check` say the same, from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from partnerkpi.book import Book, Fault, Reading
from partnerkpi.book.causes import EVERY, SETTING, Cause, cause_of
from partnerkpi.book.examined import EXAMPLES, FATES, FAULT_COLUMNS
from partnerkpi.book.keys import NAME
from partnerkpi.book.ledger import empty_ledger
from partnerkpi.book.reading import Control, empty_set_aside
from partnerkpi.book.schema import title_of
from partnerkpi.errors import PartnerKpiError
from partnerkpi.export import to_json
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.lacking import Told, told_by
from partnerkpi.opening import looked_at
from partnerkpi.uses import Touch, touched_by
from partnerkpi.wording import listed, say

State = Literal["accepted", "warned", "refused"]
#: What the classes of faults are called.
KINDS = {"E": "What refuses the book", "Q": "What is set aside", "W": "What is used, and may be wrong"}
#: Class, table, column and cause of a finding.
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Example:
    """A row that shows a fault: where it was read, the value, and the whole row."""

    file: str
    record: int
    line: int
    value: str
    row: str


@dataclass(frozen=True)
class Finding:
    """All faults of one cause in one column of a table.

    `faults` as the reading lists them, `examples` a few of the rows, `touch` the figures it touches.
    """

    kind: str
    table: str
    column: str
    cause: Cause
    faults: tuple[Fault, ...]
    examples: tuple[Example, ...]
    touch: Touch

    @property
    def rows(self) -> int:
        """How many rows have it; of a file or table as a whole it is one."""
        return sum(fault.count for fault in self.faults)

    @property
    def of_rows(self) -> bool:
        """True where rows have it, not a file or table as such."""
        return self.cause is not SETTING and any(fault.record or fault.line for fault in self.faults)

    @property
    def what(self) -> str:
        """What is wrong, in words."""
        return named(self.cause, self.table, self.column, self.faults[0].rule)

    @property
    def cure(self) -> str:
        """What to do about it, with the key of book.toml where there is one."""
        return say(self.cause.cure, table=self.table, column=self.column or "…")


@dataclass(frozen=True)
class Quality:
    """What a check comes to: the book's name, its reading, the findings, and the KPIs where it is accepted."""

    name: str
    reading: Reading
    findings: tuple[Finding, ...]
    told: Told | None

    @property
    def state(self) -> State:
        """Accepted, accepted with warnings, or refused."""
        return "refused" if self.reading.refused else "warned" if self.findings else "accepted"

    @property
    def verdict(self) -> str:
        """The state, and what it means, in one sentence."""
        if self.state == "refused":
            return say(
                "Refused: no figure is made of this book before the fault that refuses it is cured.",
                "Refused: no figure is made of this book before the {n} faults that refuse it are cured.",
                n=sum(fault.kind == "E" for fault in self.reading.faults),
            )
        if self.state == "accepted":
            return say("Accepted: nothing was found to be wrong, and every figure rests on all rows in scope.")
        aside = sum(self.reading.rows(table)["set aside"] for table in tables_of(self.reading))
        if aside:
            return say(
                "Accepted with warnings: figures are made without {n} row that is set aside, "
                "and those named below are only as good as the rows behind them.",
                "Accepted with warnings: figures are made without {n} rows that are set aside, "
                "and those named below are only as good as the rows behind them.",
                n=aside,
            )
        return say(
            "Accepted with warnings: every row in scope is used, "
            "and the figures named below are only as good as the rows behind them."
        )


def quality_of(folder: str | Path = "") -> Quality:
    """Read a book and say what its data are worth, also where they are refused.

    Raises:
        UsageError: there is no such book, or its book.toml says what cannot be.
    """
    name, reading, book = looked_at(folder)
    return Quality(name, reading, tuple(findings(reading)), told_by(book) if book is not None else None)


def checked(folder: str | Path = "") -> tuple[Quality, PartnerKpiError | None]:
    """As `quality_of`, also where the folder or its book.toml cannot be read: then with the error that says why."""
    try:
        return quality_of(folder), None
    except PartnerKpiError as error:
        return _unread(Path(folder), error), error


def _unread(folder: Path, error: PartnerKpiError) -> Quality:
    """What a check comes to where nothing could be read: refused, by one fault, which is the error's sentence."""
    rule = " | ".join(line for line in str(error).splitlines() if line)
    line = re.search(r"\(at line ([0-9]+), column [0-9]+\)", rule)
    fault = Fault("", NAME, 0, int(line[1]) if line else 0, "", "", rule, "E")
    found = pd.DataFrame([vars(fault) | {"partner_id": ""}])
    reading = Reading(empty_ledger(), found, empty_set_aside())
    every = Touch({kpi.name: (kpi,) for kpi in KPIS})
    return Quality(folder.resolve().name, reading, (Finding("E", "", "", SETTING, (fault,), (), every),), None)


def findings(reading: Reading) -> Iterator[Finding]:
    """The faults of a reading by class, table, column and cause, in the order of the first of each."""
    groups: dict[Key, list[Fault]] = {}
    for fault in reading.faults:
        groups.setdefault((fault.kind, fault.table, fault.column, cause_of(fault.rule).name), []).append(fault)
    examples = _examples(reading)
    for key, faults in groups.items():
        kind, table, column, name = key
        touch = touched_by(EVERY[name], table, column)
        yield Finding(kind, table, column, EVERY[name], tuple(faults), examples.get(key, ()), touch)


def warnings_of(book: Book) -> list[str]:
    """What was found in the rows of a book, used or set aside: a sentence each.

    Of one partner's part it tells of its own rows, as far as any figure rests on them, and of what holds for all:
    files, and rates where any of its money is in another currency than the book's.
    """
    told = book.reading.touched
    foreign = bool(set(book.reading.ledger["currency"]) - {book.currency, ""})
    said: dict[str, int] = {}
    for line in told[told["kind"] != "E"].to_dict("records"):
        cause, table, column = EVERY[line["cause"]], line["table"], line["column"]
        idle = touched_by(cause, table, column).nothing or (table == "rates" and not foreign)
        if not (book.partner and idle):
            what = named(cause, table, say(title_of(column)) if column else "", line["said"])
            said[what] = said.get(what, 0) + int(line["rows"])
    return [say("{what} ({n} row)", "{what} ({n} rows)", what=w, n=n) if n else w for w, n in said.items()]


def named(cause: Cause, table: str, column: str, rule: str) -> str:
    """What a cause is, with the table and column it was found in."""
    what = rule if cause.itself else say(cause.says, table=table)
    if not table:
        return what
    if not column:
        return say("{table}: {what}", table=say(table), what=what)
    return say("{table}, {column}: {what}", table=say(table), column=column, what=what)


def touch_text(touch: Touch) -> str:
    """Which KPIs and figures something touches, in sentences."""
    if touch.nothing:
        return say("No figure rests on it.")
    parts = []
    headlines = [kpi for kpi in KPIS if kpi in touch.figures.get(kpi.name, ())]
    if len(headlines) == len(KPIS):
        parts.append(say("Every KPI."))
    elif headlines:
        parts.append(say("{kpis}.", kpis=listed([say(kpi.title) for kpi in headlines])))
    for kpi in KPIS:
        beside = touch.figures.get(kpi.name, ()) if kpi not in headlines else ()
        if beside:
            figures = ", ".join(say(one.title) for one in beside)
            parts.append(say("Beside {kpi}: {figures}.", kpi=say(kpi.title), figures=figures))
    if touch.levels:
        parts.append(say("Whatever is broken down by {levels}.", levels=listed([say(one) for one in touch.levels])))
    return " ".join(parts) or say("No figure rests on it; it is shown in the rows behind figures.")


def control_text(control: Control) -> str:
    """What book.toml declares of a table beside what was read, and whether it holds."""
    told = {"table": control.table, "name": control.name, "declared": control.declared}
    if control.holds:
        return say("[{table}] {name} = {declared} holds", **told)
    return say("[{table}] {name} = {declared} does not hold: {read} is read", read=control.read, **told)


def declared(reading: Reading) -> list[Control]:
    """The control totals that book.toml declares."""
    return [control for control in reading.controls if control.declared]


def tables_of(reading: Reading) -> list[str]:
    """The tables that were read, in their order."""
    return [str(table) for table in dict.fromkeys(reading.ledger["table"])]


def as_json(quality: Quality) -> str:
    """The same as JSON: the verdict, every fault, `findings` with cure and figures, the account, totals, KPIs."""
    reading = quality.reading
    faults = [fault for one in quality.findings for fault in one.faults]
    listed_faults = pd.DataFrame([vars(fault) for fault in faults], columns=list(FAULT_COLUMNS))
    told = quality.told
    whole: dict[str, Any] = {
        "book": quality.name,
        "state": quality.state,
        "verdict": quality.verdict,
        "faults": json.loads(to_json(listed_faults)),
        "findings": [_finding(one) for one in quality.findings],
        "account": {table: _account(reading, table) for table in tables_of(reading)},
        "control_totals": [vars(control) for control in declared(reading)],
        "not_read": {file: list(names) for file, names in reading.unread.items()},
        "kpis": [kpi.name for kpi in told.available] if told else None,
        "lacking": {kpi.name: lack for kpi, lack in (*told.missing, *told.companions)} if told else None,
    }
    return json.dumps(whole, ensure_ascii=False, indent=1)


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "table": one.table,
        "column": one.column,
        "cause": one.cause.name,
        "what": one.what,
        "rows": one.rows,
        "cure": one.cure,
        "figures": {name: [_figure(figure) for figure in ones] for name, ones in one.touch.figures.items()},
        "levels": list(one.touch.levels),
        "examples": [vars(example) for example in one.examples],
    }


def _figure(one: Kpi) -> str:
    return "headline" if one in KPIS else one.name


def _account(reading: Reading, table: str) -> dict[str, Any]:
    """Rows and money of a table; money as texts, exact to the last decimal."""
    money: Mapping[str, Mapping[str, int]] = reading.money(table)
    sums = {
        currency: {fate: reading.plain_money(own[fate]) for fate in ("read", *FATES)} | {"unknown": own["unknown"]}
        for currency, own in money.items()
        if currency or own["unknown"]
    }
    return {"rows": reading.rows(table), "money": sums}


def _examples(reading: Reading) -> dict[Key, tuple[Example, ...]]:
    """A few of the rows of each finding, as far as rows have it."""
    shown: dict[Key, dict[tuple[str, int], Example]] = {}
    for line in reading.examples.to_dict("records"):
        key = (str(line["kind"]), str(line["table"]), str(line["column"]), cause_of(str(line["rule"])).name)
        place = str(line["file"]), int(line["record"])
        example = Example(*place, int(line["line"]), str(line["value"]), str(line["row"]))
        shown.setdefault(key, {}).setdefault(place, example)
    return {key: tuple(rows.values())[:EXAMPLES] for key, rows in shown.items()}
