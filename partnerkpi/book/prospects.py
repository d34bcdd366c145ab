"""Prospects: every possible customer once, as a lead or as a deal that came from no lead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book.labels import as_label, first_known

PROSPECT_COLUMNS = (
    "prospect_id", "kind", "deal_id", "lead_id", "created_on", "closed_on", "status", "amount", "partner_id",
    "channel", "region", "product", "rep", "unit",
)  # fmt: skip
LABELS = ("kind", "status", "partner_id", "channel", "region", "product", "rep", "unit")


def prospects_of(deals: pd.DataFrame, leads: pd.DataFrame) -> pd.DataFrame:
    """Deals without a lead, then all leads.

    A lead with a deal shares that deal's outcome (`status`, `closed_on`, `amount`, `rep`, `unit`) and its partner; of
    several deals the first win counts, else one still open, else the last to close. `created_on`, `channel`, `region`
    and `product` are the lead's own, the last three the deal's where the lead has none.

    Returns:
        `prospect_id` ("D:…" or "L:…"), `kind` (deal, lead), `deal_id`, `lead_id`, `created_on`, `closed_on`,
        `status`, `amount` (book currency), `partner_id`, `channel`, `region`, `product`, `rep`, `unit`.
    """
    lead_of = pd.Index(leads["lead_id"]).get_indexer(pd.Index(deals["lead_id"]))
    lead_of[deals["lead_id"].isna().to_numpy()] = -1
    alone = deals[lead_of < 0]
    own = alone.assign(prospect_id="D:" + alone["deal_id"], kind="deal", lead_id=pd.Series(pd.NA, dtype="str"))
    whole = pd.concat([_shape(own), _shape(_leads(deals, leads, lead_of))], ignore_index=True)
    return whole.assign(**{name: as_label(whole[name].astype("str")) for name in LABELS})


def _shape(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns in order, labels as text so that two tables can stand below each other."""
    texts = {name: frame[name].astype("str") for name in (*LABELS, "deal_id", "lead_id", "prospect_id")}
    return frame.assign(**texts)[list(PROSPECT_COLUMNS)]


def _leads(deals: pd.DataFrame, leads: pd.DataFrame, lead_of: np.ndarray) -> pd.DataFrame:
    """The leads, each with the outcome of its deal where it has one."""
    deal = _speaking_deal(deals, lead_of, len(leads))
    has = deal >= 0
    of_deal = deals.take(np.maximum(deal, 0)) if len(deals) else deals.reindex(range(len(leads)))
    of_deal = of_deal.set_axis(leads.index)

    def known(column: str, first: pd.DataFrame, second: pd.DataFrame) -> pd.Series:
        one, two = first[column], second[column]
        blank = one.where(has) if first is of_deal else one
        return first_known(as_label(blank), as_label(two.where(has) if second is of_deal else two))

    made = pd.DataFrame({"lead_id": leads["lead_id"], "created_on": leads["created_on"]})
    made["prospect_id"] = "L:" + leads["lead_id"]
    made["kind"] = "lead"
    made["deal_id"] = of_deal["deal_id"].where(has)
    made["closed_on"] = of_deal["closed_on"].where(has, leads["closed_on"])
    made["status"] = of_deal["status"].astype("str").where(has, leads["status"].astype("str"))
    made["amount"] = of_deal["amount"].where(has).astype("float64")
    made["partner_id"] = known("partner_id", of_deal, leads)
    for column in ("channel", "region", "product"):
        made[column] = known(column, leads, of_deal)
    for column in ("rep", "unit"):
        made[column] = of_deal[column].where(has)
    return made


def _speaking_deal(deals: pd.DataFrame, lead_of: np.ndarray, leads: int) -> np.ndarray:
    """For each lead the position of the deal whose outcome it shares, −1 without one."""
    chosen = np.full(leads, -1)
    rows = np.flatnonzero(lead_of >= 0)
    if not len(rows):
        return chosen
    some = deals.iloc[rows]
    status = some["status"].astype("str").to_numpy()
    closed = some["closed_on"].to_numpy(dtype="datetime64[s]").view(np.int64)
    created = some["created_on"].to_numpy(dtype="datetime64[s]").view(np.int64)
    won, still = status == "won", status == "open"
    rank = np.where(won, 0, np.where(still, 1, 2))
    when = np.where(won, closed, np.where(still, created, -closed))
    names = some["deal_id"].rank(method="first").to_numpy()
    order = np.lexsort((names, when, rank, lead_of[rows]))
    lead, first = np.unique(lead_of[rows][order], return_index=True)
    chosen[lead] = rows[order][first]
    return chosen
