"""Pipelines of one or two deals, whose every event one can tell by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.book.events import COUNTS
from partnerkpi.groups import UNASSIGNED
from partnerkpi.kpis import opportunity_pipeline
from partnerkpi.kpis.number_of_deals import won_amount
from partnerkpi.waterfalls import LINES

HEAD = "deal_id,created_on,status,closed_on,amount,partner_id\n"
RATES = "currency,date,rate\nCHF,2025-01-01,1.00\nCHF,2025-10-10,1.10\nCHF,2025-11-30,1.20\nCHF,2025-12-20,0.90\n"


def book(deals: str, as_of: str = "2025-12-31", head: str = HEAD, **tables: str) -> pk.Book:
    return pk.book_of(as_of=as_of, deals=head + deals, **tables)


def bars(part: pk.Book, quarter: str = "2025Q4", month: str = "") -> dict[str, tuple[int, float]]:
    """Deals and amount of every bar with a deal behind it."""
    table = pk.waterfall(part, quarter, months=bool(month))
    if month:
        table = table[(table["month"] == pd.Timestamp(f"{month}-01")).to_numpy()]
    assert list(table["bar"]) == list(LINES)
    assert table["deals"].iloc[:-1].sum() == table["deals"].iloc[-1]
    assert round(table["amount"].iloc[:-1].sum(), 6) == table["amount"].iloc[-1]
    return {r["bar"]: (r["deals"], r["amount"]) for r in table.to_dict("records") if r["behind"]}


def told(part: pk.Book, bar: str = "") -> list[list[Any]]:
    rows = pk.movements(part, "2025Q4", bar)
    days = rows.assign(day=rows["day"].dt.strftime("%m-%d")).astype(object)
    return days.where(days.notna(), None).drop(columns="partner_id").to_numpy().tolist()


def test_a_deal_that_opens_and_closes_on_one_day_is_in_both_bars() -> None:
    one = book("A,2025-10-05,won,2025-10-05,200.00,P\nB,2025-11-05,lost,2025-12-05,90.00,P\n")
    assert bars(one) == {"created": (2, 290.0), "won": (-1, -200.0), "lost": (-1, -90.0)}
    assert told(one) == [
        ["10-05", "A", "created", None, "open", 0.0, 200.0, 200.0],
        ["10-05", "A", "won", "open", "won", 200.0, 0.0, -200.0],
        ["11-05", "B", "created", None, "open", 0.0, 90.0, 90.0],
        ["12-05", "B", "lost", "open", "lost", 90.0, 0.0, -90.0],
    ]


def test_a_reopened_deal_enters_again() -> None:
    history = "deal_id,changed_at,status,amount\nA,2025-07-02,open,100\nA,2025-08-01,lost,\nA,2025-10-20,open,150\n"
    part = book("A,2025-07-01,won,2025-12-01,160.00,P\n", history=history)
    assert bars(part) == {"reopened": (1, 150.0), "amount_up": (0, 10.0), "won": (-1, -160.0)}
    assert told(part)[0] == ["10-20", "A", "reopened", "lost", "open", 0.0, 150.0, 150.0]
    assert bars(part, "2025Q3") == {"created": (1, 0.0), "amount_up": (0, 100.0), "lost": (-1, -100.0)}


def test_an_outcome_exchanged_for_another_reopens_and_closes() -> None:
    history = "deal_id,changed_at,status\nA,2025-10-20,lost\n"
    part = book("A,2025-07-01,won,2025-11-11,160.00,P\n", history=history)
    assert bars(part) == {"opening": (1, 160.0), "reopened": (1, 160.0), "won": (-1, -160.0), "lost": (-1, -160.0)}
    assert [row[2:5] for row in told(part)] == [
        ["lost", "open", "lost"],
        ["reopened", "lost", "open"],
        ["won", "open", "won"],
    ]


def test_a_transfer_shows_at_both_partners_and_cancels_in_the_network() -> None:
    history = "deal_id,changed_at,partner_id,amount\nA,2025-09-01,P,100\nA,2025-10-20,Q,130\nA,2025-11-20,P,\n"
    partners = "partner_id,tier,region\nP,gold,North\nQ,silver,North\n"
    whole = book("A,2025-09-01,open,,130.00,P\n", history=history, partners=partners)
    p, q = (whole.where(partner_id=one) for one in "PQ")
    # The amount goes over as it was; what it becomes the same day is the new owner's.
    assert bars(p) == {
        "opening": (1, 100.0),
        "transferred_in": (1, 130.0),
        "transferred_out": (-1, -100.0),
        "closing": (1, 130.0),
    }
    assert bars(q) == {"transferred_in": (1, 100.0), "amount_up": (0, 30.0), "transferred_out": (-1, -130.0)}
    assert bars(whole)["transferred_in"] == (2, 230.0)
    assert bars(whole)["transferred_out"] == (-2, -230.0)
    assert told(whole, "transferred_in") == [
        ["10-20", "A", "transferred_in", "P", "Q", 0.0, 100.0, 100.0],
        ["11-20", "A", "transferred_in", "Q", "P", 0.0, 130.0, 130.0],
    ]
    assert told(q)[0] == ["10-20", "A", "transferred_in", None, "Q", 0.0, 100.0, 100.0], "nobody else is named"
    # By what is known of partners only, a deal moves where that differs.
    assert bars(whole.where(tier="gold")) == bars(p)
    assert bars(whole.where(tier="silver")) == bars(q)
    assert bars(whole.where(region="North")) == bars(whole), "from one partner of the North to another"


def test_handed_on_as_it_closes_it_is_the_new_owners_win() -> None:
    history = "deal_id,changed_at,partner_id\nA,2025-09-01,P\nA,2025-10-20,Q\n"
    whole = book("A,2025-09-01,won,2025-10-20,130.00,Q\n", history=history)
    assert bars(whole.where(partner_id="P")) == {"opening": (1, 130.0), "transferred_out": (-1, -130.0)}
    assert bars(whole.where(partner_id="Q")) == {"transferred_in": (1, 130.0), "won": (-1, -130.0)}


def test_handed_on_while_closed_nothing_open_moves() -> None:
    history = "deal_id,changed_at,partner_id,status\nA,2025-09-01,P,\nA,2025-10-01,,lost\nA,2025-10-20,Q,\n"
    history += "A,2025-11-20,,open\n"
    whole = book("A,2025-09-01,open,,130.00,Q\n", history=history)
    assert bars(whole.where(partner_id="P")) == {"opening": (1, 130.0), "lost": (-1, -130.0)}
    assert bars(whole.where(partner_id="Q")) == {"reopened": (1, 130.0), "closing": (1, 130.0)}


def test_one_deal_goes_as_another_comes() -> None:
    """Neither is the former owner's any more, and the second one begins on the day on which the first one left."""
    history = "deal_id,changed_at,partner_id\nA,2025-09-01,P\nA,2025-10-20,Q\nB,2025-10-20,P\nB,2025-11-05,Q\n"
    whole = book("A,2025-09-01,open,,130.00,Q\nB,2025-10-20,open,,70.00,Q\n", history=history)
    assert bars(whole.where(partner_id="P")) == {
        "opening": (1, 130.0),
        "created": (1, 70.0),
        "transferred_out": (-2, -200.0),
    }


