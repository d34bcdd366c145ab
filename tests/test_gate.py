"""What must not get out does not: anything live, whatever a browser would read otherwise, figures that are none."""

from __future__ import annotations

import base64

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape
from pages import FOOT, PNG, image, made, part, png, said, svg

from partnerkpi.batch.gate import findings
from partnerkpi.batch.page import Bound, Failure, Heading, Line, Score, network_page
from partnerkpi.show.html import POLICY, outside

# What passes


@pytest.mark.parametrize(
    "html",
    [
        "<p>text</p>",
        '<p class="a" id="b" title="c" lang="de" dir="rtl" aria-label="d"><bdi>e</bdi><br>f<br />g</p>',
        "<p>&lt;script&gt;alert(1)&lt;/script&gt; ![](http://t/p.gif) [x](javascript:1) &lt;!--</p>",
        "<p>&amp; &copy; &#8364; &#x20ac; &nbsp; &#0; &nosuch;</p>",
        '<details open><summary>x</summary><pre class="code"><code>\n\nif a &lt; b:</code></pre></details>',
        '<table><thead><tr><th scope="col" style="text-align:right">x</th></tr></thead><tbody></tbody></table>',
        '<i style="left:42.5%;width:calc(1rem + 2%)"></i>',
        PNG,
        image("png", png(part(b"tEXt", b"Software\0Matplotlib, https://matplotlib.org/"))),
        svg("<text x='1'>fine</text><!-- a path --><path d='M 0 0 L -1 1' clip-path='url(#c)' style='fill: #fff'/>"),
        svg("<defs><path id='m'/></defs><use xlink:href='#m'/><g fill='url(#p)' transform='rotate(-90 1 2)'/>"),
        svg("<image width='1' height='1' href='data:image/png;base64," + base64.b64encode(png()).decode() + "'/>"),
        svg("", before='<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'),
        pd.DataFrame({"a": [1.5], "b": ["<&>"]})._repr_html_(),  # type: ignore[operator]
    ],
)
def test_what_we_make_passes(html: str) -> None:
    assert findings(made(html)) == []


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "![](http://t/p.gif)", "$\\frac{a}{b$", "_hidden", "株式会社", "Nan", "</title>"],
)
def test_hostile_names_are_text(name: str) -> None:
    page = made("<p>x</p>", name=name, partner=name)
    assert findings(page) == []
    assert page.count(b"<bdi>") == made().count(b"<bdi>")


@given(st.text(max_size=60))
def test_any_text_from_outside_is_text(text: str) -> None:
    page = made(f"<p>{outside(text)}</p>", name=str(outside(text).striptags()))
    assert [f for f in findings(page) if f.kind == "safety"] == []


# The page as a whole


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        ("<!DOCTYPE html>", "", "<!DOCTYPE html>"),
        ("<!DOCTYPE html>", "\ufeff<!DOCTYPE html>", "<!DOCTYPE html>"),
        ("<!DOCTYPE html>", "<!-- --><!DOCTYPE html>", "<!DOCTYPE html>"),
        ("<!DOCTYPE html>", "<!DOCTYPE html><!DOCTYPE html>", "a tag that is not plain"),
        ('<meta charset="utf-8">', '<meta charset="utf-7">', "its encoding"),
        ('<meta charset="utf-8">', "", "its encoding"),
        ('<meta charset="utf-8">', '<style></style><meta charset="utf-8">', "its encoding"),
        ("default-src", "script-src", "the content policy is missing or another"),
        ("form-action &#39;none&#39;; ", "", "the content policy is missing or another"),
        ('<meta http-equiv="Content', '<title>x</title><meta http-equiv="Content', "the content policy is missing"),
        ("<head>", "<head><p>x</p>", "a browser reads the page otherwise"),
    ],
)
def test_a_page_begins_with_its_encoding_and_its_policy(was: str, becomes: str, reason: str) -> None:
    page = made().decode()
    assert was in page
    found = findings(page.replace(was, becomes, 1).encode())
    assert reason in "; ".join(map(str, found))
    assert "safety" in {f.kind for f in found}


def test_the_policy_forbids_what_a_page_never_needs() -> None:
    for rule in ("default-src 'none'", "form-action 'none'", "base-uri 'none'", "img-src data:"):
        assert rule in POLICY.split("; ")


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<h1>x</h1>", "2 main headings"),
        (PNG.replace('alt="a picture"', ""), "without description"),
        (PNG.replace("a picture", " "), "without description"),
        ('<p id="a">x</p><p id="a">x</p>', "given twice"),
        ('<a href="#nowhere">x</a>', "nothing has the id"),
        ("<p>/tmp/private/slice0</p>", "path of this machine"),
        ('<p title="/tmp/private">x</p>', "path of this machine"),
        (svg("<text>/tmp/private</text>"), "path of this machine"),
    ],
)
def test_a_page_that_is_not_in_order_is_refused(html: str, reason: str) -> None:
    found = findings(made(html), private="/tmp/private")
    assert reason in "; ".join(map(str, found))
    assert {f.kind for f in found} == {"quality"}


