from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerkpi.book import parse


def texts(*cells: str | None) -> pd.Series:
    return pd.Series(cells, dtype="str")


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "value"),
    [
        ("1234.50", ".", "", 1234.5),
        ("-0.01", ".", "", -0.01),
        ("+3", ".", "", 3.0),
        ("1,234,567.8", ".", ",", 1234567.8),
        ("1234567.8", ".", ",", 1234567.8),
        ("1.234,50", ",", ".", 1234.5),
        ("1\u202f234,5", ",", "\u202f", 1234.5),
        ("12,5", ",", "", 12.5),
        ("1.2E+07", ".", "", 12_000_000.0),
        ("1,2e3", ",", "", 1200.0),
        ("1.234,5E2", ",", ".", 123_450.0),
        ("-25e-2", ".", ",", -0.25),
        ("(100)", ".", ",", -100.0),
        ("−5", ".", ",", -5.0),
        (" 5\u00a0", ".", ",", 5.0),
        ("€5", ".", ",", 5.0),
        ("-$1,234.50", ".", ",", -1234.5),
        ("$-5", ".", ",", -5.0),
        ("(1.234,50 €)", ",", ".", -1234.5),
        ("€ (5)", ",", ".", -5.0),
        ("1\u202f234,50\u00a0€", ",", " ", 1234.5),
        ("1\u00a0234\u2009567", ",", "\u202f", 1234567.0),
        ("1’234'567.5", ".", "'", 1234567.5),
        ("USD 1.2E+07", ".", ",", 12_000_000.0),
        ("CHF\u00a05", ".", ",", 5.0),
        ("5 kr.", ".", ",", 5.0),
    ],
)
def test_an_amount_is_read_as_declared(text: str, decimal: str, thousands: str, value: float) -> None:
    parsed = parse.amounts(texts(text), decimal, thousands)
    assert parsed.values.tolist() == [value]
    assert not parsed.bad


@pytest.mark.parametrize(
    "text",
    [
        "1e",
        "e5",
        "1e5.0",
        "1e1234",
        "inf",
        "nan",
        "NaN",
        "-",
        ".5",
        "5.",
        "1,23",
        "12,5",
        "1,2345.0",
        "(100",
        "-(100)",
        "$5 €",
        "5 ABC",
        "0,123",
        "€",
        "5€-",
        "0x1",
        "1_000",
        "٣",
    ],
)
def test_what_is_no_amount_has_no_value(text: str) -> None:
    parsed = parse.amounts(texts(text, "7"), ".", ",")
    assert parsed.values.isna().tolist() == [True, False]
    assert [m.tolist() for m in parsed.bad.values()] == [[True, False]]


def test_too_large_an_amount_has_no_value() -> None:
    parsed = parse.amounts(texts("1000000000000", "1000000000001", "1" + "0" * 400, "1e13", "9e999"))
    assert parsed.values.isna().tolist() == [False, True, True, True, True]


def test_an_exponent_counts_in_the_decimals_and_is_mentioned() -> None:
    assert parse.amounts(texts("1.2345E+02")).decimals == 2
    assert parse.amounts(texts("1.50E+04", "7")).decimals == 0
    assert parse.amounts(texts("25e-2")).decimals == 2
    parsed = parse.amounts(texts("1.2E+07", "7", None))
    assert [mask.tolist() for mask in parsed.odd.values()] == [[True, False, False]]
    assert not parse.amounts(texts("7")).odd


def test_a_point_before_three_digits_is_doubtful_unless_declared_or_proved() -> None:
    assert parse.amounts(texts("1.234", "5"), declared=False).wrong
    assert not parse.amounts(texts("1.234", "5")).wrong
    assert parse.amounts(texts("1.234", "5"), declared=False).values.isna().tolist() == [True, False]
    for proof in ("5.5", "0.500", "1234.500", "1.2345", "1.234E+05"):
        assert not parse.amounts(texts("1.234", proof), declared=False).wrong


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=20))
def test_amounts_are_exact_to_their_decimals(amounts: list[Decimal]) -> None:
    parsed = parse.amounts(texts(*(f"{a:f}" for a in amounts)))
    assert parsed.decimals == 2
    assert np.rint(parsed.values * 100).tolist() == [int(a * 100) for a in amounts]