def test_from_nobody_to_its_owner() -> None:
    history = "deal_id,changed_at,partner_id\nA,2025-10-20,Q\n"
    whole = book("A,2025-09-01,open,,130.00,Q\n", history=history)
    assert bars(whole.where(partner_id=None)) == {"opening": (1, 130.0), "transferred_out": (-1, -130.0)}
    table = pk.waterfall(whole, "2025Q4", by="partner").set_index(["group", "bar"])
    assert table.loc[(UNASSIGNED, "transferred_out"), "deals"] == -1
    assert table.loc[("Q", "transferred_in"), "amount"] == 130


def test_up_and_down_are_not_netted_but_the_last_change_of_a_day_holds() -> None:
    history = (
        "deal_id,changed_at,amount\nA,2025-09-01,100\nA,2025-10-20,150\nA,2025-11-03,120\n"
        "A,2025-11-20T09:00:00,900\nA,2025-11-20T15:00:00,130\n"
    )
    part = book("A,2025-09-01,open,,130.00,P\n", history=history)
    assert bars(part) == {
        "opening": (1, 100.0),
        "amount_up": (0, 60.0),
        "amount_down": (0, -30.0),
        "closing": (1, 130.0),
    }
    assert bars(part, month="2025-11")["amount_up"] == (0, 10.0)
    assert [row[5:] for row in told(part, "amount_up")] == [[100.0, 150.0, 50.0], [120.0, 130.0, 10.0]]


