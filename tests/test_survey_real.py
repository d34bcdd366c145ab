"""Real exports that nobody here has made: from their files to a book by init alone, and then to the known figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from test_real_data import FIGURES, MAVEN, compare, expected, same
from test_survey import EDITS, SECONDS, Way, way_to_a_book

import partnerkpi as pk
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpis import average_deal_size, number_of_deals
from partnerkpi.kpis.deal_velocity import naive_days
from partnerkpi.kpis.marketing_channels import leads
from partnerkpi.kpis.number_of_deals import won_amount

RealBook = Callable[[str], Path]
Edits = tuple[tuple[str, str], ...]
DOLLARS = ("# currency", "EUR -> USD")
EDITED: dict[str, Edits] = {
    **{name: (DOLLARS, ('# partner_id = "manager"', "")) for name in MAVEN},
    "olist": (
        ("# currency", "EUR -> BRL"),
        ('# partner_id = "sdr_id"', "partner_id -> unit"),
        ('# partner_id = "sr_id"', "partner_id -> rep"),
    ),
    "adventureworks": (DOLLARS,),
    "salesforce-shaped": (
        DOLLARS,
        ('# partner_id = "OwnerId"', ""),
        ("extracted_on", "2022-12-24 -> 2022-12-31"),
    ),
}


@pytest.fixture
def drafted(real_book: RealBook, capsys: pytest.CaptureFixture[str]) -> Callable[[str], pk.Book]:
    """A function that makes a book of a real folder with init, and opens it."""

    def make(name: str) -> pk.Book:
        folder = real_book(name)
        (folder / "book.toml").unlink()
        way: Way = way_to_a_book(folder, EDITED[name], capsys)
        assert way.exit_code == 0, way.text[-3_000:]
        assert way.edits <= EDITS
        assert way.seconds < SECONDS
        return pk.open_book(folder)

    return make


@pytest.mark.parametrize("name", MAVEN)
def test_maven_in_two_edits_is_equal_in_every_cell(name: str, drafted: Callable[[str], pk.Book]) -> None:
    book = drafted(name)
    for file, by, rows in (("manager", "partner", 30), ("region", "unit", 15), ("agent", "rep", 150)):
        lines = expected(f"maven_{file}_quarter")
        assert compare(book, by, lines, "partner", FIGURES) == rows * len(FIGURES)
    assert book.reading.rows("deals") == {"read": 8800, "used": 8300, "out of scope": 500, "set aside": 0}


def test_olist_in_three_edits_is_equal_in_every_cell(drafted: Callable[[str], pk.Book]) -> None:
    book = drafted("olist")
    for file, by in (("origin", "channel"), ("sdr", "unit"), ("sr", "rep"), ("total", "media")):
        lines = expected(f"olist_{file}_quarter")
        for line in lines:
            line["partner"] = {"(null)": UNASSIGNED, "ALL": ALL}.get(line["partner"], line["partner"])
        figures: dict[str, pk.Kpi] = {"won": number_of_deals, "won_amount": won_amount}
        if file in ("origin", "total"):
            figures["leads"] = leads
        assert compare(book, by, lines, "partner", figures) == len(lines) * len(figures)
    media = [x for x in expected("olist_channel_quarter") if x["partner"] in ("paid", "earned", "owned")]
    assert compare(book, "media", media, "partner", {"leads": leads, "won": number_of_deals}) == 42


def test_adventureworks_in_one_edit_is_equal_in_every_cell(drafted: Callable[[str], pk.Book]) -> None:
    book = drafted("adventureworks")
    figures: dict[str, pk.Kpi] = {"deals": number_of_deals, "won_amount": won_amount, "avg_deal": average_deal_size}
    assert compare(book, "partner", expected("aw_reseller_quarter"), "rk", figures) == 3600 * 3
    total = [line | {"rk": ALL} for line in expected("aw_total_quarter")]
    assert compare(book, "partner", total, "rk", figures) == 12 * 3
    assert compare(book, "country", expected("aw_country_quarter"), "Country_Region", figures) == 48 * 3


def test_the_salesforce_shaped_export_in_three_edits(drafted: Callable[[str], pk.Book]) -> None:
    book = drafted("salesforce-shaped")
    lines = [x | {"partner": ALL} for x in expected("preppin_total_quarter") if x["rule"] == "flags"]
    figures = {name: FIGURES[name] for name in ("won", "won_amount", "avg_deal", "win_rate")} | {"med_days": naive_days}
    assert compare(book, "partner", lines, "partner", figures) == 4 * 5
    days = book.history.sort_values(["deal_id", "changed_at"], kind="stable")
    days["days"] = -days.groupby("deal_id", sort=False)["changed_at"].diff(-1).dt.days
    for line in expected("preppin_days_in_stage"):
        mine = days.loc[(days["stage"] == line["stage"]).to_numpy(), "days"]
        assert (len(mine), mine.notna().sum()) == (int(line["n"]), int(line["with_exit"]))
        assert same(float(mine.median()), line["med_days_in_stage"])
