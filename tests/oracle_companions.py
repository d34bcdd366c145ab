"""Every companion figure a second time: plain SQL over the tables of `oracle`, and one model fitted by Newton's method.

Written from the definitions and from each figure's own formula, sharing no code with the package. A figure's query
gives `quarter, grp, value, n`; a group it gives no line for has no row to count. `oracle_answers` puts all together.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
from oracle import CURVES, GROUP, LIVES, SCORE_RANK, SETS, TYPICAL
from oracle_forecast import EXPECTED_ATTAINMENT, EXPECTED_WINS, WEIGHTED_PIPELINE

# Views shared by several companions, and the two that are asked often, as tables.
PREPARE = f"""
CREATE OR REPLACE MACRO age_class(days) AS CASE WHEN days < 30 THEN 0 WHEN days < 60 THEN 30 WHEN days < 90 THEN 60
    WHEN days < 180 THEN 90 WHEN days < 365 THEN 180 ELSE 365 END;
CREATE OR REPLACE TABLE lasting AS SELECT * FROM states;
CREATE OR REPLACE TABLE standing AS SELECT * FROM stood;
CREATE OR REPLACE TABLE ended AS SELECT * FROM closed;
CREATE OR REPLACE TABLE decided AS
SELECT p.quarter, x.* FROM prospects x JOIN periods p ON x.closed_on BETWEEN p.first_day AND p.last_day
WHERE status IN ('won', 'lost', 'abandoned');

-- Won amount of every line: missing where there are wins and none has an amount.
CREATE OR REPLACE VIEW won_by AS
SELECT quarter, {GROUP}, count(*) AS n, sum(worth) AS worth FROM ended WHERE status = 'won' {SETS};
CREATE OR REPLACE VIEW open_by AS SELECT quarter, {GROUP}, count(*) AS n, sum(worth) AS worth FROM standing {SETS};

-- Targets of won amount at the first level that the quarter has: partners', reps', units', the whole's. Only the first
-- speaks of partners; the sum of whichever it is is the whole's.
CREATE OR REPLACE VIEW target_by AS
WITH levelled AS (
    SELECT *, CASE WHEN partner_id IS NOT NULL THEN 1 WHEN rep IS NOT NULL THEN 2
                   WHEN unit IS NOT NULL THEN 3 ELSE 4 END AS level
    FROM targets WHERE coalesce(measure, 'won_amount') = 'won_amount' AND quarter IN (SELECT quarter FROM periods)
)
SELECT quarter, coalesce(partner_id, 'all') AS grp, sum(amount) AS target
FROM (FROM levelled QUALIFY level = min(level) OVER (PARTITION BY quarter))
GROUP BY GROUPING SETS ((quarter, partner_id), (quarter)) HAVING grouping(partner_id) = 1 OR partner_id IS NOT NULL;

CREATE OR REPLACE VIEW bills AS
SELECT p.quarter, s.channel, s.partner_id,
       money(s.amount, CASE WHEN coalesce(s.currency, b.currency) = b.currency THEN 1.0 ELSE r.rate END) AS worth
FROM spend s JOIN periods p ON s.month BETWEEN p.first_day AND p.last_day
CROSS JOIN book b
ASOF LEFT JOIN rates r ON s.currency = r.currency AND s.month >= r.date;

CREATE OR REPLACE VIEW new_leads AS
SELECT p.quarter, l.partner_id, l.channel
FROM leads l JOIN periods p ON l.created_on BETWEEN p.first_day AND p.last_day;

CREATE OR REPLACE VIEW won_through AS
SELECT e.quarter, e.partner_id, e.worth, e.came_through AS channel,
       CASE WHEN came_through IS NULL THEN 'none_recorded' ELSE coalesce(m.media, 'unmapped') END AS media
