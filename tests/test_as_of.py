"""As-of is honest: whatever comes after the day may go otherwise in the files, and nothing known on the day changes.

Each case rewrites the files of a book after a day (see `rewriting`) and compares all figures, with their intervals,
counts and reasons, and the tables themselves, as of that day.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle_books import write_odd_book
from rewriting import How, rewritten

import partnerkpi as pk
from partnerkpi.shipped import shipped

DAYS = ("2024-08-15", "2025-06-30")  # in the middle of a quarter, and on its last day
SEEDS = ("cassata", "stracciatella", "granita")
KINDS = ("joiners", "strangers", "given", "closed_unheard", "leads_told", "cut")
TABLES = ("deals", "leads", "partners", "history", "spend", "touches", "rates")
UNDATED = ["reason", "competitor"]  # of an outcome undone later, and of a threat to an open deal, nobody knows the day


class Books:
    """The sources, opened once, and their figures as of each day."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self.folders = folders
        self.source = cache(self._source)
        self.known = cache(lambda source, day: pk.open_book(self.source(source), as_of=day))
        self.card = cache(lambda source, day, quarter, by: card(self.known(source, day), quarter, by))

    def _source(self, source: str) -> Path:
        return shipped("data") if source == "sample" else write_odd_book(self.folders.mktemp("odd"), "vanilla")

    def rewritten(self, source: str, day: str, seed: str, how: How) -> Path:
        return rewritten(self.source(source), self.folders.mktemp("rewritten"), day, seed, how)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books(tmp_path_factory)


def card(book: pk.Book, quarter: str, by: str) -> pd.DataFrame:
    """The whole scorecard of a quarter, one line per figure and group."""
    table = pk.scorecard(book, quarter, by=by)
    return table.assign(group=table["group"].astype(str)).set_index(["kpi", "figure", "group"])


def quarters_until(day: str) -> list[str]:
    """Every quarter of the sample book that had begun by the day."""
    last = pd.Period(day, freq="Q")
    return [f"{p.year}Q{p.quarter}" for p in pd.period_range("2023Q1", last, freq="Q")]


def same_figures(one: pd.DataFrame, other: pd.DataFrame, *, reasons: bool) -> None:
    """Every figure of every group is the same to the last bit, the groups are, and perhaps the reasons."""
    assert set(one.index) == set(other.index)
    other = other.loc[one.index]
    columns = ["value", "low", "high", "n"]
    same = pd.Series((one[columns].eq(other[columns]) | one[columns].isna() & other[columns].isna()).all(axis=1))
    if reasons:
        same &= one["reason"].astype(str) == other["reason"].astype(str)
    shown = one.join(other[[*columns, "reason"]].add_suffix(" rewritten"))[~same]
    assert same.all(), f"{len(shown)} of {len(same)} differ:\n{shown.head(10).to_string()}"


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("part", range(3))
def test_another_later_changes_no_figure(day: str, part: int, books: Books) -> None:
    """The sample book: three rewritings of each day, each compared in a third of the quarters."""
    copy = pk.open_book(books.rewritten("sample", day, SEEDS[part], How()), as_of=day)
    quarters = quarters_until(day)[part::3]
    for quarter in quarters:
        same_figures(books.card("sample", day, quarter, "partner"), card(copy, quarter, "partner"), reasons=True)
    same_figures(books.card("sample", day, quarters[-1], "region"), card(copy, quarters[-1], "region"), reasons=True)


@pytest.mark.parametrize("name", TABLES)
def test_another_later_changes_no_table(name: str, books: Books) -> None:
    """The rows known on the day are the same, whatever their order."""
    copy = pk.open_book(books.rewritten("sample", DAYS[1], SEEDS[0], How()), as_of=DAYS[1])
    tables = [getattr(book, name) for book in (books.known("sample", DAYS[1]), copy)]
    texts = [t[[c for c in t if not c.startswith("_") and c not in UNDATED]].astype(str) for t in tables]
    left, right = (t.sort_values(list(t), ignore_index=True) for t in texts)
    pd.testing.assert_frame_equal(left, right)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        pytest.param(source, kind, id=f"{source}-{kind}")
        for source in ("sample", "odd")
        for kind in ("", *KINDS)
        if (source, kind) not in [("sample", ""), ("sample", "leads_told"), ("odd", "closed_unheard")]
    ],
)
def test_other_events_that_nobody_knew_of_change_no_figure(source: str, kind: str, books: Books) -> None:
    """More ways to be wrong about before, also in a book whose history begins late and tells little."""
    how = How(**{kind: True}) if kind else How()
    for day in DAYS[:1] if source == "sample" else DAYS:
        copy = pk.open_book(books.rewritten(source, day, SEEDS[0], how), as_of=day)
        for quarter in quarters_until(day)[-2:]:
            # An owner that was given later is unknown before; one that was never given is none: only words may differ.
            exactly = kind not in ("given", "cut")
            same_figures(books.card(source, day, quarter, "partner"), card(copy, quarter, "partner"), reasons=exactly)
        same_figures(books.card(source, day, quarter, "region"), card(copy, quarter, "region"), reasons=exactly)


