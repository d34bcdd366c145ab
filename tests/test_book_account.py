"""The account of a reading: every row and all money that was read is used, out of scope, set aside or unknown."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partnerkpi.errors import DataRefused
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id\n"


def test_rows_out_of_scope_are_counted_and_never_blamed(write_book: Write) -> None:
    toml = '[deals.values.status]\nignore = ["Prospecting", ""]\n'
    rows = "A,,Prospecting,,9.50,P\nB,,,,x,P\nC,2025-01-01,open,,1,P\n"
    book = open_book(write_book(HEAD + rows, toml=toml))
    assert not book.reading.faults
    assert book.reading.line() == (
        "deals: 3 rows read = 1 used + 2 out of scope + 0 set aside; "
        "EUR 10.50 + 1 row of unknown money = "
        "1.00 used + 9.50 out of scope + 1 row of unknown money out of scope + 0.00 set aside"
    )


def test_money_that_cannot_be_read_is_counted_as_unknown_and_never_as_nothing(write_book: Write) -> None:
    rows = "".join(f"G-{i},2025-01-01,open,,1000.00,P\n" for i in range(997))
    rows += "X,2025-01-01,open,,67.000 €,P\nY,2025-02-30,open,,5,P\nZ,2025-01-01,open,,-,Q\n"
    folder = write_book(HEAD + rows)
    with pytest.raises(DataRefused, match="2 rows of unknown money set aside, so nobody can say") as caught:
        open_book(folder)
    assert [f.kind for f in caught.value.faults] == ["Q", "Q", "Q", "E"]
    reading = open_book(folder, allow_set_aside=True).reading
    assert [f.kind for f in reading.faults if "unknown money" in f.rule] == ["W"]
    assert reading.line() == (
        "deals: 1,000 rows read = 997 used + 0 out of scope + 3 set aside; "
        "EUR 997,005.00 + 2 rows of unknown money = "
        "997,000.00 used + 0.00 out of scope + 5.00 set aside + 2 rows of unknown money set aside"
    )
    assert reading.money()["EUR"]["unknown"] == 2
    assert [reading.of_partner(p).money()["EUR"]["unknown"] for p in ("P", "Q")] == [1, 1]


def test_a_row_that_is_not_told_apart_has_unknown_money(write_book: Write) -> None:
    rows = "".join(f"G-{i},2025-01-01,open,,1000.00,P\n" for i in range(200)) + "X,2025-01-01,open,,5\n"
    with pytest.raises(DataRefused, match="1 row of unknown money set aside"):
        open_book(write_book(HEAD + rows))
    reading = open_book(write_book(HEAD + rows), allow_set_aside=True).reading
    assert reading.line().endswith("+ 0.00 set aside + 1 row of unknown money set aside")
    head = HEAD.replace("partner_id", "currency")
    other = open_book(write_book(head + rows.replace(",P", ",EUR")), allow_set_aside=True).reading
    assert other.line().endswith("= 200,000.00 used + 0.00 out of scope + 0.00 set aside; "
                                 "1 row of unknown money, in a currency just as unknown, set aside")  # fmt: skip
    assert other.money()[""] == {"read": 0, "used": 0, "out of scope": 0, "set aside": 0, "unknown": 1}
    bare = "deal_id,created_on,status\n" + "".join(f"G-{i},2025-01-01,open\n" for i in range(200)) + "X\n"
    assert "unknown" not in open_book(write_book(bare)).reading.line()


def test_spend_without_an_amount_is_unknown_money_too(write_book: Write) -> None:
    spend = "channel,month,amount\n" + "web,2025-01,5\n" * 200 + "web,2025-01,\n"
    with pytest.raises(DataRefused, match="spend: 1 row of unknown money set aside"):
        open_book(write_book(HEAD + "A,2025-01-01,open,,,P\n", spend=spend))


def test_money_whose_rows_are_refused_is_unknown(write_book: Write) -> None:
    reading = check_book(write_book(HEAD + "A,2025-01-01,open,,1.234,P\n"))
    assert reading.line().endswith(
        "; EUR 0.000 + 1 row of unknown money = "
        "0.000 used + 1 row of unknown money used + 0.000 out of scope + 0.000 set aside"
    )


def test_identical_rows_count_once_and_conflicting_ones_not_at_all(write_book: Write) -> None:
    rows = "A,2025-01-01,open,,5,P\nA,2025-01-01,open,,5,P\nB,2025-01-01,open,,5,P\nB,2025-01-01,open,,6,P\n"
    reading = check_book(write_book(HEAD + rows))
    assert reading.rows() == {"read": 4, "used": 1, "out of scope": 1, "set aside": 2}
    assert [(f.line, f.kind) for f in reading.faults if f.column == "deal_id"] == [(4, "Q"), (3, "W")]
    assert reading.set_aside["line"].tolist() == [4, 5]


def test_only_more_than_one_in_a_hundred_set_aside_refuses(write_book: Write) -> None:
    def folder(good: int, partner: str) -> Path:
        rows = "".join(f"G-{i},2025-01-01,open,,5,{'' if i % 2 else 'P'}\n" for i in range(good))
        return write_book(HEAD + rows + f"X,2025-02-30,open,,5,{partner}\n")

    assert open_book(folder(99, "")).reading.rows()["set aside"] == 1
    with pytest.raises(DataRefused, match="deals: 1 of 99 rows set aside"):
        open_book(folder(98, ""))
    with pytest.raises(DataRefused, match="partner P: 1 of 51 rows set aside"):
        open_book(folder(99, "P"))
    few = "".join(f"Q-{i},2025-01-01,open,,5,Q\n" for i in range(3))
    rows = HEAD + "".join(f"G-{i},2025-01-01,open,,5,\n" for i in range(100)) + few + "X,2025-02-30,open,,5,Q\n"
    assert open_book(write_book(rows)).reading.rows()["set aside"] == 1  # four rows are too few for a share of Q
    with pytest.raises(DataRefused, match="partner Q: 1 of 5 rows set aside"):
        open_book(write_book(rows + "Q-9,2025-01-01,open,,5,Q\n"))
    money = HEAD + "".join(f"G-{i},2025-01-01,open,,5,\n" for i in range(200)) + "X,2025-02-30,open,,500,\n"
    with pytest.raises(DataRefused, match=r"33\.3 % of all EUR set aside"):
        open_book(write_book(money))
    warned = open_book(write_book(money), allow_set_aside=True).reading
    assert [f.kind for f in warned.faults if "33.3 %" in f.rule] == ["W"]


STATUS = st.sampled_from(["open", "won", "lost", "Test", ""])
DAY = st.sampled_from(["2025-01-01", "2025-06-30", "2025-02-30", "2026-05-05", ""])
AMOUNT = st.sampled_from(["", "0", "10.25", "-3", "x", "99999999.99"])
ROWS = st.lists(
    st.tuples(st.sampled_from("ABCDEF"), DAY, STATUS, DAY, AMOUNT, st.sampled_from(["P", "Q", ""])), max_size=25
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_account_balances_and_the_order_of_rows_does_not_matter(
    write_book: Write, rows: list[tuple[str, ...]], rnd
) -> None:  # type: ignore[no-untyped-def]
    toml = '[deals.values.status]\nignore = ["Test"]\n'
    reading = check_book(write_book(HEAD + "".join(",".join(r) + "\n" for r in rows), toml=toml))
    counted = reading.rows()
    assert counted["read"] == len(rows)
    money = reading.money().get("EUR", {"read": 0, "used": 0, "set aside": 0, "out of scope": 0, "unknown": 0})
    readable = [r[4] for r in rows if r[4] not in ("", "x")]
    assert money["read"] == sum(round(float(a) * 10**reading.digits) for a in readable)
    assert money["unknown"] == sum(r[4] == "x" for r in rows)
    for sums in (counted, money):
        assert sums["read"] == sums["used"] + sums["out of scope"] + sums["set aside"]
    mixed = list(rows)
    rnd.shuffle(mixed)
    again = check_book(write_book(HEAD + "".join(",".join(r) + "\n" for r in mixed), toml=toml))
    assert again.line() == reading.line()
    one, other = (sorted((f.value, f.rule, f.count) for f in r.faults if f.kind == "Q") for r in (reading, again))
    assert one == other
    parts = [reading.of_partner(p).rows()["read"] for p in ("P", "Q", "")]
    assert sum(parts) == counted["read"]
