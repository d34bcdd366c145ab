"""The tables that grow with the number of deals, as lines of text: deals, history, leads, touches.

Numbers become text by looking them up in ready-made lists; a chunk of deals at a time keeps memory bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from partnerkpi.sample.draws import Ints
from partnerkpi.sample.events import HOURS, History
from partnerkpi.sample.leads import Leads, first_heard, leads_beside, number_of_deals_lead
from partnerkpi.sample.lives import ABANDONED, LOST, OPEN, REJECTED, STATUSES, WON, Life, Lives
from partnerkpi.sample.lives import CONFLICT as REFUSED_AS_CONFLICT
from partnerkpi.sample.names import COMPETITORS, customer_numbers, customers, person_name
from partnerkpi.sample.world import CHANNEL_NAMES, PRODUCTS, REGIONS, STAGES, UNITS

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
        leads = leads_beside(self._life, lives)
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
            _money(np.where(test, 100, history.cents[now])), lives.currency,
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
        created = np.concatenate([first_heard(self._life, lives)[came], leads.created])[order]

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
        begins = np.where(lives.from_lead, first_heard(self._life, lives), lives.created)
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
