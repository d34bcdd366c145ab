"""The network's first page: how all stand, who needs attention, and where the money, the luck and the risk are.

What is true of most partners is said here once, so that no partner's page has to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from partnerkpi import plot, portfolio
from partnerkpi.book import Book
from partnerkpi.estimate import Estimate
from partnerkpi.findings.family import OVER
from partnerkpi.findings.network import attention, attention_left_out, network_judgement
from partnerkpi.findings.sentences import sentence, sureness
from partnerkpi.findings.verdict import Judgement, everything
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.portfolio import OUTER, AtRisk, Funnel
from partnerkpi.show.cards import figure_line, left_out, standing
from partnerkpi.show.html import Shown, clean, picture, render
from partnerkpi.wording import DEALS, MISSING, amount_text, say, signed_text

#: So many partners behind their target, and as many with a giant, have a bar of their own.
BARS = 6


@dataclass(frozen=True)
class Bar:
    """One bar of the target gap: whose (`partner` empty for several together), and where it begins and how wide it is,
    in per cent of the drawing's width.
    """

    partner: str
    name: str
    note: str
    amount: str
    behind: bool
    left: float
    width: float


@dataclass(frozen=True)
class Move:
    """One partner that moved: in which direction, from what to what, and what says so."""

    partner: str
    name: str
    move: str
    word: str
    told: str
    note: str


@dataclass(frozen=True)
class Named:
    """A partner named beside the funnel, and why."""

    partner: str
    name: str
    told: str


def network(book: Book, quarter: str | Quarter) -> Shown:
    """The verdict on the whole network, who needs attention, target gaps, funnel, concentration, movers, pipeline; the
    figures below.
    """
    period = book.quarter(quarter)
    names = _names(book)
    verdict = network_judgement(book, period)
    lines = attention(book, period)
    more = attention_left_out(book, period, lines)
    gaps, axis = _bars(portfolio.target_gaps(book, period), names, book.currency)
    funnel = portfolio.funnel(book, period)
    named = _named(funnel, names, book, period)
    parts, shares = _concentration(portfolio.concentration(book, period), period)
    first = book.others.first_day
    begun = first is not None and period.last_day >= first  # nobody moved in a book that was not there yet
    moves = _moves(portfolio.movers(book, period), names, book, period) if begun else []
    risk = _risk(portfolio.at_risk(book, period), book.currency)
    common = [_common(one) for one in portfolio.common(book, period)]
    standings = [standing(kpi, book, period) for kpi in KPIS if not kpi.only_for]
    notes = left_out(standings)
    html = render(
        "network.html",
        verdict=verdict,
        sign=verdict.standing.sign,
        attention=lines,
        more=more,
        gaps=gaps,
        axis=axis,
        funnel=_picture(funnel, named),
        funnel_words=_funnel_words(funnel),
        named=named,
        parts=parts,
        shares=shares,
        moves=moves,
        risk=risk,
        common=common,
        lines=[figure_line(stands, book, period) for stands in standings],
        notes=notes,
        period=period,
        missing=MISSING,
    )
    told = [
        say("Review of {quarter}", quarter=str(period)),
        *_verdict_text(verdict),
        *(f"{one.standing}: {clean(one.name)}. {one.what} {one.since}" for one in lines),
        *([more] if more else []),
        *(f"{clean(one.name)}{one.note}: {one.amount}" for one in gaps),
        *(f"{clean(one.name)}: {one.told}" for one in named),
        *(f"{part}: {', '.join(cells)}" for part, *cells in shares),
        *(f"{one.word}: {clean(one.name)}. {one.told} {one.note}" for one in moves),
        *risk,
        *common,
        *(stands.line for stands in standings),
        *notes,
    ]
    return Shown(html, "\n".join(told))


def _verdict_text(verdict: Judgement) -> list[str]:
    return [f"{str(verdict.standing).upper()}: {verdict.headline}", *verdict.because, verdict.sure]


def _names(book: Book) -> Mapping[str, str]:
    """The name of each partner, its id where it has none."""
    known = book.partners.set_index("partner_id")["name"].dropna()
    return {p: str(known.get(p, p)) for p in book.partner_ids}


def _bars(gaps: pd.DataFrame, names: Mapping[str, str], currency: str) -> tuple[list[Bar], float]:
    """The bars of the target gap and the place of nought: the most behind, the others together, those with a giant."""
    behind, ahead = gaps[(gaps["gap"] < 0).to_numpy()], gaps[(gaps["gap"] >= 0).to_numpy()]
    giants = ahead[ahead["giant"].notna().to_numpy()].iloc[::-1].head(BARS)
    others = ahead.drop(giants.index)
    rows: list[tuple[str, str, str, float]] = [
        (r.partner_id, names[r.partner_id], _of_target(r, currency), float(r.gap)) for r in _lines(behind.head(BARS))
    ]
    if len(rest := behind.iloc[BARS:]):
        word = say("… {n} other below", "… {n} others below", n=len(rest))
        rows.append(("", word, "", float(rest["gap"].sum())))
    if len(others):
        rows.append(("", say("… {n} at or above", None, n=len(others)), "", float(others["gap"].sum())))
    for r in _lines(giants):
        without = signed_text(float(r.gap - r.giant), currency)
        note = say("one deal of {worth} carries it; without that {gap}", worth=_money(r.giant, currency), gap=without)
        rows.append((r.partner_id, names[r.partner_id], note, float(r.gap)))
    least, most = (f([0.0, *(gap for *_, gap in rows)]) for f in (min, max))
    scale = 100 / (most - least) if most > least else 0.0
    bars = [
        Bar(
            partner=partner,
            name=name,
            note=note,
            amount=signed_text(gap, currency),
            behind=gap < 0,
            left=round((min(gap, 0.0) - least) * scale, 1),
            width=round(abs(gap) * scale, 1),
        )
        for partner, name, note, gap in rows
    ]
    return bars, round(-least * scale, 1)


def _of_target(line: Any, currency: str) -> str:
    return say("{won} of {target}", won=_money(line.won, currency), target=_money(line.target, currency))


def _lines(table: pd.DataFrame) -> Any:
    return table.itertuples(index=False)


def _money(value: float, currency: str) -> str:
    return amount_text(float(value), currency)


def _picture(funnel: Funnel, named: list[Named]) -> Markup | None:
    """The funnel drawn; none where there is nothing to draw."""
    if not 0 < funnel.rate < 1 or not len(funnel.table):
        return None
    names = {one.partner: clean(one.name, longest=28) for one in named}
    title = _funnel_title(funnel)
    ax = plot.funnel(funnel.table, funnel.curves, rate=funnel.rate, names=names, title=title)
    outside = [f"{clean(one.name)}: {one.told}" for one in named] or [say("Nobody lies outside.")]
    words = say(
        "{title}. {n} partner, the network's rate {rate}. {outside}",
        "{title}. {n} partners, the network's rate {rate}. {outside}",
        n=len(funnel.table),
        title=title,
        rate=amount_text(funnel.rate, "share"),
        outside=" ".join(outside),
    )
    return Markup(picture(ax, alt=words).html)


def _funnel_title(funnel: Funnel) -> str:
    if funnel.adjusted:
        return say("Close rate of four quarters, adjusted, against the number decided")
    return say("Close rate of four quarters, not adjusted, against the number decided")


def _funnel_words(funnel: Funnel) -> str:
    told = say("95 % and 99.8 % limits, over-dispersion in. Inside the funnel no order means anything.")
    if not funnel.spread:
        told = say(
            "95 % and 99.8 % limits of chance alone: nothing shows that partners differ more. Inside the funnel no "
            "order means anything."
        )
    return told if funnel.adjusted else f"{told} {say('This book records nothing to adjust for.')}"


def _named(funnel: Funnel, names: Mapping[str, str], book: Book, quarter: Quarter) -> list[Named]:
    """Who lies outside, and what the review's own test says of it; whose raw rate alone lies outside."""
    if not len(funnel.table):
        return []
    table = book.others.judged(everything, quarter)
    now = (table["kind"].eq("close_rate") & table["state"].ne(OVER)).to_numpy()
    tests = table[now].set_index("partner_id")
    told = [(r, _outside(r, funnel, tests)) for r in _lines(funnel.outsiders)]
    told += [(r, _inside(r)) for r in _lines(funnel.explained)] if funnel.adjusted else []
    return [Named(r.partner_id, names[r.partner_id], text) for r, text in told]


