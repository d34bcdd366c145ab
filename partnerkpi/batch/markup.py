"""A page as a browser reads it: what is live in it, and every text that can be read.

A page is parsed twice. Lexbor reads it as browsers do, whatever its tags look like, and what it finds is held against
lists of what a page may be made of. Beside it the source is read by a grammar so small that nothing in it can be
mistaken. Where the two differ, a browser would repair, move or drop something, and the page is not what it seems.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

Kind = Literal["safety", "disclosure", "quality"]
#: Whose words a piece of text is: ours, somebody's from outside (in `<bdi>`), or code.
Whose = Literal["ours", "outside", "code"]


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


ELEMENTS = words("""
    html head meta title style body header nav main section article footer h1 h2 h3 h4 h5 h6 p a ul ol li dl dt dd div
    span table caption colgroup col thead tbody tfoot tr th td details summary figure figcaption img pre code kbd samp
    strong em b i u s small sup sub bdi abbr time mark br hr blockquote q del ins
""")
#: Elements within a line of text; all others end it.
INLINE = words("a abbr b bdi code del em i ins kbd mark q s samp small span strong sub sup time u")
VOID = words("meta img br hr col")
CODE = words("code kbd samp")
ATTRIBUTES = words("class id lang dir title style role tabindex")
ATTRIBUTES_OF = {
    "a": words("href"),
    "img": words("src alt width height"),
    "meta": words("charset name content http-equiv"),
    "style": words("scoped"),
    "table": words("border"),
    "th": words("scope colspan rowspan headers"),
    "td": words("colspan rowspan headers"),
    "col": words("span"),
    "colgroup": words("span"),
    "ol": words("start"),
    "details": words("open"),
    "time": words("datetime"),
}
#: What a `<meta name=…>` may say; another could, for one, send the address of the page elsewhere.
META_NAMES = words("viewport color-scheme")
#: Attributes that are read, or read out, as text.
READ_ATTRIBUTES = words("alt title aria-label")

#: What a style may call and command. Everything that fetches is a function or an at-rule, and none of those is here.
STYLE_FUNCTIONS = words("""
    var calc clamp min max minmax repeat inset rgb rgba hsl hsla not is where has nth-child nth-of-type lang rotate
    scale translate matrix counter
""")
STYLE_RULES = words("media page supports bottom-left bottom-right")
_STYLE = re.compile(r"(?P<sign>[\\<]|//|http|image-set)|(?P<call>[\w-]+)\(|@(?P<rule>[\w-]*)", re.IGNORECASE)
_OWN_URL = re.compile(r"url\(#[\w.-]+\)")

#: Deeper than this browsers begin to flatten what they read.
DEEPEST = 100
_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?:\s+[a-z][a-z-]*(?:="[^"<>]*")?)*)\s*(/?)>')
_ATTRIBUTE = re.compile(r'([a-z][a-z-]*)(?:="([^"<>]*)")?')
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_SPACE = re.compile(r"[ \t\n\f\r]+")
PICTURE = re.compile(r"data:image/(svg\+xml|png);base64,([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True)
class Finding:
    """One reason not to publish a page."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        """`safety: element <script>`."""
        return f"{self.kind}: {self.text}"


class Event(NamedTuple):
    """A step through a page: an element opens or closes, a text stands, or something that is neither.

    The attributes are in alphabetical order.
    """

    step: Literal["open", "close", "text", "other"]
    what: str
    attributes: tuple[tuple[str, str], ...] = ()


class Piece(NamedTuple):
    """A text between two tags, and whose it is."""

    text: str
    whose: Whose = "ours"


@dataclass
class Block:
    """Pieces that are read together, as a cell, a paragraph, a heading: `element` is the one they stand in."""

    element: str
    pieces: list[Piece] = field(default_factory=list)

    def texts(self) -> tuple[str, ...]:
        """What can be read here: the pieces close together, and with a space where a tag stands."""
        return tuple(dict.fromkeys(gap.join(piece.text for piece in self.pieces) for gap in ("", " ")))

    def own_texts(self) -> tuple[str, ...]:
        """The same with a mark in the place of what is not our own word: text from outside may say anything."""
        own = [piece.text if piece.whose == "ours" else "\ufffc" for piece in self.pieces]
        return tuple(dict.fromkeys(gap.join(own) for gap in ("", " ")))


class Reading:
    """All that was found in a page, and in its pictures.

    `blocks` are its texts; `described` what is read in attributes, in pictures and in the title; `unread` what stands
    in the source only: other attributes, style sheets, comments; `pictures` the pictures in it, each with its type and
    as the base64 text it stands there as; `targets` what it links to within itself.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.blocks: list[Block] = []
        self.described: list[str] = []
        self.unread: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.elements: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.targets: set[str] = set()
        self.has_lang = False

    def refuse(self, text: str, kind: Kind = "safety") -> None:
        """Note a reason not to publish the page."""
        self.findings.append(Finding(kind, text))

    @property
    def outside(self) -> set[str]:
        """Every text that stands in the page as one from outside."""
        return {p.text.strip() for block in self.blocks for p in block.pieces if p.whose == "outside"}


