"""What to expect of each partner before chance has spoken: the yardstick for estimates.

For every deal the days on which it may be decided are known, and the probability of each outcome on them; summed over
deals they give the expected number of decisions, wins and money of a partner and quarter. Probabilities are kept as
whole millionths and money as whole cents, so the sums are exact and do not depend on their order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from partnerkpi.sample.draws import Bools, Floats, Ints
from partnerkpi.sample.leads import Leads
from partnerkpi.sample.lives import ACCEPTED, CONFLICT, REFUSED, Lives
from partnerkpi.sample.world import ABANDONED_OF_NOT_WON, REGIONS, World

MILLION = 1_000_000
LONGEST = 1500
COUNTS = (
    "decided",
    "won",
    "won_cents",
    "brought_decided",
    "brought_won",
    "brought_refused",
    "brought_conflict",
    "leads_decided",
)
_Sums = npt.NDArray[np.int64]


class Expected:
    """Sums over deals: by partner and quarter, by partner and region, by partner and days from creation to win."""

    def __init__(self, world: World) -> None:
        self._world = world
        owners = world.partners + 1
        self.quarterly: dict[str, _Sums] = {
            name: np.zeros((owners, world.calendar.quarters), dtype=np.int64) for name in COUNTS
        }
        self.regional: dict[str, _Sums] = {
            name: np.zeros((owners, len(REGIONS)), dtype=np.int64) for name in ("decided", "won")
        }
        self.entered: _Sums = np.zeros(owners, dtype=np.int64)
        self.won_after: _Sums = np.zeros((owners, LONGEST + 1), dtype=np.int64)

    def add_deals(self, lives: Lives) -> None:
        """Add what these deals can be expected to bring."""
        real = ~lives.test
        accepted = lives.registration_odds[:, ACCEPTED] * real
        first = accepted * lives.decides
        owner, days = lives.owner_decided, self._world.calendar.days
        back = (1 - lives.first_odds) * (1 - ABANDONED_OF_NOT_WON) * lives.reopens
        seen_back = back * (lives.reopened < days)
        for name, once, again in (
            ("decided", 1 - seen_back, back), ("won", lives.first_odds, back * lives.again_odds),
        ):  # fmt: skip
            for day, share in ((lives.decided, first * once), (lives.decided_again, first * again)):
                self._count(name, owner, day, share)
                self._count(f"brought_{name}", owner, day, share * lives.sourced)
                self._by_region(name, owner, day, lives.region, share)
                if name == "won":
                    self._count("won_cents", owner, day, share * lives.expected_euro / 10_000)
                    self._after(owner, day - lives.created, share)
        for name, answer in (("brought_refused", REFUSED), ("brought_conflict", CONFLICT)):
            share = lives.registration_odds[:, answer] * lives.sourced * real
            self._count(name, lives.owner_answered, lives.answered, share)
        self.entered += np.bincount(owner[real], minlength=len(self.entered)).astype(np.int64)

    def add_leads(self, leads: Leads) -> None:
        """Add the leads that end without a deal: lost and abandoned ones are decisions too."""
        self._count("leads_decided", leads.partner, leads.closed, leads.decides)

    def _seen(self, day: Ints) -> Bools:
        return np.asarray(day < self._world.calendar.days)

    def _count(self, name: str, owner: Ints, day: Ints, share: Floats) -> None:
        table, seen = self.quarterly[name], self._seen(day)
        place = owner[seen] * table.shape[1] + self._world.calendar.month_of(day[seen]) // 3
        table += _tally(place, share[seen], table.size).reshape(table.shape)

    def _by_region(self, name: str, owner: Ints, day: Ints, region: Ints, share: Floats) -> None:
        table, seen = self.regional[name], self._seen(day)
        place = owner[seen] * table.shape[1] + region[seen]
        table += _tally(place, share[seen], table.size).reshape(table.shape)

    def _after(self, owner: Ints, wait: Ints, share: Floats) -> None:
        place = owner * (LONGEST + 1) + np.minimum(wait, LONGEST)
        self.won_after += _tally(place, share, self.won_after.size).reshape(self.won_after.shape)


def _tally(place: Ints, share: Floats, size: int) -> _Sums:
    """Sums of whole millionths: exact in double precision far beyond any number of deals made here."""
    return np.bincount(place, weights=np.rint(share * MILLION), minlength=size).astype(np.int64)
