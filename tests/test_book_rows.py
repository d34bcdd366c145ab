"""What cells mean: several sources of a column, sources by status, flags, made keys, and rows left out."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from partnerkpi.book.reading import Fault
from partnerkpi.errors import DataRefused, UsageError
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]


def days(values: pd.Series) -> list[str]:
    return ["" if pd.isna(day) else f"{day:%Y-%m-%d}" for day in values]


def told(faults: tuple[Fault, ...], column: str) -> list[tuple[str, str, str, int, int]]:
    return [(f.kind, f.value, f.rule, f.line, f.count) for f in faults if f.column == column]


def test_of_several_sources_the_first_that_is_filled_holds(write_book: Write) -> None:
    deals = "deal_id,created_on,status,Amount,Value\nA,2025-01-01,open,5,7\nB,2025-01-01,open,,8\nC,2025-01-01,open,,\n"
    book = open_book(write_book(deals, toml='[deals.columns]\namount = ["Net", "Amount", "Value"]\n'))
    assert book.deals["amount"].fillna(-1).tolist() == [5.0, 8.0, -1.0]
    book = open_book(write_book(deals, toml='[deals.columns]\namount = ["Value", "Amount"]\n'))
    assert book.deals["amount"].fillna(-1).tolist() == [7.0, 8.0, -1.0]
    assert not book.reading.unread


def test_a_list_of_which_no_column_is_there_is_refused(write_book: Write) -> None:
    deals = "deal_id,created_on,status,Amount\nA,2025-01-01,open,5\n"
    with pytest.raises(DataRefused) as caught:
        open_book(write_book(deals, toml='[deals.columns]\nname = ["Net", "Gross"]\namount = ["Amount", "Sum"]\n'))
    rule = "[deals.columns] name: none of the columns 'Net' or 'Gross' is there. "
    assert [(f.kind, f.column, f.rule.startswith(rule)) for f in caught.value.faults] == [("E", "name", True)]


BY_STATUS = """deal_id,created_on,status,Won time,Lost time,Due,Real,Hoped
A,2025-01-01,won,2025-02-01,,2025-03-01,100,90
B,2025-01-02,lost,,2025-02-02,2025-03-02,,80
C,2025-01-03,open,,,2026-03-03,,70
D,2025-01-04,abandoned,,2025-02-04,2025-03-04,0,60
"""


def test_a_source_by_status(write_book: Write) -> None:
    toml = """[deals.columns]
closed_on = { won = "Won time", lost = "Lost time", abandoned = ["Won time", "Lost time"] }
expected_close_on = { open = "Due" }
amount = { won = "Real", other = ["Hoped"] }
"""
    book = open_book(write_book(BY_STATUS, toml=toml))
    assert days(book.deals["closed_on"]) == ["2025-02-01", "2025-02-02", "", "2025-02-04"]
    assert days(book.deals["expected_close_on"]) == ["", "", "2026-03-03", ""]
    assert book.deals["amount"].tolist() == [100.0, 80.0, 70.0, 60.0]
    assert book.reading.money()["EUR"] == {"read": 310, "used": 310, "out of scope": 0, "set aside": 0, "unknown": 0}


def test_money_of_rows_out_of_scope_is_in_the_account_whatever_their_status(write_book: Write) -> None:
    toml = """[deals.columns]
closed_on = { won = "Won time", other = "Lost time" }
amount = { won = "Real", other = "Hoped" }
[deals.values.status]
won = ["won"]
open = ["open"]
lost = ["lost"]
ignore = ["abandoned"]
"""
    book = open_book(write_book(BY_STATUS.replace("04,0,60", "04,,60"), toml=toml))
    assert book.reading.rows() == {"read": 4, "used": 3, "out of scope": 1, "set aside": 0}
    assert book.reading.money()["EUR"] == {"read": 310, "used": 250, "out of scope": 60, "set aside": 0, "unknown": 0}


def test_one_close_date_with_two_meanings(write_book: Write) -> None:
    deals = """deal_id,created_on,status,Close Date
