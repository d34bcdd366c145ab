"""The schema says it all: a made-up column, level or table is one edit there, and everything else follows by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import cli, show
from partnerkpi.book import schema
from partnerkpi.book.kinds import Column, Table, amount, day, label, text
from partnerkpi.groups import ALL, UNASSIGNED, telling_level
from partnerkpi.kpis import average_deal_size, close_rate, number_of_deals, opportunity_pipeline
from partnerkpi.others import given_to
from partnerkpi.slices import write_slice

DEALS = (
    ("deal_id", "created_on", "status", "closed_on", "amount", "partner_id", "lead_id"),
    ("D1", "2025-10-01", "won", "2025-10-06", "200", "P", ""),
    ("D2", "2025-10-03", "won", "2025-11-15", "400", "Q", "L1"),
    ("D3", "2025-10-05", "lost", "2025-12-01", "900", "P", ""),
    ("D4", "2025-10-07", "open", "", "50", "Q", ""),
)
LEADS = "lead_id,created_on,partner_id\nL1,2025-10-02,Q\nL2,2025-10-20,P\n"
QUARTER = "2025Q4"

AddColumn = Callable[[str, Column], None]


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> AddColumn:
    """A function that gives a table one more column, by one edit of the schema."""

    def edit(table: str, column: Column) -> None:
        whole = schema.TABLES[table]
        monkeypatch.setitem(schema.TABLES, table, replace(whole, columns=(*whole.columns, column)))

    return edit


def deals_with(name: str = "", *values: str) -> str:
    """The deals as CSV, with one column more."""
    rows = DEALS if not name else [(*row, value) for row, value in zip(DEALS, (name, *values), strict=True)]
    return "".join(",".join(row) + "\n" for row in rows)


def sliced(book: pk.Book, folder: Path) -> pk.Book:
    """What the kernel of a partner's notebooks is given, read back."""
    quarters = [book.quarter(QUARTER)]
    write_slice(book, given_to(book, quarters, [number_of_deals], quarters), folder)
    return pk.open_book(folder)


def values(table: pd.DataFrame) -> dict[object, float]:
    return dict(zip(table["group"], table["value"], strict=True))


# A level


