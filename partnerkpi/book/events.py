"""The events of the pipeline: what every deal did to the amount and the number of open deals, and on which day.

A deal's periods (`partnerkpi.book.past`) say how things stood; its events say what happened between them. They add up
without a rest: what was open on one evening, and the events of the days after it, make what is open on a later evening.

**Days.** As of the periods, the last of several changes to one thing on one day holds. Nothing is netted between days:
what goes up on Monday and down on Tuesday is in both bars, and a deal handed on and back is both times.

**Order.** Several changes of one deal on one day are attributed in this order, each on top of the one before:

1. `currency`: the deal so far is revalued to the rate of the day;
2. `created`, or `reopened` (it had an outcome, and no longer has it): the deal enters with the amount it has that
   evening;
3. `transferred_out` at the owner before and `transferred_in` at the new one, both with the amount before;
4. `amount_up` or `amount_down`, at the new owner, to the amount it has that evening;
5. `won`, `lost`, `abandoned`, `rejected`: it leaves with that amount, at the new owner.

So a win leaves the pipeline with the amount it was won at, a deal created and closed on one day enters and leaves, and
one whose outcome is exchanged for another is reopened and closed. An outcome that is only taken note of again, or an
amount or owner that changes while a deal is closed, moves nothing that is open.

**Money.** Every amount is that of the day in the book's currency, rounded once, in whole cents (or what is the book's
smallest unit), so that sums are exact. Deals in another currency are also revalued at each month's end, and on the last
day the book knows. A deal without an amount, or without a rate on the day, counts and adds nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book.money import converted
from partnerkpi.book.schema import CLOSED, STATUSES, TABLES, changing

#: What moves the pipeline, in the order of a waterfall: how each counts in the number of open deals.
COUNTS = {
    "created": 1,
    "reopened": 1,
    "amount_up": 0,
    "transferred_in": 1,
    "amount_down": 0,
    "transferred_out": -1,
    **dict.fromkeys(CLOSED, -1),
    "currency": 0,
}
BARS = tuple(COUNTS)
#: The order within one day of one deal.
_ORDER = ("currency", "created", "reopened", "transferred_out", "transferred_in", "amount_up", "amount_down", *CLOSED)


_OPEN = STATUSES.index("open")


class Purse:
    """What amounts are worth in the book's currency on given days, and that in whole units of 10^-`digits`."""

    def __init__(self, rates: pd.DataFrame, home: str, digits: int) -> None:
        self.rates = rates
        self.home = home
        self.digits = digits

    def worth(self, amounts: np.ndarray, currency: pd.Series, days: np.ndarray) -> np.ndarray:
        """The worth of each amount on its day; missing where the amount or the rate of the day is."""
        frame = pd.DataFrame({"amount": amounts, "currency": currency.array})
        return converted(frame, pd.Series(days), self.rates, self.home, self.digits).to_numpy()

    def units(self, worth: np.ndarray) -> np.ndarray:
        """The worth in whole units, of which sums are exact; nothing where it is missing."""
        return np.rint(np.nan_to_num(worth) * 10.0**self.digits).astype(np.int64)

    def foreign(self, currency: pd.Series) -> np.ndarray:
        """True for the rows in another currency than the book's."""
        return (currency.notna() & (currency.astype("str") != self.home)).to_numpy(dtype=bool)

    def money(self, units: np.ndarray) -> np.ndarray:
        """Whole units as amounts."""
        return np.asarray(units / 10.0**self.digits, dtype=np.float64)


def events_of(spells: pd.DataFrame, purse: Purse, last_day: pd.Timestamp) -> pd.DataFrame:
    """Every event of the deals whose periods these are, by day, deal and the order within a day.

    Periods may be only some of a deal's, as in the part of one partner: where the one before or after is not among
    them, the deal came from elsewhere or went there.

    Args:
        spells: the periods, by deal and day; see `partnerkpi.book.past.spells_of`.
        purse: what amounts are worth.
        last_day: the day on which periods that last are valued.

    Returns:
        `day`, `bar` (one of `BARS`), `spell` (the position of the period it belongs to), `old` and `new` (what the deal
        was worth in the pipeline before and after; missing where no amount was known), and `units`: what that adds to
        the open amount, signed, in whole units.
    """
    found = [_entered(spells, purse), *_transferred(spells, purse), _changed(spells, purse), _ended(spells, purse)]
    events = pd.concat([*found, _revalued(spells, purse, last_day)], ignore_index=True)
    rank = np.array([_ORDER.index(bar) for bar in BARS])[events["bar"].to_numpy()]
    events = events.iloc[np.lexsort((rank, events["spell"], events["day"]))].reset_index(drop=True)
    units = purse.units(events["new"].to_numpy()) - purse.units(events["old"].to_numpy())
    return events.assign(bar=pd.Categorical.from_codes(events["bar"], pd.Index(BARS)), units=units)


def _entered(spells: pd.DataFrame, purse: Purse) -> pd.DataFrame:
    """Created, and reopened: closed before, and now open or closed otherwise."""
    status, before = _status(spells["status"]), _status(spells["status_before"])
    first = before < 0
    rows = np.flatnonzero(first | ((before != _OPEN) & (status != before)))
    worth = _worth(spells, purse, rows, "amount", "from_day")
    bar = np.where(first[rows], BARS.index("created"), BARS.index("reopened"))
    return _events(spells, rows, "from_day", bar, np.zeros_like(worth), worth)


def _status(column: pd.Series) -> np.ndarray:
    """Each status as its place among all; −1 where there is none."""
    places = pd.Index(STATUSES).get_indexer(pd.Index(column.cat.categories, dtype="str"))
    return np.append(places, -1)[column.cat.codes.to_numpy()]


