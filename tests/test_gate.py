"""What must not get out does not: anything live, whatever a browser would read otherwise, figures that are none."""

from __future__ import annotations

import base64
import struct
import zlib

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from partnerkpi.batch.gate import findings
from partnerkpi.batch.page import POLICY, Bound, Failure, Foot, Heading, Line, Score, network_page, partner_page
from partnerkpi.show.html import outside

FOOT = Foot(
    "Book", "2025-12-31", "Europe/Paris", "deals: 2 rows read = 2 used + 0 out of scope + 0 set aside", "Python"
)
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def made(html: str = "<p>text</p>", name: str = "Rheinwerk", partner: str = "P-003") -> bytes:
    heading = Heading(name, partner, "2025Q4", "2025-10-01 to 2025-12-31")
    bound = Bound("close-rate", "Close rate", Markup(html))
    return partner_page(heading, Bound("review", "Review", Markup()), [bound], FOOT)


def image(kind: str, content: bytes, alt: str = "a picture") -> str:
    return f'<img src="data:image/{kind};base64,{base64.b64encode(content).decode()}" alt="{alt}">'


def svg(inside: str, attributes: str = "", before: str = "", alt: str = "a picture") -> str:
    return image("svg+xml", f"{before}<svg {NAMESPACE} {XLINK} {attributes}>{inside}</svg>".encode(), alt)