FROM ended e LEFT JOIN channels m ON m.channel = e.came_through WHERE status = 'won';
"""

MEDIAN_DEAL_SIZE = f"""
SELECT quarter, {GROUP}, median(worth) AS value, count(*) AS n FROM ended WHERE status = 'won' AND worth > 0 {SETS}
"""

LARGEST_DEAL_SHARE = f"""
SELECT quarter, {GROUP}, max(worth) / sum(worth) AS value, count(*) AS n
FROM ended WHERE status = 'won' AND worth > 0 {SETS}
"""

WITHOUT_LARGEST = f"""
SELECT quarter, {GROUP}, (sum(worth) - max(worth)) / nullif(count(*) - 1, 0) AS value, count(*) AS n
FROM ended WHERE status = 'won' AND worth > 0 {SETS}
"""

COMMISSION_EARNED = f"""
SELECT quarter, {GROUP}, sum(round_even(worth * commission_rate * units, 0) / units) AS value, count(*) AS n
FROM ended LEFT JOIN partners USING (partner_id), book WHERE status = 'won' AND partner_id IS NOT NULL
GROUP BY GROUPING SETS ((quarter, partner_id), (quarter))
"""

WON_WITHOUT_LARGEST = f"""
SELECT quarter, {GROUP}, sum(worth) - max(worth) AS value, count(*) AS n FROM ended WHERE status = 'won' {SETS}
"""

WON_AMOUNT = "SELECT quarter, grp, worth AS value, n FROM won_by"

ATTAINMENT = """
SELECT quarter, grp, CASE WHEN n IS NULL THEN 0 ELSE worth END / nullif(target, 0) AS value, coalesce(n, 0) AS n
FROM won_by FULL JOIN target_by USING (quarter, grp) WHERE quarter IN (SELECT quarter FROM target_by)
"""

# A month is a third of the quarter. Whoever stands in no list of partners, or without a day, is there all the time.
DEALS_PER_ACTIVE_MONTH = f"""
WITH everybody AS (
    SELECT partner_id FROM partners UNION SELECT partner_id FROM deals UNION SELECT partner_id FROM leads
    UNION SELECT partner_id FROM history UNION SELECT partner_id FROM spend UNION SELECT partner_id FROM targets
),
months AS (
    SELECT quarter, partner_id,
           least(coalesce(left_on, last_day), last_day) AS last,
           greatest(coalesce(joined_on, first_day), first_day) AS first, 3.0 * (last - first + 1) / days AS months
    FROM everybody LEFT JOIN partners USING (partner_id), periods WHERE partner_id IS NOT NULL
),
active AS (SELECT quarter, {GROUP}, sum(months) AS months FROM months WHERE months > 0 {SETS})
SELECT quarter, grp, coalesce(n, 0) / months AS value, coalesce(n, 0) AS n
FROM won_by FULL JOIN active USING (quarter, grp)
"""

OPEN_DEALS = "SELECT quarter, grp, n::DOUBLE AS value, n FROM open_by"

PIPELINE_AGE = f"SELECT quarter, {GROUP}, median(age) AS value, count(*) AS n FROM standing {SETS}"

OVERDUE_DEALS = f"""
SELECT quarter, {GROUP}, count(*)::DOUBLE AS value, count(*) AS n
FROM standing WHERE expected_close_on < last_day {SETS}
"""

COVERAGE = """
SELECT quarter, grp, CASE WHEN n IS NULL THEN 0 ELSE worth END / nullif(target, 0) AS value, coalesce(n, 0) AS n
FROM open_by FULL JOIN target_by USING (quarter, grp) WHERE quarter IN (SELECT quarter FROM target_by)
"""

TO_GO_COVERAGE = """
WITH missing AS (
    SELECT quarter, grp, target - CASE WHEN n IS NULL THEN 0 ELSE worth END AS amount
    FROM target_by LEFT JOIN won_by USING (quarter, grp)
)
SELECT quarter, grp, CASE WHEN amount > 0 THEN CASE WHEN n IS NULL THEN 0 ELSE worth END / amount END AS value,
       coalesce(n, 0) AS n
