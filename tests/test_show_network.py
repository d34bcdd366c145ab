"""The network's first page as a reader finds it: its parts are there, and card, table, picture and sentence agree."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import Markup
from pages import FOOT
from selectolax.lexbor import LexborHTMLParser, LexborNode

import partnerkpi as pk
from partnerkpi import portfolio, show
from partnerkpi.batch.gate import findings
from partnerkpi.batch.page import Bound, Heading, Line, Score, linked, network_page
from partnerkpi.findings.network import attention, standings
from partnerkpi.findings.verdict import everything
from partnerkpi.opening import book_of
from partnerkpi.shipped import shipped
from partnerkpi.wording import amount_text

QUARTER = "2025Q4"


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book(shipped("data"))


@pytest.fixture(scope="module")
def cover(book: pk.Book) -> show.Shown:
    return show.cover(book, QUARTER)


@pytest.fixture(scope="module")
def page(cover: show.Shown) -> LexborHTMLParser:
    return LexborHTMLParser(cover.html)


def bound(html: str, lines: list[Line], chapters: tuple[str, ...] = ()) -> bytes:
    """The page of the network with this cover, as the batch binds it."""
    chapter = [Bound(name.replace("_", "-"), name, Markup()) for name in chapters]
    style = re.compile(r"<style>.*?</style>", re.DOTALL)
    return network_page(
        Heading("Book", "", QUARTER, "days"),
        kpis=["Number of deals"],
        lines=lines,
        failures=[],
        cover=Bound("review", "Review", Markup(style.sub("", html))),
        chapters=chapter,
        foot=FOOT,
    )


CHAPTERS = tuple(kpi.name for kpi in pk.KPIS)


def lines_of(book: pk.Book, files: dict[str, str]) -> list[Line]:
    cell = (Score("3 deals", "n = 3", few=True),)
    names = book.partners.set_index("partner_id")["name"].fillna("")
    stands = standings(book, book.quarter(QUARTER))
    return [
        Line(p, names.get(p) or p, files.get(p, ""), cell, verdict=str(stands[p]), sign="act") for p in book.partner_ids
    ]


def table(page: LexborHTMLParser, caption: str) -> LexborNode:
    """The table whose caption begins with this text."""
    (one,) = (
        t for t in page.css("table") if (c := t.css_first("caption")) is not None and c.text().startswith(caption)
    )
    return one


def cells(row: LexborNode) -> list[str]:
    return [cell.text(strip=True) for cell in row.css("th, td")]


def money(text: str) -> float:
    return float(re.sub(r"[€,+]", "", text).replace("−", "-"))


def test_the_order_is_that_of_a_minute(page: LexborHTMLParser, cover: show.Shown) -> None:
    told = [
        "of the quarter's target",
        "How sure:",
        "Who needs attention",
        "True of the whole network",
        "Won amount less target",
        "Inside the funnel no order means anything",
        "Concentration",
        "Movers",
        "Pipeline at risk",
        f"The figures of {QUARTER}",
    ]
    body = page.body
    assert body is not None
    text = body.text()
    places = [text.index(words) for words in told]
    assert places == sorted(places)


def test_the_network_is_not_a_partner(page: LexborHTMLParser, cover: show.Shown) -> None:
    assert "eers" not in re.sub(r"<style>.*?</style>", "", cover.html, flags=re.DOTALL)
    figures = [row.css_first("th").text() for row in table(page, "The figures of").css("tbody tr")]  # type: ignore[union-attr]
    assert len(figures) == len(pk.KPIS) - 1
    assert not any("Quality score" in figure for figure in figures)


def test_attention_is_the_datas(page: LexborHTMLParser, book: pk.Book) -> None:
    rows = [cells(row) for row in table(page, "Who needs attention").css("tbody tr")]
    lines = attention(book, book.quarter(QUARTER))
    assert rows == [[one.name, one.standing, one.what, one.since, one.manager] for one in lines]
    assert len(rows) <= 8


def test_bars_are_drawn_as_they_are_written_and_add_up(page: LexborHTMLParser, book: pk.Book) -> None:
    gaps = portfolio.target_gaps(book, QUARTER)
    axis, drawn = set(), []
    for row in table(page, "Won amount less target").css("tbody tr"):
        bar, nought = row.css("i")
        left, width = (float(n) for n in re.findall(r"[\d.]+", str(bar.attributes["style"])))
        axis.add(float(re.findall(r"[\d.]+", str(nought.attributes["style"]))[0]))
        gap = money(row.css("td")[-1].text())
        behind = "pk-behind" in str(bar.attributes["class"])
        assert behind == (gap < 0)
        assert (left + width if behind else left) == pytest.approx(min(axis), abs=0.11)
        drawn.append((gap, width))
    assert len(axis) == 1
    assert sum(gap for gap, _ in drawn) == pytest.approx(gaps["gap"].sum(), abs=len(drawn))
    scale = 100 / (max(gap for gap, _ in drawn) - min(gap for gap, _ in drawn))
    assert all(width == pytest.approx(abs(gap) * scale, abs=0.2) for gap, width in drawn)
    assert "one deal of €291,600 carries it" in table(page, "Won amount less target").text()


def test_card_sentence_and_table_agree(page: LexborHTMLParser, book: pk.Book, cover: show.Shown) -> None:
    body = page.body
    assert body is not None
    text = body.text()
    scores = table(page, "The figures of").text()
    verdict = page.css_first(".pk-verdict")
    assert verdict is not None
    (won,) = re.findall(r"Won amount (€[\d,]+)", scores)
    assert f"{won} won, " in verdict.text()
    (deals,) = re.findall(r"(\d+) deals won, \d+ deals a year before", verdict.text())
    assert f"{deals} deals" in scores
    risk = portfolio.at_risk(book, QUARTER)
    assert text.count(f"{risk.overdue} of {risk.deals} open deals are overdue.") == 1
    assert f"{risk.overdue} are overdue ({amount_text(risk.overdue_money, 'EUR')})." in text
    assert f"{amount_text(risk.money, 'EUR')} open in {risk.deals} deals" in text
    assert amount_text(risk.money, "EUR") in scores
    (expected,) = re.findall(r"Expected wins ([\d.]+ deals \([\d.]+ to [\d.]+ deals\))", scores)
    assert f"Expected by the end of the next two quarters: {expected}, worth" in text
    share = dict(cells(row)[:2] for row in table(page, "Concentration").css("tbody tr"))
    carried = portfolio.concentration(book, QUARTER).set_index("part")["quarter"]
    assert share["largest deal"] == amount_text(float(carried["deal"]), "share")
    assert share["five largest"] == amount_text(float(carried["top_5"]), "share")


def test_the_picture_names_who_is_named_beside_it(page: LexborHTMLParser, book: pk.Book) -> None:
    (picture,) = page.css("img")
    named = [item.text(strip=True) for item in page.css(".pk-named li")]
    funnel = portfolio.funnel(book, QUARTER)
    assert len(named) == len(funnel.outsiders) + len(funnel.explained) > 0
    svg = base64.b64decode(str(picture.attributes["src"]).partition("base64,")[2]).decode()
    alt = str(picture.attributes["alt"])
    for line in named:
        assert f">{line.partition(':')[0]}</text>" in svg
    assert alt.startswith("Close rate of four quarters, adjusted")
    assert named[0] in alt
    assert "inside the limits" in " ".join(named)


def test_names_are_links_only_where_there_is_a_page(book: pk.Book, cover: show.Shown) -> None:
    files = {"P-003": "P-003-eclat.html", "P-004": "P-004-frio.html"}
    made = bound(cover.html, lines_of(book, files), CHAPTERS)
    assert [f for f in findings(made, links=set(files.values())) if f.kind != "quality"] == []
    assert findings(made, links=set(files.values())) == []
    text = made.decode()
    assert "data-partner" not in text
    section = text[text.index('id="review"') : text.index('id="partners"')]
    assert set(re.findall(r'href="([^"#]+)"', section)) == set(files.values())
    assert '<a href="P-003-eclat.html"><bdi>Éclat Réfrigération</bdi></a>' in section
    assert text.index('id="review"') < text.index('id="partners"') < text.index('id="close-rate"')
    rows = LexborHTMLParser(text).css("#partners tbody tr")
    stands = standings(book, book.quarter(QUARTER))
    assert [row.css("td")[0].text() for row in rows] == [str(stands[p]) for p in book.partner_ids]


def test_hostile_ids_and_names_are_text(book: pk.Book) -> None:
    wicked = 'x"><script>alert(1)</script>'
    deals = ["deal_id,created_on,status,closed_on,amount,partner_id"]
    for n in range(24):
        who = '"' + wicked.replace('"', '""') + '"' if n % 2 else "P-2"
        deals.append(f"D{n},2025-10-01,{('won', 'lost')[n % 3 > 0]},2025-1{n % 2}-1{n % 9},{100 + n},{who}")
    quoted = wicked.replace('"', '""')
    names = f'partner_id,name,manager\n"{quoted}","<b>A</b>",<i>\nP-2,"</a>",x\n'
    targets = f'quarter,amount,partner_id\n{QUARTER},9000,"{quoted}"\n{QUARTER},1,P-2\n'
    odd = book_of(as_of="2025-12-31", deals="\n".join(deals) + "\n", partners=names, targets=targets)
    shown = show.cover(odd, QUARTER)
    files = {wicked: "x.html"}
    made = bound(shown.html, lines_of(odd, files), CHAPTERS)
    assert findings(made, links={"x.html"}) == []
    assert b"<script" not in made
    assert b'<a href="x.html"><bdi>&lt;b&gt;A&lt;/b&gt;</bdi></a>' in made


def test_two_ids_that_look_alike_are_not_linked() -> None:
    cell = (Score("3 deals", "n = 3", few=True),)
    html = Markup('<a data-partner="ab"><bdi>One</bdi></a>, <a data-partner="c"><bdi>Two</bdi></a>')
    lines = [
        Line("a\u202eb", "One", "one.html", cell),
        Line("ab", "One", "other.html", cell),
        Line("c", "Two", "", cell),
    ]
    assert linked(html, lines) == "<bdi>One</bdi>, <bdi>Two</bdi>"


def test_a_book_that_records_little_has_a_page(write_book: Callable[..., Path]) -> None:
    bare = pk.open_book(write_book("deal_id,created_on,status,partner_id\nD1,2025-10-01,open,P1\n"))
    shown = show.cover(bare, QUARTER)
    assert "No targets of partners are recorded" in shown.html
    assert "No partner needs attention" in shown.html
    assert findings(bound(shown.html, lines_of(bare, {}), CHAPTERS)) == []


def test_maven_has_a_page(real_book: Callable[[str], Path]) -> None:
    maven = pk.open_book(real_book("maven"))
    shown = show.cover(maven, "2017Q4")
    cell = (Score("3 deals", "n = 3", few=True),)
    assert findings(bound(shown.html, [Line(p, p, "", cell) for p in maven.partner_ids], CHAPTERS)) == []
    funnel = portfolio.funnel(maven, "2017Q4")
    year = maven.prospects[maven.prospects["closed_on"].between("2017-01-01", "2017-12-31")]
    won, lost = (int((year["status"] == status).sum()) for status in ("won", "lost"))
    assert funnel.rate == pytest.approx(won / (won + lost))
    assert "nan" not in shown.text
    assert "1,589 deals are open, none with an amount." in shown.text
    assert "$0" not in shown.text


def test_a_rate_that_stood_out_until_the_quarter_before_is_not_what_the_funnel_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal that is over and the test of today are two lines of one partner: today's is told."""
    book, again = pk.open_book(shipped("data")), pk.open_book(shipped("data"))
    table = book.others.judged(everything, book.quarter(QUARTER))
    over = table[(table["kind"] == "close_rate").to_numpy()].assign(state="over", weight="fact", sure="likely")
    both = pd.concat([over, table], ignore_index=True)
    monkeypatch.setattr(again.others, "judged", lambda judge, quarter: both)
    told = said_of_tests(book)
    assert told == said_of_tests(again)
    assert len(told) > 1


def said_of_tests(book: pk.Book) -> list[str]:
    """What the network's first page says of the tests of rates outside the funnel."""
    text = LexborHTMLParser(show.cover(book, QUARTER).html).text()
    return re.findall(r"limit \(among all tests[^)]*\)", text)
