"""Lines around the rows, cells that mean nothing, control totals, and money with its currency beside it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.book import Reading
from partnerkpi.errors import DataRefused, UsageError
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id\n"
ROWS = "A,2025-01-01,won,2025-02-01,100.50,P\nB,2025-01-01,open,,20.25,P\nC,2025-01-01,lost,2025-03-01,3.00,Q\n"


def said(reading: Reading, kind: str = "EQW") -> list[str]:
    return [str(f) for f in reading.faults if f.kind in kind]


def test_lines_above_the_header_and_below_the_rows_are_no_rows(write_book: Write) -> None:
    preamble = 'Report of 2025\n"two,""cells"\n\n'
    footer = "\nGrand total,,,,123.75,\nConfidential\n"
    folder = write_book(preamble + HEAD + ROWS + footer, toml="[deals]\nskip_rows = 3\nfooter = 3\n")
    book = open_book(folder)
    assert book.deals[["_record", "_line"]].to_numpy().tolist() == [[1, 5], [2, 6], [3, 7]]
    assert book.reading.rows() == {"read": 5, "used": 3, "out of scope": 2, "set aside": 0}
    assert book.reading.line().endswith("EUR 123.75 = 123.75 used + 0.00 out of scope + 0.00 set aside")
    assert not book.reading.faults


def test_a_footer_that_cuts_rows_is_mentioned(write_book: Write) -> None:
    reading = check_book(write_book(HEAD + ROWS, toml="[deals]\nfooter = 1\n"))
    assert said(reading) == [
        "W deals.csv 'C,2025-01-01,lost,2025-03-01,3.00,Q': a line of the footer has 6 cells like a row: "
        "is footer = 1 too many?"
    ]
    assert reading.rows() == {"read": 3, "used": 2, "out of scope": 1, "set aside": 0}


@pytest.mark.parametrize("toml", ["skip_rows = 9", "footer = 9", "skip_rows = 2\nfooter = 2"])
def test_a_file_of_which_nothing_is_left_has_no_header(write_book: Write, toml: str) -> None:
    with pytest.raises(DataRefused, match="header"):
        open_book(write_book(HEAD + ROWS, toml=f"[deals]\n{toml}\n"))


@pytest.mark.parametrize(
    ("text", "toml", "rule"),
    [
        ("Report\nof 2025\n" + HEAD + ROWS, "", "Lines above the header? Say skip_rows = 2"),
        ("Report,,,,,\n,,,,,\n" + HEAD + ROWS, "", "Lines above the header? Say skip_rows = 2"),
        ("\n" + HEAD + ROWS, "", "the line is empty, and the header comes later: Say skip_rows = 1"),
        ("a\nb\n" + HEAD + ROWS, "skip_rows = 1", "Lines above the header? Say skip_rows = 2"),
        ((HEAD + ROWS).replace(",", ";"), "", "holds ';': declare the delimiter, delimiter = \";\""),
        ("Report\n" + (HEAD + ROWS).replace(",", ";"), "", 'the delimiter, skip_rows = 1 and delimiter = ";"'),
        ("sep=;\n" + (HEAD + ROWS).replace(",", ";"), "", 'the delimiter, skip_rows = 1 and delimiter = ";"'),
        ((HEAD + ROWS).replace(",", '"\t"').replace("\n", '"\n').replace("deal_id", '"deal_id'), "",
         'the header holds a tab: declare the delimiter, delimiter = "\\t"'),
    ],
)  # fmt: skip
def test_where_the_header_is_and_what_separates_cells_is_said(
    write_book: Write, text: str, toml: str, rule: str
) -> None:
    reading = check_book(write_book(text, toml=f"[deals]\n{toml}\n"))
    assert rule in said(reading, "E")[0]
    assert len(said(reading)) == 1


def test_short_rows_at_the_end_are_a_footer_or_a_file_cut_off(write_book: Write) -> None:
    reading = check_book(write_book(HEAD + ROWS * 30 + "Grand total\n\nConfidential,2025\n"))
    advice = "the file was cut off here, or these are lines below the rows: then say footer = 3"
    assert [f.rule for f in reading.faults if f.value in ("Grand total", "Confidential,2025")] == [
        f"the row has 1 cells, the header 6: {advice}", f"the row has 2 cells, the header 6: {advice}"
    ]  # fmt: skip


@pytest.mark.parametrize("sql", ["", 'sql = "SELECT * FROM deals"\n'])
def test_cells_that_mean_nothing_are_missing_in_every_column(write_book: Write, sql: str) -> None:
    rows = ROWS + "D,2025-01-01,open, NA ,-,NULL\nNAN,2025-01-01,open,,-5,NA\n"
    toml = f'[deals]\n{sql}missing = ["NA", "-", "NULL"]\n'
    book = open_book(write_book(HEAD + rows, toml=toml), allow_set_aside=True)
    deals = book.deals.set_index("deal_id")
    assert deals.loc["D", ["closed_on", "amount", "partner_id"]].isna().all()
    assert [f.value for f in book.reading.faults if f.kind == "Q"] == ["-5"]
    assert book.reading.rows()["set aside"] == 1
    assert "NA" not in book.partner_ids


def test_a_query_sees_cells_that_mean_nothing_as_null(write_book: Write) -> None:
    toml = '[deals]\nmissing = ["NA"]\nsql = "SELECT * FROM deals WHERE partner_id IS NOT NULL"\n'
    assert len(open_book(write_book(HEAD + ROWS + "D,2025-01-01,open,,1,NA\n", toml=toml)).deals) == 3


def test_control_totals_hold_or_refuse(write_book: Write) -> None:
    toml = '[deals]\nrows = 3\namount_total = "123.75"\n'
    assert not open_book(write_book(HEAD + ROWS, toml=toml)).reading.faults
    lost = check_book(write_book(HEAD + ROWS[: ROWS.index("C,")], toml=toml))
    assert said(lost, "E") == [
        "E [deals]: [deals] rows = 3 is declared, but 2 rows are read",
        "E [deals], amount: [deals] amount_total = 123.75 is declared, but the amounts read sum to 120.75",
    ]
    digit = check_book(write_book(HEAD + ROWS.replace("20.25", "20.75"), toml=toml))
    assert said(digit, "E") == [
        "E [deals], amount: [deals] amount_total = 123.75 is declared, but the amounts read sum to 124.25"
    ]
    unread = check_book(write_book(HEAD + ROWS.replace("20.25", "x"), toml=toml))
    assert "sum to 103.50; 1 cannot be read" in " ".join(said(unread, "E"))
    whole = "[deals]\namount_total = 124\n"
    rounded = check_book(write_book(HEAD + ROWS, toml=whole))  # to the places that are declared
    assert not said(rounded, "E")
    assert said(rounded, "W") == [
        "W [deals], amount: [deals] amount_total = 124 is declared, but the amounts read sum to 123.75: the same when "
        "rounded"
    ]
    spend = check_book(write_book(HEAD, spend="channel,month,amount\nweb,2025-01,5\n", toml="[spend]\nrows = 2\n"))
    assert said(spend, "E") == ["E [spend]: [spend] rows = 2 is declared, but 1 rows are read"]


@pytest.mark.parametrize(
    ("toml", "rule"),
    [
        ("[deals]\nmissing = 5\n", "a list of texts is expected"),
        ("[deals]\nskip_rows = -1\n", "a whole number is expected, like 3, not -1"),
        ("[deals]\nfooter = true\n", "a whole number is expected, like 3, not True"),
        ('[deals]\nrows = "5"\n', "a whole number is expected, like 3, not '5'"),
        ('[deals]\namount_total = "1,5"\n', "with a point before the decimals"),
        ("[deals]\namount_total = nan\n", "with a point before the decimals"),
        ('[leads]\namount_total = "5"\n', "the table leads has no amounts"),
        ('[deals]\ntimes = "Mars"\n', r"\[deals\] times: 'Mars' is unknown. Write it like UTC"),
    ],
)
def test_keys_that_say_what_cannot_be_are_refused(write_book: Write, toml: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        open_book(write_book(HEAD + ROWS, toml=toml, leads="lead_id,created_on\n"))


def test_a_sign_names_the_currency_where_the_table_has_none(write_book: Write) -> None:
    rows = "A,2025-01-01,open,,5 €,P\nB,2025-01-01,open,,£7.50,P\nC,2025-01-01,open,,1,P\n"
    book = open_book(write_book(HEAD + rows, rates="currency,date,rate\nGBP,2025-12-01,2\n"))
    assert book.deals["amount"].tolist() == [5.0, 15.0, 1.0]
    assert book.deals["currency"].astype("str").tolist() == ["EUR", "GBP", "EUR"]
    assert said(book.reading) == [
        "W deals.csv, line 4 (record 3), amount '1': no currency beside it, as others have: taken to be in EUR"
    ]


def test_a_sign_of_several_currencies_is_the_books_or_nobodys(write_book: Write) -> None:
    rows = "A,2025-01-01,open,,$6,P\n"
    dollars = '[book]\ncurrency = "CAD"\nextracted_on = 2025-12-31\n'
    assert open_book(write_book(HEAD + rows, book=dollars)).deals["amount"].tolist() == [6.0]
    reading = check_book(write_book(HEAD + rows))
    assert said(reading, "Q") == [
        "Q deals.csv, line 2 (record 1), amount '$6': which currency is '$'? Name it in a column currency, "
        'or under constants: currency = "USD"'
    ]
    assert reading.money()["EUR"] == {"read": 0, "used": 0, "out of scope": 0, "set aside": 0, "unknown": 1}
    constant = '[deals.constants]\ncurrency = "USD"\n'
    rates = "currency,date,rate\nUSD,2025-12-01,0.5\n"
    assert open_book(write_book(HEAD + rows, toml=constant, rates=rates)).deals["amount"].tolist() == [3.0]


def test_a_sign_against_the_currency_column_sets_aside(write_book: Write) -> None:
    head = HEAD.replace("partner_id", "currency")
    rows = "A,2025-01-01,open,,€5,GBP\nB,2025-01-01,open,,$5,USD\nC,2025-01-01,open,,£5,\n"
    rates = "currency,date,rate\nUSD,2025-12-01,1\nGBP,2025-12-01,2\n"
    book = open_book(write_book(head + rows, rates=rates), allow_set_aside=True)
    assert [(f.line, f.rule) for f in book.reading.faults if f.kind == "Q"] == [
        (2, "'€' stands beside the amount, but the currency column says another")
    ]
    assert book.deals["amount"].tolist() == [5.0, 10.0]


def test_signs_in_targets_and_history_must_be_those_of_the_book_and_the_deal(write_book: Write) -> None:
    head = HEAD.replace("partner_id", "currency")
    tables = {
        "targets": "quarter,amount\n2025Q1,€5\n2025Q2,£5\n",
        "history": "deal_id,changed_at,amount\nA,2025-01-01,£5\nA,2025-01-02,€6\n",
        "rates": "currency,date,rate\nGBP,2025-12-01,2\n",
    }
    reading = check_book(write_book(head + "A,2025-01-01,open,,5,GBP\n", **tables))
    assert [(f.table, f.line, f.value) for f in reading.faults if f.kind == "Q"] == [
        ("history", 3, "€6"), ("targets", 3, "£5")
    ]  # fmt: skip


def test_an_optional_cell_that_cannot_be_read_costs_itself_alone(write_book: Write) -> None:
    head = HEAD.replace("\n", ",registered_on,expected_close_on\n")
    rows = "A,2025-01-01,open,soon,5,P,2025-01-01,2025-13-01\nB,2025-01-01,open,,5,P,2025x,2026-01-31\n"
    partners = "partner_id,commission_rate\nP,12 %%x\nQ,12 %\n"
    book = open_book(write_book(head + rows, partners=partners))
    assert [(f.kind, f.column, f.value) for f in book.reading.faults if "counts as empty" in f.rule] == [
        ("W", "closed_on", "soon"), ("W", "expected_close_on", "2025-13-01"),
        ("W", "registered_on", "2025x"), ("W", "commission_rate", "12 %%x")
    ]  # fmt: skip
    assert book.deals[["closed_on", "expected_close_on"]].isna().to_numpy().tolist() == [[True, True], [True, False]]
    assert book.partners["commission_rate"].fillna(9).tolist() == [9, 0.12]
    assert book.reading.rows("partners")["used"] == 2


def test_an_optional_column_that_cannot_be_read_at_all_refuses(write_book: Write) -> None:
    head = HEAD.replace("\n", ",registered_on\n")
    rows = "".join(f"D{i},2025-01-01,open,,5,P,{i + 1} Jan 2025\n" for i in range(6))
    reading = check_book(write_book(head + rows))
    assert said(reading, "E") == [
        "E [deals], registered_on: 6 of 6 cells cannot be read: declare how they are written, "
        'or say registered_on = "" under [deals.columns] to leave it unread'
    ]


def test_days_that_two_formats_read_name_both(write_book: Write) -> None:
    for day, forms in (("03/04/2025", ["%d/%m/%Y", "%m/%d/%Y"]), ("13/04/2025", ["%d/%m/%Y"])):
        reading = check_book(write_book(HEAD + f"A,{day},open,,5,P\n"))
        says = " or ".join(f'dates = "{form}"' for form in forms)
        assert said(reading, "E")[0].endswith(f"It could be {says}")


def test_times_of_a_zone_are_days_of_the_business_zone(write_book: Write) -> None:
    rows = "A,2025-01-01 12:00,won,2025-03-31T22:30:00,5,P\nB,2025-01-01,won,2025-03-31T22:30:00Z,5,P\n"
    book = open_book(write_book(HEAD + rows, toml='[deals]\ntimes = "UTC"\n'))  # business in Paris
    assert book.deals["closed_on"].dt.strftime("%Y-%m-%d").tolist() == ["2025-04-01", "2025-04-01"]
