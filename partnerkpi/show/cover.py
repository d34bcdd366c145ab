"""The first page: the verdict, what to do, the figures. Whoever reads nothing else leaves with the right decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partnerkpi.book import Book
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.cards import Standing, figure_line, left_out, standing
from partnerkpi.show.html import Shown, render
from partnerkpi.show.network import network
from partnerkpi.signals.verdict import Judgement, judgement
from partnerkpi.wording import MISSING, amount_text, say


def cover(book: Book, quarter: str | Quarter) -> Shown:
    """The verdict on a partner and what to do; below it every KPI, with what stands beside it. Of several partners the
    network's first page.
    """
    period = book.quarter(quarter)
    if not book.partner:
        return network(book, period)
    standings = [standing(kpi, book, period) for kpi in KPIS]
    verdict = judgement(book, period)
    notes = left_out(standings)
    html = render(
        "cover.html",
        verdict=verdict,
        sign=verdict.standing.name.lower().replace("_", "-"),
        actions=[_action(one, book) for one in verdict.actions],
        lines=[figure_line(stands, book, period) for stands in standings],
        notes=notes,
        period=period,
        missing=MISSING,
        with_peers=True,
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
