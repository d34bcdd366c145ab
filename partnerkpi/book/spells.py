"""Spells: for each deal the periods in which nothing about it changed, from which any past day can be told.

A deal is open at the end of a day exactly when it has a spell with `from_day` ≤ day < `to_day` and status `open`.

Each deal begins open on `created_on`. Its history says what changed; of several changes on one day the last one
holds. On `closed_on` it takes its outcome, for good, and the values it has in the deals table unless its history goes
on after that. Between changes a value stays; before its first known value it is the first one the history gives
later, else the one of the deals table. A column the history never fills is the deals table's throughout. Where the
history ends on something else than the deals table says, the deals table holds from the day of the export on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book.labels import as_label, shared_codes
from partnerkpi.book.schema import CLOSED

SPELL_COLUMNS = (
    "deal_id", "deal", "from_day", "to_day", "status", "stage", "amount", "currency", "expected_close_on",
    "partner_id", "rep", "unit", "region", "product", "channel", "created_on", "name", "customer",
)  # fmt: skip
OF_DEAL = ("currency", "rep", "unit", "region", "product", "channel")
FACTS_OF_DEAL = ("created_on", "name", "customer")
CHANGING = ("status", "stage", "partner_id", "amount", "expected_close_on")

_NEVER = np.iinfo(np.int64).min  # NaT as a number
_DAY = 86_400


def spells_of(deals: pd.DataFrame, history: pd.DataFrame, export_day: pd.Timestamp) -> pd.DataFrame:
    """One row per deal and period of constant state, by deal and day.

    Args:
        deals: the deals table, amounts in `amount_original`.
        history: the history table; rows of unknown deals are left out.
        export_day: the day from which the deals table holds where the history ends on something else.

    Returns:
        `deal_id`, `deal` (position in `deals`), `from_day`, `to_day` (exclusive; missing while it lasts), `status`,
        `stage`, `amount` (in `currency`, not converted), `currency`, `expected_close_on`, `partner_id`, and the deal's
        `rep`, `unit`, `region`, `product`, `channel`, `created_on`, `name`, `customer`.
    """
    events = _events(deals, history)
    names: dict[str, pd.Index] = {}
    state: dict[str, np.ndarray] = {}
    final: dict[str, np.ndarray] = {}
    for column in CHANGING:
        names[column], then, now = _coded(deals, history, column)
        state[column], final[column] = _filled(events, then, now, opens=_code(names[column], "open", column)), now
    deal, day = events.deal, events.day
    deal, day, state = _with_export(deal, day, state, final, _seconds_of(export_day))
    last_of_day = np.ones(len(deal), dtype=bool)
    last_of_day[:-1] = (deal[1:] != deal[:-1]) | (day[1:] != day[:-1])
    deal, day, state = deal[last_of_day], day[last_of_day], {c: v[last_of_day] for c, v in state.items()}
    new = np.ones(len(deal), dtype=bool)
    new[1:] = deal[1:] != deal[:-1]
    for values in state.values():
        new[1:] |= _differ(values[1:], values[:-1])
    deal, day, state = deal[new], day[new], {c: v[new] for c, v in state.items()}
    until = np.full(len(deal), _NEVER)
    same = deal[1:] == deal[:-1]
    until[:-1][same] = day[1:][same]
    columns: dict[str, Any] = {"deal_id": deals["deal_id"].array.take(deal), "deal": deal.astype(np.int64)}
    columns |= {"from_day": day.view("datetime64[s]"), "to_day": until.view("datetime64[s]")}
    for column in CHANGING:
        if column == "amount":
            columns[column] = state[column]
        elif column == "expected_close_on":
            columns[column] = state[column].view("datetime64[s]")
        else:
            columns[column] = pd.Categorical.from_codes(state[column], names[column])
    for column in (*OF_DEAL, *FACTS_OF_DEAL):
        columns[column] = deals[column].array.take(deal)
    made = pd.DataFrame(columns)[list(SPELL_COLUMNS)]
    return made.assign(**{c: as_label(made[c]) for c in ("status", "stage", "partner_id", *OF_DEAL)})


class _Events:
    """Creation, history and closing of every deal in order: `deal`, `day`, and where each one's values come from."""

    def __init__(self, deal: np.ndarray, day: np.ndarray, row: np.ndarray, closing: np.ndarray) -> None:
        self.deal = deal
        self.day = day
        self.row = row  # position in the history, −1 for the others
        self.closing = closing
        starts = np.ones(len(deal), dtype=bool)
        starts[1:] = deal[1:] != deal[:-1]
        self.creation = starts
        number = np.cumsum(starts) - 1
        first = np.flatnonzero(starts)
        self.first = first[number]
        self.end = np.append(first[1:], len(deal))[number]
        self.final = np.arange(1, len(deal) + 1) == self.end
        last_closing = np.maximum.accumulate(np.where(closing, np.arange(len(deal)), -1)) if len(deal) else closing
        self.after_closing = ~closing & (last_closing >= self.first)