FROM open_by FULL JOIN missing USING (quarter, grp) WHERE quarter IN (SELECT quarter FROM target_by)
"""

LOST_TO_RIVALS = f"""
SELECT quarter, {GROUP}, sum(worth) AS value, count(*) AS n
FROM ended WHERE status = 'lost' AND competitor IS NOT NULL {SETS}
"""


def through(media: str) -> str:
    """Won amount of one media type."""
    return (
        f"SELECT quarter, {GROUP}, sum(worth) AS value, count(*) AS n FROM won_through WHERE media = '{media}' {SETS}"
    )


LEADS = f"SELECT quarter, {GROUP}, count(*)::DOUBLE AS value, count(*) AS n FROM new_leads {SETS}"

SPEND = f"SELECT quarter, {GROUP}, sum(worth) AS value, count(*) AS n FROM bills {SETS}"


def carried(unit: str) -> str:
    """Each unit with what it carries of the spend of no partner on its channel, and the spend that nobody carries."""
    return f"""
    common AS (
        SELECT quarter, channel, sum(worth) AS worth FROM bills WHERE partner_id IS NULL AND worth > 0
        GROUP BY quarter, channel
    ),
    loads AS (
        SELECT u.*, coalesce(c.worth / count(*) OVER (PARTITION BY u.quarter, u.channel), 0) AS load,
               EXISTS (FROM bills b WHERE b.worth > 0 AND b.quarter = u.quarter AND b.channel = u.channel
                       AND b.partner_id = u.partner_id) AS own
        FROM {unit} u LEFT JOIN common c ON c.quarter = u.quarter AND c.channel = u.channel
        WHERE u.channel IS NOT NULL
    ),
    spent AS (
        SELECT quarter, partner_id, worth FROM bills b
        WHERE partner_id IS NOT NULL
           OR NOT EXISTS (FROM {unit} u WHERE u.quarter = b.quarter AND u.channel = b.channel)
        UNION ALL SELECT quarter, partner_id, load FROM loads
    ),
    costs AS (SELECT quarter, {GROUP}, sum(worth) AS cost FROM spent {SETS})
    """


def cost_per(unit: str) -> str:
    """A partner's own spend and its share of everybody's, over its units of the channels with either; five at least."""
    return f"""
    WITH {carried(unit)},
    units AS (SELECT quarter, {GROUP}, count(*) AS n FROM loads WHERE own OR load > 0 {SETS})
    SELECT quarter, grp, CASE WHEN n >= 5 THEN cost / n END AS value, coalesce(n, 0) AS n
    FROM costs LEFT JOIN units USING (quarter, grp)
    """


def return_on(left_out: str) -> str:
    """The return on all spend, less what is left out of the won amount."""
    return f"""
    WITH {carried("won_through")},
    brought AS (
        SELECT quarter, {GROUP}, count(*) AS n, sum(worth) AS worth, coalesce({left_out}, 0) AS less FROM loads {SETS}
    )
    SELECT quarter, grp, CASE WHEN n >= 5 THEN (worth - less - cost) / nullif(cost, 0) END AS value,
           coalesce(n, 0) AS n
    FROM brought FULL JOIN costs USING (quarter, grp)
    """


NARROW = f"""
SELECT quarter, {GROUP}, avg((status = 'won')::INT) AS value, count(*) AS n
FROM decided WHERE status IN ('won', 'lost') {SETS}
"""

# Unknown where a side has deals and none of them has an amount; a lead that became no deal never had one.
BY_AMOUNT = f"""
SELECT quarter, {GROUP}, count(*) FILTER (worth > 0) AS n,
       CASE WHEN count(*) FILTER (status = 'won' AND deal_id IS NOT NULL) > 0
                 AND count(worth) FILTER (status = 'won') = 0 THEN NULL
            WHEN count(*) FILTER (status <> 'won' AND deal_id IS NOT NULL) > 0
                 AND count(worth) FILTER (status <> 'won') = 0 THEN NULL
            ELSE coalesce(sum(greatest(worth, 0)) FILTER (status = 'won'), 0) / nullif(sum(greatest(worth, 0)), 0)
            END AS value
FROM decided {SETS}
"""

# The prospects that came in during the four quarters, watched from their first day.
COHORT = """
SELECT p.quarter, unnest([coalesce(partner_id, 'unassigned'), 'all']) AS grp, 0 AS enters,
       least(coalesce(closed_on, last_day), last_day) - created_on AS leaves,
       coalesce(closed_on <= last_day, false) AND status = 'won' AS won,
       coalesce(closed_on <= last_day, false) AND status <> 'won' AS otherwise, last_day - created_on AS reach
