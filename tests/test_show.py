"""What notebooks show: outside text is escaped once, nothing is shown as a number that is none, all is repeatable."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from partnerkpi import compare, show
from partnerkpi.book import Book
from partnerkpi.compare import Verdict
from partnerkpi.estimate import Estimate
from partnerkpi.groups import ALL
from partnerkpi.kpis import KPIS, close_rate, number_of_deals
from partnerkpi.kpis.deal_velocity import deal_velocity
from partnerkpi.opening import book_of, open_book
from partnerkpi.show.cards import Strip, below, standing
from partnerkpi.show.html import clean, outside
from partnerkpi.wording import PROSPECTS, Code

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=1>",
    "[x](javascript:1)",
    "<!--",
    "![](http://t/p.gif)",
    "$\\frac{a}{b$",
    "_hidden",
    "株式会社",
    "{{ 7*7 }}",
    "a\"b'c&d",
]


class Words(HTMLParser):
    """The text and the elements of a fragment."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[str] = []
        self.cells: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data
        self.cells.add(data)


@pytest.fixture(scope="module")
def book() -> Book:
    days = [f"2025-{month:02}-15" for month in range(1, 13)]
    deals = ["deal_id,created_on,status,closed_on,amount,partner_id,name,sourced"]
    for number, day in enumerate(days * 3):
        status = ("won", "lost", "won")[number % 3]
        deals.append(f"D{number},2024-12-01,{status},{day},{100 + number},P-1,<b>x{number},partner")
    deals.append("D99,2025-12-01,open,,50,P-2,=1+1,vendor")
    return book_of(as_of="2025-12-31", deals="\n".join(deals) + "\n", partners="partner_id,name\nP-1,A&B\nP-2,<i>\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_table_is_text(text: str) -> None:
    frame = pd.DataFrame({"name": [text], text: ["x"]})
    made = show.rows(frame, text)
    plain = show.rows(pd.DataFrame({"name": ["x"], "_other" if text == "_hidden" else "other": ["x"]}), "x")
    words = Words(made.html)
    assert words.elements == Words(plain.html).elements
    assert words.text.count(text) == 3 - (text == "_hidden")
    assert repr(made).count(text) >= 2


@given(st.text(max_size=60))
def test_any_text_comes_back_as_text(text: str) -> None:
    words = Words(str(outside(text)))
    assert words.elements == ["bdi"]
    assert words.text == clean(text)


def test_text_is_cleaned_and_cut() -> None:
    assert clean("a\u202eb\x00c\u200bd") == "abcd"
    assert clean("\u0646\u200c\u0647") == "\u0646\u200c\u0647"
    assert len(clean("x" * 3000)) == 400
    assert clean("x" * 3000).endswith("…")


def test_a_table_says_how_many_rows_there_are() -> None:
    frame = pd.DataFrame({"deal_id": [f"D{i}" for i in range(57)], "_line": 1})
    made = show.rows(frame, "Deals")
    assert "20 of 57 rows" in made.html
    assert "_line" not in made.html
    assert "20 of 57 rows" in repr(made)
    assert "no rows" in show.rows(frame.iloc[:0], "Deals").html


def test_many_rows_fold() -> None:
    frame = pd.DataFrame({"a": range(30)})
    assert "<details" in show.rows(frame, "Many", limit=30).html
    assert "<details" not in show.rows(frame, "Some", limit=20).html


def test_cells_are_written_for_readers() -> None:
    frame = pd.DataFrame(
        {
            "closed_on": pd.to_datetime(["2025-10-06", None]),
            "amount": [1234.5, None],
            "value": [-0.0, 0.256],
            "won": [True, False],
            "n": [1000, 2],
            "name": ["A", None],
        }
    )
    made = show.rows(frame, "Cells", currency="EUR")
    cells = Words(made.html).cells
    assert {"2025-10-06", "€1,234", "0.26", "yes", "1,000", "—"} <= cells
    assert not {"nan", "NaT", "None", "-0"} & cells
    assert made.html.count('scope="col"') == 6
    assert made.html.count('scope="row"') == 2
    assert "<caption>" in made.html


def test_a_breakdown_names_its_groups_and_reasons(book: Book) -> None:
    made = show.breakdown(close_rate.by(book, "2025Q4", "partner"), "By partner")
    assert "P-1" in made.html
    assert "unassigned" not in made.html, "no deal is unassigned, so no line speaks of it"
    assert "nan" not in made.html.lower()


def test_a_breakdown_is_called_by_its_level_and_writes_codes_as_words() -> None:
    book = open_book()
    made = str(show.breakdown(number_of_deals.by(book, "2025Q4", "channel"), "By channel", "channel"))
    head, *lines = made.splitlines()[1:]
    assert head.startswith("channel")
    assert any(line.startswith("paid search ") for line in lines)
    assert "paid_search" not in made
    names = pd.DataFrame({"group": ["anna_lee", ALL], "value": 1.0, "low": 1.0, "high": 1.0, "n": 9, "unit": "deals"})
    assert "anna_lee" in str(show.breakdown(names, "By rep", "rep")), "what names somebody stays as it is spelled"


def test_a_value_that_another_column_says_is_left_out() -> None:
    rows = deal_velocity.evidence(open_book(), "2025Q4")
    shown = show.rows(rows, "The rows behind")
    heads = LexborHTMLParser(shown.html).css("thead th")
    assert [h.text() for h in heads][-1] == "amount"
    assert "value" not in [h.text() for h in heads]
    assert "pk-wide" in shown.html, "set small on paper"
    assert "value" in str(show.rows(rows.assign(value=rows["exit"] + 1.0), "Another"))


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.name)
def test_every_kpi_has_its_cards(book: Book, kpi: object) -> None:
    for part in (book, book.for_partner("P-1"), book.for_partner("P-2")):
        for made in (
            show.definition(kpi, part),  # type: ignore[arg-type]
            show.headline(kpi, part, "2025Q4"),  # type: ignore[arg-type]
            show.companions(kpi, part, "2025Q4"),  # type: ignore[arg-type]
        ):
            words = {
                w.strip("().,").lower() for w in Words(made.html.partition("</style>")[2] or made.html).text.split()
            }
            assert not {"nan", "nat", "inf"} & words
            assert repr(made)
            assert " at 0x" not in repr(made)


