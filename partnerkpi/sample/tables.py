"""The book's tables as lines of text: those that grow with the number of deals, and those that do not.

Deals, history, leads and touches are made a chunk of deals at a time, which keeps memory bounded; their numbers become
text by looking them up in ready-made lists. Partners, channels, spend, targets, rates and book.toml are made at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from partnerkpi.sample.history import HOURS, History
from partnerkpi.sample.lives import (
    ABANDONED,
    ACCEPTED,
    CONFLICT,
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
from partnerkpi.sample.time_and_chance import Bools, Floats, Ints
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

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "deals.csv": (
        "deal_id", "partner_id", "name", "customer", "stage", "status", "created_on", "closed_on", "expected_close_on",
        "amount", "currency", "sourced", "registered_on", "accepted_on", "reason", "competitor", "channel", "lead_id",
        "rep", "unit", "region", "product",
    ),
    "history.csv": (
        "deal_id", "changed_at", "stage", "status", "amount", "expected_close_on", "partner_id", "recorded_at",
    ),
    "leads.csv": ("lead_id", "created_on", "partner_id", "status", "closed_on", "channel", "region", "product"),
    "touches.csv": ("deal_id", "lead_id", "channel", "touched_at"),
}  # fmt: skip
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
_LOST = ("price", "competitor", "timing", "missing feature")
_ABANDONED = ("no decision", "no budget")
_REFUSED = ("no fit", "out of territory", "duplicate")
_REASONS = (*_LOST, *_ABANDONED, *_REFUSED, "conflict")
_TEST = len(STATUSES)  # the status of the vendor's test entries
_MINUTES = 6
_REPS = 3
#: The quarters after the book's last, for which targets are set already.
_AHEAD = ("2026Q1", "2026Q2")
_PIPELINE_TARGETS = ("display_without_wins", "fast", "slow")
#: What was decided at the review of the last quarter but one: for whom, what, by when, and what came of it.
_DECIDED = (
    ("display_without_wins", "Stop display advertising unless it can name a deal won through it", "2025-10-31",
     "Not done: the agency's contract ran to the end of the year"),
    ("spots_badly", "Agree on what a fitting deal is, and train its sellers before they register more", "2025-11-15",
     "Training held on 12 November, four of six sellers came"),
    ("slow", "Go through the deals whose expected close has passed, and set new days", "2025-10-15", ""),
    ("successor", "Call the customers of the deals it took over", "2025-10-31", "Half of them called"),
    ("joiner", "Product training for its first seller", "2025-11-30", "Done"),
    ("leads_left_lying", "Name somebody who answers leads within five working days", "2025-10-31", ""),
)  # fmt: skip


class _Words:
    """Texts looked up by position, many at a time; position −1 is the empty text."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = np.array([*words, ""], dtype=object)

    def __call__(self, positions: Ints) -> list[str]:
        texts: list[str] = self._words[positions].tolist()
        return texts


def _lines(table: str, columns: Mapping[str, Sequence[str]]) -> str:
    """The lines of these columns, in the order of the table's header."""
    rows = zip(*(columns[name] for name in COLUMNS[table]), strict=True)
    return "".join(line + "\n" for line in map(",".join, rows))


def _money(cents: Ints) -> list[str]:
    return ["%.2f" % (value / 100) for value in cents.tolist()]


def _where(condition: Bools, texts: Sequence[str]) -> list[str]:
    """Each text where the condition holds, else an empty one."""
    return [text if holds else "" for text, holds in zip(texts, condition.tolist(), strict=True)]


