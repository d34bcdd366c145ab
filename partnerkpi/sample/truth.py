"""What is true about the sample book, and what to expect of each partner before chance has spoken.

For every deal the days on which it may be decided are known, and the probability of each outcome on them; summed over
deals they give the expected number of decisions, wins and money of a partner and quarter: the yardstick for estimates,
written beside the book. Probabilities are kept as whole millionths and money as whole cents, so the sums are exact and
do not depend on their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from partnerkpi.sample import world as parameters
from partnerkpi.sample.lives import ACCEPTED, CONFLICT, REFUSED, TEST_EVERY, TEST_FIRST, Leads, Life, Lives
from partnerkpi.sample.time_and_chance import LAST_DAY, Bools, Floats, Ints, lognormal_mean
from partnerkpi.sample.world import ABANDONED_OF_NOT_WON, CHANNEL_NAMES, PRODUCTS, REGIONS, SPECIAL, World, partner_name

MADE_BY = "partnerkpi sample"
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
_PAIR = ("better_in_every_region", "worse_in_every_region")
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
        open_again = back * (lives.reopened < days)
        for name, once, again in (
            ("decided", 1 - open_again, back), ("won", lives.first_odds, back * lives.again_odds),
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

    def _within(self, day: Ints) -> Bools:
        return np.asarray(day < self._world.calendar.days)

    def _count(self, name: str, owner: Ints, day: Ints, share: Floats) -> None:
        table, within = self.quarterly[name], self._within(day)
        place = owner[within] * table.shape[1] + self._world.calendar.month_of(day[within]) // 3
        table += _tally(place, share[within], table.size).reshape(table.shape)

    def _by_region(self, name: str, owner: Ints, day: Ints, region: Ints, share: Floats) -> None:
        table, within = self.regional[name], self._within(day)
        place = owner[within] * table.shape[1] + region[within]
        table += _tally(place, share[within], table.size).reshape(table.shape)

    def _after(self, owner: Ints, wait: Ints, share: Floats) -> None:
        place = owner * (LONGEST + 1) + np.minimum(wait, LONGEST)
        self.won_after += _tally(place, share, self.won_after.size).reshape(self.won_after.shape)


def _tally(place: Ints, share: Floats, size: int) -> _Sums:
    """Sums of whole millionths: exact in double precision far beyond any number of deals made here."""
    return np.bincount(place, weights=np.rint(share * MILLION), minlength=size).astype(np.int64)


def _by_name(names: tuple[str, ...], values: Floats) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(names, values, strict=True)}


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def entry_rates(life: Life) -> Floats:
    """Expected number of deals of each partner (rows; last: nobody) in each quarter."""
    calendar = life.world.calendar
    per_day = np.diff(life.entry, prepend=0.0) * life.world.deals
    created = np.minimum(calendar.to_workday(np.arange(calendar.days)), calendar.days - 1)
    per_month = np.bincount(calendar.month_of(created), weights=per_day, minlength=calendar.months)
    shares = life.world.activity()
    shares = shares / shares.sum(axis=1, keepdims=True)
    monthly = shares * per_month[:, None]
    return np.asarray(monthly.reshape(calendar.quarters, 3, -1).sum(axis=1).T, dtype=np.float64)


def _expectations(expected: Expected, rows: list[int]) -> dict[str, Any]:
    """Shares and sums that these partners can be expected to show, whole book and by quarter."""
    quarterly = {name: expected.quarterly[name][rows].sum(axis=0) for name in COUNTS}
    total = {name: int(values.sum()) for name, values in quarterly.items()}
    after = np.cumsum(expected.won_after[rows].sum(axis=0)) / MILLION
    entered = int(expected.entered[rows].sum())
    decided, brought = total["decided"], total["brought_decided"]
    refused = total["brought_refused"]
    half = int(np.searchsorted(after, after[-1] / 2)) if after[-1] > 0 else None
    return {
        "win_share": _share(total["won"], decided),
        "win_share_with_leads": _share(total["won"], decided + total["leads_decided"]),
        "mean_won_deal": _share(total["won_cents"] / 100, total["won"] / MILLION),
        "identification": _share(brought, brought + refused),
        "conversion": _share(total["brought_won"], brought),
        "deal_success": _share(total["brought_won"], brought + refused),
        "entered": entered,
        "ever_won": _share(float(after[-1]), entered),
        "median_days_to_win": half if half is None or half < LONGEST else None,
        "won_within_days": {str(days): _share(float(after[days]), entered) for days in (30, 90, 180, 365)},
        "by_quarter": {
            name.replace("won_cents", "won_amount"): [
                round(value / (100 if name == "won_cents" else MILLION), 3) for value in values.tolist()
            ]
            for name, values in quarterly.items()
        },
    }


def _partner(world: World, number: int) -> dict[str, Any]:
    """The true parameters of one partner."""
    special, remark = next(((name, s.remark) for name, s in SPECIAL.items() if s.number == number), ("", ""))
    if number == world.nobody:
        special, remark = "", "deals without a partner"
    return {
        "name": partner_name(number) if number < world.partners else "",
        "special": special,
        "remark": remark,
        "entry_weight": round(float(world.weight[number]), 6),
        "win_odds": round(float(world.odds[number]), 6),
        "win_odds_factor_last_12_months": round(float(world.late_odds[number]), 6),
        "deal_size_factor": round(float(world.size[number]), 6),
        "deal_size_factor_last_9_months": round(float(world.late_size[number]), 6),
        "median_days_to_decision": round(float(world.pace[number]), 6),
        "slip_probability": round(float(world.slip[number]), 6),
        "season_strength": float(world.season[number]),
        "sourced_by_partner": round(float(world.sourced[number]), 6),
        "refused": round(float(world.refused[number]), 6),
        "refused_last_12_months": round(float(world.late_refused[number]), 6),
        "conflict": round(float(world.conflict[number]), 6),
        "leads_never_answered": round(float(world.lead_open[number]), 6),
        "region_share": _by_name(REGIONS, world.region_share[number]),
        "channel_share": _by_name(CHANNEL_NAMES, world.channel_share[number] / world.channel_share[number].sum()),
    }


def _simpson(world: World, expected: Expected) -> dict[str, Any] | None:
    """The pair of partners of which one is better in every region and worse in total."""
    if world.partners < 2:
        return None
    pair: dict[str, Any] = {}
    for name in _PAIR:
        number = SPECIAL[name].number
        won, decided = (expected.regional[key][number] for key in ("won", "decided"))
        pair[name.replace("_in_every_region", "")] = {
            "partner_id": world.partner_id(number),
            "win_share": _share(int(won.sum()), int(decided.sum())),
            "by_region": {
                region: _share(int(won[place]), int(decided[place]))
                for place, region in enumerate(REGIONS) if decided[place]
            },
        }  # fmt: skip
    return pair


def truth_of(life: Life, expected: Expected, asked: Mapping[str, int | str]) -> dict[str, Any]:
    """Everything, ready for JSON. Keys are explained in data/README.md."""
    world = life.world
    rates = entry_rates(life)
    ids = [*(world.partner_id(number) for number in range(world.partners)), "unassigned"]
    giant = world.giant
    return {
        "made_by": MADE_BY,
        "asked": dict(asked),
        "first_day": world.calendar.iso()[0],
        "last_day": str(LAST_DAY),
        "quarters": world.calendar.labels,
        "deals": world.deals,
        "test_entries": len(range(TEST_FIRST, world.deals, TEST_EVERY)) - (giant % TEST_EVERY == TEST_FIRST),
        "world": {
            "season_odds_by_month": parameters.SEASON_ODDS.tolist(),
            "entries_by_month": parameters.ENTRY_BY_MONTH.tolist(),
            "entries_growth_per_year": parameters.ENTRY_GROWTH_PER_YEAR,
            "region_odds": _by_name(REGIONS, parameters.REGION_ODDS),
            "product_odds": _by_name(PRODUCTS, parameters.PRODUCT_ODDS),
            "product_mean_eur": _by_name(PRODUCTS, parameters.PRODUCT_PRICE),
            "product_share": _by_name(PRODUCTS, parameters.PRODUCT_SHARE),
            "product_pace": _by_name(PRODUCTS, parameters.PRODUCT_PACE),
            "channel_odds": _by_name(CHANNEL_NAMES, parameters.CHANNEL_ODDS),
            "rep_odds": 1.0,
            "quick_odds": parameters.QUICK_ODDS,
            "slow_odds": parameters.SLOW_ODDS,
            "size_sigma_within_product": parameters.SIZE_SIGMA,
            "size_mean_over_median": lognormal_mean(parameters.SIZE_SIGMA),
            "mean_deal_eur": world.mean_size,
            "pace_sigma": parameters.PACE_SIGMA,
            "abandoned_of_not_won": parameters.ABANDONED_OF_NOT_WON,
            "never_decided": parameters.NEVER_DECIDED,
            "reopened_of_lost": parameters.REOPENED_OF_LOST,
            "transferred": parameters.TRANSFERRED,
            "vendor_deals_refused": parameters.VENDOR_REFUSED,
            "no_channel": parameters.NO_CHANNEL,
            "lead_beside_deal": parameters.LEAD_BESIDE_DEAL,
            "lead_outcomes": parameters.LEAD_OUTCOMES,
        },
        "simpson": _simpson(world, expected),
        "giant": None if giant < 0 else {
            "deal_id": world.deal_ids(np.array([giant]))[0],
            "partner_id": world.partner_id(SPECIAL["giant"].number),
            "amount_eur": round(parameters.GIANT_TIMES_MEAN * world.mean_size, 2),
        },
        "partners": {
            name: _partner(world, number) | {
                "entry_rate_by_quarter": [round(value, 3) for value in rates[number].tolist()],
                "expected": _expectations(expected, [number]),
            }
            for number, name in enumerate(ids)
        },
        "all": {"expected": _expectations(expected, list(range(world.partners + 1)))},
    }  # fmt: skip
