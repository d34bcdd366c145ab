"""The bridge: every definition is what plain SQL says, every step moves the rows it says, every sentence is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import ask_about, load
from oracle_books import write_odd_book

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.batch.gate import NO_FIGURE
from partnerkpi.bridges import BRIDGED, COLUMNS, bridge
from partnerkpi.kpis import close_rate, deal_velocity, number_of_deals
from partnerkpi.opening import book_of
from partnerkpi.shipped import shipped

QUARTERS = ("2024Q3", "2025Q4")
#: One row per definition, quarter and group ("all" for everybody): its value, and how many rows it divides by.
SQL = """
WITH every AS (
    SELECT 'salesforce' AS step, quarter, partner_id, deal_id AS key, (status = 'won')::INT AS share, worth
    FROM closed WHERE status IN ('won', 'lost', 'abandoned', 'rejected')
    UNION ALL
    SELECT 'by_value', quarter, partner_id, deal_id, (status = 'won')::INT, worth
    FROM closed WHERE status IN ('won', 'lost', 'abandoned', 'rejected') AND worth > 0
    UNION ALL
    SELECT 'hubspot', quarter, partner_id, deal_id, (status = 'won')::INT, worth
    FROM valued JOIN periods ON created_on BETWEEN first_day AND last_day
    UNION ALL
    SELECT 'decided', quarter, partner_id, deal_id, (status = 'won')::INT, worth
    FROM closed WHERE status IN ('won', 'lost', 'abandoned')
    UNION ALL
    SELECT 'close_rate', quarter, partner_id, coalesce(deal_id, prospect_id), (status = 'won')::INT, worth
    FROM prospects JOIN periods ON closed_on BETWEEN first_day AND last_day
    WHERE status IN ('won', 'lost', 'abandoned')
    UNION ALL
    SELECT 'narrow', quarter, partner_id, coalesce(deal_id, prospect_id), (status = 'won')::INT, worth
    FROM prospects JOIN periods ON closed_on BETWEEN first_day AND last_day WHERE status IN ('won', 'lost')
    UNION ALL
    SELECT 'crm_mean', quarter, partner_id, deal_id, closed_on - created_on, worth
    FROM closed WHERE status = 'won' AND closed_on >= created_on
    UNION ALL
    SELECT 'naive_days', quarter, partner_id, deal_id, closed_on - created_on, worth
    FROM closed WHERE status = 'won' AND closed_on >= created_on
    UNION ALL
    SELECT 'year_median', quarter, partner_id, deal_id, closed_on - created_on, worth
    FROM valued JOIN periods ON closed_on BETWEEN window_day AND last_day
    WHERE status = 'won' AND closed_on >= created_on
)
SELECT step, quarter, CASE WHEN grouping(partner_id) = 1 THEN 'all' ELSE coalesce(partner_id, '') END AS grp,
       CASE WHEN step = 'by_value' THEN sum(share * worth) / sum(worth)
            WHEN step IN ('naive_days', 'year_median') THEN median(share) ELSE avg(share) END AS value,
       count(*) AS n, list(key ORDER BY key) AS keys