def test_a_page_in_another_encoding_is_refused() -> None:
    assert said(made().decode().encode("utf-16")) == "quality: the page is not UTF-8"


def test_the_index_links_to_known_pages_only() -> None:
    cell = Score("3 deals", "n = 3", few=True)
    lines = [
        Line("P-1", "One <b>", "P-1-one.html", (cell,), earlier="2025-09-30"),
        Line("", "all partners", "", (cell,)),
    ]
    failures = [
        Failure("P-1", "One <b>", "failed", "headline is nan, not a <number>", earlier="2025-09-30"),
        Failure("P-2", "P-2", "refused", "safety: element <script>"),
    ]
    content = network_page(
        Heading("Book", "", "2025Q4", "days", "to date, 49 of 92 days"),
        kpis=["Number of deals"],
        lines=lines,
        failures=failures,
        cover=Bound("review", "Review", Markup()),
        chapters=[],
        foot=FOOT,
    )
    assert findings(content, links={"P-1-one.html"}) == []
    assert "safety" in {f.kind for f in findings(content)}
    assert b"to date, 49 of 92 days" in content
    assert content.count(b"of an earlier run, as of <bdi>2025-09-30</bdi>") == 2
    assert b"failed: <bdi>headline is nan, not a &lt;number&gt;</bdi>" in content
    assert b"refused: <bdi>safety: element &lt;script&gt;</bdi>" in content


# Figures that are none


NONE_AT_ALL = [
    *("nan", "NaN", "inf", "-inf", "None", "NaT", "<NA>", "none", "-0", "−0", "-0.0", "−0 %", "-0,00"),
    *("€nan", "€ nan", "nan %", "nan days", "inf %", "None days", "None %", "€None", "$-0", "-$0", "−€0.00", "€−0"),
    *("NaT to NaT", "None to 3 deals", "1 to None", "None to None", "n = None", "(None)", "up 3: None", "n = nan"),
    *("33 % (nan to inf)", "<NA> days", "CHF -0"),
]


@pytest.mark.parametrize("figure", NONE_AT_ALL)
def test_a_figure_that_is_none_is_found_wherever_it_stands(figure: str) -> None:
    text = escape(figure)
    half = len(figure) // 2
    split = "<b></b>".join(escape(piece) for piece in (figure[:half], figure[half:]))
    places = [
        f"<table><tbody><tr><td>{text}</td></tr></tbody></table>",
        f"<dl><dt>x</dt><dd> <span>{text}</span> </dd></dl>",
        f"<table><tbody><tr><td>{split}</td></tr></tbody></table>",
    ]
    if figure != "none":
        places += [
            f"<p>It was <strong>{text}</strong></p>",
            f"<pre>{text}</pre>",
            f'<span role="img" aria-label="close rate: {text}"></span>',
            f'<p title="{text}">x</p>',
            PNG.replace("a picture", text),
            svg(f"<text>{text}</text>"),
            svg(f"<text>{escape(figure[:1])}<tspan>{escape(figure[1:])}</tspan></text>"),
        ]
    for html in places:
        found = findings(made(html))
        assert "stands where a figure should" in "; ".join(map(str, found)), html
        assert {f.kind for f in found} == {"quality"}, html


@pytest.mark.parametrize(
    "html",
    [
        "<p>None recorded</p>",
        "<p>None of the deals has an amount. None yet, none at all.</p>",
        "<table><tbody><tr><th>none recorded</th><td>0 deals</td><td>0 %</td><td>—</td></tr></tbody></table>",
        "<p>P-003, 2025-10-01, 10-0, 3–0, −0.5 %, -0.04, -€0.50, 2-0-1, -05</p>",
        "<p>Information, financial, infinite, banana, Nantes</p>",
        '<pre class="code"><code>value = None if n == -0 else float("nan")</code></pre>',
        "<p>see <code>None</code></p>",
        f"<p>{outside('Nan Corp')} sold to {outside('Inf AG')}</p>",
        f"<table><tbody><tr><td>{outside('nan')}</td><td>{outside('None')} (2)</td></tr></tbody></table>",
        f'<p>{outside("nan trading")}</p><span role="img" aria-label="deals of nan trading"></span>',
        f"<p>{outside('Nan Corp')}</p>" + svg("<text>Nan Corp</text>", alt="Nan Corp and Inf AG"),
    ],
)
def test_words_and_names_that_only_look_like_it_pass(html: str) -> None:
    assert findings(made(html)) == []


def test_a_name_from_outside_excuses_nothing_else() -> None:
    html = f'<p>{outside("nan trading")}</p><span role="img" aria-label="nan days"></span><p>{outside("0")} -0</p>'
    assert said(made(html)).count("stands where a figure should") == 2
