"""The gate: says why a notebook must not be believed, and why a page must not be published.

**Proof.** Exit codes and cell states prove nothing: a kernel that was killed leaves cells marked as completed. What
counts is that every code cell has run, in order, that none failed or warned of a number it could not trust, and that
the end marker names this chapter, partner and quarter with the very figures computed outside the notebook.

**Page.** The final bytes are looked at. `safety`: anything a browser would run or fetch. `disclosure`: another
partner's id or name. `quality`: a figure that is none, a picture without description, headings or ids that are wrong.
The page is parsed as HTML and only known elements and attributes pass; pictures are decoded and looked at in the same
way.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Literal

from partnerkpi.batch.page import POLICY
from partnerkpi.batch.plan import Claim, Figures
from partnerkpi.show.html import END

Kind = Literal["safety", "disclosure", "quality"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTS = _words("""
    html head meta title style body header nav main section article footer h1 h2 h3 h4 h5 h6 p a ul ol li dl dt dd div
    span table caption colgroup col thead tbody tfoot tr th td details summary figure figcaption img pre code kbd samp
    strong em b i u s small sup sub bdi abbr time mark br hr blockquote q del ins
""")
SVG_ELEMENTS = _words("""
    svg g defs path use rect circle ellipse line polyline polygon text tspan title desc clippath style metadata marker
    lineargradient stop symbol image
""")
ATTRIBUTES = _words("""
    class id lang dir scope colspan rowspan headers href src alt width height title style open role tabindex charset
    name content http-equiv datetime start span border scoped
