"""Periods of deals without what is the deal's own, and the same with it.

A book of many deals has several times as many periods. What stands in the deals table unchanged (its id, what it is
called, who buys) is held there once, and taken from there for the periods that somebody asks for.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book.schema import TABLES, changing, standing

_HEAD = ("deal_id", "deal", "from_day", "to_day")
_BEFORE = ("status_before", "amount_before")


def spell_columns() -> tuple[str, ...]:
    """The columns of the spells, in their order."""
    return (*_HEAD, *changing(), *standing(), *_BEFORE)


def looked_up() -> tuple[str, ...]:
    """Those that are the deal's own and no labels, which take little."""
    return ("deal_id", *(c for c in standing() if TABLES["deals"][c].dtype != "category"))


def lasts_on(spells: pd.DataFrame, day: pd.Timestamp) -> np.ndarray:
    """True for the spells in which the end of the day lies."""
    on, until = day.to_datetime64(), spells["to_day"].to_numpy()
    return (spells["from_day"].to_numpy() <= on) & (np.isnat(until) | (until > on))


def deal_ids(spells: pd.DataFrame, deals: pd.DataFrame) -> pd.Series:
    """The id of each period's deal."""
    if "deal_id" in spells:
        return spells["deal_id"]
    return pd.Series(deals["deal_id"].array.take(spells["deal"].to_numpy()), index=spells.index)


def with_deals(spells: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """Periods with all their columns, those that are looked up among the deals too; themselves where they have them.

    Args:
        spells: some periods of a book, or all, in any order.
        deals: the deals among which `deal` is the position of each one's.
    """
    missing = [name for name in spell_columns() if name not in spells]
    if not missing:
        return spells
    deal = spells["deal"].to_numpy()
    columns = {name: spells[name].array for name in spells}
    for name in missing:
        if name == "deal_id" or name in standing():
            columns[name] = deals[name].array.take(deal)
        else:  # what no history tells, and no past has
            nothing = pd.Series([np.nan], dtype=TABLES["deals"][name].dtype).array
            columns[name] = nothing.take(np.zeros(len(spells), dtype=np.int64))
    return pd.DataFrame({name: columns[name] for name in spell_columns()}, index=spells.index, copy=False)
