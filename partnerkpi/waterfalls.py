r"""How the pipeline came from one evening's amount to another's: the waterfall, and the deals behind each of its bars.

opening + created + reopened + amount up + transferred in − amount down − transferred out − won − lost − abandoned −
rejected ± currency = closing, in money to the cent and in deals. Opening and closing are what `opportunity_pipeline`
says of the two evenings, each at its own day's rate; what is between them are the book's events of the days after the
first evening, at the rate of each day, in the order that `partnerkpi.book.events` states. Nothing is netted: the bars
of the months add up to those of the quarter, and those of all partners and `unassigned` to the network's, where what
was transferred in and out is the same.

>>> from partnerkpi.opening import book_of
>>> deals = ("deal_id,created_on,status,closed_on,amount\n"
...          "D1,2025-08-01,won,2025-10-06,200\n"
...          "D2,2025-09-03,open,,400\n"
...          "D3,2025-11-11,lost,2025-11-11,90\n")
>>> history = "deal_id,changed_at,amount\nD2,2025-09-03,350\nD2,2025-10-20,400\n"
>>> book = book_of(deals=deals, history=history, as_of="2025-12-31")
>>> table = waterfall(book, "2025Q4")
>>> print(table.loc[table["behind"] > 0, ["bar", "deals", "amount"]].to_string(index=False))
      bar  deals  amount
  opening      2   550.0
  created      1    90.0
amount_up      0    50.0
      won     -1  -200.0
     lost     -1   -90.0
  closing      1   400.0
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.events import BARS, COUNTS
from partnerkpi.book.periods import deal_ids, with_deals
from partnerkpi.deals import lasting_open
from partnerkpi.errors import UsageError, nearest
from partnerkpi.groups import ALL, Groups, groups_of
from partnerkpi.kpi import nothing_known
from partnerkpi.kpis.opportunity_pipeline import need_open_deals
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded
from partnerkpi.wording import Code, Remark

OPENING, CLOSING = "opening", "closing"
#: The bars of a waterfall in their order.
LINES = (OPENING, *BARS, CLOSING)
#: How each counts in the number of open deals.
COUNTED = {OPENING: 1, **COUNTS, CLOSING: 1}
_EVENING = pd.Timedelta(days=1)


def waterfall(book: Book, quarter: str | Quarter, *, months: bool = False, by: str = "") -> pd.DataFrame:
    """From the pipeline before the quarter to that at its end, or as far as it is known, bar by bar.

    Args:
        book: a book, or any part of one.
        quarter: the quarter, like "2025Q4".
        months: one waterfall for each of its months instead.
        by: one waterfall for each value of a column (`partner`, `region`, `product` …), `UNASSIGNED` and `ALL`.

    Returns:
        One row per bar, in the order of `LINES`: `bar`; `deals`, the signed change in the number of open deals (0 where
        only amounts change); `amount`, signed, in the book's currency; `behind`, of how many different deals; `note`,
        what else must be known, or why amounts are missing. The sum of all but the last is the last. Before them
        `group` and `month` (its first day), where asked for.

    Raises:
        UsageError: the text is no quarter, it has not begun, or there is no such column.
    """
    period = book.quarter(quarter)
    groups = groups_of(book, by) if by else None
    spans = _months(period) if months else [(period.start, period.last_day)]
    reason = _unknown(book, period)
    tables = [_table(book, first, last, groups, reason).assign(month=first) for first, last in spans]
    table = pd.concat(tables, ignore_index=True)
    asked = (["group"] if by else []) + (["month"] if months else [])
    order = table.sort_values(["place", "month"], kind="stable") if by and months else table
    return order[[*asked, "bar", "deals", "amount", "behind", "note"]].reset_index(drop=True)


def movements(book: Book, quarter: str | Quarter, bar: str = "") -> pd.DataFrame:
    """The deals behind the bars of `waterfall`, or behind one of them.

    Returns:
        By day and deal: `day`, `deal_id`, `partner_id` (at whom it happened), `bar`, `was` and `became` (the status, or
        for transfers the owner; missing where it is not in this part of the book), `from` and `to` (what the deal was
        worth in the pipeline before and after, in the book's currency), `amount` (the difference, signed: their sum is
        the bar; missing where no amount was known). A deal that moved twice stands twice. Without `bar` all but the
        opening and closing ones. Empty where the book records no open deals.

    Raises:
        UsageError: the text is no quarter, it has not begun, or there is no such bar.
    """
    period = book.quarter(quarter)
    if bar and bar not in LINES:
        raise UsageError(f"A waterfall has no bar '{bar}'. {nearest(bar, LINES)}")
    if _unknown(book, period):
        return _listed(book, book.events.iloc[:0])
    if bar in (OPENING, CLOSING):
        return _standing(book, period, bar)
    events = _between(book, period.start, period.last_day)
    return _listed(book, events[(events["bar"] == bar).to_numpy()] if bar else events)


def _unknown(book: Book, period: Quarter) -> Remark | None:
    """Why the book can tell nothing of its pipeline in the quarter; None when it can."""
    try:
        need_open_deals(book)
    except NotRecorded as missing:
        return missing.reason
    return nothing_known(book, period)


def _months(period: Quarter) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """First and last day of each month of the quarter that has begun, cut where the quarter is."""
    first = [period.start + pd.DateOffset(months=n) for n in range(3)]
    last = [min(day + pd.DateOffset(months=1) - _EVENING, period.last_day) for day in first]
    return [(one, other) for one, other in zip(first, last, strict=True) if one <= period.last_day]


def _between(book: Book, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    events = book.events
    days = events["day"].to_numpy()
    return events.iloc[days.searchsorted(first.to_datetime64()) : days.searchsorted(last.to_datetime64(), "right")]


def _stock(book: Book, day: pd.Timestamp, bar: str) -> pd.DataFrame:
    """The deals open on an evening as events of a bar: from nothing to what they are worth."""
    spells = lasting_open(book, day)
    worth = book.in_book_currency(spells, day)["amount"].to_numpy(dtype=np.float64)
    place = book.periods.index.get_indexer(spells.index)
    return pd.DataFrame(
        {"day": day, "bar": bar, "spell": place, "old": 0.0, "new": worth, "units": book.purse.units(worth)}
    )


def _table(
    book: Book, first: pd.Timestamp, last: pd.Timestamp, groups: Groups | None, reason: Remark | None
) -> pd.DataFrame:
    """The waterfall of some days, of each group and of all; only of all without groups."""
    labels = (*(groups.labels if groups else ()), ALL)
    if reason:
        lines = pd.DataFrame({"bar": LINES * len(labels), "deals": 0, "amount": np.nan, "behind": 0, "note": reason})
    else:
        stocks = _stock(book, first - _EVENING, OPENING), _stock(book, last, CLOSING)
        rows = pd.concat([stocks[0], _between(book, first, last).astype({"bar": "str"}), stocks[1]], ignore_index=True)
        parts = [_lines(book, rows, np.zeros(len(rows), dtype=np.int64), 1)]
        if groups:
            codes = groups.codes(book.periods.take(rows["spell"].to_numpy()))
            parts.insert(0, _lines(book, rows, codes, len(groups.labels)))
        lines = pd.concat(parts, ignore_index=True)
    place = np.repeat(np.arange(len(labels)), len(LINES))
    return lines.assign(place=place, group=pd.Series(labels, dtype=object).take(place).to_numpy())


def _lines(book: Book, rows: pd.DataFrame, codes: np.ndarray, groups: int) -> pd.DataFrame:
    """The bars of each group one below the other, added up in whole units."""
    bar = pd.Index(LINES).get_indexer(pd.Index(rows["bar"]))
    cell, cells = codes * len(LINES) + bar, groups * len(LINES)
    units = np.zeros(cells, dtype=np.int64)
    np.add.at(units, cell, rows["units"].to_numpy())
    deal = pd.factorize(deal_ids(book.periods.take(rows["spell"].to_numpy()), book.deals))[0]
    behind = np.bincount(pd.unique(cell + cells * deal) % cells, minlength=cells)
    count = np.tile(list(COUNTED.values()), groups)
    events = np.bincount(cell, minlength=cells)
    blanks = np.bincount(cell[_blank(rows, rows["bar"])], minlength=cells)
    note = np.full(cells, _amounts_of_today(book), dtype=object)
    for one in np.flatnonzero(blanks):
        note[one] = Code.SOME_WITHOUT_AMOUNT(blank=int(blanks[one]), n=int(events[one]))
    amount = book.purse.money(units)
    deals = count * events
    return pd.DataFrame({"bar": LINES * groups, "deals": deals, "amount": amount, "behind": behind, "note": note})


def _blank(events: pd.DataFrame, bar: pd.Series | np.ndarray) -> np.ndarray:
    """True for the events of deals that count though no amount is known of them."""
    counts = pd.Series(bar, index=events.index).map(COUNTED) != 0
    return np.asarray((events["old"].isna() | events["new"].isna()) & counts, dtype=bool)


def _amounts_of_today(book: Book) -> Remark | None:
    """That amounts never changed as far as the book can tell, because no history tells of them."""
    if book.records("history.amount"):
        return None
    return Code.AMOUNTS_OF_EXPORT() if book.records("history") else Code.AMOUNTS_OF_TODAY()


def _standing(book: Book, period: Quarter, bar: str) -> pd.DataFrame:
    return _listed(book, _stock(book, period.start - _EVENING if bar == OPENING else period.last_day, bar))


def _listed(book: Book, events: pd.DataFrame) -> pd.DataFrame:
    """The events as one would read them, each with its deal."""
    spells, place = book.periods, events["spell"].to_numpy()
    steps = (np.clip(place + step, 0, max(len(spells) - 1, 0)) for step in (0, -1, 1))
    own, above, below = (with_deals(spells.take(rows), book.deals) for rows in steps)
    bar = events["bar"].astype("str").to_numpy(dtype=object)
    status, before = (own[name].astype("str").to_numpy(dtype=object) for name in ("status", "status_before"))
    nobody = np.full(len(own), np.nan, dtype=object)
    owner, former, later = (_owner(part) for part in (own, above, below))
    former = np.where(_touch(above, own), former, nobody)
    later = np.where(_touch(own, below), later, nobody)
    came, gone = bar == "transferred_in", bar == "transferred_out"
    entered, stood = np.isin(bar, ["created", "reopened"]), np.isin(bar, ["opening", "closing", "currency"])
    amounts = np.isin(bar, ["amount_up", "amount_down"])
    was = np.select([came, gone, entered, stood], [former, owner, before, "open"], "open")
    became = np.select([came, gone, entered | stood | amounts], [owner, later, "open"], status)
    return pd.DataFrame(
        {
            "day": events["day"].to_numpy(),
            "deal_id": own["deal_id"].array,
            "partner_id": own["partner_id"].array,
            "bar": bar,
            "was": pd.Series(was, dtype="str"),
            "became": pd.Series(became, dtype="str"),
            "from": events["old"].to_numpy(),
            "to": events["new"].to_numpy(),
            "amount": np.where(_blank(events, bar), np.nan, book.purse.money(events["units"].to_numpy())),
        }
    )


def _owner(spells: pd.DataFrame) -> np.ndarray:
    return spells["partner_id"].astype("str").to_numpy(dtype=object)


def _touch(first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
    """True where the second period of a deal follows the first one at once."""
    same = first["deal_id"].to_numpy() == second["deal_id"].to_numpy()
    return np.asarray(same & (first["to_day"].to_numpy() == second["from_day"].to_numpy()), dtype=bool)
