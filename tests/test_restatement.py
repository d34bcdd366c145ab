"""What was restated: the two tellings of a quarter differ by exactly the deals that are named, for everybody's part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.batch.gate import NO_FIGURE
from partnerkpi.opening import book_of
from partnerkpi.others import given_to
from partnerkpi.restatement import COLUMNS, restated
from partnerkpi.slices import write_slice

QUARTER = "2025Q4"  # the review that asks what became of 2025Q3
RATES = "currency,date,rate\nGBP,2025-01-01,1.20\nGBP,2025-09-15,1.10\n"
DEALS = (
    "deal_id,created_on,status,closed_on,amount,currency,partner_id\n"
    "SAME,2025-07-01,won,2025-08-01,100.00,,P\n"
    "REOPENED,2025-07-01,open,,500.00,,P\n"
    "UNDONE,2025-07-01,lost,2025-10-02,300.00,,P\n"
    "UNHEARD,2025-07-01,won,2025-09-20,200.00,,P\n"
    "REPRICED,2025-07-01,won,2025-09-01,80.00,GBP,P\n"
    "HANDED,2025-07-01,won,2025-09-05,40.00,,Q\n"
    "MOVED,2025-07-01,lost,2025-11-20,70.00,,P\n"
    "LATER,2025-07-01,won,2025-10-05,900.00,,P\n"
    "NEVER,2025-07-01,open,,10.00,,P\n"
)
HISTORY = (
    "deal_id,changed_at,status,amount,partner_id,recorded_at\n"
    "REOPENED,2025-08-10,won,,,\nREOPENED,2025-10-15,open,,,\n"
    "UNDONE,2025-08-20,won,,,\nUNDONE,2025-10-02,lost,,,\n"
    "UNHEARD,2025-09-20,won,,,2025-10-03\n"
    "REPRICED,2025-07-01,,100,,\nREPRICED,2025-10-20,,80,,\n"
    "HANDED,2025-07-01,,,P,\nHANDED,2025-09-05,won,,,\nHANDED,2025-10-10,,,Q,\n"
    "MOVED,2025-09-15,lost,,,\nMOVED,2025-10-15,open,,,\nMOVED,2025-11-20,lost,,,\n"
)


@pytest.fixture
def book(write_book: Callable[..., Path]) -> pk.Book:
    return pk.open_book(write_book(DEALS, history=HISTORY, rates=RATES))


def wins(book: pk.Book, quarter: str) -> tuple[int, float]:
    """Number and money of a quarter's wins, counted here."""
    period = book.quarter(quarter)
    won = book.deals[(book.deals["status"] == "won") & book.deals["closed_on"].between(period.start, period.end)]
    return len(won), round(float(won["amount"].sum()), 2)


def test_each_kind_of_change_is_told_from_what_to_what(book: pk.Book) -> None:
    table = restated(book, QUARTER).set_index("deal_id")
    assert list(restated(book, QUARTER)) == list(COLUMNS)
    assert set(table.index) == {"REOPENED", "UNDONE", "UNHEARD", "REPRICED", "HANDED", "MOVED"}
    told = {
        deal: [(line[f"{fact}_then"], line[f"{fact}_now"]) for fact in ("status", "closed_on", "amount", "partner_id")]
        for deal, line in table.astype({f"closed_on_{side}": str for side in ("then", "now")}).fillna("").iterrows()
    }
    assert told["REOPENED"] == [("won", "open"), ("2025-08-10", ""), (500, 500), ("P", "P")]
    assert told["UNDONE"] == [("won", "lost"), ("2025-08-20", "2025-10-02"), (300, 300), ("P", "P")]
    assert told["UNHEARD"] == [("open", "won"), ("", "2025-09-20"), (200, 200), ("P", "P")]
    assert told["REPRICED"] == [("won", "won"), ("2025-09-01", "2025-09-01"), (100, 80), ("P", "P")]
    assert told["HANDED"] == [("won", "won"), ("2025-09-05", "2025-09-05"), (40, 40), ("P", "Q")]
    assert told["MOVED"] == [("lost", "lost"), ("2025-09-15", "2025-11-20"), (70, 70), ("P", "P")]
    assert table["won_deals"].to_dict() == {
        "REOPENED": -1, "UNDONE": -1, "UNHEARD": 1, "REPRICED": 0, "HANDED": 0, "MOVED": 0,
    }  # fmt: skip
    assert table["won_amount"].to_dict() == {
        "REOPENED": -500.0, "UNDONE": -300.0, "UNHEARD": 200.0, "REPRICED": -24.0, "HANDED": 0.0, "MOVED": 0.0,
    }  # fmt: skip
    assert list(table.index[:2]) == ["REOPENED", "UNDONE"], "the largest effect first"