@pytest.mark.parametrize("day", DAYS)
def test_the_rewriting_rewrites(day: str, books: Books) -> None:
    """On the day of the export most figures are other ones, and all that was known on the day still stands there."""
    folder = books.rewritten("sample", day, SEEDS[0], How())
    before, after = (pk.open_book(path) for path in (books.source("sample"), folder))
    assert after.reading.rows("deals")["set aside"] == 0
    cards = [card(book, "2025Q4", "none") for book in (before, after)]
    same = cards[0]["value"].eq(cards[1]["value"]) | (cards[0]["value"].notna() & cards[1]["value"].isna())
    assert same.sum() <= 3
    both = before.deals.merge(after.deals, on="deal_id", suffixes=("", "_after"))
    both = both[(both["created_on"] <= day) & ~(both["closed_on"] <= day)]
    assert len(both) > 200
    for column in ("status", "amount_original", "stage", "partner_id", "expected_close_on", "closed_on"):
        assert (both[column].astype(str) != both[f"{column}_after"].astype(str)).mean() > 0.2, column
    texts = [
        (path / "history.csv").read_text(encoding="utf-8").splitlines() for path in (books.source("sample"), folder)
    ]
    known = [line for line in texts[0][1:] if line.split(",")[1][:10] <= day and line.split(",")[-1][:10] <= day]
    assert len(known) > 5_000
    assert set(known) <= set(texts[1])
    assert len(set(texts[1]) - set(known)) > 500


def test_what_was_recorded_only_later_was_not_recorded(write_book: Callable[..., Path]) -> None:
    """Rivals, channels, promises, sources, stages and targets that are filled in only after the day."""
    deals = "deal_id,created_on,status,closed_on,amount,partner_id,competitor,channel,expected_close_on,sourced\n"
    early = "".join(f"E{i},2025-01-0{i},{s},2025-02-11,{i}00,P-1,,,,\n" for i, s in enumerate(["won", "lost"] * 3, 1))
    late = "L1,2025-05-01,lost,2025-05-20,100,P-1,Gelora,ads,2025-07-01,partner\n"
    late += "L2,2025-05-01,rejected,2025-05-20,100,P-1,,ads,2025-07-01,vendor\n"
    history = "deal_id,changed_at,stage,status\n"
    tables = {
        "history": [history, "", "L1,2025-05-02,Demo,open\n"],
        "leads": ["lead_id,created_on,partner_id,channel,status,closed_on\n", "", "L-1,2025-05-03,P-1,ads,open,\n"],
        "spend": ["channel,month,amount,partner_id\n", "", "ads,2025-05,100,P-1\n"],
        "channels": ["channel,media\n", "ads,paid\n"],
    }
    whole = write_book(deals + early + late, **{name: "".join(parts) for name, parts in tables.items()})
    by_then = write_book(deals + early, **{name: "".join(parts[:2]) for name, parts in tables.items()})
    cards = [card(pk.open_book(folder, as_of="2025-03-31"), "2025Q1", "partner") for folder in (whole, by_then)]
    same_figures(*cards, reasons=True)


def test_as_of_the_export_is_the_book_itself(books: Books) -> None:
    """The day of the export changes nothing, and a day asked for twice gives the same figures."""
    late = card(pk.open_book(books.source("odd"), as_of="2025-11-18"), "2025Q3", "partner")
    same_figures(card(pk.open_book(books.source("odd")), "2025Q3", "partner"), late, reasons=True)
    assert np.isfinite(late["value"]).sum() > 150
