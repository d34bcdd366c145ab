"""The trade's words as filters, on days counted by hand: what belongs to a quarter, and what is open on a day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.deals import (
    DECIDED,
    closed_in,
    decided_in,
    ended_in,
    entered_in,
    histories,
    known_to_vendor,
    open_at,
    priced,
    won_in,
)
from partnerkpi.kpis.number_of_deals import deals_per_active_month
from partnerkpi.kpis.opportunity_pipeline import overdue_deals
from partnerkpi.survival import won_within

QUARTER = "2025Q3"  # July to September

ENDS = {
    "before": ("won", "2025-06-30"),
    "first day": ("won", "2025-07-01"),
    "last day": ("won", "2025-09-30"),
    "after": ("won", "2025-10-01"),
    "lost": ("lost", "2025-08-15"),
    "abandoned": ("abandoned", "2025-08-16"),
    "rejected": ("rejected", "2025-08-17"),
    "open": ("open", ""),
}


@pytest.fixture(scope="module")
def book() -> pk.Book:
    rows = "".join(f"{name},2025-06-15,{status},{closed}\n" for name, (status, closed) in ENDS.items())
    return pk.book_of(as_of="2025-12-31", deals="deal_id,created_on,status,closed_on\n" + rows)


def ids(frame: pd.DataFrame) -> list[str]:
    return list(frame["deal_id"])


def test_a_quarter_has_its_first_and_its_last_day(book: pk.Book) -> None:
    quarter = book.quarter(QUARTER)
    assert ids(won_in(book.deals, quarter)) == ["first day", "last day"]
    assert ids(closed_in(book.deals, quarter, ("lost",))) == ["lost"]
    assert not len(entered_in(book.deals, quarter))
    assert len(entered_in(book.deals, book.quarter("2025Q2"))) == len(ENDS)


def test_decided_is_won_lost_or_abandoned_and_a_refusal_is_an_end_only(book: pk.Book) -> None:
    quarter = book.quarter(QUARTER)
    assert DECIDED == ("won", "lost", "abandoned")
    assert ids(decided_in(book.deals, quarter)) == ["first day", "last day", "lost", "abandoned"]
    assert ids(ended_in(book.deals, quarter)) == ["first day", "last day", "lost", "abandoned", "rejected"]


def test_a_deal_without_an_amount_or_with_none_has_no_size() -> None:
    rows = "A,2025-07-01,open,100\nB,2025-07-01,open,0\nC,2025-07-01,open,\nD,2025-07-01,open,0.01\n"
    book = pk.book_of(as_of="2025-12-31", deals="deal_id,created_on,status,amount\n" + rows)
    assert ids(priced(book.deals)) == ["A", "D"]


def test_a_conflict_is_a_refusal_for_that_reason() -> None:
    ends = ["rejected,conflict", "rejected,Conflict", "rejected,no fit", "rejected,", "lost,conflict"]
    rows = "".join(f"D{n},2025-07-01,{e.split(',')[0]},2025-07-02,{e.split(',')[1]}\n" for n, e in enumerate(ends))
    book = pk.book_of(as_of="2025-12-31", deals="deal_id,created_on,status,closed_on,reason\n" + rows)
    assert list(known_to_vendor(book.deals)) == [True, True, False, False, False]


def test_a_deal_is_open_until_the_day_it_ends(book: pk.Book) -> None:
    def on(day: str) -> list[str]:
        return sorted(ids(open_at(book, pd.Timestamp(day))))

    assert on("2025-06-14") == []
    assert on("2025-06-15") == sorted(ENDS), "it is open from the day it is created"
    assert on("2025-06-29") == sorted(ENDS)
    assert on("2025-06-30") == sorted(set(ENDS) - {"before"}), "and not at the end of the day it is closed"
    assert on("2025-12-31") == ["open"]


def test_histories_follow_a_deal_through_a_window() -> None:
    rows = (
        "whole,2025-07-11,won,2025-07-21\nearlier,2025-06-21,lost,2025-07-11\nlater,2025-07-01,won,2025-08-10\n"
        "gone,2025-05-01,won,2025-06-30\nstill,2025-07-31,open,\nafter,2025-08-01,open,\n"
        "same day,2025-07-05,won,2025-07-05\nbackwards,2025-07-20,won,2025-07-10\n"
    )
    book = pk.book_of(as_of="2025-12-31", deals="deal_id,created_on,status,closed_on\n" + rows)
    table = histories(book.deals, pd.Timestamp("2025-07-01"), pd.Timestamp("2025-07-31")).set_index("deal_id")
    told = {name: (row["entry"], row["exit"], row["outcome"]) for name, row in table.iterrows()}
    assert told == {
        "whole": (0, 10, "won"),
        "earlier": (10, 20, "other"),
        "later": (0, 30, "open"),  # its win lies behind the window
        "still": (0, 0, "open"),
        "same day": (0, 0, "won"),
        # what ended before it began has no duration, what ended before the window is not in it
    }


def test_how_far_others_were_followed_changes_nothing() -> None:
    """A sum of floats depends on how many there are: a group is judged alike, alone and beside one followed longer."""
    random = np.random.default_rng([ord(letter) for letter in "alone"])
    groups, size = 100, 60
    outcomes = random.choice(["won", "other", "open"], groups * size)
    ages = random.integers(1, 150, groups * size)
    rows = pd.DataFrame({"entry": 0, "exit": ages, "reach": 200, "outcome": outcomes})
    long = pd.DataFrame({"entry": [0], "exit": [700], "reach": [700], "outcome": ["open"]})
    codes = np.repeat(np.arange(groups + 1), [size] * groups + [1])
    beside = won_within(180)(pd.concat([rows, long]), codes, groups + 1).iloc[:groups]
    alone = [won_within(180)(rows[codes[:-1] == group], np.zeros(size, dtype=np.int64), 1) for group in range(groups)]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), beside, check_exact=True)


def test_overdue_is_what_should_have_closed_before_the_last_day() -> None:
    rows = (
        "A,2025-07-01,open,2025-09-29\nB,2025-07-01,open,2025-09-30\nC,2025-07-01,open,\nD,2025-07-01,open,2025-10-01\n"
    )
    book = pk.book_of(as_of="2025-09-30", deals="deal_id,created_on,status,expected_close_on\n" + rows)
    assert ids(overdue_deals.rows(book, QUARTER)) == ["A"]


def test_a_partner_is_active_from_its_first_to_its_last_day() -> None:
    deals = "deal_id,created_on,status,closed_on,partner_id\n" + "".join(
        f"{p},2025-06-01,won,2025-07-02,{p}\n" for p in ("all", "left", "joined", "gone", "coming")
    )
    partners = (
        "partner_id,joined_on,left_on\nall,,\nleft,,2025-07-31\njoined,2025-09-01,\ngone,,2025-06-30\n"
        "coming,2025-10-01,\n"
    )
    book = pk.book_of(as_of="2025-12-31", deals=deals, partners=partners)
    months = {p: deals_per_active_month.rows(book.for_partner(p), QUARTER)["of"].sum() for p in book.partner_ids}
    # a quarter of 92 days has three months: 92 days, 31, 30, and none
    assert months == pytest.approx({"all": 3, "left": 31 / 92 * 3, "joined": 30 / 92 * 3, "gone": 0, "coming": 0})
    assert deals_per_active_month(book.for_partner("left"), QUARTER).value == pytest.approx(92 / 93)
    assert deals_per_active_month(book.for_partner("gone"), QUARTER).value is None
