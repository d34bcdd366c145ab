"""Currencies, time zones, fiscal calendars, and two clocks: what was known on a day, and what is known of it now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.cli import run
from partnerkpi.kpis.close_rate import close_rate
from partnerkpi.kpis.marketing_channels import marketing_channels
from partnerkpi.kpis.number_of_deals import number_of_deals
from partnerkpi.kpis.opportunity_pipeline import open_deals, opportunity_pipeline

Write = Callable[..., Path]
DEALS = (
    "deal_id,created_on,status,closed_on,amount,partner_id,reason\n"
    "A,2025-01-10,won,2025-05-02,100.00,P,\nB,2025-02-10,open,,50.00,P,\nC,2025-02-11,lost,2025-08-01,70.00,Q,price\n"
)


def book_toml(**facts: Any) -> str:
    said = {"name": "Test", "currency": "EUR", "time_zone": "Europe/Paris", "extracted_on": "2025-12-31"} | facts
    lines = [f"{k} = {v if k in ('extracted_on', 'fiscal_year_starts') else repr(v)}" for k, v in said.items()]
    return "\n".join(["[book]", *lines, ""])


def cells(card: pd.DataFrame, kpi: str, figure: str = "headline") -> pd.Series:
    line = card[(card["kpi"] == kpi) & (card["figure"] == figure) & (card["group"] == pk.ALL)]
    assert len(line) == 1
    return line.iloc[0]


# An as-of day before the export


def test_a_day_before_the_export_without_a_history_is_refused_with_what_to_do(
    write_book: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write_book(DEALS))
    for command in ("score", "signals", "bridge", "review"):
        out = ["--out", folder + "/reports"] if command == "review" else []
        assert run([command, folder, "--as-of", "2025-06-30", *out]) == 1
        said = capsys.readouterr().err
        assert "has no history" in said
        for way in ("history table", "export made that day", "--quarter 2025Q2", "--allow-approximate"):
            assert way in said
    assert not (Path(folder) / "reports").exists()
    with pytest.raises(pk.DataRefused, match="since 2025-06-30"):
        pk.open_book(folder, "2025-06-30")
    assert not pk.open_book(folder, "2025-12-31").approximate, "the day of the export is no past"


def test_an_approximation_is_noted_on_every_figure_it_touches(
    write_book: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    spend = "channel,month,amount\nads,2025-06-01,10\n"
    folder = write_book(DEALS, spend=spend)
    command = ["score", str(folder), "--as-of", "2025-06-30", "--by", "none", "--format", "csv", "--allow-approximate"]
    assert run(command) == 0
    told = capsys.readouterr()
    note = "approximate: no history tells how things stood on 2025-06-30, what was changed since is that of 2025-12-31"
    assert note in told.err
    book = pk.open_book(folder, "2025-06-30", allow_approximate=True)
    card = pk.scorecard(book, "2025Q2", by="none")
    valued = card[card["value"].notna()]
    assert len(valued) > 10
    of_spend = valued["figure"] == "spend"
    assert of_spend.sum() == 1
    assert valued.loc[~of_spend, "reason"].str.contains(note, regex=False).all()
    assert not valued.loc[of_spend, "reason"].str.contains("approximate").any(), "spend is dated by itself"
    assert note in str(opportunity_pipeline(book, "2025Q2"))
    assert note in str(show.about(book, "2025Q2"))
    # C was lost in August: on the day it was open. A was won in May at an amount of today.
    assert (open_deals(book, "2025Q2").value, number_of_deals(book, "2025Q2").value) == (2, 1)


def test_a_past_quarter_of_a_current_book_uses_its_days_and_says_so(write_book: Write) -> None:
    book = pk.open_book(write_book(DEALS))
    pipeline = opportunity_pipeline(book, "2025Q2")
    assert pipeline.value == 120.0, "B and C, by created and closed days"
    assert "by created and closed days, today's amounts" in str(pipeline)
    card = pk.scorecard(book, "2025Q2", by="none")
    assert not card["reason"].str.contains("approximate").any()


def test_with_a_history_figures_are_those_stored_then(write_book: Write) -> None:
    """The book as exported in June, and the same CRM in December with everything overwritten since."""
    head = "deal_id,created_on,status,closed_on,amount,partner_id\n"
    changes = "deal_id,changed_at,status,amount,partner_id\n"
    june = "A,2025-01-10,,100.00,P\nA,2025-05-02,won,,\nB,2025-02-10,,50.00,P\nC,2025-02-11,,70.00,Q\n"
    then = write_book(
        head + "A,2025-01-10,won,2025-05-02,100.00,P\nB,2025-02-10,open,,50.00,P\nC,2025-02-11,open,,70.00,Q\n",
        history=changes + june,
        book=book_toml(extracted_on="2025-06-30"),
    )
    later = "A,2025-07-02,lost,,\nB,2025-07-03,,500.00,Q\nB,2025-09-01,won,,\nC,2025-08-01,lost,1.00,\n"
    now = write_book(
        head
        + "A,2025-01-10,lost,2025-07-02,100.00,P\nB,2025-02-10,won,2025-09-01,500.00,Q\n"
        + "C,2025-02-11,lost,2025-08-01,1.00,Q\nD,2025-07-01,open,,9.00,R\n",
        history=changes + june + later + "D,2025-07-01,,9.00,R\n",
    )
    stored, told = (pk.scorecard(pk.open_book(folder, "2025-06-30"), "2025Q2") for folder in (then, now))
    pd.testing.assert_frame_equal(stored.astype(str), told.astype(str))
    assert cells(told, "number_of_deals")["value"] == 1


# What was known first later


def test_what_a_change_says_of_before_it_was_so_until_then(write_book: Write) -> None:
    folder = write_book(
        "deal_id,created_on,status,closed_on,amount,partner_id,expected_close_on,stage,sourced,channel\n"
        "A,2025-01-10,open,,200.00,Q,2025-12-01,Late,vendor,fair\nB,2025-01-10,open,,80.00,P,,Late,,\n",
        history="deal_id,changed_at,amount,old_amount,partner_id,old_partner_id,expected_close_on,"
        "old_expected_close_on,stage,old_stage,sourced,old_sourced,channel,old_channel\n"
        "A,2025-05-01T10:00:00,200,150.50,Q,P,2025-12-01,2025-08-01,Late,Early,vendor,partner,fair,ads\n"
        "B,2025-05-01,80,,P,,,,Late,,,,,\n",
    )
    before = pk.open_book(folder, "2025-04-30").deals.set_index("deal_id")
    assert before.loc["A", ["amount", "partner_id", "stage", "sourced", "channel"]].tolist() == [
        150.5, "P", "Early", "partner", "ads",
    ]  # fmt: skip
    assert before.loc["A", "expected_close_on"] == pd.Timestamp("2025-08-01")
    assert before.loc["B", ["amount", "partner_id", "stage"]].isna().all(), "first told later: not known before"
    after = pk.open_book(folder, "2025-05-01").deals.set_index("deal_id")
    assert after.loc["A", ["amount", "partner_id", "stage", "sourced", "channel"]].tolist() == [
        200.0, "Q", "Late", "vendor", "fair",
    ]  # fmt: skip
    book = pk.open_book(folder)
    assert opportunity_pipeline(book, "2025Q1").value == 150.5
    assert "who owned a deal that day is not recorded" in str(opportunity_pipeline(book, "2025Q1")), "B's owner"
    assert not [c for c in book.history if c.startswith("old_")], "what was before stands in rows of its own"
    assert book.history["deal_id"].tolist() == ["A", "A", "B"]


def test_only_the_first_change_tells_of_the_beginning(write_book: Write) -> None:
    folder = write_book(
        "deal_id,created_on,status,amount\nA,2025-01-10,open,300\n",
        history="deal_id,changed_at,amount,old_amount\nA,2025-06-01,300,999\nA,2025-03-01,200,\n",
    )
    assert pd.isna(pk.open_book(folder, "2025-02-28").deals["amount"].iloc[0]), "the first change does not say"
    assert pk.open_book(folder, "2025-05-31").deals["amount"].iloc[0] == 200, "what a later one says is no news"
    [fault] = [f for f in pk.check_book(folder).faults if f.column == "old_amount"]
    assert (fault.kind, fault.line, fault.value) == ("W", 2, "999")
    assert "differs from what the change before says" in fault.rule


def test_a_change_to_nothing_is_said(write_book: Write) -> None:
    folder = write_book(
        "deal_id,created_on,status,amount\nA,2025-01-10,open,300\n",
        history="deal_id,changed_at,amount,old_amount\nA,2025-03-01,,200\n",
    )
    assert pk.open_book(folder, "2025-02-28").deals["amount"].iloc[0] == 200
    [fault] = [f for f in pk.check_book(folder).faults if f.column == "old_amount"]
    assert (fault.kind, fault.line) == ("W", 2)
    assert "empties amount" in fault.rule


def test_source_channel_and_reason_have_a_past_where_the_history_tells_it(write_book: Write) -> None:
    folder = write_book(
        "deal_id,created_on,status,closed_on,amount,partner_id,sourced,channel,reason\n"
        "A,2025-01-10,lost,2025-10-01,10,P,partner,ads,timing\nB,2025-01-10,lost,2025-03-01,10,P,partner,ads,price\n"
        "W,2025-01-10,won,2025-02-01,10,P,partner,ads,\n",
        history="deal_id,changed_at,status,sourced,channel,reason\n"
        "A,2025-03-01,lost,,,price\nA,2025-04-01,open,,,\nA,2025-06-01,,partner,ads,\n",
        channels="channel,media\nads,paid\n",
    )
    facts = ["status", "sourced", "channel", "reason"]
    known = {day: pk.open_book(folder, day).deals.set_index("deal_id")[facts].astype(object) for day in
             ("2025-02-15", "2025-03-15", "2025-04-15", "2025-06-15", "2025-12-30")}  # fmt: skip
    told = {day: [None if pd.isna(v) else v for v in frame.loc["A"]] for day, frame in known.items()}
    assert told == {
        "2025-02-15": ["open", None, None, None],
        "2025-03-15": ["lost", None, None, "price"],
        "2025-04-15": ["open", None, None, None],
        "2025-06-15": ["open", "partner", "ads", None],
        "2025-12-30": ["lost", "partner", "ads", "timing"],
    }
    assert known["2025-03-15"].loc["B"].tolist() == ["lost", "partner", "ads", "price"], (
        "what no history tells is as ever"
    )
    assert pd.isna(known["2025-02-15"].loc["B", "reason"])
    book = pk.open_book(folder)
    assert marketing_channels(book, "2025Q1").value == 10
    events = book.for_partner("P").events
    assert not events["bar"].astype(str).str.startswith("transferred").any(), "another channel is no other owner"


# What a book records, as of the day


def test_what_a_book_records_is_decided_as_of_the_day(write_book: Write) -> None:
    folder = write_book(
        "deal_id,created_on,status,closed_on,amount,sourced,competitor\n"
        "A,2025-01-10,won,2025-02-01,10,,\nB,2025-01-10,lost,2025-08-01,10,partner,Rival\n"
        "C,2025-07-10,open,,10,partner,\n",
        history="deal_id,changed_at,stage,sourced\nB,2025-07-01,Demo,partner\n",
    )
    early, now = pk.open_book(folder, "2025-06-30"), pk.open_book(folder)
    assert "lost" not in early.others.statuses
    assert str(close_rate(early, "2025Q1").reason) == "losses are not recorded"
    assert close_rate(now, "2025Q1").value == 1.0
    for name in ("deals.sourced", "deals.competitor", "history.stage"):
        assert (early.records(name), now.records(name)) == (False, True), name


# Fiscal years


def test_a_fiscal_year_from_february_names_its_quarters_and_prints_their_days(
    write_book: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    deals = (
        "deal_id,created_on,status,closed_on,amount\nA,2024-01-10,won,2024-01-31,1\nB,2024-01-10,won,2024-02-01,2\n"
        "C,2024-01-10,won,2024-04-30,4\nD,2024-01-10,won,2024-05-01,8\n"
    )
    folder = write_book(deals, book=book_toml(fiscal_year_starts=2, extracted_on="2024-12-31"))
    book = pk.open_book(folder)
    won = {q: cells(pk.scorecard(book, q, by="none"), "number_of_deals", "won_amount")["value"] for q in
           ("2024Q4", "2025Q1", "2025Q2")}  # fmt: skip
    assert won == {"2024Q4": 1, "2025Q1": 6, "2025Q2": 8}
    assert "2025Q1: 2024-02-01 to 2024-04-30" in str(show.about(book, "2025Q1"))
    assert book.quarter().label == "2025Q3", "the last complete one ends in October"


# Time zones


@pytest.mark.parametrize(
    ("zone", "stamp", "quarter"),
    [
        ("Europe/Berlin", "2024-03-31T23:30:00", "2024Q1"),  # business time
        ("Europe/Berlin", "2024-03-31T23:30:00Z", "2024Q2"),  # summer time had begun that morning: 01:30 on 1 April
        ("Europe/Berlin", "2024-12-31T23:30:00+00:00", "2025Q1"),
        ("America/Los_Angeles", "2024-04-01T06:30:00Z", "2024Q1"),
        ("UTC", "2024-03-31T23:30:00Z", "2024Q1"),
    ],
)
def test_half_past_eleven_lies_in_the_quarter_of_the_business_zone(
    zone: str, stamp: str, quarter: str, write_book: Write
) -> None:
    """A deal won by its history and on its day of closing, in a book of this zone."""
    day = str(pd.Period(quarter, freq="Q").start_time.date() if "Z" in stamp or "+" in stamp else stamp[:10])
    if zone in ("UTC", "America/Los_Angeles"):
        day = "2024-03-31"
    history = f"deal_id,changed_at,status,amount\nA,2024-01-05,open,10\nA,{stamp},won,10\n"
    folder = write_book(
        f"deal_id,created_on,status,closed_on,amount\nA,2024-01-05,won,{day},10\n",
        history=history,
        book=book_toml(time_zone=zone, extracted_on="2025-06-30"),
    )
    book = pk.open_book(folder)
    assert book.history["changed_at"].iloc[1].normalize() == pd.Timestamp(day)
    won = book.events[book.events["bar"] == "won"]
    assert [f"{d.year}Q{d.quarter}" for d in won["day"]] == [quarter]
    assert number_of_deals(book, quarter).value == 1
    assert zone in str(show.about(book, quarter))
    assert not [f for f in book.reading.faults if f.table == "history"], "the history agrees with the deals table"


# Currencies


def test_a_rate_is_the_last_on_or_before_the_day_and_never_a_later_one(write_book: Write) -> None:
    rates = "currency,date,rate\nUSD,2025-01-01,0.90\nUSD,2025-03-10,0.80\nUSD,2025-03-11,0.10\n"
    deals = "deal_id,created_on,status,closed_on,amount,currency\n"
    deals += "A,2025-01-01,won,2025-03-09,100,USD\nB,2025-01-01,won,2025-03-10,100,USD\nC,2025-01-01,open,,100,USD\n"
    history = "deal_id,changed_at,stage\nA,2025-01-01,Demo\n"
    folder = write_book(deals, rates=rates, history=history)
    assert pk.open_book(folder).deals["amount"].tolist() == [90.0, 80.0, 10.0]
    assert pk.open_book(folder, "2025-03-10").deals["amount"].tolist() == [90.0, 80.0, 80.0]


def test_currencies_without_any_rate_are_refused_naming_rows_and_currencies(
    write_book: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    deals = "deal_id,created_on,status,closed_on,amount,currency\n"
    deals += "A,2025-01-01,won,2025-03-09,100,USD\nB,2025-01-01,open,,100,CHF\nC,2025-01-01,open,,100,USD\n"
    deals += "D,2025-01-01,open,,100,EUR\nE,2025-01-01,open,,,GBP\n"
    folder = str(write_book(deals))
    assert run(["score", folder]) == 1
    said = capsys.readouterr().err
    assert "no rate for USD in the rates table, and the book is in EUR (2 rows, first: line 2)" in said
    assert "no rate for CHF in the rates table, and the book is in EUR" in said
    assert "line 2" in said
    assert "line 3" in said
    assert "GBP" not in said, "no money of E has to be converted"
