"""A slice on disk is all a partner's notebook ever sees; its figures are those of the whole book, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi import compare, others
from partnerkpi.book import NetworkFacts

QUARTERS = ["2025Q1", "2025Q4"]


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book()


def facts(book: pk.Book, partner: str) -> NetworkFacts:
    periods = [book.quarter(q) for q in pk.quarters("2025Q4", back=8)]
    known = others.facts(book, periods)
    peers = compare.peer_facts(book, [book.quarter(q) for q in QUARTERS], partner)
    own = known.expected["prospect_id"].isin(book.for_partner(partner).prospects["prospect_id"])
    return NetworkFacts(
        pd.concat([known.network, peers], ignore_index=True), known.expected[own].reset_index(drop=True)
    )


@pytest.mark.parametrize("partner", ["P-001", "P-004", "P-009", "P-023"])
def test_a_slice_gives_the_same_scorecard_and_peers(book: pk.Book, partner: str, tmp_path: Path) -> None:
    mine = book.for_partner(partner)
    mine.write_slice(str(tmp_path / "slice"), facts(book, partner))
    alone = pk.open_book(tmp_path / "slice")
    assert alone.partner == partner
    for by in ("none", "region", "product"):
        pd.testing.assert_frame_equal(
            pk.scorecard(mine, QUARTERS, by=by), pk.scorecard(alone, QUARTERS, by=by), check_exact=True
        )
    for kpi in pk.KPIS:
        for quarter in QUARTERS:
            assert compare.peers(kpi, alone, quarter) == compare.peers(kpi, mine, quarter)


def test_a_slice_holds_nobody_else(book: pk.Book, tmp_path: Path) -> None:
    """Not one id, name or deal of another partner is in any file, not even of the one who took its deals over."""
    book.for_partner("P-009").write_slice(str(tmp_path / "slice"), facts(book, "P-009"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in (tmp_path / "slice").iterdir())
    others = book.partners[book.partners["partner_id"] != "P-009"]
    found = [word for word in (*others["partner_id"], *others["name"]) if word in text]
    assert not found
    owned = book.spells[book.spells["partner_id"] == "P-009"]["deal_id"]
    foreign = set(book.deals["deal_id"]) - set(owned) - set(book.deals[book.deals["partner_id"] == "P-009"]["deal_id"])
    known = book.for_partner("P-009").prospects["deal_id"]
    assert not [deal for deal in foreign - set(known) if f"{deal}," in text]
