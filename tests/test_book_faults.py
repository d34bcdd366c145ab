from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partnerkpi.book import Fault, Reading
from partnerkpi.errors import DataRefused
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id\n"


def faults(reading: Reading, kind: str) -> list[tuple[int, int, str, str, str]]:
    return [(f.record, f.line, f.column, f.value, f.rule) for f in reading.faults if f.kind == kind]


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        (",2025-01-01,open,,5,P", "deal_id", "", "is empty"),
        ("X,,open,,5,P", "created_on", "", "is empty"),
        ("X,2025-01-01,,,5,P", "status", "", "is empty"),
        ("X,2025-01-01,won,,5,P", "closed_on", "", "closed, but no day of closing"),
        ("X,2025-01-01,abandoned,,5,P", "closed_on", "", "closed, but no day of closing"),
        ("X,2025-02-30,open,,5,P", "created_on", "2025-02-30", "no such day"),
        ("X,2025-01-01,won,soon,5,P", "closed_on", "soon", "not written like"),
        ("X,2026-01-01,open,,5,P", "created_on", "2026-01-01", "after the day of the export"),
        ("X,2025-01-01,lost,2026-01-01,5,P", "closed_on", "2026-01-01", "after the day of the export"),
        ("X,2025-01-01,open,,-5,P", "amount", "-5", "is negative"),
        ("X,2025-01-01,open,,inf,P", "amount", "inf", "not an amount"),
        ("X,2025-01-01,open,,1e5,P", "amount", "1e5", "not an amount"),
        ("X,2025-01-01,open,,1000000000001,P", "amount", "1000000000001", "beyond"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside(
    write_book: Write, row: str, column: str, value: str, rule: str
) -> None:
    good = "".join(f"G-{i},2025-01-01,open,,10.00,P\n" for i in range(3))
    folder = write_book(HEAD + good + row + "\n")
    with pytest.raises(DataRefused, match="more than 1 %"):
        open_book(folder)
    book = open_book(folder, allow_set_aside=True)
    found = faults(book.reading, "Q")
    assert [f[:4] for f in found] == [(4, 5, column, value)]
    assert rule in found[0][4]
    assert len(book.deals) == 3
    assert book.reading.rows() == {"read": 4, "used": 3, "out of scope": 0, "set aside": 1}
    aside = book.reading.set_aside.iloc[0]
    assert (aside["file"], aside["line"], aside["column"], aside["value"]) == ("deals.csv", 5, column, value)
    assert "partner_id=P" in aside["row"]


def test_a_row_with_two_faults_is_one_row_set_aside_and_two_faults(write_book: Write) -> None:
    reading = check_book(write_book(HEAD + "A,2025-01-01,won,,-3,P\n"))
    assert {f[2] for f in faults(reading, "Q")} == {"closed_on", "amount"}
    assert reading.rows()["set aside"] == 1
    assert reading.money()["EUR"]["set aside"] == -3


@pytest.mark.parametrize(
    ("row", "column", "rule"),
    [
        ("X,2025-01-01,open,,,P", "amount", "no amount"),
        ("X,2025-01-01,open,,0,P", "amount", "the amount is zero"),
        ("X,2025-01-01,open,,5,", "partner_id", "no partner"),
        ("X,2025-02-01,won,2025-01-01,5,P", "closed_on", "closed before it was created"),
        ("X,2025-01-01,open,2025-02-01,5,P", "closed_on", "open, so the day of closing is not used"),
        ("1.0,2025-01-01,open,,5,P", "deal_id", "a spreadsheet rewrote"),
        ("g-0,2025-01-01,open,,5,P", "deal_id", "differs from another only in capitals"),
        (" X,2025-01-01,open,,5,P", "deal_id", "begins or ends with a space"),
    ],
)
def test_an_odd_row_is_kept_and_mentioned(write_book: Write, row: str, column: str, rule: str) -> None:
    book = open_book(write_book(HEAD + "G-0,2025-01-01,open,,5,P\n" + row + "\n"))
    assert len(book.deals) == 2
    found = [f for f in book.reading.faults if rule in f.rule]
    assert [(f.kind, f.column) for f in found] == [("W", column)]


def test_unmapped_statuses_are_all_listed_with_their_number(write_book: Write) -> None:
    rows = [f"D-{i},2025-01-01,{s},,5,P" for i, s in enumerate(["Won", "Lost", "Won", "open", "won "])]
    with pytest.raises(DataRefused) as caught:
        open_book(write_book(HEAD + "\n".join(rows) + "\n"))
    found: list[Fault] = [f for f in caught.value.faults if f.kind == "E"]
    assert [(f.value, f.count, f.line) for f in found] == [("Won", 2, 2), ("Lost", 1, 3), ("won ", 1, 6)]
    assert all("map it under [deals.values.status]" in f.rule for f in found)


def test_rows_out_of_scope_are_counted_and_never_blamed(write_book: Write) -> None:
    toml = '[deals.values.status]\nignore = ["Prospecting", ""]\n'
    rows = "A,,Prospecting,,9.50,P\nB,,,,x,P\nC,2025-01-01,open,,1,P\n"
    book = open_book(write_book(HEAD + rows, toml=toml))
    assert not book.reading.faults
    assert book.reading.line() == (
        "deals: 3 rows read = 1 used + 2 out of scope + 0 set aside; "
        "EUR 10.50 = 1.00 used + 9.50 out of scope + 0.00 set aside"
    )


def test_identical_rows_count_once_and_conflicting_ones_not_at_all(write_book: Write) -> None:
    rows = "A,2025-01-01,open,,5,P\nA,2025-01-01,open,,5,P\nB,2025-01-01,open,,5,P\nB,2025-01-01,open,,6,P\n"
    reading = check_book(write_book(HEAD + rows))
    assert reading.rows() == {"read": 4, "used": 1, "out of scope": 1, "set aside": 2}
    assert [(f.line, f.kind) for f in reading.faults if f.column == "deal_id"] == [(4, "Q"), (5, "Q"), (3, "W")]


def test_only_more_than_one_in_a_hundred_set_aside_refuses(write_book: Write) -> None:
    def folder(good: int, partner: str) -> Path:
        rows = "".join(f"G-{i},2025-01-01,open,,5,{'' if i % 2 else 'P'}\n" for i in range(good))
        return write_book(HEAD + rows + f"X,2025-02-30,open,,5,{partner}\n")

    assert open_book(folder(99, "")).reading.rows()["set aside"] == 1
    with pytest.raises(DataRefused, match="deals: 1 of 99 rows set aside"):
        open_book(folder(98, ""))
    with pytest.raises(DataRefused, match="partner P: 1 of 51 rows set aside"):
        open_book(folder(99, "P"))
    assert open_book(folder(99, "Q")).reading.rows()["set aside"] == 1  # one row is too few for a share of Q
    money = HEAD + "".join(f"G-{i},2025-01-01,open,,5,\n" for i in range(200)) + "X,2025-02-30,open,,500,\n"
    with pytest.raises(DataRefused, match=r"33\.3 % of all EUR set aside"):
        open_book(write_book(money))
    warned = open_book(write_book(money), allow_set_aside=True).reading
    assert [f.kind for f in warned.faults if "33.3 %" in f.rule] == ["W"]


def test_amounts_and_days_without_a_declaration_are_refused(write_book: Write) -> None:
    for row in ("A,2025-01-01,open,,1.234,P", 'A,2025-01-01,open,,"12,5",P', "A,03/04/2024,open,,5,P"):
        with pytest.raises(DataRefused):
            open_book(write_book(HEAD + row + "\n"))
    declared = '[deals]\ndecimal = ","\nthousands = "."\ndates = "%d/%m/%Y"\n'
    book = open_book(write_book(HEAD + 'A,03/04/2024,open,,1.234,P\nB,03/04/2024,open,,"12,5",P\n', toml=declared))
    assert book.deals["amount"].tolist() == [1234.0, 12.5]
    assert book.deals["created_on"].dt.strftime("%Y-%m-%d").tolist() == ["2024-04-03"] * 2


def test_many_faults_are_all_found_at_once_and_the_message_is_cut(write_book: Write) -> None:
    rows = ['N,2025-01-01,open,,5,"two\nlines"'] + [f"D-{i},2025-02-30,open,,5,P" for i in range(50)]
    with pytest.raises(DataRefused) as caught:
        open_book(write_book(HEAD + "\n".join(rows) + "\n"))
    aside = [f for f in caught.value.faults if f.kind == "Q"]
    assert [f.line for f in aside] == list(range(4, 54))
    assert [f.record for f in aside] == list(range(2, 52))
    text = str(caught.value)
    assert len(text.splitlines()) == 22
    assert f"… and {len(caught.value.faults) - 20} more; 'partnerkpi check" in text
    frame = check_book(write_book(HEAD + "\n".join(rows) + "\n")).to_frame()
    assert list(frame) == ["table", "file", "record", "line", "column", "value", "rule", "kind", "count"]


def test_faults_between_tables_are_mentioned(write_book: Write) -> None:
    book = open_book(
        write_book(
            "deal_id,created_on,status,closed_on,partner_id,lead_id\n"
            "A,2025-01-10,won,2025-03-01,P-1,L-1\nB,2025-01-01,open,,P-9,L-9\n",
            partners="partner_id,name\nP-1,Acme\nP-2,ACME \n",
            leads="lead_id,created_on\nL-1,2025-01-01\n",
            history="deal_id,changed_at,status\nA,2025-01-02,open\nA,2025-02-01,lost\nZ,2025-01-01,open\n",
            touches="deal_id,lead_id,channel,touched_at\nA,,web,2025-01-05\n,L-7,web,2025-01-05\n",
        )
    )
    said = {(f.table, f.column, f.value) for f in book.reading.faults}
    assert said == {
        ("deals", "lead_id", "L-9"),
        ("deals", "partner_id", "P-9"),
        ("partners", "name", "Acme"),
        ("history", "changed_at", "2025-01-02"),
        ("history", "status", "lost"),
        ("history", "deal_id", "Z"),
        ("touches", "deal_id", ""),
    }
    assert book.partners["name"].tolist() == ["Acme", "ACME ", "P-9"]
    assert book.reading.rows("history") == {"read": 3, "used": 2, "out of scope": 1, "set aside": 0}
    assert book.reading.rows("touches")["out of scope"] == 1
    assert book.prospects["prospect_id"].tolist() == ["D:B", "L:L-1"]


@pytest.mark.parametrize(
    ("table", "text", "column"),
    [
        ("leads", "lead_id,created_on,status\nL,2025-01-01,lost\n", "status"),
        ("leads", "lead_id,created_on,closed_on,status\nL,2025-01-01,2026-02-02,lost\n", "closed_on"),
        ("targets", "quarter,amount\nQ4 2025,5\n", "quarter"),
        ("targets", "quarter,amount\n2025Q4,-5\n", "amount"),
        ("rates", "currency,date,rate\nUSD,2025-01-01,0\n", "rate"),
        ("rates", "currency,date,rate\nUSD,2025-01-01,x\n", "rate"),
        ("touches", "deal_id,channel,touched_at\n,web,2025-01-01\n", "deal_id"),
        ("history", "deal_id,changed_at\nA,2026-01-01\n", "changed_at"),
        ("spend", "channel,month,amount\nweb,2025,5\n", "month"),
        ("spend", "channel,month,amount\nweb,2025-01,\n", "amount"),
    ],
)
def test_rows_of_other_tables_are_set_aside(write_book: Write, table: str, text: str, column: str) -> None:
    reading = check_book(write_book(HEAD + "A,2025-01-01,open,,5,P\n", **{table: text}))
    assert [(f.table, f.column) for f in reading.faults if f.kind == "Q"] == [(table, column)]
    assert reading.rows(table) == {"read": 1, "used": 0, "out of scope": 0, "set aside": 1}


def test_a_media_type_must_be_one_of_the_three(write_book: Write) -> None:
    with pytest.raises(DataRefused, match="'Paid': is none of paid, earned, owned"):
        open_book(write_book(HEAD, channels="channel,media\nweb,Paid\n"))


def test_no_partner_at_all_is_a_book_too(write_book: Write) -> None:
    book = open_book(write_book("deal_id,created_on,status\nA,2025-01-01,open\n"))
    assert len(book.partners) == 0
    assert not book.records("partners")
    assert book.deals["partner_id"].isna().all()


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
    money = reading.money().get("EUR", {"read": 0, "used": 0, "set aside": 0, "out of scope": 0})
    readable = [r[4] for r in rows if r[4] not in ("", "x")]
    assert money["read"] == sum(round(float(a) * 10**reading.digits) for a in readable)
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
