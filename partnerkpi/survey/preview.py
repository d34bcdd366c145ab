"""What the drafted book would say: the draft is really opened, beside its files, and asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from partnerkpi.book import Book, Reading
from partnerkpi.book.keys import NAME
from partnerkpi.errors import PartnerKpiError
from partnerkpi.lacking import told_by
from partnerkpi.opening import check_book, open_book
from partnerkpi.periods import Quarter
from partnerkpi.survey.draft import NO_CURRENCY

_QUARTERS = 6


@dataclass
class Preview:
    """What the draft gives: whether `check` accepts it, its account, its quarters, its KPIs.

    `once_decided`: it does when its doubts are filled in. `faults` are those of the draft; `problem` why it is refused
    before any file is read, `untold` why nothing can be shown even with its doubts filled in.
    """

    accepted: bool = False
    once_decided: bool = False
    problem: str = ""
    untold: str = ""
    faults: list[str] = field(default_factory=list)
    account: list[str] = field(default_factory=list)
    quarters: list[tuple[str, ...]] = field(default_factory=list)
    available: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    companions: list[tuple[str, str]] = field(default_factory=list)


def preview(files: list[Path], draft: str, trial: str) -> Preview:
    """Open the draft as it stands, and with its doubts filled in for trial, and say what comes of it."""
    made = Preview()
    with _beside(files) as folder:
        _write(folder, draft)
        try:
            reading = check_book(folder)
        except PartnerKpiError as problem:
            made.problem = str(problem).partition("\n")[0]
        else:
            made.accepted = not reading.refused
            made.faults = _faults(reading)
        if not made.accepted:
            _write(folder, trial)
        try:
            if made.problem or not made.accepted:
                reading = check_book(folder)
                made.faults = made.faults or _faults(reading)
            made.once_decided = not reading.refused
            made.account = [line.replace(f"{NO_CURRENCY} ", "") for line in reading.lines()]
            book = open_book(folder, allow_set_aside=True)
        except PartnerKpiError as problem:
            made.untold = str(problem).partition("\n")[0].rstrip(":.") + "."
            return made
        made.quarters = _quarters(book)
        told = told_by(book)
        made.available = [kpi.title for kpi in told.available]
        made.missing = [(kpi.title, lack) for kpi, lack in told.missing]
        made.companions = [(kpi.title, lack) for kpi, lack in told.companions]
    return made


@contextmanager
def _beside(files: list[Path]) -> Iterator[Path]:
    """A folder with the files, linked where the disk allows, else copied."""
    with TemporaryDirectory(prefix="partnerkpi-init-") as place:
        folder = Path(place)
        for path in files:
            try:
                os.link(path.resolve(), folder / path.name)
            except OSError:
                shutil.copyfile(path, folder / path.name)
        yield folder


def _write(folder: Path, text: str) -> None:
    (folder / NAME).write_text(text, encoding="utf-8")


def _faults(reading: Reading) -> list[str]:
    return [str(f) for f in reading.faults]


def _quarters(book: Book) -> list[tuple[str, ...]]:
    """The last quarters: deals won, lost, open at their end, and the won amount."""
    deals = book.deals
    closed = deals["closed_on"].dropna()
    if not len(deals):
        return []
    now = book.quarter()
    quarters: list[Quarter] = []
    first = min([*closed, *deals["created_on"].dropna()], default=None)
    while first is not None and len(quarters) < _QUARTERS and now.end >= first:
        quarters.append(now)
        now = now - 1
    rows: list[tuple[str, ...]] = []
    for quarter in reversed(quarters):
        inside = deals["closed_on"].between(quarter.start, quarter.end)
        won, lost = (
            inside & (deals["status"] == "won"),
            inside & deals["status"].isin(["lost", "abandoned", "rejected"]),
        )
        opened = (deals["created_on"] <= quarter.end) & ~(deals["closed_on"] <= quarter.end)
        money = deals.loc[won, "amount"].sum()
        rows.append((quarter.label, f"{won.sum():,}", f"{lost.sum():,}", f"{opened.sum():,}", f"{money:,.0f}"))
    return rows
