"""The verdict on one partner: the first line of one table that applies, and why, and what was too little to tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.compare import usual_of
from partnerkpi.deals import target_rows
from partnerkpi.figures import figure
from partnerkpi.findings.advice import Action, actions
from partnerkpi.findings.family import CLEAR, LIKELY, OVER, signals
from partnerkpi.findings.power import Power, power
from partnerkpi.findings.sentences import sentence
from partnerkpi.findings.subjects import Line, subject
from partnerkpi.kpis.number_of_deals import attainment, number_of_deals, won_amount
from partnerkpi.periods import Quarter
from partnerkpi.wording import amount_text, listed, say

#: Of each of these sets one test must have been made before silence says that a partner is on track.
NEEDED = ({"wins_of_year", "wins_of_quarter"}, {"close_rate_of_year", "close_rate"})


#: A verdict has so many sentences at most beside its headline; facts that explain the others are always among them.
SENTENCES = 3
EXPLAINING = ("joined", "took_over")


@unique
class Standing(Enum):
    """How a partner stands."""

    LEFT = "left"
    JOINED = "joined this quarter"
    NO_DEALS = "no deals"
    OWN_SALES = "own sales"
    ACT = "act"
    WATCH = "watch"
    ON_TRACK = "on track"
    TOO_LITTLE = "too little to tell"

    def __str__(self) -> str:
        return say(self.value)

    @property
    def sign(self) -> str:
        """The standing as a class of a page: `on-track`."""
        return self.name.lower().replace("_", "-")

    @property
    def short(self) -> bool:
        """True for a state of its own, in which the figures would tell nothing."""
        return self in (Standing.LEFT, Standing.JOINED, Standing.NO_DEALS)


@dataclass(frozen=True)
class Judgement:
    """A partner's verdict, the sentences that carry it, how sure they are, and what to do."""

    standing: Standing
    headline: str
    because: tuple[str, ...]
    sure: str
    actions: tuple[Action, ...]
    signals: pd.DataFrame


def everything(book: Book, quarter: Quarter) -> pd.DataFrame:
    """All signals of a review with all tests behind them: what `Others.judged` hands to a partner's notebooks."""
    return signals(book, quarter, everything=True)


def own_signals(book: Book, quarter: Quarter) -> pd.DataFrame:
    """All that was looked at of the partner whose book this is, with and without anything to say."""
    table = book.others.judged(everything, quarter)
    return table[(table["partner_id"] == book.partner).to_numpy()]


def judgement(book: Book, quarter: str | Quarter) -> Judgement:
    """The verdict on the partner whose book this is.

    Raises:
        UsageError: the text is no quarter, or the quarter has not begun.
    """
    this = book.quarter(quarter)
    mine = own_signals(book, this)
    if book.partner in book.direct:
        nothing = mine.iloc[:0]
        why = say("These are the vendor's own sales: no partner, and compared with none.")
        sure = say("Counted from the records; nothing is tested.")
        return Judgement(Standing.OWN_SALES, _headline(book, this, nothing), (why,), sure, (), nothing)
    shown = mine[(mine["weight"] != "").to_numpy()]
    now = shown[(shown["state"] != OVER).to_numpy()]
    powers = power(book, this)
    told = now[~now["kind"].isin(["year_target", "rivals"]) & ~told_already(now)]
    asks, explains = told["weight"].isin(["act", "watch"]), told["kind"].isin(EXPLAINING)
    first = told[asks].head(SENTENCES - int(explains.sum()))
    told = pd.concat([first, told[explains], told[~asks & ~explains]])
    because = [sentence(line, book.currency) for line in told.itertuples(index=False)]
    return Judgement(
        standing=standing_of(mine, book, this),
        headline=_headline(book, this, now),
        because=tuple(because[:SENTENCES]),
        sure=_sureness(mine, now[~part_of_whole(now)], powers),
        actions=actions(shown[~told_already(shown)], book.currency, this),
        signals=shown,
    )


def told_already(lines: pd.DataFrame) -> pd.Series:
    """True for lines of which another of the partner's signals says it all: of a channel, that it never won."""
    dead = set(lines["label"][(lines["kind"] == "spend_without_win").to_numpy()])
    return part_of_whole(lines) | (lines["kind"].eq("channels") & lines["label"].isin(dead))


def part_of_whole(lines: pd.DataFrame) -> pd.Series:
    """True for channels and wins a month that stand out as the close rate of all the partner's prospects does."""
    whole = lines[(lines["kind"].eq("close_rate") & lines["weight"].ne("") & lines["state"].ne(OVER)).to_numpy()]
    return lines["kind"].isin(["channels", "wins"]) & np.sign(lines["z"]).isin(set(np.sign(whole["z"])))


