"""The eight headlines a second time, in plain SQL: an independent answer to compare the package with.

Written from the definitions alone, sharing no code with the package: DuckDB reads the book's CSV files, one query per
KPI answers for every partner and quarter, for `unassigned` and for `all`. Used by the tests and by the benchmark.

Tables made by `load`: the canonical ones, typed, and `book` (one row: currency, as_of, units of money in 1.00);
by `ask_about`: `periods` (quarter, first_day, last_day cut at the as-of day, days of the whole quarter, window_day =
the first day of the quarter three before).

What is the same for the companions too stands in `PREPARE`; their own queries are in `oracle_companions`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import duckdb
import pandas as pd

COLUMNS = {
    "deals": {
        "deal_id": "VARCHAR", "created_on": "DATE", "status": "VARCHAR", "partner_id": "VARCHAR", "closed_on": "DATE",
        "amount": "DOUBLE", "currency": "VARCHAR", "stage": "VARCHAR", "expected_close_on": "DATE",
        "sourced": "VARCHAR", "reason": "VARCHAR", "competitor": "VARCHAR", "channel": "VARCHAR", "lead_id": "VARCHAR",
        "region": "VARCHAR", "product": "VARCHAR",
    },
    "leads": {
        "lead_id": "VARCHAR", "created_on": "DATE", "partner_id": "VARCHAR", "status": "VARCHAR", "closed_on": "DATE",
        "channel": "VARCHAR", "region": "VARCHAR", "product": "VARCHAR",
    },
    "history": {
        "deal_id": "VARCHAR", "changed_at": "TIMESTAMP", "stage": "VARCHAR", "status": "VARCHAR", "amount": "DOUBLE",
        "expected_close_on": "DATE", "partner_id": "VARCHAR",
    },
    "partners": {"partner_id": "VARCHAR", "joined_on": "DATE", "left_on": "DATE", "commission_rate": "DOUBLE"},
    "spend": {
        "channel": "VARCHAR", "month": "DATE", "amount": "DOUBLE", "partner_id": "VARCHAR", "currency": "VARCHAR",
    },
    "targets": {
        "quarter": "VARCHAR", "amount": "DOUBLE", "partner_id": "VARCHAR", "rep": "VARCHAR", "unit": "VARCHAR",
        "measure": "VARCHAR",
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

CREATE OR REPLACE MACRO two_digits(x) AS
    CASE WHEN x > 0 THEN round_even(x / pow(10, floor(log10(x)) - 1), 0) * pow(10, floor(log10(x)) - 1) END;

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

-- What the partner brought (everything where nobody said who did) and got an outcome, refusals included.
CREATE OR REPLACE VIEW registered AS
SELECT *, status = 'rejected' AND lower(coalesce(reason, '')) = 'conflict' AS conflict FROM closed
WHERE status IN ('won', 'lost', 'abandoned', 'rejected')
  AND (sourced = 'partner' OR NOT EXISTS (SELECT 1 FROM deals WHERE sourced IS NOT NULL));

CREATE OR REPLACE VIEW prospects AS
SELECT 'D:' || deal_id AS prospect_id, deal_id, created_on, status, closed_on, partner_id, worth,
       came_through AS channel, region, product
FROM valued WHERE lead_id IS NULL OR lead_id NOT IN (SELECT lead_id FROM leads)
UNION ALL
SELECT 'L:' || l.lead_id, d.deal_id, l.created_on, coalesce(d.status, l.status, 'open'),
       CASE WHEN d.status IS NULL THEN l.closed_on ELSE d.closed_on END,
       coalesce(d.partner_id, l.partner_id), d.worth,
       coalesce(l.channel, d.came_through), coalesce(l.region, d.region), coalesce(l.product, d.product)
FROM leads l
LEFT JOIN (
    -- Several deals of one lead: won at the first win; else open if one is; else the last closing.
    SELECT * FROM valued WHERE lead_id IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY lead_id
        ORDER BY CASE status WHEN 'won' THEN 0 WHEN 'open' THEN 1 ELSE 2 END,
                 CASE WHEN status = 'won' THEN closed_on END,
                 CASE WHEN status = 'open' THEN created_on END,
                 closed_on DESC, deal_id) = 1
) d USING (lead_id);

-- The state of every deal between its changes: open from the first day on, then what the history says, at last the
-- closing. A value holds until the next one; before the first one it was not known, and what the history of a deal
-- never tells is that of the deals table throughout.
CREATE OR REPLACE VIEW states AS
WITH events AS (
    SELECT deal_id, created_on::TIMESTAMP AS moment, -1 AS place, 'open' AS status, NULL AS amount, NULL AS partner_id,
           NULL AS stage, NULL AS expected_close_on
    FROM deals
    UNION ALL
    SELECT deal_id, greatest(changed_at, created_on::TIMESTAMP), history.rowid, history.status, history.amount,
           history.partner_id, history.stage, history.expected_close_on
    FROM history JOIN deals USING (deal_id) WHERE changed_at::DATE <= (SELECT as_of FROM book)
    UNION ALL
    SELECT deal_id, greatest(closed_on, created_on) + INTERVAL 86399 SECOND, 1e18, status, NULL, NULL, NULL, NULL
    FROM deals WHERE closed_on IS NOT NULL AND status <> 'open'
),
told AS (
    SELECT deal_id, moment::DATE AS since, lead(moment::DATE, 1, DATE '9999-12-31') OVER one AS until,
           last_value(status IGNORE NULLS) OVER so_far AS status,
           last_value(amount IGNORE NULLS) OVER so_far AS amount, count(amount) OVER whole AS amounts,
           last_value(partner_id IGNORE NULLS) OVER so_far AS partner_id, count(partner_id) OVER whole AS partners,
           last_value(stage IGNORE NULLS) OVER so_far AS stage, count(stage) OVER whole AS stages,
           last_value(expected_close_on IGNORE NULLS) OVER so_far AS expected_close_on,
           count(expected_close_on) OVER whole AS closes
    FROM events
    WINDOW one AS (PARTITION BY deal_id ORDER BY moment, place),
           so_far AS (PARTITION BY deal_id ORDER BY moment, place ROWS UNBOUNDED PRECEDING),
           whole AS (PARTITION BY deal_id)
)
SELECT t.deal_id, since, until, t.status, if(amounts > 0, t.amount, d.amount) AS amount,
       if(partners > 0, t.partner_id, d.partner_id) AS partner_id, if(stages > 0, t.stage, d.stage) AS stage,
       if(closes > 0, t.expected_close_on, d.expected_close_on) AS expected_close_on
FROM told t JOIN deals d USING (deal_id)
WHERE since < until;  -- of several changes on one day the last one holds

-- The deals open at the end of each quarter as they stood that day, at that day's rate. On the day of the export an
-- open deal is what the export says.
CREATE OR REPLACE VIEW stood AS
WITH open_then AS (
    SELECT p.quarter, p.last_day, d.deal_id, d.created_on, d.currency,
           CASE WHEN now.so THEN d.amount ELSE s.amount END AS amount,
           CASE WHEN now.so THEN d.partner_id ELSE s.partner_id END AS partner_id,
           CASE WHEN now.so THEN d.stage ELSE s.stage END AS stage,
           CASE WHEN now.so THEN d.expected_close_on ELSE s.expected_close_on END AS expected_close_on
    FROM states s
    JOIN periods p ON s.since <= p.last_day AND p.last_day < s.until
    JOIN deals d USING (deal_id)
    CROSS JOIN book b
    CROSS JOIN LATERAL (SELECT p.last_day >= b.as_of AND d.status = 'open' AS so) now
    WHERE s.status = 'open'
)
SELECT o.quarter, o.partner_id, o.deal_id, o.stage, o.expected_close_on, o.last_day, o.last_day - o.created_on AS age,
       money(o.amount, CASE WHEN coalesce(o.currency, b.currency) = b.currency THEN 1.0 ELSE r.rate END) AS worth
FROM open_then o CROSS JOIN book b
ASOF LEFT JOIN rates r ON o.currency = r.currency AND o.last_day >= r.date;
"""

