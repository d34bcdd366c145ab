"""What a check of a book says: the verdict, the account, cures, and which figures each fault touches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.batch.markup import read_page
from partnerkpi.book import causes
from partnerkpi.cli import run
from partnerkpi.others import Given, given_to
from partnerkpi.show.html import POLICY
from partnerkpi.slices import write_slice

Write = Callable[..., Path]
BOOK = Path(causes.__file__).parent
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id,region\n"
FIGURES = {one.name: one for kpi in pk.KPIS for one in (kpi, *kpi.companions)}


# The page, the list and the JSON


def page_of(folder: Path, tmp_path: Path, code: int) -> tuple[LexborHTMLParser, str]:
    path = tmp_path / "quality.html"
    assert run(["check", str(folder), "-o", str(path)]) == code
    text = path.read_text(encoding="utf-8")
    reading = read_page(text, frozenset(), POLICY)
    assert reading.findings == [], "a script, or something from elsewhere"
    return LexborHTMLParser(text), text


def words(node: LexborNode | None) -> str:
    assert node is not None
    return " ".join(node.text().split())


def lines(page: LexborHTMLParser, caption: str) -> list[list[str]]:
    (table,) = (t for t in page.css("table") if words(t.css_first("caption")) == caption)
    return [[words(cell) for cell in row.css("th, td")] for row in table.css("tbody tr")]


def finding(page: LexborHTMLParser, title: str) -> dict[str, str]:
    (article,) = (a for a in page.css("article") if words(a.css_first("h3 bdi")) == title)
    return {words(dt): words(dd) for dt, dd in zip(article.css("dt"), article.css("dd"), strict=True)}


ROWS = "".join(f"G-{n},2025-01-0{n},won,2025-03-01,100.50,P-1,North\n" for n in range(1, 9))


def test_a_good_book_is_accepted_in_one_sentence(write_book: Write, tmp_path: Path) -> None:
    page, _ = page_of(write_book(HEAD + ROWS, toml='[deals]\nrows = 8\namount_total = "804.00"\n'), tmp_path, 0)
    assert words(page.css_first("#verdict .pk-headline-line")) == (
        "accepted Accepted: nothing was found to be wrong, and every figure rests on all rows in scope."
    )
    assert lines(page, "What became of every row") == [
        ["deals", "rows", "8", "8", "0", "0"],
        ["", "EUR", "804.00", "804.00", "0.00", "0.00"],
    ]
    assert lines(page, "Control totals") == [
        ["deals", "rows = 8", "8", "yes"],
        ["deals", "amount_total = 804.00", "804.00", "yes"],
    ]
    assert ["Close rate", "no", "lost deals, by deals.status"] in lines(page, "KPIs of this book")
    assert ["Number of deals", "yes", ""] in lines(page, "KPIs of this book")
    assert "Internal: this page holds rows of all partners." in words(page.css_first(".days"))


def test_a_book_with_warnings_says_what_each_touches(write_book: Write, tmp_path: Path) -> None:
    odd = "A,2025-02-01,won,2025-01-01,5,P-1,North\nB,2025-01-01,won,2025-02-01,,P-2,\nC,2025-01-01,won,2025-02-01,,,\n"
    page, _ = page_of(write_book(HEAD + ROWS + odd), tmp_path, 0)
    assert words(page.css_first("#verdict .pk-sign")) == "accepted with warnings"
    assert words(page.css_first("#verdict .pk-headline-line")).endswith(
        "Accepted with warnings: every row in scope is used, and the figures named below are only as good as the rows "
        "behind them."
    )
    empty = finding(page, "deals, amount: missing, so counted without money")
    assert empty["How to cure it"] == (
        'Mend it in the CRM or in the export; or map another column: amount = ["Net", "Amount"] under [deals.columns]'
    )
    assert empty["What it touches"].startswith(
        "Average deal size, Opportunity pipeline, Marketing channels and Quality score. Beside Number of deals: Won "
    )
    early = finding(page, "deals, closed_on: closed before the day of creation: left out of durations")
    assert "Deal velocity" in early["What it touches"]
    assert "Average deal size" not in early["What it touches"]
    (article,) = (a for a in page.css("article") if "missing, so" in words(a.css_first("h3")))
    assert words(article.css_first("h3 .pk-count")) == "2 rows"
    assert [words(item) for item in article.css("li")] == [
        "deals.csv, line 11: deal_id=B; created_on=2025-01-01; status=won; partner_id=P-2; closed_on=2025-02-01",
        "deals.csv, line 12: deal_id=C; created_on=2025-01-01; status=won; closed_on=2025-02-01",
    ]
    assert [words(cell) for cell in article.css("tbody th, tbody td")] == [
        "", "no amount: counted, but adds no money", "2", "deals.csv, line 11"
    ]  # fmt: skip


BAD = (
    HEAD
    + ROWS
    + "X,2025-01-01,<b>Won</b>,2025-02-01,5,P-2,North\nY,2025-01-01,won,2025-02-01,\x07 1\u00a02\u202e,P-2,North\n"
)


def test_a_refused_book_has_a_page_too(write_book: Write, tmp_path: Path) -> None:
    page, text = page_of(write_book(BAD, toml="[deals]\nrows = 11\n"), tmp_path, 1)
    assert words(page.css_first("#verdict .pk-headline-line")).endswith(
        "Refused: no figure is made of this book before the 4 faults that refuse it are cured."
    )
    assert lines(page, "Control totals") == [["deals", "rows = 11", "10", "no"]]
    assert "<b>" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    values = [words(cell) for cell in page.css("article tbody th")]
    assert "<b>Won</b>" in values
    shown = [cell.text() for cell in page.css("article tbody th") if "x07" in cell.text()]
    assert shown == ["\\x07 1\u00a02\\u202e"], "every space as it is, what has no shape as its number"
    told = finding(page, "deals, status: a value of the export has no meaning here yet")
    assert told == {
        "How to cure it": 'Say which it is under [deals.values.status]: won = ["Closed Won"], ignore = ["Test"]',
        "What it touches": "Every KPI.",
    }
    assert words(page.css_first("#kpis p")).startswith("The book is refused, so none is made yet.")


def test_a_file_that_cannot_be_read_has_a_page(write_book: Write, tmp_path: Path) -> None:
    page, _ = page_of(write_book("deal_id,created_on,status\nÉ,2025-01-01,won\n".encode("latin-1")), tmp_path, 1)
    assert finding(page, "deals: the file is written in another encoding than declared")["How to cure it"] == (
        'Say how it is written: encoding = "cp1252", or what it is, under [deals]'
    )


def test_the_list_and_the_json_say_the_same(write_book: Write, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_book(BAD)
    assert run(["check", str(folder)]) == 1
    text = capsys.readouterr().out
    assert run(["check", str(folder), "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert text.startswith(told["verdict"] + "\n")
    assert told["state"] == "refused"
    assert told["account"]["deals"] == {
        "rows": {"read": 10, "used": 9, "out of scope": 0, "set aside": 1},
        "money": {
            "EUR": {"read": "809.00", "used": "809.00", "out of scope": "0.00", "set aside": "0.00", "unknown": 1}
        },
    }
    assert {*told["faults"][0]} == {"table", "file", "record", "line", "column", "value", "rule", "kind", "count"}
    (unmapped,) = (one for one in told["findings"] if one["cause"] == "unmapped value")
    assert (unmapped["kind"], unmapped["table"], unmapped["column"], unmapped["rows"]) == ("E", "deals", "status", 1)
    assert unmapped["figures"].keys() == {kpi.name for kpi in pk.KPIS}
    assert unmapped["examples"][0]["line"] == 10
    assert f"    cure: {unmapped['cure']}." in text
    assert told["kpis"] is None


def test_the_formats_of_a_check(write_book: Write, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write_book(HEAD + ROWS))
    assert run(["check", folder, "--format", "html"]) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")
    assert run(["check", folder, "-o", "faults.csv"]) == 2
    assert "end it on .json, .txt, .html" in capsys.readouterr().err
    assert run(["score", folder, "-o", "scores.html"]) == 2


# On the pages of a review


def given_for(mine: pk.Book) -> Given:
    quarter = mine.quarter("2025Q4")
    return given_to(mine, quarter.back(8), list(pk.KPIS), [quarter])


def told_of(book: pk.Book) -> list[str]:
    text = show.about(book, "2025Q4").text
    return [line.removeprefix("found in the data").strip() for line in text[text.index("found in") :].splitlines()]


SECRET = """deal_id,created_on,status,closed_on,amount,currency,partner_id,expected_close_on
A1,2025-01-01,won,2025-10-01,,EUR,ALPHA,
A2,2025-01-01,won,2025-11-01,7,EUR,ALPHA,
B1,2025-01-01,won,2025-10-01,,EUR,BETA,
B2,2025-01-01,won,2025-10-02,,EUR,BETA,
B3,2025-01-01,open,,0,EUR,BETA,2025-03-04
B4,2025-02-01,won,2025-10-02,9,GBP,BETA,
B5,2025-02-01,won,2025-10-02,zz-secret,EUR,BETA,
N1,2025-02-01,won,2025-10-02,,EUR,,
"""


def test_a_page_tells_of_its_own_rows_and_of_no_other_partner(write_book: Write, tmp_path: Path) -> None:
    rates = "currency,date,rate\nGBP,2024-01-01,1.16\nGBP,2024-02-01,0.86\nGBP,2024-03-01,1.17\n"
    history = "deal_id,changed_at,status\nB4,2025-01-01,open\nA2,2025-01-01,won\n"
    book = pk.open_book(write_book(SECRET, rates=rates, history=history), allow_set_aside=True)
    slices = {}
    for partner in ("ALPHA", "BETA", ""):
        mine = book.for_partner(partner)
        write_slice(mine, given_for(mine), tmp_path / f"slice{partner}")
        slices[partner] = pk.open_book(tmp_path / f"slice{partner}")
        assert told_of(mine) == told_of(slices[partner]), "known or computed, one answer"
    no_amount = "deals, amount: missing, so counted without money"
    share = "deals: more than one in a hundred rows, or of the money, is set aside"
    assert told_of(slices["ALPHA"]) == [
        f"{no_amount} (1 row)",
        share,
        "history, status: the history closes the deal before the deals table does: closed from that change on (1 row)",
    ]
    beta = told_of(slices["BETA"])
    assert f"{no_amount} (2 rows)" in beta
    assert "deals, amount: amounts or numbers that cannot be read (1 row)" in beta
    assert "history, changed at: changes before the deal was created: taken as its beginning (1 row)" in beta
    assert "deals, currency: amounts converted at a rate that is more than a quarter old (1 row)" in beta
    assert "rates, rate: rates that seem to be turned round" in beta
    whole = told_of(slices[""])
    assert f"{no_amount} (4 rows)" in whole
    assert "deals, partner: no partner, so nobody's: unassigned (1 row)" in whole
    held = b"".join(path.read_bytes() for path in sorted((tmp_path / "sliceALPHA").iterdir()))
    for foreign in (b"BETA", b"secret", b"B4", b"2025-03-04"):
        assert foreign not in held


def test_nothing_found_is_said(write_book: Write) -> None:
    assert told_of(pk.open_book(write_book(HEAD + ROWS))) == ["nothing that touches these figures"]


def test_what_touches_no_figure_stands_on_the_network_page_alone(write_book: Write) -> None:
    partners = "partner_id,name\nP-1,One\nP-2,One\n"
    book = pk.open_book(write_book(HEAD + ROWS + "Z,2025-01-01,won,2025-02-01,5,P-2,\n", partners=partners))
    alike = "partners, name: partners of one name: perhaps one partner with two ids (2 rows)"
    assert told_of(book) == [alike]
    assert told_of(book.for_partner("P-1")) == ["nothing that touches these figures"]
