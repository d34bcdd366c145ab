"""The verdict on one partner: the first line of one table that applies, and why, and what was too little to tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.compare import usual_of
from partnerkpi.figures import figure
from partnerkpi.kpis.number_of_deals import attainment, number_of_deals, won_amount
from partnerkpi.periods import Quarter
from partnerkpi.signals.advice import Action, actions
from partnerkpi.signals.family import OVER, signals
from partnerkpi.signals.sentences import sentence
from partnerkpi.wording import amount_text, say

#: A fall by a third: what a test must be able to see before its silence means anything.
FALL = 1 / 3
#: Of each of these sets one test must have been made before silence says that a partner is on track.
NEEDED = ({"wins_of_year", "wins_of_quarter"}, {"close_rate_of_year", "close_rate"})


@unique
class Standing(Enum):
    """How a partner stands."""

    LEFT = "left"
    JOINED = "joined this quarter"
    NO_DEALS = "no deals"
    ACT = "act"
    WATCH = "watch"
    ON_TRACK = "on track"
    TOO_LITTLE = "too little to tell"

    def __str__(self) -> str:
        return say(self.value)


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


def judgement(book: Book, quarter: str | Quarter) -> Judgement:
    """The verdict on the partner whose book this is.

    Raises:
        UsageError: the text is no quarter, or the quarter has not begun.
    """
    this = book.quarter(quarter)
    table = book.others.judged(everything, this)
    mine = table[(table["partner_id"] == book.partner).to_numpy()]
    shown = mine[(mine["weight"] != "").to_numpy()]
    now = shown[(shown["state"] != OVER).to_numpy()]
    powers = power(book, this)
    asks, rest = now["weight"].isin(["act", "watch"]), now["weight"].isin(["good", "fact"])
    told = pd.concat([now[asks], now[rest]])
    told = told[~told["kind"].isin(["year_target", "rivals"])]
    because = [sentence(line, book.currency) for line in told.itertuples(index=False)]
    return Judgement(
        standing=standing_of(mine, book, this),
        headline=_headline(book, this, now),
        because=tuple(because[:4]),
        sure=_sureness(mine, now, powers),
        actions=actions(shown, book.currency, this),
        signals=shown,
    )


def standing_of(looked: pd.DataFrame, book: Book, this: Quarter) -> Standing:
    """The verdict that the signals of this partner ask for, of all that was looked at of it."""
    now = looked[(looked["weight"].ne("") & looked["state"].ne(OVER)).to_numpy()]
    kinds = set(now["kind"])
    year = now.loc[(now["kind"] == "year_target").to_numpy(), "value"]
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
    if len(year) and year.iloc[0] >= book.thresholds.year_watch:
        return Standing.ON_TRACK
    tested = set(looked.loc[looked["p"].notna().to_numpy(), "kind"])
    silent = all(tested & one for one in NEEDED) and power(book, this).enough  # and so it means something
    return Standing.ON_TRACK if not len(year) and silent else Standing.TOO_LITTLE


@dataclass(frozen=True)
class Power:
    """Whether a fall by a third would be seen in half of the cases: in the year's wins, and in its close rate."""

    wins: int
    decided: int
    of_wins: bool
    of_rate: bool
    rate_low: float
    rate_high: float

    @property
    def enough(self) -> bool:
        """True where silence about wins and close rate means something."""
        return self.of_wins and self.of_rate

    def __str__(self) -> str:
        """What the numbers could have shown: the close rates that would have stood out."""
        if self.enough:
            return say("Its year's wins and decisions are enough to show a fall by a third.")
        if self.decided < 1:
            return say("Nothing was decided in four quarters: no rate can be told.")
        if self.rate_low <= 0 and self.rate_high >= 1:
            return say(
                "With {n} decided prospect in four quarters no close rate would stand out.",
                "With {n} decided prospects in four quarters no close rate would stand out.",
                n=self.decided,
            )
        low, high = (amount_text(v, "share") for v in (self.rate_low, self.rate_high))
        if self.rate_low <= 0:
            return say(
                "With {n} decided prospect in four quarters only a close rate above {high} would stand out.",
                "With {n} decided prospects in four quarters only a close rate above {high} would stand out.",
                n=self.decided,
                high=high,
            )
        return say(
            "With {n} decided prospects in four quarters only a close rate under {low} or over {high} would stand out.",
            None,
            n=self.decided,
            low=low,
            high=high,
        )


def power(book: Book, quarter: Quarter) -> Power:
    """What the year's numbers of this partner could have shown, single test, 5 % level."""
    from scipy.stats import binom

    prospects, deals = book.prospects, book.deals
    year = prospects["closed_on"].between(*quarter.year)
    decided = int((year & prospects["status"].isin(["won", "lost", "abandoned"])).sum())
    yes = int((year & (prospects["status"] == "won")).sum())
    wins = int(((deals["status"] == "won") & deals["closed_on"].between(*quarter.year)).sum())
    known = book.others.experience(quarter)
    expected = book.others.expected(quarter)["chance"]
    mine = expected.reindex(prospects["prospect_id"][year.to_numpy()].to_numpy()).dropna()
    rate = float(np.clip(mine.mean() if len(mine) else (yes + 1) / (decided + 2), 0.02, 0.98))
    spread = 2.5 / max(wins, 1) * known.orders + 2 * known.pace / 4
    of_wins = wins > 0 and -np.log(1 - FALL) >= 1.96 * np.sqrt(spread)
    of_rate = decided > 0 and rate * FALL >= 1.96 * np.sqrt(2 * rate * (1 - rate) / decided)
    low, high = binom.ppf([0.025, 0.975], decided, rate) if decided else (0.0, 0.0)
    return Power(wins, decided, bool(of_wins), bool(of_rate), *(v / max(decided, 1) for v in (low, high)))


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
            return say("{won} won in {days} days, {share} of the quarter's target.", None, **words)
        return say("{won} won in {days} days.", None, **words)
    if reached.value is None:
        usual = usual_of(number_of_deals, book, this)
        if not usual.value:
            return say("{won} won.", None, **words)
        deals = amount_text(figure(number_of_deals, book, this).value, "deals")
        often = amount_text(usual.value, "deals")
        return say("{won} won, {deals}; {usual} are usual.", None, deals=deals, usual=often, **words)
    if len(year):
        words["year"] = amount_text(float(year["value"].iloc[0]), "share")
        return say("{won} won, {share} of the quarter's target and {year} of the year's.", None, **words)
    return say("{won} won, {share} of the quarter's target.", None, **words)


def _sureness(looked: pd.DataFrame, now: pd.DataFrame, powers: Power) -> str:
    """How sure the verdict is: what was tested, among how many, and what could have been seen."""
    clear, likely = (int((now["sure"] == s).sum()) for s in ("clear", "likely"))
    parts = []
    if clear:
        parts.append(
            say(
                "{n} tested signal holds among the {tests} tests of this review.",
                "{n} tested signals hold among the {tests} tests of this review.",
                n=clear,
                tests=int(now["tests"].max()),
            )
        )
    if likely:
        parts.append(
            say(
                "{n} signal is likely, not certain: among {tests} tests a few are chance.",
                "{n} signals are likely, not certain: among {tests} tests a few are chance.",
                n=likely,
                tests=int(now["tests"].max()),
            )
        )
    untested = [one for one in NEEDED if not set(looked.loc[looked["p"].notna().to_numpy(), "kind"]) & one]
    if powers.enough and untested:
        parts.append(say("Nothing is recorded that it could be compared with."))
    else:
        parts.append(str(powers))
    return " ".join(parts)