AVERAGE_DEAL_SIZE = f"""
SELECT quarter, {GROUP}, avg(worth) AS value, count(*) AS n FROM closed WHERE status = 'won' AND worth > 0 {SETS}
"""

NUMBER_OF_DEALS = f"""
SELECT quarter, {GROUP}, count(*)::DOUBLE AS value, count(*) AS n FROM closed WHERE status = 'won' {SETS}
"""

OPPORTUNITY_PIPELINE = f"""
SELECT quarter, {GROUP}, sum(worth) AS value, count(*) AS n FROM stood {SETS}
"""

MARKETING_CHANNELS = f"""
SELECT quarter, {GROUP}, sum(worth) AS value, count(*) AS n
FROM closed JOIN channels m ON m.channel = came_through
WHERE status = 'won' AND m.media IN ('paid', 'earned', 'owned') {SETS}
"""

CLOSE_RATE = f"""
SELECT quarter, {GROUP}, avg((status = 'won')::INT) AS value, count(*) AS n
FROM prospects JOIN periods p ON closed_on BETWEEN p.first_day AND p.last_day
WHERE status IN ('won', 'lost', 'abandoned') {SETS}
"""

# Win curves (Aalen-Johansen) of some lives: quarter, grp, the ages at which each enters and leaves the watch, whether
# it was won then, or ended otherwise. `curve` has a line per age, `ends` one per curve.
CURVES = """
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
    SELECT quarter, grp, max(win_curve) AS height, arg_max(still_open, age) AS open_at_last, max(age) AS oldest,
           sum(leaving)::BIGINT AS n
    FROM curve GROUP BY ALL
)
"""

