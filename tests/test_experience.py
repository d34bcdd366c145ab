"""What a network's past tells of how figures vary: on arrays whose truth is known, and on the sample book."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import WORLDS, book_of_world

import partnerkpi as pk
from partnerkpi.experience import (
    STEADY,
    correlation_within,
    pace_variance,
    season_and_trend,
    season_of_months,
    size_variation,
    together,
)


def draw(*words: object) -> np.random.Generator:
    return np.random.default_rng([ord(letter) for letter in " ".join(map(str, words))])


@pytest.mark.parametrize("variance", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("orders", [1, 3])
def test_how_unsteady_a_pace_is(variance: float, orders: int) -> None:
    """Counts of a pace that moves by so much, each a number of orders; eight quarters know a wild pace a little low."""
    rng = draw("pace", variance, orders)
    mean = np.repeat([4.0, 8.0, 15.0, 40.0], 60)[:, None]
    moved = rng.gamma(1 / variance, variance, (240, 8)) if variance else np.ones((240, 8))
    counts = rng.poisson(mean * moved / orders) * orders
    found = pace_variance(counts.astype(float), np.ones((240, 8)), orders)
    assert 0.85 * variance <= found + 0.02
    assert found <= variance * 1.25 + 0.02


def test_from_few_partners_a_larger_variance_is_taken() -> None:
    """Of steady paces every second estimate would be nought by chance; one deviation above, one in six."""
    rng = draw("few")
    found = [pace_variance(rng.poisson(10, (3, 8)).astype(float), np.ones((3, 8)), 1) for _ in range(300)]
    assert 0.7 < np.mean(np.array(found) > 0) < 0.95


def test_a_pace_is_judged_beside_the_season_and_the_time_a_partner_was_there() -> None:
    rng = draw("season")
    season = np.tile([0.5, 1.5, 1.3, 0.7], 2)
    there = np.ones((200, 8)) * season
    there[:100, :4] = 0  # who joined in the second year
    counts = rng.poisson(20 * there)
    assert pace_variance(counts.astype(float), there, 1) < 0.01
    assert pace_variance(counts.astype(float), np.ones((200, 8)), 1) > 0.1
    assert pace_variance(counts[:, :2].astype(float), there[:, :2], 1) == 0  # two quarters tell nothing


def test_a_season_is_found_and_chance_makes_none() -> None:
    rng = draw("year")
    numbers = np.arange(12) % 4
    season = np.array([0.5, 1.5, 1.3, 0.7])[numbers]
    found, trend = season_and_trend(rng.poisson(2000 * season * 1.05 ** np.arange(12)).astype(float), numbers)
    assert found == pytest.approx((0.5, 1.5, 1.3, 0.7), rel=0.06)
    assert trend == pytest.approx(np.log(1.05), abs=0.01)
    flat = [season_and_trend(rng.poisson(80, 12).astype(float), numbers)[0] for _ in range(200)]
    assert np.abs(np.log(flat)).mean() < 0.015  # a plain fit finds a season of 2 % in every sign of one
    assert season_and_trend(np.ones(7), np.arange(7) % 4) == (STEADY.season, 0.0)


def test_what_comes_together() -> None:
    assert together(np.repeat(3.0, 40)) == 3.0
    assert together(np.repeat(1.0, 400)) == 1.0
    assert together(np.array([2.0] * 5 + [1.0] * 400)) == 1.0  # five pairs are an accident


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.8])
def test_how_alike_one_customers_deals_are(alike: float) -> None:
    rng = draw("alike", alike)
    shared = rng.normal(0, np.sqrt(alike), 3000).repeat(3)
    values = shared + rng.normal(0, np.sqrt(1 - alike), 9000)
    found = correlation_within(values, np.ones(9000), np.arange(3000).repeat(3))
    assert found == pytest.approx(alike, abs=0.03)
    assert correlation_within(values[:30], np.ones(30), np.arange(10).repeat(3)) in (0.0, pytest.approx(alike, abs=0.6))


def test_sizes_vary_within_partners_not_between_them() -> None:
    rng = draw("sizes")
    level = np.repeat([100.0, 1000.0, 20_000.0], 3000)
    sizes = level * np.exp(rng.normal(0, 0.5, 9000))
    assert size_variation(sizes, np.repeat([0, 1, 2], 3000)) == pytest.approx(np.exp(0.25) - 1, rel=0.1)
    assert size_variation(sizes, np.zeros(9000, dtype=int)) > 1.5
    giants = np.where(rng.random(9000) < 0.03, 60, 1) * np.exp(rng.normal(0, 0.5, 9000))
    truth = (0.97 + 0.03 * 3600) * np.exp(0.25) / 2.77**2 - 1
    assert size_variation(giants, np.arange(9000) % 300) == pytest.approx(truth, rel=0.35)


def test_the_months_of_a_season_are_found_and_chance_makes_none() -> None:
    rng = draw("months")
    season = (0.5, 1.5, 1.3, 0.7)
    shares = np.array([[0.6, 1.0, 1.4], [0.9, 1.0, 1.1], [1.2, 1.0, 0.8], [1.0, 1.0, 1.0]])
    right = np.array(season)[:, None] * shares
    found = np.array(season_of_months(rng.poisson(2000 * np.stack([right] * 3)).astype(float), season))
    assert found == pytest.approx(right.ravel(), abs=0.05)
    assert found.reshape(4, 3).mean(axis=1) == pytest.approx(season)
    chance = rng.poisson(25, (200, 3, 4, 3)).astype(float)
    flat = np.array([season_of_months(one, STEADY.season) for one in chance])
    raw = np.log(3 * chance.sum(axis=1) / chance.sum(axis=(1, 3))[:, :, None]).std()
    assert np.log(flat).std() < 0.6 * raw
    few = np.stack([right * 100] * 3)
    few[0] = 0
    few[1, :1] = 0  # seven quarters tell of no season
    assert season_of_months(few, season) == tuple(np.repeat(season, 3))


def test_the_sample_has_an_ice_cream_season() -> None:
    """By the last quarter of 2025; its truth.json says which months sell."""
    book = pk.open_book()
    known = book.others.experience(book.quarter("2025Q4"))
    first, second, third, fourth = known.season
    assert first < fourth < 1 < third < second
    assert 0 < known.pace < 0.2
    assert known.spread > 5  # one giant


def test_how_far_rates_move_is_found_in_a_network() -> None:
    """Rates of standard deviation 0.1 around 0.3: a correlation of 0.01 ÷ 0.21; in a textbook's network none."""
    worlds = {world.name: world for world in WORLDS}
    found = {}
    for name in ("textbook", "rates that move", "6 deals a customer"):
        books = [book_of_world(worlds[name], seed)[0] for seed in range(20)]
        found[name] = [book.others.experience(book.quarter("2025Q4")) for book in books]
    assert np.mean([known.drift for known in found["textbook"]]) < 0.003
    # a little above: the others' rate, which a partner's is set beside, is not sure either
    assert 0.049 < np.mean([known.drift for known in found["rates that move"]]) < 0.062
    assert np.mean([known.like_outcomes for known in found["6 deals a customer"]]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([known.drift for known in found["6 deals a customer"]]) < 0.01