def test_the_cover_shows_every_kpi_the_same_each_time(book: Book) -> None:
    one, two = show.cover(book, "2025Q4"), show.cover(book, "2025Q4")
    assert one.html == two.html
    mine = show.cover(book.for_partner("P-1"), "2025Q4").html
    assert all(kpi.title in mine for kpi in KPIS)
    assert mine == show.cover(book.for_partner("P-1"), "2025Q4").html
    assert one._repr_html_() == one.html


def test_a_running_quarter_says_so(book: Book) -> None:
    early = book_of(as_of="2025-11-18", deals="deal_id,created_on,status\nD1,2025-10-01,open\n")
    assert "to date, 49 of 92 days" in show.headline(number_of_deals, early, "2025Q4").html
    assert "to date, 49 of 92 days" in show.definition(number_of_deals, early, "2025Q4").html
    assert "to date" not in show.definition(number_of_deals, book, "2025Q4").html


def test_few_rows_get_no_verdict(book: Book) -> None:
    stands = standing(close_rate, book.for_partner("P-2"), book.quarter("2025Q4"))
    assert all(line.verdict == "" for line in stands.comparisons)


def test_the_strip_keeps_places_between_0_and_100() -> None:
    now = Estimate(0.3, 0.1, 0.6, 20, "share", PROSPECTS)
    strip = Strip.of(now, Estimate(0.2, None, None, 3, "share", PROSPECTS), compare.Peers(9, 0.5, 0.4, 0.9, "share"))
    assert strip is not None
    places = [strip.value, strip.low, strip.high, strip.before, strip.lower, strip.upper]
    assert all(p is not None and 0 <= p <= 100 for p in places)
    assert "a year before 20 %" in strip.words
    assert (strip.least, strip.most, strip.few) == ("10 %", "90 %", False)
    nothing = Estimate(None, None, None, 0, "share", PROSPECTS, Code.NO_SPEND())
    assert Strip.of(nothing, now, compare.Peers(0, None, None, None, "share", Code.TOO_FEW_PARTNERS())) is None


