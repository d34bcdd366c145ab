"""What to do: one rule per kind of signal, the source text's advice where it gives any, and what would show it worked.

> Whoever sells small deals is coached in value selling: what the customer's business gains, what sets the product
> apart, which pain it takes away. A medium that costs and wins nothing is no longer paid. Open deals are won before a
> rival wins them. Growth earns more enablement. Replacing a partner is for clearly low success that lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from partnerkpi.book.levels import MEDIA
from partnerkpi.findings.family import CLEAR, OVER
from partnerkpi.findings.sentences import sentence, sureness
from partnerkpi.findings.subjects import Line, subject
from partnerkpi.periods import Quarter
from partnerkpi.wording import amount_text, say

#: No more actions than anybody can take in a quarter.
MOST = 5
#: Quarter ends in a row at which low success must be clear before a replacement is spoken of.
LASTING = 3


@dataclass(frozen=True)
class Action:
    """One thing to do: because of a signal, for so much money of a kind, and how one will see that it worked."""

    what: str
    because: str
    sure: str
    stake: float
    stake_is: str
    worked: str
    rows: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Advice:
    """What to do about a kind of signal, what would show that it worked, and what the money at stake is."""

    what: str
    worked: str
    stake_is: str = ""


def _advice(line: Line) -> dict[str, Callable[[], Advice]]:
    """The table: by kind of adverse signal, what is said; the parameters are filled in afterwards."""
    several = int(line.n)
    spotted = lambda: Advice(  # noqa: E731
        say("Review together how opportunities are spotted"),
        say("for two quarters no more than {refused} are refused"),
        say("a year, were no more refused than of the others"),
    )
    lost = lambda: Advice(  # noqa: E731
        say("Go through the lost deals together"),
        say("for two quarters it wins {usual_share} or more"),
        say("a year, in wins that are missing"),
    )
    smaller = lambda: Advice(  # noqa: E731
        say("Ask why its deals are small; coach value selling: business value, distinct advantages, pain points"),
        say("its usual deal is above {midway_amount}"),
        say("a year, were its deals not smaller"),
    )
    slower = lambda: Advice(  # noqa: E731
        say("Find the stage in which its deals wait"), say("decisions take about {usual_days}")
    )
    fewer = lambda: Advice(  # noqa: E731
        say("Find out why fewer deals are won"),
        say("two quarters bring the former number of wins"),
        say("in wins that are missing"),
    )
    return {
        "wins": lambda: Advice(
            say("See what holds its number of wins below the others'"),
            say("for two quarters it wins {usual_pace}"),
            say("a year, in wins that are missing"),
        ),
        "channels": lambda: _of_channel(line),
        "year_target": lambda: Advice(
            say("Agree what has to change to reach the next targets"),
            say("each of the next two quarters reaches its target"),
            say("short of the year's target"),
        ),
        "quarter_target": lambda: Advice(
            say("Ask what held the quarter back"),
            say("the next quarter brings the usual number of wins"),
            say("short of the quarter's target"),
        ),
        "overdue": lambda: Advice(
            say("Decide the overdue deal or close it", "Decide the overdue deals or close them", n=several),
            say("it is decided, or has a new day", "each is decided, or has a new day", n=several),
            say("in overdue deals"),
        ),
        "no_deals": lambda: Advice(
            say("Call it: win it back, or end the partnership")
            if line.value == line.value
            else say("Call it: help it to a first deal, or end the partnership"),
            say("it enters a lead or a deal in the next quarter"),
        ),
        "handed_over": lambda: Advice(
            say("Ask {label} for a decision or a day on each deal it took over"), say("each of them has one")
        ),
        "rivals": lambda: Advice(
            say("Act on the deal a rival is after", "Act on the deals a rival is after", n=several),
            say("the rival does not win it", "the rival wins none of them", n=several),
            say("in deals with a named rival"),
        ),
        "leads_waiting": lambda: Advice(
            say("Have the waiting leads answered, or give them to others"),
            say("every one of them is answered or given away"),
            say("what so many leads bring on average, of all partners"),
        ),
        "spend_without_win": lambda: Advice(
            say("Stop paying for {channel}"), say("the money goes to media that win"), say("spent in a year")
        ),
        "giant": lambda: Advice(
            say("Agree targets that do not count on another deal of this size"),
            say("the next target is reached without such a deal"),
            say("won in one deal"),
        ),
        "slow_answers": lambda: Advice(
            say("Answer its registrations sooner: that is our own duty"), say("an answer takes {usual_days} again")
        ),
        "wins_of_year": fewer,
        "wins_of_quarter": fewer,
        "wins_of_months": fewer,
        "entries_over_time": lambda: Advice(
            say("Find out why fewer deals come in"), say("for two quarters it enters more again")
        ),
        "close_rate_of_year": lost,
        "close_rate": lost,
        "identification_of_year": spotted,
        "identification": spotted,
        "conflicts": lambda: Advice(
            say("Have it ask us, before it registers a deal, whether we know the customer"),
            say("for two quarters no more than {midway_share} of its registrations name a known customer"),
            say("a year, in registrations beyond the others' share"),
        ),
        "sizes_of_year": smaller,
        "sizes_of_entries": smaller,
        "sizes": smaller,
        "velocity_of_cohorts": slower,
        "velocity": slower,
    }


def _of_channel(line: Line) -> Advice:
    """What to do about a channel that disappoints: what costs is stopped, what others say of one is worked on."""
    what = {
        "paid": say("Stop paying for {channel}"),
        "earned": say("Work on third-party relations: {channel} disappoints"),
    }.get(MEDIA[int(line.effect)], say("Find out why {channel} wins less"))
    return Advice(what, say("for two quarters {channel} wins {usual_share}"), say("a year, in wins that are missing"))


def _praise() -> Advice:
    """What to do about a partner that grows."""
    return Advice(
        say("Help it grow: sales software, communication tools, marketing"),
        say("it goes on growing and its close rate does not fall"),
        say("a year, beyond the year before"),
    )


#: Good news that asks for something.
GROWTH = ("wins_of_year", "entries_over_time")
#: Facts that ask for something though nothing is amiss with the partner, or all is.
FACTS = ("rivals", "no_deals", "handed_over")
#: Low success that lasts: what the source text would replace a partner for.
SUCCESS = ("identification", "close_rate")


def actions(signals: pd.DataFrame, currency: str, quarter: Quarter) -> tuple[Action, ...]:
    """At most five things to do about the signals of one partner, the most money first.

    One thing is said once, with the signal that has most at stake; of who has left only the deals are looked after.
    """
    kinds = set(signals["kind"])
    if "left" in kinds:
        signals = signals[signals["kind"] == "handed_over"]
    elif "handed_over" in kinds:
        signals = signals[signals["kind"] != "handed_over"]
    if "no_deals" in kinds:
        signals = signals[signals["kind"] == "no_deals"]
    found: list[tuple[float, int, Action]] = []  # money, and which of two comes first
    lines: Sequence[Line] = list(signals[signals["state"] != OVER].itertuples(index=False))
    for line in lines:
        if line.weight == "good":
            if line.kind in GROWTH:
                praise = _action(_praise(), line, currency)
                found.append((praise.stake, 0, praise))
        elif line.weight in ("act", "watch") or line.kind in FACTS:
            action = _action(_advice(line)[line.kind](), line, currency)
            found.append((action.stake, 0, action))
            if _lasts(line, quarter):
                found.append((action.stake, 1, _replacement(line)))  # after what would spare it
    best: dict[str, Action] = {}
    for _, _, action in sorted(found, key=lambda one: (-one[0], one[1])):
        best.setdefault(action.what, action)
    return tuple(list(best.values())[:MOST])


def _action(advice: Advice, line: Line, currency: str) -> Action:
    words = {
        "usual_amount": amount_text(line.usual, currency),
        "midway_share": amount_text((line.usual + line.value) / 2, "share"),
        "midway_amount": amount_text((line.usual + line.value) / 2, currency),
        "usual_share": amount_text(line.usual, "share"),
        "usual_pace": amount_text(line.usual, "deals/month"),
        "refused": amount_text(1 - line.usual, "share"),
        "usual_days": amount_text(round(line.usual) if line.usual == line.usual else None, "days"),
        "channel": line.label.replace("_", " "),
        "label": line.label,
    }
    stake = max(float(line.stake), 0.0) if line.stake == line.stake else 0.0
    what, worked = (text.format_map(words) for text in (advice.what, advice.worked))
    told = sentence(line, currency)
    return Action(what, told, sureness(line), stake, advice.stake_is, worked, tuple(line.rows), line.kind)


def _replacement(line: Line) -> Action:
    """After clearly low success at three quarter ends in a row: what the source text says, and when not to."""
    return Action(
        what=say("Think about replacing it, should two more quarters change nothing"),
        because=say("Clear at every quarter end since {quarter}: {what}.", what=subject(line), quarter=line.since),
        sure=sureness(line),
        stake=0.0,
        stake_is="",
        worked=say("it no longer stands out, and nobody is replaced"),
        rows=tuple(line.rows),
        kind=line.kind,
    )


def _lasts(line: Line, quarter: Quarter) -> bool:
    """True for low success, clear at three consecutive quarter ends."""
    lasting = line.since <= (quarter - LASTING + 1).label
    return line.kind in SUCCESS and line.weight == "act" and line.sure == CLEAR and lasting
