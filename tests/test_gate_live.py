"""Whatever a browser would run, fetch, repair or read otherwise than it is written is refused."""

from __future__ import annotations

import pytest
from pages import NAMESPACE, image, kinds, made, part, png, said, svg

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