class LargeTables:
    """Turns chunks of lives into lines of the four tables that grow with the number of deals."""

    def __init__(self, life: Life) -> None:
        world = life.world
        self._life, self._world = life, world
        dates = world.calendar.iso(extra=2000)
        self._date = _Words(dates[:-1])
        self._clock = _Words(
            f"{date}T{hour[:3]}{int(hour[3:]) + 4 * minute:02d}:00"
            for date in dates[: world.calendar.days] for hour in HOURS for minute in range(_MINUTES)
        )  # fmt: skip
        self._partner = _Words(world.partner_id(number) for number in range(world.partners + 1))
        self._currency = _Words(world.currency)
        self._stage, self._status, self._region = _Words(STAGES), _Words((*STATUSES, "Test")), _Words(REGIONS)
        self._product, self._unit, self._channel = _Words(PRODUCTS), _Words(UNITS), _Words(CHANNEL_NAMES)
        self._customer, self._competitor, self._reason = _Words(customers()), _Words(COMPETITORS), _Words(_REASONS)
        self._rep = _Words(person_name(number) for number in range(_REPS * (world.partners + 1)))
        self._lead_id = f"L-%0{max(6, len(str(2 * world.deals + 2)))}d"

    def lines(self, lives: Lives, history: History, leads: Leads) -> dict[str, str]:
        """The lines of this chunk for each table."""
        ids = self._world.deal_ids(lives.index)
        now = np.flatnonzero(np.diff(history.deal, append=-1))  # the last change of each deal
        return {
            "deals.csv": self._deals(lives, history, now, ids),
            "history.csv": self._history(lives, history, ids),
            "leads.csv": self._leads(lives, history, now, leads),
            "touches.csv": self._touches(lives, ids),
        }

    def _lead_ids(self, numbers: Ints) -> list[str]:
        return [self._lead_id % number for number in numbers.tolist()]

    def _time(self, day: Ints, slot: Ints) -> list[str]:
        """Date and time of day; `slot` counts the minutes of every hour at which something may happen."""
        return self._clock(np.where(day < 0, -1, day * (len(HOURS) * _MINUTES) + slot))

    def _history(self, lives: Lives, history: History, ids: list[str]) -> str:
        real = ~lives.test[history.deal]  # what is out of scope has no history
        deal = history.deal[real]
        minute = self._world.draws.whole("minute", lives.index, _MINUTES)[deal]
        slot = history.hour[real] * _MINUTES + minute
        return _lines("history.csv", {
            "deal_id": np.array(ids, dtype=object)[deal].tolist(),
            "changed_at": self._time(history.day[real], slot),
            "stage": self._stage(history.stage[real]),
            "status": self._status(history.status[real]),
            "amount": _money(history.cents[real]),
            "expected_close_on": self._date(history.expected[real]),
            "partner_id": self._partner(history.partner[real]),
            "recorded_at": self._time(history.recorded[real], slot),
        })  # fmt: skip

    def _deals(self, lives: Lives, history: History, now: Ints, ids: list[str]) -> str:
        draws, test, index = self._world.draws, lives.test, lives.index
        status, owner = history.status[now], history.partner[now]
        products, buyers = self._product(lives.product), self._customer(customer_numbers(draws, index))
        names = [f"{product} for {buyer}" for product, buyer in zip(products, buyers, strict=True)]
        for position in np.flatnonzero(test).tolist():
            names[position] = buyers[position] = "Test entry"
        registered = lives.sourced & ~test
        accepted = registered & (lives.registration == ACCEPTED) & (lives.answered < self._world.calendar.days)
        on_lead_only = lives.from_lead & (draws.uniform("channel on deal", index) < 0.5)
        unit = (np.isin(lives.product, [0, 3]) ^ (draws.uniform("unit", index) < 0.15)).astype(np.int64)
        reason, rival = self._reasons(lives, history, now)
        return _lines("deals.csv", {
            "deal_id": ids,
            "partner_id": self._partner(owner),
            "name": names,
            "customer": buyers,
            "stage": self._stage(history.stage[now]),
            "status": self._status(np.where(test, _TEST, status)),
            "created_on": self._date(lives.created),
            "closed_on": self._date(np.where(status == OPEN, -1, history.day[now])),
            "expected_close_on": self._date(history.expected[now]),
            "amount": _money(np.where(test, 100, history.cents[now])),
            "currency": self._currency(lives.partner),
            "sourced": np.where(lives.sourced, "partner", "vendor").tolist(),
            "registered_on": self._date(np.where(registered, lives.created, -1)),
            "accepted_on": self._date(np.where(accepted, lives.answered, -1)),
            "reason": self._reason(reason),
            "competitor": self._competitor(rival),
            "channel": self._channel(np.where(on_lead_only, -1, lives.channel)),
            "lead_id": _where(lives.from_lead, self._lead_ids(number_of_deals_lead(index))),
            "rep": self._rep(_REPS * owner + draws.whole("rep", index, _REPS)),
            "unit": self._unit(unit),
            "region": self._region(lives.region),
            "product": products,
        })  # fmt: skip

    def _reasons(self, lives: Lives, history: History, now: Ints) -> tuple[Ints, Ints]:
        """Why a deal was not won, and the rival: named when it took the deal, or when it threatens an open one."""
        draws, index, status = self._world.draws, lives.index, history.status[now]
        lost = draws.pick("lost", index, np.array([0.35, 0.3, 0.2, 0.15]))
        abandoned = len(_LOST) + draws.whole("abandoned", index, len(_ABANDONED))
        refused = len(_LOST) + len(_ABANDONED) + draws.whole("refused", index, len(_REFUSED))
        refused = np.where(lives.registration == CONFLICT, _REASONS.index("conflict"), refused)
        reason = np.select((status == LOST, status == ABANDONED, status == REJECTED), (lost, abandoned, refused), -1)
        late = history.stage[now] >= STAGES.index("Proposal")
        threat = (status == OPEN) & late & (draws.uniform("threat", index) < 0.25)
        beaten = (status == WON) & (draws.uniform("beaten", index) < 0.1)
        named = threat | beaten | ((status == LOST) & (lost <= 1))
        return reason, np.where(named, draws.pick("rival", index, np.array([0.4, 0.3, 0.2, 0.1])), -1)

    def _leads(self, lives: Lives, history: History, now: Ints, leads: Leads) -> str:
        """The leads that became deals end as the deal does; the others by themselves."""
        number = np.concatenate([number_of_deals_lead(lives.index[lives.from_lead]), leads.number])
        order = np.argsort(number)

        def both(of_deals: Ints, of_leads: Ints) -> Ints:
            return np.concatenate([of_deals[lives.from_lead], of_leads])[order]

        ended = leads.closed < self._world.calendar.days
        status = both(history.status[now], np.where(ended, leads.status, OPEN))
        closed = both(history.day[now], leads.closed)
        return _lines("leads.csv", {
            "lead_id": self._lead_ids(number[order]),
            "created_on": self._date(both(self._life.first_heard(lives), leads.created)),
            "partner_id": self._partner(both(lives.partner, leads.partner)),
            "status": self._status(status),
            "closed_on": self._date(np.where(status == OPEN, -1, closed)),
            "channel": self._channel(both(lives.channel, leads.channel)),
            "region": self._region(both(lives.region, leads.region)),
            "product": self._product(both(lives.product, leads.product)),
        })  # fmt: skip

    def _touches(self, lives: Lives, ids: list[str]) -> str:
        """Half of the deals with a channel have their contacts listed; the last one is the recorded channel."""
        draws, index = self._world.draws, lives.index
        listed = (lives.channel >= 0) & ~lives.test & (draws.uniform("touched", index) < 0.5)
        begins = np.where(lives.from_lead, self._life.first_heard(lives), lives.created)
        deals, days, channels, places = [], [], [], []
        for back, chance in ((2, 0.2), (1, 0.5), (0, 1.0)):  # `back` contacts before the last
            deal = np.flatnonzero(listed & (draws.uniform(f"touch {back}", index) < chance))
            earlier = back * 15 - draws.whole(f"touch day {back}", index[deal], 15) if back else np.zeros_like(deal)
            any_channel = draws.whole(f"touch channel {back}", index[deal], len(CHANNEL_NAMES))
            deals.append(deal)
            days.append(np.maximum(begins[deal] - earlier, 0))
            channels.append(any_channel if back else lives.channel[deal])
            places.append(np.full_like(deal, 2 - back))
        order = np.lexsort([np.concatenate(places), np.concatenate(deals)])
        deal, place = np.concatenate(deals)[order], np.concatenate(places)[order]
        from_lead = lives.from_lead[deal]
        return _lines("touches.csv", {
            "deal_id": _where(~from_lead, [ids[position] for position in deal.tolist()]),
            "lead_id": _where(from_lead, self._lead_ids(number_of_deals_lead(index[deal]))),
            "channel": self._channel(np.concatenate(channels)[order]),
            "touched_at": self._time(np.concatenate(days)[order], place * 2 * _MINUTES + index[deal] % _MINUTES),
        })  # fmt: skip


