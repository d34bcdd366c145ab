"""The tables that do not grow with the number of deals: partners, channels, spend, targets, rates, and book.toml."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partnerkpi.sample.draws import Floats
from partnerkpi.sample.expected import MILLION, Expected
from partnerkpi.sample.names import MANAGERS, partner_name
from partnerkpi.sample.world import CHANNELS, RATES, REGIONS, SPECIAL, TIERS, TYPES, World

BOOK_TOML = """\
# A simulated book: every company and person in it is invented. What is true about it stands in truth.json.
[book]
name = "Nevolina ice-cream machines (simulated)"
currency = "EUR"
time_zone = "Europe/Paris"
fiscal_year_starts = 1
extracted_on = 2025-12-31

[deals.values.status]
ignore = ["Test"]
"""


def channels() -> str:
    """Channel and media type; two channels that partners use stand in no list, as happens."""
    return "channel,media\n" + "".join(f"{name},{media}\n" for name, media in CHANNELS.items() if media)


def rates(world: World) -> str:
    """The value in EUR of one pound and one franc: on the first day, then every Monday."""
    days = np.array([0, *world.calendar.mondays()], dtype=np.int64)
    dates, lines = world.calendar.iso(), ["currency,date,rate\n"]
    for currency in ("CHF", "GBP"):
        rate = RATES[currency]
        for day, u in zip(days.tolist(), world.draws.uniform(f"rate {currency}", days).tolist(), strict=True):
            # A walk that is drawn back to its mean: never far from what the prices were made with.
            rate = round(rate + 0.05 * (RATES[currency] - rate) + 0.012 * (u - 0.5), 4)
            lines.append(f"{currency},{dates[day]},{rate:.4f}\n")
    return "".join(lines)


def tiers(world: World) -> list[str]:
    """Gold for the largest sixth by expected sales, silver for the next third, bronze for the rest."""
    sales = world.weight[:-1] * world.size[:-1]
    rank = np.argsort(np.argsort(-sales, kind="stable"), kind="stable") / max(1, world.partners)
    gold, silver, bronze = TIERS.index("gold"), TIERS.index("silver"), TIERS.index("bronze")
    return [TIERS[t] for t in np.where(rank < 1 / 6, gold, np.where(rank < 1 / 2, silver, bronze)).tolist()]


def partners(world: World) -> str:
    """One line per partner; a few do not say when they joined."""
    dates, tier = world.calendar.iso(), tiers(world)
    every = np.arange(world.partners)
    kind = world.draws.whole("type", every, len(TYPES)).tolist()
    before = world.calendar.first - (60 + world.draws.whole("joined before", every, 3000))
    unsaid = world.draws.uniform("joined unsaid", every) < 0.06
    lines = ["partner_id,name,type,tier,region,country,manager,joined_on,left_on,commission_rate\n"]
    commission = {"gold": "0.12", "silver": "0.10", "bronze": "0.08"}
    for p in every.tolist():
        joined = dates[world.joined[p]] if world.joined[p] >= 0 else "" if unsaid[p] else str(before[p])
        region = REGIONS[world.region[p]]
        lines.append(
            f"{world.partner_id(p)},{partner_name(p)},{TYPES[kind[p]]},{tier[p]},{region},{world.country[p]},"
            f"{MANAGERS[world.region[p]]},{joined},{dates[world.left[p]]},{commission[tier[p]]}\n"
        )
    return "".join(lines)


def _monthly(world: World, partner: int, channel: str, amount: float) -> Iterator[str]:
    months = world.calendar.month_starts()
    u = world.draws.uniform(f"spend {channel} {partner}", np.arange(len(months))).tolist()
    active = world.activity()[:, partner] > 0
    for number, month in enumerate(months):
        if active[number]:
            cost = f"{amount * (0.8 + 0.4 * u[number]):.2f}"
            yield f"{channel},{month},{cost},{world.partner_id(partner)},{world.currency[partner]}\n"


def spend(world: World) -> str:
    """Marketing money per month: the vendor's own, and what some partners spend with its support."""
    scale = world.deals / (world.partners * world.calendar.months)  # deals per partner and month, about 4.2
    whole = scale * world.partners
    lines = ["channel,month,amount,partner_id,currency\n"]
    for channel, per_deal in (
        ("paid_search", 70.0),
        ("display", 25.0),
        ("trade_show", 90.0),
        ("newsletter", 6.0),
        ("webinar", 12.0),
    ):
        lines += _monthly(world, world.nobody, channel, per_deal * whole)
    own = world.draws.uniform("own spend", np.arange(world.partners))
    for partner in range(world.partners):
        if partner == SPECIAL["display_without_wins"][0]:
            lines += _monthly(world, partner, "display", 120.0 * scale)
        elif world.weight[partner] > 0 and (own[partner] < 0.2 or partner == SPECIAL["pounds"][0]):
            lines += _monthly(world, partner, "paid_search", 90.0 * scale * float(world.weight[partner]))
    return "".join(lines)


def targets(world: World, expected: Expected) -> str:
    """Won amount for every partner, deals for gold ones, pipeline for three: what was expected, times an ambition."""
    labels, tier = world.calendar.labels, tiers(world)
    lines = ["quarter,partner_id,measure,amount\n"]
    active: Floats = world.activity().reshape(world.calendar.quarters, 3, -1).max(axis=1)
    for partner in range(world.partners):
        every = np.arange(len(labels)) + partner * len(labels)
        ambition = (0.8 + 0.5 * world.draws.uniform("ambition", every)).tolist()
        for number, quarter in enumerate(labels):
            tiny = world.weight[partner] == 0
            if not tiny and active[number, partner] == 0:
                continue
            who = f"{quarter},{world.partner_id(partner)}"
            euro = int(expected.quarterly["won_cents"][partner, number]) / 100 * ambition[number]
            won = max(1000 if tiny else 2000, 500 * round(euro / 500))
            lines.append(f"{who},won_amount,{won}.00\n")
            if tier[partner] == "gold":
                deals = int(expected.quarterly["won"][partner, number]) / MILLION * ambition[number]
                lines.append(f"{who},deals,{max(1, round(deals))}\n")
            if partner in (2, 6, 7):
                lines.append(f"{who},pipeline,{3 * won}.00\n")
    return "".join(lines)
