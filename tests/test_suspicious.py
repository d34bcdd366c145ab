"""What can be read and yet may be wrong is refused or mentioned, and what is right is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.opening import check_book

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id,customer\n"
ROWS = [
    f"D{i},2025-01-{i + 1:02},open,,{amount},{'PQ'[i % 2]},C{i}\n" for i, amount in enumerate((70, 11, 30, 5, 8, 13))
]


def found(folder: Path, part: str) -> list[tuple[str, str, str, int, int]]:
    return [(f.kind, f.column, f.value, f.line, f.count) for f in check_book(folder).faults if part in f.rule]


def test_a_total_without_an_id_refuses_and_one_with_an_id_is_mentioned(write_book: Write) -> None:
    body = HEAD + "".join(ROWS)
    assert not check_book(write_book(body)).refused
    for word in ("Total", "Grand Total (6 records)", "Summe:", "Sous-total", "P Ergebnis", "Total for P"):
        folder = write_book(body + f",,,,137,{word},\n")
        assert found(folder, "a row that is a total") == [("E", "partner_id", word, 8, 1)], word
        folder = write_book(body + f"T,2025-02-01,open,,137,{word},\n")
        assert found(folder, "reads like a total") == [("W", "partner_id", word, 8, 1)], word
    for word in ("Total Energies", "Summer", "Gesamtschule", "Q"):
        assert not found(write_book(body + f"T,2025-02-01,open,,9,{word},\n"), "total"), word


def test_sums_of_the_rows_above_are_found_without_a_word(write_book: Write) -> None:
    three, rest = "".join(ROWS[:3]), "".join(ROWS[3:])
    folder = write_book(HEAD + three + ",,,,111,,\n" + rest + ",,,,26,,\n,,,,137,,\n")
    assert found(folder, "the sum of the rows above, in a row without an id") == [("E", "amount", "111", 5, 3)]
    folder = write_book(HEAD + three + rest + "Z,2025-02-01,open,,137,R,\n")
    assert found(folder, "exactly the sum of all rows above") == [("W", "amount", "137", 8, 1)]
    assert not found(write_book(HEAD + three + rest + "Z,2025-02-01,open,,136,R,\n"), "the sum")
    assert not found(write_book(HEAD + "A,2025-01-01,open,,5,P,\nB,2025-01-01,open,,5,P,\n"), "the sum")


def test_rows_that_are_given_twice_without_an_id_are_mentioned(write_book: Write) -> None:
    deals = (
        HEAD + "A,2025-01-01,open,,5,P,C\nB,2025-01-01,open,,5,P,C\nC,2025-01-01,open,,5,P,\nD,2025-01-01,open,,5,P,\n"
    )
    folder = write_book(
        deals,
        spend="channel,month,amount\nweb,2025-01,5\nweb,2025-01,5\nweb,2025-01,6\n",
        touches="deal_id,channel,touched_at\nA,web,2025-01-05\nA,web,2025-01-05\nA,fair,2025-01-05\n",
        targets="quarter,amount,partner_id\n2025Q1,5,P\n2025Q1,7,P\n2025Q1,7,Q\n",
        notes="partner_id,quarter,action\nP,2025Q1,call\nP,2025Q1,call\n",
    )
    assert found(folder, "all but its id") == [("W", "deal_id", "B", 3, 1)]
    assert found(folder, "word for word") == [
        ("W", "channel", "web", 3, 1), ("W", "deal_id", "A", 3, 1), ("W", "partner_id", "P", 3, 1)
    ]  # fmt: skip
    assert found(folder, "both are added") == [("W", "quarter", "2025Q1", 3, 1)]
    assert check_book(folder).rows("spend")["used"] == 3


def test_rates_turned_round_and_far_off_are_mentioned(write_book: Write) -> None:
    rates = "currency,date,rate\n" + "".join(f"GBP,2025-{m:02}-01,1.16\nSEK,2025-{m:02}-01,0.09\n" for m in range(1, 7))
    rates += "GBP,2025-07-01,0.862\nSEK,2025-07-01,0.9\nSEK,2025-08-01,11.1\nEUR,2025-01-01,1.1\nGBP,2025-09-01,1.3\n"
    folder = write_book(HEAD, rates=rates)
    assert found(folder, "turned round") == [("W", "rate", "0.862", 14, 1), ("W", "rate", "11.1", 16, 1)]
    assert found(folder, "more than 3 times") == [("W", "rate", "0.9", 15, 1)]
    assert found(folder, "one EUR is one EUR") == [("W", "rate", "1.1", 17, 1)]


def test_rates_older_than_a_quarter_are_mentioned(write_book: Write) -> None:
    head = HEAD.replace("customer", "currency")
    rows = "A,2025-01-01,won,2025-04-03,5,P,GBP\nB,2025-01-01,won,2025-04-04,5,P,GBP\nC,2025-01-01,open,,5,P,GBP\n"
    rates = "currency,date,rate\nGBP,2025-01-01,1.16\n"
    folder = write_book(head + rows, rates=rates, spend="channel,month,amount,currency\nweb,2025-02,5,GBP\n")
    assert found(
        folder, "no rate of GBP within a quarter before the day: the last one is used, 364 days old at most"
    ) == [("W", "currency", "GBP", 3, 2)]
    assert not found(
        write_book(head + rows, rates=rates + "GBP,2025-04-01,1.2\nGBP,2025-12-01,1.2\n"), "within a quarter"
    )


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        ("A,2025-01-02T10:00,open,s\nA,2025-01-02T10:00,open,t\n", [("W", "changed_at", "2025-01-02T10:00", 2, 2)]),
        ("A,2025-01-02T10:00,open,s\nA,2025-01-02T10:01,open,t\n", []),
        ("A,2025-01-02T10:00,open,\nA,2025-01-02T10:00,,t\n", []),
        ("A,2025-01-02T10:00,open,s\nB,2025-01-02T10:00,open,t\n", []),
    ],
)
def test_changes_at_one_moment_that_contradict_each_other_are_mentioned(
    write_book: Write, rows: str, places: list[tuple[str, str, str, int, int]]
) -> None:
    deals = HEAD + "A,2025-01-01,open,,5,P,\nB,2025-01-01,open,,5,P,\n"
    folder = write_book(deals, history="deal_id,changed_at,status,stage\n" + rows)
    assert found(folder, "contradict each other") == places


@pytest.mark.parametrize(
    ("one", "rule"),
    [
        ("D-1\u200b", "not seen"),
        ("D-\u0410", "two alphabets"),
        ("123456789012345000", "a spreadsheet rewrote"),
        ("1.2E+05", "a spreadsheet rewrote"),
    ],
)
def test_ids_that_are_not_what_they_seem_are_mentioned(write_book: Write, one: str, rule: str) -> None:
    assert found(write_book(HEAD + f"{one},2025-01-01,open,,5,P,\n"), rule) == [("W", "deal_id", one, 2, 1)]


def test_partners_spelt_otherwise_in_another_table_are_mentioned(write_book: Write) -> None:
    folder = write_book(HEAD + "A,2025-01-01,open,,5,p-1 ,\n", partners="partner_id\nP-1\n")
    assert found(folder, "the partners table spells it 'P-1'") == [("W", "partner_id", "p-1 ", 2, 1)]


def test_a_commission_above_the_whole_is_mentioned(write_book: Write) -> None:
    folder = write_book(HEAD, partners="partner_id,commission_rate\nP,12\nQ,0.12\nR,12 %\n")
    assert found(folder, "a share above 1") == [("W", "commission_rate", "12", 2, 1)]
