"""What a review will do, settled and checked before anything runs: book, quarters, partners, notebooks, figures, files.

A partner's notebooks are given a slice: its own rows, and aggregates of the others. What a kernel never held, a page
cannot leak.

A notebook that declares a parameter more or less than the six would run on its defaults without a word, and report on
the wrong partner; so every notebook is looked at before any is run.

A partner's id may hold anything a CRM allows. What goes into the name of its page is the id when it is plain, else its
plain letters and a short hash of the exact id; the partner's name follows as a readable slug. Two partners never share
a file, not even where case is ignored.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from anyascii import anyascii
from pathvalidate import is_valid_filename

from partnerkpi.book import Book
from partnerkpi.errors import UsageError
from partnerkpi.figures import HEADLINE, Known, known_of, refuse_before_records, scorecard
from partnerkpi.findings.network import standings
from partnerkpi.findings.verdict import Standing, everything
from partnerkpi.groups import ALL, Key
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.opening import open_book
from partnerkpi.others import given_to
from partnerkpi.periods import Quarter
from partnerkpi.shipped import shipped
from partnerkpi.slices import write_slice

#: The partner of the run that is about the whole network.
NETWORK = ""
#: Quarters a notebook may look back on: eight for a trend, and what the oldest of them is compared with.
BACK, TREND = 13, 8
#: What every notebook declares in its one cell tagged `parameters`; all strings.
PARAMETERS = ("book", "partner", "quarter", "as_of", "edition", "language")
COVER = "review"

#: So many partners' parts of the book are kept: of those whose notebooks run, and of the next.
PARTS = 16
#: Longest file name in bytes, the ending included.
LONGEST = 120
PLAIN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?")

#: Values by figure name; None where there is none.
Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Claim:
    """What a finished notebook must say at its end."""

    chapter: str
    partner: str
    quarter: str
    as_of: str


@dataclass(frozen=True)
class Chapter:
    """One notebook: `path`, and `name`, its file name without number and ending; the cover is `review`."""

    path: Path
    name: str

    @property
    def is_cover(self) -> bool:
        """True for the chapter that opens the review."""
        return self.name == COVER


@dataclass(frozen=True, eq=False)
class Plan:
    """A review as it will be run. `names` holds every partner's name by id, `partners` those to be reviewed."""

    book: Book
    quarters: tuple[Quarter, ...]
    partners: tuple[str, ...]
    names: Mapping[str, str]
    chapters: tuple[Chapter, ...]

    @cached_property
    def files(self) -> dict[str, str]:
        """The file name of each partner's page, and of the network's (`index.html`)."""
        return {NETWORK: "index.html"} | {p: f"{stem}.html" for p, stem in page_names(self.names).items()}

    @cached_property
    def folders(self) -> dict[str, str]:
        """The folder of each partner's executed notebooks, named by its id alone, and of the network's (`index`)."""
        return {NETWORK: "index"} | page_names(dict.fromkeys(self.names, ""))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The tidy table behind all pages: every figure of every partner, the unassigned and the whole."""
        return scorecard(self.book, list(self.quarters))

    @cached_property
    def known(self) -> dict[str | Key, Known]:
        """By partner, and for `ALL`, the figures that a cover and its trends ask for."""
        return known_of(self.book, self.quarters, TREND)

    @cached_property
    def _values(self) -> dict[tuple[str | Key, str, str], dict[str, float | None]]:
        values: dict[tuple[str | Key, str, str], dict[str, float | None]] = defaultdict(dict)
        columns = (self.scores[c] for c in ("group", "quarter", "kpi", "figure", "value"))
        for group, quarter, kpi, figure, value in zip(*columns, strict=True):
            values[group, quarter, kpi][figure] = None if pd.isna(value) else float(value)
        return values

    def figures(self, chapter: Chapter, partner: str, quarter: Quarter) -> Figures:
        """The values a chapter must end with."""
        group = partner or ALL
        if chapter.is_cover:
            return {kpi.name: self._values[group, quarter.label, kpi.name][HEADLINE] for kpi in KPIS}
        return self._values[group, quarter.label, chapter.name]

    def standings(self, quarter: Quarter) -> Mapping[str, Standing]:
        """How each partner stands."""
        stands: dict[str, Standing] = self.book.once(("standings", quarter), lambda: standings(self.book, quarter))
        return stands

    def is_short(self, partner: str, quarter: Quarter) -> bool:
        """True for a partner with a page of one card: it has left, has just joined, or has no deals."""
        return partner != NETWORK and self.standings(quarter)[partner].short

    def chapters_of(self, partner: str, quarter: Quarter) -> tuple[Chapter, ...]:
        """The chapters of a partner's page: of a short one the cover alone."""
        covers = tuple(chapter for chapter in self.chapters if chapter.is_cover)
        return covers if covers and self.is_short(partner, quarter) else self.chapters

    def claim(self, chapter: Chapter, partner: str, quarter: Quarter) -> Claim:
        """What a chapter must say of itself at its end."""
        return Claim(chapter.name, partner, quarter.label, f"{self.book.as_of:%Y-%m-%d}")

    def part(self, partner: str) -> Book:
        """The book of one partner, or the whole for the network; those asked for last are kept."""
        parts = self._parts
        if partner not in parts:
            parts[partner] = self.book.for_partner(partner)
            if len(parts) > PARTS:
                del parts[next(iter(parts))]
        return parts[partner]

    def ends(self, partner: str) -> list[float]:
        """Every value of a partner's figures and of the network's, with the ends of its interval."""
        return [*self._ends.get(partner, ()), *self._ends.get(ALL, ())]

    @cached_property
    def _parts(self) -> dict[str, Book]:
        return {}

    @cached_property
    def _ends(self) -> dict[str | Key, list[float]]:
        ends: dict[str | Key, list[float]] = defaultdict(list)
        values = self.scores[["value", "low", "high"]].to_numpy(float)
        for group, three in zip(self.scores["group"], values, strict=True):
            ends[group].extend(three[np.isfinite(three)].tolist())
        return ends

    def write_slice(self, partner: str, folder: Path) -> None:
        """Write what the notebooks of a partner (or of the network) may know."""
        mine = self.part(partner)
        write_slice(mine, given_to(mine, self._looked_back_on, self._compared, self.quarters, everything), folder)

    @cached_property
    def _looked_back_on(self) -> tuple[Quarter, ...]:
        quarters = {q.label: q for last in self.quarters for q in map(self.book.quarter, last.back(BACK))}
        return tuple(quarters[label] for label in sorted(quarters))

    @cached_property
    def _compared(self) -> tuple[Kpi, ...]:
        return tuple(one for kpi in KPIS for one in (kpi, *kpi.stand_ins))


