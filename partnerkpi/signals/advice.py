"""What to do: one rule per kind of signal, the source text's advice where it gives any, and what would show it worked.

> Whoever sells small deals is coached in value selling: what the customer's business gains, what sets the product
> apart, which pain it takes away. A medium that costs and wins nothing is no longer paid. Open deals are won before a
> rival wins them. Growth earns more enablement. Replacing a partner is for clearly low success that lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from partnerkpi.periods import Quarter
from partnerkpi.signals.family import CLEAR, OVER
from partnerkpi.signals.sentences import Line, sentence, sureness
from partnerkpi.wording import amount_text, say

#: No more actions than anybody can take in a quarter.
MOST = 5
#: Quarter ends in a row at which low success must be clear before a replacement is spoken of.
LASTING = 3


@dataclass(frozen=True)
class Action:
    """One thing to do: because of a signal, for so much money, and how one will see that it worked."""

    what: str
    because: str
    sure: str
    stake: float
    worked: str
    rows: tuple[str, ...]
    kind: str


def _money(line: Line, currency: str) -> dict[str, str]:
    return {
        "stake": amount_text(abs(line.stake), currency),
        "usual_amount": amount_text(line.usual, currency),
        "usual_share": amount_text(line.usual, "share"),
        "refused": amount_text(1 - line.usual, "share") if 0 <= line.usual <= 1 else "",
        "usual_days": amount_text(round(line.usual) if line.usual == line.usual else None, "days"),
        "channel": line.label.replace("_", " "),
    }


Words = Callable[[], tuple[str, str]]

#: What to do about adverse signals, and what would show that it worked.
ADVICE: dict[str, Words] = {
    "year_target": lambda: (
        say("Agree how the {stake} missing to the year's target will come"),
        say("the next two quarters reach their targets"),
    ),
    "quarter_target": lambda: (say("Ask what held the quarter back"), say("the next quarter brings its usual wins")),
    "overdue": lambda: (
        say("Decide or close the overdue deals, the longest first"),
        say("none is overdue by more than a quarter"),
    ),
    "no_deals": lambda: (
        say("Call it: win it back, or end the partnership"),
        say("it enters a lead or a deal in the next quarter"),
    ),
    "rivals": lambda: (say("Act on the deals a rival is after"), say("they are won, not lost to the rival")),
    "leads_waiting": lambda: (
        say("Have the waiting leads answered, or give them to others"),
        say("no lead waits for a quarter"),
    ),
    "spend_without_win": lambda: (
        say("Stop paying for {channel}"),
        say("its leads come from media that win"),
    ),
    "giant": lambda: (say("Plan without the giant"), say("the other deals alone reach the target")),
    "slow_answers": lambda: (
        say("Answer its registrations sooner: that is our own duty"),
        say("an answer takes {usual_days} again"),
    ),
    "wins_of_year": lambda: (say("Find out why fewer deals are won"), say("two quarters at the former pace")),
    "wins_of_quarter": lambda: (
        say("Find out why fewer deals were won"),
        say("the next quarter brings its usual wins"),
    ),
    "entries_over_time": lambda: (say("Find out why fewer deals come in"), say("entries rise for two quarters")),
    "close_rate_of_year": lambda: (
        say("Go through the lost deals together"),
        say("two quarters at {usual_share} or more"),
    ),
    "close_rate": lambda: (say("Go through the lost deals together"), say("two quarters at {usual_share} or more")),
    "identification_of_year": lambda: (
        say("Review together how opportunities are spotted"),
        say("no more than {refused} refused for two quarters"),
    ),
    "identification": lambda: (
        say("Review together how opportunities are spotted"),
        say("no more than {refused} refused for two quarters"),
    ),
    "conflicts": lambda: (
        say("Check customers with it before it registers them"),
        say("no more than {usual_share} of registrations are known customers"),
    ),
    "sizes_of_year": lambda: _value_selling(),
    "sizes_of_entries": lambda: _value_selling(),
    "sizes": lambda: _value_selling(),
    "velocity_of_cohorts": lambda: _waiting(),
    "velocity": lambda: _waiting(),
}
#: What to do about good news.
PRAISE: dict[str, Words] = {
    **dict.fromkeys(
        ("wins_of_year", "entries_over_time"),
        lambda: (
            say("Give it more enablement: sales software, communication tools, marketing"),
            say("growth goes on while the close rate holds"),
        ),
    ),
}
#: Facts that ask for something though nothing is amiss with the partner, or all is.
FACTS = ("rivals", "no_deals")
#: Low success that lasts: what the source text would replace a partner for.
SUCCESS = ("identification", "close_rate")


def _value_selling() -> tuple[str, str]:
    return (
        say("Coach value selling: business value, distinct advantages, pain points"),
        say("the median deal is back near {usual_amount}"),
    )


def _waiting() -> tuple[str, str]:
    return say("Find the stage in which its deals wait"), say("a decision takes about {usual_days}")


def actions(signals: pd.DataFrame, currency: str, quarter: Quarter) -> tuple[Action, ...]:
    """At most five things to do about the signals of one partner, the most money first.

    One thing is said once, with the signal that has most at stake; who has left is not coached.
    """
    if (signals["kind"] == "left").any():
        return ()
    if (signals["kind"] == "no_deals").any():
        signals = signals[signals["kind"] == "no_deals"]
    found: list[Action] = []
    lines: Sequence[Line] = list(signals[signals["state"] != OVER].itertuples(index=False))
    for line in lines:
        table = PRAISE if line.weight == "good" else ADVICE
        if line.kind not in table or (line.weight == "fact" and line.kind not in FACTS):
            continue
        words = [text.format_map(_money(line, currency)) for text in table[line.kind]()]
        found.append(_action(words[0], words[1], line, currency))
        if _lasts(line, quarter):
            found.append(
                _action(
                    say("Consider replacing it, once the review above has changed nothing"),
                    say("success is no longer clearly low at the next quarter end"),
                    line,
                    currency,
                )
            )
    best: dict[str, Action] = {}
    for action in sorted(found, key=lambda a: a.stake, reverse=True):
        best.setdefault(action.what, action)
    return tuple(list(best.values())[:MOST])


def _action(what: str, worked: str, line: Line, currency: str) -> Action:
    stake = float(line.stake) if line.stake == line.stake else 0.0
    return Action(what, sentence(line, currency), sureness(line), stake, worked, tuple(line.rows), line.kind)


def _lasts(line: Line, quarter: Quarter) -> bool:
    """True for low success, clear at three consecutive quarter ends."""
    lasting = line.since <= (quarter - LASTING + 1).label
    return line.kind in SUCCESS and line.weight == "act" and line.sure == CLEAR and lasting
