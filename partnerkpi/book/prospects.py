"""Prospects: every possible customer once, as a lead or as a deal that came from no lead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book.labels import as_label, shared_codes
from partnerkpi.book.schema import TABLES


def prospects_of(deals: pd.DataFrame, leads: pd.DataFrame) -> pd.DataFrame:
    """Deals without a lead, then all leads.

    A lead with a deal shares that deal's outcome (`status`, `closed_on`, `amount`, `customer`, `rep`, `unit`) and its
    partner; of several deals the first win counts, else one still open, else the last to close. `created_on`,
    `channel`, `region` and `product` are the lead's own, the last three the deal's where the lead has none.

    Returns:
        `prospect_id` ("D:…" or "L:…"), `kind` (deal, lead), `deal_id`, `lead_id`, `created_on`, `closed_on`,
        `amount` (book currency), `customer`, `status`, `partner_id`, and every other level of leads and deals.
    """
    lead_of = pd.Index(leads["lead_id"]).get_indexer(pd.Index(deals["lead_id"]))
    lead_of[deals["lead_id"].isna().to_numpy()] = -1
    alone = np.flatnonzero(lead_of < 0)
    deal = np.concatenate([alone, _speaking_deal(deals, lead_of, len(leads))])  # −1 for a lead without a deal
    lead = np.concatenate([np.full(len(alone), -1), np.arange(len(leads))])
    is_lead = lead >= 0
    deal_id, lead_id = _taken(deals["deal_id"], deal), _taken(leads["lead_id"], lead)
    frame = pd.DataFrame(
        {
            "prospect_id": pd.concat(["D:" + deal_id[~is_lead], "L:" + leads["lead_id"]], ignore_index=True),
            "kind": as_label(pd.Series(pd.Categorical(np.where(is_lead, "lead", "deal")))),
            "deal_id": deal_id,
            "lead_id": lead_id,
            "created_on": _either(leads["created_on"], lead, deals["created_on"], deal),
            "closed_on": _taken(deals["closed_on"], deal).where(deal >= 0, _taken(leads["closed_on"], lead)),
            "amount": _taken(deals["amount"], deal).astype("float64"),
        }
    )
    frame["customer"] = _taken(deals["customer"], deal)
    for name in ("status", "partner_id"):
        frame[name] = _label(deals[name], deal, leads[name], lead)
    for name in (c.name for c in TABLES["deals"].columns if c.level and c.name != "partner_id"):
        if name in TABLES["leads"]:
            frame[name] = _label(leads[name], lead, deals[name], deal)
        else:
            frame[name] = as_label(_taken(deals[name], deal))
    return frame


def _taken(column: pd.Series, rows: np.ndarray) -> pd.Series:
    """The values at the given positions, missing at −1."""
    return pd.Series(column.array.take(rows, allow_fill=True))


def _either(first: pd.Series, rows: np.ndarray, second: pd.Series, others: np.ndarray) -> pd.Series:
    return _taken(first, rows).fillna(_taken(second, others))


def _label(first: pd.Series, rows: np.ndarray, second: pd.Series, others: np.ndarray) -> pd.Series:
    """The first table's label where it has one, else the second's."""
    names, (one, other) = shared_codes([first, second])
    mine, theirs = np.append(one, -1)[rows], np.append(other, -1)[others]
    return as_label(pd.Series(pd.Categorical.from_codes(np.where(mine >= 0, mine, theirs), names)))


def _speaking_deal(deals: pd.DataFrame, lead_of: np.ndarray, leads: int) -> np.ndarray:
    """For each lead the position of the deal whose outcome it shares, −1 without one."""
    chosen = np.full(leads, -1)
    rows = np.flatnonzero(lead_of >= 0)
    if not len(rows):
        return chosen
    several = np.bincount(lead_of[rows])[lead_of[rows]] > 1
    chosen[lead_of[rows[~several]]] = rows[~several]
    rows = rows[several]
    some = deals[["deal_id", "status", "closed_on", "created_on"]].iloc[rows]
    closed = some["closed_on"].to_numpy(dtype="datetime64[s]").view(np.int64)
    created = some["created_on"].to_numpy(dtype="datetime64[s]").view(np.int64)
    won, still = ((some["status"] == one).to_numpy() for one in ("won", "open"))
    rank = np.where(won, 0, np.where(still, 1, 2))
    when = np.where(won, closed, np.where(still, created, -closed))
    names = some["deal_id"].rank(method="first").to_numpy()
    order = np.lexsort((names, when, rank, lead_of[rows]))
    lead, first = np.unique(lead_of[rows][order], return_index=True)
    chosen[lead] = rows[order][first]
    return chosen
