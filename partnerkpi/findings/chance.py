"""How likely chance alone does as much: from counts, rates and sizes to a signed number of standard deviations.

Every test ends as a z: the distance, in standard deviations, of a result that chance reaches as often (two-sided). Then
what makes rows alike (orders, customers, drift) shrinks it by the square root of the design effect, and several tests
are one family.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from partnerkpi.experience import Floats

#: Fewer partners cannot tell how far they differ.
FEWEST_TO_DIFFER = 10


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


def of_t(t: Floats, freedom: Floats) -> Floats:
    """The z as far out as a t of so many degrees of freedom: a standard error from few rows is itself not sure."""
    from scipy.stats import norm
    from scipy.stats import t as student

    tail = np.clip(student.sf(np.abs(t), np.maximum(freedom, 1)), 1e-300, 0.5)
    return np.asarray(np.sign(t) * norm.isf(tail))


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
    """z of one rate beside another: Fisher's exact test, either tail with half of what was found (mid-p).

    The whole of it would make the test say 1 or 2 where it claims 5 in a hundred (Lancaster 1961; Agresti 2013).
    """
    from scipy.stats import hypergeom

    ends = hypergeom.cdf([yes, yes - 1], n + other_n, yes + other_yes, n)
    return np.where((n > 0) & (other_n > 0), _mid(ends), 0.0)


def rate_and_expected(yes: Floats, n: Floats, expected: Floats, variance: Floats) -> Floats:
    """z of `yes` of n where `expected` were, with this variance: at least a little of that of one common rate.

    Beta-binomial (`around`), or, where the variance is less than a binomial's because the chances differ, a binomial's
    z stretched by as much. Either tail with half of what was found, as in `two_rates`.
    """
    n = np.maximum(n, 1)
    usual = np.maximum(expected * (1 - expected / n), 1e-9)
    over = variance / usual
    count = around(expected / n, n, 0.0, over)
    return _mid(np.array([count.cdf(yes), count.cdf(yes - 1)])) / np.sqrt(np.clip(over, 0.5, 1.0))


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


def _mid(ends: Floats) -> Floats:
    """z of the chances to be at or below a result, and below it: half of the result itself in either tail."""
    below = (ends[0] + ends[1]) / 2
    return z_of(below, 1 - below)


def dispersed(z: Floats, error: Floats) -> Floats:
    """The z of several partners, shrunk where they differ more than chance lets them: not all of it is news.

    `error` is the standard error of what each z compares; `apart` says how far they differ beside it.
    """
    told = np.isfinite(z) & np.isfinite(error) & (error > 0)
    shrunk = z.copy()
    shrunk[told] *= error[told] / np.sqrt(error[told] ** 2 + apart(z, error))
    return shrunk


def apart(z: Floats, error: Floats) -> float:
    """The variance by which partners differ beside chance: 0 below ten of them, who could not tell.

    By moments (DerSimonian & Laird 1986) of z after a tenth at either end is moved to the next, so that those who stand
    out do not hide themselves (Spiegelhalter 2005).
    """
    told = np.isfinite(z) & np.isfinite(error) & (error > 0)
    many = int(told.sum())
    if many < FEWEST_TO_DIFFER:
        return 0.0
    kept = np.clip(z[told], *np.quantile(z[told], [0.1, 0.9]))
    weight = 1 / error[told] ** 2
    excess = float((kept**2).sum()) - (many - 1)
    return max(0.0, excess / float(weight.sum() - (weight**2).sum() / weight.sum()))


def family(p: Floats) -> Floats:
    """For each test the smallest false discovery rate at which it would be told (Benjamini & Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if len(p) else p