FROM prospects JOIN periods p ON created_on BETWEEN window_day AND last_day
WHERE closed_on IS NULL OR closed_on >= created_on
"""


def won_within(days: int, lives: str) -> str:
    """The win curve at one age: known where somebody could be followed so long."""
    return f"""
    WITH lives AS ({lives}), {CURVES}, longest AS (SELECT quarter, grp, max(reach) AS reach FROM lives GROUP BY ALL)
    SELECT quarter, grp, CASE WHEN reach >= {days}
                         THEN coalesce(max(win_curve) FILTER (age <= {days}), 0) END AS value, n
    FROM curve JOIN ends USING (quarter, grp) JOIN longest USING (quarter, grp) GROUP BY quarter, grp, reach, n
    """


NAIVE_DAYS = f"""
SELECT quarter, {GROUP}, median(closed_on - created_on) AS value, count(*) AS n
FROM ended WHERE status = 'won' AND closed_on >= created_on {SETS}
"""

# Entries per day × probability to be won at all × mean size of what was won in the window.
SALES_VELOCITY = f"""
WITH lives AS ({LIVES}), {CURVES},
flow AS (
    SELECT p.quarter, {GROUP}, count(*) FILTER (created_on >= window_day) / (p.last_day - p.window_day + 1) AS entries,
           avg(worth) FILTER (status = 'won' AND closed_on <= last_day AND worth > 0) AS size
    FROM valued JOIN periods p ON created_on <= last_day AND (closed_on IS NULL OR closed_on >= window_day)
    WHERE closed_on IS NULL OR closed_on >= created_on
    GROUP BY GROUPING SETS ((p.quarter, p.last_day, p.window_day, partner_id), (p.quarter, p.last_day, p.window_day))
)
SELECT quarter, grp, entries * height * size AS value, n FROM ends JOIN flow USING (quarter, grp)
"""

SCORE_WITHOUT_LARGEST = f"""
WITH {TYPICAL}
SELECT quarter, grp, CASE WHEN t.deals + t.amount > 0 THEN b.deals END AS n,
       CASE WHEN b.deals > 1 AND b.priced > 1
       THEN 100 * sqrt((b.deals - 1) / t.deals) * sqrt((b.amount - b.largest) / t.amount) END AS value
FROM brought b JOIN typical t USING (quarter) WHERE grp NOT IN ('all', 'unassigned')
"""

# 100 is the average of the four quarters before, of which the first must not lie before the book's records.
OWN_PAST = """
WITH before AS (
    -- of a quarter still running as many days of the earlier ones
    SELECT p.quarter, partner_id, count(*) AS deals, sum(worth) AS amount
    FROM periods p, range(1, 5) b(back), valued v
    WHERE v.status = 'won' AND v.closed_on >= first_day - to_months(3 * back::INT)
      AND v.closed_on < first_day - to_months(3 * (back::INT - 1))
      AND (last_day - first_day + 1 = days
           OR v.closed_on <= first_day - to_months(3 * back::INT) + to_days((last_day - first_day)::INT))
    GROUP BY p.quarter, partner_id
),
recorded AS (
    SELECT quarter FROM periods
    WHERE first_day - INTERVAL 9 MONTH > (SELECT min(created_on) FROM (SELECT created_on FROM deals
                                          UNION ALL SELECT created_on FROM leads))
)
SELECT quarter, b.partner_id AS grp, coalesce(w.n, 0) AS n,
       100 * sqrt(4 * coalesce(w.n, 0) / b.deals)
           * sqrt(4 * CASE WHEN w.n IS NULL THEN 0 ELSE w.worth END / nullif(b.amount, 0)) AS value
FROM before b JOIN recorded USING (quarter) LEFT JOIN won_by w ON w.quarter = b.quarter AND w.grp = b.partner_id
WHERE b.partner_id IS NOT NULL
UNION ALL
SELECT quarter, grp, n, NULL FROM won_by JOIN recorded USING (quarter)
WHERE grp NOT IN ('all', 'unassigned')
  AND NOT EXISTS (FROM before b WHERE b.quarter = won_by.quarter AND b.partner_id = won_by.grp)
