"""The past: for each deal its spells, the periods in which nothing about it changed; and the tables as of any day.

A deal is open at the end of a day exactly when it has a spell with `from_day` ≤ day < `to_day` and status `open`.

Each deal begins open on `created_on`. Its history says what changed; of several changes on one day the last one
holds. On `closed_on` it takes its outcome, for good, and the values it has in the deals table unless its history goes
on after that. Between changes a value stays. Before the first value its history gives it was not known: it is missing
then, and never filled in from later. What the history of a deal never gives is that of the deals table throughout.
Where the history ends on something else than the deals table says, the deals table holds from the day of the export on.

What a change says of the value before it (`old_amount`, …) holds from creation to the first change of that column.

What a current export cannot tell any more, it does not tell here either: only what a history can change has a past.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book.labels import among, as_label, as_text, in_order, places, shared_codes, trimmed
from partnerkpi.book.periods import lasts_on, looked_up, spell_columns, with_deals
from partnerkpi.book.schema import CLOSED, TABLES, Table, changing, standing

Tables = dict[str, pd.DataFrame]

_NEVER = np.iinfo(np.int64).min  # NaT as a number
_DAY = 86_400
_ALWAYS = ("stage", "status", "amount", "expected_close_on", "partner_id")  # worked out even where no history tells


def as_known_on(
    tables: Tables, day: pd.Timestamp, export_day: pd.Timestamp, heard: pd.DataFrame | None = None
) -> Tables:
    """The tables at the end of the day; deals carry `amount_original` only, `amount` is converted later.

    Every table is cut by the days that its columns hold, as the schema says of each. Applying it again for the same
    or an earlier day gives what that day alone gives. `heard` are the spells by what was entered by then, where they
    are there already (`partnerkpi.book.earlier`).
    """
    day = min(day, export_day)
    next_day = day + pd.Timedelta(days=1)
    past = {name: frame if name == "deals" else _cut(TABLES[name], frame, next_day) for name, frame in tables.items()}
    deals = tables["deals"]
    if day < export_day:
        deals = deals_on(deals, tables["history"], day, export_day, heard)
    past["deals"] = _without_later_days(TABLES["deals"], deals, next_day)
    for table in TABLES.values():
        if table.about:
            past[table.name] = _kept(past[table.name], _of_what_is_known(table, past))
    return {name: trimmed(frame) for name, frame in past.items()}


def _of_what_is_known(table: Table, past: Tables) -> np.ndarray:
    """True for the rows of a table about deals or leads that speak of one that was there."""
    rows = np.zeros(len(past[table.name]), dtype=bool)
    for about in table.about:
        key = TABLES[about].key[0]
        rows |= among(past[table.name][key], past[about][key])
    return rows


def _cut(table: Table, frame: pd.DataFrame, next_day: pd.Timestamp) -> pd.DataFrame:
    """The rows that were there before the next day, without what was not known of them yet."""
    if "status" in table and "closed_on" in table and len(frame):
        later = frame["closed_on"] >= next_day
        frame = frame.assign(status=as_label(as_text(frame["status"]).mask(later, "open")))
    return _without_later_days(table, frame, next_day)


def _without_later_days(table: Table, frame: pd.DataFrame, next_day: pd.Timestamp) -> pd.DataFrame:
    """The frame without the rows that a day dates later, and without the later days of the others."""
    if not len(frame):
        return frame
    there = np.ones(len(frame), dtype=bool)
    for column in table.columns:
        if column.dated and column.later == "row":
            there &= ~(frame[column.name] >= next_day).to_numpy(dtype=bool)
    frame = _kept(frame, there)
    days = [c.name for c in table.columns if c.dated and c.later == "value"]
    later = {name: (frame[name] >= next_day).to_numpy() for name in days}
    return frame.assign(**{name: frame[name].mask(rows) for name, rows in later.items() if rows.any()})


def deals_on(
    deals: pd.DataFrame,
    history: pd.DataFrame,
    day: pd.Timestamp,
    export_day: pd.Timestamp,
    heard: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The deals created by the day, in the state they had then, without what was entered later."""
    unheard = entered_after(history, day)
    deals = without_closings(deals, history[unheard])
    spells = spells_of(deals, history[~unheard], export_day) if heard is None else heard
    return state_on(spells, deals, day)


