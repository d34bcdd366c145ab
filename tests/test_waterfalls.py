"""The waterfall balances to the last cent and deal, wherever one looks, and every bar is what plain SQL says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ask_about, load
from oracle_books import BOOKS, write_odd_book
from oracle_waterfall import waterfalls
from test_book_past import DEALS, EXPORT, frames, on

import partnerkpi as pk
from partnerkpi.book.events import BARS, COUNTS, Purse, events_of
from partnerkpi.book.past import spells_of
from partnerkpi.book.periods import lasts_on
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpis import opportunity_pipeline
from partnerkpi.kpis.opportunity_pipeline import open_deals
from partnerkpi.shipped import shipped
from partnerkpi.slices import write_slice
from partnerkpi.waterfalls import CLOSING, LINES, OPENING

Real = Callable[[str], Path]
EVERY = pk.quarters("2025Q4", 12)
RUNNING = "2025-11-18"


@cache
def sample(as_of: str = "") -> pk.Book:
    return pk.open_book(as_of=as_of or None)


def cells(table: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """One column per bar of `deals` and `amount`, one row per waterfall."""
    table = (
        table.assign(group=[str(group) for group in table["group"]]) if "group" in table else table.assign(group="all")
    )
    return table.pivot(index=["group", *keys], columns="bar", values=["deals", "amount"])


def assert_balanced(table: pd.DataFrame, *keys: str) -> int:
    """Opening and bars make closing in every waterfall of the table: to 0.00, and to 0 deals; returns how many."""
    wide = cells(table, *keys)
    for what in ("deals", "amount"):
        rest = wide[what][[OPENING, *BARS]].sum(axis=1) - wide[what][CLOSING]
        assert (rest.round(6) == 0).all(), rest[rest.round(6) != 0]
    return len(wide)


# Against plain SQL


def sql_of(folder: Path, quarters: list[str], book: pk.Book) -> pd.DataFrame:
    connection = load(folder)
    periods = [book.quarter(q) for q in quarters]
    ask_about(connection, [(p.label, f"{p.start:%Y-%m-%d}", f"{p.end:%Y-%m-%d}") for p in periods])
    told = waterfalls(connection)
    connection.close()
    return told.assign(group=told["partner_id"].fillna(str(UNASSIGNED))).set_index(["quarter", "group", "bar"])


def assert_as_sql_says(folder: Path, book: pk.Book, quarters: list[str]) -> int:
    sql = sql_of(folder, quarters, book)
    ours = pd.concat([pk.waterfall(book, q, by="partner").assign(quarter=q) for q in quarters])
    ours = ours[[group is not ALL for group in ours["group"]]]
    ours = ours.assign(group=[str(group) for group in ours["group"]]).set_index(["quarter", "group", "bar"])
    assert sql.index.isin(ours.index).all()
    other = sql.reindex(ours.index).fillna({"deals": 0, "amount": 0.0, "behind": 0})
    for column in ("deals", "amount", "behind"):
        differ = (ours[column] - other[column]).abs() > 1e-6
        assert not differ.any(), pd.concat([ours[differ], other[differ].add_suffix(" by SQL")], axis=1).to_string()
    return len(ours)


def test_every_bar_of_every_partner_and_quarter_is_what_sql_says() -> None:
    many = assert_as_sql_says(shipped("data"), sample(), EVERY)
    assert many == (len(sample().partner_ids) + 1) * len(EVERY) * len(LINES)


# Balance


def test_it_balances_for_every_partner_and_quarter_and_month() -> None:
    book = sample()
    for quarter in EVERY:
        table = pk.waterfall(book, quarter, by="partner")
        assert assert_balanced(table) == len(book.partner_ids) + 2
        months = pk.waterfall(book, quarter, months=True, by="partner")
        assert assert_balanced(months, "month") == 3 * (len(book.partner_ids) + 2)
        # Nothing is netted: the bars of the months add up to those of the quarter; stocks are passed on.
        added = months.groupby([months["group"].map(str), "bar"])[["deals", "amount"]].sum()
        whole = table.assign(group=table["group"].map(str)).set_index(["group", "bar"])[["deals", "amount"]]
        inner = whole[~whole.index.get_level_values("bar").isin([OPENING, CLOSING])]
        assert np.allclose(added.loc[inner.index], inner, rtol=0, atol=1e-6)
        wide = cells(months, "month").swaplevel(0, 1).sort_index()
        first, second, third = (wide.loc[month] for month in sorted(set(months["month"])))
        for what in ("deals", "amount"):
            assert (first[what, CLOSING] == second[what, OPENING]).all()
            assert (second[what, CLOSING] == third[what, OPENING]).all()
            assert (first[what, OPENING] == whole[what].unstack()[OPENING]).all()
            assert (third[what, CLOSING] == whole[what].unstack()[CLOSING]).all()


@pytest.mark.parametrize("as_of", ["", RUNNING])
def test_opening_and_closing_are_the_pipeline_of_the_kpi(as_of: str) -> None:
    book = sample(as_of)
    for quarter in EVERY[4:]:
        period = book.quarter(quarter)
        wide = cells(pk.waterfall(book, quarter, by="partner"))
        assert_balanced(pk.waterfall(book, quarter, by="partner"))
        for bar, when in ((OPENING, period.before), (CLOSING, period)):
            for what, kpi in (("amount", opportunity_pipeline), ("deals", open_deals)):
                figures = kpi.by(book, when, "partner")
                told = pd.Series(figures["value"].to_numpy(), index=figures["group"].map(str))
                ours = wide[what][bar]
                assert (ours.round(2) == told.reindex(ours.index).fillna(0).round(2)).all()


def test_a_running_quarter_goes_as_far_as_it_is_known() -> None:
    book = sample(RUNNING)
    months = pk.waterfall(book, "2025Q4", months=True)
    assert [f"{m:%Y-%m}" for m in months["month"].unique()] == ["2025-10", "2025-11"]
    assert assert_balanced(months, "month") == 2
    assert pk.movements(book, "2025Q4")["day"].max() <= pd.Timestamp(RUNNING)


@pytest.mark.parametrize("by", ["partner", "region", "tier", "manager", "product", "rep", "channel", "media"])
def test_groups_add_up_to_the_network_where_transfers_cancel(by: str) -> None:
    for quarter in ("2025Q2", "2025Q4"):
        table = pk.waterfall(sample(), quarter, by=by)
        assert_balanced(table)
        wide = cells(table)
        parts = wide.drop(index="all").sum()
        assert np.allclose(parts, wide.loc["all"], rtol=0, atol=1e-6)
        for what in ("deals", "amount"):
            assert wide.loc["all"][what, "transferred_in"] == -wide.loc["all"][what, "transferred_out"]
    assert pk.waterfall(sample(), "2025Q2").set_index("bar").loc["transferred_in", "deals"] == 20


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("partner_id", ["P-003", "P-009", "P-010", "P-024", None]),
        ("tier", ["gold", "silver"]),
        ("manager", ["Dag Lindqvist"]),
        ("region", ["West"]),
        ("product", ["Duetto"]),
    ],
)
def test_a_part_of_the_book_says_the_same_as_its_group(column: str, values: list[str | None]) -> None:
    """Transfers too: what went to others and came from them is known where those are not."""
    by = "partner" if column == "partner_id" else column
    for quarter in ("2025Q2", "2025Q3"):
        table = pk.waterfall(sample(), quarter, by=by)
        for value in values:
            part = pk.waterfall(sample().where(**{column: value}), quarter)
            assert_balanced(part)
            key = UNASSIGNED if value is None else value
            own = table[[group == key for group in table["group"]]].drop(columns="group").reset_index(drop=True)
            within = ["transferred_in", "transferred_out"]  # from gold to gold they are in both bars, here and there
            pd.testing.assert_frame_equal(part, own)
            assert part.set_index("bar").loc[within, "behind"].sum() > 0 or by not in ("tier", "manager")


def test_a_slice_on_disk_says_the_same(tmp_path: Path) -> None:
    from test_slices import given_for

    mine = sample().for_partner("P-009")
    write_slice(mine, given_for(mine), tmp_path / "slice")
    alone = pk.open_book(tmp_path / "slice")
    for ask in (pk.waterfall, pk.movements, pk.why, pk.why_groups, pk.won_bar):
        pd.testing.assert_frame_equal(ask(mine, "2025Q2"), ask(alone, "2025Q2"))
    assert (pk.movements(alone, "2025Q2")["bar"] == "transferred_out").sum() == 16


# Real data and odd books


@pytest.mark.parametrize(
    ("name", "quarters"),
    [
        ("salesforce-shaped", pk.quarters("2022Q4", 4)),
        ("maven", pk.quarters("2017Q4", 5)),
        ("olist", pk.quarters("2018Q4", 4)),
        ("adventureworks", pk.quarters("2019Q4", 2)),
    ],
)
def test_it_balances_on_real_data(real_book: Real, name: str, quarters: list[str]) -> None:
    book = pk.open_book(real_book(name))
    many = 0
    for quarter in quarters:
        table = pk.waterfall(book, quarter, by="partner")
        if "open" in book.others.statuses:
            many += assert_balanced(table)
            assert_balanced(pk.waterfall(book, quarter, by="partner", months=True), "month")
            told = opportunity_pipeline.by(book, quarter, "partner")
            value = told["value"].fillna(0.0).round(2).tolist()
            assert table[(table["bar"] == CLOSING).to_numpy()]["amount"].round(2).tolist() == value
            wide = cells(table)
            assert np.allclose(wide.drop(index="all").sum(), wide.loc["all"], rtol=0, atol=1e-6)
        else:
            assert table["amount"].isna().all()
            assert {str(note) for note in table["note"]} == {"open deals are not recorded in this book"}
    assert many == {"salesforce-shaped": 4 * 28, "maven": 5 * 8, "olist": 4 * 2, "adventureworks": 0}[name]


@pytest.mark.parametrize("name", sorted(BOOKS))
def test_odd_books_are_what_sql_says(name: str, tmp_path: Path) -> None:
    folder = write_odd_book(tmp_path, name)
    book = pk.open_book(folder)
    quarters = [quarter.label for quarter in (book.quarter() + 1).back(5)]  # the last one is still running
    assert assert_as_sql_says(folder, book, quarters) > 0


# Random lives


CURRENCIES = st.lists(st.sampled_from(["EUR", "CHF", "SEK"]), min_size=4, max_size=4)
RATES = st.lists(st.tuples(st.integers(-40, EXPORT), st.sampled_from([0.5, 0.97, 1.05, 2.0])), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(DEALS, CURRENCIES, RATES, st.integers(0, 40))
def test_whatever_happens_the_events_between_two_evenings_are_the_difference(
    deals: list[Any], currencies: list[str], moved: list[tuple[int, float]], later: int
) -> None:
    """On random lives in moving rates, at every owner, whole and in part: up to the end of the first month, and on."""
    table, history = frames(deals)
    table["currency"] = pd.Series(currencies[: len(table)], dtype="str").astype("category")
    days = pd.to_datetime([on(day + later) for day, _ in moved]).astype("datetime64[s]")
    rates = pd.DataFrame({"currency": "CHF", "date": days, "rate": [rate for _, rate in moved]})
    rates = rates.drop_duplicates(["currency", "date"])  # none for SEK: it is worth nothing that could be said
    spells, purse = spells_of(table, history, on(EXPORT)), Purse(rates, "EUR", 2)
    for name in ("from_day", "to_day"):
        spells[name] = spells[name] + pd.Timedelta(days=later)
    last = on(EXPORT + later)
    evenings = sorted({on(-1), min(on(30), last), last})  # the end of January
    for part in (spells, spells[(spells["partner_id"] == "x").to_numpy()]):
        part = part.reset_index(drop=True)
        events = events_of(part, purse, last)
        for first, evening in pairwise(evenings):
            between = events[((events["day"] > first) & (events["day"] <= evening)).to_numpy()]
            before, after = (standing(part, purse, one) for one in (first, evening))
            assert before[0] + sum(COUNTS[bar] for bar in between["bar"]) == after[0]
            assert before[1] + int(between["units"].sum()) == after[1]


def standing(spells: pd.DataFrame, purse: Purse, evening: pd.Timestamp) -> tuple[int, int]:
    """How many deals were open on an evening, and their worth in cents."""
    stood = spells[lasts_on(spells, evening) & (spells["status"] == "open").to_numpy()]
    day = np.full(len(stood), evening.to_datetime64())
    worth = purse.worth(stood["amount"].to_numpy(), stood["currency"], day)
    return len(stood), int(purse.units(worth).sum())
