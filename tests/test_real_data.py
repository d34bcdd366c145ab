"""Real exports, read by a book.toml alone, beside figures that somebody else computed from them with SQL."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpis import average_deal_size, close_rate, number_of_deals
from partnerkpi.kpis.average_deal_size import median_deal_size
from partnerkpi.kpis.close_rate import cohort_90, cohort_180, narrow
from partnerkpi.kpis.deal_velocity import naive_days
from partnerkpi.kpis.marketing_channels import leads
from partnerkpi.kpis.number_of_deals import won_amount
from partnerkpi.kpis.opportunity_pipeline import open_deals

RealBook = Callable[[str], Path]
MAVEN = ("maven", "maven-mdy", "maven-ddmmyy")

# The columns of the expected files that a figure of ours defines, and what stands where nothing happened.
FIGURES = {
    "won": number_of_deals,
    "won_amount": won_amount,
    "avg_deal": average_deal_size,
    "win_rate": narrow,
    "open_at_qe": open_deals,
    "med_days_won": naive_days,
}


def expected(name: str) -> list[dict[str, str]]:
    """The lines of one of the files of independent figures."""
    said = os.environ.get("PARTNERKPI_REAL_DATA")
    folder = Path(said) if said else Path(__file__).resolve().parents[2] / "shared" / "real-data"
    with (folder / "expected" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def same(ours: float, printed: str) -> bool:
    """True when our value, rounded, is the printed one to its last digit; missing is an empty cell."""
    if printed == "":
        return math.isnan(ours)
    digits = len(printed.partition(".")[2])
    return abs(ours - float(printed)) <= 0.5 * 10.0**-digits + 1e-9 * abs(float(printed))


def compare(book: pk.Book, by: str, lines: list[dict[str, str]], key: str, figures: dict[str, pk.Kpi]) -> int:
    """Compare every cell; returns how many. A group that the book never heard of by then has no row and stands at 0."""
    compared, wrong = 0, []
    for quarter in sorted({line["qtr"] for line in lines}):
        tables = {column: figure.by(book, quarter, by).set_index("group") for column, figure in figures.items()}
        for line in lines:
            if line["qtr"] != quarter:
                continue
            for column in figures:
                ours = float(tables[column].loc[line[key], "value"])
                compared += 1
                if not same(ours, line[column]):
                    wrong.append(f"{quarter} {line[key]} {column}: {ours} is not {line[column]}")
    assert not wrong, "\n".join(wrong[:20])
    return compared


@pytest.fixture(params=MAVEN)
def maven(request: pytest.FixtureRequest, real_book: RealBook) -> pk.Book:
    return pk.open_book(real_book(request.param))


@pytest.mark.parametrize(
    ("name", "by", "rows"), [("manager", "partner", 30), ("region", "unit", 15), ("agent", "rep", 150)]
)
def test_every_cell_of_maven(maven: pk.Book, name: str, by: str, rows: int) -> None:
    lines = expected(f"maven_{name}_quarter")
    assert len(lines) == rows
    assert compare(maven, by, lines, "partner", FIGURES) == rows * len(FIGURES)


def test_the_rows_of_maven_are_all_accounted_for(maven: pk.Book) -> None:
    assert maven.reading.rows("deals") == {"read": 8800, "used": 8300, "out of scope": 500, "set aside": 0}
    assert set(maven.deals["product"].cat.categories) >= {"GTX Pro"}
    assert "GTXPro" not in set(maven.deals["product"].cat.categories)


def test_maven_as_a_whole(maven: pk.Book) -> None:
    lines = [line | {"partner": ALL} for line in expected("maven_total_quarter")]
    assert compare(maven, "partner", lines, "partner", FIGURES) == 5 * len(FIGURES)
    whole = next(row for row in expected("maven_manager_all_time") if row["manager"] == "ALL")
    won = maven.deals[maven.deals["status"] == "won"]
    assert same(float(won["amount"].median()), whole["med_deal"])
    assert (maven.deals["status"] == "open").sum() == int(whole["engaging"])
    assert median_deal_size(maven, "2017Q1").value is not None


def test_other_date_formats_give_the_same_scorecard(real_book: RealBook) -> None:
    cards = [pk.scorecard(pk.open_book(real_book(name)), ["2017Q1", "2017Q4"], by="rep") for name in MAVEN]
    for other in cards[1:]:
        pd.testing.assert_frame_equal(cards[0], other)


@pytest.fixture
def olist(real_book: RealBook) -> pk.Book:
    return pk.open_book(real_book("olist"))


def test_olist_leads_and_wins_by_media(olist: pk.Book) -> None:
    lines = expected("olist_channel_quarter")
    for line in lines:  # ours tells a channel of no known type from no channel at all; theirs has one drawer for both
        line["ours"] = {"unclassified": "unmapped"}.get(line["partner"], line["partner"])
    known = [line for line in lines if line["partner"] in ("paid", "earned", "owned")]
    assert (
        compare(olist, "media", known, "ours", {"leads": leads, "won": number_of_deals, "won_amount": won_amount}) == 63
    )
    for line in lines:
        if line["partner"] == "unclassified":
            for column, figure in {"leads": leads, "won": number_of_deals, "won_amount": won_amount}.items():
                table = figure.by(olist, line["qtr"], "media").set_index("group")["value"]
                assert same(table["unmapped"] + table["none_recorded"], line[column]), (line["qtr"], column)


@pytest.mark.parametrize(("name", "by"), [("origin", "channel"), ("sdr", "unit"), ("sr", "rep"), ("total", "media")])
def test_olist_by_origin_and_people(olist: pk.Book, name: str, by: str) -> None:
    lines = expected(f"olist_{name}_quarter")
    for line in lines:
        line["partner"] = {"(null)": UNASSIGNED, "ALL": ALL}.get(line["partner"], line["partner"])
    figures: dict[str, pk.Kpi] = {"won": number_of_deals, "won_amount": won_amount}
    if name in ("origin", "total"):
        figures["leads"] = leads
    assert compare(olist, by, lines, "partner", figures) == len(lines) * len(figures)


def test_olist_records_no_losses_and_says_so(olist: pk.Book) -> None:
    estimate = close_rate(olist, "2018Q2")
    assert estimate.value is None
    assert str(estimate.reason) == "losses are not recorded"
    within = [figure(olist, "2018Q2") for figure in (cohort_90, cohort_180)]
    assert all(e.value is not None and e.low is not None and 0.05 < e.value < 0.2 for e in within)


def test_olist_leaves_the_win_before_the_first_contact_out_of_velocity(olist: pk.Book) -> None:
    deals = olist.deals
    assert (deals["closed_on"] < deals["created_on"]).sum() == 1
    won = (deals["closed_on"] >= pd.Timestamp("2017-10-01")).sum()
    assert won == 842


@pytest.fixture
def adventureworks(real_book: RealBook) -> pk.Book:
    return pk.open_book(real_book("adventureworks"))


def test_every_cell_of_adventureworks(adventureworks: pk.Book) -> None:
    figures: dict[str, pk.Kpi] = {"deals": number_of_deals, "won_amount": won_amount, "avg_deal": average_deal_size}
    lines = expected("aw_reseller_quarter")
    assert compare(adventureworks, "partner", lines, "rk", figures) == 3600 * 3
    total = [line | {"rk": ALL} for line in expected("aw_total_quarter")]
    assert compare(adventureworks, "partner", total, "rk", figures) == 12 * 3
    countries = expected("aw_country_quarter")
    assert compare(adventureworks, "country", countries, "Country_Region", figures) == 48 * 3
    assert len(adventureworks.deals) == 3616


def test_a_reseller_without_a_line_in_a_quarter_has_none_there(adventureworks: pk.Book) -> None:
    """The expected file lists only resellers that bought; every other one must stand at nought."""
    for quarter in ("2017Q3", "2020Q2"):
        listed = {x["rk"] for x in expected("aw_reseller_quarter") if x["qtr"] == quarter}
        table = number_of_deals.by(adventureworks, quarter, "partner").set_index("group")["value"]
        others = table.drop([ALL, UNASSIGNED, *listed])
        assert len(others) > 400
        assert (others == 0).all()


def test_two_keys_with_one_name_stay_two_partners(adventureworks: pk.Book) -> None:
    names = adventureworks.partners["name"]
    shared = adventureworks.partners[names.duplicated(keep=False)]
    assert len(shared) == 4
    assert set(shared["partner_id"]) <= set(adventureworks.partner_ids)


CONFLICT = re.compile("the value says (.*), the flags say (.*): the (values|flags) hold")
SHAPED = "salesforce-shaped"


def shaped(folder: Path, decides: str) -> pk.Book:
    """The book, with one of the two rules where stage and flags disagree."""
    toml = folder / "book.toml"
    text = toml.read_text(encoding="utf-8").replace('decides = "values"', f'decides = "{decides}"')
    toml.write_text(text, encoding="utf-8")
    return pk.open_book(folder)


@pytest.mark.parametrize("decides", ["values", "flags"])
def test_stage_and_flags_that_disagree_are_counted_and_one_rule_holds(real_book: RealBook, decides: str) -> None:
    book = shaped(real_book(SHAPED), decides)
    said = {}
    for fault in book.reading.faults:
        if match := CONFLICT.fullmatch(fault.rule):
            assert (fault.kind, fault.column, match[3]) == ("W", "status", decides)
            said[match[1], match[2]] = fault.count
    lines = expected("preppin_status_conflict")
    assert said == {(x["st_stage"], x["st_flag"]): int(x["n"]) for x in lines if x["st_stage"] != x["st_flag"]}
    assert sum(said.values()) == 137
    assert book.reading.rows() == {"read": 219, "used": 219, "out of scope": 0, "set aside": 0}
    column = {"values": "st_stage", "flags": "st_flag"}[decides]
    for status in ("open", "won", "lost"):
        mine = [x for x in lines if x[column] == status]
        amounts = book.deals[(book.deals["status"] == status).to_numpy()]["amount"]
        assert (len(amounts), amounts.sum()) == (sum(int(x["n"]) for x in mine), sum(float(x["amt"]) for x in mine))


@pytest.mark.parametrize(("decides", "rule"), [("values", "stage"), ("flags", "flags")])
def test_every_quarter_by_stage_and_by_flags(real_book: RealBook, decides: str, rule: str) -> None:
    book = shaped(real_book(SHAPED), decides)
    lines = [line | {"partner": ALL} for line in expected("preppin_total_quarter") if line["rule"] == rule]
    figures = {
        name: figure for name, figure in FIGURES.items() if name in ("won", "won_amount", "avg_deal", "win_rate")
    }
    assert compare(book, "partner", lines, "partner", figures | {"med_days": naive_days}) == 4 * 5
    for line in lines:
        quarter = book.quarter(line["qtr"])
        ended = book.deals[book.deals["closed_on"].between(quarter.start, quarter.last_day)]
        assert (ended["status"] == "lost").sum() == int(line["lost"])


def test_the_preset_reads_it_with_two_lines_more(real_book: RealBook) -> None:
    folder = real_book(SHAPED)
    book = '[book]\ncurrency = "USD"\nextracted_on = 2022-12-31\npreset = "salesforce"\n'
    deals = '[deals]\nfiles = ["opportunity.csv"]\ndates = "%d/%m/%Y"\n[deals.columns]\npartner_id = "OwnerId"\n'
    (folder / "book.toml").write_text(book + deals, encoding="utf-8")
    opened = pk.open_book(folder)
    lines = [line | {"partner": ALL} for line in expected("preppin_total_quarter") if line["rule"] == "flags"]
    assert compare(opened, "partner", lines, "partner", {"won": number_of_deals, "won_amount": won_amount}) == 4 * 2
    assert sum(f.count for f in opened.reading.faults if CONFLICT.fullmatch(f.rule)) == 137


def test_days_in_each_stage(real_book: RealBook) -> None:
    history = pk.open_book(real_book(SHAPED)).history
    history = history.sort_values(["deal_id", "changed_at"], kind="stable")
    days = -history.groupby("deal_id", sort=False)["changed_at"].diff(-1).dt.days
    for line in expected("preppin_days_in_stage"):
        mine = days[(history["stage"] == line["stage"]).to_numpy()]
        assert (len(mine), mine.notna().sum()) == (int(line["n"]), int(line["with_exit"]))
        assert same(float(mine.median()), line["med_days_in_stage"])
        assert same(float(mine.mean()), line["avg_days_in_stage"])
