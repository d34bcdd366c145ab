"""A published page of a partner: it says one figure everywhere, answers first, and is short where there is little."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.batch import review
from partnerkpi.batch.plan import planned
from partnerkpi.book import Book
from partnerkpi.findings.verdict import Standing, judgement
from partnerkpi.opening import book_of
from partnerkpi.show.cover import who
from partnerkpi.show.states import before
from partnerkpi.wording import amount_text

QUARTER = "2025Q4"
FULL, LEFT, NOTHING = "P-003", "P-009", "P-024"
#: Printed pages a full review may have; a short one has one.
MOST = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of three partners of the sample book."""
    result = review("", QUARTER, [FULL, LEFT, NOTHING], out=tmp_path_factory.mktemp("reports"))
    assert result.exit_code == 0, str(result)
    return result.folders[0]


def file_of(folder: Path, partner: str) -> Path:
    (path,) = folder.glob(f"{partner}*.html")
    return path


def page_of(folder: Path, partner: str) -> LexborHTMLParser:
    return LexborHTMLParser(file_of(folder, partner).read_text(encoding="utf-8"))


def words(node: LexborNode) -> str:
    return " ".join(node.text(separator=" ").split())


def lines_of(section: LexborNode) -> dict[str, list[str]]:
    """The rows of the section's tables outside the fold, by their first cell; the first table that has one counts."""
    lines: dict[str, list[str]] = {}
    for row in section.css("table.pk-table tbody tr"):
        cells = [words(cell) for cell in row.css("th, td")]
        lines.setdefault(cells[0], cells[1:])
    return lines


@pytest.mark.slow
def test_card_picture_headline_table_and_sentence_say_one_figure(folder: Path) -> None:
    """Against the table of all partners, which is computed group by group and not in the page's notebooks."""
    page = page_of(folder, FULL)
    table = pd.read_csv(folder / "scorecard.csv")
    table = table[(table["group"] == FULL) & (table["quarter"] == QUARTER)]
    headlines = table[table["figure"] == "headline"].set_index("kpi")
    cards = page.css(".pk-card")
    assert len(cards) == len(pk.KPIS)
    for kpi, card in zip(pk.KPIS, cards, strict=True):
        line = headlines.loc[kpi.name]
        wanted = amount_text(line["value"], line["unit"])
        (anchor,) = (a.attributes["href"] for a in card.css(".pk-card-title a"))
        (section,) = page.css(str(anchor))
        assert words(card.css_first(".pk-card-value")) == wanted
        assert words(section.css_first(".pk-value")) == wanted
        for picture in (card.css_first("img"), section.css_first("img")):
            assert str(picture.attributes["alt"]).rstrip(".").endswith(f"{QUARTER} {wanted}"), kpi.name
        if kpi.name != "marketing_channels":  # broken down by media, whose columns are other figures
            assert lines_of(section)["all"][0] == wanted
        year_before = words(section.css_first(".pk-beside dd")).partition(",")[0]
        assert year_before in words(card), kpi.name
    figures = table.set_index("figure")
    won, reached = (amount_text(*figures.loc[name, ["value", "unit"]]) for name in ("won_amount", "attainment"))
    verdict = words(page.css_first(".pk-headline-line"))
    assert f"It won {won} this quarter, {reached} of the target" in verdict
    (deals,) = page.css("#number-of-deals")
    assert (lines_of(deals)["Won amount"][0], lines_of(deals)["Attainment"][0]) == (won, reached)
    (trend,) = (str(i.attributes["alt"]) for i in page.css("#review img") if "Won amount" in str(i.attributes["alt"]))
    assert f"{QUARTER} {won}." in trend
    last = page.css("#review table.pk-table")
    (why,) = (t for t in last if "Why the won amount changed" in words(t))
    assert float(lines_of_table(why)[QUARTER].replace(",", "")) == round(figures.loc["won_amount", "value"], 2)


