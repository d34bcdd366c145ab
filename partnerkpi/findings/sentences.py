"""What each signal says, in one whole sentence of the catalogue, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from partnerkpi.export import columns_text
from partnerkpi.findings.family import CLEAR, GOING_ON, LIKELY, NEW, OVER
from partnerkpi.findings.process import TRENDING
from partnerkpi.findings.subjects import Line, channel_of
from partnerkpi.wording import MISSING, amount_text, say

#: From a line of the table of signals and the book's currency.
Sentence = Callable[[Line, str], str]


def sentence(line: Line, currency: str) -> str:
    """The signal as a sentence: what, against what, by how many rows."""
    return _SENTENCES[line.kind](line, currency)


def sureness(line: Line) -> str:
    """How sure it is, and since when it stands: `clear, since 2025Q2`."""
    words = {CLEAR: say("clear"), LIKELY: say("likely")}
    sure = words.get(line.sure, say("recorded"))
    if line.state == OVER:
        return say("{sure}, over", sure=sure)
    if line.state == GOING_ON:
        return say("{sure}, since {quarter}", sure=sure, quarter=line.since)
    return say("{sure}, new", sure=sure) if line.state == NEW else sure


def signals_text(table: pd.DataFrame, currency: str) -> str:
    """The signals for reading: one line each, with what it asks for and how sure it is."""
    rows = []
    lines: Iterable[Line] = table.itertuples(index=False)
    for line in lines:
        told = sureness(line) if line.weight else say("not told")
        rows.append([line.partner_id, line.weight or MISSING, told, sentence(line, currency)])
    return columns_text([say("partner"), say("asks for"), say("how sure"), say("what")], rows)


def _share(value: float) -> str:
    return amount_text(value, "share")


def _left(s: Line, money: str) -> str:
    return say("It left the programme on {day}.", day=s.label)


def _joined(s: Line, money: str) -> str:
    return say("It joined on {day}.", day=s.label)


def _no_deals(s: Line, money: str) -> str:
    if s.value == s.value:
        return say("It has had no deal and no lead for {days}.", days=amount_text(s.value, "days"))
    return say("It has never had a deal or a lead.")


def _took_over(s: Line, money: str) -> str:
    return say(
        "It took over {n} open deal from {who}.", "It took over {n} open deals from {who}.", n=int(s.n), who=s.label
    )


def _handed_over(s: Line, money: str) -> str:
    return say("{n} of its open deals went to {who}.", "{n} of its open deals went to {who}.", n=int(s.n), who=s.label)


def _year_target(s: Line, money: str) -> str:
    return say(
        "{won} won in four quarters, {share} of the target of {target}.",
        won=amount_text(s.effect, money),
        share=_share(s.value),
        target=amount_text(s.usual, money),
    )


def _quarter_target(s: Line, money: str) -> str:
    return say(
        "It reached {share} of the quarter's target; at its usual pace so few wins come in about one quarter in {n}.",
        None,
        share=_share(s.value),
        n=max(round(1 / max(s.p, 0.001)), 1),
    )


def _overdue(s: Line, money: str) -> str:
    if s.n == 1 and s.value == 1:
        worth, days = amount_text(s.stake, money), amount_text(s.effect, "days")
        return say("Its only open deal, of {worth}, is {days} overdue.", worth=worth, days=days)
    return say(
        "{n} open deal of {worth} is {days} overdue: {share} of its open money (of all partners' {usual}).",
        "{n} open deals worth {worth} are overdue, the oldest by {days}: {share} of its open money (of all partners' "
        "{usual}).",
        n=int(s.n),
        worth=amount_text(s.stake, money),
        share=_share(s.value),
        usual=_share(s.usual),
        days=amount_text(s.effect, "days"),
    )


def _rivals(s: Line, money: str) -> str:
    return say(
        "A rival is named for {n} open deal of {worth}.",
        "A rival is named for {n} open deals worth {worth}.",
        n=int(s.n),
        worth=amount_text(s.stake, money),
    )


def _leads_waiting(s: Line, money: str) -> str:
    return say(
        "{n} lead has waited a quarter or longer for an answer, {share} of its leads (of all partners' leads {usual}).",
        "{n} leads have waited a quarter or longer for an answer, {share} of its leads (of all partners' leads "
        "{usual}).",
        n=int(s.n),
        share=_share(s.value),
        usual=_share(s.usual),
    )


def _spend_without_win(s: Line, money: str) -> str:
    return say(
        "Not one of its {n} decided prospects through {channel} was ever won (others win {usual} there); it cost "
        "{spent} in four quarters.",
        None,
        n=int(s.n),
        channel=channel_of(s),
        usual=_share(s.usual),
        spent=amount_text(s.stake, money),
    )


def _giant(s: Line, money: str) -> str:
    if not s.usual:
        return say("One deal of {worth} is all that the quarter won.", worth=amount_text(s.stake, money))
    return say(
        "One deal of {worth} is {share} of the quarter; without it {rest} was won.",
        worth=amount_text(s.stake, money),
        share=_share(s.value),
        rest=amount_text(s.usual, money),
    )


def _slow_answers(s: Line, money: str) -> str:
    return say(
        "Its registrations waited {days} for our answer, in the middle of {n} (all partners': {usual}).",
        None,
        days=amount_text(s.value, "days"),
        n=int(s.n),
        usual=amount_text(s.usual, "days"),
    )


def _wins_of_year(s: Line, money: str) -> str:
    return say("{now} won in four quarters, after {before} in the four before.", **_counts(s, "deals"))


def _wins_of_quarter(s: Line, money: str) -> str:
    return say("{now} won where {before} are usual for such a quarter.", **_counts(s, "deals"))


def _counts(s: Line, unit: str) -> dict[str, str]:
    return {"now": amount_text(s.value, unit), "before": amount_text(round(s.usual, 1), unit)}


def _entries_over_time(s: Line, money: str) -> str:
    told = {"first": f"{s.effect:.0f}", "then": f"{s.usual:.0f}", "now": amount_text(s.value, "deals")}
    if s.effect != s.effect:
        if s.z > 0:
            return say("It entered {then} and {now} in the last two years; the others grew less.", **told)
        return say("It entered {then} and {now} in the last two years; the others did not shrink so.", **told)
    if s.z > 0:
        return say("It entered {first}, {then} and {now} in the last three years; the others grew less.", **told)
    return say("It entered {first}, {then} and {now} in the last three years; the others did not shrink so.", **told)


def _wins_of_months(s: Line, money: str) -> str:
    rule, month = s.label.split()
    told = _counts(s, "deals")
    if rule == TRENDING:
        words = {"n": f"{s.effect - 1:.0f}", "month": month, "now": told["now"], "first": f"{s.usual:.0f}"}
        if s.z > 0:
            return say(
                "Its season counted in, each of {n} months in a row up to {month} brought more wins than the one "
                "before: {now} in the last, {first} before the first.",
                **words,
            )
        return say(
            "Its season counted in, each of {n} months in a row up to {month} brought fewer wins than the one before: "
            "{now} in the last, {first} before the first.",
            **words,
        )
    if s.effect == 1:
        return say("{now} won in {month}, where {before} are usual for such a month.", **told, month=month)
    months = f"{s.effect:.0f}"
    return say(
        "{now} won in the {months} months up to {month}, where {before} are usual.", **told, month=month, months=months
    )


def _of(s: Line, share: float) -> dict[str, int]:
    """How many of how many."""
    return {"k": round(share * s.n), "n": int(s.n)}


def _close_rate_of_year(s: Line, money: str) -> str:
    return say(
        "{k} of {n} decided prospects were won in a year, {now} after {before}: more than place and season explain.",
        None,
        **_of(s, s.value),
        now=_share(s.value),
        before=_share(s.usual),
    )


def _close_rate(s: Line, money: str) -> str:
    return say(
        "It won {k} of {n} decided prospects in four quarters, {now}; in the same regions, products and seasons the "
        "others win {usual}.",
        None,
        **_of(s, s.value),
        now=_share(s.value),
        usual=_share(s.usual),
    )


def _wins(s: Line, money: str) -> str:
    return say(
        "It won {deals} in {n} month of membership, {now}; with such prospects the others usually win {before}.",
        "It won {deals} in {n} months of membership, {now}; with such prospects the others usually win {before}.",
        n=round(s.effect),
        deals=amount_text(s.n, "deals"),
        now=amount_text(s.value, "deals/month"),
        before=amount_text(s.usual, "deals/month"),
    )


def _channels(s: Line, money: str) -> str:
    return say(
        "Through {channel} it won {k} of {n} decided prospects so far, {now}; in the same regions, products and "
        "seasons the others win {usual} there.",
        None,
        **_of(s, s.value),
        channel=channel_of(s),
        now=_share(s.value),
        usual=_share(s.usual),
    )


def _identification_of_year(s: Line, money: str) -> str:
    return say(
        "{k} of {n} deals it brought in four quarters were refused as no opportunity, {refused} after {before}.",
        None,
        **_of(s, 1 - s.value),
        refused=_share(1 - s.value),
        before=_share(1 - s.usual),
    )


def _identification(s: Line, money: str) -> str:
    return say(
        "{k} of {n} deals it brought in a year were refused as no opportunity, {refused} (the others': {usual}).",
        None,
        **_of(s, 1 - s.value),
        refused=_share(1 - s.value),
        usual=_share(1 - s.usual),
    )


def _conflicts(s: Line, money: str) -> str:
    return say(
        "{k} of its {n} registrations in four quarters named a customer we knew already, {known} (the others': "
        "{usual}).",
        None,
        **_of(s, s.value),
        known=_share(s.value),
        usual=_share(s.usual),
    )


def _sizes_of_year(s: Line, money: str) -> str:
    return say("Its median win of four quarters is {now}, after {before} in the four before.", **_amounts(s, money))


def _sizes_of_entries(s: Line, money: str) -> str:
    return say(
        "The deals it entered in four quarters have a median of {now}, after {before} in the four before.",
        **_amounts(s, money),
    )


def _sizes(s: Line, money: str) -> str:
    return say("Its usual win is {now}; for the same products the others' is {before}.", **_amounts(s, money))


def _amounts(s: Line, money: str) -> dict[str, str]:
    return {"now": amount_text(s.value, money), "before": amount_text(s.usual, money)}


def _velocity_of_cohorts(s: Line, money: str) -> str:
    return say("Deals that entered in four quarters take {now} to a win, after {before}.", **_counts(s, "days"))


def _velocity(s: Line, money: str) -> str:
    return say(
        "Its deals are decided in {now}, usually; for the same products the others' are in {before}.", **_days(s)
    )


def _days(s: Line) -> dict[str, str]:
    return {"now": amount_text(round(s.value), "days"), "before": amount_text(round(s.usual), "days")}


_SENTENCES: dict[str, Sentence] = {
    "left": _left,
    "joined": _joined,
    "no_deals": _no_deals,
    "took_over": _took_over,
    "handed_over": _handed_over,
    "year_target": _year_target,
    "quarter_target": _quarter_target,
    "overdue": _overdue,
    "rivals": _rivals,
    "leads_waiting": _leads_waiting,
    "spend_without_win": _spend_without_win,
    "giant": _giant,
    "slow_answers": _slow_answers,
    "wins_of_year": _wins_of_year,
    "wins_of_quarter": _wins_of_quarter,
    "entries_over_time": _entries_over_time,
    "wins_of_months": _wins_of_months,
    "close_rate_of_year": _close_rate_of_year,
    "identification_of_year": _identification_of_year,
    "sizes_of_year": _sizes_of_year,
    "sizes_of_entries": _sizes_of_entries,
    "velocity_of_cohorts": _velocity_of_cohorts,
    "wins": _wins,
    "close_rate": _close_rate,
    "channels": _channels,
    "identification": _identification,
    "conflicts": _conflicts,
    "sizes": _sizes,
    "velocity": _velocity,
}