FROM every GROUP BY GROUPING SETS ((step, quarter, partner_id), (step, quarter))
"""


@pytest.mark.parametrize("name", ["sample", "vanilla"])
def test_every_definition_is_what_sql_says(name: str, tmp_path: Path) -> None:
    """Value, count and the rows that come and go, for every partner and for all."""
    folder = shipped("data") if name == "sample" else write_odd_book(tmp_path, name)
    book = pk.open_book(folder)
    quarters = [book.quarter(q) for q in (QUARTERS if name == "sample" else (book.quarter().label,))]
    with load(folder) as sql:
        ask_about(sql, [(q.label, f"{q.start:%Y-%m-%d}", f"{q.end:%Y-%m-%d}") for q in quarters])
        told = sql.sql(SQL).df().set_index(["step", "quarter", "grp"])
    seen = 0
    for quarter in quarters:
        for partner in ["", *book.partner_ids]:
            table = bridge(book.for_partner(partner), quarter).set_index("step")
            by_sql = {step: told.loc[(step, quarter.label, partner or "all")] for step in table.index
                      if (step, quarter.label, partner or "all") in told.index}  # fmt: skip
            for step in set(table.index) - {"cohort_180", "deal_velocity"}:
                line = table.loc[step]
                assert line["n"] == (by_sql[step]["n"] if step in by_sql else 0), (partner, step)
                if step in by_sql and line["reason"] is None:
                    assert line["value"] == pytest.approx(by_sql[step]["value"], rel=1e-12), (partner, step)
                    seen += 1
                assert (step not in by_sql) <= bool(np.isnan(line["value"]))
                keys, others = (set(by_sql[s]["keys"]) if s in by_sql else set() for s in (step, line["against"]))
                if line["against"] in table.index:
                    assert (line["rows_in"], line["rows_out"]) == (len(keys - others), len(others - keys))
    assert seen > 300 if name == "sample" else seen > 20


def test_the_package_s_own_figures_are_those_of_every_page() -> None:
    mine = pk.open_book().for_partner("P-003")
    table = bridge(mine, "2025Q4").set_index("step")
    for kpi in BRIDGED:
        for one in (kpi, *kpi.companions):
            if one.name in table.index:
                known = one(mine, "2025Q4")
                assert (table.loc[one.name, "value"], table.loc[one.name, "n"]) == (known.value, known.n)
    assert {"close_rate", "narrow", "cohort_180", "naive_days", "deal_velocity"} <= set(table.index)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_the_steps_add_up_from_the_first_to_the_last(quarter: str) -> None:
    table = bridge(pk.open_book(), quarter)
    assert list(table) == list(COLUMNS)
    for _, lines in table.groupby("figure"):
        values = lines.set_index("step")["value"]
        assert (lines["against"] == "").tolist() == [True, *[False] * (len(lines) - 1)]
        for line in lines.iloc[1:].itertuples():
            assert list(values.index).index(line.against) < list(values.index).index(line.step), "from one before it"
            assert values[line.against] + line.difference == pytest.approx(values[line.step], rel=1e-12)


HALF = (
    "deal_id,created_on,status,closed_on,amount,lead_id\n"
    "D1,2025-07-01,won,2025-10-11,100,L1\nD2,2025-08-01,lost,2025-10-31,100,\nD3,2025-10-01,won,2025-12-10,600,\n"
    "D4,2025-10-05,rejected,2025-11-01,200,\nD5,2025-10-05,open,,50,\nD6,2025-10-05,abandoned,2025-12-01,,\n"
)
LEADS = (
    "lead_id,created_on,status,closed_on\nL1,2025-06-01,,\nL2,2025-10-01,lost,2025-10-20\n"
    "L3,2025-10-01,lost,2025-11-20\n"
)


def test_a_book_one_can_count_by_eye() -> None:
    """Won D1, D3; not won D2, D4, D6 of the deals; L2 and L3 are leads that became none."""
    table = bridge(book_of(deals=HALF, leads=LEADS, as_of="2025-12-31"), "2025Q4").set_index("step")
    assert table["value"].drop("cohort_180").round(6).to_dict() == {
        "salesforce": 0.4,  # of five closed
        "by_value": 0.7,  # 700 of 1,000: D6 has no amount
        "hubspot": 0.25,  # of D3 to D6, which were created in the quarter, D3
        "decided": 0.5,  # without D4
        "close_rate": round(2 / 6, 6),  # with L2 and L3
        "narrow": 0.4,  # without D6
        "crm_mean": 86.0,  # 102 and 70 days
        "naive_days": 86.0,
        "year_median": 86.0,
        "deal_velocity": 102.0,  # 1/6 are won by day 70, 1/4 more on day 102: half of both is reached there
    }
    moved = table[["rows_in", "rows_out"]].apply(tuple, axis=1)
    assert moved["by_value"] == (0, 1)
    assert moved["hubspot"] == (1, 2), "D5 comes, D1 and D2 go"
    assert moved["decided"] == (0, 1)
    assert moved["close_rate"] == (2, 0)
    assert moved["narrow"] == (0, 1)


def test_what_is_not_recorded_is_missing_with_its_reason_and_the_crm_s_figure_stands() -> None:
    wins = "deal_id,created_on,status,closed_on\nD1,2025-10-01,won,2025-10-11\nD2,2025-10-02,open,\n"
    table = bridge(book_of(deals=wins, as_of="2025-12-31"), "2025Q4").set_index("step")
    assert table.loc["salesforce", "value"] == 1.0, "a CRM says 100 %"
    assert np.isnan(table.loc["close_rate", "value"])
    assert table.loc["close_rate", "reason"] == "losses are not recorded"
    assert np.isnan(table.loc["close_rate", "difference"])
    assert table.loc["by_value", "reason"] == "lost deals carry no amounts"
    nothing = bridge(book_of(deals=wins, as_of="2025-12-31"), "2024Q4")
    assert nothing["value"].isna().all()
    assert nothing["reason"].str.contains("records begin").all()


def test_the_bridge_is_the_same_alone_as_in_the_whole_book() -> None:
    book = pk.open_book()
    one, other = bridge(book.where(partner_id="P-010"), "2025Q4"), bridge(book.for_partner("P-010"), "2025Q4")
    pd.testing.assert_frame_equal(one, other)


def test_what_is_shown_says_from_what_each_step_differs() -> None:
    text = str(show.bridge(close_rate, pk.open_book().for_partner("P-003"), "2025Q4"))
    assert "From the figure of a CRM to this one: Close rate" in text
    assert "−14.5 points from Salesforce-style" in text
    assert "HubSpot-style" in text
    assert not NO_FIGURE.search(text)
    days = str(show.bridge(deal_velocity, pk.open_book().for_partner("P-024"), "2025Q4"))
    assert "no won deals in the quarter" in days
    assert not NO_FIGURE.search(days)
    with pytest.raises(pk.UsageError, match="only to close_rate, deal_velocity"):
        show.bridge(number_of_deals, pk.open_book(), "2025Q4")
