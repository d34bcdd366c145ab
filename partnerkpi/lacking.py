"""Which KPIs a book gives, and which column each of the others lacks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.wording import Code

#: Which column a figure lacks that is missing for this reason.
LACKS: dict[Code, str] = {
    Code.CHANNELS_NOT_RECORDED: "deals.channel",
    Code.NO_CHANNEL_MAPPED: "the table channels (channel, media)",
    Code.LOSSES_NOT_RECORDED: "lost deals, by deals.status",
    Code.WINS_NOT_RECORDED: "won deals, by deals.status",
    Code.WON_AMOUNTS_NOT_RECORDED: "deals.amount of won deals",
    Code.LOST_AMOUNTS_NOT_RECORDED: "deals.amount of lost deals",
    Code.OPEN_NOT_RECORDED: "open deals, by deals.status",
    Code.OPEN_AMOUNTS_NOT_RECORDED: "deals.amount of open deals",
    Code.EXPECTED_CLOSES_NOT_RECORDED: "deals.expected_close_on",
    Code.LEADS_NOT_RECORDED: "the table leads",
    Code.SPEND_NOT_RECORDED: "the table spend",
    Code.COMMISSION_NOT_RECORDED: "partners.commission_rate",
    Code.RIVALS_NOT_RECORDED: "deals.competitor",
    Code.REFUSALS_NOT_RECORDED: "refused registrations (the status rejected)",
    Code.NO_OUTCOMES_RECORDED: "lost deals or refused registrations, by deals.status",
    Code.NO_TARGET: "the table targets",
    Code.NO_TARGET_AHEAD: "the table targets",
    Code.NO_TARGET_LEFT: "the table targets",
    Code.FEW_TYPICAL: "deals.partner_id of at least five partners",
    Code.PARTNERS_ONLY: "deals.partner_id",
}


@dataclass
class Told:
    """What a book tells: the KPIs that have a value, and of the others, and of companions, the column they lack."""

    available: list[Kpi] = field(default_factory=list)
    missing: list[tuple[Kpi, str]] = field(default_factory=list)
    companions: list[tuple[Kpi, str]] = field(default_factory=list)


def told_by(book: Book) -> Told:
    """Which KPIs have a value, and what those that have none lack."""
    made = Told()
    quarter = _busy_quarter(book)
    partner = next(iter(book.deals["partner_id"].value_counts().index), None) if len(book.deals) else None
    whole, mine = book, book.where(partner_id=str(partner)) if partner is not None else None
    for kpi in KPIS:
        if lack := _lack(kpi, whole, mine, quarter):
            made.missing.append((kpi, lack))
        else:
            made.available.append(kpi)
        for companion in kpi.companions:
            if (lack := _lack(companion, whole, mine, quarter)) and "deals.partner_id" not in lack:
                made.companions.append((companion, lack))
    return made


def _busy_quarter(book: Book) -> Quarter:
    """The last complete quarter in which something was decided, so that nothing is missing for want of deals."""
    quarter = book.quarter()
    closed = book.deals["closed_on"].dropna()
    last = closed[closed <= quarter.end].max() if len(closed) else pd.NaT
    while pd.notna(last) and last < quarter.start:
        quarter = quarter - 1
    return quarter


def _lack(kpi: Kpi, whole: Book, mine: Book | None, quarter: Quarter) -> str:
    """The column a figure lacks, empty where it has a value or only too few deals."""
    estimate = kpi(whole, quarter)
    if estimate.value is None and estimate.reason is not None and estimate.reason.code is Code.PARTNERS_ONLY:
        if mine is None:
            return LACKS[Code.PARTNERS_ONLY]
        estimate = kpi(mine, quarter)
    if estimate.value is not None or estimate.reason is None:
        return ""
    with suppress(KeyError):
        return LACKS[estimate.reason.code]
    return ""