def fixed_tables(world: World, expected: Expected) -> dict[str, str]:
    """The files that do not grow with the number of deals: small tables and book.toml."""
    return {
        "partners.csv": partners(world),
        "channels.csv": channels(),
        "rates.csv": rates(world),
        "spend.csv": spend(world),
        "targets.csv": targets(world, expected),
        "notes.csv": notes(world),
        "book.toml": BOOK_TOML,
    }


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
    numbers = np.arange(world.partners)
    kind = world.draws.whole("type", numbers, len(TYPES)).tolist()
    before = world.calendar.first - (60 + world.draws.whole("joined before", numbers, 3000))
    unsaid = world.draws.uniform("joined unsaid", numbers) < 0.06
    lines = ["partner_id,name,type,tier,region,country,manager,joined_on,left_on,commission_rate\n"]
    commission = {"gold": "0.12", "silver": "0.10", "bronze": "0.08"}
    for p in numbers.tolist():
        joined = dates[world.joined[p]] if world.joined[p] >= 0 else "" if unsaid[p] else str(before[p])
        region = REGIONS[world.region[p]]
        lines.append(
            f"{world.partner_id(p)},{partner_name(p)},{TYPES[kind[p]]},{tier[p]},{region},{world.country[p]},"
            f"{MANAGERS[world.region[p]]},{joined},{dates[world.left[p]]},{commission[tier[p]]}\n"
        )
    return "".join(lines)


