"""What a signal is about, in a few words: to be named in a list, or to stand beside a figure."""

from __future__ import annotations

from typing import Any

from partnerkpi.wording import say

#: A line of the table of signals.
Line = Any


def subject(line: Line) -> str:
    """What a tested signal found, to be named in a list: `more refusals than the others`."""
    words = {
        "wins_of_year": (say("more wins than in the year before"), say("fewer wins than in the year before")),
        "wins_of_quarter": (
            say("more wins than in other such quarters"),
            say("fewer wins than in other such quarters"),
        ),
        "entries_over_time": (say("ever more deals entered"), say("ever fewer deals entered")),
        "wins_of_months": (say("more wins, month by month"), say("fewer wins, month by month")),
        "close_rate_of_year": (
            say("a higher close rate than in the year before"),
            say("a lower close rate than in the year before"),
        ),
        "identification_of_year": (
            say("fewer refusals than in the year before"),
            say("more refusals than in the year before"),
        ),
        "sizes_of_year": (say("larger wins than in the year before"), say("smaller wins than in the year before")),
        "sizes_of_entries": (
            say("larger new deals than in the year before"),
            say("smaller new deals than in the year before"),
        ),
        "velocity_of_cohorts": (
            say("quicker wins than in the year before"),
            say("slower wins than in the year before"),
        ),
        "wins": (say("more wins a month than the others"), say("fewer wins a month than the others")),
        "close_rate": (say("a higher close rate than the others"), say("a lower close rate than the others")),
        "channels": (
            say("a higher close rate through {channel} than the others", channel=channel_of(line)),
            say("a lower close rate through {channel} than the others", channel=channel_of(line)),
        ),
        "identification": (say("fewer refusals than the others"), say("more refusals than the others")),
        "conflicts": (
            say("fewer registrations of known customers than the others"),
            say("more registrations of known customers than the others"),
        ),
        "sizes": (say("larger wins than the others"), say("smaller wins than the others")),
        "velocity": (say("quicker decisions than the others"), say("slower decisions than the others")),
    }
    return words[line.kind][int(line.z < 0)]


def topic(line: Line) -> str:
    """What a signal is about in two or three words, to stand beside a figure: `year's target`."""
    words = {
        "year_target": say("the year's target"),
        "quarter_target": say("the quarter's target"),
        "overdue": say("overdue deals"),
        "leads_waiting": say("leads without an answer"),
        "spend_without_win": say("{channel} never won", channel=channel_of(line)),
        "giant": say("one giant deal"),
        "slow_answers": say("our slow answers"),
    }
    return words[line.kind] if line.kind in words else subject(line)


def channel_of(line: Line) -> str:
    """The name of the channel that a line is about."""
    return str(line.label).replace("_", " ")