def with_beginnings(history: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """The history with a row at each deal's creation that says what its first changes say of before; without these."""
    olds = {c.name: c.before for c in TABLES["history"].columns if c.before and c.name in history}
    plain = history.drop(columns=list(olds))
    given = {old: column for old, column in olds.items() if history[old].notna().any()}
    if not given:
        return plain
    order = history.sort_values("changed_at", kind="stable")
    parts = []
    for old, column in given.items():
        told = order[order[old].notna() | order[column].notna()].drop_duplicates("deal_id")
        told = told[told[old].notna() & (told[old].astype("object") != told[column].astype("object"))]
        if len(told):
            parts.append(told[["deal_id"]].assign(**{column: told[old]}))
    if not parts:
        return plain
    first = pd.concat(parts, ignore_index=True).groupby("deal_id", sort=False).first().reset_index()
    created = deals.set_index("deal_id")["created_on"]
    first["changed_at"] = first["deal_id"].map(created).astype("datetime64[s]")
    return put_before(first, plain)


def put_before(rows: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """The history below more rows of it; what these do not say is missing."""
    rows = rows.reindex(columns=history.columns)
    whole = {}
    for name in history:
        both = [rows[name], history[name]]
        if isinstance(history[name].dtype, pd.CategoricalDtype):
            whole[name] = as_label(pd.concat([as_text(one) for one in both], ignore_index=True))
        else:
            whole[name] = pd.concat([one.astype(history[name].dtype) for one in both], ignore_index=True)
    return pd.DataFrame(whole)


def entered_after(history: pd.DataFrame, day: pd.Timestamp) -> np.ndarray:
    """True for the changes of a day, or of days before it, that were entered only after it."""
    next_day = day + pd.Timedelta(days=1)
    rows = (history["changed_at"] < next_day) & (history["recorded_at"] >= next_day)
    return rows.to_numpy(dtype=bool)


def state_on(spells: pd.DataFrame, deals: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """The deals as they stood at the end of the day by their periods, one row for each period it lies in.

    Of a deal that is no longer among the deals only its id, its currency and what a history can change are known.
    """
    deal, status = spells["deal"].to_numpy(), spells["status"].cat.codes.to_numpy()
    begins = np.ones(len(spells), dtype=bool)
    begins[1:] = (deal[1:] != deal[:-1]) | (status[1:] != status[:-1])
    if (deal < 0).any():  # of several that are no longer among the deals the ids tell
        ids = spells["deal_id"].to_numpy(dtype=object)
        begins[1:] |= ids[1:] != ids[:-1]
    since = np.maximum.accumulate(np.where(begins, np.arange(len(spells)), 0)) if len(spells) else np.arange(0)
    now = np.flatnonzero(lasts_on(spells, day))
    then = with_deals(spells.iloc[now], deals).reset_index(drop=True)
    part = deals.reindex(deal[now]).reset_index(drop=True)  # positions are the index; there is no −1 in it
    closed = then["status"].isin(CLOSED)
    same = closed & (part["closed_on"] <= day) & (then["status"].astype("str") == part["status"].astype("str"))
    status_since = spells["from_day"].take(since[now]).reset_index(drop=True)
    values: dict[str, pd.Series] = {"deal_id": then["deal_id"], "currency": then["currency"]}
    values |= {"closed_on": part["closed_on"].where(same, status_since.where(closed))}
    for column in TABLES["deals"].columns:
        if column.closing:
            outcome = part[column.name].where(same)
            told = then[column.name].where(closed) if column.name in then else outcome
            values[column.name] = told.where(told.notna(), outcome)
        elif column.name in then and column.name in changing():
            value = then[column.name]
            values[_own(column.name)] = as_label(value) if column.kind == "label" else value
    return part.assign(**values)


def without_closings(deals: pd.DataFrame, unheard: pd.DataFrame) -> pd.DataFrame:
    """The deals, still open where their closing stands among the changes that nobody had entered yet."""
    closings = unheard[unheard["status"].isin(CLOSED)]
    day = closings["changed_at"].dt.normalize().to_numpy(dtype="datetime64[s]")
    place = places(closings["deal_id"], deals["deal_id"])
    closed_on = deals["closed_on"].to_numpy(dtype="datetime64[s]")
    same = (place >= 0) & (closed_on[place] == day)
    later = pd.Series(np.isin(np.arange(len(deals)), place[same]), index=deals.index)
    if not later.any():
        return deals
    status = as_label(as_text(deals["status"]).mask(later, "open"))
    return deals.assign(status=status, closed_on=deals["closed_on"].mask(later))


def spells_of(deals: pd.DataFrame, history: pd.DataFrame, export_day: pd.Timestamp) -> pd.DataFrame:
    """One row per deal and period of constant state, by deal and day.

    Args:
        deals: the deals table, amounts in `amount_original`.
        history: the history table; rows of unknown deals are left out.
        export_day: the day from which the deals table holds where the history ends on something else.

    Returns:
        `deal` (position in `deals`), `from_day`, `to_day` (exclusive; missing while it lasts), then what a history can
        change (`status`, `stage`, `amount` in `currency`, not converted, …), the deal's levels, and `status_before`,
        `amount_before`: those of the period before, whoever had the deal then; missing in a deal's first. The id, the
        customer and whatever else is the deal's own is added by `periods.with_deals`.
    """
    events = _Events.of(deals, history)
    names: dict[str, pd.Index] = {}
    state: dict[str, np.ndarray] = {}
    final: dict[str, np.ndarray] = {}
    as_now = untold(history)
    for column in (c for c in changing() if c not in as_now):
        names[column], then, now = _coded(deals, history, column)
        opens = int(names[column].get_loc("open")) if column == "status" else None  # type: ignore[arg-type]
        state[column] = _filled(events, then, now, opens=opens, closing=TABLES["deals"][column].closing)
        final[column] = now
    deal, day = events.deal, events.day
    del events, then, now
    deal, day, state = _with_export(deal, day, state, final, _seconds_of(export_day))
    del final
    last_of_day = np.ones(len(deal), dtype=bool)
    last_of_day[:-1] = (deal[1:] != deal[:-1]) | (day[1:] != day[:-1])
    deal, day = deal[last_of_day], day[last_of_day]
    for column in state:  # one at a time is held twice
        state[column] = state[column][last_of_day]
    new = np.ones(len(deal), dtype=bool)
    new[1:] = deal[1:] != deal[:-1]
    for values in state.values():
        new[1:] |= _differ(values[1:], values[:-1])
    deal, day = deal[new], day[new]
    for column in state:
        state[column] = state[column][new]
    until = np.full(len(deal), _NEVER)
    same = deal[1:] == deal[:-1]
    until[:-1][same] = day[1:][same]
    columns: dict[str, Any] = {"deal": deal.astype(np.int64)}
    columns |= {"from_day": day.view("datetime64[s]"), "to_day": until.view("datetime64[s]")}
    for column, values in state.items():
        columns[column] = _decoded(values, names[column], TABLES["deals"][column].kind)
    # what is told with an outcome has no past of its own where no history tells it
    along = (*(c for c in as_now if not TABLES["deals"][c].closing), *standing())
    columns |= {column: deals[column].array.take(deal) for column in along if column not in looked_up()}
    begins = np.append(True, ~same)[: len(deal)]
    columns["status_before"] = pd.Categorical.from_codes(_before(state["status"], begins), names["status"])
    columns["amount_before"] = _before(state["amount"], begins)
    return trimmed(pd.DataFrame({name: columns[name] for name in spell_columns() if name in columns}, copy=False))


def untold(history: pd.DataFrame) -> tuple[str, ...]:
    """The columns of which the history might tell a past and does not."""
    return tuple(c for c in changing() if c not in _ALWAYS and not history[c].notna().any())


class _Events:
    """Creation, history and closing of every deal in order: `deal`, `day`, and where each one's values come from."""

    def __init__(self, *, deal: np.ndarray, day: np.ndarray, row: np.ndarray, closing: np.ndarray) -> None:
        self.deal = deal
        self.day = day
        self.row = row  # position in the history, −1 for the others
        self.closing = closing
        starts = np.ones(len(deal), dtype=bool)
        starts[1:] = deal[1:] != deal[:-1]
        self.creation = starts
        self.here = np.arange(len(deal), dtype=np.int32)  # the half of what a position usually takes
        self.first = np.maximum.accumulate(np.where(starts, self.here, 0)) if len(deal) else self.here
        self.final = np.append(starts[1:], True)[: len(deal)]
        last_closing = np.maximum.accumulate(np.where(closing, self.here, -1)) if len(deal) else self.here
        self.after_closing = ~closing & (last_closing >= self.first)

    @classmethod
    def of(cls, deals: pd.DataFrame, history: pd.DataFrame) -> _Events:
        """The events of the deals; changes of other deals are left out."""
        created = _seconds(deals["created_on"])
        closed = _seconds(deals["closed_on"])
        ended = np.flatnonzero(deals["status"].isin(CLOSED).to_numpy() & (closed != _NEVER))
        of = places(history["deal_id"], deals["deal_id"])
        stamps = _seconds(history["changed_at"])
        rows = np.flatnonzero((of >= 0) & (stamps != _NEVER)).astype(np.int32)
        if not in_order(of[rows], stamps[rows]):
            rows = rows[np.lexsort((stamps[rows], of[rows]))]
        whole = np.arange(len(deals))
        deal = np.concatenate([whole, of[rows], ended])
        day = np.concatenate([created, stamps[rows] // _DAY * _DAY, closed[ended]])
        day = np.maximum(day, created[deal])
        rank = np.repeat(np.arange(3, dtype=np.int8), [len(whole), len(rows), len(ended)])
        number = (day - day.min(initial=0)) // _DAY
        order = np.argsort((deal * (number.max(initial=0) + 1) + number) * 3 + rank, kind="stable")
        del number
        deal, day, rank = deal.astype(np.int32)[order], day[order], rank[order]
        row = np.full(len(order), -1, dtype=np.int32)
        row[rank == 1] = rows[order[rank == 1] - len(whole)]
        return cls(deal=deal, day=day, row=row, closing=rank == 2)


def _before(values: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """The value of the row before; missing where a deal begins."""
    before = np.roll(values, 1)
    before[begins] = _missing(values)
    return before


def _own(column: str) -> str:
    """Where the deals table keeps the column in the deal's own terms: amounts there are not converted."""
    return "amount_original" if column == "amount" else column


def _coded(deals: pd.DataFrame, history: pd.DataFrame, column: str) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """The column's names (empty unless it holds texts), its values in the history and those in the deals table."""
    then, now = history[column], deals[_own(column)]
    kind = TABLES["deals"][column].kind
    if kind in ("amount", "number"):
        return pd.Index([]), then.to_numpy(), now.to_numpy()
    if TABLES["deals"][column].dated:
        return pd.Index([]), _seconds(then), _seconds(now)
    extra = [pd.Series(pd.Categorical(["open"]))] if column == "status" else []
    names, codes = shared_codes([then.astype("category"), now.astype("category"), *extra])
    return names, codes[0], codes[1]


def _decoded(values: np.ndarray, names: pd.Index, kind: str) -> Any:
    if kind in ("amount", "number"):
        return values
    if kind not in ("label", "text"):
        return values.view("datetime64[s]")
    labels = pd.Categorical.from_codes(values, names)
    return labels if kind == "label" else pd.Series(labels.astype(object), dtype="str").array


def _filled(
    events: _Events, then: np.ndarray, now: np.ndarray, *, opens: int | None, closing: bool = False
) -> np.ndarray:
    """The column's value after each event; missing where the history, or for `closing` the outcome, gives it later."""
    values = np.full(len(events.deal), _missing(now), dtype=now.dtype)
    if not len(values):
        return values
    told = events.row >= 0
    if opens is not None:  # a change of status after the last closing contradicts the deals table, which holds
        told &= ~events.after_closing
    values[told] = then[events.row[told]]
    from_history = told & ~_is_missing(values)
    carried = events.closing if opens is not None else events.closing & events.final
    values[carried] = now[events.deal[carried]]
    if opens is not None:
        values[events.creation] = opens
    before = np.maximum.accumulate(np.where(_is_missing(values), np.int32(-1), events.here))
    known = before >= events.first
    values = values[before]
    if closing:
        values[~known] = _missing(now)
        return values
    with_past = np.zeros(int(events.deal[-1]) + 1, dtype=bool)
    with_past[events.deal[from_history]] = True
    at = np.flatnonzero(~known)
    deal = events.deal[at]
    values[at] = np.where(with_past[deal], _missing(now), now[deal])
    return values


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
        says = not bool(_is_missing(values).all())  # a column the deals table never fills says nothing
        wanted[column] = values[deal[last]] if says else ends[column]
    changed = np.zeros(len(last), dtype=bool)
    for column, values in wanted.items():
        changed |= _differ(values, ends[column])
    if not changed.any():
        return deal, day, state
    after = last[changed] + 1
    state = {c: np.insert(v, after, wanted[c][changed]) for c, v in state.items()}
    day = np.insert(day, after, np.maximum(day[last[changed]], export))
    return np.insert(deal, after, deal[last[changed]]), day, state


def _kept(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    return trimmed(frame if rows.all() else frame[rows])


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
