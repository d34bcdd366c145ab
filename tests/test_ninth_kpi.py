"""A ninth KPI, made up here, works everywhere without another edit.

The largest deal won in the quarter; this text is its definition.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import cli, compare, figures, show
from partnerkpi.batch.plan import PARAMETERS, Chapter, planned
from partnerkpi.deals import priced, won_in
from partnerkpi.experience import STEADY, Experience, Ints
from partnerkpi.kpi import kpi
from partnerkpi.periods import Quarter
from partnerkpi.recorded import need_won_amounts
from partnerkpi.show.html import end_figures
from partnerkpi.statistics import answer, values_of
from partnerkpi.wording import PRICED_DEALS, Code

QUARTER = "2025Q4"
ROOT = Path(__file__).resolve().parent.parent


def largest(rows: pd.DataFrame, codes: Ints, groups: int, _: Experience = STEADY) -> pd.DataFrame:
    """The largest value of each group."""
    held = pd.Series(values_of(rows)).groupby(codes).max().reindex(range(groups))
    return answer(held.to_numpy(), np.bincount(codes, minlength=groups), reason=Code.NO_INTERVAL())


def sold(book: pk.Book, quarter: Quarter) -> pd.DataFrame:
    need_won_amounts(book)
    deals = priced(won_in(book.deals, quarter))
    return deals.assign(value=deals["amount"])


@kpi(
    title="Largest deal",
    formula="the largest won amount",
    unit="money",
    counts=PRICED_DEALS,
    better="higher",
    kind="flow",
    span="quarter",
    rose="The largest deal became larger",
    fell="The largest deal became smaller",
    statistic=largest,
)
def largest_deal(book: pk.Book, quarter: Quarter) -> pd.DataFrame:
    """How large was the largest deal?"""
    return sold(book, quarter)


@largest_deal.companion(title="Largest deal of all time", formula="the largest won amount so far", stands_in=True)
def largest_ever(book: pk.Book, quarter: Quarter) -> pd.DataFrame:
    """How large was the largest deal so far?"""
    need_won_amounts(book)
    deals = priced(book.deals[(book.deals["status"] == "won") & (book.deals["closed_on"] <= quarter.last_day)])
    return deals.assign(value=deals["amount"])


NINE = (*pk.KPIS, largest_deal)


@pytest.fixture(autouse=True)
def nine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a line in `kpis/__init__.py` would do: the tuple holds one more, whoever has imported it."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "partnerkpi" and getattr(module, "KPIS", None) is pk.KPIS and module is not pk:
            monkeypatch.setattr(module, "KPIS", NINE)
    monkeypatch.setattr(pk, "KPIS", NINE)


@pytest.fixture(scope="module")
def sample() -> pk.Book:
    return pk.open_book()


def test_the_scorecard_has_it(sample: pk.Book) -> None:
    for by in ("none", "partner", "region"):
        card = pk.scorecard(sample, QUARTER, by=by)
        mine = card[card["kpi"] == "largest_deal"]
        assert list(mine["figure"].unique()) == ["headline", "largest_ever"]
        assert mine.groupby("figure").size().nunique() == 1
    won = won_in(sample.deals, sample.quarter(QUARTER))
    assert largest_deal(sample, QUARTER).value == won["amount"].max()
    alone = pk.scorecard(sample, QUARTER, partner="P-003")
    assert list(alone["kpi"].unique()) == [one.name for one in NINE]


def test_the_command_line_knows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["score", "-q", QUARTER, "--by", "none"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(NINE)
    assert "Largest deal" in lines[-1]
    assert "€" in lines[-1]
    for style in ("csv", "json", "xlsx"):
        out = tmp_path / f"score.{style}"
        assert cli.run(["score", "-q", QUARTER, "--by", "none", "-o", str(out)]) == 0
        assert out.stat().st_size
    assert {row["kpi"] for row in json.loads((tmp_path / "score.json").read_text())} == {one.name for one in NINE}
    for name in ("largest_deal", "largest_ever", "largest deal"):
        assert cli.run(["kpis", name]) == 0
        assert "How large was the largest deal" in capsys.readouterr().out
    assert cli.run(["kpis"]) == 0
    assert "largest_deal" in capsys.readouterr().out


def test_every_card_shows_it(sample: pk.Book) -> None:
    mine = sample.for_partner("P-003")
    for book in (sample, mine):
        cover = show.cover(book, QUARTER)
        assert cover.html.count("Largest deal") >= 1
        assert cover.text.count("\n") >= len(NINE)
        assert " eight " not in cover.html + cover.text
        assert "Largest deal" in show.headline(largest_deal, book, QUARTER).html
        assert "Largest deal of all time" in show.companions(largest_deal, book, QUARTER).html
        assert "How large was the largest deal?" in show.definition(largest_deal, book, QUARTER).text
        assert "this text is its definition" in show.definition(largest_deal, book, QUARTER).html
        assert "Largest deal by quarter" in show.trend(largest_deal, book, pk.quarters(QUARTER, back=3)).text
        scores = show.scores(book, QUARTER)
        assert "<strong>Largest deal</strong>" in scores.html
        assert "Largest deal of all time" in scores.text
        assert "Largest deal" in figures.definition("largest_deal")
    assert compare.change(largest_deal, mine, QUARTER, against="2025Q3").before.unit == "EUR"
    peers = compare.peers(largest_deal, mine, QUARTER)
    assert peers.n >= 5
    assert peers.median is not None


def test_the_end_of_a_notebook_names_it(sample: pk.Book) -> None:
    period = sample.quarter(QUARTER)
    assert list(end_figures("review", sample, period)) == [one.name for one in NINE]
    assert list(end_figures(largest_deal, sample, period)) == ["headline", "largest_ever"]
    assert show.end(largest_deal, sample, QUARTER).marker["chapter"] == "largest_deal"


def test_where_the_book_cannot_say_it_its_stand_in_leads() -> None:
    book = pk.book_of(as_of="2025-12-31", deals="deal_id,created_on,status,closed_on\nD1,2025-10-01,lost,2025-10-02\n")
    shown = show.headline(largest_deal, book, QUARTER)
    assert "wins are not recorded in this book; in its place: Largest deal of all time" in shown.text


def test_a_review_plans_it_and_a_slice_answers_it(
    sample: pk.Book, tmp_path: Path, write_notebook: Callable[[str], Path]
) -> None:
    folder = write_notebook("largest_deal")
    plan = planned(sample, QUARTER, ["P-003"], as_of=None, allow_set_aside=False, notebooks=folder)
    period = sample.quarter(QUARTER)
    mine = sample.for_partner("P-003")
    expected = plan.figures(plan.chapters[0], "P-003", period)
    assert expected == end_figures(largest_deal, mine, period)
    cover = Chapter(Path("00_review.ipynb"), "review")
    assert list(plan.figures(cover, "", period)) == [one.name for one in NINE]
    plan.write_slice("P-003", tmp_path / "slice")
    alone = pk.open_book(tmp_path / "slice")
    for one in (largest_deal, largest_ever):
        assert compare.peers(one, alone, QUARTER) == compare.peers(one, mine, QUARTER)
        assert one(alone, QUARTER) == one(mine, QUARTER)


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        folder = tmp_path / "notebooks"
        folder.mkdir()
        source = "\n".join(f'{parameter}: str = ""' for parameter in PARAMETERS)
        cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source, "outputs": []}
        (folder / f"09_{name}.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
        return folder

    return write


def test_nothing_says_how_many_there_are() -> None:
    """Neither code nor the templates count the KPIs in words."""
    for path in [*(ROOT / "partnerkpi").rglob("*.py"), *(ROOT / "partnerkpi").rglob("*.html")]:
        said = re.findall(r"(?i)\beight (?:kpis?|figures|headlines|notebooks|chapters)\b|\bthe eight\b",
                          path.read_text(encoding="utf-8"))  # fmt: skip
        assert not said, f"{path.relative_to(ROOT)} says {said}"
