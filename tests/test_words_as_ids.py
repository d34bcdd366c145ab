"""No id is a word of ours: partners, regions and channels may be called `all`, `unassigned`, `headline` or `none`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import cli, compare, show
from partnerkpi.batch import review
from partnerkpi.batch.plan import NETWORK, PARAMETERS, planned
from partnerkpi.export import to_csv, to_json, write_xlsx
from partnerkpi.figures import media_table
from partnerkpi.groups import ALL, UNASSIGNED, group_text
from partnerkpi.kpis import average_deal_size, number_of_deals, opportunity_pipeline
from partnerkpi.show.html import end_figures

QUARTER = "2025Q4"
IDS = [
    *("all", "unassigned", "none", "the network", "all partners", "headline", "index", "ALL"),
    *('"all"', '""', "''", " ", "0", "nan", "None", "null", "none_recorded", "unmapped"),
]


def deals(ids: list[str] = IDS) -> str:
    """A partner's place in the list is how many deals it won; its region and channel have the same name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["deal_id", "created_on", "status", "closed_on", "amount", "partner_id", "region", "channel"])
    for place, name in enumerate([*ids, ""], start=1):
        for number in range(place):
            writer.writerow([f"D{place}-{number}", "2025-10-01", "won", "2025-10-20", 100 * place, name, name, name])
    return out.getvalue()


@pytest.fixture
def folder(write_book: Callable[..., Path]) -> Path:
    return write_book(deals())


@pytest.fixture
def book(folder: Path) -> pk.Book:
    return pk.open_book(folder)


def wins(name: str) -> int:
    return IDS.index(name) + 1


EXPECTED = {name: wins(name) for name in IDS} | {UNASSIGNED: len(IDS) + 1}
EXPECTED[ALL] = sum(EXPECTED.values())
TEXTS = {group_text(group) for group in EXPECTED}


def test_every_group_has_a_text_of_its_own() -> None:
    assert len(TEXTS) == len(EXPECTED)
    assert group_text("all") == '"all"'
    assert group_text('"all"') == '""all""'
    assert group_text("P-003") == "P-003"


@pytest.mark.parametrize("by", ["partner", "region", "channel"])
def test_groups_keep_apart(by: str, book: pk.Book) -> None:
    table = number_of_deals.by(book, QUARTER, by)
    assert dict(zip(table["group"], table["value"], strict=True)) == EXPECTED
    card = pk.scorecard(book, QUARTER, by=by)
    own = card[(card["kpi"] == "number_of_deals") & (card["figure"] == "headline")]
    assert dict(zip(own["group"], own["value"], strict=True)) == EXPECTED
    shown = show.breakdown(table, "by group")
    assert all(text in shown.text for text in TEXTS)


def test_files_keep_them_apart(book: pk.Book, folder: Path, tmp_path: Path) -> None:
    card = pk.scorecard(book, QUARTER)
    figures = card[(card["kpi"] == "number_of_deals") & (card["figure"] == "headline")]
    told = {group_text(group): float(n) for group, n in EXPECTED.items()}
    read = list(csv.DictReader(io.StringIO(to_csv(figures))))
    assert {row["group"]: float(row["value"]) for row in read} == told
    assert {row["group"]: row["value"] for row in json.loads(to_json(figures))} == told
    again = pd.read_excel(write_xlsx(figures, tmp_path / "t.xlsx"), keep_default_na=False, engine="openpyxl")
    assert dict(zip(again["group"].astype(str), again["value"], strict=True)) == told
    out = tmp_path / "score.txt"
    assert cli.run(["score", str(folder), "-o", str(out)]) == 0
    lines = [line for line in out.read_text().splitlines() if "Number of deals" in line]
    assert len({line.partition(QUARTER)[0] for line in lines}) == len(EXPECTED)


@pytest.mark.parametrize("name", IDS)
def test_choosing_one(name: str, book: pk.Book) -> None:
    mine = book.for_partner(name)
    assert mine.partner == name
    assert number_of_deals(mine, QUARTER).value == wins(name)
    assert number_of_deals(book.where(region=name), QUARTER).value == wins(name)
    assert number_of_deals(book.without(partner_id=name), QUARTER).value == EXPECTED[ALL] - wins(name)
    alone = pk.scorecard(book, QUARTER, partner=name)
    assert set(alone["group"]) == {name}
    assert alone["value"].iloc[0] == 100 * wins(name)
    peers = compare.peers(average_deal_size, mine, QUARTER)
    assert peers.n == len(IDS) - 1
    assert name in show.about(mine, QUARTER).text


