"""The sample book holds what its story promises, and the truth written beside it agrees with the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from partnerkpi.sample.time_and_chance import Calendar, Draws, lognormal_mean
from partnerkpi.sample.world import make_world

DATA = Path(__file__).parents[1] / "data"
DECIDED = ("won", "lost", "abandoned")
LAST_DAY = "2025-12-31"


@pytest.fixture(scope="module")
def folder() -> Path:
    """What the defaults write (another test makes sure of that)."""
    return DATA


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    frames = {
        name: pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("deals", "partners", "leads", "history", "spend", "channels", "targets")
    }
    for name in ("deals", "history", "spend", "targets"):
        frames[name]["amount"] = frames[name]["amount"].astype(float)
    return frames


@pytest.fixture(scope="module")
def deals(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The deals in scope."""
    return tables["deals"].query("status != 'Test'").set_index("deal_id")


@pytest.fixture(scope="module")
def history(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every change with the state before it (empty before the first)."""
    rows = tables["history"]
    before = rows.groupby("deal_id")[["status", "stage", "amount", "expected_close_on", "partner_id"]].shift()
    return rows.join(before.add_prefix("was_"))


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return content


# What the world holds


def test_all_that_can_happen_happens(deals: pd.DataFrame, history: pd.DataFrame) -> None:
    changes = history[history["was_status"].notna()]
    order = ["Registered", "Qualified", "Demo", "Proposal", "Negotiation"]
    step = changes["stage"].map(order.index) - changes["was_stage"].map(order.index)
    reopened = changes[(changes["was_status"] == "lost") & (changes["status"] == "open")]
    moved = changes[changes["partner_id"] != changes["was_partner_id"]]
    changed = changes[(changes["amount"] != changes["was_amount"])]
    slipped = changes[
        (changes["expected_close_on"] > changes["was_expected_close_on"]) & (changes["was_status"] == "open")
    ]
    assert len(reopened) > 50
    assert (deals.loc[reopened["deal_id"], "status"] == "won").sum() > 5
    assert len(moved) > 20
    assert {("P-009", "P-010")} < set(zip(moved["was_partner_id"], moved["partner_id"], strict=True))
    assert (changed["amount"] > changed["was_amount"]).sum() > 200
    assert (changed["amount"] < changed["was_amount"]).sum() > 200
    assert slipped["deal_id"].value_counts().max() == 3
    assert (step < 0).sum() > 30
    assert ((deals["status"] == "open") & (deals["expected_close_on"] < LAST_DAY)).sum() > 50


def test_rejections_conflicts_and_rows_out_of_scope(tables: dict[str, pd.DataFrame], deals: pd.DataFrame) -> None:
    refused = deals.query("status == 'rejected'")
    assert (refused["reason"] == "conflict").sum() > 50
    assert refused.query("reason == 'conflict'")["partner_id"].value_counts().index[0] == "P-013"
    assert (refused["reason"] != "conflict").sum() > 150
    assert ((deals["registered_on"] != "") == (deals["sourced"] == "partner")).all()
    assert set(tables["leads"]["status"]) == {"open", "won", "lost", "rejected", "abandoned"}
    tests = tables["deals"].query("status == 'Test'")
    assert len(tests) == 6
    assert not set(tests["deal_id"]) & set(tables["history"]["deal_id"])


def test_channels_with_and_without_media_spend_and_wins(tables: dict[str, pd.DataFrame], deals: pd.DataFrame) -> None:
    media = tables["channels"].set_index("channel")["media"]
    channel = deals["channel"].where(
        deals["channel"] != "", deals["lead_id"].map(tables["leads"].set_index("lead_id")["channel"]).fillna("")
    )
    won = deals["status"] == "won"
    assert set(channel[won]) - set(media.index) == {"", "whatsapp", "chamber_of_commerce"}
    assert set(media) == {"paid", "earned", "owned"}
    assert "referral" in set(channel[won]) - set(tables["spend"]["channel"])
    own = tables["spend"].query("partner_id == 'P-003'")
    assert set(own["channel"]) == {"display"}
    assert own["amount"].sum() > 10_000
    display = (deals["partner_id"] == "P-003") & (channel == "display")
    assert display.sum() > 30
    assert not (display & won).any()


def test_partners_with_almost_no_deals_and_one_giant(
    tables: dict[str, pd.DataFrame], deals: pd.DataFrame, truth: dict[str, Any]
) -> None:
    counts = deals["partner_id"].value_counts().reindex(tables["partners"]["partner_id"], fill_value=0)
    assert counts[["P-022", "P-023", "P-024"]].tolist() == [3, 1, 0]
    giant = deals.loc[truth["giant"]["deal_id"]]
    assert giant["partner_id"] == truth["giant"]["partner_id"]
    assert giant["status"] == "won"
    assert giant["closed_on"] >= "2025-10-01"
    assert giant["amount"] == truth["giant"]["amount_eur"]
    assert giant["amount"] / deals.query("status == 'won'")["amount"].mean() > 40
    measures = tables["targets"].groupby("measure").size()
    assert set(measures.index) == {"won_amount", "deals", "pipeline"}


def test_simpsons_paradox_is_in_the_data(deals: pd.DataFrame, truth: dict[str, Any]) -> None:
    decided = deals[deals["status"].isin(DECIDED) & deals["partner_id"].isin(["P-001", "P-002"])]
    won = (decided["status"] == "won").rename("won")
    regions = won.groupby([decided["region"], decided["partner_id"]]).mean().unstack()
    total = won.groupby(decided["partner_id"]).mean()
    assert len(regions) == 2
    assert (regions["P-001"] > regions["P-002"]).all()
    assert total["P-001"] < total["P-002"]
    better, worse = truth["simpson"]["better"], truth["simpson"]["worse"]
    assert all(better["by_region"][region] > worse["by_region"][region] + 0.1 for region in ("North", "South"))
    assert better["win_share"] < worse["win_share"] - 0.05


def test_ice_cream_closes_in_summer(deals: pd.DataFrame) -> None:
    decided = deals[deals["status"].isin(DECIDED)]
    month = decided["closed_on"].str[5:7].astype(int)
    won = decided["status"] == "won"
    assert won[month.isin([6, 7, 8])].mean() > won[month.isin([11, 12, 1, 2])].mean() + 0.1


def test_the_book_has_the_shape_of_a_real_one(deals: pd.DataFrame) -> None:
    won = deals[deals["status"] == "won"]
    days = (pd.to_datetime(won["closed_on"]) - pd.to_datetime(won["created_on"])).dt.days
    assert 55 <= days.median() <= 95
    assert 0.8 <= np.log(won["amount"]).std() <= 1.1
    assert 0.25 <= len(won) / deals["status"].isin(DECIDED).sum() <= 0.45


# The truth


def outside(count: int, trials: int, share: float) -> bool:
    """Whether a count lies beyond the exact binomial 99.9 % limits of the true share."""
    low, high = binom.ppf([0.0005, 0.9995], trials, share)
    return not low <= count <= high


def test_wins_agree_with_the_true_shares(deals: pd.DataFrame, truth: dict[str, Any]) -> None:
    decided = deals[deals["status"].isin(DECIDED)]
    surprises = 0
    for partner, facts in truth["partners"].items():
        own = decided[decided["partner_id"] == (partner if partner != "unassigned" else "")]
        if len(own):
            surprises += outside((own["status"] == "won").sum(), len(own), facts["expected"]["win_share"])
    assert surprises <= 1
    assert not outside((decided["status"] == "won").sum(), len(decided), truth["all"]["expected"]["win_share"])


def test_identification_conversion_and_success_agree(deals: pd.DataFrame, truth: dict[str, Any]) -> None:
    brought = deals[(deals["sourced"] == "partner") & (deals["reason"] != "conflict") & (deals["status"] != "open")]
    expected = truth["all"]["expected"]
    decided, won = brought["status"].isin(DECIDED).sum(), (brought["status"] == "won").sum()
    assert not outside(decided, len(brought), expected["identification"])
    assert not outside(won, decided, expected["conversion"])
    assert not outside(won, len(brought), expected["deal_success"])
    assert expected["identification"] * expected["conversion"] == pytest.approx(expected["deal_success"], abs=1e-5)


def test_quarters_entries_and_sizes_agree(deals: pd.DataFrame, truth: dict[str, Any]) -> None:
    expected = truth["all"]["expected"]["by_quarter"]
    closed = deals[deals["status"].isin(DECIDED)]
    quarter = pd.PeriodIndex(closed["closed_on"], freq="Q").astype(str)
    decided = closed.groupby(quarter).size().reindex(truth["quarters"], fill_value=0)
    won = closed[closed["status"] == "won"].groupby(quarter[closed["status"] == "won"]).size().reindex(decided.index)
    assert (np.abs(decided - expected["decided"]) < 4 * np.sqrt(expected["decided"])).all()
    assert (np.abs(won.fillna(0) - expected["won"]) < 4 * np.sqrt(expected["won"])).all()
    entered = deals["partner_id"].value_counts()
    for partner, facts in truth["partners"].items():
        rate = sum(facts["entry_rate_by_quarter"])
        if rate and partner != "P-010":  # P-010 took over deals it did not enter
            count = entered.get(partner if partner != "unassigned" else "", 0)
            assert abs(count - rate) < 4 * np.sqrt(rate) + 5, partner
    big = deals[(deals["status"] == "won") & (deals["partner_id"] == "P-001")]["amount"]
    error = 4 * big.std() / np.sqrt(len(big))
    assert abs(big.mean() - truth["partners"]["P-001"]["expected"]["mean_won_deal"]) < error


def test_the_true_cycle_lies_where_the_won_deals_do(deals: pd.DataFrame, truth: dict[str, Any]) -> None:
    expected = truth["all"]["expected"]
    won = deals[(deals["status"] == "won") & (deals["created_on"] < "2025-01-01")]
    days = (pd.to_datetime(won["closed_on"]) - pd.to_datetime(won["created_on"])).dt.days
    assert abs(days.median() - expected["median_days_to_win"]) < 8
    entered = (deals["created_on"] < "2025-01-01").sum()
    assert (days <= 90).sum() / entered == pytest.approx(expected["won_within_days"]["90"], abs=0.04)
    shares = list(expected["won_within_days"].values())
    assert shares == sorted(shares)
    assert shares[-1] <= expected["ever_won"]


def test_chance_is_spread_evenly_and_streams_are_independent() -> None:
    draws, index = Draws("even"), np.arange(200_000)
    one, two = draws.uniform("one", index), draws.uniform("two", index)
    assert one.min() >= 0
    assert one.max() < 1
    counts = np.bincount((one * 100).astype(int), minlength=100)
    assert ((counts - 2000) ** 2 / 2000).sum() < 160  # chi-square with 99 degrees of freedom
    for other in (two, np.roll(one, 1), np.roll(one, 7)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.01
    sizes = draws.lognormal("size", index, 0.65, mean_one=True)
    assert sizes.mean() == pytest.approx(1, abs=0.01)
    assert np.log(sizes).std() == pytest.approx(0.65, abs=0.01)
    assert lognormal_mean(0.65) == pytest.approx(np.exp(0.65**2 / 2), abs=0.01)


def test_a_true_parameter_cannot_be_changed_by_those_who_use_it() -> None:
    world = make_world(Draws("fixed"), Calendar.of(4), partners=24, deals=600)
    arrays = {name: value for record in (world, world.calendar) for name, value in vars(record).items()}
    arrays = {name: value for name, value in arrays.items() if isinstance(value, np.ndarray)}
    assert {"odds", "region_share", "joined", "workday"} <= set(arrays)
    assert [name for name, array in arrays.items() if array.flags.writeable] == []
    assert not any(isinstance(value, (list, dict)) for value in vars(world).values())
    assert dict(world.assigned) == {186: 21, 348: 21, 498: 21, 396: 22}
