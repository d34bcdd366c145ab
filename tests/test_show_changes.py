"""What a reader sees of the waterfall and of why the won amount changed: pictures read back, tables added up."""

from __future__ import annotations

import re
from functools import cache

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import plot, show
from partnerkpi.show.changes import names_of_bars
from partnerkpi.waterfalls import LINES

QUARTER = "2025Q4"


@cache
def book() -> pk.Book:
    return pk.open_book()


def numbers(line: str) -> list[float]:
    return [
        float(text.replace(",", "").replace("−", "-"))
        for text in re.findall(r"(?<!\S)[+−]?[\d,]+(?:\.\d+)?(?!\S)", line)
    ]


@pytest.mark.parametrize("partner", ["", "P-003", "P-024"])
def test_the_drawing_is_the_table(partner: str) -> None:
    table = pk.waterfall(book().for_partner(partner), QUARTER)
    ax = plot.waterfall(table, title="T", names=names_of_bars(), unit="EUR")
    kept = table[(table["behind"] > 0) | table["bar"].isin(["opening", "closing"])]
    drawn = [bar.get_height() for bar in ax.patches]
    scale = 1000 if table["amount"].abs().max() >= 10_000 else 1
    assert drawn == pytest.approx((kept["amount"] / scale).tolist())
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches]
    assert tops[0] == pytest.approx(drawn[0])
    for before, bar in zip(tops[:-2], ax.patches[1:-1], strict=True):
        assert bar.get_y() == pytest.approx(before), "each bar begins where the one before ended"
    assert tops[-1] == pytest.approx(tops[-2] if len(tops) > 2 else tops[0]), "and the last is what they come to"
    assert ax.patches[-1].get_y() == 0
    names = names_of_bars()
    assert [t.get_text().replace("\n", " ") for t in ax.get_xticklabels()] == [names[bar] for bar in kept["bar"]]
    assert [t.get_text()[0] == "−" for t in ax.texts[1:-1]] == [amount < 0 for amount in kept["amount"].iloc[1:-1]]
    assert ax.get_ylabel() == ("EUR, thousands" if scale > 1 else "EUR")
    plt.close("all")


def test_the_picture_is_described() -> None:
    shown = show.waterfall(book().for_partner("P-003"), QUARTER)
    assert "<img" in shown.html
    assert "Pipeline, from 2025-09-30 to 2025-12-31: open before €196,931 (47 deals); created +€102,454" in shown.text
    assert shown.text.endswith("open at the end €202,256 (45 deals).]")


@pytest.mark.parametrize("as_of", [None, "2025-11-18"])
def test_a_reader_who_adds_up_the_table_finds_nothing_missing(as_of: str | None) -> None:
    part = pk.open_book(as_of=as_of).where(region="West")
    lines = show.bars(part, QUARTER).text.splitlines()[2:]
    assert [
        next(n for n in sorted(names_of_bars().values(), key=len, reverse=True) if line.startswith(n)) for line in lines
    ] == list(names_of_bars().values())
    cells = [numbers(line.replace("—", "0")) for line in lines]
    assert len(cells) == len(LINES)
    for column in zip(*cells, strict=True):
        assert sum(column[:-1]) == pytest.approx(column[-1], abs=1e-6)
    spans = 3 if as_of else 4  # the months that have begun, and the quarter
    assert len(cells[0]) == 2 * spans
    for row in cells[1:-1]:
        assert sum(row[1:-2:2]) == pytest.approx(row[-1], abs=1e-6), "the months make the quarter"


def test_the_largest_movements_stand_first() -> None:
    text = show.movements(book().for_partner("P-010"), "2025Q2").text
    assert "20 of 33 rows" in text
    assert re.search(r"2025-06-02\s+D-002459\s+transferred in\s+elsewhere\s+P-010\s+€0\s+€77,126\s+€77,126", text)
    assert re.search(r"transferred out\s+P-009\s+P-010", show.movements(book(), "2025Q2", "transferred_out").text)


def test_why_adds_up_and_agrees_with_the_figures() -> None:
    lines = show.why(book().for_partner("P-003"), QUARTER).text.splitlines()[2:]
    assert [line.split("  ")[0] for line in lines] == [
        *("2024Q4", "fewer deals: 5 after 11", "other products", "deal sizes", "2025Q4")
    ]
    amounts = [numbers(line)[-1] for line in lines]
    assert round(sum(amounts[:-1]), 2) == amounts[-1] == 10641.73
    groups = [numbers(line) for line in show.why_groups(book().for_partner("P-003"), QUARTER).text.splitlines()[2:]]
    assert [round(sum(row[place] for row in groups), 2) for place in (4, 5)] == amounts[2:4]
    assert "other regions" in show.why(book(), QUARTER, by="region").text
    assert "other shares by rep" in show.why(book(), QUARTER, by="rep").text


@pytest.mark.parametrize("what", [show.waterfall, show.bars, show.why])
def test_where_nothing_is_known_the_reason_stands(what: object) -> None:
    shown = what(book().for_partner("P-003"), "2022Q1")  # type: ignore[operator]
    assert "the book's records begin on 2023-01-01" in shown.text
    assert "nan" not in shown.html.lower()
    assert (
        show.movements(book(), "2022Q1").text.endswith("(no rows)")
        or "no rows" in show.movements(book(), "2022Q1").html
    )


def test_a_running_quarter_says_so() -> None:
    early = pk.open_book(as_of="2025-11-18")
    text = show.why(early, QUARTER).text
    assert "2024Q4, as many days" in text
    assert "2025Q4 to date, 49 of 92 days" in text
    assert "Pipeline, from 2025-09-30 to 2025-11-18" in show.waterfall(early, QUARTER).text


def test_a_bar_that_rounds_to_nought_has_no_sign() -> None:
    table = pd.DataFrame({"bar": ["opening", "lost", "closing"], "amount": [20_000.0, -30.0, 19_970.0]})
    names = {bar: bar for bar in table["bar"]}
    ax = plot.waterfall(table.assign(behind=[2, 1, 1]), title="W", names=names, unit="EUR")
    assert [text.get_text() for text in ax.texts] == ["20.0", "0.0", "20.0"]
    plt.close("all")
