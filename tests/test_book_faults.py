from collections.abc import Callable
from pathlib import Path

import pytest

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
        ("X,2025-01-01,open,,$5,P", "amount", "$5", "which currency is '$'?"),
        ("X,2025-01-01,open,,$5 €,P", "amount", "$5 €", "not an amount"),
        ("X,2025-01-01,open,,(5),P", "amount", "(5)", "is negative"),
        ("X,2025-01-01,open,,NA,P", "amount", "NA", 'say missing = ["NA"] under [deals]'),
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
        ("X,2025-01-01,open,2025-02-01,5,P", "closed_on", "open, so its day of closing is an expectation"),
        ("X,2025-01-01,open,,1.2E+05,P", "amount", "written with an exponent"),
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


def test_what_happens_on_one_day_is_in_order(write_book: Write) -> None:
    head = HEAD.replace("\n", ",expected_close_on\n")
    deals = "X,2025-01-01,won,2025-01-01,5,P,\nY,2025-12-31,open,,5,P,2025-12-31\n"
    partners = "partner_id,joined_on,left_on\nP,2025-01-01,2025-01-01\n"
    history = "deal_id,changed_at,status\nX,2025-01-01,open\nX,2025-01-01T12:00:00,won\nY,2025-12-31T23:59:59,open\n"
    assert not open_book(write_book(head + deals, partners=partners, history=history)).reading.faults


def test_unmapped_statuses_are_all_listed_with_their_number(write_book: Write) -> None:
    rows = [f"D-{i},2025-01-01,{s},,5,P" for i, s in enumerate(["Won", "Lost", "Won", "open", "won "])]
    with pytest.raises(DataRefused) as caught:
        open_book(write_book(HEAD + "\n".join(rows) + "\n"))
    found: list[Fault] = [f for f in caught.value.faults if f.kind == "E"]
    assert [(f.value, f.count, f.line) for f in found] == [("Won", 2, 2), ("Lost", 1, 3), ("won ", 1, 6)]
    assert all("map it under [deals.values.status]" in f.rule for f in found)


def test_the_closing_day_of_an_open_deal_is_its_expected_one(write_book: Write) -> None:
    """Salesforce, HubSpot and Zoho have one column for both, and exports of them end in the future."""
    rows = [f"G-{i},2025-01-01,won,2025-03-01,5,P" for i in range(3)]
    rows += ["A,2025-01-01,open,2026-03-31,7,P", "B,2025-01-01,open,2025-06-30,7,P", "C,2025-01-01,open,,7,P"]
    book = open_book(write_book(HEAD + "\n".join(rows) + "\n"))
    assert book.reading.rows() == {"read": 6, "used": 6, "out of scope": 0, "set aside": 0}
    deals = book.deals.set_index("deal_id")
    expected = deals["expected_close_on"].astype("str").fillna("")
    assert expected[["A", "B", "C", "G-0"]].tolist() == ["2026-03-31", "2025-06-30", "", ""]
    assert deals.loc[["A", "B", "C"], "closed_on"].isna().all()
    assert (deals["closed_on"] == "2025-03-01").sum() == 3
    assert book.records("deals.expected_close_on")
    said = [(f.kind, f.column, f.line, f.value, f.count) for f in book.reading.faults]
    assert said == [("W", "closed_on", 5, "2026-03-31", 2), ("W", "expected_close_on", 6, "2025-06-30", 1)]


def test_an_expected_day_that_is_recorded_stays(write_book: Write) -> None:
    head = HEAD.replace("partner_id", "expected_close_on")
    text = head + "A,2025-01-01,open,2026-03-31,7,2026-01-15\nB,2025-01-01,open,2026-03-31,7,\n"
    book = open_book(write_book(text))
    assert book.deals["expected_close_on"].astype("str").tolist() == ["2026-01-15", "2026-03-31"]
    assert [f.count for f in book.reading.faults] == [2]
    assert not book.records("deals.closed_on")


def test_a_closed_deal_cannot_have_closed_after_the_export(write_book: Write) -> None:
    reading = check_book(write_book(HEAD + "A,2025-01-01,won,2026-03-31,7,P\nB,2025-01-01,open,2026-03-31,x,P\n"))
    assert [(f[0], f[2]) for f in faults(reading, "Q")] == [(2, "amount"), (1, "closed_on")]


