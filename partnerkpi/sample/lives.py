"""The lives of deals, many at a time: entry, registration, stages, slips, transfers, outcome, reopening; and of leads.

Every life is decided to its end, even when that end lies after the last day of the book; the book shows what had
happened by then, the truth (`Expected`) knows the rest. One in four deals began as a lead (half of the vendor's), and
other leads never became a deal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partnerkpi.sample.time_and_chance import Bools, Floats, Ints, Record, ladder
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
ACCEPTED, REFUSED, CONFLICT = range(3)  # answers to a registration
TEST_EVERY, TEST_FIRST = 601, 300
NEVER = -1


@dataclass(frozen=True, eq=False)
class Entries(Record):
    """Deals as they are entered, one element per deal in the order of their creation. Days are numbers."""

    index: Ints
    created: Ints
    partner: Ints
    region: Ints
    product: Ints
    channel: Ints  # −1: none recorded
    sourced: Bools
    from_lead: Bools
    test: Bools
    giant: Bools
    late: Bools  # entered in the last twelve months


@dataclass(frozen=True, eq=False)
class Lives(Entries):
    """Those deals and what becomes of them. Days after the last day of the book are the future."""

    registration_odds: Floats  # three columns: probability of accepted, refused, conflict
    registration: Ints
    answered: Ints  # the day the registration, or the vendor's own qualification, was answered
    decides: Bools  # False: stays open for ever
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
    expected_euro: Floats
    cents: Ints  # the amount drawn, in the currency of the partner
    planned: Ints

    @property
    def length(self) -> Ints:
        """Days from creation to the first decision."""
        return self.decided - self.created


@dataclass(frozen=True, eq=False)
class Leads(Record):
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


@dataclass(frozen=True, eq=False)
class Life(Record):
    """How to live: prepared once, called for as many deals at a time as memory allows."""

    world: World
    entry: Floats  # share of all deals that have entered by the end of each day
    activity: Floats  # ladders: of partners by month, of regions and of channels by partner
    regions: Floats
    channels: Floats
    takers: Floats  # weight of each partner that may take over a deal
    rates: Floats  # EUR for one unit of each partner's currency

    @classmethod
    def of(cls, world: World) -> Life:
        """Prepare what every chunk uses."""
        calendar = world.calendar
        days = np.arange(calendar.days)
        intensity = ENTRY_BY_MONTH[calendar.month_of_year(days)] * (1 + ENTRY_GROWTH_PER_YEAR * days / 365.25)
        entered = np.cumsum(intensity)
        return cls(
            world=world,
            entry=entered / entered[-1],
            activity=ladder(world.activity()),
            regions=ladder(world.region_share),
            channels=ladder(world.channel_share),
            takers=np.where(world.stays, world.weight, 0.0)[:-1],
            rates=np.array([RATES[currency] for currency in world.currency]),
        )

    def live(self, start: int, stop: int) -> Lives:
        """The deals with numbers start … stop − 1."""
        world, draws, to_workday = self.world, self.world.draws, self.world.calendar.to_workday
        entries = self._entries(np.arange(start, stop, dtype=np.int64))
        index, created, partner, sourced = entries.index, entries.created, entries.partner, entries.sourced
        registration_odds = self._registration_odds(entries)
        registration = self._registration(index, registration_odds)
        wait = np.where(sourced, 1 + draws.whole("answer", index, 9), 2 + draws.whole("answer", index, 20))
        answered = to_workday(created + wait)

        usual = world.pace[partner] * PRODUCT_PACE[entries.product]
        stretch = draws.lognormal("pace", index, PACE_SIGMA, mean_one=False)
        decides = (draws.uniform("decides", index) >= NEVER_DECIDED) | entries.giant
        decided = to_workday(np.maximum(created + np.ceil(usual * stretch).astype(np.int64), answered + 1))
        decided[entries.giant] = to_workday(np.full(1, world.calendar.days - 44))[0]

        odds = self._odds(entries)
        first_odds = self._chance(odds * np.where(stretch < 1, QUICK_ODDS, SLOW_ODDS), partner, decided)
        first_odds[entries.giant] = 1.0
        first = self._outcome("first", index, first_odds)
        reopens = np.where(world.left[partner] < 0, REOPENED_OF_LOST, 0.0)
        reopened = to_workday(decided + 15 + draws.whole("gap", index, 75))
        more = np.ceil(usual * (0.2 + 0.6 * draws.uniform("more", index))).astype(np.int64)
        decided_again = to_workday(reopened + np.maximum(more, 5))
        again_odds = self._chance(odds, partner, decided_again)

        owner_answered, owner_decided, moved = self._owners(entries, answered, decided, decides)
        expected_euro, euro_cents = self._amounts(entries)
        promise = usual * world.promise[partner] * (0.7 + 0.6 * draws.uniform("plan", index))
        return Lives(
            **vars(entries),
            registration_odds=registration_odds,
            registration=registration,
            answered=answered,
            decides=decides,
            decided=decided,
            first_odds=first_odds,
            first=first,
            reopens=reopens,
            comes_back=(first == LOST) & (draws.uniform("reopens", index) < reopens),
            reopened=reopened,
            decided_again=decided_again,
            again_odds=again_odds,
            again=self._outcome("again", index, again_odds),
            owner_answered=owner_answered,
            owner_decided=owner_decided,
            moved=moved,
            expected_euro=expected_euro,
            cents=np.rint(euro_cents / self.rates[partner]).astype(np.int64),
            planned=created + np.maximum(np.ceil(promise).astype(np.int64), 12),
        )

    def first_heard(self, deals: Entries) -> Ints:
        """The day on which a deal's lead came in: up to three weeks before the deal."""
        return np.maximum(deals.created - self.world.draws.whole("heard", deals.index, 21), 0)

    def leads_beside(self, deals: Entries) -> Leads:
        """The leads without a deal that come in while these deals do."""
        world, draws, calendar = self.world, self.world.draws, self.world.calendar
        beside: Bools = draws.uniform("lead", deals.index) < LEAD_BESIDE_DEAL
        index = deals.index[beside]
        day = calendar.to_workday(deals.created[beside] + draws.whole("lead day", index, 5))
        created = np.minimum(day, calendar.days - 1)
        partner = draws.pick_by_row("lead partner", index, calendar.month_of(created), self.activity)
        gone = (1 - world.lead_open[partner]) / (1 - LEAD_OUTCOMES["open"])
        lost, refused, abandoned = (LEAD_OUTCOMES[word] * gone for word in ("lost", "rejected", "abandoned"))
        u = draws.uniform("lead outcome", index)
        below = (u < lost, u < lost + refused, u < lost + refused + abandoned)
        wait = np.ceil(25 * draws.lognormal("lead pace", index, 0.7, mean_one=False)).astype(np.int64)
        return Leads(
            number=2 * index + 2,
            created=created,
            partner=partner,
            region=draws.pick_by_row("lead region", index, partner, self.regions),
            product=draws.pick("lead product", index, PRODUCT_SHARE),
            channel=self._channel("lead", index, partner),
            status=np.select(below, (LOST, REJECTED, ABANDONED), OPEN),
            closed=calendar.to_workday(created + wait + 1),
            decides=lost + abandoned,
        )

    def _entries(self, index: Ints) -> Entries:
        world, draws, calendar = self.world, self.world.draws, self.world.calendar
        # Entries are spread over the days by season and growth; deals are numbered in the order of their creation.
        place = (index + draws.uniform("created", index)) / world.deals
        day = np.searchsorted(self.entry, place, side="right").astype(np.int64)
        created = np.minimum(calendar.to_workday(day), calendar.days - 1)
        month = calendar.month_of(created)
        giant = index == world.giant
        test = (index % TEST_EVERY == TEST_FIRST) & ~giant
        partner = draws.pick_by_row("partner", index, month, self.activity)
        for deal, number in world.assigned.items():
            partner[index == deal] = number
        partner[giant] = SPECIAL["giant"].number
        sourced = draws.uniform("sourced", index) < world.sourced[partner]
        may_be_lead = ~test & ~np.isin(index, list(world.assigned))
        return Entries(
            index=index,
            created=created,
            partner=partner,
            region=draws.pick_by_row("region", index, partner, self.regions),
            product=draws.pick("product", index, PRODUCT_SHARE),
            channel=self._channel("deal", index, partner),
            sourced=sourced,
            from_lead=(draws.uniform("from lead", index) < np.where(sourced, 0.25, 0.5)) & may_be_lead,
            test=test,
            giant=giant,
            late=month >= calendar.months - 12,
        )

    def _channel(self, who: str, index: Ints, partner: Ints) -> Ints:
        """The channel through which each one came; −1 when nobody recorded it."""
        channel = self.world.draws.pick_by_row(f"{who} channel", index, partner, self.channels)
        channel[self.world.draws.uniform(f"{who} no channel", index) < NO_CHANNEL] = -1
        return channel

    def _registration_odds(self, entries: Entries) -> Floats:
        """Probability of each answer; the vendor is refused nothing as a conflict, and the giant nothing at all."""
        world, partner = self.world, entries.partner
        refused = np.where(entries.late, world.late_refused[partner], world.refused[partner])
        odds = np.empty((len(partner), 3))
        odds[:, REFUSED] = np.where(entries.sourced, refused, VENDOR_REFUSED)
        odds[:, CONFLICT] = np.where(entries.sourced, world.conflict[partner], 0.0)
        odds[entries.giant, REFUSED] = odds[entries.giant, CONFLICT] = 0.0
        odds[:, ACCEPTED] = 1 - odds[:, REFUSED] - odds[:, CONFLICT]
        return odds

    def _registration(self, index: Ints, odds: Floats) -> Ints:
        u = self.world.draws.uniform("registration", index)
        below = (u < odds[:, REFUSED], u < odds[:, REFUSED] + odds[:, CONFLICT])
        return np.select(below, (REFUSED, CONFLICT), ACCEPTED)

    def _odds(self, entries: Entries) -> Floats:
        """Odds of a win, apart from the pace and the season."""
        world, partner, channel = self.world, entries.partner, entries.channel
        odds = world.odds[partner] * REGION_ODDS[entries.region] * PRODUCT_ODDS[entries.product]
        odds = odds * np.where(channel < 0, 1.0, CHANNEL_ODDS[channel])
        odds = odds * np.where(entries.late, world.late_odds[partner], 1.0)
        without_wins = partner == SPECIAL["display_without_wins"].number
        barren = without_wins & (channel == CHANNEL_NAMES.index("display")) & (partner < world.partners)
        return np.where(barren, 0.0, odds)

    def _chance(self, odds: Floats, partner: Ints, day: Ints) -> Floats:
        """Probability of a win on a day: odds times the odds of its month, for partners that feel the season."""
        season = SEASON_ODDS[self.world.calendar.month_of_year(day)]
        odds = odds * (1 + (season - 1) * self.world.season[partner])
        return np.asarray(odds / (1 + odds), dtype=np.float64)

    def _outcome(self, stream: str, index: Ints, chance: Floats) -> Ints:
        gone = self.world.draws.uniform(f"{stream} abandoned", index) < ABANDONED_OF_NOT_WON
        return np.where(self.world.draws.uniform(stream, index) < chance, WON, np.where(gone, ABANDONED, LOST))

    def _owners(self, entries: Entries, answered: Ints, decided: Ints, decides: Bools) -> tuple[Ints, Ints, Ints]:
        """Some deals change hands on their way, and those of a partner that leaves go to its successor."""
        world, calendar, index, partner = self.world, self.world.calendar, entries.index, entries.partner
        halfway = calendar.to_workday(entries.created + (decided - entries.created) // 2)
        taker = world.draws.pick("taker", index, self.takers) if self.takers.any() else partner
        moves = world.stays[partner] & (world.draws.uniform("transfer", index) < TRANSFERRED) & ~entries.giant
        moves &= (taker != partner) & (halfway > answered) & (partner < world.partners)
        moves &= ~np.isin(index, list(world.assigned))
        left = world.left[partner]
        leaving = (left >= 0) & (world.successor[partner] >= 0)
        handover = calendar.to_workday(left + 1)
        orphaned = leaving & ((decided > left) | ~decides)
        owner_decided = np.where(moves, taker, np.where(orphaned, world.successor[partner], partner))
        owner_answered = np.where(leaving & (answered > left), world.successor[partner], partner)
        moved = np.where(moves, halfway, np.where(orphaned, handover, NEVER))
        return owner_answered, owner_decided, moved

    def _amounts(self, entries: Entries) -> tuple[Floats, Ints]:
        """Expected amount in EUR and the one drawn, in euro cents; for the giant both are the same."""
        world, partner = self.world, entries.partner
        month = world.calendar.month_of(entries.created)
        latest = np.where(month >= world.calendar.months - 9, world.late_size[partner], 1.0)
        usual = PRODUCT_PRICE[entries.product] * world.size[partner] * latest
        expected = np.where(entries.giant, GIANT_TIMES_MEAN * world.mean_size, usual)
        euro = expected * world.draws.lognormal("size", entries.index, SIZE_SIGMA, mean_one=True)
        return expected, np.rint(np.where(entries.giant, expected, euro) * 100).astype(np.int64)