def _counted(line: Any) -> dict[str, Any]:
    return {"k": int(line.won), "n": int(line.n), "raw": amount_text(line.raw, "share")}


def _outside(line: Any, funnel: Funnel, tests: pd.DataFrame) -> str:
    limit = amount_text(line.beyond, "share") if line.beyond != OUTER else say("99.8 %")
    words = _counted(line) | {"limit": limit}
    high = line.rate > funnel.rate
    if not funnel.adjusted:
        if high:
            return say("{k} of {n} won, {raw}: above the {limit} limit.", None, **words)
        return say("{k} of {n} won, {raw}: below the {limit} limit.", None, **words)
    words |= {"rate": amount_text(line.rate, "share"), "test": _tested(line.partner_id, tests)}
    if high:
        return say("{k} of {n} won, {raw}, adjusted {rate}: above the {limit} limit ({test}).", None, **words)
    return say("{k} of {n} won, {raw}, adjusted {rate}: below the {limit} limit ({test}).", None, **words)


def _tested(partner: str, tests: pd.DataFrame) -> str:
    """What the review's test says of the rate, which takes the expectation's own error and customers in."""
    told = tests.loc[partner] if partner in tests.index else None
    if told is None or not told["weight"]:
        return say("among all tests of the review it does not hold")
    return say("among all tests of the review: {sure}", sure=sureness(told))


