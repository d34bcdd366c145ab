"""Where a column lives, and choosing by it: one rule for `where`, `without` and `by`.

A row's value of a column is its own where the book records it of deals or leads (a deal without one has that of its
lead); else it is that of the row's partner (`tier`, `country`, a region known of partners only), or of its channel
(`media`). What a table can say nothing about stays whole when one chooses by it, and is unassigned when one groups.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book.labels import among, as_label, places, trimmed
from partnerkpi.book.periods import with_deals
from partnerkpi.book.schema import TABLES, changing, column_called, levels, tables_with
from partnerkpi.errors import UsageError, nearest

#: The media types of channels, and what stands for channels of none and for no channel.
MEDIA = ("paid", "earned", "owned", "unmapped", "none_recorded")

Tables = Mapping[str, pd.DataFrame]
Range = tuple[Any, Any]


@dataclass(frozen=True)
class Choice:
    """One condition on one column: any of `values` (None: no value), or from `low` to `high`; or its opposite."""

    column: str
    values: tuple[str | None, ...] = ()
    low: Any = None
    high: Any = None
    ranged: bool = False
    opposite: bool = False

    def holds(self, key: pd.Series) -> np.ndarray:
        """True for the rows whose value meets the condition."""
        if self.ranged:
            rows = key.notna()
            if self.low is not None:
                rows &= key >= self.low
            if self.high is not None:
                rows &= key <= self.high
        else:
            rows = key.isin([v for v in self.values if v is not None])
            if None in self.values:
                rows |= key.isna()
        return (~rows if self.opposite else rows).to_numpy(dtype=bool)


def whose(choices: Collection[Choice]) -> str | None:
    """The one partner that was chosen and nothing else; empty where nothing was chosen, None for any other part."""
    if not choices:
        return ""
    (first, *more) = choices
    alone = not more and first.column == "partner_id" and len(first.values) == 1 and not first.opposite
    return first.values[0] if alone else None


def media_of(channels: pd.DataFrame, channel: pd.Series) -> pd.Series:
    """The media type of each channel: `paid`, `earned`, `owned`, else `unmapped`, or `none_recorded` without one."""
    key = channel.astype("category")
    types = dict(zip(channels["channel"].astype(str), channels["media"].astype(str), strict=True))
    names = [types.get(str(name), "unmapped") for name in key.cat.categories]
    codes = np.array([*names, "none_recorded"], dtype=object)[key.cat.codes]
    return pd.Series(pd.Categorical(codes, dtype=pd.CategoricalDtype(list(MEDIA))), index=channel.index)


def values_of_rows(tables: Tables, recorded: Collection[str], frame: pd.DataFrame, column: str) -> pd.Series | None:
    """The value of the column that each row of the frame has; None where the frame can say nothing about it."""
    if column == "media":
        return media_of(tables["channels"], frame["channel"]) if "channel" in frame else None
    if column in frame and not (of_partner(recorded, column) and "partner_id" in frame):
        return frame[column]
    if of_partner(recorded, column) and "partner_id" in frame:
        facts = tables["partners"].set_index("partner_id")[column]
        facts.index = facts.index.astype("str")
        place = facts.index.get_indexer(pd.Index(frame["partner_id"].astype("str")))
        values = pd.Series(facts.array.take(place, allow_fill=True), index=frame.index)
        return as_label(values) if isinstance(values.dtype, pd.CategoricalDtype) else values
    return None


def of_partner(recorded: Collection[str], column: str) -> bool:
    """True when the book knows the column of partners only."""
    if tables_with(column) == ("partners",):
        return True
    elsewhere = [table for table in tables_with(column) if table in ("deals", "leads")]
    mine = f"partners.{column}" in recorded and column not in TABLES["partners"].key
    return mine and not any(f"{table}.{column}" in recorded for table in elsewhere)


def choice_of(tables: Tables, recorded: Collection[str], column: str, wanted: Any, *, opposite: bool) -> Choice:
    """The condition that an argument of `where` or `without` asks for.

    A text means this value, None the rows without one, a list any of its values, a pair `(low, high)` everything from
    one to the other (None: no limit); ranges are for days, amounts and numbers.

    Raises:
        UsageError: there is no such column, the value occurs nowhere, or the argument is of another shape.
    """
    kind = column_called(column)
    if kind is None or not any(_answers(tables, recorded, name, column) is not None for name in tables):
        names = dict.fromkeys(c.name for table in TABLES.values() if not table.looked_up for c in table.columns)
        raise UsageError(f"A book cannot be filtered by '{column}'. {nearest(column, names)}")
    if kind.dated or kind.kind in ("amount", "number"):
        return _ranged(column, kind.dated, wanted, opposite)
    values = wanted if isinstance(wanted, list | tuple | set | frozenset | pd.Series | pd.Index) else [wanted]
    listed = tuple(dict.fromkeys(values))
    if not listed or not all(v is None or isinstance(v, str) for v in listed):
        raise UsageError(f"{column}={wanted!r}: a text, None, or a list of texts is expected.")
    keys = [values_of_rows(tables, recorded, frame, column) for frame in tables.values()]
    for value in listed:
        if value is not None and not any(key.eq(value).any() for key in keys if key is not None):
            what = kind.title or column.replace("_", " ")
            occurring = {str(text) for key in keys if key is not None for text in key.dropna().unique()}
            raise UsageError(f"The book has no {what} '{value}'. {nearest(value, sorted(occurring))}")
    return Choice(column, listed, opposite=opposite)


def _ranged(column: str, dated: bool, wanted: Any, opposite: bool) -> Choice:
    shape = "a pair (first, last) of days like '2025-01-31'" if dated else "a pair (least, most) of numbers"
    pair = wanted if isinstance(wanted, tuple | list) else (wanted, wanted)
    if len(pair) != 2 or pair == (None, None):
        raise UsageError(f"{column}={wanted!r}: {shape} is expected; None for no limit.")
    try:
        low, high = (None if end is None else _day(end) if dated else float(end) for end in pair)
    except (TypeError, ValueError):
        raise UsageError(f"{column}={wanted!r}: {shape} is expected; None for no limit.") from None
    return Choice(column, low=low, high=high, ranged=True, opposite=opposite)


def _day(said: str | date | pd.Timestamp) -> pd.Timestamp:
    if not isinstance(said, str | date):
        raise TypeError
    return pd.Timestamp(said).as_unit("s")


def chosen(tables: Tables, recorded: Collection[str], choices: Collection[Choice]) -> dict[str, pd.DataFrame]:
    """All tables with only the rows that meet the conditions; what cannot be asked follows.

    Deals, leads, prospects, periods, spend, targets and partners are asked themselves; a prospect, a period or a lead
    that cannot answer follows its deal; history and touches follow the deals and leads that remain.
    """
    following = tuple(table.name for table in TABLES.values() if table.about)
    looked_up = tuple(table.name for table in TABLES.values() if table.looked_up)
    asked = {
        name: _only(tables[name], _meets(tables, recorded, name, choices))
        for name in tables
        if name not in (*looked_up, *following)
    }
    asked["spells"] = with_deals(asked["spells"], tables["deals"])
    leads = tables["leads"]
    if any(values_of_rows(tables, recorded, leads, c.column) is None for c in choices):
        asked["leads"] = _only(leads, among(leads["lead_id"], asked["prospects"]["lead_id"]))
    for name in following:
        frame = tables[name]
        rows = among(frame["deal_id"], asked["deals"]["deal_id"])
        if "lead_id" in frame:
            rows |= among(frame["lead_id"], asked["leads"]["lead_id"])
        if "partner_id" in frame:
            own = _meets(tables, recorded, name, [c for c in choices if c.column == "partner_id"])
            rows &= own | frame["partner_id"].isna().to_numpy()
        rows &= _meets(tables, recorded, name, [c for c in choices if tables_with(c.column) == (name,)])
        asked[name] = _only(frame, rows)
    whole = {name: tables[name] if name in looked_up else asked[name] for name in tables}
    whole["spells"] = whole["spells"].assign(deal=places(whole["spells"]["deal_id"], whole["deals"]["deal_id"]))
    return whole


def _only(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Only these rows, trimmed; the table as it is where that is all of them."""
    return frame if rows.all() else trimmed(frame[rows])