def planned(
    book: Book | str | Path,
    quarters: str | Quarter | Sequence[str | Quarter] | None,
    partners: Sequence[str] | None,
    *,
    as_of: str | None,
    allow_set_aside: bool,
    notebooks: Path | None,
    allow_approximate: bool = False,
) -> Plan:
    """The plan of a review.

    Raises:
        UsageError: a notebook with other parameters, no such quarter or partner, a part of a book.
        DataRefused: the book's data cannot be trusted.
    """
    notebook_chapters = chapters((notebooks or shipped("notebooks")).resolve())  # they are run elsewhere
    whole = _whole(book, as_of, allow_set_aside, allow_approximate)
    wanted = [quarters or ""] if quarters is None or isinstance(quarters, (str, Quarter)) else list(quarters) or [""]
    periods = {q.label: q for q in map(whole.quarter, wanted)}
    refuse_before_records(whole, tuple(periods.values()))
    ids = whole.partner_ids
    chosen = list(dict.fromkeys(ids if partners is None else partners))
    for partner in chosen:
        whole.check_partner(partner)
    recorded_names = whole.partners.set_index("partner_id")["name"].dropna()
    return Plan(
        book=whole,
        quarters=tuple(periods.values()),
        partners=tuple(chosen),
        names={p: str(recorded_names.get(p, p)) for p in ids},
        chapters=notebook_chapters,
    )