def part(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*parts: bytes, behind: bytes = b"") -> bytes:
    header = part(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    dot = part(b"IDAT", zlib.compress(b"\x00\x00"))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(parts) + dot + part(b"IEND") + behind


PNG = image("png", png())


def kinds(html: str) -> set[str]:
    return {finding.kind for finding in findings(made(html))}


def said(page: bytes, **known: str) -> str:
    return "; ".join(map(str, findings(page, **known)))


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


# What is live


@pytest.mark.parametrize(
    "html",
    [
        # elements
        "<script>alert(1)</script>",
        "<SCRIPT src=//x></SCRIPT>",
        "<script/src='//x'></script>",
        '<iframe srcdoc="x"></iframe>',
        "<form><input></form>",
        '<form action="http://t/"><button>x</button></form>',
        '<object data="x"></object>',
        '<embed src="x">',
        '<base href="http://t/">',
        '<link rel="stylesheet" href="http://t/x.css">',
        "<video src=x></video>",
        "<template><p>x</p></template>",
        "<template><img src=x onerror=alert(1)></template>",
        "<dialog open>x</dialog>",
        "<custom-element>x</custom-element>",
        "<wbr>",
        # attributes
        '<p onclick="x()">x</p>',
        '<p ONCLICK="x()">x</p>',
        '<p/onclick="x()">x</p>',
        '<p title="x"onclick="x()">x</p>',
        '<p title="x" title="y">x</p>',
        '<p contenteditable="true">x</p>',
        '<p is="x-y">x</p>',
        '<p src="#x">x</p>',
        '<p href="#review">x</p>',
        '<a href="#review" ping="http://t/">x</a>',
        '<a href="#review" target="_blank">x</a>',
        '<img src="data:image/png;base64,AA==" alt="x" onerror="x()">',
        "<img src=x onerror=1 alt=x>",
        '<details ontoggle="x()"><summary>x</summary></details>',
        "</p onclick=x()>",
        # references
        '<a href="http://t/">x</a>',
        '<a href="//t/">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="&#106;avascript:alert(1)">x</a>',
        '<a href="java&Tab;script:alert(1)">x</a>',
        '<a href=" #review">x</a>',
        '<a href="#">x</a>',
        '<a href="">x</a>',
        '<a href="P-004.html">x</a>',
        '<img src="http://t/p.gif" alt="x">',
        '<img src="//t/p.gif" alt="x">',
        '<img src="p.png" alt="x">',
        '<img src="data:image/gif;base64,AA==" alt="x">',
        '<img src="data:text/html;base64,AA==" alt="x">',
        '<img src="data:image/svg+xml,<svg/>" alt="x">',
        '<img src="data:image/png;base64,A" alt="x">',
        '<img srcset="http://t/p.gif 2x" src="data:image/png;base64,AA==" alt="x">',
        # meta
        '<meta http-equiv="refresh" content="0;url=http://t/">',
        '<meta http-equiv="REFRESH" content="0">',
        '<meta name="referrer" content="unsafe-url">',
        '<meta name="viewport" content="width=1">',
        '<meta charset="utf-7">',
        '<meta http-equiv="Content-Security-Policy" content="default-src *">',
        # not an element at all
        "<!-- hidden -->",
        "<!-- open",
        "<!--> <img src=x onerror=1> -->",
        "<!doctype html>",
        "<?php x ?>",
        "<![CDATA[ x ]]>",
        "<!ENTITY x>",
        "</ p>",
        "<p>a < b</p>",
        "<",
        "<p",
        "<p title=x>x</p>",
        "<p title='x'>x</p>",
        '<p title="<">x</p>',
        '<p title="">x</p title="">',
        "<div/>",
        "<p>x\x00</p>",
        "<p\x00>x</p>",
        "<p>x\x0b</p>",
        "<p>\ufeff</p>",
        "<p>&#1;</p>",
        '<p title="&copy=1">x</p>',
    ],
)
def test_anything_live_is_refused(html: str) -> None:
    assert "safety" in kinds(html)


@pytest.mark.parametrize(
    "html",
    [
        # raw text ends where a browser says, not where it seems to
        '<style>p { color: red }</style/><meta http-equiv="refresh" content="0;url=http://t/">',
        "<style>p { color: red }</style x><p>x</p>",
        "<style><!--</style><img src=x onerror=alert(1)>--></style>",
        '<style><p title="</style><img src=x onerror=alert(1)>"></style>',
        "<style></style",
        "<style>",
        '<title><p title="</title><img src=x onerror=alert(1)>"></title>',
        "<title>x</title/>",
        '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
        "<noscript><style></noscript><img src=x onerror=alert(1)></style></noscript>",
        '<textarea><p title="</textarea><img src=x onerror=alert(1)>"></textarea>',
        "<xmp><p></xmp><img src=x onerror=1>",
        "<plaintext>",
        "<noembed><p></noembed>",
        "<noframes><p></noframes>",
        "<iframe><p></iframe>",
        "<select><p>x</p></select>",
        "<listing>\n\nx</listing>",
        # another language begins
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'></svg>",
        '<svg><a xlink:href="javascript:1">x</a></svg>',
        "<svg><title><style></title></svg>",
        "<svg><desc><p>x</p></desc></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<math><annotation-xml encoding='text/html'><p>x</p></annotation-xml></math>",
        "<math><mi>x</mi></math>",
        # repaired, moved or dropped
        "<p><div>x</div></p>",
        "<p><p>x</p></p>",
        "<p><table></table></p>",
        "<table><p>x</p></table>",
        "<table>x</table>",
        "<table><tr><td>x</td></tr></table>",
        "<table><tbody><td>x</td></tbody></table>",
        "<tr><td>x</td></tr>",
        "<table><colgroup><p>x</p></colgroup></table>",
        '<a href="#review"><a href="#review">x</a></a>',
        '<a href="#review"><div><a href="#review">x</a></div></a>',
        "<b><p>x</b></p>",
        "<b><i>x</b></i>",
        "<ul><li>x<li>y</ul>",
        "<dl><dt>x<dd>y</dl>",
        "<h3><h4>x</h4></h3>",
        "<div><p>x</div>",
        "<div>",
        "</div>",
        "</p>",
        "</br>",
        "<br></br>",
        "</body><p>x</p>",
        "</html><p>x</p>",
        "<body><p>x</p></body>",
        '<body onload="alert(1)">',
        '<html onclick="alert(1)">',
        "<head><p>x</p></head>",
        "<frameset><frame></frameset>",
        "<image alt='x'>",
        "<div>" * 200 + "</div>" * 200,
    ],
)
def test_what_a_browser_reads_otherwise_is_refused(html: str) -> None:
    assert "safety" in kinds(html)


STYLES = [
    "background:url(http://t/p.gif)",
    "background:url( 'http://t/p.gif' )",
    "background:URL(p.gif)",
    "background:url(#own)",
    "background:url(data:image/gif;base64,AA==)",
    "background:u\\72l(p.gif)",
    "background:\\75rl(p.gif)",
    "background:image-set('p.gif' 1x)",
    "background:-webkit-image-set('p.gif' 1x)",
    "background:image('p.gif')",
    "background:cross-fade(url(a), url(b))",
    "background:src('p.gif')",
    "background:element(#review)",
    "background:paint(x)",
    "width:expression(alert(1))",
    "content:attr(title)",
    "--x:'//t/p.gif'",
    "--x:'https://t'",
    '/* "*/ background:url(p.gif) /*" */ left:0',
]


@pytest.mark.parametrize("style", STYLES)
def test_a_style_fetches_nothing(style: str) -> None:
    quoted = style.replace('"', "&quot;")
    assert "safety" in kinds(f'<p style="{quoted}">x</p>')
    assert "safety" in kinds(f"<style>p {{ {style} }}</style>")
    if style != "background:url(#own)":
        assert "safety" in kinds(svg(f'<g style="{quoted}"/>'))
        assert "safety" in kinds(svg(f'<g fill="{quoted.partition(":")[2]}"/>'))
        assert "safety" in kinds(svg(f"<style>g {{ {style} }}</style>"))


@pytest.mark.parametrize(
    "rule",
    [
        "@import 'x.css';",
        "@import url(x.css);",
        "@IMPORT 'x.css';",
        "@\\69mport 'x.css';",
        "@font-face { font-family: x; }",
        "@namespace 'x';",
        "@charset 'utf-7';",
        "@",
        "p::before { content: '<' }",
        "<!-- p { }",
    ],
)
def test_a_style_imports_nothing(rule: str) -> None:
    assert "safety" in kinds(f"<style>{rule}</style>")


def test_a_style_may_do_what_our_own_does() -> None:
    rules = "@media print { p > a:not(.b) { width: clamp(1rem, 4vw, var(--x)); grid: repeat(2, minmax(0, 1fr)) } }"
    assert kinds(f"<style>{rules} @page {{ size: A4 }}</style>") == set()


# Pictures


@pytest.mark.parametrize(
    "picture",
    [
        svg("", 'onload="alert(1)"'),
        svg("<script>alert(1)</script>"),
        svg("<image href='http://t/p.gif'/>"),
        svg("<image xlink:href='p.gif'/>"),
        svg("<image href='data:image/svg+xml;base64,AA=='/>"),
        svg("<use href='http://t/x.svg#a'/>"),
        svg("<use xlink:href='data:image/svg+xml;base64,AA=='/>"),
        svg("<a href='#x'><text>x</text></a>"),
        svg("<foreignObject><p>x</p></foreignObject>"),
        svg('<p xmlns="http://www.w3.org/1999/xhtml">x</p>'),
        svg('<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>'),
        svg("<set attributeName='href' to='javascript:1'/>"),
        svg("<animate attributeName='x'/>"),
        svg("<filter id='f'><feImage href='x'/></filter>"),
        svg("<style>@import 'http://t/x.css';</style>"),
        svg("<style>@font-face { }</style>"),
        svg("<g fill='url(http://t/x.svg#a)'/>"),
        svg("<g clip-path='url(x.svg#a)'/>"),
        svg("<g mask='url(#a)'/>"),
        svg("<g xml:base='http://t/'/>"),
        svg("", 'xml:space="preserve"'),
        svg("<text><![CDATA[ x ]]></text>"),
        svg("<?xml-stylesheet href='http://t/x.css'?>"),
        svg("", before='<?xml-stylesheet href="http://t/x.css"?>'),
        svg("<text>&x;</text>", before='<!DOCTYPE svg [<!ENTITY x "y">]>'),
        svg("<text>&x;</text>", before='<!DOCTYPE svg SYSTEM "http://t/x.dtd">'),
        svg("<text>&nbsp;</text>"),
        svg(
            "",
            before='<!DOCTYPE html PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
        ),
        svg(
            "<text>&x;</text>",
            before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
        ),
        svg("", before='<?xml version="1.0" encoding="utf-16"?>'),
        svg("", before='<?xml version="1.0" encoding="iso-8859-1"?>'),
        svg("<g>"),
        svg("<g></G>"),
        svg("</svg><svg>"),
        image("svg+xml", b"<svg><text>no namespace</text></svg>"),
        image("svg+xml", f"<svg {NAMESPACE}></svg>".encode("utf-16")),
        image("svg+xml", f"\ufeff<svg {NAMESPACE}></svg>".encode()),
        image("svg+xml", f"<svg {NAMESPACE}>\x00</svg>".encode()),
        image("svg+xml", b"\xff"),
        image("svg+xml", b"<!DOCTYPE html><script>alert(1)</script>"),
        image("svg+xml", b" "),
        image("png", b"GIF89a"),
        image("png", png(behind=b"<script>")),
        image("png", png()[:-12]),
        image("png", png(part(b"iTXt", b"XML:com.adobe.xmp\0x"))),
        image("png", png(part(b"eXIf", b"x"))),
    ],
)
def test_a_picture_is_looked_at_too(picture: str) -> None:
    assert "safety" in kinds(picture)
    assert "in a picture" in said(made(picture))


def test_an_entity_is_not_expanded() -> None:
    bomb = '<!DOCTYPE svg [<!ENTITY a "x"><!ENTITY b "' + "&a;" * 9999 + '"><!ENTITY c "' + "&b;" * 9999 + '">]>'
    assert "a document type of its own" in said(made(svg("<text>&c;</text>", before=bomb)))


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
