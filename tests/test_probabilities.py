"""Declared chances of the stages weigh the pipeline where no past tells better, and the figure says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.kpis.opportunity_pipeline import expected_attainment, expected_wins, weighted_pipeline
from partnerkpi.others import given_to
from partnerkpi.slices import read_slice, write_slice

Write = Callable[..., Path]
Q = "2025Q4"
DEALS = """deal_id,created_on,status,closed_on,amount,partner_id,stage
A,2025-10-01,open,,1000.00,P,First
B,2025-10-01,open,,200,P,Second
C,2025-10-01,open,,50,R,Second
D,2025-10-01,open,,,R,First
E,2025-10-01,won,2025-11-01,70,R,Done
F,2025-10-01,open,,40,R,Odd
"""
BY_HAND = 1000 * 0.1 + 200 * 0.55 + 50 * 0.55
NOTE = "by the chances declared for the stages, of ever being won: no past tells better"


@pytest.mark.parametrize("declared", ["First = 0.1\nSecond = 0.55\n", "First = 10\nSecond = 55\n"])
def test_the_weighted_pipeline_by_hand(write_book: Write, declared: str) -> None:
    book = pk.open_book(write_book(DEALS, toml=f"[deals.probabilities]\n{declared}"))
    told = weighted_pipeline(book, Q)
    assert told.value == BY_HAND == 237.5
    assert (told.low, told.high, told.n) == (None, None, 5)
    assert told.remarks == f"1 of 5 are in a stage without a declared chance, and add nothing; {NOTE}"
    table = weighted_pipeline.by(book, Q, "partner").set_index("group")
    assert table["value"].to_dict() == {"P": 210.0, "R": 27.5, pk.UNASSIGNED: 0.0, pk.ALL: 237.5}
    assert table["reason"]["P"] is None
    assert str(table["note"]["P"]) == NOTE
    assert "1 of 3" in str(table["reason"]["R"])


def test_what_the_declared_chances_do_not_tell_stays_untold(write_book: Write) -> None:
    book = pk.open_book(write_book(DEALS, toml="[deals.probabilities]\nFirst = 0.1\n"))
    assert expected_wins(book, Q).value is None
    assert expected_attainment(book, Q).value is None
    bare = pk.open_book(write_book(DEALS))
    assert weighted_pipeline(bare, Q).value is None
    assert "too" in str(weighted_pipeline(bare, Q).reason)


def test_no_open_deal_in_a_declared_stage_is_unknown_and_not_nothing(write_book: Write) -> None:
    book = pk.open_book(write_book(DEALS, toml="[deals.probabilities]\nFirts = 0.1\n"))
    assert weighted_pipeline(book, Q).value is None
    (fault,) = [f for f in book.reading.faults if f.column == "stage"]
    assert (fault.kind, fault.value) == ("W", "Firts")
    assert fault.rule == "[deals.probabilities]: no deal is in this stage. Did you mean 'First'?"


def test_pages_and_slices_say_it(write_book: Write, tmp_path: Path) -> None:
    book = pk.open_book(write_book(DEALS, toml="[deals.probabilities]\nFirst = 0.1\nSecond = 0.55\n"))
    assert NOTE in str(show.cover(book, Q))
    period = book.quarter(Q)
    write_slice(book, given_to(book, [period], [], []), tmp_path / "slice")
    assert weighted_pipeline(read_slice(tmp_path / "slice"), Q).value == BY_HAND


def test_where_the_past_tells_the_declared_chances_are_not_used() -> None:
    sample = pk.open_book("")
    assert not sample.probabilities
    told = weighted_pipeline(sample, sample.quarter())
    assert told.low is not None
    assert NOTE not in told.remarks
