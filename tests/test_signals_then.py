"""Since when a signal stands is told by the book as it was known then: what was entered late did not stand before."""

from __future__ import annotations

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.findings.family import looked_at, signals, then_looked_at
from partnerkpi.findings.sentences import sureness
from partnerkpi.opening import book_of
from partnerkpi.shipped import shipped

QUARTER = "2025Q4"
NEXT_DAY, LATE = "2025-09-21", "2025-11-20"


def overdue_and_giant(entered: str) -> pk.Book:
    """P1 promised five deals for early September, P2 won a giant on 20 September: both entered on a day."""
    lines = ["deal_id,created_on,status,closed_on,amount,partner_id,expected_close_on"]
    lines += [f"A{i},2024-11-0{i},won,2025-02-0{i},1000,P{1 + i % 3},2025-02-01" for i in range(1, 9)]
    lines += [f"L{i},2025-07-01,open,,1000,P1,2025-09-05" for i in range(5)]
    lines += [f"O{i},2025-07-01,open,,1000,P3,2026-05-05" for i in range(9)]
    lines += ["G,2025-07-01,won,2025-09-20,90000,P2,2025-12-01"]
    history = ["deal_id,changed_at,status,expected_close_on,recorded_at"]
    history += [f"L{i},2025-07-01,open,2025-12-24,2025-07-01" for i in range(5)]
    history += [f"L{i},2025-09-20,open,2025-09-05,{entered}" for i in range(5)]
    history += [f"G,2025-09-20,won,2025-12-01,{entered}"]
    tables = {"deals": "\n".join(lines) + "\n", "history": "\n".join(history) + "\n"}
    return book_of(as_of="2025-12-31", partners="partner_id,name\nP1,A\nP2,B\nP3,C\n", **tables)


def kinds(table: pd.DataFrame) -> set[tuple[str, str]]:
    table = table[(table["weight"] != "").to_numpy()]
    return set(zip(table["partner_id"], table["kind"], strict=True))


def test_what_was_entered_late_did_not_stand_before() -> None:
    both = {("P1", "overdue"), ("P2", "giant")}
    for entered, known in ((NEXT_DAY, both), (LATE, set())):
        book = overdue_and_giant(entered)
        then = book.quarter("2025Q3")
        assert both <= kinds(looked_at(book, then))  # as today's book tells it
        assert kinds(then_looked_at(book, then)) & both == known
        table = signals(book, QUARTER).set_index(["partner_id", "kind"])
        assert table.loc[("P1", "overdue"), "state"] == ("going on" if known else "new")
        assert table.loc[("P1", "overdue"), "since"] == ("2025Q3" if known else QUARTER)
        assert (("P2", "giant") in table.index) == bool(known)  # over, if it was ever told
        assert not known or table.loc[("P2", "giant"), "state"] == "over"


@pytest.mark.parametrize("label", ["2025Q3", "2024Q4"])
def test_the_book_of_a_past_quarter_end_is_the_one_opened_as_of_it(label: str) -> None:
    book = pk.open_book(shipped("data"))
    then = book.quarter(label)
    opened = pk.open_book(shipped("data"), as_of=f"{then.end:%Y-%m-%d}")
    pd.testing.assert_frame_equal(then_looked_at(book, then), looked_at(opened, opened.quarter(label)))
    assert book.others.known_at(book.quarter(QUARTER)) is book
    assert book.others.known_at(then) is book.others.known_at(then)


def test_nothing_tells_since_when_a_rival_is_named() -> None:
    table = signals(pk.open_book(shipped("data")), QUARTER)
    rivals = table[(table["kind"] == "rivals").to_numpy()]
    assert len(rivals) >= 5
    assert {sureness(line) for line in rivals.itertuples(index=False)} == {"recorded"}
    assert rivals["since"].eq("").all()
