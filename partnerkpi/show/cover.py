"""The first page: the verdict, what to do, the figures. Whoever reads nothing else leaves with the right decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partnerkpi.book import Book
from partnerkpi.deals import giant
from partnerkpi.figures import figure
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.cards import Standing, among, standing
from partnerkpi.show.html import Shown, render
from partnerkpi.signals.network import attention, network_judgement
from partnerkpi.signals.verdict import Judgement, judgement
from partnerkpi.wording import DIRECTION, FEW, MISSING, amount_text, listed, say


def cover(book: Book, quarter: str | Quarter) -> Shown:
    """The verdict on a partner or the network and what to do; below it every KPI, with what stands beside it."""
    period = book.quarter(quarter)
    standings = [standing(kpi, book, period) for kpi in KPIS]
    verdict = judgement(book, period) if book.partner else network_judgement(book, period)
    notes = left_out(standings)
    html = render(
        "cover.html",
        verdict=verdict,
        sign=verdict.standing.name.lower().replace("_", "-"),
        actions=[_action(one, book) for one in verdict.actions],
        attention=[] if book.partner else attention(book, period),
        lines=[_line(stands, book, period) for stands in standings],
        notes=notes,
        period=period,
        missing=MISSING,
        with_peers=bool(book.partner),
    )
    return Shown(
        html, "\n".join([say("Review of {quarter}", quarter=str(period)), *_said(verdict, book, standings), *notes])
    )


def _said(verdict: Judgement, book: Book, standings: Sequence[Standing]) -> list[str]:
    """The page as plain text."""
    lines = [f"{str(verdict.standing).upper()}: {verdict.headline}", *verdict.because, verdict.sure]
    for number, one in enumerate((_action(action, book) for action in verdict.actions), 1):
        money = f" ({one['stake']} {one['stake_is']})" if one["stake"] else ""
        lines.append(f"{number}. {one['what']}{money}. {one['because']} {one['worked']}")
    return [line for line in (*lines, *(stands.line for stands in standings)) if line]


def _action(action: Any, book: Book) -> dict[str, Any]:
    stake = amount_text(action.stake, book.currency) if action.stake else ""
    worked = say("It worked when {sign}.", sign=action.worked)
    words = {"what": action.what, "because": action.because, "sure": action.sure, "worked": worked}
    return {**words, "stake": stake, "stake_is": action.stake_is if stake else ""}


def _line(stands: Standing, book: Book, period: Quarter) -> dict[str, Any]:
    return {
        "stands": stands,
        "kpi": stands.kpi,
        "now": stands.now,
        "value": amount_text(stands.now.value, stands.now.unit),
        "beside": stands.instead or say(DIRECTION[stands.kpi.better]),
        "more": _more(stands.kpi, book, period),
        "peers": among(stands.peers),
    }


def _more(kpi: Kpi, book: Book, period: Quarter) -> list[str]:
    """What stands below a KPI's value on the cover: `Median deal size €1,930 (€1,320 to €2,610)`."""
    lines = []
    carried = ("always", "giant") if len(giant(book, period)) else ("always",)
    for one in (one for one in kpi.companions if one.on_cover in carried):
        told = figure(one, book, period)
        if told.value is not None:
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
