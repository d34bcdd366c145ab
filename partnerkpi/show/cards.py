"""Cards: what a KPI means, what it says for a quarter, and beside what it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pandas as pd

from partnerkpi import compare
from partnerkpi.book import Book
from partnerkpi.estimate import FEW, MISSING, Estimate, amount_text
from partnerkpi.kpi import Kpi
from partnerkpi.periods import Quarter, shift
from partnerkpi.show.html import Shown, render
from partnerkpi.show.strip import Strip
from partnerkpi.show.tables import Cell, _plain, _table, estimate_cells
from partnerkpi.statistics import RECORDED

DIRECTION = {"higher": "higher is better", "lower": "lower is better"}
WHEN = {"flow": "counted over the quarter", "stock": "counted on the quarter's last day"}
#: The mark and class of each verdict; the words stand beside them always.
VERDICTS = {"better": "better", "worse": "worse"}


@dataclass(frozen=True)
class Comparison:
    """One line beside a figure: with what (`label`), what is said (`text`, `note`), and the verdict's class if any."""

    label: str
    text: str
    note: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Standing:
    """A figure of a quarter with all that stands beside it.

    `figure` is the KPI itself or, where the book does not record what it needs, the companion that leads in its
    place; `instead` says so.
    """

    kpi: Kpi
    figure: Kpi
    instead: str
    now: Estimate
    before: compare.Change
    year_before: compare.Change
    peers: compare.Peers
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The figure in one line of plain text."""
        return f"{self.kpi.title}: {f'{self.instead}; ' if self.instead else ''}{self.now}"

    @property
    def strip(self) -> Strip | None:
        """The figure drawn beside the quarter before and the peers; None when there is nothing to draw."""
        return Strip.of(self.now, self.before.before, self.peers)


def definition(kpi: Kpi, book: Book, quarter: str = "") -> Shown:
    """The card that says what a KPI means: question, formula, unit, direction, when and what it counts.

    `quarter` adds its first and last day; empty is the last complete one.
    """
    period = book.quarter(quarter)
    facts = {
        "formula": kpi.formula,
        "unit": kpi.currency_unit(book),
        "direction": DIRECTION[kpi.better],
        "when": WHEN[kpi.kind],
        "quarter": f"{_day(period.start)} to {_day(period.last_day)}",
        "n counts": kpi.counts,
    }
    if not period.complete:
        facts["quarter"] += f" (to date, {period.days_so_far} of {period.days} days)"
    lead, *rest = re.split(
        r"\n\s*\n", re.sub(r":$|`", lambda m: "." if m[0] == ":" else "", kpi.definition.partition(">>>")[0].strip())
    )
    html = render("definition.html", kpi=kpi, facts=facts, lead=lead, rest=rest)
    lines = [f"{kpi.title}: {kpi.question}", *(f"  {name}: {text}" for name, text in facts.items())]
    return Shown(html, "\n".join(lines))


def headline(kpi: Kpi, book: Book, quarter: str | Quarter) -> Shown:
    """The KPI's figure with its interval and count, what became of it, and where the peers stand."""
    stands = standing(kpi, book, book.quarter(quarter))
    return Shown(
        render(
            "headline.html",
            title=kpi.title,
            now=stands.now,
            value=amount_text(stands.now.value, stands.now.unit),
            stands=stands,
            few=FEW,
            period=book.quarter(quarter),
        ),
        "\n".join([stands.line, *(f"  {c.label}: {_line(c)}" for c in stands.comparisons)]),
    )


def companions(kpi: Kpi, book: Book, quarter: str | Quarter) -> Shown:
    """The figures that stand beside the KPI, as a table."""
    head = [("figure", False), ("value", True), ("95 % interval", True), ("n", True), ("note", False)]
    body: list[list[Cell]] = []
    for figure in kpi.companions:
        value, interval, count, note = estimate_cells(figure(book, quarter))
        body.append([_plain(figure.title), value, interval, count, note])
    return _table(head, body, f"Beside {kpi.title[0].lower()}{kpi.title[1:]}", "")


def standing(kpi: Kpi, book: Book, period: Quarter) -> Standing:
    """The KPI's figure and everything it is compared with."""
    figure = kpi.leading(book, period)
    instead = "" if figure is kpi else f"{kpi(book, period).reason}; in its place: {figure.title.lower()}"
    before = compare.change(figure, book, period.label, against=shift(period.label, -1))
    year_before = compare.change(figure, book, period.label, against=shift(period.label, -4))
    peers = compare.peers(figure, book, period.label)
    lines = [
        _changed(f"Quarter before, {shift(period.label, -1)}", before),
        _changed(f"A year before, {shift(period.label, -4)}", year_before),
    ]
    lines.append(_among(peers, "Peers" if book.partner else "All partners"))
    if kpi.name == "number_of_deals":
        lines.append(_against_target(compare.target(book, period.label)))
    return Standing(kpi, figure, instead, before.now, before, year_before, peers, lines)


def _changed(label: str, change: compare.Change) -> Comparison:
    text = amount_text(change.before.value, change.before.unit)
    few = min(change.before.n, change.now.n) < FEW
    verdict = "" if few else VERDICTS.get(change.verdict, "")
    words = "too few to compare" if change.verdict == "too few" else change.verdict
    note = words
    if change.before.value is None:
        note = "missing too" if change.before.reason == change.now.reason else change.before.reason
    if change.verdict in VERDICTS and not few and change.low is not None and change.high is not None:
        unit = change.now.unit
        note = f"{words}: {compare.signed(change.low, unit)} to {compare.signed(change.high, unit)}"
    elif change.verdict == "not tested" and change.value is None and change.before.value is not None:
        note = change.reason
    elif change.verdict == "not tested" and change.value is not None:
        note = compare.signed(change.value, change.now.unit)
        if RECORDED not in change.reason:  # what is recorded in full changed by just that; there is nothing to test
            note += ", not tested"
    return Comparison(label, text, note, verdict)


def _among(peers: compare.Peers, label: str) -> Comparison:
    if peers.median is None:
        return Comparison(label, MISSING, f"not shown: {peers.reason}")
    median = amount_text(peers.median, peers.unit)
    return Comparison(label, f"median {median}", f"middle half {peers.span}, {peers.n} partners")


def _against_target(target: Estimate) -> Comparison:
    text = amount_text(target.value, target.unit)
    return Comparison("Target", text, target.reason if target.value is None else "of the target for won amount reached")


def _line(comparison: Comparison) -> str:
    return f"{comparison.text} ({comparison.note})" if comparison.note else comparison.text


def _day(day: pd.Timestamp) -> str:
    return f"{day:%Y-%m-%d}"
