"""Cards: what a KPI means, what it says for a quarter, and beside what it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from partnerkpi import compare, figures, plot
from partnerkpi.book import Book
from partnerkpi.compare import CLEAR, Change, Peers, Verdict
from partnerkpi.deals import giant, target_rows
from partnerkpi.estimate import Estimate
from partnerkpi.figures import WHEN, figure
from partnerkpi.findings.family import OVER
from partnerkpi.findings.sentences import sentence, sureness
from partnerkpi.findings.verdict import own_signals
from partnerkpi.kpi import Kpi
from partnerkpi.kpis.number_of_deals import number_of_deals, won_amount
from partnerkpi.kpis.quality_score import quality_score
from partnerkpi.periods import Quarter
from partnerkpi.show.html import Shown, picture, render
from partnerkpi.show.tables import estimates_table, plain_cell
from partnerkpi.statistics import IN_FULL
from partnerkpi.wording import DIRECTION, FEW, MISSING, amount_text, figure_text, listed, say, span_text, unit_text


@dataclass(frozen=True)
class Comparison:
    """One line beside a figure: with what (`label`), what is said (`text`, `note`), and the verdict's class if any.

    `against` is the quarter it is compared with, if it is one; `brief` is the note for a first page.
    """

    label: str
    text: str
    note: str = ""
    verdict: str = ""
    against: str = ""
    brief: str = ""


@dataclass(frozen=True)
class Strip:
    """A word-sized drawing of an estimate: its interval, its value, the one before, the peers' middle half and median.

    Places from 0 to 100, None where there is nothing to draw; `words` say what is drawn, `least` and `most` what the
    two ends are, `few` that fewer than five rows are behind it. Pure boxes placed in per cent
    of the width, so it needs no picture, prints sharp, and follows dark and light.
    """

    words: str
    value: float
    low: float | None
    high: float | None
    before: float | None
    lower: float | None
    upper: float | None
    median: float | None = None
    least: str = ""
    most: str = ""
    few: bool = False

    @staticmethod
    def of(now: Estimate, before: Estimate, peers: Peers) -> Strip | None:
        """The strip for an estimate; None when it has no value."""
        if now.value is None:
            return None
        marks = [v for v in (now.value, now.low, now.high, before.value, peers.lower, peers.upper) if v is not None]
        least, most = min(marks), max(marks)
        if least == most:
            return None

        def place(value: float | None) -> float | None:
            return None if value is None else round(4 + 92 * (value - least) / (most - least), 1)

        words = [say("value {value}", value=amount_text(now.value, now.unit))]
        if now.interval_text:
            words.append(say("interval {span}", span=now.interval_text))
        if before.value is not None:
            words.append(say("a year before {value}", value=amount_text(before.value, before.unit)))
        if peers.lower is not None and peers.upper is not None:
            half = span_text(peers.lower, peers.upper, now.unit)
            words.append(say("peers' middle half {span}", span=half))
        return Strip(
            words=", ".join(words),
            value=place(now.value) or 0.0,
            low=place(now.low),
            high=place(now.high),
            before=place(before.value),
            lower=place(peers.lower),
            upper=place(peers.upper),
            median=place(peers.median),
            least=figure_text(least, now.unit),
            most=figure_text(most, now.unit),
            few=now.few,
        )


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
    year_before: Change
    change: Change
    peers: Peers
    comparisons: tuple[Comparison, ...] = ()

    @property
    def line(self) -> str:
        """The figure in one line of plain text."""
        return f"{say(self.kpi.title)}: {f'{self.instead}; ' if self.instead else ''}{self.now}"

    @property
    def strip(self) -> Strip | None:
        """The figure drawn beside the year before and the peers; None when there is nothing to draw."""
        return Strip.of(self.now, self.year_before.before, self.peers)

    @property
    def beyond_peers(self) -> bool:
        """True when the whole interval lies on the wrong side of the peers' middle half."""
        now, lower, upper = self.now, self.peers.lower, self.peers.upper
        if now.few or now.low is None or now.high is None or lower is None or upper is None:
            return False
        return now.high < lower if self.figure.better == "higher" else now.low > upper


def definition(kpi: Kpi, book: Book, quarter: str | Quarter = "") -> Shown:
    """The card that says what a KPI means: formula, unit, direction, when and what it counts.

    `quarter` adds its first and last day; empty is the last complete one.
    """
    period = book.quarter(quarter)
    first = period.year[0] if kpi.span == "year" else period.start
    days = say("{first} to {last}", first=first, last=period.last_day)
    if not period.complete:
        days = say("{days} (to date, {done} of {all} days)", days=days, done=period.days_so_far, all=period.days)
    facts = {
        say("formula"): say(kpi.formula),
        say("unit"): unit_text(kpi.currency_unit(book)),
        say("direction"): say(DIRECTION[kpi.better]),
        say("when"): say(WHEN[kpi.kind, kpi.span]),
        say("days"): days,
        say("n counts"): str(kpi.counts),
    }
    lead, *rest = map(say, paragraphs(kpi))
    html = render("definition.html", facts=facts, lead=lead, rest=rest)
    lines = [f"{say(kpi.title)}: {say(kpi.question)}", *(f"  {name}: {text}" for name, text in facts.items())]
    return Shown(html, "\n".join(lines))


