"""Chance by closed forms, by scipy's own tests, and by counting every case: never by the code under test."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy.special import beta as beta_of
from scipy.stats import binomtest, fisher_exact, norm, t

from partnerkpi.findings.chance import (
    FEWEST_TO_DIFFER,
    dispersed,
    family,
    of_t,
    p_of,
    rate_and_expected,
    share_of_counts,
    two_rates,
    z_of,
)


def one(x: float) -> np.ndarray:
    return np.array([float(x)])


def test_z_and_p_are_two_ways_to_say_the_same() -> None:
    below, above = np.array([0.001, 0.3, 0.97]), np.array([0.9995, 0.8, 0.05])
    z = z_of(below, above)
    assert z == pytest.approx([norm.ppf(0.001), norm.ppf(0.3), norm.isf(0.05)])
    assert p_of(z) == pytest.approx(2 * np.minimum(below, above))
    assert (np.abs(z_of(np.array([0.6]), np.array([0.7]))) == 0).all()  # a tail above a half is no distance


@pytest.mark.parametrize(("now", "before", "share"), [(3, 12, 0.5), (14, 4, 0.5), (2, 30, 1 / 9), (0, 9, 0.2)])
def test_counts_of_a_steady_pace_are_a_binomial(now: int, before: int, share: float) -> None:
    z = share_of_counts(one(now), one(before), one(share), np.inf)[0]
    tails = [binomtest(now, now + before, share, alternative=side).pvalue for side in ("less", "greater")]
    assert p_of(one(z))[0] == pytest.approx(min(1, 2 * min(tails)))
    assert np.sign(z) == np.sign(now - (now + before) * share)


def test_counts_of_a_moving_pace_are_a_beta_binomial() -> None:
    total, share, strength = 17, 0.3, 9.0
    a, b = strength * share, strength * (1 - share)
    chance = np.array([comb(total, k) * beta_of(k + a, total - k + b) / beta_of(a, b) for k in range(total + 1)])
    assert chance.sum() == pytest.approx(1)
    counts = np.arange(total + 1)
    mean = (counts * chance).sum()
    assert mean == pytest.approx(total * share)
    variance = ((counts - mean) ** 2 * chance).sum()
    assert variance == pytest.approx(total * share * (1 - share) * (1 + (total - 1) / (strength + 1)))
    for now in counts:
        z = share_of_counts(one(now), one(total - now), one(share), strength)[0]
        tail = min(chance[: now + 1].sum(), chance[now:].sum())
        assert p_of(one(z))[0] == pytest.approx(min(1, 2 * tail))
    assert share_of_counts(one(0), one(0), one(0.5), 9.0)[0] == 0


@pytest.mark.parametrize("table", [(2, 20, 150, 600), (9, 12, 80, 300), (0, 15, 50, 200), (30, 30, 100, 400)])
def test_two_rates_are_fishers_with_half_of_what_was_found(table: tuple[int, int, int, int]) -> None:
    yes, n, other, m = table
    cells = [[yes, n - yes], [other, m - other]]
    less, more = (fisher_exact(cells, alternative=side).pvalue for side in ("less", "greater"))
    exactly = comb(n, yes) * comb(m, other) / comb(n + m, yes + other)
    z = two_rates(*map(one, table))[0]
    assert p_of(one(z))[0] == pytest.approx(2 * (min(less, more) - exactly / 2))
    assert np.sign(z) == np.sign(yes / n - other / m)


def test_two_rates_refuse_as_often_as_they_say() -> None:
    draw = np.random.default_rng(3)
    yes, other = draw.binomial(60, 0.3, 20_000), draw.binomial(500, 0.3, 20_000)
    z = two_rates(yes.astype(float), np.full(20_000, 60.0), other.astype(float), np.full(20_000, 500.0))
    assert 0.04 <= (np.abs(z) > 1.96).mean() <= 0.055
    assert (np.abs(z) > 3).mean() <= 0.004
    assert abs(z.mean()) < 0.03


def test_a_rate_and_what_was_expected() -> None:
    n, rate, effect = 20, 0.3, 1.8
    variance = n * rate * (1 - rate) * effect
    alike = (effect - 1) / (n - 1)
    a, b = rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1)
    chance = np.array([comb(n, k) * beta_of(k + a, n - k + b) / beta_of(a, b) for k in range(n + 1)])
    counts = np.arange(n + 1)
    assert (counts * chance).sum() == pytest.approx(n * rate)
    assert ((counts - n * rate) ** 2 * chance).sum() == pytest.approx(variance)
    for yes in counts:
        below, above = chance[:yes].sum() + chance[yes] / 2, chance[yes + 1 :].sum() + chance[yes] / 2
        z = rate_and_expected(one(yes), one(n), one(n * rate), one(variance))[0]
        assert p_of(one(z))[0] == pytest.approx(2 * min(below, above))


def test_chances_that_differ_vary_less_than_a_common_rate() -> None:
    draw = np.random.default_rng(5)
    chances = np.r_[np.full(40, 0.02), np.full(40, 0.6)]
    yes = (draw.random((20_000, 80)) < chances).sum(axis=1).astype(float)
    variance = float((chances * (1 - chances)).sum())
    every = np.full(20_000, 1.0)
    z = rate_and_expected(yes, 80 * every, chances.sum() * every, variance * every)
    assert z.std() == pytest.approx(1, abs=0.04)
    assert 0.035 <= (np.abs(z) > 1.96).mean() <= 0.06


def test_a_t_of_few_rows_is_less_far_out() -> None:
    z = of_t(np.array([-3.0, 2.0, 0.0]), np.array([5.0, 1000.0, 3.0]))
    assert p_of(z)[:2] == pytest.approx([2 * t.sf(3, 5), 2 * t.sf(2, 1000)])
    assert z[2] == 0
    assert (np.sign(z) == [-1, 1, 0]).all()
    assert of_t(one(3), one(0))[0] == of_t(one(3), one(1))[0]


def test_partners_that_differ_are_measured_by_how_far_they_do() -> None:
    draw = np.random.default_rng(11)
    error = draw.uniform(0.05, 0.3, 4000)
    alike = draw.normal(0, 1, 4000)
    assert dispersed(alike, error) == pytest.approx(alike)  # nothing beside chance: nothing shrunk
    level = draw.normal(0, 0.2, 4000)
    z = (level + draw.normal(0, error)) / error
    shrunk = dispersed(z, error)
    # The tails that are moved in hold a third of a normal's squares, so that it is less than the whole of 0.2²
    assert 1.0 <= shrunk.std() <= 1.35
    assert (np.sign(shrunk) == np.sign(z)).all()
    between = (error[0] ** 2) * ((z[0] / shrunk[0]) ** 2 - 1)
    for place in (1, 17, 3999):  # one variance for all
        assert error[place] ** 2 * ((z[place] / shrunk[place]) ** 2 - 1) == pytest.approx(between)
    assert 0.1**2 <= between <= 0.2**2


def test_one_who_stands_out_is_not_hidden_by_itself_and_few_cannot_differ() -> None:
    z, error = np.r_[np.linspace(-1, 1, 19), 9.0], np.full(20, 0.1)
    assert dispersed(z, error)[-1] == 9.0
    few = np.full(FEWEST_TO_DIFFER - 1, 4.0)
    assert (dispersed(few, few) == few).all()
    missing = np.r_[np.nan, 3 * z]
    assert np.isnan(dispersed(missing, np.r_[0.1, error])[0])


def test_the_family_is_benjamini_and_hochbergs() -> None:
    p = np.array([0.5, 0.001, 0.04, 0.012, 0.03, 0.9, 0.011])
    q = np.empty(len(p))
    least = 1.0
    for rank, place in reversed(list(enumerate(np.argsort(p), start=1))):
        least = min(least, p[place] * len(p) / rank)
        q[place] = least
    assert family(p) == pytest.approx(q)
    assert len(family(np.array([]))) == 0