def test_a_level_of_deals_is_one_everywhere(
    add: AddColumn, write_book: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add("deals", label("segment", level="segment", telling=2, title="market segment", evidence=55))
    folder = write_book(deals_with("segment", "small", "large", "large", ""), leads=LEADS)
    book = pk.open_book(folder)

    assert str(book.deals["segment"].dtype) == "category"
    assert values(number_of_deals.by(book, QUARTER, "segment")) == {"large": 1, "small": 1, UNASSIGNED: 0, ALL: 2}
    assert values(opportunity_pipeline.by(book, QUARTER, "segment"))[UNASSIGNED] == 50
    assert values(close_rate.by(book, QUARTER, "segment"))["large"] == 0.5, "prospects know it too"
    assert opportunity_pipeline(book.where(segment="small"), "2025Q3").value is None
    assert list(book.where(segment="large").deals["deal_id"]) == ["D2", "D3"]
    assert list(book.where(segment="large").leads["lead_id"]) == ["L1"], "a lead follows its deal"
    assert list(book.where(segment=None).spells["deal_id"].unique()) == ["D4"]
    assert list(book.without(segment="large").deals["deal_id"]) == ["D1", "D4"]
    assert {"segment"} <= {*book.spells, *book.prospects}
    with pytest.raises(pk.UsageError, match="no market segment 'smal'"):
        book.where(segment="smal")
    with pytest.raises(pk.UsageError, match="Did you mean 'segment'"):
        number_of_deals.by(book, QUARTER, "segmnt")
    assert telling_level(book.for_partner("P")) == "segment"
    assert "market segment" in str(show.rows(average_deal_size.evidence(book, QUARTER), "rows"))
    assert "market segment" in str(show.breakdown(number_of_deals.by(book, QUARTER, "segment").rename(
        columns={"group": "segment"}), "by segment"))  # fmt: skip

    card = pk.scorecard(book, QUARTER, by="segment")
    assert list(card["group"].unique()) == ["large", "small", UNASSIGNED, ALL]
    out = tmp_path / "score.csv"
    assert cli.run(["score", str(folder), "--by", "segment", "-o", str(out)]) == 0
    assert set(pd.read_csv(out)["group"]) == {"large", "small", "unassigned", "all"}
    assert cli.run(["score", "--help"]) == 0
    assert "segment" in capsys.readouterr().out

    mine = book.for_partner("P")
    alone = sliced(mine, tmp_path / "slice")
    pd.testing.assert_frame_equal(pk.scorecard(mine, by="segment"), pk.scorecard(alone, by="segment"))


def test_a_level_of_deals_and_leads_is_the_leads_where_the_deal_has_none(add: AddColumn) -> None:
    for table in ("deals", "leads"):
        add(table, label("segment", level="segment"))
    leads = "lead_id,created_on,partner_id,segment\nL1,2025-10-02,Q,large\nL2,2025-10-20,P,small\n"
    book = pk.book_of(as_of="2025-12-31", deals=deals_with("segment", "small", "", "", ""), leads=leads)
    assert book.records("deals.segment")
    assert values(number_of_deals.by(book, QUARTER, "segment")) == {"large": 1, "small": 1, UNASSIGNED: 0, ALL: 2}
    assert list(book.where(segment="large").prospects["prospect_id"]) == ["L:L1"]
    assert list(book.where(segment="small").leads["lead_id"]) == ["L2"]


def test_a_level_with_a_past_is_told_by_the_history(add: AddColumn) -> None:
    for table in ("deals", "history"):
        add(table, label("segment", level="segment"))
    history = "deal_id,changed_at,segment\nD4,2025-10-07,small\nD4,2025-12-20,large\n"
    tables = {"deals": deals_with("segment", "", "", "", "large"), "history": history}
    book = pk.book_of(as_of="2025-12-31", **tables)
    spells = book.spells[book.spells["deal_id"] == "D4"]
    assert list(spells["segment"]) == ["small", "large"]
    assert values(opportunity_pipeline.by(book, QUARTER, "segment"))["large"] == 50
    for part, bars in (("small", {"created", "transferred_out"}), ("large", {"transferred_in", "closing"})):
        table = pk.waterfall(book.where(segment=part), QUARTER)
        assert set(table.loc[table["behind"] > 0, "bar"]) == bars, part


def test_a_level_that_only_partners_have_is_that_of_their_rows(add: AddColumn, tmp_path: Path) -> None:
    add("partners", label("focus", level="focus"))
    partners = "partner_id,name,focus\nP,Pe,trade\nQ,Qu,craft\n"
    book = pk.book_of(as_of="2025-12-31", deals=deals_with(), leads=LEADS, partners=partners)
    assert values(number_of_deals.by(book, QUARTER, "focus")) == {"craft": 1, "trade": 1, UNASSIGNED: 0, ALL: 2}
    craft = book.where(focus="craft")
    assert list(craft.deals["deal_id"]) == ["D2", "D4"]
    assert list(craft.leads["lead_id"]) == ["L1"]
    assert list(craft.partners["partner_id"]) == ["Q"]
    assert set(pk.scorecard(book, by="focus")["group"]) == {"craft", "trade", UNASSIGNED, ALL}
    assert list(sliced(book.for_partner("Q"), tmp_path).partners["focus"]) == ["craft"]


# A column


def test_a_text_is_read_chosen_by_and_shown(add: AddColumn, tmp_path: Path) -> None:
    add("deals", text("campaign", title="campaign of the year", evidence=45))
    book = pk.book_of(as_of="2025-12-31", deals=deals_with("campaign", "spring", "autumn", "", ""))
    assert list(book.where(campaign=["spring", None]).deals["deal_id"]) == ["D1", "D3", "D4"]
    assert list(book.without(campaign="spring").deals["deal_id"]) == ["D2", "D3", "D4"]
    evidence = average_deal_size.evidence(book, QUARTER)
    assert list(evidence["campaign"]) == ["autumn", "spring"], "the largest deal first"
    assert "campaign of the year" in show.rows(evidence, "rows").html
    assert list(sliced(book.for_partner("P"), tmp_path).deals["campaign"].dropna()) == ["spring"]
    with pytest.raises(pk.UsageError, match="Cannot break down by 'campaign'"):
        number_of_deals.by(book, QUARTER, "campaign")


def test_money_is_in_the_books_currency_and_written_as_money(add: AddColumn, tmp_path: Path) -> None:
    add("deals", amount("discount", priced_in="currency", evidence=165))
    add("deals", label("invoiced_in"))
    deals = deals_with("discount,currency", "10.50,EUR", "20,USD", ",EUR", "30,USD")
    rates = "currency,date,rate\nUSD,2025-11-01,0.5\nUSD,2025-12-01,0.4\n"
    book = pk.book_of(as_of="2025-12-31", deals=deals, rates=rates)
    discounts = dict(zip(book.deals["deal_id"], book.deals["discount"], strict=True))
    assert discounts["D1"] == 10.5
    assert discounts["D2"] == 10.0, "at the rate of the day it closed"
    assert discounts["D4"] == 12.0, "open: at the rate of the as-of day"
    assert list(book.where(discount=(10.2, None)).deals["deal_id"]) == ["D1", "D4"]
    shown = str(show.rows(average_deal_size.evidence(book, QUARTER), "rows", currency="EUR"))
    assert "€10.50" in shown
    assert "€10\n" in shown + "\n"
    assert list(sliced(book.for_partner("Q"), tmp_path).deals["discount"]) == [10.0, 12.0]
    late = "currency,date,rate\nUSD,2025-12-01,0.5\n"
    with pytest.raises((pk.UsageError, pk.DataRefused), match="no rate"):
        pk.book_of(as_of="2025-12-31", deals=deals, rates=late)


def test_a_day_dates_the_row_unless_another_rule_is_stated(add: AddColumn, write_book: Callable[..., Path]) -> None:
    add("deals", day("signed_on"))
    folder = write_book(deals_with("signed_on", "2025-10-06", "2025-12-10", "", "2025-10-08"))
    assert list(pk.open_book(folder, as_of="2025-11-30", allow_approximate=True).deals["deal_id"]) == ["D1", "D3", "D4"]
    whole = pk.open_book(folder)
    assert len(whole.deals) == 4
    assert list(whole.where(signed_on=("2025-10-07", None)).deals["deal_id"]) == ["D2", "D4"]


def test_a_day_that_is_only_a_value_is_missing_until_then(add: AddColumn, write_book: Callable[..., Path]) -> None:
    add("deals", day("signed_on", later="value"))
    add("deals", day("renewed_on", later="known"))
    days = ("2025-10-06", "2025-12-10", "", "2025-10-08")
    folder = write_book(deals_with("signed_on,renewed_on", *(f"{d},{d}" for d in days)))
    then = pk.open_book(folder, as_of="2025-11-30", allow_approximate=True).deals.set_index("deal_id")
    assert list(then.index) == ["D1", "D2", "D3", "D4"]
    assert then["signed_on"].notna().to_dict() == {"D1": True, "D2": False, "D3": False, "D4": True}
    assert then["renewed_on"].notna().to_dict() == {"D1": True, "D2": True, "D3": False, "D4": True}
    assert pk.open_book(folder).deals["signed_on"].notna().sum() == 3


def test_a_column_of_fixed_values_has_no_others(add: AddColumn) -> None:
    add("deals", label("size", values=("small", "large")))
    with pytest.raises(pk.DataRefused, match=r"size 'huge': is none of small, large"):
        pk.book_of(as_of="2025-12-31", deals=deals_with("size", "small", "huge", "", ""))
    book = pk.book_of(as_of="2025-12-31", deals=deals_with("size", "small", "large", "", ""))
    assert list(book.where(size="large").deals["deal_id"]) == ["D2"]


# A table


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Table:
    """A made-up table: somebody went to see a partner."""
    columns = (
        text("visit_id", required=True),
        day("visited_on", required=True),
        schema.PARTNER,
        label("purpose", level="purpose"),
        amount("travel", priced_in="currency"),
        label("currency"),
        text("note"),
    )
    table = Table("visits", key=("visit_id",), columns=columns)
    monkeypatch.setitem(schema.TABLES, "visits", table)
    return table


VISITS = (
    "visit_id,visited_on,partner_id,purpose,travel,currency,note\n"
    "V1,2025-10-02,P,training,120,EUR,first\nV2,2025-11-20,Q,audit,100,USD,\nV3,2025-12-15,R,audit,,,third\n"
)


def test_a_table_is_read_cut_chosen_and_sliced(visits: Table, write_book: Callable[..., Path], tmp_path: Path) -> None:
    rates = "currency,date,rate\nUSD,2025-11-01,0.5\nUSD,2025-12-01,0.4\n"
    folder = write_book(deals_with(), leads=LEADS, visits=VISITS, rates=rates)
    book = pk.open_book(folder)
    frame = book.table("visits")
    assert list(frame) == list(visits.names)
    assert {str(frame[c.name].dtype) for c in visits.columns if c.dated} == {"datetime64[s]"}
    assert list(frame["travel"])[:2] == [120, 50], "at the rate of the day of the visit"
    assert book.records("visits.note")
    assert "visits: 3 rows read = 3 used + 0 out of scope + 0 set aside" in book.reading.lines()
    assert list(book.partners["partner_id"]) == ["P", "Q", "R"], "a partner is one though only a visit names it"
    assert book.partner_ids == ["P", "Q", "R"]

    earlier = pk.open_book(folder, as_of="2025-11-30", allow_approximate=True)
    assert list(earlier.table("visits")["visit_id"]) == ["V1", "V2"]
    assert earlier.partner_ids == ["P", "Q"]

    mine = book.where(partner_id="Q")
    assert list(mine.table("visits")["visit_id"]) == ["V2"]
    assert list(book.where(purpose="audit").table("visits")["visit_id"]) == ["V2", "V3"]
    assert list(book.where(visited_on=("2025-11-01", None)).table("visits")["visit_id"]) == ["V2", "V3"]
    assert len(book.where(visited_on=("2025-11-01", None)).deals) == 4, "of it deals can say nothing"
    assert set(pk.scorecard(book, by="purpose")["group"]) == {"audit", "training", UNASSIGNED, ALL}

    alone = sliced(mine, tmp_path / "slice")
    pd.testing.assert_frame_equal(alone.table("visits"), mine.table("visits"))


def test_a_book_without_the_table_has_it_empty(visits: Table) -> None:
    book = pk.book_of(as_of="2025-12-31", deals=deals_with())
    assert not len(book.table("visits"))
    assert list(book.table("visits")) == list(visits.names)
    assert not book.records("visits")


def test_a_partner_of_later_rows_only_is_none_yet(write_book: Callable[..., Path]) -> None:
    leads = LEADS + "L3,2025-12-20,LATE\n"
    spend = "channel,month,amount,partner_id\nmail,2025-12-01,10,LATER\n"
    folder = write_book(deals_with(), leads=leads, spend=spend)
    assert pk.open_book(folder).partner_ids == ["LATE", "LATER", "P", "Q"]
    assert pk.open_book(folder, as_of="2025-11-30", allow_approximate=True).partner_ids == ["P", "Q"]


@pytest.mark.parametrize("column", ["rate", "date", "value", "entry", "exit"])
def test_what_no_row_can_answer_is_refused(column: str) -> None:
    book = pk.book_of(as_of="2025-12-31", deals=deals_with(), rates="currency,date,rate\nUSD,2025-11-01,0.5\n")
    with pytest.raises(pk.UsageError, match=f"cannot be filtered by '{column}'"):
        book.where(**{column: (1, 2)})


def test_a_table_answers_for_the_columns_it_alone_has() -> None:
    targets = "quarter,amount,partner_id\n2025Q3,100,P\n2025Q4,200,P\n"
    touches = "deal_id,channel,touched_at\nD1,mail,2025-10-02\nD2,fair,2025-11-02\n"
    spend = "channel,month,amount\nmail,2025-10-01,10\nfair,2025-11-01,20\n"
    tables = {"targets": targets, "touches": touches, "spend": spend}
    book = pk.book_of(as_of="2025-12-31", deals=deals_with(), **tables)
    assert list(book.where(quarter="2025Q4").targets["amount"]) == [200]
    assert list(book.where(month=("2025-11-01", None)).spend["amount"]) == [20]
    assert list(book.where(touched_at=("2025-11-01", None)).touches["deal_id"]) == ["D2"]
    assert list(book.where(amount=(300, None)).spend["amount"]) == [10, 20], "not the amount of a deal"
    assert len(book.where(quarter="2025Q4").deals) == 4
