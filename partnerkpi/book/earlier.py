"""The spells of an earlier day, taken from those of a later one: working them out anew costs as much as opening a book.

The spells of the past are those of the whole book, cut off at the day: what a deal was then does not depend on what
came after. Only what was entered late is not in them; the few deals it concerns are worked out anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from partnerkpi.book.labels import trimmed
from partnerkpi.book.past import entered_after, spells_of, untold, without_closings
from partnerkpi.book.periods import deal_ids, looked_up, spell_columns
from partnerkpi.book.schema import TABLES, standing


def spells_heard(tables: Mapping[str, pd.DataFrame], day: pd.Timestamp, as_of: pd.Timestamp) -> pd.DataFrame:
    """The spells of a whole book of `as_of` that begin by an earlier day, by what had been entered by the end of it.

    Those of `spells_of` the deals and the changes that were entered by then, without what stands in the deals table
    unchanged; `tables` holds `spells` too.
    """
    spells, deals, history = tables["spells"], tables["deals"], tables["history"]
    begun = (spells["from_day"] <= day).to_numpy()
    columns = [name for name in spells if name not in standing() or name == "currency"]
    unheard = entered_after(history, day)
    if not unheard.any():
        return _named(spells.loc[begun, columns], deals)
    ids = history.loc[unheard, "deal_id"].unique()
    late = deals["deal_id"].isin(ids).to_numpy()
    own = history[history["deal_id"].isin(ids).to_numpy() & ~unheard]
    again = spells_of(without_closings(deals[late], history[unheard]), own, as_of)
    again["deal"] = np.flatnonzero(late)[again["deal"]]
    again = again.loc[(again["from_day"] <= day).to_numpy(), columns]
    deal = np.concatenate([spells["deal"], again["deal"]])
    kept = np.flatnonzero(np.append(begun & ~late[deal[: len(spells)]], np.ones(len(again), dtype=bool)))
    rows = kept[np.argsort(deal[kept], kind="stable")]
    heard = {str(name): _both(spells[name], again[name]).take(rows) for name in columns}
    return _named(pd.DataFrame(heard, copy=False), deals)


def _named(spells: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """The spells with the id of each one's deal, which means the same among other deals."""
    return spells.assign(deal_id=deal_ids(spells, deals))


def _both(one: pd.Series, other: pd.Series) -> Any:
    if isinstance(one.dtype, pd.CategoricalDtype):
        return union_categoricals([one, other], sort_categories=True)
    return pd.concat([one, other.astype(one.dtype)], ignore_index=True).array


def spells_until(heard: pd.DataFrame, deals: pd.DataFrame, history: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """The spells cut off at the end of the day, with what goes along with the deals as these were known then."""
    deal = heard["deal"].to_numpy()
    begins = np.ones(len(deal), dtype=bool)
    begins[1:] = deal[1:] != deal[:-1]
    place = pd.Index(deals["deal_id"]).get_indexer(heard["deal_id"][begins])[np.cumsum(begins) - 1]
    if (place < 0).any():
        heard, place = heard[place >= 0], place[place >= 0]
    along = (*standing(), *(c for c in untold(history) if not TABLES["deals"][c].closing))
    values = {str(name): heard[name].array for name in heard if name != "deal_id"}
    values |= {"deal": place, "to_day": heard["to_day"].mask(heard["to_day"] > day).array}
    values |= {name: deals[name].array.take(place) for name in along if name not in looked_up()}
    return trimmed(pd.DataFrame({name: values[name] for name in spell_columns() if name in values}, copy=False))