def read_page(text: str, links: frozenset[str], policy: str) -> Reading:
    """Read a page that may link to the files `links` and must state the content policy."""
    reading = Reading()
    browsed = list(_browsed(text, reading))
    written = _written(text, reading)
    if written is not None:
        _compare(_plain(written), _plain(browsed), reading)
    _begin(browsed, policy, reading)
    _walk(browsed, links, reading)
    return reading


def _written(text: str, reading: Reading) -> list[Event] | None:
    """The page as its source says; None, and a finding, when something in it is not written as we write it."""
    if not text.startswith("<!DOCTYPE html>"):
        reading.refuse("the page does not begin with <!DOCTYPE html>")
        return None
    if control := _CONTROL.search(text):
        reading.refuse(f"a control character, {control[0]!r}")
        return None
    events: list[Event] = []
    tags: dict[str, Event] = {}  # a page has many tags that are written alike
    place, inside = len("<!DOCTYPE html>"), ""
    while place < len(text):
        start = text.find("<", place)
        stop = start if start >= 0 else len(text)
        if stop > place:
            run = text[place:stop]
            events.append(Event("text", run if inside == "style" else html.unescape(run)))
        if start < 0:
            break
        tag = _TAG.match(text, start)
        if tag is None or (inside in ("style", "title") and not (tag[1] and tag[2] == inside)):
            what = f"a < in <{inside}>" if inside in ("style", "title") else "a tag that is not plain"
            reading.refuse(f"{what}: {text[start : start + 40]!r}")
            return None
        event = tags.get(tag[0])
        if event is None:
            closes, name, attributes, slash = tag.groups()
            if (closes and (attributes or slash)) or (slash and name not in VOID):
                reading.refuse(f"a tag that is not plain: {tag[0][:40]!r}")
                return None
            pairs = sorted((n, html.unescape(value)) for n, value in _ATTRIBUTE.findall(attributes))
            if len(dict(pairs)) < len(pairs):
                reading.refuse(f"an attribute given twice on <{name}>")
                return None
            event = tags[tag[0]] = Event("close", name) if closes else Event("open", name, tuple(pairs))
        events.append(event)
        inside = "" if event.step == "close" else event.what
        place = tag.end()
    return events


def _browsed(text: str, reading: Reading) -> Iterator[Event]:
    """The page as a browser reads it."""
    root = LexborHTMLParser(text).root
    rest: list[tuple[LexborNode | str, int]] = [(root, 1)] if root is not None else []
    while rest:
        node, depth = rest.pop()
        if isinstance(node, str):
            yield Event("close", node)
        elif node.is_text_node:
            yield Event("text", node.text_content or "")
        elif not node.is_element_node:
            yield Event("other", (node.tag or "declaration").lstrip("-"), (("", node.html or ""),))
        elif depth > DEEPEST:
            reading.refuse("elements nested too deep")
            return
        else:
            name = node.tag or ""
            yield Event("open", name, tuple(sorted((n, value or "") for n, value in node.attributes.items())))
            rest.append((name, depth))
            children, child = [], node.first_child
            while child is not None:
                children.append((child, depth + 1))
                child = child.next
            rest += reversed(children)


def _plain(events: list[Event]) -> list[Event]:
    """Events as they are compared: whitespace, which browsers move and drop, is left out."""
    plain: list[Event] = []
    for event in events:
        if event.step == "text":
            squeezed = _SPACE.sub("", event.what)
            if squeezed and plain and plain[-1].step == "text":
                plain[-1] = Event("text", plain[-1].what + squeezed)
            elif squeezed:
                plain.append(Event("text", squeezed))
        elif not (event.step == "close" and event.what in VOID):
            plain.append(event)
    return plain


def _compare(written: list[Event], browsed: list[Event], reading: Reading) -> None:
    for place in range(max(len(written), len(browsed))):
        ours = written[place] if place < len(written) else None
        theirs = browsed[place] if place < len(browsed) else None
        if ours != theirs:
            said, seen = _in_words(ours), _in_words(theirs)
            reading.refuse(f"a browser reads the page otherwise than it is written: {seen} where {said} stands")
            return