def test_no_partner_is_nobody(book: pk.Book) -> None:
    for nobody in ("", "All", "alle"):
        with pytest.raises(pk.UsageError, match="has no partner"):
            book.where(partner_id=nobody)
    assert number_of_deals(book.where(partner_id=None), QUARTER).value == EXPECTED[UNASSIGNED]
    assert book.where(partner_id=None).partner == ""


def test_the_channel_table_keeps_a_channel_and_no_channel_apart(book: pk.Book) -> None:
    table = media_table(book, QUARTER, "channel").set_index("channel")["won_deals"]
    assert table.index.is_unique
    assert table["none_recorded"] == EXPECTED[UNASSIGNED]
    assert table['"none_recorded"'] == wins("none_recorded")


def test_a_plan_and_its_slices(book: pk.Book, tmp_path: Path) -> None:
    plan = planned(book, QUARTER, None, as_of=None, allow_set_aside=False, notebooks=None)
    assert sorted(plan.partners) == sorted(IDS)
    assert len({file.casefold() for file in plan.files.values()}) == len(IDS) + 1
    assert len({folder.casefold() for folder in plan.folders.values()}) == len(IDS) + 1
    chapter = next(chapter for chapter in plan.chapters if chapter.name == "number_of_deals")
    for number, name in enumerate([NETWORK, *IDS]):
        expected = plan.figures(chapter, name, plan.quarters[0])
        assert expected["headline"] == (EXPECTED[ALL] if name == NETWORK else wins(name))
        plan.write_slice(name, tmp_path / str(number))
        own = pk.open_book(tmp_path / str(number))
        assert own.partner == name
        assert end_figures(number_of_deals, own, plan.quarters[0]) == expected
        assert compare.peers(opportunity_pipeline, own, QUARTER) == compare.peers(
            opportunity_pipeline, book.for_partner(name), QUARTER
        )


CELLS = """
import partnerkpi as pk
from partnerkpi import show
from partnerkpi.kpis import number_of_deals
mine = pk.open_book(book, as_of=as_of).for_partner(partner)
show.headline(number_of_deals, mine, quarter)
---
show.breakdown(number_of_deals.by(mine, quarter, "partner"), "By partner")
---
show.end(number_of_deals, mine, quarter)
"""


@pytest.mark.slow
def test_a_review_of_a_partner_called_all(write_book: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_book(deals(IDS[:4]))
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    parameters = "\n".join(f'{name}: str = ""' for name in PARAMETERS)
    sources = [parameters, *(part.strip() for part in CELLS.split("---"))]
    cells = [
        {
            **{"cell_type": "code", "id": f"c{number}", "source": source, "execution_count": None, "outputs": []},
            "metadata": {"tags": ["parameters"]} if not number else {},
        }
        for number, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (notebooks / "02_number_of_deals.ipynb").write_text(json.dumps(content))
    result = review(folder, QUARTER, ["all", "unassigned"], out=tmp_path / "out", notebooks=notebooks, jobs=1)
    assert result.exit_code == 0, str(result)
    assert {report.partner: report.state for report in result.reports} == dict.fromkeys(
        ("", "all", "unassigned"), "published"
    )
    pages = {report.partner: report.path.read_text(encoding="utf-8") for report in result.reports}
    assert ">1 deal<" in pages["all"]
    assert ">2 deals<" in pages["unassigned"]
    assert f">{1 + 2 + 3 + 4 + 5} deals<" in pages[NETWORK]
    assert "&#34;all&#34;" in pages["all"], "in its own breakdown it stands above the line of all"
    scores = list(
        csv.DictReader((tmp_path / "out" / QUARTER / "scorecard.csv").read_text(encoding="utf-8").splitlines())
    )
    assert {row["group"] for row in scores} == {'"all"', '"unassigned"', "none", "the network", "unassigned", "all"}
