"""Exports of other people's systems: what is read is what is there, and a few cells of figures computed elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from partnerkpi.book import Book, open_book

Real = Callable[[str], Path]


def won_by_quarter(book: Book) -> dict[str, tuple[int, float]]:
    won = book.deals[book.deals["status"] == "won"]
    quarter = won["closed_on"].dt.to_period("Q").astype(str)
    table = won.groupby(quarter)["amount"].agg(["size", "sum"]).round(2)
    return {str(q): (int(r["size"]), float(r["sum"])) for q, r in table.iterrows()}


@pytest.mark.parametrize("name", ["maven", "maven-mdy", "maven-ddmmyy"])
def test_maven(real_book: Real, name: str) -> None:
    book = open_book(real_book(name))
    assert book.reading.rows() == {"read": 8800, "used": 8300, "out of scope": 500, "set aside": 0}
    sums = {"read": 10005534, "used": 10005534, "out of scope": 0, "set aside": 0, "unknown": 0}
    assert book.reading.money()["USD"] == sums
    assert won_by_quarter(book) == {
        "2017Q1": (531, 1134672.0),
        "2017Q2": (1254, 3086111.0),
        "2017Q3": (1257, 2982255.0),
        "2017Q4": (1196, 2802496.0),
    }
    assert book.deals["status"].value_counts().to_dict() == {"won": 4238, "lost": 2473, "open": 1589}
    assert len(book.partners) == 6
    assert "GTXPro" not in set(book.deals["product"])
    cara = book.where(partner_id="Cara Losch")
    assert won_by_quarter(cara)["2017Q1"] == (64, 117389.0)
    spells = cara.spells[cara.spells["status"] == "open"]
    day = pd.Timestamp("2016-12-31")
    assert ((spells["from_day"] <= day) & ~(spells["to_day"] <= day)).sum() == 45


def test_the_three_ways_of_writing_maven_are_one_book(real_book: Real) -> None:
    books = [open_book(real_book(name)) for name in ("maven", "maven-mdy", "maven-ddmmyy")]
    for other in books[1:]:
        pd.testing.assert_frame_equal(books[0].deals, other.deals)
        pd.testing.assert_frame_equal(books[0].spells, other.spells)


def test_olist(real_book: Real) -> None:
    book = open_book(real_book("olist"))
    assert book.reading.rows("deals")["used"] == 842
    assert book.reading.rows("leads")["used"] == 8000
    assert len(book.prospects) == 8000
    assert book.prospects["status"].value_counts().to_dict() == {"open": 7158, "won": 842}
    assert won_by_quarter(book)["2018Q4"] == (27, 51523000.0)
    origin = book.prospects[book.prospects["channel"] == "paid_search"]
    assert (len(origin), (origin["status"] == "won").sum(), origin["amount"].sum()) == (1586, 195, 9169000.0)
    assert book.prospects["channel"].isna().sum() == 60
    assert (book.prospects["channel"] == "unknown").sum() == 1099
    assert [f.rule for f in book.reading.faults if f.column == "closed_on"] == [
        "closed before it was created: left out of durations"
    ]
    assert len(book.partners) == 0


def test_adventureworks(real_book: Real) -> None:
    book = open_book(real_book("adventureworks"))
    assert book.reading.rows("deals")["used"] == 3616
    assert book.reading.rows("partners")["used"] == 701
    assert won_by_quarter(book)["2017Q3"] == (173, 3195732.87)
    assert won_by_quarter(book)["2020Q2"] == (272, 5542698.29)
    assert won_by_quarter(book.where(partner_id="1"))["2017Q3"] == (1, 10993.39)
    assert book.partners["name"].duplicated().sum() == 2  # two names on two keys each stay four partners
    assert book.partners["partner_id"].is_unique
    targets = book.targets.set_index(book.targets["quarter"].astype(str))["amount"]
    assert (targets["2017Q3"], targets["2017Q4"]) == (13_050_000.0, 22_900_000.0)