# Each deal in each window of four quarters; one that ended before it began has no duration.
LIVES = """
SELECT p.quarter, unnest([coalesce(d.partner_id, 'unassigned'), 'all']) AS grp,
       greatest(p.window_day - d.created_on, 0) AS enters,
       least(coalesce(d.closed_on, p.last_day), p.last_day) - d.created_on AS leaves,
       coalesce(d.closed_on <= p.last_day, false) AND d.status = 'won' AS won,
       coalesce(d.closed_on <= p.last_day, false) AND d.status <> 'won' AS otherwise, p.last_day - d.created_on AS reach
FROM deals d JOIN periods p
  ON d.created_on <= p.last_day AND (d.closed_on IS NULL OR d.closed_on >= p.window_day)
WHERE d.closed_on IS NULL OR d.closed_on >= d.created_on
"""

# Half of the height at 365 days of age, or at the longest anyone can have been followed; nobody's where nobody
# was followed at an age up to it. Between the ages at which anything happens nobody leaves: those before tell of all.
DEAL_VELOCITY = f"""
WITH lives AS ({LIVES}), {CURVES},
longest AS (
    SELECT quarter, grp, least(max(reach), 365) AS horizon, count(*) AS n FROM lives GROUP BY ALL
),
heights AS (
    SELECT quarter, grp, n, max(win_curve) FILTER (age <= horizon) AS height
    FROM curve JOIN longest USING (quarter, grp) GROUP BY ALL
),
middle AS (
    -- 1e-12: half is half, though two roads of adding it up differ in the last bit
    SELECT quarter, grp, any_value(n) AS n,
           CASE WHEN any_value(height) > 0 THEN min(age) FILTER (win_curve >= height / 2 - 1e-12) END AS age
    FROM curve JOIN heights USING (quarter, grp) GROUP BY ALL
)
SELECT quarter, grp, m.n, CASE WHEN m.age IS NOT NULL AND (
           SELECT min(watched) FROM (
               -- at every age up to the median, also those at which nothing happens
               SELECT count(*) FILTER (l.enters <= a.age AND l.leaves >= a.age) AS watched
               FROM range(0, m.age + 1) a(age), lives l WHERE l.quarter = m.quarter AND l.grp = m.grp GROUP BY a.age
           )) >= 1 THEN m.age::DOUBLE END AS value
FROM middle m
"""

