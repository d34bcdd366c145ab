"""What the drafted book would say: the draft is really opened, beside its files, and asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from partnerkpi.book import Book, Reading
from partnerkpi.book.keys import NAME
from partnerkpi.errors import PartnerKpiError
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.opening import check_book, open_book
from partnerkpi.periods import Quarter
from partnerkpi.survey.draft import NO_CURRENCY
from partnerkpi.wording import Code

#: Which column a figure lacks that is missing for this reason.
LACKS: dict[Code, str] = {
    Code.CHANNELS_NOT_RECORDED: "deals.channel",
    Code.NO_CHANNEL_MAPPED: "the table channels (channel, media)",
    Code.LOSSES_NOT_RECORDED: "lost deals, by deals.status",
    Code.WINS_NOT_RECORDED: "won deals, by deals.status",
    Code.WON_AMOUNTS_NOT_RECORDED: "deals.amount of won deals",
    Code.LOST_AMOUNTS_NOT_RECORDED: "deals.amount of lost deals",
    Code.OPEN_NOT_RECORDED: "open deals, by deals.status",
    Code.OPEN_AMOUNTS_NOT_RECORDED: "deals.amount of open deals",
    Code.EXPECTED_CLOSES_NOT_RECORDED: "deals.expected_close_on",
    Code.LEADS_NOT_RECORDED: "the table leads",
    Code.SPEND_NOT_RECORDED: "the table spend",
    Code.COMMISSION_NOT_RECORDED: "partners.commission_rate",
    Code.RIVALS_NOT_RECORDED: "deals.competitor",
    Code.REFUSALS_NOT_RECORDED: "refused registrations: the status rejected",
    Code.NO_OUTCOMES_RECORDED: "lost deals or refused registrations, by deals.status",
    Code.NO_TARGET: "the table targets",
    Code.NO_TARGET_AHEAD: "the table targets",
    Code.NO_TARGET_LEFT: "the table targets",
    Code.FEW_TYPICAL: "deals.partner_id of at least five partners",
    Code.PARTNERS_ONLY: "deals.partner_id",
}
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
            made.untold = str(problem).partition("\n")[0]
            return made
        made.quarters = _quarters(book)
        _kpis(made, book)
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
    now = _quarter(book)
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


def _quarter(book: Book) -> Quarter:
    """The last complete quarter."""
    return book.quarter()


def _kpis(made: Preview, book: Book) -> None:
    """Which KPIs have a value, and what those that have none lack."""
    quarter = _busy_quarter(book)
    partner = next(iter(book.deals["partner_id"].value_counts().index), None) if len(book.deals) else None
    whole, mine = book, book.where(partner_id=str(partner)) if partner is not None else None
    for kpi in KPIS:
        lack = _lack(kpi, whole, mine, quarter)
        if lack:
            made.missing.append((kpi.title, lack))
        else:
            made.available.append(kpi.title)
        for companion in kpi.companions:
            if (lack := _lack(companion, whole, mine, quarter)) and "deals.partner_id" not in lack:
                made.companions.append((companion.title, lack))


def _busy_quarter(book: Book) -> Quarter:
    """The last complete quarter in which something was decided, so that nothing is missing for want of deals."""
    quarter = _quarter(book)
    closed = book.deals["closed_on"].dropna()
    last = closed[closed <= quarter.end].max() if len(closed) else pd.NaT
    while pd.notna(last) and last < quarter.start:
        quarter = quarter - 1
    return quarter


def _lack(kpi: Kpi, whole: Book, mine: Book | None, quarter: Quarter) -> str:
    """The column a figure lacks, empty where it has a value or only too few deals."""
    estimate = kpi(whole, quarter)
    if estimate.value is None and estimate.reason is not None and estimate.reason.code is Code.PARTNERS_ONLY:
        if mine is None:
            return LACKS[Code.PARTNERS_ONLY]
        estimate = kpi(mine, quarter)
    if estimate.value is not None or estimate.reason is None:
        return ""
    with suppress(KeyError):
        return LACKS[estimate.reason.code]
    return ""
