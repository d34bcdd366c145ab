"""The eight headlines a second time, in plain SQL: an independent answer to compare the package with.

Written from the definitions alone, sharing no code with the package: DuckDB reads the book's CSV files, one query per
KPI answers for every partner and quarter, for `unassigned` and for `all`. Used by the tests and by the benchmark.

Tables made by `load`: the canonical ones, typed, and `book` (one row: currency, as_of, units of money in 1.00);
by `ask_about`: `periods` (quarter, first_day, last_day cut at the as-of day, window_day = the first day of the quarter
three before).
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import duckdb
import pandas as pd

COLUMNS = {
    "deals": {
        "deal_id": "VARCHAR", "created_on": "DATE", "status": "VARCHAR", "partner_id": "VARCHAR", "closed_on": "DATE",
        "amount": "DOUBLE", "currency": "VARCHAR", "sourced": "VARCHAR", "reason": "VARCHAR", "channel": "VARCHAR",
        "lead_id": "VARCHAR",
    },
    "leads": {
        "lead_id": "VARCHAR", "created_on": "DATE", "partner_id": "VARCHAR", "status": "VARCHAR", "closed_on": "DATE",
        "channel": "VARCHAR",
    },
    "history": {
        "deal_id": "VARCHAR", "changed_at": "TIMESTAMP", "status": "VARCHAR", "amount": "DOUBLE",
        "partner_id": "VARCHAR",
    },
    "channels": {"channel": "VARCHAR", "media": "VARCHAR"},
    "rates": {"currency": "VARCHAR", "date": "DATE", "rate": "DOUBLE"},
}  # fmt: skip

# A group's name, for queries grouped by GROUPING SETS ((quarter, partner_id), (quarter)).
GROUP = "CASE WHEN grouping(partner_id) = 1 THEN 'all' ELSE coalesce(partner_id, 'unassigned') END AS grp"
SETS = "GROUP BY GROUPING SETS ((quarter, partner_id), (quarter))"

# What is the same for every query: amounts in the book's currency, the deals closed in each quarter, the prospects.
PREPARE = """
-- To the cent, half to even. A rate has at most six decimals: in millionths of a cent the product is a whole number,
-- so that a half is a half whatever the last bit of the floating-point product says.
CREATE OR REPLACE MACRO money(amount, rate) AS
    round_even(round(amount * rate * 1e6 * (SELECT units FROM book)) / 1e6, 0) / (SELECT units FROM book);

-- The rate of a day is the latest one known by that day; the book's own currency has the rate 1.
CREATE OR REPLACE VIEW valued AS
SELECT d.*,
       money(d.amount, CASE WHEN coalesce(d.currency, b.currency) = b.currency THEN 1.0 ELSE r.rate END) AS worth,
       coalesce(d.channel, l.channel) AS came_through
FROM deals d
CROSS JOIN book b
ASOF LEFT JOIN rates r ON d.currency = r.currency AND coalesce(d.closed_on, b.as_of) >= r.date
LEFT JOIN leads l ON l.lead_id = d.lead_id;

CREATE OR REPLACE VIEW closed AS
SELECT p.quarter, v.* FROM valued v JOIN periods p ON v.closed_on BETWEEN p.first_day AND p.last_day;

CREATE OR REPLACE VIEW prospects AS
SELECT status, closed_on, partner_id FROM deals WHERE lead_id IS NULL OR lead_id NOT IN (SELECT lead_id FROM leads)
UNION ALL
SELECT coalesce(d.status, l.status), CASE WHEN d.status IS NULL THEN l.closed_on ELSE d.closed_on END,
       coalesce(d.partner_id, l.partner_id)