def _events(deals: pd.DataFrame, history: pd.DataFrame) -> _Events:
    created = _seconds(deals["created_on"])
    closed = _seconds(deals["closed_on"])
    ended = np.flatnonzero(deals["status"].isin(CLOSED).to_numpy() & (closed != _NEVER))
    of = pd.Index(deals["deal_id"]).get_indexer(history["deal_id"])
    stamps = _seconds(history["changed_at"])
    rows = np.flatnonzero((of >= 0) & (stamps != _NEVER))
    rows = rows[np.argsort(stamps[rows], kind="stable")]
    whole = np.arange(len(deals))
    deal = np.concatenate([whole, of[rows], ended])
    day = np.concatenate([created, stamps[rows] // _DAY * _DAY, closed[ended]])
    day = np.maximum(day, created[deal])
    row = np.concatenate([np.full(len(whole), -1), rows, np.full(len(ended), -1)])
    rank = np.repeat(np.array([0, 1, 2]), [len(whole), len(rows), len(ended)])
    number = (day - day.min(initial=0)) // _DAY
    order = np.argsort(((deal * (number.max(initial=0) + 1) + number) * 3) + rank, kind="stable")
    return _Events(deal[order], day[order], row[order], rank[order] == 2)


def _coded(deals: pd.DataFrame, history: pd.DataFrame, column: str) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """The column's names (empty unless a label), its values in the history and those in the deals table."""
    if column == "amount":
        return pd.Index([]), history["amount"].to_numpy(), deals["amount_original"].to_numpy()
    if column == "expected_close_on":
        return pd.Index([]), _seconds(history[column]), _seconds(deals[column])
    extra = [pd.Series(pd.Categorical(["open"]))] if column == "status" else []
    names, codes = shared_codes([history[column], deals[column], *extra])
    return names, codes[0], codes[1]


def _filled(events: _Events, then: np.ndarray, now: np.ndarray, opens: int | None) -> np.ndarray:
    """The column's value after each event."""
    values = np.full(len(events.deal), _missing(now), dtype=now.dtype)
    told = events.row >= 0
    if opens is not None:  # a change of status after the last closing contradicts the deals table, which holds
        told &= ~events.after_closing
    values[told] = then[events.row[told]]
    carried = events.closing if opens is not None else events.closing & events.final
    values[carried] = now[events.deal[carried]]
    if opens is not None:
        values[events.creation] = opens
    known = ~_is_missing(values)
    here = np.arange(len(values))
    before = np.maximum.accumulate(np.where(known, here, -1)) if len(values) else here
    after = np.minimum.accumulate(np.where(known, here, len(values))[::-1])[::-1] if len(values) else here
    source = np.where(before >= events.first, before, np.where(after < events.end, after, -1))
    return np.where(source >= 0, values[source], now[events.deal]) if len(values) else values


def _with_export(
    deal: np.ndarray, day: np.ndarray, state: dict[str, np.ndarray], final: dict[str, np.ndarray], export: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The events with one more for each deal that the deals table shows in another state than its history ends on."""
    if not len(deal):
        return deal, day, state
    last = np.flatnonzero(np.append(deal[1:] != deal[:-1], True))
    ends = {c: v[last] for c, v in state.items()}
    wanted = {}
    for column, values in final.items():
        told = not bool(_is_missing(values).all())  # a column the deals table never fills says nothing
        wanted[column] = values[deal[last]] if told else ends[column]
    changed = np.zeros(len(last), dtype=bool)
    for column, values in wanted.items():
        changed |= _differ(values, ends[column])
    after = last[changed] + 1
    state = {c: np.insert(v, after, wanted[c][changed]) for c, v in state.items()}
    day = np.insert(day, after, np.maximum(day[last[changed]], export))
    return np.insert(deal, after, deal[last[changed]]), day, state


def _code(names: pd.Index, name: str, column: str) -> int | None:
    return int(names.get_loc(name)) if column == "status" else None  # type: ignore[arg-type]


def _seconds(days: pd.Series) -> np.ndarray:
    return days.to_numpy(dtype="datetime64[s]").view(np.int64)


def _seconds_of(day: pd.Timestamp) -> int:
    return int(day.as_unit("s").asm8.view(np.int64))


def _missing(values: np.ndarray) -> Any:
    return np.nan if values.dtype.kind == "f" else _NEVER if values.dtype == np.int64 else -1


def _is_missing(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else values == _missing(values)


def _differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """True where two values differ; two missing ones do not."""
    return (one != other) & ~(_is_missing(one) & _is_missing(other))
