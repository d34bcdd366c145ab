"""What a review will do, settled and checked before anything runs: book, quarters, partners, notebooks, figures.

A partner's notebooks are given a slice: its own rows, and aggregates of the others. What a kernel never held, a page
cannot leak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from partnerkpi import compare, others
from partnerkpi.batch.chapters import Chapter, chapters
from partnerkpi.batch.names import page_names
from partnerkpi.batch.proof import Claim, Figures
from partnerkpi.book import Book, NetworkFacts, open_book
from partnerkpi.errors import UsageError, nearest
from partnerkpi.figures import scorecard
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.periods import quarters as quarters_back
from partnerkpi.shipped import shipped

#: The partner of the run that is about the whole network.
NETWORK = ""
#: Quarters a notebook may look back on: eight for a trend, and what the oldest of them is compared with.
BACK = 13


@dataclass(frozen=True, eq=False)
class Plan:
    """A review as it will be run. `names` holds every partner's name by id, `partners` those to be reviewed."""

    book: Book
    quarters: tuple[Quarter, ...]
    partners: tuple[str, ...]
    names: dict[str, str]
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
    def _values(self) -> dict[tuple[str, str, str], dict[str, float | None]]:
        found: dict[tuple[str, str, str], dict[str, float | None]] = defaultdict(dict)
        columns = (self.scores[c] for c in ("group", "quarter", "kpi", "figure", "value"))
        for group, quarter, kpi, figure, value in zip(*columns, strict=True):
            found[group, quarter, kpi][figure] = None if pd.isna(value) else float(value)
        return found

    def figures(self, chapter: Chapter, partner: str, quarter: Quarter) -> Figures:
        """The values a chapter must end with."""
        group = partner or "all"
        if chapter.is_cover:
            return {kpi.name: self._values[group, quarter.label, kpi.name]["headline"] for kpi in KPIS}
        return self._values[group, quarter.label, chapter.name]

    def claim(self, chapter: Chapter, partner: str, quarter: Quarter) -> Claim:
        """What a chapter must say of itself at its end."""
        return Claim(chapter.name, partner, quarter.label, f"{self.book.as_of:%Y-%m-%d}")

    def write_slice(self, partner: str, folder: Path) -> None:
        """Write what the notebooks of a partner (or of the network) may know."""
        # The network's own slice is the whole book, in the form of a slice: that of a partner without an id.
        mine = self.book.for_partner(partner)
        facts = self._facts
        if partner:
            peers = compare.peer_facts(self.book, list(self.quarters), partner)
            own = facts.expected["prospect_id"].isin(mine.prospects["prospect_id"])
            facts = replace(
                facts,
                network=pd.concat([facts.network, peers], ignore_index=True),
                expected=facts.expected[own].reset_index(drop=True),
            )
        mine.write_slice(str(folder), facts)

    @cached_property
    def _facts(self) -> NetworkFacts:
        labels = sorted({label for q in self.quarters for label in quarters_back(q.label, back=BACK)})
        return others.facts(self.book, [self.book.quarter(label) for label in labels])


def planned(
    book: Book | str | Path,
    quarters: str | Quarter | Sequence[str | Quarter] | None,
    partners: Sequence[str] | None,
    *,
    as_of: str | None,
    allow_set_aside: bool,
    notebooks: Path | None,
) -> Plan:
    """The plan of a review.

    Raises:
        UsageError: a notebook with other parameters, no such quarter or partner, a part of a book.
        DataRefused: the book's data cannot be trusted.
    """
    made_of = chapters(notebooks or shipped("notebooks"))
    whole = _whole(book, as_of, allow_set_aside)
    wanted = [quarters or ""] if quarters is None or isinstance(quarters, (str, Quarter)) else list(quarters) or [""]
    periods = {q.label: q for q in map(whole.quarter, wanted)}
    known = list(map(str, whole.partner_ids))
    chosen = list(dict.fromkeys(known if partners is None else partners))
    if unknown := [p for p in chosen if p not in known]:
        raise UsageError(f"There is no partner '{unknown[0]}' in {whole.name}. {nearest(unknown[0], known)}")
    given = whole.partners.set_index("partner_id")["name"].dropna()
    names = {p: str(given.get(p, p)) for p in known}
    return Plan(whole, tuple(periods.values()), tuple(chosen), names, made_of)


def _whole(book: Book | str | Path, as_of: str | None, allow_set_aside: bool) -> Book:
    if not isinstance(book, Book):
        return open_book(book, as_of=as_of or None, allow_set_aside=allow_set_aside)
    if book.network is not None or book.facts is not None:
        raise UsageError("A review needs the whole book, not a part of it: name the partners with partners=[…].")
    if as_of and pd.Timestamp(as_of) != book.as_of:
        raise UsageError(f"The book is open as of {book.as_of:%Y-%m-%d}; open it as of {as_of} instead.")
    return book
