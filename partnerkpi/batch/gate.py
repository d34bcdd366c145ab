"""The gate: says why a notebook must not be believed, and why a page must not be published.

**Proof.** Exit codes and cell states prove nothing: a kernel that was killed leaves cells marked as completed. What
counts is that every code cell has run, in order, that none failed or warned of a number it could not trust, and that
the end marker names this chapter, partner and quarter with the very figures computed outside the notebook.

**Page.** The final bytes are looked at. `safety`: anything a browser would run, fetch or read otherwise than it is
written. `disclosure`: what is another partner's. `quality`: a figure that is none, a picture without description,
headings or ids that are wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from partnerkpi.batch.disclosure import Foreign
from partnerkpi.batch.markup import Finding, Reading, read_page
from partnerkpi.batch.pictures import read_pictures
from partnerkpi.batch.plan import Claim, Figures
from partnerkpi.show.html import END, POLICY

#: Warnings about the age of code, not about numbers.
HARMLESS = re.compile(r"(Deprecation|Future|PendingDeprecation|User|Pandas4|Resource|Import|Syntax)Warning")
WARNED = re.compile(r"\b([A-Z]\w*Warning)\b")

#: What a number that is none looks like: as a word, as a negative nothing, or as `None` where a figure should stand.
NO_FIGURE = re.compile(
    r"""
    (?<!\w)(?: nan | NaN | NAN | inf | INF | [Ii]nfinity | NaT )(?!\w)
    | <NA>
    | (?<![\w.,]) [-\u2212] (?:[$€£¥]\s?)? 0 (?:[.,]0+)? (?!\w|[.,]\d)
    | [$€£¥]\s? None (?!\w)
    | (?: = | \bto | \band ) \s? None (?!\w)
    | (?<!\w) None \s? (?: % | × | (?: days? | deals? | leads? | wins? | prospects? | partners? | points? ) (?!\w) )
    | (?<!\w) None \s to \s (?= None | [-\u2212$€£¥\d] )
    | (?: ^ | [(\[:·|,;] ) \s* None (?= \s* (?: $ | [)\]:·|,;.] ) )
    """,
    re.VERBOSE,
)
#: In a cell that holds nothing else, these are figures that are none too.
NO_CELL = frozenset({"nan", "inf", "-inf", "infinity", "none", "nat", "<na>"})
CELLS = frozenset({"td", "th", "dd"})


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
    page: bytes,
    *,
    foreign: Foreign | None = None,
    allowed: Collection[str] = (),
    links: Collection[str] = (),
    private: str = "",
) -> list[Finding]:
    """Everything that keeps the page from being published, each once; empty when it may be.

    `foreign` is what must not be read in it, `allowed` names and ids of other partners that may stand all the same
    (one to whom a deal went or from whom it came, in the internal edition); `links` are the files it may link to;
    `private` is a path of this machine that must not be in it.
    """
    try:
        text = page.decode()
    except UnicodeDecodeError:
        return [Finding("quality", "the page is not UTF-8")]
    reading = read_page(text, frozenset(links), POLICY)
    read_pictures(reading)
    reasons = [*reading.findings, *_disorder(reading), *_no_figures(reading)]
    read = [*reading.described, *(text for block in reading.blocks for text in block.texts())]
    if private and any(private in text for text in [*read, *reading.unread]):
        reasons.append(Finding("quality", "a path of this machine"))
    if foreign is not None:
        disclosed = foreign.reasons(read, reading.unread, allowed)
        reasons += [Finding("disclosure", reason) for reason in disclosed]
    return list(dict.fromkeys(reasons))


def _disorder(reading: Reading) -> Iterator[Finding]:
    """What is wrong with the page as a whole."""
    if reading.elements["h1"] != 1:
        yield Finding("quality", f"{reading.elements['h1']} main headings instead of one")
    if not reading.has_lang or reading.elements["title"] != 1:
        yield Finding("quality", "no language or no title")
    for name, count in reading.ids.items():
        if count > 1:
            yield Finding("quality", f"id {name!r} is given twice")
    for name in sorted(reading.targets - set(reading.ids)):
        yield Finding("quality", f"nothing has the id {name!r}")


def _no_figures(reading: Reading) -> Iterator[Finding]:
    """Figures that are none. What stands in the page as a text from outside may say anything, wherever it stands."""
    for block in reading.blocks:
        for text in block.own_texts():
            alone = text.strip()
            if block.element in CELLS and alone.lower() in NO_CELL:
                yield _no_figure(alone)
            for match in NO_FIGURE.finditer(text):
                yield _no_figure(text, match)
        for piece in block.pieces:
            if piece.whose == "ours" and piece.text.strip() == "None":
                yield _no_figure("None")
    for text in reading.described:
        for match in NO_FIGURE.finditer(text):
            if not any(_covers(name, text, match.span()) for name in reading.outside):
                yield _no_figure(text, match)


def _covers(name: str, text: str, span: tuple[int, int]) -> bool:
    """True when what stands there is part of a name from outside that stands there."""
    places = (match.span() for match in re.finditer(re.escape(name), text) if any(c.isalpha() for c in name))
    return any(start <= span[0] and span[1] <= end for start, end in places)


def _no_figure(text: str, match: re.Match[str] | None = None) -> Finding:
    if match:  # with what it stands close to
        before, after = text[: match.start()].split(" ")[-1], text[match.end() :].split(" ")[0]
        text = f"{before}{match[0]}{after}"
    return Finding("quality", f"{text.strip()[:60]!r} stands where a figure should")
