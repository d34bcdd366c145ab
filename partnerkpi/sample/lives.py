"""The lives of deals, many at a time: entry, registration, stages, slips, transfers, outcome, reopening; and of leads.

Every life is decided to its end, even when that end lies after the last day of the book; the book shows what had
happened by then, the truth (`Expected`) knows the rest. One in four deals began as a lead (half of the vendor's), and
other leads never became a deal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partnerkpi.sample.time_and_chance import Bools, Floats, Ints, ladder
from partnerkpi.sample.world import (
    ABANDONED_OF_NOT_WON,
    CHANNEL_NAMES,
    CHANNEL_ODDS,
    ENTRY_BY_MONTH,
    ENTRY_GROWTH_PER_YEAR,
    GIANT_TIMES_MEAN,
    LEAD_BESIDE_DEAL,
    LEAD_OUTCOMES,
    NEVER_DECIDED,
    NO_CHANNEL,
    PACE_SIGMA,
    PRODUCT_ODDS,
    PRODUCT_PACE,
    PRODUCT_PRICE,
    PRODUCT_SHARE,
    QUICK_ODDS,
    RATES,
    REGION_ODDS,
    REOPENED_OF_LOST,
    SEASON_ODDS,
    SIZE_SIGMA,
    SLOW_ODDS,
    SPECIAL,
    TRANSFERRED,
    VENDOR_REFUSED,
    World,
)

STATUSES = ("open", "won", "lost", "abandoned", "rejected")
OPEN, WON, LOST, ABANDONED, REJECTED = range(5)
ACCEPTED, REFUSED, CONFLICT = range(3)
TEST_EVERY, TEST_FIRST = 601, 300
NEVER = -1


@dataclass(frozen=True)
class Lives:
    """One element per deal. Days are numbers; those after the last day of the book are the future."""

    index: Ints
    test: Bools
    partner: Ints
    created: Ints
    region: Ints
    product: Ints
    channel: Ints  # −1: none recorded
    sourced: Bools
    from_lead: Bools
    registration: Ints
    registration_odds: Floats  # three columns: probability of accepted, refused, conflict
    answered: Ints  # the day the registration, or the vendor's own qualification, was answered
    decides: Bools  # False: stays open for ever
    length: Ints  # days from creation to the first decision
    decided: Ints
    first_odds: Floats  # probability that the first decision is a win
    first: Ints
    reopens: Floats  # probability of reopening if lost
    comes_back: Bools  # lost, and reopened on the day `reopened`
    reopened: Ints
    decided_again: Ints
    again_odds: Floats
    again: Ints
    owner_answered: Ints  # who holds the deal on the day it is answered, and on the day it is decided
    owner_decided: Ints
    moved: Ints
    cents_euro: Ints
    expected_euro: Floats
    cents: Ints
    currency: list[str]
    planned: Ints


def _entry_ladder(world: World) -> Floats:
    """Share of all deals that have entered by the end of each day."""
    calendar = world.calendar
    every = np.arange(calendar.days)
    intensity = ENTRY_BY_MONTH[calendar.month_of_year(every)] * (1 + ENTRY_GROWTH_PER_YEAR * every / 365.25)
    climbing = np.cumsum(intensity)
    return np.asarray(climbing / climbing[-1], dtype=np.float64)


@dataclass(frozen=True)
class Life:
    """How to live: prepared once, called for as many deals at a time as memory allows."""

    world: World
    entry: Floats
    activity: Floats
    takers: Floats
    regions: Floats
    channels: Floats

    @classmethod
    def of(cls, world: World) -> Life:
        """Prepare the ladders that every chunk uses."""
        takers = np.where(world.stays, world.weight, 0.0)[:-1]
        regions, channels = ladder(world.region_share), ladder(world.channel_share)
        return cls(world, _entry_ladder(world), world.activity_ladder(), takers, regions, channels)

    def live(self, start: int, stop: int) -> Lives:
        """The deals with numbers start … stop − 1."""
        world, draws, calendar = self.world, self.world.draws, self.world.calendar
        index = np.arange(start, stop, dtype=np.int64)
        created = self._created(index)
        month = calendar.month_of(created)
        test = (index % TEST_EVERY == TEST_FIRST) & (index != world.giant)
        partner = draws.pick_by_row("partner", index, month, self.activity)
        for deal, number in world.tiny.items():
            partner[index == deal] = number
        giant = index == world.giant
        partner[giant] = SPECIAL["giant"][0]
        region = draws.pick_by_row("region", index, partner, self.regions)
        product = draws.pick("product", index, PRODUCT_SHARE)
        sourced = draws.uniform("sourced", index) < world.sourced[partner]
        channel = self.channel("deal", index, partner)
        late = month >= calendar.months - 12

        odds_answer = np.empty((len(index), 3))
        refused = np.where(
            late & (world.late_refused[partner] != 1), world.late_refused[partner], world.refused[partner]
        )
        odds_answer[:, REFUSED] = np.where(sourced, refused, VENDOR_REFUSED)
        odds_answer[:, CONFLICT] = np.where(sourced, world.conflict[partner], 0.0)
        odds_answer[giant, REFUSED] = odds_answer[giant, CONFLICT] = 0.0
        odds_answer[:, ACCEPTED] = 1 - odds_answer[:, REFUSED] - odds_answer[:, CONFLICT]
        u = draws.uniform("registration", index)
        registration = np.where(
            u < odds_answer[:, REFUSED], REFUSED,
            np.where(u < odds_answer[:, REFUSED] + odds_answer[:, CONFLICT], CONFLICT, ACCEPTED),
        )  # fmt: skip
        wait = np.where(sourced, 1 + draws.whole("answer", index, 9), 2 + draws.whole("answer", index, 20))
        answered = calendar.to_workday(created + wait)

        usual = world.pace[partner] * PRODUCT_PACE[product]
        stretch = draws.lognormal("pace", index, PACE_SIGMA, mean_one=False)
        decides = (draws.uniform("decides", index) >= NEVER_DECIDED) | giant
        decided = calendar.to_workday(np.maximum(created + np.ceil(usual * stretch).astype(np.int64), answered + 1))
        decided[giant] = calendar.to_workday(np.full(1, calendar.days - 44))[0]
        length = decided - created

        odds = world.odds[partner] * REGION_ODDS[region] * PRODUCT_ODDS[product]
        odds = odds * np.where(channel < 0, 1.0, CHANNEL_ODDS[channel])
        odds = odds * np.where(late, world.late_odds[partner], 1.0)
        barren = (partner == SPECIAL["display_without_wins"][0]) & (channel == CHANNEL_NAMES.index("display"))
        odds = np.where(barren & (partner < world.partners), 0.0, odds)
        pace_odds = np.where(stretch < 1, QUICK_ODDS, SLOW_ODDS)
        first_odds = self._chance(odds * pace_odds, partner, decided)
        first_odds[giant] = 1.0
        first = self._outcome("first", index, first_odds)
        reopens = np.where(world.left[partner] < 0, REOPENED_OF_LOST, 0.0)
        reopened = calendar.to_workday(decided + 15 + draws.whole("gap", index, 75))
        more = np.ceil(usual * (0.2 + 0.6 * draws.uniform("more", index))).astype(np.int64)
        decided_again = calendar.to_workday(reopened + np.maximum(more, 5))
        again_odds = self._chance(odds, partner, decided_again)
        again = self._outcome("again", index, again_odds)
        comes_back = (first == LOST) & (draws.uniform("reopens", index) < reopens)

        owner_answered, owner_decided, moved = self._owners(index, partner, created, answered, decided, decides, giant)
        expected, euro = self._amounts(index, partner, product, month, giant)
        currency = [world.currency[p] for p in partner.tolist()]
        rate = np.array([RATES[c] for c in world.currency])[partner]
        planned = created + np.maximum(
            np.ceil(usual * world.promise[partner] * (0.7 + 0.6 * draws.uniform("plan", index))).astype(np.int64), 12
        )
        chance = np.where(sourced, 0.25, 0.5)
        lead_of = (draws.uniform("from lead", index) < chance) & ~test & ~np.isin(index, list(world.tiny))
        return Lives(
            index, test, partner, created, region, product, channel, sourced, lead_of, registration, odds_answer,
            answered, decides, length, decided, first_odds, first, reopens, comes_back, reopened, decided_again,
            again_odds, again, owner_answered, owner_decided, moved, euro, expected,
            np.rint(euro / rate).astype(np.int64), currency, planned,
        )  # fmt: skip

    def _created(self, index: Ints) -> Ints:
        """Entries are spread over the days by season and growth; deals are numbered in the order of their creation."""
        place = (index + self.world.draws.uniform("created", index)) / self.world.deals
        day = np.searchsorted(self.entry, place, side="right").astype(np.int64)
        return np.minimum(self.world.calendar.to_workday(day), self.world.calendar.days - 1)

    def channel(self, who: str, index: Ints, partner: Ints) -> Ints:
        """The channel through which each one came; −1 when nobody recorded it."""
        found = self.world.draws.pick_by_row(f"{who} channel", index, partner, self.channels)
        found[self.world.draws.uniform(f"{who} no channel", index) < NO_CHANNEL] = -1
        return found

    def _chance(self, odds: Floats, partner: Ints, day: Ints) -> Floats:
        """Probability of a win on a day: odds times the odds of its month, for partners that feel the season."""
        season = SEASON_ODDS[self.world.calendar.month_of_year(day)]
        odds = odds * (1 + (season - 1) * self.world.season[partner])
        return np.asarray(odds / (1 + odds), dtype=np.float64)

    def _outcome(self, stream: str, index: Ints, chance: Floats) -> Ints:
        gone = self.world.draws.uniform(f"{stream} abandoned", index) < ABANDONED_OF_NOT_WON
        return np.where(self.world.draws.uniform(stream, index) < chance, WON, np.where(gone, ABANDONED, LOST))

    def _owners(
        self, index: Ints, partner: Ints, created: Ints, answered: Ints, decided: Ints, decides: Bools, giant: Bools
    ) -> tuple[Ints, Ints, Ints]:
        """Some deals change hands on their way, and those of a partner that leaves go to its successor."""
        world, calendar = self.world, self.world.calendar
        halfway = calendar.to_workday(created + (decided - created) // 2)
        to = world.draws.pick("taker", index, self.takers) if self.takers.any() else partner
        moves = world.stays[partner] & (world.draws.uniform("transfer", index) < TRANSFERRED) & ~giant
        moves &= (to != partner) & (halfway > answered) & (partner < world.partners) & ~np.isin(index, list(world.tiny))
        left = world.left[partner]
        leaving = (left >= 0) & (world.successor[partner] >= 0)
        handover = calendar.to_workday(left + 1)
        orphaned = leaving & ((decided > left) | ~decides)
        owner_decided = np.where(moves, to, np.where(orphaned, world.successor[partner], partner))
        owner_answered = np.where(leaving & (answered > left), world.successor[partner], partner)
        moved = np.where(moves, halfway, np.where(orphaned, handover, NEVER))
        return owner_answered, owner_decided, moved

    def _amounts(self, index: Ints, partner: Ints, product: Ints, month: Ints, giant: Bools) -> tuple[Floats, Ints]:
        """Expected amount in EUR and the one drawn, in cents; for the giant both are the same."""
        world = self.world
        latest = np.where(month >= world.calendar.months - 9, world.late_size[partner], 1.0)
        expected = np.where(
            giant, GIANT_TIMES_MEAN * world.mean_size, PRODUCT_PRICE[product] * world.size[partner] * latest
        )
        euro = expected * world.draws.lognormal("size", index, SIZE_SIGMA, mean_one=True)
        euro = np.where(giant, expected, euro)
        return expected, np.rint(euro * 100).astype(np.int64)


@dataclass(frozen=True)
class Leads:
    """One element per lead that became no deal. `number` is its place in the numbering all leads share."""

    number: Ints
    created: Ints
    partner: Ints
    region: Ints
    product: Ints
    channel: Ints
    status: Ints  # as it will end
    closed: Ints  # the day it will end, if it does
    decides: Floats  # probability of lost or abandoned, the outcomes a close rate counts


def number_of_deals_lead(index: Ints) -> Ints:
    """Leads that became deals have the odd numbers."""
    return 2 * index + 1


def first_heard(life: Life, lives: Lives) -> Ints:
    """The day on which a deal's lead came in: up to three weeks before the deal."""
    return np.maximum(lives.created - life.world.draws.whole("heard", lives.index, 21), 0)


