"""What plain SQL says of every figure, for every group and quarter of a book: the queries, and what goes for them all.

What the book does not record is missing, a sum over nothing is nought, an index is a partner's, and of a quarter before
the book's first day nothing is known.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
from oracle import HEADLINES
from oracle_companions import COMPANIONS, PREPARE
from oracle_forecast import CHANCES

# Where nothing happened a count and a sum are nought; every other figure is missing.
NOUGHT = {
    *("number_of_deals", "won_amount", "opportunity_pipeline", "open_deals", "weighted_pipeline", "overdue_deals"),
    *("expected_wins", "won_amount_without_largest", "commission_earned"),
    *("lost_to_rivals", "marketing_channels", "paid", "earned", "owned", "unmapped", "none_recorded", "leads", "spend"),
    "conflicts",
}
# An index against the typical partner, or one's own past, is a partner's.
PARTNERS_ONLY = {"quality_score", "score_rank", "score_without_largest", "own_past", "observed_to_expected"}

WINS = "EXISTS (FROM deals WHERE status = 'won')"
PRICES = "EXISTS (FROM deals WHERE status = 'won' AND amount IS NOT NULL)"
LOSSES = "EXISTS (FROM prospects WHERE status IN ('lost', 'abandoned'))"
REFUSALS = "EXISTS (FROM prospects WHERE status = 'rejected')"
CHANNELS = "EXISTS (FROM prospects WHERE channel IS NOT NULL)"
MAP = "EXISTS (FROM channels)"
CLOSES = (
    "EXISTS (SELECT expected_close_on AS day FROM deals WHERE day IS NOT NULL"
    " UNION ALL SELECT expected_close_on AS day FROM history WHERE day IS NOT NULL)"
)

# What a book must hold at all for a figure to be measured in it; without it the figure is missing, never nought.
NEEDS = {
    **dict.fromkeys(("number_of_deals", "deals_per_active_month"), (WINS,)),
    **dict.fromkeys(("won_amount", "won_amount_without_largest", "attainment", "to_go_coverage"), (PRICES,)),
    "commission_earned": (PRICES, "EXISTS (FROM partners WHERE commission_rate IS NOT NULL)"),
    **dict.fromkeys(("weighted_pipeline", "expected_wins", "expected_attainment"), ("true",)),
    "score_rank": (PRICES,),
    "overdue_deals": (CLOSES,),
    "lost_to_rivals": ("EXISTS (FROM deals WHERE competitor IS NOT NULL)",),
    **dict.fromkeys(("marketing_channels", "paid", "earned", "owned"), (CHANNELS, MAP, PRICES)),
    **dict.fromkeys(("unmapped", "none_recorded"), (CHANNELS, PRICES)),
    "leads": ("EXISTS (FROM leads)",),
    "spend": ("EXISTS (FROM spend)",),
    "cost_per_lead": ("EXISTS (FROM leads)",),
    "cost_per_won_deal": (CHANNELS, WINS),
    **dict.fromkeys(("return_on_spend", "return_without_largest"), (CHANNELS, PRICES)),
    **dict.fromkeys(("close_rate", "narrow", "observed_to_expected"), (LOSSES, WINS)),
    "by_amount": (LOSSES, PRICES),
    **dict.fromkeys(("cohort_90", "cohort_180", "won_within_30", "won_within_90", "won_within_180"), (WINS,)),
    **dict.fromkeys(("deal_success", "conversion"), (f"({LOSSES} OR {REFUSALS})", WINS)),
    **dict.fromkeys(("identification", "conflicts"), (REFUSALS,)),
}


def answers(connection: duckdb.DuckDBPyConnection, groups: list[str], seasons: pd.DataFrame) -> pd.DataFrame:
    """Every headline and companion for every group and quarter: `value` and `n`, by figure, quarter and group.

    `seasons` are the factors of each `quarter` for the quarters of the year (`number`, `factor`), a fit of its own. `n`
    is missing where the definitions leave it open: where the book does not hold what the figure needs.
    """
    connection.execute(PREPARE)
    connection.register("seasons", seasons)
    quarters = connection.execute("SELECT quarter FROM periods ORDER BY first_day").df()["quarter"]
    cells = pd.MultiIndex.from_product([quarters, groups], names=["quarter", "group"])
    begun = cells.get_level_values("quarter").isin(connection.execute(BEGUN).df()["quarter"])
    network = cells.get_level_values("group").isin(["all", "unassigned"])
    tables = {}
    for figure, query in (HEADLINES | COMPANIONS).items():
        table = pd.DataFrame({"value": np.nan, "n": np.nan}, index=cells)
        tables[figure] = table
        if connection.execute(f"SELECT {' AND '.join(NEEDS.get(figure, ['true']))}").fetchone() == (True,):
            lines = connection.execute(query).df() if isinstance(query, str) else query(connection)
            lines = lines.set_index(["quarter", "grp"])[["value", "n"]].astype("float64")
            assert set(lines.index) <= set(cells), f"{figure} speaks of a group the package does not know"
            table.loc[:, :] = [0.0 if figure in NOUGHT else np.nan, 0]
            table.loc[lines.index] = lines
        if figure in ("weighted_pipeline", "expected_wins"):
            foreseen = connection.execute(f"WITH {CHANCES} SELECT quarter FROM everybody").df()["quarter"]
            table.loc[~cells.get_level_values("quarter").isin(foreseen)] = [np.nan, 0]
        if figure in PARTNERS_ONLY:
            table.loc[network] = np.nan
        table.loc[~begun] = [np.nan, 0]
    return pd.concat(tables, names=["figure"])


# The quarters of which anything can be known.
BEGUN = """
SELECT quarter FROM periods WHERE last_day >= (
    SELECT min(created_on) FROM (SELECT created_on FROM deals UNION ALL SELECT created_on FROM leads))
"""
