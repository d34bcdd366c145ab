"""A slice on disk is all a partner's notebook ever sees; its figures are those of the whole book, to the last bit."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import partnerkpi as pk
from partnerkpi import compare
from partnerkpi.book.labels import trimmed
from partnerkpi.book.levels import Choice
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.others import Given, given_to
from partnerkpi.slices import NAME, is_slice, write_slice

QUARTERS = ["2025Q1", "2025Q4"]
FRAMES = (*TABLES, "spells", "prospects")
FIGURES = [one for kpi in pk.KPIS for one in (kpi, *kpi.stand_ins)]


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book()


@pytest.fixture(scope="module")
def earlier() -> pk.Book:
    return pk.open_book(as_of="2025-11-18")


def given_for(mine: pk.Book) -> Given:
    recent = [mine.quarter(q) for q in QUARTERS]
    return given_to(mine, recent[-1].back(8), FIGURES, recent)


def sliced(book: pk.Book, partner: str, folder: Path) -> pk.Book:
    mine = book.for_partner(partner)
    write_slice(mine, given_for(mine), folder)
    return pk.open_book(folder)


@pytest.mark.parametrize("partner", ["P-001", "P-004", "P-009", "P-023"])
def test_a_slice_gives_the_same_scorecard_and_peers(book: pk.Book, partner: str, tmp_path: Path) -> None:
    mine = book.for_partner(partner)
    alone = sliced(book, partner, tmp_path / "slice")
    assert alone.partner == partner
    for by in ("none", "region", "product"):
        one, other = (pk.scorecard(b, QUARTERS, by=by) for b in (mine, alone))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    for kpi in FIGURES:
        for quarter in QUARTERS:
            assert compare.peers(kpi, alone, quarter) == compare.peers(kpi, mine, quarter)


def test_what_if_works_in_a_slice_as_in_the_book(book: pk.Book, tmp_path: Path) -> None:
    mine, alone = book.for_partner("P-003"), sliced(book, "P-003", tmp_path / "slice")
    largest = mine.deals.sort_values("amount")["deal_id"].iloc[-1]
    for one, other in (
        (mine.where(region="West"), alone.where(region="West")),
        (mine.without(deal_id=largest), alone.without(deal_id=largest)),
        (mine.where(amount=(1000, None)), alone.where(amount=(1000, None))),
    ):
        pd.testing.assert_frame_equal(pk.scorecard(one, QUARTERS), pk.scorecard(other, QUARTERS), check_exact=True)


def test_a_slice_holds_nobody_else(book: pk.Book, tmp_path: Path) -> None:
    """Not one id, name or deal of another partner is in any file, not even of the one who took its deals over."""
    mine = book.for_partner("P-009")
    sliced(book, "P-009", tmp_path / "slice")
    content = b"\n".join(path.read_bytes() for path in (tmp_path / "slice").iterdir())
    others = book.partners[book.partners["partner_id"] != "P-009"]
    assert not [word for word in (*others["partner_id"], *others["name"]) if word.encode() in content]
    own = {*mine.deals["deal_id"], *mine.spells["deal_id"], *mine.prospects["deal_id"].dropna()}
    assert not [deal for deal in set(book.deals["deal_id"]) - own if deal.encode() in content]


def test_a_slice_reads_back_to_the_same_frames(earlier: pk.Book, tmp_path: Path) -> None:
    mine = earlier.for_partner("P-003")
    back = sliced(earlier, "P-003", tmp_path / "slice")
    for name in FRAMES:
        pd.testing.assert_frame_equal(back.table(name), mine.table(name), check_exact=True)
    for name in ("name", "currency", "time_zone", "fiscal_year_starts", "as_of", "extracted_on", "money_digits"):
        assert getattr(back, name) == getattr(mine, name)
    assert back.recorded == mine.recorded
    assert back.reading.lines() == mine.reading.lines()
    assert back.reading.faults == mine.reading.faults
    assert back.quarter() == mine.quarter()
    day = pd.Timestamp("2025-06-30")
    pd.testing.assert_frame_equal(back.in_book_currency(back.spells, day), mine.in_book_currency(mine.spells, day))


def test_what_it_was_given_of_the_others_reads_back(earlier: pk.Book, tmp_path: Path) -> None:
    mine = earlier.for_partner("P-003")
    back = sliced(earlier, "P-003", tmp_path / "slice").others
    for quarter in mine.quarter().back(4):
        assert back.typical(quarter) == pytest.approx(mine.others.typical(quarter), nan_ok=True)
        pd.testing.assert_series_equal(
            back.chances(quarter).table, mine.others.chances(quarter).table, check_names=False, check_index_type=False
        )
    assert (back.first_day, back.statuses, back.priced) == (
        mine.others.first_day,
        mine.others.statuses,
        mine.others.priced,
    )


def test_a_slice_is_the_partner_and_nobody_else(earlier: pk.Book, tmp_path: Path) -> None:
    back = sliced(earlier, "P-003", tmp_path)
    assert is_slice(tmp_path)
    assert back.for_partner("P-003") is back
    assert back.for_partner("") is back
    with pytest.raises(UsageError, match="has no partner 'P-004'"):
        back.for_partner("P-004")
    with pytest.raises(UsageError, match="made as of 2025-11-18"):
        pk.open_book(tmp_path, "2025-06-30")
    assert pk.open_book(tmp_path, "2025-11-18").as_of == back.as_of


def test_the_same_slice_is_written_to_the_same_bytes(earlier: pk.Book, tmp_path: Path) -> None:
    for name in ("one", "two"):
        sliced(earlier, "P-003", tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_only_a_whole_book_or_one_partners_part_can_be_a_slice(earlier: pk.Book, tmp_path: Path) -> None:
    given = given_for(earlier)
    for part in (
        earlier.where(region="West"),
        earlier.where(partner_id="P-003", region="West"),
        earlier.where(partner_id=None),
        earlier.without(partner_id="P-003"),
    ):
        with pytest.raises(UsageError, match="Only a whole book or one partner's part"):
            write_slice(part, given, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemProblem):
        write_slice(earlier.for_partner("P-003"), given, tmp_path / "file" / "x")


@pytest.mark.parametrize("text", ["[]", "{}", '{"name": 5}', "nonsense", '{"partner": "P"}'])
def test_a_slice_written_by_hand_is_no_slice(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(UsageError, match="damaged"):
        pk.open_book(tmp_path)


def test_a_damaged_slice_says_so(earlier: pk.Book, tmp_path: Path) -> None:
    sliced(earlier, "P-003", tmp_path)
    (tmp_path / "spells.arrow").write_bytes(b"no arrow")
    with pytest.raises(UsageError, match=r"damaged: spells\.arrow"):
        pk.open_book(tmp_path)
    (tmp_path / "spells.arrow").unlink()
    with pytest.raises(UsageError, match=r"damaged: spells\.arrow"):
        pk.open_book(tmp_path)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(TEXT, TEXT, st.floats(0, 1e12))
def test_any_text_and_any_number_survives(
    tmp_path: Path, earlier: pk.Book, partner: str, name: str, amount: float
) -> None:
    mine = earlier.for_partner("P-003")
    deals = mine.deals.head(2)
    deals["name"] = pd.Series([name, None], dtype="str")
    deals["amount"] = [amount, np.nan]
    deals["partner_id"] = pd.Series([partner] * 2, dtype="str").astype("category")
    deals = trimmed(deals)
    frames = {f: mine.table(f) for f in FRAMES} | {"deals": deals}
    odd = replace(mine, _frames=frames, choices=(Choice("partner_id", (partner,)),), name=name)
    write_slice(odd, given_for(mine), tmp_path)
    back = pk.open_book(tmp_path)
    pd.testing.assert_frame_equal(back.deals, deals, check_exact=True)
    assert back.name == name
    assert back.partner == partner
    assert {f.name for f in fields(back)} == {f.name for f in fields(mine)}
