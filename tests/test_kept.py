"""A kept scorecard beside a later telling of the book: each figure that differs, from what to what, and whose deals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.cli import run
from partnerkpi.errors import UsageError
from partnerkpi.kept import RESTATED, restated_figures

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id\n"
THEN = HEAD + "A,2025-10-01,won,2025-11-01,100,P\nB,2025-10-01,won,2025-11-02,50,Q\nC,2025-10-01,lost,2025-11-03,70,P\n"
NOW = THEN.replace("A,2025-10-01,won,2025-11-01,100", "A,2025-10-01,won,2025-11-01,130") + (
    "D,2025-12-01,won,2025-12-20,40,P\n"
)
PAST = "deal_id,changed_at,status,amount,partner_id,recorded_at\n" + "".join(
    f"{deal},2025-10-01,open,{amount},{who},\n{deal},{day},{status},{amount},{who},\n"
    for deal, day, status, amount, who in (
        ("A", "2025-11-01", "won", 100, "P"),
        ("B", "2025-11-02", "won", 50, "Q"),
        ("C", "2025-11-03", "lost", 70, "P"),
    )
)
LATER = PAST + ("A,2026-01-10,won,130,P,\nD,2025-12-01,open,40,P,2026-01-05\nD,2025-12-20,won,40,P,2026-01-05\n")


def book_of_day(write_book: Write, deals: str, history: str, day: str) -> Path:
    header = f'[book]\nname = "Test"\ncurrency = "EUR"\nextracted_on = {day}\n'
    return write_book(deals, history=history, book=header)


@pytest.fixture
def kept(write_book: Write, tmp_path: Path) -> Path:
    card = tmp_path / "kept.csv"
    folder = book_of_day(write_book, THEN, PAST, "2025-12-31")
    assert run(["score", str(folder), "-q", "2025Q4", "-o", str(card)]) == 0
    return card


def test_each_figure_that_differs_is_listed_with_both_values_and_the_deals_that_changed(
    write_book: Write, kept: Path
) -> None:
    book = pk.open_book(book_of_day(write_book, NOW, LATER, "2026-01-31"))
    table = restated_figures(book, kept, "2025Q4")
    assert tuple(table) == RESTATED
    of = table.set_index(["group", "kpi", "figure"])
    wins = of.loc[("P", "number_of_deals", "headline")]
    assert (wins["value_then"], wins["value_now"], wins["deals"]) == (1, 2, "A D")
    won = of.loc[("all", "number_of_deals", "won_amount")]
    assert (won["value_then"], won["value_now"], won["deals"]) == (150, 220, "A D")
    assert "Q" not in set(table["group"])
    assert set(table["as_of_then"]) == {"2025-12-31"}
    assert set(table["as_of_now"]) == {"2026-01-31"}


def test_the_same_book_restates_nothing(write_book: Write, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = book_of_day(write_book, THEN, PAST, "2025-12-31")
    assert run(["restated", str(folder), "-q", "2025Q4", "--against", str(kept)]) == 0
    assert capsys.readouterr().out == "nothing was restated\n"


def test_a_changed_digit_of_the_kept_one_is_seen(write_book: Write, kept: Path) -> None:
    card = pd.read_csv(kept, dtype=str, keep_default_na=False)
    line = card.index[(card["group"] == "Q") & (card["kpi"] == "average_deal_size") & (card["figure"] == "headline")][0]
    card.loc[line, "value"] = "50.01"
    card.to_csv(kept, index=False)
    book = pk.open_book(book_of_day(write_book, THEN, PAST, "2025-12-31"))
    table = restated_figures(book, kept)
    assert table[["group", "kpi", "value_then", "value_now"]].values.tolist() == [
        ["Q", "average_deal_size", 50.01, 50.0]
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "is no scorecard"),
        ("", "cannot be read as a scorecard"),
        (None, "There is no file"),
    ],
)
def test_what_is_no_scorecard_is_refused(write_book: Write, tmp_path: Path, text: str | None, said: str) -> None:
    book = pk.open_book(book_of_day(write_book, THEN, PAST, "2025-12-31"))
    if text is not None:
        (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        restated_figures(book, tmp_path / "x.csv")


def test_a_later_scorecard_and_another_quarter_are_refused(write_book: Write, kept: Path) -> None:
    earlier = pk.open_book(book_of_day(write_book, THEN, PAST, "2025-12-31"), as_of="2025-12-30")
    with pytest.raises(UsageError, match="set an earlier scorecard beside a later book"):
        restated_figures(earlier, kept)
    book = pk.open_book(book_of_day(write_book, THEN, PAST, "2025-12-31"))
    with pytest.raises(UsageError, match="has nothing of 2025Q3, only of 2025Q4"):
        restated_figures(book, kept, "2025Q3")
