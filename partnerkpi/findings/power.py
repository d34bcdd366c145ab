"""Power: what a partner's numbers could have shown at all. Silence means something only where they could."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED
from partnerkpi.findings.chance import around
from partnerkpi.intervals import Z
from partnerkpi.periods import Quarter
from partnerkpi.recorded import records_losses
from partnerkpi.wording import amount_text, say

#: A fall by a third: what a test must be able to see before its silence means anything.
FALL = 1 / 3


@dataclass(frozen=True)
class Power:
    """Whether a fall by a third would be seen in half of the cases: in the year's wins, and in its close rate.

    `low` and `high` are the close rates of a year beyond which one in twenty would come by chance; missing where the
    book records no losses.
    """

    wins: int
    decided: int
    yes: int
    of_wins: bool
    of_rate: bool
    low: float | None
    high: float | None

    @property
    def enough(self) -> bool:
        """True where silence about wins and close rate means something."""
        return self.of_wins and self.of_rate

    @property
    def outside(self) -> bool:
        """True where its close rate is one of those that come by chance only once in twenty."""
        if self.low is None or self.high is None or not self.decided:
            return False
        return not self.low <= self.yes / self.decided <= self.high

    def __str__(self) -> str:
        """What the numbers could have shown: the close rates that would have stood out."""
        if self.enough:
            return say("Its year's wins and decisions are enough to show a fall by a third.")
        if self.low is None or self.high is None:
            return say(
                "{n} win in four quarters and no losses on record: no rate can be told.",
                "{n} wins in four quarters and no losses on record: no rate can be told.",
                n=self.wins,
            )
        if self.decided < 1:
            return say("Nothing was decided in four quarters: no rate can be told.")
        if self.low <= 0 and self.high >= 1:
            return say(
                "Only {n} prospect was decided in four quarters: too few for a close rate.",
                "Only {n} prospects were decided in four quarters: too few for a close rate.",
                n=self.decided,
            )
        words = {"low": amount_text(self.low, "share"), "high": amount_text(self.high, "share")}
        if self.low <= 0:
            usual = say("up to {high} is usual", **words)
        elif self.high >= 1:
            usual = say("{low} or more is usual", **words)
        else:
            usual = say("{low} to {high} is usual", **words)
        return say(
            "It won {share} of the prospects decided in four quarters ({yes} of {n}); {usual}.",
            None,
            n=self.decided,
            yes=self.yes,
            share=amount_text(self.yes / self.decided, "share"),
            usual=usual,
        )


def power(book: Book, quarter: Quarter) -> Power:
    """What the year's numbers of this partner could have shown: a single test at the 5 % level.

    Of two years of wins by the variance of the logarithm of their ratio, over-dispersion in; of two close rates by that
    of their difference; what would stand out, by how many wins chance brings around what was to be expected,
    which is not sure itself.
    """
    prospects, deals = book.prospects, book.deals
    year = prospects["closed_on"].between(*quarter.year)
    decided = int((year & prospects["status"].isin(DECIDED)).sum())
    yes = int((year & (prospects["status"] == "won")).sum())
    wins = int(((deals["status"] == "won") & deals["closed_on"].between(*quarter.year)).sum())
    known = book.others.experience(quarter)
    before = wins / (1 - FALL)
    spread = known.orders * (1 / max(wins, 1) + 1 / max(before, 1)) + 2 * known.pace / 4
    of_wins = wins > 0 and -np.log(1 - FALL) >= Z * np.sqrt(spread)
    if not records_losses(book):
        return Power(wins, decided, yes, bool(of_wins), False, None, None)
    mine = book.others.expected(quarter).reindex(prospects["prospect_id"][year.to_numpy()].to_numpy()).dropna()
    rate = float(np.clip(mine["chance"].mean() if len(mine) else (yes + 1) / (decided + 2), 0.02, 0.98))
    unsure = float(np.sqrt(max(mine["part"].sum(), 0.0))) / max(len(mine), 1)
    of_rate = decided > 0 and rate * FALL >= Z * np.sqrt(2 * rate * (1 - rate) / decided)
    low, high = (float(v) / max(decided, 1) for v in around(rate, decided, unsure).ppf([0.025, 0.975]))
    return Power(wins, decided, yes, bool(of_wins), bool(of_rate), low, high)