def paragraphs(kpi: Kpi) -> list[str]:
    """The definition as a reader is told it: without its worked example, and without marks of code."""
    told = kpi.definition.partition(">>>")[0].strip()
    return re.split(r"\n\s*\n", re.sub(r":$|`", lambda m: "." if m[0] == ":" else "", told))


def headline(kpi: Kpi, book: Book, quarter: str | Quarter) -> Shown:
    """What was found; the KPI's figure with its interval and count, what became of it, and where the peers stand."""
    period = book.quarter(quarter)
    stands, found = standing(kpi, book, period), finding(kpi, book, period)
    html = render(
        "headline.html",
        title=say(kpi.title),
        now=stands.now,
        value=amount_text(stands.now.value, stands.now.unit),
        stands=stands,
        few=FEW,
        period=period,
        formula=say(stands.figure.formula),
        finding=found,
    )
    first = [f"{found.text} ({found.sure})"] if found else []
    return Shown(html, "\n".join([*first, stands.line, *(f"  {c.label}: {_line(c)}" for c in stands.comparisons)]))


@dataclass(frozen=True)
class Finding:
    """What a signal says of a figure, how sure it is, and what it asks for (`act`, `watch`, `good`, `fact`)."""

    text: str
    sure: str
    weight: str


def finding(kpi: Kpi, book: Book, period: Quarter) -> Finding | None:
    """The strongest signal of this partner that is about the figure; None where there is none."""
    if not book.partner:
        return None
    own = own_signals(book, period)
    told = own[((own["figure"] == kpi.name) & own["weight"].ne("") & own["state"].ne(OVER)).to_numpy()]
    if not len(told):
        return None
    line = next(told.itertuples(index=False))
    return Finding(sentence(line, book.currency), sureness(line), str(line.weight))


def companions(kpi: Kpi, book: Book, quarter: str | Quarter) -> Shown:
    """The figures that stand beside the KPI, as a table."""
    period = book.quarter(quarter)
    lines = [(plain_cell(say(one.title)), figure(one, book, period)) for one in kpi.companions]
    return estimates_table(say("figure"), lines, say("Beside it: {title}", title=say(kpi.title)))


def trend(kpi: Kpi, book: Book, quarters: Sequence[str | Quarter]) -> Shown:
    """The figure over these quarters as a picture with its description."""
    periods = [book.quarter(quarter) for quarter in quarters]
    table = figures.trend(kpi, book, periods)
    aims = [float(target_rows(book, q)["of"].sum(min_count=1)) for q in periods] if kpi is won_amount else ()
    ax = plot.trend(
        table,
        aims=aims,
        title=say(kpi.title),
        counts=str(kpi.counts),
        better=kpi.better,
        running=not periods[-1].complete,
        ax=None,
    )
    points = [f"{q} {amount_text(a, book.currency)}" for q, a in zip(periods, aims, strict=False) if a == a]
    targets = f" {say('Targets, dashed: {points}.', points='; '.join(points))}" if points else ""
    return picture(ax, alt=kpi.described(table) + targets)


def standing(kpi: Kpi, book: Book, period: Quarter) -> Standing:
    """The KPI's figure and everything it is compared with."""
    leads = kpi.leading(book, period)
    now = figure(leads, book, period)
    instead = ""
    if leads is not kpi:
        reason = figure(kpi, book, period).remarks
        instead = say("{reason}; in its place: {figure}", reason=reason, figure=say(leads.title))
    before = compare.change(leads, book, period, against=period.before)
    year_before = compare.change(leads, book, period, against=period.year_before)
    change = compare.tested(leads, book, period)
    peers = compare.peers(leads, book, period)
    lines = _past(before, year_before, change)
    if book.partner:
        lines.append(among(peers))
    if kpi is number_of_deals:
        lines.append(_against_target(compare.target(book, period)))
    if kpi is quality_score and now.value is not None:
        lines.append(_pair(book, period))
    return Standing(kpi, leads, instead, now, year_before, change, peers, tuple(lines))


def _past(before: Change, year_before: Change, change: Change) -> list[Comparison]:
    """The year before, which leads; what the figure was tested against, if that is another; the quarter before."""
    label = say("A year before, {quarter}", quarter=year_before.against)
    lines = [_changed(label, change if change.against == year_before.against else year_before)]
    if change.against != year_before.against:
        lines = [replace(lines[0], note=_number(year_before), brief=_number(year_before), verdict="")]
        other = _changed(change.against[:1].upper() + change.against[1:], change)
        if change.now.value is not None and change.now.value != year_before.now.value:  # not what the card shows
            now = amount_text(change.now.value, change.now.unit)
            other = replace(other, text=say("{now} after {before}", now=now, before=other.text))
        lines.append(other)
    quarter = _changed(say("Quarter before, {quarter}", quarter=before.against), before)
    return [*lines, replace(quarter, note=_number(before), brief=_number(before), verdict="")]