def spend(world: World) -> str:
    """Marketing money per month: the vendor's own, and what some partners spend with its support."""
    months, active = world.calendar.month_starts(), world.activity() > 0
    scale = world.deals / (world.partners * len(months))  # deals per partner and month, about 4.2
    lines = ["channel,month,amount,partner_id,currency\n"]

    def monthly(partner: int, channel: str, amount: float) -> Iterator[str]:
        u = world.draws.uniform(f"spend {channel} {partner}", np.arange(len(months))).tolist()
        for number in np.flatnonzero(active[:, partner]).tolist():
            cost = f"{amount * (0.8 + 0.4 * u[number]):.2f}"
            yield f"{channel},{months[number]},{cost},{world.partner_id(partner)},{world.currency[partner]}\n"

    of_vendor = {"paid_search": 70.0, "display": 25.0, "trade_show": 90.0, "newsletter": 6.0, "webinar": 12.0}
    for channel, per_deal in of_vendor.items():
        lines += monthly(world.nobody, channel, per_deal * (scale * world.partners))
    own = world.draws.uniform("own spend", np.arange(world.partners))
    for partner in range(world.partners):
        if partner == SPECIAL["display_without_wins"].number:
            lines += monthly(partner, "display", 120.0 * scale)
        elif world.weight[partner] > 0 and (own[partner] < 0.2 or partner == SPECIAL["pounds"].number):
            lines += monthly(partner, "paid_search", 90.0 * scale * float(world.weight[partner]))
    return "".join(lines)


def targets(world: World, expected: Expected) -> str:
    """Won amount for every partner, deals for gold ones, pipeline for three: what was expected, times an ambition."""
    labels, tier = world.calendar.labels, tiers(world)
    with_pipeline = [SPECIAL[name].number for name in _PIPELINE_TARGETS]
    lines = ["quarter,partner_id,measure,amount\n"]
    active: Floats = world.activity().reshape(world.calendar.quarters, 3, -1).max(axis=1)
    for partner in range(world.partners):
        index = np.arange(len(labels)) + partner * len(labels)
        ambition = (0.8 + 0.5 * world.draws.uniform("ambition", index)).tolist()
        ambition += (0.8 + 0.5 * world.draws.uniform("ambition ahead", 2 * partner + np.arange(2))).tolist()
        for place, quarter in enumerate((*labels, *_AHEAD)):
            number = place if place < len(labels) else max(place - 4, 0)  # for what is to come: of the year before
            tiny = world.weight[partner] == 0
            if not tiny and active[min(place, len(labels) - 1), partner] == 0:
                continue
            who = f"{quarter},{world.partner_id(partner)}"
            euro = int(expected.quarterly["won_cents"][partner, number]) / 100 * ambition[place]
            won = max(1000 if tiny else 2000, 500 * round(euro / 500))
            lines.append(f"{who},won_amount,{won}.00\n")
            if tier[partner] == "gold":
                deals = int(expected.quarterly["won"][partner, number]) / MILLION * ambition[place]
                lines.append(f"{who},deals,{max(1, round(deals))}\n")
            if partner in with_pipeline:
                lines.append(f"{who},pipeline,{3 * won}.00\n")
    return "".join(lines)


def notes(world: World) -> str:
    """What was decided for some partners at the review of the last quarter but one; their managers see to it."""
    lines = ["partner_id,quarter,action,owner,due_on,outcome\n"]
    for quarter in world.calendar.labels[-2:-1]:
        for name, action, due, outcome in _DECIDED:
            partner = SPECIAL[name].number
            if partner < world.partners:
                owner = MANAGERS[world.region[partner]]
                action, outcome = (f'"{text}"' if "," in text else text for text in (action, outcome))
                lines.append(f"{world.partner_id(partner)},{quarter},{action},{owner},{due},{outcome}\n")
    return "".join(lines)