@pytest.mark.parametrize("text", [*HOSTILE, "Save $5 or $10"])
def test_a_picture_of_hostile_labels_is_the_same_each_time(text: str) -> None:
    from matplotlib.figure import Figure

    def drawn() -> str:
        ax = Figure(figsize=(4, 2)).subplots()
        ax.set_title(text)
        ax.set_xticks([0, 1], [text, "b"])
        return show.picture(ax, f"What {text} did").html

    made = drawn()
    assert made == drawn()
    assert Words(made).elements == ["figure", "img"]
    svg = base64.b64decode(made.split("base64,")[1].split('"')[0]).decode()
    assert "<script" not in svg
    assert "<dc:date>" not in svg
    assert len(made) < 40_000


def test_a_logarithmic_axis_has_plain_figures() -> None:
    from matplotlib.figure import Figure

    ax = Figure(figsize=(4, 2)).subplots()
    ax.plot([1, 10_000], [1, 2])
    ax.set_xscale("log")
    svg = base64.b64decode(show.picture(ax, "x").html.split("base64,")[1].split('"')[0]).decode()
    assert ">1,000<" in svg
    assert "mathdefault" not in svg


def test_a_picture_needs_its_words() -> None:
    from matplotlib.figure import Figure

    with pytest.raises(ValueError, match="description"):
        show.picture(Figure().subplots(), " ")


def test_pictures_leave_no_figure_open(book: Book) -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    show.picture(close_rate.plot(book, ["2025Q3", "2025Q4"]), "two quarters")
    assert plt.get_fignums() == before


def test_the_end_marker_carries_the_figures(book: Book) -> None:
    mine = book.for_partner("P-1")
    marker = show.end(close_rate, mine, "2025Q4").marker
    assert {k: marker[k] for k in ("chapter", "partner", "quarter", "as_of")} == {
        "chapter": "close_rate",
        "partner": "P-1",
        "quarter": "2025Q4",
        "as_of": "2025-12-31",
    }
    assert marker["figures"]["headline"] == close_rate(mine, "2025Q4").value
    assert set(marker["figures"]) == {"headline", *(c.name for c in close_rate.companions)}
    review = show.end("review", book, "2025Q4")
    assert set(review.marker["figures"]) == {kpi.name for kpi in KPIS}
    assert review._repr_mimebundle_()[show.END] == review.marker
    assert "text/html" not in review._repr_mimebundle_()


def test_a_running_quarter_is_not_compared_with_a_whole_one() -> None:
    """Half a quarter's deals are not fewer deals; shares and durations may be compared."""
    import partnerkpi as pk
    from partnerkpi.kpis import close_rate as rate
    from partnerkpi.kpis import number_of_deals

    book = pk.open_book(as_of="2025-11-18")
    change = compare.change(number_of_deals, book, "2025Q4", against="2025Q3")
    assert change.verdict is Verdict.NOT_TESTED
    assert "49 of 92 days" in str(change.reason)
    assert compare.change(rate, book, "2025Q4", against="2025Q3").verdict is not Verdict.NOT_TESTED


def test_the_share_won_within_90_days_stands_where_the_median_cannot_be_told() -> None:
    head = "deal_id,created_on,status,closed_on,partner_id\n"
    lost = "".join(f"L{i},2025-03-0{i + 1},lost,2025-05-01,P1\n" for i in range(9))
    book = book_of(deals=head + lost + "W,2025-02-01,won,2025-03-01,P2\n", as_of="2025-12-31")
    mine, other = book.for_partner("P1"), book.for_partner("P2")
    assert deal_velocity(mine, "2025Q4").value is None
    assert below(deal_velocity, mine, book.quarter("2025Q4"))[0].startswith("Won within 90 days 0 % (")
    assert below(deal_velocity, other, book.quarter("2025Q4")) == []  # of one deal nothing is said
    known = open_book()
    assert below(deal_velocity, known.for_partner("P-003"), known.quarter("2025Q4")) == []