def _meets(tables: Tables, recorded: Collection[str], name: str, choices: Collection[Choice]) -> np.ndarray:
    """True for the table's rows that meet every condition; where a row cannot answer its deal does, else it stays."""
    frame, deals = tables[name], tables["deals"]
    rows = np.ones(len(frame), dtype=bool)
    for choice in choices:
        column = choice.column
        key = _answers(tables, recorded, name, column)
        if key is not None:
            rows &= choice.holds(key)
        elif column in deals and "deal" in frame and "deal_id" not in frame:
            rows &= choice.holds(deals[column])[frame["deal"].to_numpy()]
        elif column in deals and "deal_id" in frame:
            met = among(frame["deal_id"], deals["deal_id"][choice.holds(deals[column])])
            rows &= met | (~among(frame["deal_id"], deals["deal_id"]) & choice.opposite)
    return rows


def _answers(tables: Tables, recorded: Collection[str], name: str, column: str) -> pd.Series | None:
    """What each row of the table has for the column that is asked for; None where it can say nothing about it.

    A column of deals or leads that is no level is theirs alone: spend has an amount too, but not that of a deal. A
    period has the state of some day; one chooses deals by what they are now, whoever owned them then.
    """
    frame = tables[name]
    if name in TABLES and TABLES[name].looked_up:
        return None
    level = column in levels().values()
    if name == "spells" and column in changing() and not level:
        return None
    about_sales = name == "spells" or "deal_id" in frame or "lead_id" in frame
    if not (level or about_sales) and {"deals", "leads"} & set(tables_with(column)):
        return None
    return values_of_rows(tables, recorded, frame, column)