def test_moved_rates_are_a_bar_of_their_own() -> None:
    head = HEAD.replace("amount,", "amount,currency,")
    history = "deal_id,changed_at,amount\nA,2025-09-01,100\nA,2025-11-15,200\n"
    rows = "A,2025-09-01,open,,200.00,CHF,P\nB,2025-09-01,won,2025-12-25,10.00,CHF,P\nC,2025-09-01,open,,7.00,EUR,P\n"
    part = book(rows, head=head, history=history, rates=RATES)
    # A: 100 at 1.00; until 15 November the rate rises to 1.10 (+10); 100 more at 1.10 (+110); then to 1.20 (+20) and
    # down to 0.90 (−60). B: 10.00 at 1.00, up to 1.20 (+2.00), down to 0.90 (−3.00), won at that: 9.00.
    assert bars(part) == {
        "opening": (3, 117.0),
        "amount_up": (0, 110.0),
        "won": (-1, -9.0),
        "currency": (0, 10 + 20 - 60 + 2 - 3),
        "closing": (2, 187.0),
    }
    assert bars(part, month="2025-11")["currency"] == (0, 20.0 + 1.0)
    assert won_amount(part, "2025Q4").value == 9.0
    assert opportunity_pipeline(part, "2025Q4").value == 187.0
    assert pk.movements(part, "2025Q4", "currency")["amount"].sum() == -31.0


def test_a_deal_without_amount_counts_and_that_is_said() -> None:
    part = book("A,2025-10-05,open,,,P\nB,2025-10-05,open,,50.00,P\nC,2025-10-07,lost,2025-10-08,,P\n")
    assert bars(part) == {"created": (3, 50.0), "lost": (-1, 0.0), "closing": (2, 50.0)}
    notes = pk.waterfall(part, "2025Q4").set_index("bar")["note"].map(str)
    assert notes["created"] == "2 of 3 have no amount"
    assert notes["closing"] == "1 of 2 have no amount"
    assert notes["won"] == "no history: by created and closed days, today's amounts"
    assert pk.movements(part, "2025Q4", "lost")["amount"].isna().all()


def test_an_amount_that_becomes_known_goes_up_and_one_that_is_lost_down() -> None:
    history = "deal_id,changed_at,amount\nA,2025-10-20,100\n"
    assert bars(book("A,2025-09-01,open,,100.00,P\n", history=history)) == {
        "opening": (1, 0.0),
        "amount_up": (0, 100.0),
        "closing": (1, 100.0),
    }
    rows = "A,2025-09-01,open,,,P\nB,2025-09-01,open,,5.00,P\n"
    gone = book(rows, history=history.replace("10-20", "09-20"))
    assert bars(gone)["amount_down"] == (0, -100.0), "on the day of the export the deals table has none"
    assert pk.movements(gone, "2025Q4", "amount_down")["amount"].tolist() == [-100.0]


def test_as_of_a_day_within_the_quarter_nothing_later_is_known() -> None:
    history = (
        "deal_id,changed_at,amount,recorded_at\nA,2025-09-01,100,2025-09-01\nA,2025-10-20,150,2025-12-01\n"
        "A,2025-11-01,170,2025-11-01\n"
    )
    deals = HEAD + "A,2025-09-01,won,2025-12-09,170.00,P\nB,2025-11-19,open,,5.00,P\n"
    now = book(deals.removeprefix(HEAD), history=history)
    assert bars(now)["amount_up"] == (0, 70.0)
    assert [row[7] for row in told(now, "amount_up")] == [50.0, 20.0], "what was entered late is known by now"
    past = pk.waterfall(_as_of(deals, history, "2025-11-18"), "2025Q4")
    assert past.set_index("bar")["amount"][["opening", "amount_up", "won", "closing"]].tolist() == [100, 70, 0, 170]
    rows = pk.movements(_as_of(deals, history, "2025-11-18"), "2025Q4")
    assert rows[["from", "to"]].to_numpy().tolist() == [[100.0, 170.0]], "in October nobody had entered it"


