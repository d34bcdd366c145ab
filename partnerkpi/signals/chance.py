"""How likely chance alone does as much: from counts, rates and sizes to a signed number of standard deviations.

Every test ends as a z: the distance, in standard deviations, of a result that chance reaches as often (two-sided). Then
what makes rows alike (orders, customers, drift) shrinks it by the square root of the design effect, and several tests
are one family.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from partnerkpi.experience import Floats


def z_of(below: Floats, above: Floats) -> Floats:
    """The signed z of a result, of the chances to be at or below it, and at or above it: the smaller one, doubled.

    >>> z_of(np.array([0.025, 0.9]), np.array([0.99, 0.3])).round(2)
    array([-1.96,  0.52])
    """
    from scipy.stats import norm

    less = below < above
    tail = np.clip(np.where(less, below, above), 1e-300, 0.5)
    return np.asarray(np.where(less, -1, 1) * norm.isf(tail))


def p_of(z: Floats) -> Floats:
    """The two-sided p of a z."""
    from scipy.stats import norm

    return np.asarray(2 * norm.sf(np.abs(z)))


def share_of_counts(now: Floats, before: Floats, share: Floats, strength: float) -> Floats:
    """z of `now` among `now` + `before`, where this share of them is expected now.

    Conditional on their sum two Poisson counts are a binomial (Przyborowski & Wilenski 1940), two negative binomial
    ones of one scale a beta-binomial of this `strength` (α + β); infinite for Poisson.
    """
    from scipy.stats import betabinom, binom

    total = now + before
    share = np.clip(share, 1e-9, 1 - 1e-9)
    if np.isfinite(strength):
        ends = betabinom.cdf([now, now - 1], total, strength * share, strength * (1 - share))
    else:
        ends = binom.cdf([now, now - 1], total, share)
    return np.where(total > 0, z_of(ends[0], 1 - ends[1]), 0.0)


def two_rates(yes: Floats, n: Floats, other_yes: Floats, other_n: Floats) -> Floats:
    """z of one rate beside another: Fisher's exact test, both tails alike."""
    from scipy.stats import hypergeom

    ends = hypergeom.cdf([yes, yes - 1], n + other_n, yes + other_yes, n)
    return np.where((n > 0) & (other_n > 0), z_of(ends[0], 1 - ends[1]), 0.0)


def rate_and_expected(yes: Floats, n: Floats, expected: Floats, effect: Floats, error: Floats) -> Floats:
    """z of `yes` of n where `expected` were, its variance `effect` times the binomial one, and `error` its own.

    The expectation is not sure, so a result is less surprising than beside a sure one.
    """
    n = np.maximum(n, 1)
    count = around(expected / n, n, error / n, effect)
    return z_of(count.cdf(yes), 1 - count.cdf(yes - 1))


def around(rate: Any, n: Any, error: Any, effect: Any = 1.0) -> Any:
    """How many of n come by chance around a rate with this standard `error` of its own: a beta-binomial.

    Its mean is n × rate, its variance `effect` times the binomial one and (n × error)² beside it.
    """
    from scipy.stats import betabinom

    rate = np.clip(rate, 1e-6, 1 - 1e-6)
    usual = np.maximum(n * rate * (1 - rate), 1e-12)
    over = np.clip(effect + (n * error) ** 2 / usual, 1 + 1e-6, None)
    alike = np.clip((over - 1) / np.maximum(np.asarray(n) - 1, 1), 1e-9, 0.99)
    return betabinom(n, rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1))


def dispersed(z: Floats) -> Floats:
    """The z of several partners, shrunk where they differ more than chance lets them: not all of it is news."""
    return z / np.sqrt(dispersion(z))


def dispersion(z: Floats) -> float:
    """By how much more than chance these differ: the mean of their squares after a tenth at either end is moved to the
    next (Spiegelhalter 2005), never below 1. Below ten partners 1: they could not tell.
    """
    told = z[np.isfinite(z)]
    if len(told) < 10:
        return 1.0
    kept = np.clip(told, *np.quantile(told, [0.1, 0.9]))
    return max(1.0, float((kept**2).mean()))


def family(p: Floats) -> Floats:
    """For each test the smallest false discovery rate at which it would be told (Benjamini & Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if len(p) else p
