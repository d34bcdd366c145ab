"""The short page of a partner in a state of its own: it has left, has just joined, or has no deals."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from partnerkpi.book import Book
from partnerkpi.deals import won_in
from partnerkpi.findings.family import OVER
from partnerkpi.findings.sentences import sentence
from partnerkpi.findings.verdict import Judgement, Standing
from partnerkpi.kpis.opportunity_pipeline import deals_to_act_on
from partnerkpi.periods import Quarter
from partnerkpi.show.html import Shown, clean, render
from partnerkpi.show.tables import rows
from partnerkpi.wording import amount_text, say

#: So many quarters with deals are told of what was.
TOLD = 4
#: Signals that are such a state, or explain it.
STATES = ("left", "joined", "no_deals", "handed_over", "took_over")
#: Those that name another partner.
NAMING = ("handed_over", "took_over")
#: Stands for a name until the sentence is HTML.
_NAME = "\ue000"


def state(verdict: Judgement, book: Book, period: Quarter) -> Shown:
    """What became of the partner, what was, what is open, and what to do."""
    now = verdict.signals[(verdict.signals["kind"].isin(STATES) & verdict.signals["state"].ne(OVER)).to_numpy()]
    lines: list[Any] = list(now.itertuples(index=False))
    open_deals = deals_to_act_on(book, period)
    is_open, was = _is_open(open_deals, book), before(book, period)
    held = rows(open_deals, say("What is open, and with whom"), currency=book.currency)
    titles = {"quarter": say("quarter"), "won_deals": say("deals won"), "won_amount": say("won amount")}
    table = rows(was, say("Before: its last quarters with a win"), titles=titles, units={"won_amount": book.currency})
    todo = _todo(verdict, len(open_deals))
    html = render(
        "state.html",
        verdict=verdict,
        sign=verdict.standing.sign,
        sentences=[_linked(line, book.currency) for line in lines],
        is_open=is_open,
        was=Markup(table.html) if len(was) else "",
        held=Markup(held.html) if len(open_deals) else "",
        todo=[_named(one, about, about) if about else one for one, about in todo],
    )
    text = [f"{str(verdict.standing).upper()}: {' '.join(sentence(line, book.currency) for line in lines)}", is_open]
    tables = [repr(one) for one, there in ((held, len(open_deals)), (table, len(was))) if there]
    return Shown(html, "\n".join([*text, *tables, *(one for one, _ in todo)]))


def before(book: Book, period: Quarter) -> pd.DataFrame:
    """The last four quarters with a win, the latest first: `quarter`, `won_deals`, `won_amount`."""
    lines: list[tuple[str, int, float]] = []
    quarter, first = period, book.others.first_day
    while first is not None and quarter.last_day >= first and len(lines) < TOLD:
        won = won_in(book.deals, quarter)
        if len(won):
            lines.append((quarter.label, len(won), won["amount"].sum(min_count=1)))
        quarter = quarter.before
    return pd.DataFrame(lines, columns=["quarter", "won_deals", "won_amount"])


def _linked(line: Any, currency: str) -> Markup:
    """The sentence, with the name of another partner as a link to be."""
    if line.kind not in NAMING:
        return escape(sentence(line, currency))
    return _named(sentence(line._replace(label=_NAME), currency), _NAME, str(line.label))


def _named(text: str, place: str, partner: str) -> Markup:
    """The text as HTML, with a link to a partner in the place of a word."""
    name = clean(partner)
    link = Markup('<a data-partner="{}">{}</a>').format(name, name)
    return Markup(str(escape(text)).replace(str(escape(place)), str(link)))


def _is_open(deals: pd.DataFrame, book: Book) -> str:
    if not len(deals):
        return say("Nothing is open in its name.")
    worth = amount_text(float(deals["amount"].sum()), book.currency)
    return say(
        "{n} deal worth {worth} is open in its name.",
        "{n} deals worth {worth} are open in its name.",
        n=len(deals),
        worth=worth,
    )


def _todo(verdict: Judgement, n_open: int) -> list[tuple[str, str]]:
    """What to do, the state's own advice first, and the partner that is named in it."""
    own = []
    if verdict.standing is Standing.LEFT:
        if n_open:
            own.append(say("Give its open deals to somebody."))
        elif not verdict.actions:
            own.append(say("Nothing is left to do."))
    if verdict.standing is Standing.JOINED:
        own.append(say("Give it a quarter: there is nothing yet to judge it by. Help it to its first win."))
    told = verdict.signals.drop_duplicates("kind").set_index("kind")["label"]
    advice = (say("{what}. Success: {sign}.", what=a.what, sign=a.worked) for a in verdict.actions)
    named = (str(told[a.kind]) if a.kind in NAMING else "" for a in verdict.actions)
    return [*((one, "") for one in own), *zip(advice, named, strict=True)]
