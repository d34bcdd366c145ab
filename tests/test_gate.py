"""What must not get out does not: script, references, other partners, figures that are none."""

from __future__ import annotations

import base64

import pytest
from markupsafe import Markup

from partnerkpi.batch.gate import findings, telling
from partnerkpi.batch.page import Bound, Foot, Heading, Line, Score, network_page, partner_page

FOOT = Foot(
    "Book", "2025-12-31", "Europe/Paris", "deals: 2 rows read = 2 used + 0 out of scope + 0 set aside", "Python"
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><text>{}</text></svg>'


def made(html: str = "<p>text</p>", name: str = "Rheinwerk", partner: str = "P-003") -> bytes:
    heading = Heading(name, partner, "2025Q4", "2025-10-01 to 2025-12-31")
    return partner_page(
        heading, Bound("review", "Review", Markup()), [Bound("close-rate", "Close rate", Markup(html))], FOOT
    )


def picture(svg: str, alt: str = "a picture") -> str:
    return f'<img src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" alt="{alt}">'


def kinds(html: str, **known: object) -> set[str]:
    return {finding.kind for finding in findings(made(html), **known)}  # type: ignore[arg-type]


def test_our_own_page_passes() -> None:
    assert findings(made()) == []
    assert findings(made(picture(SVG.format("fine")))) == []


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<SCRIPT src=//x></SCRIPT>",
        '<p onclick="x()">x</p>',
        '<img src="data:image/png;base64,AA==" alt="x" onerror="x()">',
        "<img src=x onerror=1 alt=x>",
        '<iframe srcdoc="x"></iframe>',
        "<form><input></form>",
        '<object data="x"></object>',
        '<embed src="x">',
        '<base href="http://t/">',
        '<meta http-equiv="refresh" content="0;url=http://t/">',
        '<link rel="stylesheet" href="http://t/x.css">',
        '<a href="http://t/">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="P-004.html">x</a>',
        '<img src="http://t/p.gif" alt="x">',
        '<img src="//t/p.gif" alt="x">',
        '<img src="data:image/gif;base64,AA==" alt="x">',
        '<img src="data:text/html;base64,AA==" alt="x">',
        '<img srcset="http://t/p.gif 2x" src="data:image/png;base64,AA==" alt="x">',
        '<p style="background:url(http://t/p.gif)">x</p>',
        '<p style="background:u\\72l(http://t/p.gif)">x</p>',
        "<style>@import 'http://t/x.css';</style>",
        "<style>p { background: url( 'http://t/p.gif' ) }</style>",
        '<svg><a xlink:href="javascript:1">x</a></svg>',
        "<math><mi>x</mi></math>",
        "<video src=x></video>",
        "<template><p>x</p></template>",
        "<!-- hidden -->",
        "<!-- open",
        "<?php x ?>",
        "<![CDATA[ x ]]>",
        picture('<svg onload="alert(1)"></svg>'),
        picture("<svg><script>alert(1)</script></svg>"),
        picture('<svg><image href="http://t/p.gif"/></svg>'),
        picture("<svg><foreignObject><p>x</p></foreignObject></svg>"),
        picture("<svg><style>@import 'http://t/x.css';</style></svg>"),
    ],
)
def test_anything_live_is_refused(html: str) -> None:
    assert "safety" in kinds(html)


def test_text_that_looks_live_but_is_escaped_passes() -> None:
    assert kinds("<p>&lt;script&gt;alert(1)&lt;/script&gt; ![](http://t/p.gif) [x](javascript:1) &lt;!--</p>") == set()


def test_the_policy_must_stand() -> None:
    assert "policy" in str(findings(made().replace(b"default-src", b"script-src")))


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<h1>x</h1>", "2 main headings"),
        ('<img src="data:image/png;base64,AA==">', "without description"),
        ('<img src="data:image/png;base64,AA==" alt=" ">', "without description"),
        ('<p id="a">x</p><p id="a">x</p>', "given twice"),
        ('<a href="#nowhere">x</a>', "nothing has the id"),
        ("<div><p>x</div>", "closes nothing"),
        *(
            (f"<table><tr><td>{x}</td></tr></table>", "where a figure")
            for x in ("nan", "NaN", "inf", "None", "NaT", "-0")
        ),
        ("<dl><dt>x</dt><dd> <span>nan</span> </dd></dl>", "where a figure"),
        ("<p>/tmp/private/slice0</p>", "path of this machine"),
    ],
)
def test_a_page_that_is_not_in_order_is_refused(html: str, said: str) -> None:
    found = findings(made(html), private="/tmp/private")
    assert said in "; ".join(map(str, found))
    assert {f.kind for f in found} == {"quality"}


def test_a_partner_may_be_called_nan() -> None:
    assert kinds("<table><tr><td><bdi>nan</bdi></td><td><bdi>None</bdi> (2)</td></tr></table>") == set()


@pytest.mark.parametrize(
    "html",
    [
        "<p>P-004 sold more</p>",
        "<p>Frost &amp; S&ouml;hne</p>",
        '<p title="P-004">x</p>',
        "<p>P&#45;004</p>",
        "<p>P-<b>x</b></p><p>(P-004)</p>",
        picture(SVG.format("P-004")),
        picture("<svg><!-- P-004 --></svg>"),
        picture("<svg></svg>", alt="P-004 is first"),
    ],
)
def test_another_partner_is_found_wherever_it_stands(html: str) -> None:
    assert "disclosure" in kinds(html, foreign=["P-004", "Frost & Söhne"])


def test_a_longer_word_is_not_another_partner() -> None:
    assert kinds("<p>P-0041 XP-004 Acme Labs</p>", foreign=["P-004", "Acme L"]) == set()


def test_words_that_prove_nothing_are_not_searched() -> None:
    own = "Together with Acme we sold to North\nThe value of deals"
    assert telling({"Acme", "12", "007", "AB", "deals", "Globex", "P-004", "Nor"}, own) == ["Globex", "Nor", "P-004"]


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "![](http://t/p.gif)", "$\\frac{a}{b$", "_hidden", "株式会社"]
)
def test_hostile_names_are_text(name: str) -> None:
    made_page = made("<p>x</p>", name=name, partner=name)
    assert findings(made_page) == []
    assert made_page.count(b"<bdi>") == made().count(b"<bdi>")


def test_the_index_links_to_known_pages_only() -> None:
    cell = Score("3 deals", "n = 3", few=True)
    lines = [Line("P-1", "One <b>", "P-1-one.html", (cell,)), Line("", "all partners", "", (cell,))]
    heading = Heading("Book", "", "2025Q4", "days", "to date, 49 of 92 days")
    content = network_page(heading, ["Number of deals"], lines, Bound("review", "Review", Markup()), [], FOOT)
    assert findings(content, links={"P-1-one.html"}) == []
    assert "safety" in {f.kind for f in findings(content)}
    assert b"to date, 49 of 92 days" in content