def leads_beside(life: Life, lives: Lives) -> Leads:
    """The leads without a deal that come in while these deals do."""
    world, draws, calendar = life.world, life.world.draws, life.world.calendar
    here: Bools = draws.uniform("lead", lives.index) < LEAD_BESIDE_DEAL
    index = lives.index[here]
    created = np.minimum(
        calendar.to_workday(lives.created[here] + draws.whole("lead day", index, 5)), calendar.days - 1
    )
    partner = draws.pick_by_row("lead partner", index, calendar.month_of(created), life.activity)
    stay = world.lead_open[partner]
    gone = (1 - stay) / (1 - LEAD_OUTCOMES["open"])
    lost, refused, abandoned = (LEAD_OUTCOMES[word] * gone for word in ("lost", "rejected", "abandoned"))
    u = draws.uniform("lead outcome", index)
    status = np.where(
        u < lost,
        LOST,
        np.where(u < lost + refused, REJECTED, np.where(u < lost + refused + abandoned, ABANDONED, OPEN)),
    )
    wait = np.ceil(25 * draws.lognormal("lead pace", index, 0.7, mean_one=False)).astype(np.int64)
    return Leads(
        2 * index + 2, created, partner, draws.pick_by_row("lead region", index, partner, life.regions),
        draws.pick("lead product", index, PRODUCT_SHARE), life.channel("lead", index, partner), status,
        calendar.to_workday(created + wait + 1), lost + abandoned,
    )  # fmt: skip