def lines_of_table(table: LexborNode) -> dict[str, str]:
    return {words(row.css_first("th")): words(row.css_first("td")) for row in table.css("tbody tr")}


@pytest.mark.slow
def test_the_answer_stands_before_its_method_and_what_is_linked_is_there(folder: Path) -> None:
    text = file_of(folder, FULL).read_text(encoding="utf-8")
    body = text[text.index("<main") :]
    order = ["pk-headline-line", "pk-actions", 'class="pk-cards"', 'id="average-deal-size"', 'id="about"', "<footer"]
    assert [body.index(mark) for mark in order] == sorted(body.index(mark) for mark in order)
    assert "What these figures rest on" not in body[: body.index('id="about"')]
    page = page_of(folder, FULL)
    for section in page.css("section.chapter"):
        html = str(section.html)
        folds = section.css("details.lesson")
        assert len(folds) == 1, "one fold"
        assert "open" not in folds[0].attributes
        if section.attributes["id"] == "about":
            continue
        inside = html.index('<details class="lesson"')
        assert html.index("pk-value") < html.index("<img") < html.index("<table") < inside
        assert html.index("pk-definition") > inside
        assert html.count("How to read it") == 1
    assert len(page.css("section.chapter")) == len(pk.KPIS) + 1
    rest = lines_of_table(page.css_first("#about table.pk-table"))
    assert rest["found in the data"] == (
        "deals, expected close on: open, though the expected closing has passed (20 rows)"
    )
    rows = {words(a): a.attributes["href"] for a in page.css(".pk-actions a")}
    assert rows["show the 59 rows"] == "#behind-2"
    assert len(page.css("#behind-2 tbody tr")) == 59


@pytest.mark.slow
def test_whoever_left_or_has_no_deals_gets_one_card_and_no_chapters(folder: Path) -> None:
    for partner, told in ((LEFT, "It left the programme on 2025-05-31."), (NOTHING, "It has never had a deal")):
        page = page_of(folder, partner)
        assert told in words(page.css_first(".pk-headline-line"))
        assert [s.attributes["id"] for s in page.css("main section")] == ["review", "about"]
        assert not page.css("img")
        assert page.css(".pk-todo li")
        assert not page.css("nav"), "there is nothing to go to"
        link = page.css_first(".days a")
        assert (words(link), link.attributes["href"]) == ("part of the reviews of 2025Q4", "index.html")
        assert "beside this one" in str(link.attributes["title"]), "a page that is sent alone says why it does not open"
        assert [p.name for p in (folder / "notebooks" / partner).iterdir()] == ["00_review.ipynb"]
    gone = words(page_of(folder, LEFT).css_first(".pk-cover"))
    assert "16 of its open deals went to Polaris Froid" in gone
    assert "Nothing is open in its name." in gone