@pytest.mark.parametrize(
    ("text", "form", "day"),
    [
        ("2025-03-31", "", "2025-03-31"),
        ("31/03/2025", "%d/%m/%Y", "2025-03-31"),
        ("3/1/2017", "%m/%d/%Y", "2017-03-01"),
        ("20-10-16", "%d-%m-%y", "2016-10-20"),
        ("29 Feb 2024", "%d %b %Y", "2024-02-29"),
        ("20250331", "%Y%m%d", "2025-03-31"),
        ("31.03.2025 23:30", "%d.%m.%Y %H:%M", "2025-03-31"),
        ("2025-03-31T23:30:00+0000", "%Y-%m-%dT%H:%M:%S%z", "2025-04-01"),
        ("2025-03-31T23:30:00Z", "%Y-%m-%dT%H:%M:%S%z", "2025-04-01"),
    ],
)
def test_a_day_is_read_as_declared(text: str, form: str, day: str) -> None:
    parsed = parse.days(texts(text, None), "day", form, "Europe/Berlin")
    assert parsed.values.tolist()[0] == pd.Timestamp(day)
    assert pd.isna(parsed.values.iloc[1])
    assert parsed.values.dtype == "datetime64[s]"
    assert not parsed.bad
    assert not parsed.wrong


@pytest.mark.parametrize(
    ("text", "form", "rule", "where"),
    [
        ("2023-02-29", "", "no such day", "bad"),
        ("0000-00-00", "", "no such day", "bad"),
        ("9999-12-31", "", "a year before 1900 or after 2199", "bad"),
        ("2025-3-1", "", "not written like 2025-12-31", "bad"),
        ("2025-03-31 25:00", "", "no such day", "bad"),
        ("2025-03-31 10", "", "not written like 2025-12-31", "bad"),
        ("45382", "", "spreadsheets", "bad"),
        ("45382", "%d/%m/%Y", "spreadsheets", "bad"),
        ("2025-03-31", "%d/%m/%Y", "not written like", "bad"),
        ("31/13/2025", "%d/%m/%Y", "no such day", "bad"),
        ("03/04/2024", "", "declare the format", "wrong"),
        ("03/04/24", "", "two digits", "wrong"),
        ("03/04/24", "%d/%m/%Y", "two digits", "wrong"),
        ("yesterday", "", "not written like", "bad"),
    ],
)
def test_what_is_no_day_as_declared_has_no_value(text: str, form: str, rule: str, where: str) -> None:
    parsed = parse.days(texts(text), "day", form, "UTC")
    assert parsed.values.isna().all()
    found = {"bad": parsed.bad, "wrong": parsed.wrong}[where]
    assert [rule in r for r in found] == [True]


def test_stamps_may_have_a_time_with_or_without_offset() -> None:
    parsed = parse.days(texts("2025-01-02", "2025-01-02T09:30:15", "2025-01-02 09:30"), "stamp", "", "Europe/Paris")
    assert [str(t) for t in parsed.values] == ["2025-01-02 00:00:00", "2025-01-02 09:30:15", "2025-01-02 09:30:00"]
    parsed = parse.days(texts("2025-01-02T23:30:00Z", "2025-01-02T23:30:00.123+01:00"), "stamp", "", "Europe/Paris")
    assert [str(t) for t in parsed.values] == ["2025-01-03 00:30:00", "2025-01-02 23:30:00"]
    mixed = parse.days(texts("2025-01-02T23:30:00Z", "2025-01-02T23:30:00"), "stamp", "", "Europe/Paris")
    assert list(mixed.wrong) == [
        'times with and without an offset in one column: say times = "UTC", or where they are from'
    ]
    assert not parse.days(texts("2025-01-02T23:30:00Z", "2025-01-02T23:30:00"), "stamp", "", "UTC", "UTC").wrong


