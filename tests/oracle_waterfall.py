"""The pipeline's waterfall a second time, in plain SQL: every bar of every partner and quarter.

Written from the definitions alone: how each deal stood at the end of each day on which anything changed, what that is
against the evening before, and what each step was worth at that day's rate. Works on the tables that `oracle.load` and
`oracle.ask_about` make.
"""

from __future__ import annotations

import duckdb
import pandas as pd

EVENINGS = """
CREATE OR REPLACE TABLE evenings AS
WITH closed AS (SELECT *, greatest(closed_on, created_on) AS last FROM deals WHERE status <> 'open'),
heard AS (
    SELECT h.deal_id, greatest(h.changed_at::DATE, d.created_on) AS day, h.changed_at AS moment, h.rowid AS place,
           CASE WHEN c.last IS NULL OR greatest(h.changed_at::DATE, d.created_on) <= c.last THEN h.status END AS status,
           h.amount, h.partner_id
    FROM history h JOIN deals d USING (deal_id) LEFT JOIN closed c USING (deal_id)
),
steps AS (
    SELECT deal_id, created_on AS day, 0 AS rank, NULL::TIMESTAMP AS moment, -1 AS place, 'open' AS status,
           NULL AS amount, NULL AS partner_id FROM deals
    UNION ALL SELECT deal_id, day, 1, moment, place, status, amount, partner_id FROM heard
    UNION ALL
    SELECT c.deal_id, c.last, 2, NULL, 0, c.status, if(later, NULL, c.amount), if(later, NULL, c.partner_id)
    FROM closed c CROSS JOIN LATERAL (SELECT count(*) > 0 AS later FROM heard h
                                      WHERE h.deal_id = c.deal_id AND h.day > c.last)
    UNION ALL  -- on the day of the export the deals table holds
    SELECT d.deal_id, greatest(b.as_of, d.created_on), 3, NULL, 0, d.status, d.amount, d.partner_id
    FROM deals d CROSS JOIN book b WHERE d.status = 'open'
),
told AS (
    SELECT s.deal_id, s.day,
           last_value(s.status IGNORE NULLS) OVER so_far AS status,
           CASE WHEN x.amounts > 0 AND NOT (s.rank = 3 AND f.amounts > 0)
                THEN last_value(s.amount IGNORE NULLS) OVER so_far ELSE d.amount END AS amount,
           CASE WHEN x.owners > 0 AND NOT (s.rank = 3 AND f.owners > 0)
                THEN last_value(s.partner_id IGNORE NULLS) OVER so_far ELSE d.partner_id END AS owner,
           coalesce(d.currency, b.currency) AS currency
    FROM steps s JOIN deals d USING (deal_id) CROSS JOIN book b
    CROSS JOIN (SELECT count(amount) AS amounts, count(partner_id) AS owners FROM deals) f
    LEFT JOIN (SELECT deal_id, count(amount) AS amounts, count(partner_id) AS owners FROM heard GROUP BY deal_id) x
        USING (deal_id)
    WINDOW so_far AS (PARTITION BY s.deal_id ORDER BY s.day, s.rank, s.moment, s.place ROWS UNBOUNDED PRECEDING)
    QUALIFY row_number() OVER (PARTITION BY s.deal_id, s.day ORDER BY s.rank DESC, s.moment DESC, s.place DESC) = 1
)
SELECT *, lag(status) OVER deal AS old_status, lag(amount) OVER deal AS old_amount, lag(owner) OVER deal AS old_owner,
       coalesce(lead(day) OVER deal, DATE '9999-12-31') AS until
FROM told WINDOW deal AS (PARTITION BY deal_id ORDER BY day);

CREATE OR REPLACE TABLE rate_of_day AS
SELECT c.currency, d.day, CASE WHEN c.currency = b.currency THEN 1.0 ELSE r.rate END AS rate
FROM (SELECT DISTINCT currency FROM evenings) c CROSS JOIN book b
CROSS JOIN (SELECT unnest(generate_series((SELECT min(day) - 400 FROM evenings), as_of, INTERVAL 1 DAY))::DATE AS day
            FROM book) d
ASOF LEFT JOIN rates r ON r.currency = c.currency AND r.date <= d.day;

CREATE OR REPLACE TABLE bars AS
WITH valued AS (
    SELECT e.*, coalesce(money(e.amount, r.rate), 0) AS worth, coalesce(money(e.old_amount, r.rate), 0) AS old_worth,
           coalesce(e.old_status = 'open', false) AS was_open,
           coalesce(e.old_status <> 'open' AND e.status <> e.old_status, false) AS reopened
    FROM evenings e JOIN rate_of_day r USING (currency, day)
),
moves AS (
    SELECT day, owner AS partner_id, deal_id, 'created' AS bar, 1 AS deals, worth AS amount FROM valued
    WHERE old_status IS NULL
    UNION ALL SELECT day, owner, deal_id, 'reopened', 1, worth FROM valued WHERE reopened
    UNION ALL SELECT day, owner, deal_id, 'transferred_in', 1, old_worth FROM valued
    WHERE was_open AND owner IS DISTINCT FROM old_owner
    UNION ALL SELECT day, old_owner, deal_id, 'transferred_out', -1, -old_worth FROM valued
    WHERE was_open AND owner IS DISTINCT FROM old_owner
    UNION ALL SELECT day, owner, deal_id, if(worth > old_worth, 'amount_up', 'amount_down'), 0, worth - old_worth
    FROM valued WHERE was_open AND worth <> old_worth
    UNION ALL SELECT day, owner, deal_id, status, -1, -worth FROM valued
    WHERE status <> 'open' AND (was_open OR reopened OR old_status IS NULL)
),
edges AS (
    SELECT quarter, first_day, last_day, bar, deals, evening FROM periods
    CROSS JOIN LATERAL (VALUES ('opening', CAST(first_day - INTERVAL 1 DAY AS DATE)), ('closing', last_day))
        AS x(bar, evening)
    CROSS JOIN (SELECT 1 AS deals)
)
SELECT p.quarter, m.partner_id, m.deal_id, m.bar, m.deals, m.amount
FROM moves m JOIN periods p ON m.day BETWEEN p.first_day AND p.last_day
UNION ALL
SELECT x.quarter, e.owner, e.deal_id, x.bar, 1, coalesce(money(e.amount, r.rate), 0)
FROM edges x JOIN evenings e ON e.day <= x.evening AND x.evening < e.until AND e.status = 'open'
LEFT JOIN rate_of_day r ON r.currency = e.currency AND r.day = x.evening
UNION ALL  -- what moved rates made of an amount while it stood as it was, within the quarter
SELECT p.quarter, e.owner, e.deal_id, 'currency', 0,
       coalesce(money(e.amount, b.rate), 0) - coalesce(money(e.amount, a.rate), 0)
FROM periods p
JOIN evenings e ON e.status = 'open' AND e.day <= p.last_day AND e.until >= p.first_day
JOIN rate_of_day a ON a.currency = e.currency AND a.day = greatest(e.day, CAST(p.first_day - INTERVAL 1 DAY AS DATE))
JOIN rate_of_day b ON b.currency = e.currency AND b.day = least(e.until, p.last_day);
"""


def waterfalls(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Every bar for which anything happened: quarter, partner_id (missing: unassigned), bar, deals, amount, behind."""
    connection.execute(EVENINGS)
    return connection.execute(
        "SELECT quarter, partner_id, bar, CAST(sum(deals) AS BIGINT) AS deals, round(sum(amount), 6) AS amount,"
        " count(DISTINCT deal_id) FILTER (bar <> 'currency' OR amount <> 0) AS behind FROM bars GROUP BY ALL"
    ).df()
