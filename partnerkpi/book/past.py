"""As-of: the tables as they were known at the end of a day.

What a current export cannot tell any more, it does not tell here either: amount, stage, partner and expected closing
of the past come from the history where it has them, else they are those of the export.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book.labels import among, as_label
from partnerkpi.book.schema import CLOSED
from partnerkpi.book.spells import spells_of

Tables = dict[str, pd.DataFrame]


def as_known_on(tables: Tables, day: pd.Timestamp, export_day: pd.Timestamp) -> Tables:
    """The tables at the end of the day; deals carry `amount_original` only, `amount` is converted later.

    Applying it again for the same or an earlier day gives what that day alone gives.
    """
    day = min(day, export_day)
    known = dict(tables)
    if day < export_day:
        known["deals"] = _deals(tables, day, export_day)
    deals = known["deals"]
    for name in ("registered_on", "accepted_on"):
        deals = deals.assign(**{name: deals[name].where(deals[name] <= day)})
    known["deals"] = deals.reset_index(drop=True)
    known["leads"] = _leads(tables["leads"], day)
    history = tables["history"]
    next_day = day + pd.Timedelta(days=1)
    late = history["recorded_at"] >= next_day
    own = among(history["deal_id"], known["deals"]["deal_id"])
    known["history"] = _kept(history, (history["changed_at"] < next_day) & ~late & own)
    partners = tables["partners"]
    partners = _kept(partners, partners["joined_on"].isna() | (partners["joined_on"] <= day))
    known["partners"] = partners.assign(left_on=partners["left_on"].where(partners["left_on"] <= day))
    known["touches"] = _kept(tables["touches"], tables["touches"]["touched_at"] < next_day)
    known["spend"] = _kept(tables["spend"], tables["spend"]["month"] <= day)
    known["rates"] = _kept(tables["rates"], tables["rates"]["date"] <= day)
    return known


def _deals(tables: Tables, day: pd.Timestamp, export_day: pd.Timestamp) -> pd.DataFrame:
    """The deals created by the day, in the state they had then."""
    deals, history = tables["deals"], tables["history"]
    next_day = day + pd.Timedelta(days=1)
    unheard = (history["changed_at"] < next_day) & (history["recorded_at"] >= next_day)
    spells = spells_of(deals, history[~unheard], export_day)
    deal, status = spells["deal"].to_numpy(), spells["status"].astype("str").to_numpy(dtype=object)
    begins = np.ones(len(spells), dtype=bool)
    begins[1:] = (deal[1:] != deal[:-1]) | (status[1:] != status[:-1])
    since = np.maximum.accumulate(np.where(begins, np.arange(len(spells)), 0)) if len(spells) else np.arange(0)
    on = day.to_datetime64()
    to_day = spells["to_day"].to_numpy()
    now = np.flatnonzero((spells["from_day"].to_numpy() <= on) & (np.isnat(to_day) | (to_day > on)))
    then = spells.iloc[now].reset_index(drop=True)
    part = deals.take(deal[now]).reset_index(drop=True)
    closed = then["status"].isin(CLOSED)
    same = closed & (part["closed_on"] <= day) & (then["status"].astype("str") == part["status"].astype("str"))
    status_since = spells["from_day"].take(since[now]).reset_index(drop=True)
    return part.assign(
        status=as_label(then["status"]),
        closed_on=part["closed_on"].where(same, status_since.where(closed)),
        reason=part["reason"].where(same),
        competitor=part["competitor"].where(same),
        amount_original=then["amount"],
        stage=as_label(then["stage"]),
        expected_close_on=then["expected_close_on"],
        partner_id=as_label(then["partner_id"]),
    )


def _leads(leads: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    known = _kept(leads, leads["created_on"] <= day)
    later = known["closed_on"] > day
    status = known["status"].astype("str").mask(later, "open")
    return known.assign(status=as_label(status), closed_on=known["closed_on"].mask(later))


def _kept(frame: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    return frame[rows.to_numpy(dtype=bool)].reset_index(drop=True)
