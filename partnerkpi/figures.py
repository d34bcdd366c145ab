"""The eight KPIs and their companions as one tidy table: the same for a terminal, a spreadsheet and a review."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.errors import UsageError, nearest
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpis import KPIS
from partnerkpi.kpis.close_rate import close_rate
from partnerkpi.kpis.marketing_channels import cost_per_lead, cost_per_won_deal, leads, return_on_spend, spend
from partnerkpi.kpis.number_of_deals import number_of_deals, won_amount
from partnerkpi.periods import Quarter

COLUMNS = ("by", "group", "quarter", "as_of", "kpi", "figure", "value", "low", "high", "n", "unit", "reason")


def scorecard(
    book: Book,
    quarter: str | Quarter | Sequence[str | Quarter] = "",
    *,
    by: str = "partner",
    partner: str | None = None,
    headlines_only: bool = False,
) -> pd.DataFrame:
    """Every figure for every group and quarter, one row each.

    Columns `by, group, quarter, as_of, kpi, figure, value, low, high, n, unit, reason`; `figure` is `headline` or the
    companion's name; missing values are NaN here and empty or null in files. `by="none"` gives only the line `all`.
    With `partner` only that partner's rows are used. The default quarter is the last complete one.

    Raises:
        UsageError: no such level, partner or quarter; the text names the nearest.
    """
    if partner is not None:
        if partner not in book.partner_ids:
            raise UsageError(f"There is no partner '{partner}' in {book.name}. {nearest(partner, book.partner_ids)}")
        book = book.for_partner(partner)
    wanted = [quarter] if isinstance(quarter, (str, Quarter)) else list(quarter)
    tables = []
    for period in map(book.quarter, wanted):
        for kpi in KPIS:
            for figure in [kpi] if headlines_only else [kpi, *kpi.companions]:
                name = "headline" if figure is kpi else figure.name
                whole_only = by == "none"
                table = figure.trend(book, [period]).assign(group=ALL) if whole_only else figure.by(book, period, by)
                tables.append(table.assign(quarter=period.label, kpi=kpi.name, figure=name))
    whole = pd.concat(tables, ignore_index=True)
    return whole.assign(by=by, as_of=f"{book.as_of:%Y-%m-%d}")[list(COLUMNS)]


MEDIA_FIGURES = {
    "leads": leads,
    "won_deals": number_of_deals,
    "won_amount": won_amount,
    "spend": spend,
    "cost_per_lead": cost_per_lead,
    "cost_per_won_deal": cost_per_won_deal,
    "return_on_spend": return_on_spend,
}


def media_table(book: Book, quarter: str | Quarter, by: str = "media") -> pd.DataFrame:
    """What each media type (or, by `channel`, each channel) brought and cost in the quarter.

    Columns: the level, then `leads`, `won_deals`, `won_amount`, `close_rate` with its 95 % interval (`close_rate_low`,
    `close_rate_high`), `spend`, `cost_per_lead`, `cost_per_won_deal` and `return_on_spend`. What is not recorded, or
    has no spend, is missing. Rows without a channel are `none_recorded`.
    """
    tables = {name: figure.by(book, quarter, by).set_index("group")["value"] for name, figure in MEDIA_FIGURES.items()}
    rate = close_rate.by(book, quarter, by).set_index("group")
    rates = {"close_rate": rate["value"], "close_rate_low": rate["low"], "close_rate_high": rate["high"]}
    columns = [*list(MEDIA_FIGURES)[:3], *rates, *list(MEDIA_FIGURES)[3:]]
    table = pd.DataFrame(tables | rates)[columns].rename_axis(by).reset_index()
    if by == "media":  # every row has a media type or is `none_recorded` already
        return table[table[by] != UNASSIGNED].reset_index(drop=True)
    return table.replace({by: {UNASSIGNED: "none_recorded"}})