@pytest.mark.slow
def test_pages_print_short(folder: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium here to print with")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    for partner, most in ((FULL, MOST), (LEFT, 1), (NOTHING, 1)):
        pdf = tmp_path / f"{partner}.pdf"
        own = [f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", "--no-pdf-header-footer"]
        command = [chromium, *flags, *own, file_of(folder, partner).as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf.read_bytes())) <= most, partner


def test_what_was_is_counted_from_the_deals(sample: Book) -> None:
    mine = sample.for_partner(LEFT)
    won = mine.deals[(mine.deals["status"] == "won").to_numpy()]
    each = won.groupby(won["closed_on"].dt.to_period("Q").astype(str))["amount"].agg(["size", "sum"])
    each = each.sort_index(ascending=False).head(4)
    told = before(mine, sample.quarter(QUARTER)).set_index("quarter")
    assert told["won_deals"].to_dict() == each["size"].to_dict()
    assert told["won_amount"].to_dict() == pytest.approx(each["sum"].to_dict())


@pytest.fixture(scope="module")
def sample() -> Book:
    return pk.open_book()


def test_who_has_just_joined_gets_a_short_card_and_no_chapters(sample: Book) -> None:
    quarter = sample.quarter("2025Q3")
    mine = sample.for_partner("P-011")
    assert judgement(mine, quarter).standing is Standing.JOINED
    card = LexborHTMLParser(show.cover(mine, quarter).html)
    assert "It joined on 2025-08-11." in words(card.css_first(".pk-headline-line"))
    assert not card.css(".pk-card")
    open_then = mine.spells[mine.spells["status"].eq("open").to_numpy()]
    evening = pd.Timestamp("2025-09-30")
    lasting = (open_then["from_day"] <= evening) & ~(open_then["to_day"] <= evening)
    (held,) = (t for t in card.css("table.pk-table") if "What is open" in words(t))
    assert {words(row.css_first("th")) for row in held.css("tbody tr")} == set(
        open_then["deal_id"][lasting].astype(str)
    )
    plan = planned(sample, "2025Q3", ["P-011"], as_of=None, allow_set_aside=False, notebooks=None)
    assert [c.name for c in plan.chapters_of("P-011", quarter)] == ["review"]
    assert plan.chapters_of("P-003", quarter) == plan.chapters
    assert plan.chapters_of("", quarter) == plan.chapters, "the network has all"


@pytest.mark.parametrize("partner", ["P-003", "P-005", "P-001", "P-007"])
def test_how_often_chance_makes_such_a_quarter_is_said_once_where_it_fell_short(sample: Book, partner: str) -> None:
    """By the signals of the whole book: P-001 reached its target, P-007's quarter is a signal that says it itself."""
    line = pk.signals(sample, QUARTER, everything=True).query("kind == 'quarter_target' and state != 'over'")
    (p, value, weight) = line.set_index("partner_id").loc[partner, ["p", "value", "weight"]]
    text = show.cover(sample.for_partner(partner), QUARTER).text
    rule, some = "at its pace most quarters bring no more", "At its usual pace about one quarter in"
    assert text.count(rule) + text.count(some) == (value < 1 and weight == "")
    if value < 1 and weight == "":
        assert (f"{some} {1 / p:.0f} brings so few wins." if p < 2 / 3 else rule) in text


def test_who_it_is_as_far_as_the_book_says(sample: Book) -> None:
    text = LexborHTMLParser(str(who(sample, FULL))).text()
    assert text == "gold service firm, West · managed by Dag Lindqvist"
    partners = 'partner_id,name,manager,type\nP-1,A,"<b>x</b>",\nP-2,B,,\n'
    book = book_of(deals="deal_id,created_on,status\nD1,2025-10-01,open\n", partners=partners, as_of="2025-12-31")
    assert who(book, "P-1") == "managed by <bdi>&lt;b&gt;x&lt;/b&gt;</bdi>"
    assert who(book, "P-2") == who(book, "nobody") == ""


def test_open_deals_say_what_to_act_on(sample: Book) -> None:
    from partnerkpi.kpis.opportunity_pipeline import deals_to_act_on, opportunity_pipeline, overdue_deals

    for partner in (FULL, "P-004", NOTHING):
        mine = sample.for_partner(partner)
        table = deals_to_act_on(mine, QUARTER)
        assert table["amount"].sum() == pytest.approx(opportunity_pipeline(mine, QUARTER).value or 0)
        if not len(table):
            continue
        late = table["days_overdue"].notna()
        assert late.sum() == overdue_deals(mine, QUARTER).value
        end = pd.Timestamp("2025-12-31")
        assert ((end - table["expected_close_on"]).dt.days[late] == table["days_overdue"][late]).all()
        assert table["days_overdue"].dropna().is_monotonic_decreasing
        assert late.tolist() == sorted(late, reverse=True), "overdue first"
    rivals = deals_to_act_on(sample.for_partner("P-004"), QUARTER)["competitor"]
    assert rivals.notna().sum() == 1
