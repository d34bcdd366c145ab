"""The verdict on the whole network, and who in it needs attention first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.compare import tested
from partnerkpi.deals import giant, target_rows, won_in
from partnerkpi.figures import figure
from partnerkpi.findings.family import CLEAR, GOING_ON, OVER
from partnerkpi.findings.sentences import sentence
from partnerkpi.findings.verdict import Judgement, Standing, everything, standing_of
from partnerkpi.kpis.number_of_deals import number_of_deals, won_amount
from partnerkpi.periods import Quarter
from partnerkpi.wording import MISSING, amount_text, listed, say

#: So many partners get a line on the first page: more nobody can look after in a quarter.
MOST = 8
_TOLD = (
    Standing.ACT,
    Standing.WATCH,
    Standing.ON_TRACK,
    Standing.TOO_LITTLE,
    Standing.JOINED,
    Standing.LEFT,
    Standing.NO_DEALS,
)
_ORDER = (Standing.ACT, Standing.WATCH, Standing.LEFT, Standing.JOINED, Standing.ON_TRACK)


@dataclass(frozen=True)
class Line:
    """One partner that needs attention: how it stands, what shows it, since when, and who looks after it.

    `sign` is the standing as a class of a page.
    """

    partner: str
    name: str
    standing: str
    what: str
    since: str
    manager: str
    sign: str = ""


def standings(book: Book, quarter: Quarter) -> dict[str, Standing]:
    """How each partner of a whole book stands; of the vendor's own sales that they are such."""
    answer: dict[str, Standing] = book.once(("standings", quarter), lambda: _standings(book, quarter))
    return dict(answer)


def _standings(book: Book, quarter: Quarter) -> dict[str, Standing]:
    table = book.others.judged(everything, quarter)
    groups = dict(tuple(table.groupby("partner_id", sort=False)))
    nothing = table.iloc[:0]
    return {
        p: Standing.OWN_SALES if p in book.direct else standing_of(groups.get(p, nothing), book.for_partner(p), quarter)
        for p in book.partner_ids
    }


def attention(book: Book, quarter: Quarter) -> tuple[Line, ...]:
    """At most eight partners: those to act on first, by the money at stake, then those to watch, then the best news."""
    table = book.others.judged(everything, quarter)
    shown = table[(table["weight"].isin(["act", "watch", "good"]) & table["state"].ne(OVER)).to_numpy()]
    facts = book.partners.set_index("partner_id")
    lines = []
    for partner, stands in standings(book, quarter).items():
        mine = shown[(shown["partner_id"] == partner).to_numpy()]
        if stands is Standing.ON_TRACK:
            mine = mine[(mine["sure"] == CLEAR).to_numpy()]
        else:
            mine = mine[(mine["weight"] != "good").to_numpy()]
        if stands not in (Standing.ACT, Standing.WATCH, Standing.ON_TRACK) or not len(mine):
            continue
        first = mine.iloc[:2]
        stake = float(mine["stake"].max()) if mine["stake"].notna().any() else 0.0
        told = " ".join(sentence(line, book.currency) for line in first.itertuples(index=False))
        known = facts.reindex([partner]).iloc[0]  # a partner may be known by its deals alone
        name = str(known["name"]) if pd.notna(known["name"]) else partner
        manager = str(known["manager"]) if pd.notna(known["manager"]) else MISSING
        word = say("praise") if stands is Standing.ON_TRACK else str(stands)
        line = Line(partner, name, word, told, _since(first), manager, stands.sign)
        lines.append((_ORDER.index(stands), -stake, line))
    return tuple(line for *_, line in sorted(lines, key=lambda one: one[:2])[:MOST])


def _since(lines: pd.DataFrame) -> str:
    """Since when the oldest of these signals stands."""
    oldest = lines.sort_values("since", kind="stable").iloc[0]
    if oldest["state"] == GOING_ON:
        return say("{quarter}, going on", quarter=oldest["since"])
    return say("new")