def standing_of(looked: pd.DataFrame, book: Book, this: Quarter) -> Standing:
    """The verdict that the signals of this partner ask for, of all that was looked at of it."""
    now = looked[(looked["weight"].ne("") & looked["state"].ne(OVER)).to_numpy()]
    kinds = set(now["kind"])
    reached = ((now["kind"] == "year_target") & (now["weight"] == "good")).any()
    aimed = ((now["kind"] == "year_target") & (now["weight"] != "fact")).any()
    joined = now.loc[(now["kind"] == "joined").to_numpy(), "label"]
    if "left" in kinds:
        return Standing.LEFT
    if len(joined) and joined.iloc[0] >= f"{this.start:%Y-%m-%d}":
        return Standing.JOINED
    if "no_deals" in kinds:
        return Standing.NO_DEALS
    for weight, standing in (("act", Standing.ACT), ("watch", Standing.WATCH)):
        if (now["weight"] == weight).any():
            return standing
    tested = set(looked.loc[looked["p"].notna().to_numpy(), "kind"])
    if reached:
        return Standing.ON_TRACK
    looked_for = not aimed and all(tested & one for one in NEEDED)  # and so silence means something
    return Standing.ON_TRACK if looked_for and power(book, this).enough else Standing.TOO_LITTLE


def _headline(book: Book, this: Quarter, now: pd.DataFrame) -> str:
    """What was won, of which target, in the quarter and the year."""
    won, reached = figure(won_amount, book, this), figure(attainment, book, this)
    year = now.loc[(now["kind"] == "year_target").to_numpy()]
    words = {"won": amount_text(won.value, won.unit), "share": amount_text(reached.value, "share")}
    if won.value is None:
        return say("Nothing can be said of the won amount: {reason}.", reason=won.reason)
    if not this.complete:
        words["days"] = f"{this.days_so_far} of {this.days}"
        if reached.value is not None:
            return say("It won {won} in {days} days, {share} of the quarter's target.", None, **words)
        return say("It won {won} in {days} days.", None, **words)
    if reached.value is None:
        usual = usual_of(number_of_deals, book, this)
        if not usual.value:
            return say("It won {won} this quarter.", None, **words)
        deals = amount_text(figure(number_of_deals, book, this).value, "deals")
        often = amount_text(usual.value, "deals")
        return say("It won {won} this quarter, {deals}; {usual} are usual.", None, deals=deals, usual=often, **words)
    aim = float(target_rows(book, this)["of"].sum())
    words["target"] = amount_text(aim, book.currency)
    giants = now[(now["kind"] == "giant").to_numpy()]["usual"].tolist()
    if giants:
        words["without"] = amount_text(giants[0] / aim, "share")
        quarter = say(
            "It won {won} this quarter, {share} of the target of {target}, {without} without its largest deal",
            None,
            **words,
        )
    else:
        quarter = say("It won {won} this quarter, {share} of the target of {target}", None, **words)
    if not len(year):
        return say("{quarter}.", None, quarter=quarter)
    line: Line = next(year.itertuples(index=False))
    return say(
        "{quarter}; in four quarters {won}, {share} of {target}.",
        None,
        quarter=quarter,
        won=amount_text(float(line.effect), book.currency),
        share=amount_text(float(line.value), "share"),
        target=amount_text(float(line.usual), book.currency),
    )


def _sureness(looked: pd.DataFrame, now: pd.DataFrame, powers: Power) -> str:
    """How sure the verdict is: what was tested, among how many, and what could have been seen."""
    clear, likely = (list(now[now["sure"] == s].itertuples(index=False)) for s in (CLEAR, LIKELY))
    told = {line.kind for line in [*clear, *likely]}
    parts = []
    tests = int(looked["tests"].max()) if len(looked) else 0
    if clear:
        parts.append(
            say(
                "Hardly chance, even among {n} comparisons: {what}.",
                None,
                n=tests,
                what=listed([subject(s) for s in clear]),
            )
        )
    if likely:
        parts.append(say("Likely, but chance could be behind it: {what}.", what=listed([subject(s) for s in likely])))
    if not clear and not likely and tests:
        if now["weight"].isin(["act", "watch"]).any():
            parts.append(
                say(
                    "Beyond that nothing about it is clearly more than chance, in {n} comparisons of all partners.",
                    None,
                    n=tests,
                )
            )
        else:
            parts.append(
                say("Nothing about it is clearly more than chance, in {n} comparisons of all partners.", None, n=tests)
            )
    if {"left", "no_deals"} & set(now["kind"]):
        return " ".join(parts)
    untested = [one for one in NEEDED if not set(looked.loc[looked["p"].notna().to_numpy(), "kind"]) & one]
    if powers.enough and untested:
        parts.append(say("Nothing is recorded that it could be compared with."))
    else:
        parts.append(str(powers))
        if powers.outside and not powers.enough and not {"close_rate", "close_rate_of_year"} & told:
            parts.append(say("Among so many comparisons a few such are chance: do not build on it alone."))
    return " ".join(parts)
