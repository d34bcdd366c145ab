"""Ranks over every weight, what a forecast is worth, and which deal is a giant: each against a second computation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.deals import giant
from partnerkpi.indices import ranks, worth_of
from partnerkpi.kpis.quality_score import score_rank
from partnerkpi.opening import book_of
from partnerkpi.wording import Code


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_sorting_by_the_score_at_each_weight(seed: int) -> None:
    draw = np.random.default_rng(seed)
    deals = draw.integers(1, 12, 20)
    amount = (draw.lognormal(8, 1.2, 20) * deals).round(2)
    table = ranks(pd.Series(deals), pd.Series(amount))
    for one in range(20):
        places = []
        for percent in range(101):
            w = percent / 100
            scores = [math.exp(w * math.log(d) + (1 - w) * math.log(a)) for d, a in zip(deals, amount, strict=True)]
            places.append(1 + sum(s > scores[one] * (1 + 1e-9) for s in scores))
        assert table.loc[one].tolist() == [places[50], min(places), max(places)]


def test_equal_partners_share_the_better_rank() -> None:
    table = ranks(pd.Series([4, 4, 2]), pd.Series([100.0, 100.0, 900.0]))
    assert table["best"].tolist() == [1, 1, 1]
    assert table["worst"].tolist() == [2, 2, 3]


def test_a_rank_needs_five_wins_and_five_partners() -> None:
    wins = {"P1": 6, "P2": 5, "P3": 4, "P4": 7, "P5": 5}
    rows = [f"D{p}{i},2025-10-01,won,2025-11-06,{100 + i},{p}" for p, n in wins.items() for i in range(n)]
    head = "deal_id,created_on,status,closed_on,amount,partner_id"
    table = score_rank.by(book_of(deals="\n".join([head, *rows]), as_of="2025-12-31"), "2025Q4", "partner")
    assert table["value"].fillna(0).tolist() == [2, 3, 0, 1, 3, 0, 0]
    assert table["reason"].iloc[0] == Code.OVER_EVERY_WEIGHT(best=2, worst=2)
    assert table["reason"].iloc[2] == Code.TOO_FEW_TO_RANK()
    rows = [row for row in rows if not row.endswith("P5")]
    alone = score_rank.by(book_of(deals="\n".join([head, *rows]), as_of="2025-12-31"), "2025Q4", "partner")
    assert alone["value"].isna().all()
    assert alone["reason"].iloc[0] == Code.FEW_TO_RANK()


@pytest.mark.parametrize("excess", [0.0, 0.15])
@pytest.mark.parametrize("deals", [3, 12, 40])
def test_the_worth_of_a_forecast_holds_what_comes(deals: int, excess: float) -> None:
    """4,000 partners whose deals come or do not, each deal by its chance and a luck of the partner's own."""
    worlds, draw = 4000, np.random.default_rng(3)
    chance = draw.uniform(0.05, 0.5, (worlds, deals))
    amount = draw.lognormal(7, 1, (worlds, deals))
    codes = np.arange(worlds).repeat(deals)
    rows = pd.DataFrame({"chance": chance.ravel(), "value": (amount * chance).ravel(), "partner_id": codes})
    told = worth_of()(rows.assign(excess=excess, common=0.0), codes, worlds)
    luck = draw.gamma(1 / excess, excess, (worlds, 1)) if excess else np.ones((worlds, 1))
    came = ((draw.random((worlds, deals)) < np.minimum(chance * luck, 1)) * amount).sum(axis=1)
    assert np.allclose(told["value"], (amount * chance).sum(axis=1))
    inside = (told["low"] <= came) & (came <= told["high"])
    assert inside.mean() >= 0.93


def test_worth_against_a_target_is_divided_limits_and_all() -> None:
    rows = pd.DataFrame({"chance": [0.5] * 20, "value": [50.0] * 20, "partner_id": "P", "excess": 0.0, "common": 0.0})
    codes = np.zeros(20, dtype=np.int64)
    plain = worth_of()(rows, codes, 1).iloc[0]
    with_target = pd.concat([rows.assign(of=0.0), pd.DataFrame({"of": [4000.0]})])
    share = worth_of(Code.NO_TARGET_AHEAD)(with_target, np.append(codes, 0), 1).iloc[0]
    assert [share[c] * 4000 for c in ("value", "low", "high")] == pytest.approx(
        [plain[c] for c in ("value", "low", "high")]
    )
    assert share["n"] == 20
    without = worth_of(Code.NO_TARGET_AHEAD)(rows.assign(of=0.0), codes, 1).iloc[0]
    assert np.isnan(without["value"])
    assert without["reason"] == Code.NO_TARGET_AHEAD()


def wins(amounts: list[float], day: str = "2025-11-06", partner: str = "P1") -> list[str]:
    return [f"{partner}{day}{i},2024-10-01,won,{day},{a},{partner}" for i, a in enumerate(amounts)]


def the_giant(*rows: list[str]) -> list[float]:
    head = "deal_id,created_on,status,closed_on,amount,partner_id"
    book = book_of(deals="\n".join([head, *(line for lines in rows for line in lines)]), as_of="2025-12-31")
    return giant(book.where(partner_id="P1"), pk.Book.quarter(book, "2025Q4"))["amount"].tolist()


def test_a_giant_is_a_third_of_the_quarter_and_five_usual_deals() -> None:
    usual = wins([100, 100, 100], "2025-03-03")
    others = wins([2000] * 30, partner="P2")
    assert the_giant(usual, wins([100, 500]), others) == [500]
    assert the_giant(usual, wins([100, 499]), others) == []
    assert the_giant(usual, wins([500, 400, 700]), others) == [700]
    assert the_giant(usual, wins([500, 450, 450, 450]), others) == []  # not above a third
    assert the_giant(usual) == []


def test_a_tenth_of_the_network_is_a_giant_where_the_partner_knows_no_usual_deal() -> None:
    others = wins([100] * 40, partner="P2")
    assert the_giant(wins([900]), others) == [900]
    assert the_giant(wins([300]), others) == []
    assert the_giant(wins([450]), others) == []  # a tenth, but under five of the network's usual deals
