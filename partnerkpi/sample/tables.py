"""The book's tables as lines of text: those that grow with the number of deals, and those that do not.

Deals, history, leads and touches are made a chunk of deals at a time, which keeps memory bounded; their numbers become
text by looking them up in ready-made lists. Partners, channels, spend, targets, rates and book.toml are made at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from partnerkpi.sample.history import HOURS, History
from partnerkpi.sample.lives import (
    ABANDONED,
    LOST,
    OPEN,
    REJECTED,
    STATUSES,
    WON,
    Leads,
    Life,
    Lives,
    number_of_deals_lead,
)
from partnerkpi.sample.lives import CONFLICT as REFUSED_AS_CONFLICT
from partnerkpi.sample.time_and_chance import Floats, Ints
from partnerkpi.sample.truth import MILLION, Expected
from partnerkpi.sample.world import (
    CHANNEL_NAMES,
    CHANNELS,
    COMPETITORS,
    MANAGERS,
    PRODUCTS,
    RATES,
    REGIONS,
    SPECIAL,
    STAGES,
    TIERS,
    TYPES,
    UNITS,
    World,
    customer_numbers,
    customers,
    partner_name,
    person_name,
)

HEADERS = {
    "deals.csv": "deal_id,partner_id,name,customer,stage,status,created_on,closed_on,expected_close_on,amount,currency,"
    "sourced,registered_on,accepted_on,reason,competitor,channel,lead_id,rep,unit,region,product",
    "history.csv": "deal_id,changed_at,stage,status,amount,expected_close_on,partner_id,recorded_at",
    "leads.csv": "lead_id,created_on,partner_id,status,closed_on,channel,region,product",
    "touches.csv": "deal_id,lead_id,channel,touched_at",
}
_LOST = ("price", "competitor", "timing", "missing feature")
_ABANDONED = ("no decision", "no budget")
_REFUSED = ("no fit", "out of territory", "duplicate")
_MINUTES = 6
_REPS = 3
_Texts = npt.NDArray[Any]


def _texts(words: Iterable[str]) -> _Texts:
    """A list of texts that can be looked up by position; position −1 is the empty text."""
    return np.array([*words, ""], dtype=object)


def _lines(columns: Sequence[Sequence[str]]) -> str:
    return "".join(line + "\n" for line in map(",".join, zip(*columns, strict=True)))


class Tables:
    """Turns chunks of lives into lines of the four large tables."""

    def __init__(self, life: Life) -> None:
        world = life.world
        self._life, self._world = life, world
        dates = world.calendar.iso(extra=2000)
        self._date = np.array(dates, dtype=object)
        clock = [
            f"{date}T{hour[:3]}{int(hour[3:]) + 4 * minute:02d}:00"
            for date in dates[: world.calendar.days] for hour in HOURS for minute in range(_MINUTES)
        ]  # fmt: skip
        self._clock = _texts(clock)
        self._partner = _texts(world.partner_id(number) for number in range(world.partners))
        self._partner_or_none = np.append(self._partner[:-1], ["", ""])  # nobody, then −1
        self._currency = np.array(world.currency, dtype=object)
        self._stage, self._status, self._region = _texts(STAGES), _texts(STATUSES), _texts(REGIONS)
        self._product, self._unit, self._channel = _texts(PRODUCTS), _texts(UNITS), _texts(CHANNEL_NAMES)
        self._customer = _texts(customers())
        self._competitor, self._reason = _texts(COMPETITORS), _texts((*_LOST, *_ABANDONED, *_REFUSED, "conflict"))
        self._rep = _texts(person_name(number) for number in range(_REPS * (world.partners + 1)))
        self._digits = max(6, len(str(world.deals)))
        self._lead_digits = max(6, len(str(2 * world.deals + 2)))

    def _ids(self, letter: str, numbers: Ints, digits: int) -> list[str]:
        pattern = f"{letter}-%0{digits}d"
        return [pattern % number for number in numbers.tolist()]

    def deal_ids(self, index: Ints) -> list[str]:
        """`D-000001` for deal 0."""
        return self._ids("D", index + 1, self._digits)

    def of(self, lives: Lives, history: History) -> tuple[dict[str, str], Leads]:
        """The lines of this chunk for each table, and its leads without a deal."""
        ids = self.deal_ids(lives.index)
        leads = self._life.leads_beside(lives)
        now = np.flatnonzero(np.diff(history.deal, append=-1))  # the last change of each deal
        lines = {
            "deals.csv": self._deals(lives, history, now, ids),
            "history.csv": self._history(lives, history, ids),
            "leads.csv": self._leads(lives, history, now, leads),
            "touches.csv": self._touches(lives, ids),
        }
        return lines, leads

    def _history(self, lives: Lives, history: History, ids: list[str]) -> str:
        minute = self._world.draws.whole("minute", lives.index, _MINUTES)[history.deal]
        hour = history.hour * _MINUTES + minute
        per_day = len(HOURS) * _MINUTES
        recorded = np.where(history.recorded < 0, -1, history.recorded * per_day + hour)
        columns: list[list[str]] = [
            np.array(ids, dtype=object)[history.deal].tolist(), self._clock[history.day * per_day + hour].tolist(),
            self._stage[history.stage].tolist(), self._status[history.status].tolist(), _money(history.cents),
            self._date[history.expected].tolist(), self._partner_or_none[history.partner].tolist(),
            self._clock[recorded].tolist(),
        ]  # fmt: skip
        if lives.test.any():  # what is out of scope has no history
            real = (~lives.test[history.deal]).tolist()
            columns = [list(compress(column, real)) for column in columns]
        return _lines(columns)

    def _deals(self, lives: Lives, history: History, now: Ints, ids: list[str]) -> str:
        draws, test, index = self._world.draws, lives.test, lives.index
        status, owner = history.status[now], history.partner[now]
        customer = self._customer[customer_numbers(draws, index)]
        product = self._product[lives.product]
        names = [f"{machine} for {buyer}" for machine, buyer in zip(product, customer, strict=True)]
        status_text = np.where(test, "Test", self._status[status])
        for place in np.flatnonzero(test).tolist():
            names[place], customer[place] = "Test entry", "Test entry"
        unit = (np.isin(lives.product, [0, 3]) ^ (draws.uniform("unit", index) < 0.15)).astype(np.int64)
        reason, rival = self._why(lives, history, now, status)
        registered = np.where(lives.sourced & ~test, lives.created, -1)
        accepted = np.where(lives.sourced & (lives.registration == 0) & ~test, lives.answered, -1)
        accepted = np.where(accepted < self._world.calendar.days, accepted, -1)
        own_channel = np.where(lives.from_lead & (draws.uniform("channel on deal", index) < 0.5), -1, lives.channel)
        leads = self._ids("L", number_of_deals_lead(index), self._lead_digits)
        rep = _REPS * owner + draws.whole("rep", index, _REPS)
        return _lines([
            ids, self._partner_or_none[owner].tolist(), names, customer.tolist(),
            self._stage[history.stage[now]].tolist(), status_text.tolist(),
            self._date[lives.created].tolist(), self._date[np.where(status == OPEN, -1, history.day[now])].tolist(),
            self._date[history.expected[now]].tolist(),
            _money(np.where(test, 100, history.cents[now])), self._currency[lives.partner].tolist(),
            np.where(lives.sourced, "partner", "vendor").tolist(), self._date[registered].tolist(),
            self._date[accepted].tolist(), self._reason[reason].tolist(), self._competitor[rival].tolist(),
            self._channel[own_channel].tolist(),
            [lead if came else "" for lead, came in zip(leads, lives.from_lead.tolist(), strict=True)],
            self._rep[rep].tolist(), self._unit[unit].tolist(), self._region[lives.region].tolist(), product.tolist(),
        ])  # fmt: skip

    def _why(self, lives: Lives, history: History, now: Ints, status: Ints) -> tuple[Ints, Ints]:
        """Why a deal was not won, and the rival: named when it took the deal, or when it threatens an open one."""
        draws, index = self._world.draws, lives.index
        lost = draws.pick("lost", index, np.array([0.35, 0.3, 0.2, 0.15]))
        refused = len(_LOST) + len(_ABANDONED) + draws.whole("refused", index, len(_REFUSED))
        refused = np.where(lives.registration == REFUSED_AS_CONFLICT, len(self._reason) - 2, refused)
        reason = np.full(len(index), -1, dtype=np.int64)
        reason = np.where(status == LOST, lost, reason)
        reason = np.where(status == ABANDONED, len(_LOST) + draws.whole("abandoned", index, len(_ABANDONED)), reason)
        reason = np.where(status == REJECTED, refused, reason)
        late = history.stage[now] >= STAGES.index("Proposal")
        threat = (status == OPEN) & late & (draws.uniform("threat", index) < 0.25)
        beaten = (status == WON) & (draws.uniform("beaten", index) < 0.1)
        named = threat | beaten | ((status == LOST) & (lost <= 1))
        return reason, np.where(named, draws.pick("rival", index, np.array([0.4, 0.3, 0.2, 0.1])), -1)

    def _leads(self, lives: Lives, history: History, now: Ints, leads: Leads) -> str:
        came = lives.from_lead
        place = now[came]
        number = np.concatenate([number_of_deals_lead(lives.index[came]), leads.number])
        order = np.argsort(number)
        seen = leads.closed < self._world.calendar.days
        status = np.concatenate([history.status[place], np.where(seen, leads.status, OPEN)])[order]
        closed = np.concatenate([history.day[place], leads.closed])[order]
        created = np.concatenate([self._life.first_heard(lives)[came], leads.created])[order]

        def both(name: str) -> Ints:
            return np.concatenate([getattr(lives, name)[came], getattr(leads, name)])[order]

        return _lines([
            self._ids("L", number[order], self._lead_digits), self._date[created].tolist(),
            self._partner_or_none[both("partner")].tolist(), self._status[status].tolist(),
            self._date[np.where(status == OPEN, -1, closed)].tolist(), self._channel[both("channel")].tolist(),
            self._region[both("region")].tolist(), self._product[both("product")].tolist(),
        ])  # fmt: skip

    def _touches(self, lives: Lives, ids: list[str]) -> str:
        """Half of the deals with a channel have their contacts listed; the last one is the recorded channel."""
        draws, index = self._world.draws, lives.index
        listed = (lives.channel >= 0) & ~lives.test & (draws.uniform("touched", index) < 0.5)
        begins = np.where(lives.from_lead, self._life.first_heard(lives), lives.created)
        deal, day, channel, order = [], [], [], []
        for back, chance in ((2, 0.2), (1, 0.5), (0, 1.0)):
            here = np.flatnonzero(listed & (draws.uniform(f"touch {back}", index) < chance))
            deal.append(here)
            before = back * 15 - draws.whole(f"touch day {back}", index[here], 15) if back else np.zeros_like(here)
            day.append(np.maximum(begins[here] - before, 0))
            other = draws.whole(f"touch channel {back}", index[here], len(CHANNEL_NAMES))
            channel.append(other if back else lives.channel[here])
            order.append(np.full_like(here, 2 - back))
        which = np.lexsort([np.concatenate(order), np.concatenate(deal)])
        deals, per_day = np.concatenate(deal)[which], len(HOURS) * _MINUTES
        hour = np.concatenate(order)[which] * 2 * _MINUTES + index[deals] % _MINUTES
        leads = self._ids("L", number_of_deals_lead(index[deals]), self._lead_digits)
        came = lives.from_lead[deals].tolist()
        return _lines([
            ["" if c else ids[d] for c, d in zip(came, deals.tolist(), strict=True)],
            [lead if c else "" for c, lead in zip(came, leads, strict=True)],
            self._channel[np.concatenate(channel)[which]].tolist(),
            self._clock[np.concatenate(day)[which] * per_day + hour].tolist(),
        ])  # fmt: skip


def _money(cents: Ints) -> list[str]:
    return ["%.2f" % (value / 100) for value in cents.tolist()]


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
        if partner == SPECIAL["display_without_wins"].number:
            lines += _monthly(world, partner, "display", 120.0 * scale)
        elif world.weight[partner] > 0 and (own[partner] < 0.2 or partner == SPECIAL["pounds"].number):
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