def attention_left_out(book: Book, quarter: Quarter, lines: tuple[Line, ...]) -> str:
    """How many more read *act* or *watch* than `lines` name; empty where none does."""
    stands = standings(book, quarter)
    named = {line.partner for line in lines}
    rest = [s for p, s in stands.items() if s in (Standing.ACT, Standing.WATCH) and p not in named]
    told = [
        say("{n} more reads {standing}", "{n} more read {standing}", n=rest.count(s), standing=str(s))
        for s in (Standing.ACT, Standing.WATCH)
        if s in rest
    ]
    return (
        say("At most {n} stand here; {list}: see the table of all partners.", None, n=MOST, list=listed(told))
        if told
        else ""
    )


def network_judgement(book: Book, quarter: str | Quarter) -> Judgement:
    """The verdict on a whole network: its target with and without a giant, and how many partners stand how."""
    this = book.quarter(quarter)
    won = float(won_in(book.deals, this)["amount"].sum())
    aims = [float(target_rows(book, q)["of"].sum()) for q in this.back(4)]
    year = sum(book.others.wins(q)[0] for q in this.back(4))
    giants = giant(book, this)
    words = {"won": amount_text(won, book.currency)}
    share = year / sum(aims) if all(aims) else None
    told = figure(won_amount, book, this)
    if told.value is None:
        headline = say("Nothing can be said of the won amount: {reason}.", reason=told.remarks)
    elif not this.complete:
        headline = say("{won} won in {n} of {days} days.", None, n=this.days_so_far, days=this.days, **words)
    elif aims[-1]:
        words["share"] = amount_text(won / aims[-1], "share")
        headline = say("{won} won, {share} of the quarter's target.", None, **words)
    else:
        headline = say("{won} won.", None, **words)
    because = []
    if len(giants) and aims[-1] and this.complete:
        largest = float(giants["amount"].iloc[0])
        without = amount_text((won - largest) / aims[-1], "share")
        because.append(
            say("Without one deal of {worth} it is {share}.", worth=amount_text(largest, book.currency), share=without)
        )
    if share is not None:
        because.append(say("In four quarters it is {share}.", share=amount_text(share, "share")))
    each = [one for one in standings(book, this).values() if one is not Standing.OWN_SALES]
    counted = [say("{standing} {n}", None, n=each.count(one), standing=str(one)) for one in _TOLD if one in each]
    if counted:
        because.append(say("Of {n} partner: {list}.", "Of {n} partners: {list}.", n=len(each), list=", ".join(counted)))
    limits = book.thresholds
    worst = min(
        [s for s in (share, won / aims[-1] if aims[-1] and this.complete else None) if s is not None], default=None
    )
    standing = Standing.TOO_LITTLE
    if share is not None:
        standing = Standing.ACT if share < limits.year_act else Standing.ON_TRACK
        if standing is Standing.ON_TRACK and (
            share < limits.year_watch or len(giants) or (worst or 1) < limits.quarter_watch
        ):
            standing = Standing.WATCH
    table = book.others.judged(everything, this)
    tests = int(table["tests"].max()) if len(table) else 0
    sure = say(
        "{n} test of all partners is one family: at most one in ten of those told is false.",
        "{n} tests of all partners are one family: at most one in ten of those told is false.",
        n=tests,
    )
    parts = [_beside_the_year_before(book, this), sure]
    return Judgement(standing, headline, tuple(because), " ".join(p for p in parts if p), (), table.iloc[:0])


def _beside_the_year_before(book: Book, this: Quarter) -> str:
    """The deals won beside those of a year before, and beside what the season lets expect: is it more than chance?"""
    if not this.complete:
        return ""
    now, before = (figure(number_of_deals, book, q).value for q in (this, this.year_before))
    change = tested(number_of_deals, book, this)
    if now is None or before is None or change.value is None or change.before.value is None:
        return ""
    return say(
        "{now} won, {before} a year before; {usual} are usual in such a quarter, its season counted in: {verdict}.",
        now=amount_text(now, "deals"),
        before=amount_text(before, "deals"),
        usual=amount_text(round(change.before.value), "deals"),
        verdict=change.verdict,
    )
