from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from partnerkpi.errors import DataRefused, UsageError
from partnerkpi.opening import open_book

Write = Callable[..., Path]
DEALS = """deal_id,created_on,status,closed_on,amount,currency
A,2025-01-01,won,2025-02-15,100.00,USD
B,2025-01-01,open,,100.00,USD
C,2025-01-01,open,,0.05,USD
D,2025-01-01,won,2025-02-15,7.77,
"""
RATES = "currency,date,rate\nUSD,2025-03-01,0.5\nUSD,2025-02-01,0.90\nUSD,2025-02-16,0.10\n"


def test_closed_deals_take_the_rate_of_their_closing_and_open_ones_that_of_the_as_of_day(write_book: Write) -> None:
    book = open_book(write_book(DEALS, rates=RATES))
    assert book.deals["amount"].tolist() == [90.0, 50.0, 0.02, 7.77]  # 0.025 is rounded half to even
    assert book.deals["amount_original"].tolist() == [100.0, 100.0, 0.05, 7.77]
    assert list(book.deals["currency"]) == ["USD", "USD", "USD", "EUR"]
    assert book.money_digits == 2
    before = open_book(write_book(DEALS, rates=RATES), "2025-02-20", allow_approximate=True)
    assert before.deals["amount"].tolist() == [90.0, 10.0, 0.0, 7.77]
    day = pd.Timestamp("2025-02-28")
    assert book.in_book_currency(book.spells, day)["amount"].tolist()[:3] == [10.0, 10.0, 10.0]


def test_the_account_is_kept_in_each_currency(write_book: Write) -> None:
    money = open_book(write_book(DEALS, rates=RATES)).reading.money()
    assert money["USD"]["used"] == 20005
    assert money["EUR"]["used"] == 777


def test_a_second_currency_without_rates_is_refused_naming_it(write_book: Write) -> None:
    with pytest.raises(DataRefused, match=r"'USD': no rate for USD in the rates table.*EUR \(3 rows, first: line 2\)"):
        open_book(write_book(DEALS))


def test_a_day_before_the_first_rate_is_refused(write_book: Write) -> None:
    late = "currency,date,rate\nUSD,2025-03-01,0.5\n"
    with pytest.raises(DataRefused, match="no rate on or before the day for USD"):
        open_book(write_book(DEALS, rates=late))
    with pytest.raises(UsageError, match="On 2025-01-15 the book had no rate for USD"):
        open_book(write_book(DEALS, rates=RATES), "2025-01-15", allow_approximate=True)


def test_spend_is_converted_at_the_rate_of_the_month(write_book: Write) -> None:
    spend = "channel,month,amount,currency\nweb,2025-03-31,10.00,USD\nweb,2025-03,10.00,\n"
    book = open_book(write_book(DEALS, rates=RATES, spend=spend))
    assert book.spend["amount"].tolist() == [5.0, 10.0]


def test_digits_are_those_read_and_at_most_six(write_book: Write) -> None:
    head = "deal_id,created_on,status,amount\n"
    assert open_book(write_book(head + "A,2025-01-01,open,5\n")).money_digits == 0
    book = open_book(write_book(head + "A,2025-01-01,open,0.123456789\n"))
    assert book.money_digits == 6
    assert book.deals["amount"].tolist() == [0.123457]


def test_sums_stay_exact_beyond_what_64_bits_hold(write_book: Write) -> None:
    rows = "".join(f"A-{i},2025-01-01,open,999999999999.999999\n" for i in range(12))
    reading = open_book(write_book("deal_id,created_on,status,amount\n" + rows)).reading
    one = round(999999999999.999999 * 10**6)
    assert reading.money()["EUR"]["used"] == 12 * one