""")
VOID = _words("meta img br hr col")
#: What a number that is none looks like when it is all a cell holds.
NO_FIGURE = frozenset({"nan", "inf", "-inf", "infinity", "none", "nat", "<na>", "-0", "−0", "-0.0", "−0.0", "-0 %"})
FIGURE_ELEMENTS = frozenset({"td", "th", "dd", "strong"})
#: Warnings about the age of code, not about numbers.
HARMLESS = re.compile(r"(Deprecation|Future|PendingDeprecation|User|Pandas4|Resource|Import|Syntax)Warning")
WARNED = re.compile(r"\b([A-Z]\w*Warning)\b")
_URL = re.compile(r"url\(\s*['\"]?\s*([^'\")\s]*)", re.IGNORECASE)
_STYLE = re.compile(r"@import|expression\s*\(|behavior\s*:|-moz-binding|javascript:", re.IGNORECASE)
_DATA = re.compile(r"data:(image/(?:svg\+xml|png));base64,([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class Finding:
    """One reason not to publish a page."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        """`safety: element <script>`."""
        return f"{self.kind}: {self.text}"


def faults(notebook: Mapping[str, Any], claim: Claim, figures: Figures) -> list[str]:
    """Everything that keeps the notebook from being believed; empty when it is proven.

    `notebook` is the executed notebook as JSON, `figures` the values computed outside it by figure name. Each of them
    must stand in the end marker, exactly equal, and nothing else may.
    """
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    counts = [cell.get("execution_count") for cell in code]
    if not code:
        return ["it has no code"]
    reasons = []
    if None in counts:
        reasons.append(f"{counts.count(None)} of {len(counts)} code cells did not run")
    elif counts != sorted(set(counts)):
        reasons.append("its cells ran out of order")
    outputs = [output for cell in code for output in cell.get("outputs", ())]
    reasons += [f"{o.get('ename')}: {o.get('evalue')}" for o in outputs if o["output_type"] == "error"]
    reasons += _warnings(outputs)
    markers = [o["data"][END] for o in outputs if END in o.get("data", {})]
    if len(markers) != 1:
        return [*reasons, "it did not reach its end marker" if not markers else "it has more than one end marker"]
    if "".join(code[-1]["source"]) and not any(END in o.get("data", {}) for o in code[-1].get("outputs", ())):
        reasons.append("the end marker is not in its last cell")
    return reasons + _differences(markers[0], claim, figures)


def _warnings(outputs: list[Any]) -> list[str]:
    text = "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream" and o["name"] == "stderr")
    serious = sorted({name for name in WARNED.findall(text) if not HARMLESS.fullmatch(name)})
    return [f"it warned of its own numbers ({', '.join(serious)})"] if serious else []


def _differences(marker: Mapping[str, Any], claim: Claim, figures: Figures) -> list[str]:
    reasons = [
        f"its end marker is for {key} {marker.get(key)!r} instead of {wanted!r}"
        for key, wanted in vars(claim).items()
        if marker.get(key) != wanted
    ]
    stated: Figures = marker.get("figures") or {}
    if not stated:
        reasons.append("its end marker has no figures")
    for name, value in stated.items():
        if not (value is None or (isinstance(value, int | float) and math.isfinite(value))):
            reasons.append(f"{name} is {value!r}, not a number")
        elif name not in figures:
            reasons.append(f"{name} was not computed outside the notebook")
        elif value != figures[name]:
            reasons.append(f"{name} is {value!r} in the notebook and {figures[name]!r} outside it")
    reasons += [f"{name} is not in its end marker" for name in figures if name not in stated]
    return reasons


def findings(
    page: bytes, *, foreign: Collection[str] = (), links: Collection[str] = (), private: str = ""
) -> list[Finding]:
    """Everything that keeps the page from being published, each once; empty when it may be.

    `foreign` are ids and names that must not occur as whole words; `links` the files it may link to; `private` a path
    of this machine that must not be in it.
    """
    try:
        text = page.decode()
    except UnicodeDecodeError:
        return [Finding("quality", "the page is not UTF-8")]
    looked = _Look(frozenset(links))
    looked.feed(text)
    looked.close()
    found = looked.found + looked.at_the_end()
    if "<!--" in text:
        found.append(Finding("safety", "an HTML comment"))
    if private and private in text:
        found.append(Finding("quality", "a path of this machine"))
    seen = looked.everything()
    found += [Finding("disclosure", f"names another partner: {word!r}") for word in foreign if _stands_in(word, seen)]
    return list(dict.fromkeys(found))


def telling(words: Collection[str], own_text: str) -> list[str]:
    """The words whose appearance in a page would prove a leak.

    Left out are those that stand in `own_text` (what the partner's own rows and our own prose say anyway) and those
    too plain to tell from a figure: shorter than three characters, or a number of up to six digits.
    """
    return sorted({w for w in words if len(w) > 2 and not re.fullmatch(r"\d{1,6}", w) and not _stands_in(w, own_text)})


def _stands_in(word: str, text: str) -> bool:
    """True when the word occurs in the text and is not part of a longer one."""
    place = text.find(word)
    while place >= 0:
        before, after = text[place - 1 : place], text[place + len(word) : place + len(word) + 1]
        joined = (before.isalnum() and word[0].isalnum()) or (after.isalnum() and word[-1].isalnum())
        if not joined:
            return True
        place = text.find(word, place + 1)
    return False


@dataclass
class _Open:
    name: str
    text: list[str] = field(default_factory=list)
    own: bool = False


class _Look(HTMLParser):
    """Walks a page once and notes what is wrong and all text that is in it."""

    def __init__(self, links: frozenset[str], svg: bool = False) -> None:
        super().__init__(convert_charrefs=True)
        self.links = links
        self.svg = svg
        self.found: list[Finding] = []
        self.texts: list[str] = []
        self.ids: Counter[str] = Counter()
        self.targets: set[str] = set()
        self.elements: Counter[str] = Counter()
        self.policy = ""
        self.lang = False
        self._open: list[_Open] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = SVG_ELEMENTS if self.svg else ELEMENTS
        if tag not in allowed:
            self._note("safety", f"element <{tag[:40]}>")
        self.elements[tag] += 1
        names = Counter(name for name, _ in attrs)
        values = {name: value or "" for name, value in attrs}
        if any(count > 1 for count in names.values()):
            self._note("safety", f"an attribute given twice on <{tag}>")
        for name, value in values.items():
            self._attribute(tag, name, value)
            self.texts.append(value)
        if tag == "meta":
            self._meta(values)
        if tag == "img" and not values.get("alt", "").strip():
            self._note("quality", "a picture without description")
        if tag == "html" and not self.svg:
            self.lang = bool(values.get("lang"))
        if self.svg or tag not in VOID:
            self._open.append(_Open(tag))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.svg or tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID and not self.svg:
            return
        if not self._open or self._open[-1].name != tag:
            self._note("quality", f"</{tag[:40]}> closes nothing that is open")
            return
        closed = self._open.pop()
        text = "".join(closed.text).strip()
        if tag in FIGURE_ELEMENTS and text.lower() in NO_FIGURE:
            self._note("quality", f"{text!r} stands where a figure should")
        if self._open and tag != "bdi":
            self._open[-1].text += closed.text
        elif self._open:
            self._open[-1].text.append("\ufffc" * bool(closed.text))  # text from outside may say anything

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._open:
            self._open[-1].text.append(data)
            if self._open[-1].name == "style":
                self._style(data)

    def handle_decl(self, decl: str) -> None:
        if not self.svg and decl.lower() != "doctype html":
            self._note("safety", "a declaration that is not <!DOCTYPE html>")

    def handle_pi(self, data: str) -> None:
        if not (self.svg and data.startswith("xml ")):
            self._note("safety", "a processing instruction")

    def unknown_decl(self, data: str) -> None:
        self._note("safety", "an unknown declaration")

    def handle_comment(self, data: str) -> None:
        if not self.svg:
            self._note("safety", "an HTML comment")
        self.texts.append(data)

    def at_the_end(self) -> list[Finding]:
        """What can be said only when the whole page was seen."""
        found = [Finding("quality", f"<{o.name}> is never closed") for o in self._open]
        if self.svg:
            return found
        if self.elements["h1"] != 1:
            found.append(Finding("quality", f"{self.elements['h1']} main headings instead of one"))
        if not self.lang or self.elements["title"] != 1:
            found.append(Finding("quality", "no language or no title"))
        if self.policy != POLICY:
            found.append(Finding("safety", "the content policy is missing or another"))
        found += [Finding("quality", f"id {name!r} is given twice") for name, count in self.ids.items() if count > 1]
        found += [Finding("quality", f"nothing has the id {name!r}") for name in self.targets - set(self.ids)]
        return found

    def everything(self) -> str:
        """All text of the page: what is shown, what stands in attributes, what is in pictures."""
        return "\n".join(self.texts)

    def _note(self, kind: Kind, text: str) -> None:
        self.found.append(Finding(kind, text))

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on"):
            self._note("safety", f"attribute {name[:40]}")
        elif not self.svg and name not in ATTRIBUTES and not name.startswith("aria-"):
            self._note("safety", f"attribute {name[:40]} on <{tag[:40]}>")
        if name == "id":
            self.ids[value] += 1
        elif name == "style":
            self._style(value)
        elif name in ("src", "href", "xlink:href"):
            self._reference(tag, name, value)
        elif self.svg and "url(" in value.lower():
            self._style(value)

    def _reference(self, tag: str, name: str, value: str) -> None:
        if value.startswith("#"):
            if not self.svg and len(value) > 1:
                self.targets.add(value[1:])
            return
        if tag == "a" and name == "href" and value in self.links:
            return
        picture = _DATA.fullmatch(value)
        if not (picture and tag in ("img", "image")):
            self._note("safety", f"a reference to {value[:60]!r}")
            return
        try:
            content = base64.b64decode(picture[2], validate=True)
        except binascii.Error:
            self._note("safety", "a picture that cannot be decoded")
            return
        if picture[1] == "image/svg+xml":
            self._picture(content)

    def _picture(self, content: bytes) -> None:
        inner = _Look(frozenset(), svg=True)
        inner.feed(content.decode("utf-8", "replace"))
        inner.close()
        self.found += [Finding(f.kind, f"in a picture, {f.text}") for f in inner.found]
        self.texts.append(inner.everything())

    def _style(self, text: str) -> None:
        plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        if "\\" in plain or _STYLE.search(plain):
            self._note("safety", "a style that imports or runs something")
        for target in _URL.findall(plain):
            if not target.startswith(("#", "data:image/")):
                self._note("safety", f"a style that fetches {target[:60]!r}")

    def _meta(self, values: dict[str, str]) -> None:
        kind = values.get("http-equiv", "").lower()
        if kind == "content-security-policy":
            self.policy = values.get("content", "")
        elif kind:
            self._note("safety", f"meta {kind[:40]}")