def _number(change: Change) -> str:
    """What is said of a past value that is shown and not tested."""
    return change.change_text if change.value is not None else _said_of(change)


def _changed(label: str, change: Change) -> Comparison:
    text = amount_text(change.before.value, change.before.unit)
    clear = {Verdict.BETTER: "better", Verdict.WORSE: "worse"}.get(change.verdict, "")
    return Comparison(label, text, _said_of(change), clear, change.against, _brief(change))


def _brief(change: Change) -> str:
    """What is said of a change on a first page: its verdict, without what bounds it."""
    if change.value is not None and (change.verdict in CLEAR or change.verdict is Verdict.TOO_FEW_TO_TELL):
        return str(change.verdict)
    return _said_of(change)


def _said_of(change: Change) -> str:
    if change.before.value is None:
        return say("missing too") if change.before.reason == change.now.reason else str(change.before.reason)
    if change.value is None:
        return say("nothing to compare it with now") if change.now.value is None else str(change.reason)
    if change.verdict in CLEAR:
        return say("{verdict}: {span}", verdict=change.verdict, span=change.interval_text or change.change_text)
    if change.verdict is Verdict.NOT_TESTED:
        # what is recorded in full changed by just that; there is nothing to test
        untested = say("{change}, not tested", change=change.change_text)
        return change.change_text if change.reason == IN_FULL else untested
    if change.verdict is Verdict.TOO_FEW_TO_TELL:
        if change.seen_text:
            return say("{verdict}: only {bounds} would stand out", verdict=change.verdict, bounds=change.seen_text)
        return say("{verdict}: nothing would stand out", verdict=change.verdict)
    return str(change.verdict)


def among(peers: Peers) -> Comparison:
    """What the peers show, as a line beside a figure."""
    if peers.median is None:
        return Comparison(say("Peers"), MISSING, say("not shown: {reason}", reason=peers.reason))
    text = say("median {median}", median=amount_text(peers.median, peers.unit))
    note = say("middle half {span}, {n} partner", "middle half {span}, {n} partners", span=peers.span, n=peers.n)
    return Comparison(say("Peers"), text, note)


def _against_target(target: Estimate) -> Comparison:
    text = amount_text(target.value, target.unit)
    reached = say("of the target for won amount reached")
    return Comparison(say("Target"), text, target.remarks if target.value is None else reached)


def _pair(book: Book, period: Quarter) -> Comparison:
    """The two figures behind the score, beside those of the typical partner."""
    deals, amount = (figure(one, book, period).value for one in (number_of_deals, won_amount))
    usual = book.others.typical(period)

    def pair(deals: float | None, amount: float | None) -> dict[str, str]:
        return {"deals": amount_text(deals, "deals"), "amount": amount_text(amount, book.currency)}

    mine = say("{deals} and {amount}", None, **pair(deals, amount))
    typical = say("a typical partner: {deals} and {amount}", None, **pair(*usual))
    return Comparison(say("Deals won and their amount"), mine, typical)


def _line(comparison: Comparison) -> str:
    return f"{comparison.text} ({comparison.note})" if comparison.note else comparison.text


def figure_line(stands: Standing, book: Book, period: Quarter) -> dict[str, Any]:
    """A line of the table of figures on a first page: the figure with what stands beside and below it."""
    return {
        "stands": stands,
        "kpi": stands.kpi,
        "now": stands.now,
        "value": amount_text(stands.now.value, stands.now.unit),
        "beside": stands.instead or say(DIRECTION[stands.kpi.better]),
        "more": below(stands.kpi, book, period),
        "peers": among(stands.peers),
    }


def below(kpi: Kpi, book: Book, period: Quarter) -> list[str]:
    """What stands below a KPI's value on the cover: `Median deal size €1,930 (€1,320 to €2,610)`."""
    lines = []
    carried = {"always": True, "giant": len(giant(book, period)) > 0}
    carried["instead"] = figure(kpi, book, period).value is None
    for one in (one for one in kpi.companions if carried.get(one.on_cover)):
        told = figure(one, book, period)
        if told.value is not None and not (one.on_cover == "instead" and told.few):
            value = amount_text(told.value, told.unit)
            span = f" ({told.interval_text})" if told.interval_text else ""
            lines.append(f"{say(one.title)} {value}{span}")
    return lines


def left_out(standings: Sequence[Standing]) -> list[str]:
    """What the figures cannot say: those that are missing, those of fewer than five rows."""
    notes = []
    missing = [say(s.kpi.title) for s in standings if s.now.value is None]
    if missing:
        notes.append(say("Not measured this quarter, with the reason beside it: {figures}.", figures=listed(missing)))
    few = [say(s.kpi.title) for s in standings if s.now.value is not None and 0 < s.now.n < FEW and not s.kpi.counted]
    if few:
        notes.append(say("Fewer than {few} rows, too few to compare: {figures}.", few=FEW, figures=listed(few)))
    return notes
