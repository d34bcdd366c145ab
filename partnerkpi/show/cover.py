"""The first page: the verdict, what to do, the figures. Whoever reads nothing else leaves with the right decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from partnerkpi import figures, plot
from partnerkpi.book import Book
from partnerkpi.book.schema import evidence
from partnerkpi.findings.advice import Action
from partnerkpi.findings.family import OVER, RECORDED
from partnerkpi.findings.kinds import BY_NAME
from partnerkpi.findings.subjects import topic
from partnerkpi.findings.verdict import Judgement, judgement, own_signals
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.cards import Comparison, Standing, among, below, left_out, standing
from partnerkpi.show.html import Shown, clean, outside, picture, render
from partnerkpi.show.network import network
from partnerkpi.show.states import state
from partnerkpi.show.tables import rows
from partnerkpi.wording import DIRECTION, MISSING, amount_text, say

#: Quarters drawn in a card, and rows shown behind an action.
DRAWN, BEHIND = 8, 100


def cover(book: Book, quarter: str | Quarter) -> Shown:
    """The verdict on a partner and what to do; below it every KPI, with what stands beside it.

    Of a partner that has left, has just joined or has no deals a short card of its own; of several partners the
    network's first page.
    """
    period = book.quarter(quarter)
    if not book.partner:
        return network(book, period)
    verdict = judgement(book, period)
    if verdict.standing.short:
        return state(verdict, book, period)
    standings = [standing(kpi, book, period) for kpi in KPIS]
    notes, sure = left_out(standings), _sure(verdict, book, period)
    actions = [_action(one, number, book) for number, one in enumerate(verdict.actions, start=1)]
    html = render(
        "cover.html",
        verdict=verdict,
        sign=verdict.standing.sign,
        sure=sure,
        actions=actions,
        behind=[Markup(one["behind"].html) for one in actions if one["behind"]],
        cards=[_card(stands, verdict, book, period) for stands in standings],
        notes=notes,
        period=period,
        missing=MISSING,
    )
    text = [say("Review of {quarter}", quarter=str(period)), *_said(verdict, sure, actions)]
    return Shown(html, "\n".join([*text, *(stands.line for stands in standings), *notes]))


def who(book: Book, partner: str) -> Markup:
    """What the book records of a partner, for the top of its page: `gold service firm, West · managed by D. Lindqvist`.

    Empty where it records nothing.
    """
    rows_of = book.partners[(book.partners["partner_id"].astype("str") == partner).to_numpy()]
    known = rows_of.iloc[0].dropna() if len(rows_of) else pd.Series(dtype=object)
    kind = Markup(" ").join(outside(known[name]) for name in ("tier", "type") if name in known)
    place = [outside(known["region"])] if "region" in known else []
    parts = [Markup(", ").join([part for part in (kind, *place) if part])]
    if "manager" in known:
        parts.append(Markup(say("managed by {manager}", manager=outside(known["manager"]))))
    return Markup(" · ").join(part for part in parts if part)


def _sure(verdict: Judgement, book: Book, period: Quarter) -> str:
    """How sure the verdict is: counted or tested, what could have been seen, how often chance makes such a quarter."""
    told = verdict.signals[(verdict.signals["weight"].isin(["act", "watch"]) & verdict.signals["state"].ne(OVER))]
    counted = say("What asks for action is counted from the records: certain; why it is so they do not tell.")
    recorded = counted if len(told) and bool((told["sure"] == RECORDED).all()) else ""
    return " ".join(text for text in (recorded, verdict.sure, _chance(book, period)) if text)


def _chance(book: Book, period: Quarter) -> str:
    """How often chance alone makes a quarter that missed its target; empty where it was reached or a signal says it."""
    looked = own_signals(book, period)
    if "joined" in set(looked["kind"]):  # it has no usual pace yet
        return ""
    silent = looked["weight"].eq("") & looked["kind"].eq("quarter_target") & (looked["value"] < 1)
    chance = looked.loc[silent.to_numpy(), "p"]
    if not len(chance):
        return ""
    n = max(round(1 / chance.iloc[0]), 1)
    if n == 1:
        return say("Its number of wins is nothing unusual: at its pace most quarters bring no more.")
    return say("At its usual pace about one quarter in {n} brings so few wins.", None, n=n)


def _said(verdict: Judgement, sure: str, actions: Sequence[dict[str, Any]]) -> list[str]:
    """The page as plain text."""
    lines = [f"{str(verdict.standing).upper()}: {verdict.headline}", *verdict.because, sure]
    for one in actions:
        money = f" ({' '.join((one['stake'], one['stake_is'])).strip()})" if one["stake"] else ""
        lines.append(f"{one['number']}. {one['what']}{money}. {one['because']} {one['worked']}")
    return [line for line in lines if line]


def _action(action: Action, number: int, book: Book) -> dict[str, Any]:
    behind = _behind(action, number, book)
    return {
        "number": number,
        "what": action.what,
        "because": action.because,
        "sure": action.sure,
        "stake": amount_text(action.stake, book.currency) if action.stake else "",
        "stake_is": action.stake_is if action.stake else "",
        "worked": say("Success: {sign}.", sign=action.worked),
        "behind": behind,
        "anchor": f"behind-{number}" if behind else BY_NAME[action.kind].figure.name.replace("_", "-"),
        "link": say("show the row", "show the {n} rows", n=len(action.rows)) if behind else say("show the figure"),
    }


def _behind(action: Action, number: int, book: Book) -> Shown | None:
    """The rows an action is about, folded away until one asks for them; None where the book has none of them."""
    wanted = set(action.rows)
    for table, key in ((book.deals, "deal_id"), (book.prospects, "prospect_id"), (book.leads, "lead_id")):
        found = table[table[key].astype("str").isin(wanted).to_numpy()]
        if len(found):
            columns = [key, *(c for c in evidence() if c in found and c not in (key, "partner_id"))]
            caption = say("The rows behind action {number}: {what}", number=number, what=action.what)
            return rows(found[columns], caption, BEHIND, book.currency, anchor=f"behind-{number}")
    return None


@dataclass(frozen=True)
class Card:
    """One figure on the first page: its value, its last quarters drawn, what stands beside it.

    `mark` is what its strongest signal asks for, `word` that in words; both empty where there is none. `direction` is
    said where lower is better.
    """

    kpi: Kpi
    value: str
    count: str
    instead: str
    drawing: Markup
    lines: tuple[Comparison, ...]
    more: tuple[str, ...]
    peers: str
    mark: str
    word: str
    direction: str


def _card(stands: Standing, verdict: Judgement, book: Book, period: Quarter) -> Card:
    now = stands.now
    asks = verdict.signals[(verdict.signals["figure"] == stands.kpi.name).to_numpy()]
    asks = asks[(asks["state"].ne(OVER) & asks["weight"].isin(["act", "watch", "good"])).to_numpy()]
    mark = str(asks["weight"].iloc[0]) if len(asks) else ""
    count = ", ".join(text for text in (now.interval_text, now.n_text) if text)
    peers = among(stands.peers)
    return Card(
        kpi=stands.kpi,
        value=amount_text(now.value, now.unit),
        count=now.remarks if now.value is None else count,
        instead=stands.instead,
        drawing=_drawing(stands.figure, book, period),
        lines=tuple(one for one in stands.comparisons if one.against and one.text != MISSING),
        more=tuple(below(stands.kpi, book, period)),
        peers=say("peers: {median}", median=peers.text) if peers.text != MISSING else "",
        mark=mark,
        word=f"{_asked(mark)}: {topic(next(asks.itertuples(index=False)))}" if mark else "",
        direction=say(DIRECTION[stands.figure.better]) if stands.figure.better == "lower" else "",
    )


def _asked(weight: str) -> str:
    """What a signal asks for, in a word."""
    return {"act": say("act"), "watch": say("watch"), "good": say("good")}[weight]


def _drawing(kpi: Kpi, book: Book, period: Quarter) -> Markup:
    """Eight quarters of the figure, word-sized; empty where none of them has a value."""
    table = figures.trend(kpi, book, list(period.back(DRAWN)))
    if bool(table["value"].isna().all()):
        return Markup()
    return Markup(picture(plot.spark(table), alt=clean(kpi.described(table))).html)