@pytest.mark.parametrize("partner", ["", "P", "Q"])
def test_the_effects_are_the_difference_of_the_two_tellings(
    write_book: Callable[..., Path], partner: str, tmp_path: Path
) -> None:
    """The other telling is the book itself, opened as of the quarter's last day."""
    folder = write_book(DEALS, history=HISTORY, rates=RATES)
    now, then = (pk.open_book(folder, as_of=day) for day in (None, "2025-09-30"))
    mine = now.for_partner(partner)
    before = wins(then.for_partner(partner), "2025Q3") if partner != "Q" else (0, 0.0)  # of Q nothing was known yet
    after = wins(mine, "2025Q3")
    table = restated(mine, QUARTER)
    assert (table["won_deals"].sum(), round(table["won_amount"].sum(), 2)) == (
        after[0] - before[0],
        round(after[1] - before[1], 2),
    )
    write_slice(mine, given_to(mine, [mine.quarter(QUARTER)], [], []), tmp_path / "slice")
    pd.testing.assert_frame_equal(restated(pk.open_book(tmp_path / "slice"), QUARTER), table)


def test_a_partner_does_not_learn_where_a_deal_went_or_came_from(book: pk.Book) -> None:
    gave, got = (restated(book.for_partner(p), QUARTER).set_index("deal_id").loc["HANDED"] for p in ("P", "Q"))
    assert (gave["partner_id_then"], gave["won_amount"], gave["won_deals"]) == ("P", -40.0, -1)
    assert gave[["partner_id_now", "status_now"]].isna().all()
    assert (got["partner_id_now"], got["won_amount"], got["won_deals"]) == ("Q", 40.0, 1)
    assert pd.isna(got["partner_id_then"])
    shown = str(show.restated(book.for_partner("P"), QUARTER))
    assert "not this partner" in shown
    assert not NO_FIGURE.search(shown)
    assert "Q " not in shown.replace("2025Q3 ", "")


@pytest.mark.parametrize("quarter", ["2024Q3", "2025Q3", "2025Q4"])
def test_the_sample_s_quarters_are_restated_by_what_is_told(quarter: str) -> None:
    now = pk.open_book()
    past = now.quarter(quarter).before
    then = pk.open_book(as_of=f"{past.end:%Y-%m-%d}")
    some = 0
    for partner in ["", *then.partner_ids]:
        mine, table = now.for_partner(partner), restated(now.for_partner(partner), quarter)
        before, after = wins(then.for_partner(partner), past.label), wins(mine, past.label)
        assert table["won_deals"].sum() == after[0] - before[0], partner
        assert table["won_amount"].sum() == pytest.approx(after[1] - before[1], abs=0.005), partner
        some += len(table)
    assert some > 0


def test_where_nothing_can_be_told_that_is_said() -> None:
    book = book_of(deals="deal_id,created_on,status,closed_on\nD1,2025-07-01,won,2025-08-01\n", as_of="2025-12-31")
    assert restated(book, QUARTER).empty
    assert list(restated(book, QUARTER)) == list(COLUMNS)
    assert "no history is recorded in this book" in str(show.restated(book, QUARTER))
    unchanged = show.restated(pk.open_book().for_partner("P-024"), QUARTER)
    assert str(unchanged) == "What changed of 2025Q3 after its end: nothing changed"
    assert "<table" not in unchanged.html


def test_the_next_quarter_s_changes_are_not_this_one_s(book: pk.Book) -> None:
    assert restated(book, "2025Q3").empty
    assert len(restated(book)) == len(restated(book, QUARTER)), "the last complete one where none is named"


def test_the_book_stays_as_it_is(book: pk.Book) -> None:
    before = {name: book.table(name).copy() for name in ("deals", "history", "spells")}
    restated(book, QUARTER)
    for name, frame in before.items():
        pd.testing.assert_frame_equal(book.table(name), frame)
