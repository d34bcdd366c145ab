"""What was expected to be won, as books of those days told it, beside what came; `make coverage` measures more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forecast_table import NETWORK, SAMPLE, forecasts, table_of

import partnerkpi as pk
from partnerkpi.forecast import SUREST, Chances, landmarks
from partnerkpi.kpis.opportunity_pipeline import backtest
from partnerkpi.others import given_to
from partnerkpi.slices import write_slice


@pytest.fixture(scope="module", params=[SAMPLE, "7"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample book of ten quarters: the forecasts of its last three quarter ends can be set beside what came."""
    return pk.write_sample(tmp_path_factory.mktemp("forecast") / "book", quarters=10, seed=request.param)


@pytest.fixture(scope="module")
def found(folder: Path) -> pd.DataFrame:
    return forecasts(folder)


def test_the_back_test_is_of_books_as_of_those_days(folder: Path, found: pd.DataFrame) -> None:
    """Each line of a page is what the book opened as of that day says, and what the whole book says came of it."""
    book = pk.open_book(folder)
    quarter = book.quarter("")
    line = ["quarter", "value", "low", "high", "came"]
    for who in (NETWORK, *book.partner_ids[:8]):
        told = found.loc[found["who"] == who, line].sort_values("quarter", ignore_index=True)
        mine = book if who == NETWORK else book.for_partner(who)
        printed = backtest(mine, quarter).rename(columns={"expected": "value"})
        pd.testing.assert_frame_equal(printed[line], told, check_dtype=False, rtol=1e-12)
        assert printed["inside"].tolist() == told["came"].between(told["low"], told["high"]).tolist()
    assert len(backtest(book, quarter)) == 3


def test_the_back_test_of_a_part_and_of_a_slice(folder: Path, tmp_path: Path) -> None:
    """A region's deals and the others' add up to all; a slice holds its partner's back-test, and of no part of it."""
    book = pk.open_book(folder)
    quarter = book.quarter("")
    west, others = (backtest(part, quarter) for part in (book.where(region="West"), book.without(region="West")))
    whole = backtest(book, quarter)
    assert len(whole) == len(west) == len(others) > 0
    for column in ("open_deals", "expected", "came"):
        assert (west[column] + others[column]).to_numpy() == pytest.approx(whole[column].to_numpy(), rel=1e-12)
    mine = book.for_partner("P-003")
    for part in (book, mine):
        write_slice(part, given_to(part, [quarter], [], [quarter]), tmp_path / f"slice{part.partner}")
        alone = pk.open_book(tmp_path / f"slice{part.partner}")
        pd.testing.assert_frame_equal(backtest(alone, quarter), backtest(part, quarter))
        assert backtest(alone.where(region="West"), quarter).empty


def test_of_twenty_forecasts_eighteen_hold(found: pd.DataFrame) -> None:
    table = table_of(found).set_index("who")
    assert table.at["partners", "forecasts"] > 50
    assert table.at["partners", "inside"] >= 0.90
    assert table.at[NETWORK, "inside"] >= 0.90


@pytest.mark.parametrize("as_of", ["2025-12-31", "2025-12-30", "2025-10-01"])
def test_looked_back_on_are_the_last_eight_quarter_ends_whose_two_quarters_are_over(folder: Path, as_of: str) -> None:
    book = pk.open_book(folder, as_of=as_of)
    now = book.quarter("2025Q4")
    over = [now - back for back in range(20) if (now - back + 2).end <= book.as_of]
    assert landmarks(now) == over[7::-1]


def test_a_chance_is_that_of_its_stage_and_age_times_the_season() -> None:
    """An age never seen has its stage's chance, a stage never seen that of all; none is surer than 95 %."""
    day = pd.Timestamp("2025-12-31")
    cells = pd.MultiIndex.from_tuples([("Demo", 0), ("Demo", 30), ("Offer", 0)], names=["stage", "age"])
    known = Chances(
        pd.Series([0.2, 0.4, 0.7], index=cells),
        pd.Series([0.3, 0.6], index=["Demo", "Offer"]),
        overall=0.1,
        season=1.5,
        excess=0.0,
        common=0.0,
    )
    stages = ["Demo", "Demo", "Offer", "Demo", "Talk"]
    ages = pd.Series([29, 30, 0, 400, 10])
    rows = pd.DataFrame({"stage": stages, "created_on": day - pd.to_timedelta(ages, unit="D")})
    assert known.of(rows, day) == pytest.approx(np.array([0.3, 0.6, SUREST, 0.45, 0.15]), abs=1e-12)
