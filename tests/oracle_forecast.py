"""What open deals will bring, a second time: plain SQL over the tables of `oracle` and `oracle_companions`."""

from __future__ import annotations

from oracle import GROUP, SETS

# A deal's chance: of all deals that stood in its stage at its age at a past quarter end, the share won by the end of
# the two quarters after; ten deals of the stage's chance beside them, and for the stage ten of everybody's.
CHANCES = """
ends AS (
    SELECT p.quarter, CAST(first_day - to_months(3 * b.back::INT) AS DATE) - 1 AS day,
           CAST(first_day - to_months(3 * (b.back::INT - 2)) AS DATE) - 1 AS until,
           CAST(first_day - to_months(3 * (b.back::INT - 1)) AS DATE) - 1 AS between,
           -- the day before a quarter begins that many quarters back
           (quarter[6:]::INT - 1 - b.back::INT + 12) % 4 + 1 AS next_number
    FROM periods p, range(0, 10) b(back)
    WHERE until <= last_day AND b.back::INT >= 2 - (last_day - first_day + 1 = days)::INT
      AND b.back::INT < 10 - (last_day - first_day + 1 = days)::INT
),
staged AS (SELECT EXISTS (FROM history WHERE stage IS NOT NULL) AS so),
seen AS (
    SELECT e.quarter, s.partner_id, CASE WHEN so THEN coalesce(s.stage, '') ELSE '' END AS stage,
           least(age_class(e.day - d.created_on), 365) AS age,
           (d.status = 'won' AND d.closed_on > e.day AND d.closed_on <= e.until)::INT AS won,
           (won = 1 AND d.closed_on <= e.between)::INT AS first_won, e.day, e.next_number
    FROM ends e JOIN lasting s ON s.status = 'open' AND s.since <= e.day AND s.until > e.day
    JOIN deals d USING (deal_id), staged
),
-- A landmark's season is that of its next quarter and the one after, as wins fall on the two.
soon AS (SELECT quarter, sum(first_won) / sum(won) AS share FROM seen GROUP BY quarter),
looked AS (
    SELECT seen.*, share * f.factor + (1 - share) * g.factor AS season
    FROM seen JOIN soon USING (quarter)
    JOIN seasons f ON f.quarter = seen.quarter AND f.number = next_number
    JOIN seasons g ON g.quarter = seen.quarter AND g.number = next_number % 4 + 1
),
everybody AS (
    SELECT quarter, sum(won) / sum(season) AS chance FROM looked GROUP BY quarter
    HAVING count(*) >= 50 AND count(DISTINCT partner_id) >= 5 AND count(DISTINCT day) >= 4 AND sum(won) > 0
),
ahead AS (
    SELECT n.quarter, share * f.factor + (1 - share) * g.factor AS season
    FROM soon JOIN (SELECT quarter, quarter[6:]::INT % 4 + 1 AS number FROM periods) n USING (quarter)
    JOIN seasons f ON f.quarter = n.quarter AND f.number = n.number
    JOIN seasons g ON g.quarter = n.quarter AND g.number = n.number % 4 + 1
),
stages AS (
    SELECT quarter, stage, (sum(won) + 10 * any_value(e.chance)) / (sum(season) + 10) AS chance
    FROM looked JOIN everybody e USING (quarter) GROUP BY quarter, stage
),
cells AS (
    SELECT quarter, stage, age, (sum(won) + 10 * any_value(s.chance)) / (sum(season) + 10) AS chance
    FROM looked JOIN stages s USING (quarter, stage) GROUP BY quarter, stage, age
),
promising AS (
    SELECT o.*, least(coalesce(c.chance, s.chance, e.chance) * a.season, 0.95) AS chance
    FROM standing o JOIN everybody e USING (quarter) JOIN ahead a USING (quarter) CROSS JOIN staged
    LEFT JOIN stages s ON s.quarter = o.quarter AND s.stage = CASE WHEN so THEN coalesce(o.stage, '') ELSE '' END
    LEFT JOIN cells c ON c.quarter = o.quarter AND c.stage = s.stage AND c.age = age_class(o.age)
)
"""

WEIGHTED_PIPELINE = f"""
WITH {CHANCES}
SELECT quarter, {GROUP}, sum(round_even(worth * chance * units, 0) / units) AS value, count(*) AS n
FROM promising, book GROUP BY GROUPING SETS ((quarter, partner_id), (quarter))
"""

EXPECTED_WINS = f"""
WITH {CHANCES}
SELECT quarter, {GROUP}, sum(chance) AS value, count(*) AS n FROM promising {SETS}
"""

# Of those who have a target for both of the next quarters.
EXPECTED_ATTAINMENT = f"""
WITH {CHANCES},
aims AS (
    SELECT *, quarter[:4]::INT * 4 + quarter[6:]::INT AS number,
           CASE WHEN partner_id IS NOT NULL THEN 1 WHEN rep IS NOT NULL THEN 2
                WHEN unit IS NOT NULL THEN 3 ELSE 4 END AS level
    FROM targets WHERE coalesce(measure, 'won_amount') = 'won_amount'
),
to_come AS (
    SELECT p.quarter, a.partner_id, a.amount,
           count(*) OVER (PARTITION BY p.quarter, a.partner_id, a.rep, a.unit) AS targets
    FROM periods p JOIN aims a ON a.number - (p.quarter[:4]::INT * 4 + p.quarter[6:]::INT) IN (1, 2)
    WHERE level = (SELECT min(level) FROM aims)
),
aim AS (
    SELECT quarter, coalesce(partner_id, 'all') AS grp, sum(amount) AS target FROM to_come WHERE targets >= 2
    GROUP BY GROUPING SETS ((quarter, partner_id), (quarter)) HAVING grouping(partner_id) = 1 OR partner_id IS NOT NULL
),
worth AS (
    SELECT quarter, {GROUP}, sum(round_even(worth * chance * units, 0) / units) AS value, count(*) AS n
    FROM promising, book GROUP BY GROUPING SETS ((quarter, partner_id), (quarter))
)
SELECT quarter, grp, n, value / nullif(target, 0) AS value FROM worth LEFT JOIN aim USING (quarter, grp)
UNION ALL
SELECT quarter, grp, 0 AS n, CASE WHEN target > 0 THEN 0 END AS value FROM aim ANTI JOIN worth USING (quarter, grp)
WHERE quarter IN (SELECT quarter FROM everybody)
"""