FROM leads l
LEFT JOIN (
    -- Several deals of one lead: won at the first win; else open if one is; else the last closing.
    SELECT * FROM deals WHERE lead_id IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY lead_id
        ORDER BY CASE status WHEN 'won' THEN 0 WHEN 'open' THEN 1 ELSE 2 END,
                 CASE WHEN status = 'won' THEN closed_on END,
                 closed_on DESC, deal_id) = 1
) d USING (lead_id);
"""

AVERAGE_DEAL_SIZE = f"""
SELECT quarter, {GROUP}, avg(worth) AS value FROM closed WHERE status = 'won' AND worth > 0 {SETS}
"""

NUMBER_OF_DEALS = f"""
SELECT quarter, {GROUP}, count(*)::DOUBLE AS value FROM closed WHERE status = 'won' {SETS}
"""

OPPORTUNITY_PIPELINE = f"""
WITH events AS (  -- open from the first day on, then what the history says, at last the closing
    SELECT deal_id, created_on::TIMESTAMP AS moment, -1 AS place, 'open' AS status, NULL AS amount, NULL AS partner_id
    FROM deals
    UNION ALL
    SELECT deal_id, changed_at, rowid, status, amount, partner_id FROM history
    WHERE changed_at::DATE <= (SELECT as_of FROM book)
    UNION ALL
    SELECT deal_id, closed_on + INTERVAL 86399 SECOND, 1e18, status, NULL, NULL FROM deals
    WHERE closed_on IS NOT NULL AND status <> 'open'
),
states AS (  -- a value holds until the next one; the first known value holds from the beginning
    SELECT deal_id, moment::DATE AS since, lead(moment::DATE, 1, DATE '9999-12-31') OVER one AS until,
           last_value(status IGNORE NULLS) OVER so_far AS status,
           coalesce(last_value(amount IGNORE NULLS) OVER so_far, first_value(amount IGNORE NULLS) OVER later) AS amount,
           coalesce(last_value(partner_id IGNORE NULLS) OVER so_far,
                    first_value(partner_id IGNORE NULLS) OVER later) AS partner_id
    FROM events
    WINDOW one AS (PARTITION BY deal_id ORDER BY moment, place),
           so_far AS (PARTITION BY deal_id ORDER BY moment, place ROWS UNBOUNDED PRECEDING),
           later AS (PARTITION BY deal_id ORDER BY moment, place
                     ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
),
stood AS (  -- on the day of the export an open deal is what the export says
    SELECT p.quarter, p.last_day, d.currency,
           CASE WHEN now.so THEN d.amount ELSE coalesce(s.amount, d.amount) END AS amount,
           CASE WHEN now.so THEN d.partner_id ELSE coalesce(s.partner_id, d.partner_id) END AS partner_id
    FROM states s
    JOIN periods p ON s.since <= p.last_day AND p.last_day < s.until
    JOIN deals d USING (deal_id)
    CROSS JOIN book b
    CROSS JOIN LATERAL (SELECT p.last_day >= b.as_of AND d.status = 'open' AS so) now
    WHERE s.status = 'open' AND d.created_on <= p.last_day
),
valued_that_day AS (
    SELECT s.quarter, s.partner_id,
           money(s.amount, CASE WHEN coalesce(s.currency, b.currency) = b.currency THEN 1.0 ELSE r.rate END) AS worth
    FROM stood s CROSS JOIN book b
    ASOF LEFT JOIN rates r ON s.currency = r.currency AND s.last_day >= r.date
)
SELECT quarter, {GROUP}, sum(worth) AS value FROM valued_that_day {SETS}
"""

MARKETING_CHANNELS = f"""
SELECT quarter, {GROUP}, CASE WHEN count(*) FILTER (m.media IN ('paid', 'earned', 'owned')) > 0
       THEN sum(worth) FILTER (m.media IN ('paid', 'earned', 'owned')) ELSE 0 END AS value
FROM closed LEFT JOIN channels m ON m.channel = came_through
WHERE status = 'won' {SETS}
"""

CLOSE_RATE = f"""
SELECT quarter, {GROUP}, avg((status = 'won')::INT) AS value
FROM prospects JOIN periods p ON closed_on BETWEEN p.first_day AND p.last_day
WHERE status IN ('won', 'lost', 'abandoned') {SETS}
"""

DEAL_VELOCITY = """
WITH lives AS (  -- each deal in each window: the ages at which it is watched, and how the watching ends
    SELECT p.quarter, unnest([coalesce(d.partner_id, 'unassigned'), 'all']) AS grp,
           greatest(p.window_day - d.created_on, 0) AS enters,
           least(coalesce(d.closed_on, p.last_day), p.last_day) - d.created_on AS leaves,
           coalesce(d.closed_on <= p.last_day, false) AND d.status = 'won' AS won,
           coalesce(d.closed_on <= p.last_day, false) AND d.status <> 'won' AS otherwise
    FROM deals d JOIN periods p
      ON d.created_on <= p.last_day AND (d.closed_on IS NULL OR d.closed_on >= p.window_day)
    WHERE d.closed_on IS NULL OR d.closed_on >= d.created_on
),
ages AS (
    SELECT quarter, grp, age, sum(entering) AS entering, sum(leaving) AS leaving, sum(won) AS won, sum(other) AS other
    FROM (
        SELECT quarter, grp, enters AS age, 1 AS entering, 0 AS leaving, 0 AS won, 0 AS other FROM lives
        UNION ALL SELECT quarter, grp, leaves, 0, 1, won::INT, otherwise::INT FROM lives
    ) GROUP BY ALL
),
at_risk AS (
    SELECT *, sum(entering) OVER up_to - sum(leaving) OVER up_to + leaving AS watched FROM ages
    WINDOW up_to AS (PARTITION BY quarter, grp ORDER BY age ROWS UNBOUNDED PRECEDING)
),
still AS (
    SELECT *, product(1 - (won + other) / watched) OVER up_to AS still_open FROM at_risk
    WINDOW up_to AS (PARTITION BY quarter, grp ORDER BY age ROWS UNBOUNDED PRECEDING)
),
stepped AS (
    SELECT *, coalesce(lag(still_open) OVER (PARTITION BY quarter, grp ORDER BY age), 1.0) * won / watched AS step
    FROM still
),
curve AS (
    SELECT *, sum(step) OVER (PARTITION BY quarter, grp ORDER BY age ROWS UNBOUNDED PRECEDING) AS win_curve FROM stepped
),
ends AS (
    SELECT quarter, grp, max(win_curve) AS height, arg_max(still_open, age) AS open_at_last FROM curve GROUP BY ALL
)
SELECT quarter, grp, min(age)::DOUBLE AS value
FROM curve JOIN ends USING (quarter, grp)
-- 1e-12: half is half, though two roads of adding it up differ in the last bit
WHERE height > 0 AND open_at_last <= height + 1e-12 AND win_curve >= height / 2 - 1e-12
GROUP BY ALL
"""

QUALITY_SCORE = f"""
WITH brought AS (
    SELECT quarter, {GROUP}, count(*) AS deals, sum(worth) AS amount FROM closed WHERE status = 'won' {SETS}
),
typical AS (
    SELECT quarter, median(deals) AS deals, median(amount) AS amount
    FROM brought WHERE grp NOT IN ('all', 'unassigned') GROUP BY quarter
)
SELECT quarter, grp, 100 * sqrt(b.deals / t.deals) * sqrt(b.amount / t.amount) AS value
FROM brought b JOIN typical t USING (quarter)
"""

DEAL_SUCCESS = f"""
SELECT quarter, {GROUP}, avg((status = 'won')::INT) AS value FROM closed
WHERE sourced = 'partner' AND status IN ('won', 'lost', 'abandoned', 'rejected')
  AND NOT (status = 'rejected' AND coalesce(reason, '') = 'conflict') {SETS}
"""

HEADLINES = {
    "average_deal_size": AVERAGE_DEAL_SIZE,
    "number_of_deals": NUMBER_OF_DEALS,
    "opportunity_pipeline": OPPORTUNITY_PIPELINE,
    "marketing_channels": MARKETING_CHANNELS,
    "close_rate": CLOSE_RATE,
    "deal_velocity": DEAL_VELOCITY,
    "quality_score": QUALITY_SCORE,
    "deal_success": DEAL_SUCCESS,
}


def load(folder: Path) -> duckdb.DuckDBPyConnection:
    """The tables of a canonical book (CSV named like the tables, ISO dates) in memory; `close()` it when done."""
    told = tomllib.loads((folder / "book.toml").read_text(encoding="utf-8"))
    header = told["book"]
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    for table, columns in COLUMNS.items():
        path = folder / f"{table}.csv"
        connection.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        if not path.exists():
            continue
        source = connection.read_csv(str(path), all_varchar=True, header=True, delimiter=",", quotechar='"')
        cells = [
            f"CAST(nullif({name}, '') AS {kind}) AS {name}" if name in source.columns else f"NULL AS {name}"
            for name, kind in columns.items()
        ]
        connection.execute(f"INSERT INTO {table} SELECT {', '.join(cells)} FROM source")
    for status in told.get("deals", {}).get("values", {}).get("status", {}).get("ignore", []):
        connection.execute("DELETE FROM deals WHERE status = ?", [status])
    digits = connection.execute(
        f"SELECT max(len(split_part(amount, '.', 2))) FROM read_csv('{folder / 'deals.csv'}', all_varchar=true)"
    ).fetchone()
    connection.execute(
        "CREATE TABLE book AS SELECT ? AS currency, CAST(? AS DATE) AS as_of, pow(10, ?) AS units",
        [header["currency"], header["extracted_on"], digits[0] if digits else 0],
    )
    return connection


def ask_about(connection: duckdb.DuckDBPyConnection, periods: list[tuple[str, str, str]]) -> None:
    """Set the quarters to answer for: label, first and last day. The last day is cut at the as-of day."""
    connection.execute("CREATE OR REPLACE TABLE asked (quarter VARCHAR, first_day DATE, last_day DATE)")
    connection.executemany("INSERT INTO asked VALUES (?, ?, ?)", periods)
    connection.execute(
        "CREATE OR REPLACE TABLE periods AS SELECT quarter, first_day, least(last_day, as_of) AS last_day,"
        " CAST(first_day - INTERVAL 9 MONTH AS DATE) AS window_day FROM asked, book"
    )
    connection.execute(PREPARE)


def headline(connection: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    """One KPI for every quarter asked about: columns quarter, grp, value; without rows to count a group has no line."""
    return connection.execute(HEADLINES[name]).df()