@pytest.mark.parametrize(
    ("text", "form", "times", "day"),
    [
        ("2025-03-31", "", "UTC", "2025-03-31"),
        ("2025-03-31 23:30", "", "", "2025-03-31"),
        ("2025-03-31T23:30:00", "", "UTC", "2025-04-01"),
        ("2025-03-31T23:30:00.0000000", "", "UTC", "2025-04-01"),
        ("2025-03-31T23:30:00Z", "", "", "2025-04-01"),
        ("2025-03-31 23:30:00 UTC", "", "", "2025-04-01"),
        ("2025-03-31T23:30:00+02:00", "", "UTC", "2025-03-31"),
        ("2025-03-31 23:30:00 -05", "", "", "2025-04-01"),
        ("2025-03-31T23:30:00Z", "%Y-%m-%dT%H:%M:%SZ", "", "2025-04-01"),
        ("31.03.2025 23:30", "%d.%m.%Y %H:%M", "UTC", "2025-04-01"),
        ("31.03.2025", "%d.%m.%Y", "UTC", "2025-03-31"),
        ("2025-03-31 19:30", "", "America/New_York", "2025-04-01"),
    ],
)
def test_a_time_in_a_day_column_is_the_day_of_the_business_zone(text: str, form: str, times: str, day: str) -> None:
    parsed = parse.days(texts(text, None), "day", form, "Europe/Berlin", times)
    assert parsed.values.tolist()[0] == pd.Timestamp(day)
    assert not parsed.bad
    assert not parsed.wrong


def test_an_hour_that_clocks_skip_or_repeat_names_no_moment() -> None:
    parsed = parse.days(texts("2025-03-30 02:30", "2025-10-26 02:30"), "day", "", "UTC", "Europe/Berlin")
    assert {rule: mask.tolist() for rule, mask in parsed.bad.items()} == {
        "a time at which the clocks of Europe/Berlin were changed": [True, True]
    }


def test_months_are_their_first_day() -> None:
    parsed = parse.days(texts("2025-02", "2025-02-28"), "month", "", "UTC")
    assert parsed.values.tolist() == [pd.Timestamp("2025-02-01")] * 2


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        (["1 234,50 €", "12,5", "x"], ['not an amount: say decimal = "," and thousands = " "', "not an amount"]),
        (["1.234,50", "5"], ['not an amount: say decimal = "," and thousands = "."']),
        (["12,50", "5"], ['not an amount: say decimal = ","']),
        (["12,500", "5"], ["not an amount: declare decimal and thousands"]),
        (["1 234", "5"], ['not an amount: say thousands = " "']),
    ],
)
def test_what_would_read_the_column_is_said(cells: list[str], rules: list[str]) -> None:
    assert list(parse.amounts(texts(*cells), declared=False).bad) == rules


def test_a_declaration_that_does_not_fit_is_named() -> None:
    parsed = parse.amounts(texts("12,5", "1,2345", "1,234"), ".", ",")
    assert parsed.values.fillna(0).tolist() == [0, 0, 1234]
    assert list(parsed.bad) == ['not an amount with decimal = "." and thousands = ","']
    assert parse.amounts(texts("1.234 €"), declared=False).wrong


def test_signs_beside_amounts_are_told() -> None:
    parsed = parse.amounts(texts("$5", "5", "(5 EUR)", "NA 5", None))
    assert parsed.signs is not None
    assert parsed.signs.tolist() == ["$", "", "EUR", "", ""]
    assert parse.amounts(texts("5")).signs is None


def test_percent_are_hundredths() -> None:
    parsed = parse.numbers(texts("12 %", "12%", "0.07\u00a0%", "12 %%x", "−1"))
    assert parsed.values.fillna(9).tolist() == [0.12, 0.12, 0.0007, 9, -1.0]
    assert list(parse.numbers(texts("0,85", "1")).bad) == ['not a number: say decimal = ","']
    assert parse.numbers(texts("1.234,5"), ",", ".").values.tolist() == [1234.5]


def test_numbers() -> None:
    assert parse.numbers(texts("1.234", "-2", None)).values.tolist()[:2] == [1.234, -2.0]
    assert parse.numbers(texts("1e3", "2,5E-1"), ",").values.tolist() == [1000.0, 0.25]
    unread = parse.numbers(texts("x", "1e", "1e999"))
    assert unread.values.isna().all()
    assert [mask.tolist() for mask in unread.bad.values()] == [[True, True, False], [False, False, True]]


@settings(deadline=None)
@given(st.dates(min_value=pd.Timestamp("1900-01-01").date(), max_value=pd.Timestamp("2199-12-31").date()))
def test_every_day_survives_every_way_of_writing_it(when: object) -> None:
    day = pd.Timestamp(str(when))
    for form in ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d"):
        declared = "" if form == "%Y-%m-%d" else form
        assert parse.days(texts(day.strftime(form)), "day", declared, "UTC").values.tolist() == [day]