def _transferred(spells: pd.DataFrame, purse: Purse) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Handed on while open: the last period of the owner before, and the first of the new one."""
    opened = _status(spells["status"]) == _OPEN
    follows = _follows(spells)
    moved = (_status(spells["status_before"]) == _OPEN) & (~follows | _changed_hands(spells))
    stays = np.append(follows[1:] & ~moved[1:], False)[: len(spells)]
    gone = np.flatnonzero(opened & spells["to_day"].notna().to_numpy() & ~stays)
    came = np.flatnonzero(moved)
    left = _worth(spells, purse, gone, "amount", "to_day")
    joined = _worth(spells, purse, came, "amount_before", "from_day")
    return (
        _events(spells, gone, "to_day", BARS.index("transferred_out"), left, np.zeros_like(left)),
        _events(spells, came, "from_day", BARS.index("transferred_in"), np.zeros_like(joined), joined),
    )


def _follows(spells: pd.DataFrame) -> np.ndarray:
    """True for the periods that begin where the one above them ends, of the same deal."""
    deal = spells["deal"].to_numpy()
    until, since = spells["to_day"].to_numpy(), spells["from_day"].to_numpy()
    follows = np.zeros(len(spells), dtype=bool)
    follows[1:] = (deal[1:] == deal[:-1]) & (until[:-1] == since[1:])
    unplaced = np.flatnonzero(follows & (deal < 0))  # several deals of the past may share the place of none
    if len(unplaced):
        deal_id = spells["deal_id"].to_numpy()
        follows[unplaced] = deal_id[unplaced] == deal_id[unplaced - 1]
    return follows


def _changed_hands(spells: pd.DataFrame) -> np.ndarray:
    """True for the periods that differ from the one above in the owner."""
    differs = np.zeros(len(spells), dtype=bool)
    for column in (c for c in changing() if TABLES["deals"][c].of_somebody):
        codes = spells[column].cat.codes.to_numpy()
        differs[1:] |= codes[1:] != codes[:-1]
    return differs


def _changed(spells: pd.DataFrame, purse: Purse) -> pd.DataFrame:
    """Amounts that went up or down while the deal was open, or as it closed."""
    before, now = (spells[name].to_numpy() for name in ("amount_before", "amount"))
    differ = np.nan_to_num(before) != np.nan_to_num(now)
    rows = np.flatnonzero((_status(spells["status_before"]) == _OPEN) & differ)
    old, new = (_worth(spells, purse, rows, name, "from_day") for name in ("amount_before", "amount"))
    step = purse.units(new) - purse.units(old)
    bar = np.where(step > 0, BARS.index("amount_up"), BARS.index("amount_down"))
    moved = step != 0
    return _events(spells, rows[moved], "from_day", bar[moved], old[moved], new[moved])


def _ended(spells: pd.DataFrame, purse: Purse) -> pd.DataFrame:
    """Outcomes: of deals that were open, and of those that entered on the same day."""
    status = _status(spells["status"])
    rows = np.flatnonzero((status != _OPEN) & (status != _status(spells["status_before"])))
    worth = _worth(spells, purse, rows, "amount", "from_day")
    bar = pd.Index(BARS).get_indexer(pd.Index(STATUSES))[status[rows]]
    return _events(spells, rows, "from_day", bar, worth, np.zeros_like(worth))


def _revalued(spells: pd.DataFrame, purse: Purse, last_day: pd.Timestamp) -> pd.DataFrame:
    """What moved rates added to open deals in other currencies: at each month's end, and where a period ends."""
    opened = (_status(spells["status"]) == _OPEN) & spells["amount"].notna().to_numpy()
    rows = np.flatnonzero(opened & purse.foreign(spells["currency"]))
    since = spells["from_day"].to_numpy()[rows].astype("datetime64[D]")
    until = spells["to_day"].fillna(last_day).to_numpy()[rows].astype("datetime64[D]")
    month = since.astype("datetime64[M]")
    times = (until.astype("datetime64[M]") - month).astype(np.int64) + 1  # month ends before the last day, and that one
    of = np.repeat(np.arange(len(rows)), times)
    number = np.arange(len(of)) - np.repeat(np.cumsum(times) - times, times)
    evening = (month[of] + number + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    to = np.minimum(evening, until[of])
    begin = np.where(number == 0, since[of], np.roll(to, 1))
    amounts, currency = spells["amount"].to_numpy()[rows][of], spells["currency"].iloc[rows[of]]
    old, new = (purse.worth(amounts, currency, days.astype("datetime64[s]")) for days in (begin, to))
    there = np.flatnonzero(purse.units(old) != purse.units(new))
    events = _events(spells, rows[of][there], "from_day", BARS.index("currency"), old[there], new[there])
    return events.assign(day=to[there].astype("datetime64[s]"))


def _worth(spells: pd.DataFrame, purse: Purse, rows: np.ndarray, amount: str, day: str) -> np.ndarray:
    part = spells[[amount, "currency", day]].iloc[rows]
    return purse.worth(part[amount].to_numpy(), part["currency"], part[day].to_numpy())


def _events(
    spells: pd.DataFrame, rows: np.ndarray, day: str, bar: np.ndarray | int, old: np.ndarray, new: np.ndarray
) -> pd.DataFrame:
    """The events of one kind, `bar` as its place in `BARS`."""
    days, places = spells[day].to_numpy()[rows], np.full(len(rows), bar, dtype=np.int64)
    return pd.DataFrame({"day": days, "bar": places, "spell": rows.astype(np.int64), "old": old, "new": new})