# Among the partners with a win that has an amount; equal ones share the better rank.
SCORE_RANK = f"""
WITH brought AS (
    SELECT quarter, {GROUP}, count(*) AS deals, sum(worth) AS amount FROM closed WHERE status = 'won' {SETS}
),
selling AS (FROM brought WHERE grp NOT IN ('all', 'unassigned') AND amount > 0)
SELECT b.quarter, b.grp, b.deals AS n,
       CASE WHEN b.deals >= 5 AND b.amount > 0
                 AND (SELECT count(*) FROM selling s WHERE s.quarter = b.quarter) >= 5
       THEN 1 + (SELECT count(*) FROM selling s WHERE s.quarter = b.quarter
                 AND s.deals * s.amount > b.deals * b.amount * (1 + 1e-12)) END AS value
FROM brought b WHERE grp NOT IN ('all', 'unassigned')
"""

# The typical partner by the four quarters before: three (of an even number four) middle values' mean, two digits;
# nobody's below five partners.
TYPICAL = f"""
brought AS (
    SELECT quarter, {GROUP}, count(*) AS deals, sum(worth) AS amount, count(worth) AS priced, max(worth) AS largest
    FROM closed WHERE status = 'won' {SETS}
),
usual AS (
    SELECT p.quarter, partner_id, count(*) / 4 AS deals, sum(worth) / 4 AS amount
    FROM valued v JOIN periods p
      ON v.status = 'won' AND v.closed_on >= first_day - INTERVAL 12 MONTH AND v.closed_on < first_day
    WHERE partner_id IS NOT NULL GROUP BY p.quarter, partner_id
),
recorded AS (
    SELECT quarter FROM periods
    WHERE first_day - INTERVAL 9 MONTH > (SELECT min(created_on) FROM (SELECT created_on FROM deals
                                          UNION ALL SELECT created_on FROM leads))
),
ranked AS (
    SELECT quarter, deals, amount, row_number() OVER (PARTITION BY quarter ORDER BY deals) AS by_deals,
           row_number() OVER (PARTITION BY quarter ORDER BY amount) AS by_amount,
           count(*) OVER (PARTITION BY quarter) AS partners, count(amount) OVER (PARTITION BY quarter) AS priced
    FROM usual JOIN recorded USING (quarter)
),
middle AS (
    SELECT quarter,
           avg(deals) FILTER (partners >= 5 AND abs(2 * by_deals - partners - 1) <= 3) AS deals,
           avg(amount) FILTER (priced >= 5 AND by_amount <= priced AND abs(2 * by_amount - priced - 1) <= 3) AS amount
    FROM ranked GROUP BY quarter
),
typical AS (SELECT quarter, two_digits(deals) AS deals, two_digits(amount) AS amount FROM middle)
"""

QUALITY_SCORE = f"""
WITH {TYPICAL}
SELECT quarter, grp, 100 * sqrt(b.deals / t.deals) * sqrt(b.amount / t.amount) AS value,
       CASE WHEN t.deals + t.amount > 0 THEN b.deals END AS n
FROM brought b JOIN typical t USING (quarter) WHERE grp NOT IN ('all', 'unassigned')
"""

DEAL_SUCCESS = f"""
SELECT quarter, {GROUP}, avg((status = 'won')::INT) AS value, count(*) AS n FROM registered WHERE NOT conflict {SETS}
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
        " last_day - first_day + 1 AS days, CAST(first_day - INTERVAL 9 MONTH AS DATE) AS window_day FROM asked, book"
    )
    connection.execute(PREPARE)


def headline(connection: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    """One KPI for every quarter asked about: quarter, grp, value, n; without rows to count a group has no line."""
    return connection.execute(HEADLINES[name]).df()