@pytest.mark.parametrize("status", ["status", "product"])
def test_the_closing_day_of_an_open_lead_is_not_used(write_book: Write, status: str) -> None:
    leads = f"lead_id,created_on,closed_on,{status}\nL,2025-01-01,2026-02-02,open\nM,2025-01-01,2025-02-02,\n"
    book = open_book(write_book(HEAD + "A,2025-01-01,open,,5,P\n", leads=leads))
    assert book.leads["closed_on"].isna().all()
    assert book.reading.rows("leads")["used"] == 2
    assert [(f.table, f.rule, f.count) for f in book.reading.faults] == [
        ("leads", "open, so its day of closing is not used", 2)
    ]


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
    assert [(f.line, f.record, f.count) for f in aside] == [(4, 2, 50)]
    text = str(caught.value)
    assert "  Q deals.csv, created_on '2025-02-30': no such day in the calendar (50 rows, first: line 4)\n" in text
    assert text.index("no such day") < text.index("set aside, more than 1 %")
    assert len(text.splitlines()) == 1 + len(caught.value.faults)
    rows = [f"D-{i},2025-{i + 13}-01,open,,5,P{i}" for i in range(60)]
    rows += [f"D-{i},2025-01-01,open,,{i}x,P{i}" for i in range(60)]
    reading = check_book(write_book(HEAD + "\n".join(rows) + "\n"))
    said = [f"{f.value} {f.rule} {f.count}" for f in reading.faults if f.kind == "Q"]
    assert len(said) == 18
    assert said[8] == "2025-21-01 no such day in the calendar (so do 51 other values) 52"
    assert len(reading.set_aside) == 120
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
    assert len(book.deals) == 2  # B names no lead there is, and counts all the same


HISTORY = "deal_id,changed_at,status,stage\n"


@pytest.mark.parametrize(
    ("history", "line"),
    [
        ("A,2025-01-01,open,s\nA,2025-02-01,lost,t\n", 3),
        ("A,2025-01-01,open,s\nA,2025-02-28T23:59:59,won,t\nA,2025-03-01,won,u\n", 3),
        ("A,2025-02-01,won,t\nA,2025-01-01,open,s\n", 2),
        ("A,2025-01-01,open,s\nA,2025-03-01T10:00:00,won,t\n", 0),
        ("A,2025-01-01,open,s\nA,2025-02-01,lost,t\nA,2025-02-10,open,u\nA,2025-03-01,won,v\n", 0),
        ("A,2025-01-01,open,s\nB,2025-02-01,lost,t\n", 0),
    ],
)
def test_a_history_that_closes_a_deal_before_the_deals_table_does_is_mentioned(
    write_book: Write, history: str, line: int
) -> None:
    deals = HEAD + "A,2025-01-01,won,2025-03-01,5,P\nB,2025-01-01,lost,2025-02-01,5,P\n"
    reading = open_book(write_book(deals, history=HISTORY + history)).reading
    found = [(f.kind, f.column, f.line, f.count) for f in reading.faults if "closes the deal before" in f.rule]
    assert found == ([("W", "status", line, 1)] if line else [])


@pytest.mark.parametrize(
    ("history", "places"),
    [
        ("A,2025-01-02,open,s\nA,2025-01-09,open,s\nA,2025-01-10,open,s\n", [(3, 1)]),
        ("B,2025-01-02,open,s\nA,2025-01-02,open,s\nA,2025-01-09,,s\nB,2025-01-09,open,s\n", [(5, 1)]),
        ("A,2025-01-02,open,s\nA,2025-01-05,open,t\nA,2025-01-09,open,s\n", []),
        ("A,2025-01-02,open,s\nB,2025-01-09,open,s\n", []),
    ],
)
def test_a_history_that_creates_a_deal_twice_is_mentioned(
    write_book: Write, history: str, places: list[tuple[int, int]]
) -> None:
    deals = HEAD + "A,2025-01-01,open,,5,P\nB,2025-01-01,open,,5,P\n"
    reading = open_book(write_book(deals, history=HISTORY + history)).reading
    assert [(f.line, f.count) for f in reading.faults if "creates the deal a second time" in f.rule] == places
    empty = open_book(write_book(deals, history="deal_id,changed_at\nA,2025-01-02\nA,2025-01-03\n")).reading
    assert not [f for f in empty.faults if f.table == "history"]


def test_targets_need_no_measure(write_book: Write) -> None:
    book = open_book(write_book(HEAD + "A,2025-01-01,open,,5,P\n", targets="quarter,amount\n2025Q1,500\n"))
    assert book.targets["amount"].tolist() == [500.0]
    assert book.targets["measure"].isna().all()
    assert not book.records("targets.measure")


@pytest.mark.parametrize(
    ("table", "text", "column"),
    [
        ("leads", "lead_id,created_on,status\nL,2025-01-01,lost\n", "status"),
        ("leads", "lead_id,created_on,closed_on,status\nL,2025-01-01,2026-02-02,lost\n", "closed_on"),
        ("leads", "lead_id,created_on\nL,2026-01-01\n", "created_on"),
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