def _in_words(event: Event | None) -> str:
    if event is None:
        return "the end"
    return {"open": f"<{event.what[:40]}>", "close": f"</{event.what[:40]}>"}.get(event.step, f"{event.what[:40]!r}")


def _begin(events: list[Event], policy: str, reading: Reading) -> None:
    """Before anything else a page says its encoding and its content policy: what stands before them escapes them."""
    opened = [event for event in events if event.step == "open"][:4]
    metas = [dict(event.attributes) for event in opened[2:]]
    begins = [event.what for event in opened] == ["html", "head", "meta", "meta"]
    if not begins or metas[0] != {"charset": "utf-8"}:
        reading.refuse("the page does not begin with its encoding")
    if not begins or metas[1] != {"http-equiv": "Content-Security-Policy", "content": policy}:
        reading.refuse("the content policy is missing or another")


def _walk(events: list[Event], links: frozenset[str], reading: Reading) -> None:
    """Hold everything in the page against the lists, and gather its texts."""
    path: list[str] = []
    block = Block("html")
    for event in events:
        name = event.what
        if event.step == "text":
            if path[-1:] == ["style"]:
                reading.unread.append(name)
                check_style(name, reading)
            elif path[-1:] == ["title"]:
                reading.described.append(name)
            else:
                block.pieces.append(Piece(name, _whose(path)))
            continue
        if event.step == "other":
            reading.refuse(f"an HTML {name}" if name == "comment" else f"a {name}")
            reading.unread.append(event.attributes[0][1])
            continue
        if event.step == "open":
            _element(name, dict(event.attributes), path, links, reading)
            if name not in VOID:
                path.append(name)
        elif name not in VOID:
            path.pop()
        if name == "br":
            block.pieces.append(Piece(" "))
        elif name not in INLINE:
            reading.blocks.append(block)
            block = Block(name if event.step == "open" and name not in VOID else next(reversed(path), "html"))
    reading.blocks = [b for b in [*reading.blocks, block] if any(piece.text.strip() for piece in b.pieces)]


def _whose(path: list[str]) -> Whose:
    return "outside" if "bdi" in path else "code" if CODE & set(path) else "ours"


def _element(name: str, values: dict[str, str], path: list[str], links: frozenset[str], reading: Reading) -> None:
    reading.elements[name] += 1
    if name not in ELEMENTS:
        reading.refuse(f"element <{name[:40]}>")
    own = ATTRIBUTES_OF.get(name, ())
    for attribute, value in values.items():
        if attribute not in ATTRIBUTES and attribute not in own and not attribute.startswith("aria-"):
            reading.refuse(f"attribute {attribute[:40]} on <{name[:40]}>")
        if attribute in ("src", "href") and not _is_allowed_reference(name, attribute, value, links, reading):
            reading.refuse(f"a reference to {value[:60]!r}")
        elif attribute == "style":
            check_style(value, reading)
        if attribute in READ_ATTRIBUTES:
            reading.described.append(value)
        elif attribute not in ("src", "style"):  # what a style may say is a list of its own
            reading.unread.append(value)
    if "id" in values:
        reading.ids[values["id"]] += 1
    if name == "meta" and not (path == ["html", "head"] and _is_allowed_meta(values, reading)):
        reading.refuse(f"meta {' '.join(values.values())[:40]!r}")
    if name == "img" and not values.get("alt", "").strip():
        reading.refuse("a picture without description", "quality")
    if name == "html":
        reading.has_lang = bool(values.get("lang"))


def _is_allowed_meta(values: dict[str, str], reading: Reading) -> bool:
    if set(values) == {"name", "content"}:
        return values["name"] in META_NAMES
    return set(values) in ({"charset"}, {"http-equiv", "content"}) and reading.elements["meta"] <= 2


def _is_allowed_reference(name: str, attribute: str, value: str, links: frozenset[str], reading: Reading) -> bool:
    if (name, attribute) == ("a", "href"):
        if value.startswith("#") and len(value) > 1:
            reading.targets.add(value[1:])
            return True
        return value in links
    picture = PICTURE.fullmatch(value)
    if not picture or (name, attribute) != ("img", "src"):
        return False
    reading.pictures.append((picture[1], picture[2]))
    return True


def check_style(text: str, reading: Reading, drawing: bool = False) -> None:
    """Refuse a style that could fetch or hide something; a drawing may name parts of itself, as in `url(#clip)`."""
    for match in _STYLE.finditer(_OWN_URL.sub("none", text) if drawing else text):
        call, rule = match["call"], match["rule"]
        is_known = (call and call.lower() in STYLE_FUNCTIONS) or (rule and rule.lower() in STYLE_RULES)
        if not is_known:  # a sign is neither call nor rule
            reading.refuse(f"a style with {match[0]!r}")