def _as_of(deals: str, history: str, day: str) -> pk.Book:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        toml = '[book]\nname = "x"\ncurrency = "EUR"\ntime_zone = "UTC"\nextracted_on = 2025-12-31\n'
        for name, text in (("book.toml", toml), ("deals.csv", deals), ("history.csv", history)):
            (Path(folder) / name).write_text(text, encoding="utf-8")
        return pk.open_book(folder, as_of=day)


def test_the_won_bar_and_the_won_amount_differ_deal_by_deal_and_that_is_listed() -> None:
    history = "deal_id,changed_at,status,amount\nA,2025-10-02,open,100\nA,2025-11-20,won,120\nA,2025-12-20,,140\n"
    history += "B,2025-10-20,won,50\nB,2025-12-02,open,50\nC,2025-10-05,won,30\n"
    rows = "A,2025-10-01,won,2025-11-20,140.00,P\nB,2025-10-01,open,,50.00,P\nC,2025-10-01,won,2026-01-05,30.00,P\n"
    part = book(rows, as_of="2026-01-31", history=history)
    left = -bars(part)["won"][1]
    assert left == 120 + 50 + 30
    table = pk.won_bar(part, "2025Q4")
    assert table[["deal_id", "left", "amount"]].fillna(-1).to_numpy().tolist() == [
        ["A", 120.0, 20.0],
        ["B", 50.0, -50.0],
        ["C", 30.0, -30.0],
    ]
    assert "changed after it was won" in str(table["note"].iloc[0])
    assert left + table["amount"].sum() == won_amount(part, "2025Q4").value == 140
    after = pk.won_bar(part, "2026Q1")
    assert after[["deal_id", "won"]].to_numpy().tolist() == [["C", 30.0]]


def test_on_the_sample_the_won_bar_is_the_won_amount_of_every_partner() -> None:
    whole = pk.open_book()
    for quarter in pk.quarters("2025Q4", 12):
        table = pk.waterfall(whole, quarter, by="partner")
        left = -table[(table["bar"] == "won").to_numpy()]["amount"].to_numpy()
        assert left.round(2).tolist() == won_amount.by(whole, quarter, "partner")["value"].fillna(0).round(2).tolist()
        assert pk.won_bar(whole, quarter).empty


def test_each_bar_lists_its_deals() -> None:
    whole = pk.open_book()
    for part in (whole, whole.where(partner_id="P-010")):
        table = pk.waterfall(part, "2025Q2").set_index("bar")
        for bar in LINES:
            rows = pk.movements(part, "2025Q2", bar)
            assert round(rows["amount"].sum(), 6) == table.loc[bar, "amount"]
            assert rows["deal_id"].nunique() == table.loc[bar, "behind"]
            assert COUNTS.get(bar, 1) * len(rows) == table.loc[bar, "deals"]
            assert (rows["amount"].round(6) == (rows["to"] - rows["from"]).round(6)).all() or bar == "amount_up"
        every = pk.movements(part, "2025Q2")
        assert len(every) == sum(len(pk.movements(part, "2025Q2", bar)) for bar in LINES[1:-1])
        assert every["day"].is_monotonic_increasing


def test_what_cannot_be_asked_is_said() -> None:
    part = book("A,2025-10-05,open,,5.00,P\n")
    with pytest.raises(pk.UsageError, match=r"no bar 'createt'. Did you mean 'created'"):
        pk.movements(part, "2025Q4", "createt")
    with pytest.raises(pk.UsageError, match="break down by 'regin'"):
        pk.waterfall(part, "2025Q4", by="regin")
    before = pk.waterfall(part, "2024Q4")
    assert before["amount"].isna().all()
    assert str(before["note"].iloc[0]) == "the book's records begin on 2025-10-05"
    assert pk.movements(part, "2024Q4").empty
    assert list(pk.movements(part, "2024Q4")) == list(pk.movements(part, "2025Q4"))


def test_events_handed_out_are_not_the_books_own() -> None:
    part = book("A,2025-10-05,open,,5.00,P\n")
    events = part.events
    events["units"] = 0
    assert part.events["units"].tolist() == [500]