"""

IDENTIFICATION = f"""
SELECT quarter, {GROUP}, avg((status <> 'rejected')::INT) AS value, count(*) AS n
FROM registered WHERE NOT conflict {SETS}
"""

CONVERSION = f"""
SELECT quarter, {GROUP}, avg((status = 'won')::INT) AS value, count(*) AS n
FROM registered WHERE status <> 'rejected' {SETS}
"""

CONFLICTS = f"SELECT quarter, {GROUP}, count(*)::DOUBLE AS value, count(*) AS n FROM registered WHERE conflict {SETS}"


def observed_to_expected(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Wins of four quarters over those expected by a logistic model of all others' decisions in them.

    Nobody's where fewer than thirty of them, as if all were like its own, make the expectation.

    Main effects of month, region, product, size band (where all have an
    amount) and media type, each where there are two kinds; a ridge of one half on each effect, none on the constant.
    """
    tables = []
    for quarter, window, last in connection.execute("SELECT quarter, window_day, last_day FROM periods").fetchall():
        year = connection.execute(
            """
            SELECT status = 'won' AS won, partner_id, worth, month(closed_on)::VARCHAR AS month,
                   coalesce(region, 'none') AS region, coalesce(product, 'none') AS product,
                   CASE WHEN channel IS NULL THEN 'none_recorded' ELSE coalesce(media, 'unmapped') END AS media
            FROM prospects LEFT JOIN channels USING (channel)
            WHERE status IN ('won', 'lost', 'abandoned') AND closed_on BETWEEN ? AND ?
            """,
            [window, last],
        ).df()
        if (year["worth"] > 0).all() and len(year):
            year["size"] = np.searchsorted(np.quantile(year["worth"], [0.25, 0.5, 0.75]), year["worth"]).astype(str)
        kinds = [c for c in ("month", "region", "product", "size", "media") if c in year and year[c].nunique() > 1]
        if len(year) < 50 or not kinds:
            continue
        effects = [year[kind] == name for kind in kinds for name in sorted(year[kind].unique())]
        design = np.column_stack([np.ones(len(year)), *effects]).astype(float)
        won = year["won"].to_numpy(dtype=float)
        for grp in year["partner_id"].dropna().unique():
            own = (year["partner_id"] == grp).to_numpy()
            p = chances(design[~own], won[~own], design[own])
            others = design[~own].T @ design[~own] + np.diag([0.0] + [2.5] * (design.shape[1] - 1))
            alike = (1 / np.einsum("ij,ji->i", design[own], np.linalg.solve(others, design[own].T))).mean()
            tables.append((quarter, grp, won[own].sum() / p.sum() if alike >= 30 else np.nan, own.sum()))
    return pd.DataFrame(tables, columns=["quarter", "grp", "value", "n"])


def chances(design: np.ndarray, won: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Probabilities for the wanted rows by a logistic model of others; a ridge of one half on all but the constant."""
    ridge = np.diag([0.0] + [0.5] * (design.shape[1] - 1))
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ beta))
        bend = (design.T * (p * (1 - p))) @ design + ridge
        step = np.linalg.solve(bend, design.T @ (won - p) - ridge @ beta)
        beta += step
        if np.abs(step).max() < 1e-12:
            break
    return 1 / (1 + np.exp(-wanted @ beta))


COMPANIONS: dict[str, str | Callable[[duckdb.DuckDBPyConnection], pd.DataFrame]] = {
    "median_deal_size": MEDIAN_DEAL_SIZE,
    "largest_deal_share": LARGEST_DEAL_SHARE,
    "without_largest": WITHOUT_LARGEST,
    "commission_earned": COMMISSION_EARNED,
    "won_amount": WON_AMOUNT,
    "won_amount_without_largest": WON_WITHOUT_LARGEST,
    "attainment": ATTAINMENT,
    "deals_per_active_month": DEALS_PER_ACTIVE_MONTH,
    "open_deals": OPEN_DEALS,
    "weighted_pipeline": WEIGHTED_PIPELINE,
    "expected_wins": EXPECTED_WINS,
    "expected_attainment": EXPECTED_ATTAINMENT,
    "pipeline_age": PIPELINE_AGE,
    "overdue_deals": OVERDUE_DEALS,
    "coverage": COVERAGE,
    "to_go_coverage": TO_GO_COVERAGE,
    "lost_to_rivals": LOST_TO_RIVALS,
    **{media: through(media) for media in ("paid", "earned", "owned", "unmapped", "none_recorded")},
    "leads": LEADS,
    "spend": SPEND,
    "cost_per_lead": cost_per("new_leads"),
    "cost_per_won_deal": cost_per("won_through"),
    "return_on_spend": return_on("0"),
    "return_without_largest": return_on("max(worth)"),
    "narrow": NARROW,
    "by_amount": BY_AMOUNT,
    "cohort_90": won_within(90, COHORT),
    "cohort_180": won_within(180, COHORT),
    "observed_to_expected": observed_to_expected,
    "naive_days": NAIVE_DAYS,
    **{f"won_within_{days}": won_within(days, LIVES) for days in (30, 90, 180)},
    "sales_velocity": SALES_VELOCITY,
    "score_without_largest": SCORE_WITHOUT_LARGEST,
    "score_rank": SCORE_RANK,
    "own_past": OWN_PAST,
    "identification": IDENTIFICATION,
    "conversion": CONVERSION,
    "conflicts": CONFLICTS,
}
