"""Observed ÷ expected in simulated networks: a partner at half the odds is found to be one, or cannot be told apart.

The expectation a partner is judged by is the others'; the full fit is statsmodels', the one without a partner is
compared with a fit from the start.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.expectation import RIDGE, _common_fit, _left_out
from partnerkpi.indices import FEWEST_ALIKE, standardised
from partnerkpi.kpis.close_rate import observed_to_expected
from partnerkpi.wording import Code

REGIONS, DECIDED, HALF = 6, 60, 0.5
EFFECTS = np.array([-0.8, -0.3, 0.0, 0.2, 0.5, 0.9])


def network(draw: np.random.Generator, partners: int, share: float = 0.0) -> tuple[np.ndarray, ...]:
    """Partners in six regions and twelve months; the first partner of the first region has half the odds.

    With `share` it has that share of all its region's prospects. Returns design, cell, partner, won, and the chances
    that others would have had.
    """
    region = np.repeat(np.arange(REGIONS), partners * DECIDED)
    partner = np.repeat(np.arange(REGIONS * partners), DECIDED)
    if share:
        first = np.flatnonzero(region == 0)
        partner[first] = np.where(np.arange(len(first)) < share * len(first), 0, np.maximum(partner[first], 1))
    month = draw.integers(0, 12, len(region))
    season = 0.5 * np.sin(2 * np.pi * np.arange(12) / 12)
    odds = -0.9 + EFFECTS[region] + season[month]
    usual = 1 / (1 + np.exp(-odds))
    chance = 1 / (1 + np.exp(-(odds + np.where(partner == 0, np.log(HALF), 0))))
    won = (draw.random(len(region)) < chance).astype(float)
    key = region * 12 + month
    cells, cell = np.unique(key, return_inverse=True)
    dummies = [cells // 12 == r for r in range(REGIONS)] + [cells % 12 == m for m in range(12)]
    design = np.column_stack([np.ones(len(cells)), *dummies]).astype(float)
    return design, cell, partner, won, usual


def judged(partners: int, share: float = 0.0, worlds: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Observed ÷ expected of the partner at half the odds less the truth, where it is told, and where it is."""
    gaps, told = [], []
    for world in range(worlds):
        design, cell, partner, won, usual = network(np.random.default_rng([world, partners]), partners, share)
        chance, _, alike, _ = _left_out(design, cell, partner, won)
        mine = partner == 0
        told.append(alike[mine].mean() >= FEWEST_ALIKE)
        truth = (usual / (1 / HALF * (1 - usual) + usual)).astype(float)  # the chance at half the odds
        gaps.append(won[mine].sum() / chance[mine].sum() - truth[mine].sum() / usual[mine].sum())
    return np.array(gaps), np.array(told)


@pytest.mark.parametrize("partners", [1, 2, 3, 6, 20])
def test_half_the_odds_are_found_or_cannot_be_told_from_the_region(partners: int) -> None:
    gaps, told = judged(partners)
    if partners == 1:
        assert not told.any()
        return
    assert told.mean() > 0.9
    assert abs(gaps[told].mean()) < 0.08


def test_who_has_nine_tenths_of_its_region() -> None:
    gaps, told = judged(3, share=0.9)
    assert not told.any() or abs(gaps[told].mean()) < 0.08


def test_without_its_own_prospects_is_a_fit_without_them() -> None:
    design, cell, partner, won, _ = network(np.random.default_rng(7), 3)
    chance, *_ = _left_out(design, cell, partner, won)
    ridge = np.r_[0.0, np.full(design.shape[1] - 1, RIDGE)]
    for one in (0, 5, 17):
        others = partner != one
        size = len(design)
        trials = np.bincount(cell[others], minlength=size).astype(float)
        wins = np.bincount(cell[others], weights=won[others], minlength=size)
        beta = _common_fit(design[trials > 0], trials[trials > 0], wins[trials > 0], ridge)
        again = 1 / (1 + np.exp(-design @ beta))
        assert chance[~others] == pytest.approx(again[cell[~others]], abs=2e-4)


def test_of_too_few_alike_nothing_is_said() -> None:
    """Six of ten won where five were expected, of 30 others alike, or of one fewer on average."""
    won = np.tile([1.0] * 6 + [0.0] * 4, 2)
    alike = np.repeat([FEWEST_ALIKE, FEWEST_ALIKE - 1.0], 10)
    rows = pd.DataFrame({"value": won, "of": 0.5, "error": 0.0, "alike": alike})
    enough, few = standardised(rows, np.repeat([0, 1], 10), 2).to_dict("records")
    assert (enough["value"], enough["reason"]) == (pytest.approx(1.2), None)
    assert np.isnan([few["value"], few["low"], few["high"]]).all()
    assert few["reason"] == Code.NOT_TO_BE_SEPARATED()


def test_where_one_partner_decided_all_nobody_else_is_there_to_be_expected_from() -> None:
    rows = [
        f"D{i},P,{('won', 'lost')[i % 2]},2025-0{1 + i % 9}-03,2025-0{1 + i % 9}-20,{('North', 'South')[i % 3 // 2]}\n"
        for i in range(90)
    ]
    header = "deal_id,partner_id,status,created_on,closed_on,region\n"
    for deals in (header + "".join(rows), header + "".join(rows).replace(",P,", ",,")):
        book = pk.book_of(as_of="2025-12-31", deals=deals)
        assert observed_to_expected.by(book, "2025Q4", "partner")["value"].isna().all()