def _inside(line: Any) -> str:
    words = _counted(line) | {"rate": amount_text(line.rate, "share")}
    if pd.isna(line.rate):
        return say("{k} of {n} won, {raw}: cannot be told from its region, season or product.", None, **words)
    return say(
        "{k} of {n} won, {raw}; adjusted for its places, products and seasons {rate}: inside the limits.", None, **words
    )


def _concentration(table: pd.DataFrame, quarter: Quarter) -> tuple[list[str], list[list[str]]]:
    """The columns that say something, and the shares in words."""
    words = {
        "top_1": say("largest partner"),
        "top_3": say("three largest"),
        "top_5": say("five largest"),
        "deal": say("largest deal"),
    }
    titles = {"quarter": str(quarter), "without": say("without the giant"), "year": say("four quarters")}
    columns = [c for c in titles if table[c].notna().any()]
    rows = [
        [words[str(part)], *(amount_text(float(v), "share") for v in cells)]
        for part, *cells in table[["part", *columns]].itertuples(index=False, name=None)
    ]
    return [titles[c] for c in columns], rows if columns else []


def _moves(table: pd.DataFrame, names: Mapping[str, str], book: Book, quarter: Quarter) -> list[Move]:
    signals = book.others.judged(everything, quarter)
    words = {"up": say("up"), "down": say("down"), "joined": say("joined"), "left": say("left")}
    moves = []
    for r in _lines(table):
        told = say(
            "{before} → {deals}, {won_before} → {won}.",
            before=f"{int(r.wins_before)}",
            deals=DEALS.counted(int(r.wins)),
            won_before=_money(r.won_before, book.currency),
            won=_money(r.won, book.currency),
        )
        line = signals.loc[r.signal]
        note = sentence(line, book.currency)
        if r.move in ("up", "down"):
            note = f"{note} ({sureness(line)})"
        elif r.other:
            note = f"{note} {say('Its open deals went to {who}.', who=clean(names.get(r.other, r.other)))}"
        moves.append(Move(r.partner_id, names[r.partner_id], r.move, words[r.move], told, note))
    return moves


def _risk(risk: AtRisk, currency: str) -> list[str]:
    """The pipeline at risk, a sentence each."""
    told = []
    if risk.deals is None:
        return [say("Open deals are not recorded in this book.")]
    words = {"money": amount_text(risk.money, currency), "n": risk.deals}
    if risk.money is None:
        told.append(
            say("{n} deal is open, without an amount.", "{n} deals are open, none with an amount.", n=risk.deals)
        )
    elif risk.times is None:
        told.append(say("{money} open in {n} deal.", "{money} open in {n} deals.", **words))
    else:
        words["times"] = amount_text(risk.times, "ratio")
        told.append(
            say(
                "{money} open in {n} deal, {times} the target of the next two quarters.",
                "{money} open in {n} deals, {times} the target of the next two quarters.",
                **words,
            )
        )
    if not risk.deals:
        return [say("No deal is open."), *_expected(risk)]
    if risk.overdue is not None:
        worth = amount_text(risk.overdue_money, currency)
        told.append(
            say("{n} is overdue ({worth}).", "{n} are overdue ({worth}).", n=risk.overdue, worth=worth)
            if risk.overdue
            else say("No deal is overdue.")
        )
    if risk.rivals is not None:
        worth = amount_text(risk.rivals_money, currency)
        told.append(
            say("A rival is named in {n} ({worth}).", None, n=risk.rivals, worth=worth)
            if risk.rivals
            else say("No rival is named in any.")
        )
    return [*told, *_expected(risk)]


def _expected(risk: AtRisk) -> list[str]:
    if risk.wins.value is None and risk.worth.value is not None:
        worth = amount_text(risk.worth.value, risk.worth.unit)
        return [say("Worth {worth} {remarks}.", worth=worth, remarks=risk.worth.remarks)]
    if risk.wins.value is None:
        return [say("What they will bring cannot be told: {reason}.", reason=risk.wins.remarks)]
    words = {"wins": _with_interval(risk.wins), "worth": _with_interval(risk.worth)}
    told = [say("Expected by the end of the next two quarters: {wins}, worth {worth}.", None, **words)]
    if risk.told:
        told.append(
            say(
                "Such a range of wins held what came {held} of {n} time.",
                "Such ranges of wins held what came {held} of {n} times.",
                held=risk.held,
                n=risk.told,
            )
        )
    return told


def _with_interval(estimate: Estimate) -> str:
    value = amount_text(estimate.value, estimate.unit)
    return f"{value} ({estimate.interval_text})" if estimate.interval_text else value


def _common(one: portfolio.Common) -> str:
    words = {"k": one.k, "n": one.n}
    if one.kind == "overdue":
        return say("{k} of {n} open deals are overdue.", None, **words)
    if one.kind == "leads_waiting":
        return say("{k} of {n} leads have waited for an answer for a quarter or longer.", None, **words)
    return say("{k} of {n} partners are below the quarter's target.", None, **words)