def _whole(book: Book | str | Path, as_of: str | None, allow_set_aside: bool, allow_approximate: bool) -> Book:
    if not isinstance(book, Book):
        allowed = {"allow_set_aside": allow_set_aside, "allow_approximate": allow_approximate}
        return open_book(book, as_of=as_of or None, **allowed)
    if book.choices:
        raise UsageError("A review needs the whole book, not a part of it: name the partners with partners=[…].")
    if as_of and pd.Timestamp(as_of) != book.as_of:
        raise UsageError(f"The book is open as of {book.as_of:%Y-%m-%d}; open it as of {as_of} instead.")
    return book


def chapters(folder: Path) -> tuple[Chapter, ...]:
    """The notebooks of the folder named `NN_<name>.ipynb`, in the order of their numbers, each with the six parameters.

    Raises `UsageError` that lists every notebook with other parameters.
    """
    numbered = [Chapter(path, path.stem[3:]) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    if not numbered:
        raise UsageError(f"no notebooks named NN_<name>.ipynb in {folder}")
    faults = [f"{chapter.path.name}: {fault}" for chapter in numbered if (fault := parameter_fault(chapter.path))]
    if faults:
        raise UsageError("notebooks that cannot be reviewed; nothing was run:\n" + "\n".join(faults))
    return tuple(numbered)


def parameter_fault(path: Path) -> str:
    """What is wrong with a notebook's parameters, in words; empty when it declares exactly the six, all strings."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError) as error:
        return f"not a notebook ({error})"
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", ())]
    if len(tagged) != 1:
        return f"{len(tagged)} cells are tagged parameters; tag exactly one"
    try:
        declared = _assigned("".join(tagged[0]["source"]))
    except SyntaxError as error:
        return f"the parameters cell is not Python ({error.msg})"
    if missing := [name for name in PARAMETERS if name not in declared]:
        return f"parameters not declared: {', '.join(missing)}"
    if extra := [name for name in declared if name not in PARAMETERS]:
        return f"unknown parameters: {', '.join(extra)}; the six are {', '.join(PARAMETERS)}"
    if others := [name for name, value in declared.items() if not isinstance(value, str)]:
        return f"parameters that are not text: {', '.join(others)}"
    return ""


def _assigned(source: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for statement in ast.parse(source).body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        for target in targets:
            value = getattr(statement, "value", None)
            values[ast.unparse(target)] = value.value if isinstance(value, ast.Constant) else None
    return values


def slug(text: str, longest: int = 60) -> str:
    """Lower-case ASCII words joined by hyphens; empty when the text has neither letters nor digits.

    >>> slug("Müller & Söhne GmbH"), slug("Fønix Weiß"), slug("../../x"), slug("株式会社")
    ('muller-sohne-gmbh', 'fonix-weiss', 'x', 'zhushihuishe')
    """
    return re.sub(r"[^a-z0-9]+", "-", anyascii(text[:LONGEST]).lower())[:longest].strip("-")


def page_names(partners: Mapping[str, str], reserved: frozenset[str] = frozenset({"index"})) -> dict[str, str]:
    """The stem of each partner's page, by id: `P-003-rheinwerk`.

    `partners` maps id to name. The result depends on the ids and names only, not on their order.

    >>> page_names({"P-003": "Rheinwerk GmbH", "con": "", "a/b": "A", "A/B": "A"})
    {'P-003': 'P-003-rheinwerk-gmbh', 'con': 'con-1143da2b', 'a/b': 'a-b-c14cddc0-a', 'A/B': 'a-b-998d3ed8-a'}
    """
    folded = Counter(_folded(partner) for partner in partners)
    stems = {}
    for partner, name in partners.items():
        # Windows keeps some names for devices, whatever the ending.
        safe = PLAIN_ID.fullmatch(partner) and is_valid_filename(partner, platform="windows")
        safe = safe and _folded(partner) not in reserved
        key = partner if safe and folded[_folded(partner)] == 1 else _hashed(partner)
        readable = "" if slug(name) == slug(partner) else slug(name)
        stems[partner] = "-".join(part for part in (key, readable) if part)[: LONGEST - len(".html")].rstrip("-")
    taken = Counter(_folded(stem) for stem in stems.values())
    return {
        partner: stem if taken[_folded(stem)] == 1 else f"{_hashed(partner)}-{_digest(partner, 16)}"
        for partner, stem in stems.items()
    }


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _hashed(partner: str) -> str:
    return "-".join(part for part in (slug(partner, 30), _digest(partner, 8)) if part)


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