A,2025-01-01,won,2025-02-01
B,2025-01-01,open,2026-02-01
C,2025-01-01,open,2025-11-01
D,2025-01-01,lost,2025-04-01
"""
    toml = '[deals.columns]\nclosed_on = "Close Date"\nexpected_close_on = "Close Date"\n'
    book = open_book(write_book(deals, toml=toml))
    assert days(book.deals["closed_on"]) == ["2025-02-01", "", "", "2025-04-01"]
    assert days(book.deals["expected_close_on"]) == ["", "2026-02-01", "2025-11-01", ""]
    assert [(f.kind, f.column, f.rule) for f in book.reading.faults] == [
        ("W", "expected_close_on", "open, and the expected closing has passed")
    ]


def test_one_close_date_beside_a_better_one_for_what_is_open(write_book: Write) -> None:
    deals = (
        "deal_id,created_on,status,Close,Hope\nA,2025-01-01,won,2025-02-01,2025-09-09\nB,2025-01-01,open,2026-02-01,\n"
    )
    deals += "C,2025-01-01,open,2026-03-01,2026-04-01\n"
    toml = '[deals.columns]\nclosed_on = "Close"\nexpected_close_on = ["Hope", "Close"]\n'
    book = open_book(write_book(deals, toml=toml))
    assert days(book.deals["closed_on"]) == ["2025-02-01", "", ""]
    assert days(book.deals["expected_close_on"]) == ["2025-09-09", "2026-02-01", "2026-04-01"]


FLAGGED = """deal_id,created_on,Stage,IsClosed,IsWon,closed_on
A,2025-01-01,Closed Won,TRUE,TRUE,2025-02-01
B,2025-01-01,Closed Lost,TRUE,FALSE,2025-02-02
C,2025-01-01,No decision,TRUE,FALSE,2025-02-03
D,2025-01-01,Talking,FALSE,FALSE,
E,2025-01-01,Closed Won,FALSE,FALSE,2025-02-05
F,2025-01-01,Talking,TRUE,TRUE,2025-02-06
G,2025-01-01,Closed Won,FALSE,FALSE,2025-02-07
H,2025-01-01,Something new,TRUE,FALSE,2025-02-08
"""
FLAGS = """[deals.columns]
status = "Stage"
stage = "Stage"
expected_close_on = ""
[deals.values.status]
open = ["Talking"]
won = ["Closed Won"]
lost = ["Closed Lost"]
abandoned = ["No decision"]
[deals.flags]
closed = "IsClosed"
won = "IsWon"
"""


def test_flags_decide_and_every_disagreement_is_said(write_book: Write) -> None:
    book = open_book(write_book(FLAGGED, toml=FLAGS))
    assert book.deals["status"].tolist() == ["won", "lost", "abandoned", "open", "open", "won", "open", "lost"]
    assert told(book.reading.faults, "status") == [
        ("W", "Talking", "the value says open, the flags say won: the flags hold", 7, 1),
        ("W", "Closed Won", "the value says won, the flags say open: the flags hold", 6, 2),
    ]


def test_the_values_decide_where_that_is_said(write_book: Write) -> None:
    book = open_book(write_book(FLAGGED, toml=FLAGS + 'decides = "values"\n'))
    assert book.deals["status"].tolist() == ["won", "lost", "abandoned", "open", "won", "open", "won", "lost"]
    assert [rule for _, _, rule, _, _ in told(book.reading.faults, "status")] == [
        "the value says open, the flags say won: the values hold",
        "the value says won, the flags say open: the values hold",
    ]


def test_flags_alone_are_enough(write_book: Write) -> None:
    deals = "deal_id,created_on,Active,Won,closed_on\nA,2025-01-01,yes,,\nB,2025-01-01,no,,2025-02-01\n"
    deals += "C,2025-01-01,yes,yes,2025-03-01\n"
    toml = '[deals.flags]\nactive = "Active"\nwon = "Won"\n'
    assert open_book(write_book(deals, toml=toml)).deals["status"].tolist() == ["open", "lost", "won"]


@pytest.mark.parametrize(
    ("flags", "value", "status"),
    [
        ({"closed": "yes"}, "won", "won"),
        ({"closed": "yes"}, "rejected", "rejected"),
        ({"closed": "no"}, "", "open"),
        ({"closed": "yes", "lost": "no"}, "", "won"),
        ({"closed": "yes", "won": "no"}, "abandoned", "abandoned"),
        ({"won": "no", "lost": "no"}, "", "open"),
        ({"lost": "yes"}, "rejected", "rejected"),
        ({"active": "no"}, "open", "lost"),
        ({"active": "yes"}, "won", "won"),
        ({"active": "yes", "closed": ""}, "", "open"),
        ({"won": ""}, "lost", "lost"),
    ],
)
def test_what_flags_say(write_book: Write, flags: dict[str, str], value: str, status: str) -> None:
    deals = f"deal_id,created_on,status,closed_on,{','.join(flags)}\n"
    deals += f"A,2025-01-01,{value},{'' if status == 'open' else '2025-02-01'},{','.join(flags.values())}\n"
    toml = "[deals.flags]\n" + "".join(f'{name} = "{name}"\n' for name in flags)
    assert open_book(write_book(deals, toml=toml)).deals["status"].tolist() == [status]


def test_flags_that_contradict_each_other_set_the_row_aside(write_book: Write) -> None:
    deals = (
        "deal_id,created_on,closed_on,won,lost,closed\nA,2025-01-01,2025-02-01,1,1,1\nB,2025-01-01,2025-02-01,1,0,0\n"
    )
    deals += "".join(f"X{i},2025-01-01,,0,0,0\n" for i in range(300))
    toml = '[deals.flags]\nwon = "won"\nlost = "lost"\nclosed = "closed"\n'
    reading = open_book(write_book(deals, toml=toml)).reading
    assert told(reading.faults, "status") == [("Q", "", "the flags contradict each other", 2, 2)]
    assert reading.rows() == {"read": 302, "used": 300, "out of scope": 0, "set aside": 2}


def test_a_word_that_is_neither_yes_nor_no_is_refused_with_the_key_that_cures_it(write_book: Write) -> None:
    deals = "deal_id,created_on,won,closed\nA,2025-01-01,nein,ja\nB,2025-01-01,nein,nein\n"
    toml = '[deals.flags]\nwon = "won"\nclosed = "closed"\n'
    faults = check_book(write_book(deals, toml=toml)).faults
    assert [(f.kind, f.rule, f.count) for f in faults if "neither" in f.rule] == [
        ("E", "'ja' in 'closed' is neither a yes nor a no: say which under [deals.flags]", 1),
        ("E", "'nein' in 'closed' is neither a yes nor a no: say which under [deals.flags]", 1),
        ("E", "'nein' in 'won' is neither a yes nor a no: say which under [deals.flags]", 2),
    ]
    deals = deals.replace("created_on,", "created_on,closed_on,").replace("-01,", "-01,2025-02-01,")
    book = open_book(
        write_book(deals, toml=toml + 'yes = ["ja"]\nno = "nein"\n[deals.columns]\nclosed_on = "closed_on"\n')
    )
    assert book.deals["status"].tolist() == ["lost", "open"]


def test_a_value_nobody_knows_is_refused_only_where_no_flag_tells(write_book: Write) -> None:
    deals = "deal_id,created_on,status,closed\nA,2025-01-01,Odd,no\nB,2025-01-01,Odd,\n"
    faults = check_book(write_book(deals, toml='[deals.flags]\nclosed = "closed"\n')).faults
    assert [(f.kind, f.value, f.line) for f in faults if "no flag tells" in f.rule] == [("E", "Odd", 3)]


SCOPE = """deal_id,created_on,status,amount,Type,Area
A,2025-01-01,open,1,New,EMEA
B,2025-01-01,open,2,Renewal,EMEA
C,2025-01-01,open,4,Test,US
D,2025-01-01,open,8,,US
E,2025-01-01,open,16,New,
"""


def test_rows_are_left_out_by_the_value_of_a_column_and_counted(write_book: Write) -> None:
    book = open_book(write_book(SCOPE, toml='[deals.leave_out]\nType = ["Renewal", "Test"]\n'))
    assert book.deals["deal_id"].tolist() == ["A", "D", "E"]
    assert book.reading.rows() == {"read": 5, "used": 3, "out of scope": 2, "set aside": 0}
    assert book.reading.money()["EUR"]["out of scope"] == 6
    assert book.reading.unread == {"deals.csv": ("Area",)}
    book = open_book(write_book(SCOPE, toml='[deals.only]\nArea = ["EMEA", ""]\n[deals.leave_out]\nType = "Renewal"\n'))
    assert book.deals["deal_id"].tolist() == ["A", "E"]


def test_what_is_left_out_must_be_there(write_book: Write) -> None:
    with pytest.raises(DataRefused, match=r"\[deals.leave_out\] Typ: the column 'Typ' is missing. Did you mean 'Type'"):
        open_book(write_book(SCOPE, toml='[deals.leave_out]\nTyp = ["Test"]\n'))
    reading = open_book(write_book(SCOPE, toml='[deals.leave_out]\nType = ["test"]\n')).reading
    assert told(reading.faults, "Type") == [
        ("W", "test", "[deals.leave_out]: no row has the value 'test' in this column", 0, 1)
    ]


LINES = """Order,Line,created_on,status,amount
1,1,2025-01-01,open,5
1,2,2025-01-01,open,5
2,1,2025-01-02,open,6
"""


def test_a_key_of_several_columns(write_book: Write) -> None:
    book = open_book(write_book(LINES, toml='[deals]\nkey = ["Order", "Line"]\n'))
    assert book.deals["deal_id"].tolist() == ["1/1", "1/2", "2/1"]
    rule = "the same as a row above in all but its key: perhaps one deal twice, and both are used"
    assert told(book.reading.faults, "deal_id") == [("W", "1/2", rule, 3, 1)]


def test_a_key_of_the_row(write_book: Write) -> None:
    toml = '[deals]\nkey = "row"\nfiles = ["deals.csv", "leads.csv"]\n[deals.columns]\nname = "Order"\n'
    book = open_book(write_book(LINES, leads=LINES, toml=toml + '[leads]\nkey = "row"\nfiles = "leads.csv"\n'))
    assert book.deals["deal_id"].tolist() == ["deals/1", "deals/2", "deals/3", "leads/1", "leads/2", "leads/3"]
    assert [(kind, value, count) for kind, value, _, _, count in told(book.reading.faults, "deal_id")] == [
        ("W", "deals/2", 4)
    ]


def test_a_key_with_an_empty_part_sets_the_row_aside(write_book: Write) -> None:
    faults = check_book(write_book(LINES + "3,,2025-01-02,open,6\n", toml='[deals]\nkey = ["Order", "Line"]\n')).faults
    assert ("Q", "", "is empty and must not be", 5, 1) in told(faults, "deal_id")
    assert check_book(write_book(LINES, toml='[deals]\nkey = ["Order", "Nr"]\n')).refused


def test_what_a_column_means_is_said_and_a_status_that_must_be_there(write_book: Write) -> None:
    toml = (
        '[deals.remarks]\namount = "net of tax"\n[deals.expects]\nlost = "no loss is there"\nopen = "nothing is open"\n'
    )
    faults = open_book(write_book(SCOPE, toml=toml)).reading.faults
    assert [(f.kind, f.column, f.rule, f.count) for f in faults if f.column in ("amount", "status")] == [
        ("W", "amount", "net of tax", 5),
        ("W", "status", "no loss is there", 1),
    ]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[deals.columns]\namount = { wonn = "x" }', "there is no such name here. Did you mean 'won'"),
        ('[deals.columns]\nstatus = { won = "x" }', "not a table by status"),
        ('[deals.columns]\ndeal_id = { won = "x" }', "not a table by status"),
        ('[deals.columns]\namount = { won = "" }', "no status has a column here"),
        ('[partners.columns]\nname = { won = "x" }', "not a table by status"),
        ("[deals.columns]\namount = [1]", "a text in quotes or a list of them"),
        ('[deals.columns]\namount = [""]', "a text in quotes or a list of them"),
        ("[deals.columns]\ndeal_id = []", "the column must be read"),
        ('[partners.flags]\nwon = "x"', "the table has no status"),
        ('[deals.flags]\nwin = "x"', "there is no such name here"),
        ('[deals.flags]\nyes = ["x"]\nno = ["x"]', "'x' stands under yes and no"),
        ('[deals.flags]\ndecides = "both"', "is not one of 'flags', 'values'"),
        ('[deals]\nkey = "Order"', 'a list of columns of the export is expected, or "row"'),
        ("[deals]\nkey = []", "a list of columns"),
        ('[deals]\nkey = ["a", "a"]', "named twice"),
        ('[deals]\nkey = ["a"]\n[deals.columns]\ndeal_id = "b"', "is also in"),
        ('[history]\nkey = "row"\nfiles = "deals.csv"', "no key to be made"),
        ("[deals.leave_out]\nType = []", "a list of values is expected"),
        ("[deals.only]\nType = 3", "a list of values is expected"),
        ("[deals]\nonly = 3", "a table of names and values"),
        ("[deals.probabilities]\nA = 101", "a share like 0.1 or a percentage like 10"),
        ("[deals.probabilities]\nA = true", "a share like 0.1"),
        ("[deals.probabilities]\nA = 10\nB = 0.5", "Write all as shares"),
        ('[leads]\nfiles = "deals.csv"\n[leads.probabilities]\nA = 10', "only .deals. has stages"),
        ("[deals.remarks]\nstages = 'x'", "there is no such name here"),
        ("[deals.expects]\nwon = 1", "a text in quotes"),
    ],
)
def test_what_cannot_be_said_of_rows(write_book: Write, toml: str, said: str) -> None:
    if toml.startswith("[partners"):
        toml = '[partners]\nfiles = "deals.csv"\n' + toml
    with pytest.raises(UsageError, match=said):
        open_book(write_book(SCOPE, toml=toml + "\n"))
