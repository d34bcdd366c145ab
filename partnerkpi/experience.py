"""Experience: what the whole network's past tells of how much figures vary, beyond the chance of independent sales.

A textbook interval takes a steady pace, sales independent of each other and sizes without giants for granted. Partners
have none of these. How far they are from it a single partner's quarter cannot tell; the network's last eight quarters
can. Every interval takes it from here; where nothing is known, the textbook holds (`STEADY`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]
Floats = NDArray[Any]
Season = tuple[float, float, float, float]
Months = tuple[float, ...]

#: So many pairs of sales of one customer must have been seen before their likeness is believed.
FEWEST_PAIRS = 30
#: A season is looked for from so many quarters on; with fewer it could not be told from a trend.
FEWEST_QUARTERS = 8
#: How a pace moves from quarter to quarter is looked for from so many quarters on.
FEWEST_TO_MOVE = 3


@dataclass(frozen=True)
class Experience:
    """How much partners' figures vary beyond chance, each a number the network's past gives; all 0 or 1: not at all.

    - `pace`: squared coefficient of variation of a partner's pace of wins from quarter to quarter;
    - `orders`: how many wins come together, as the wins of one customer in one quarter (Σm² ÷ Σm);
    - `season`: the factor of each quarter of the fiscal year on the number of wins, 1 on average;
    - `months`: that of each of its twelve months, those of a quarter on average the quarter's;
    - `spread`: squared coefficient of variation of deal sizes, of the last four quarters;
    - `like_sizes`, `like_outcomes`: intra-class correlation of the sizes, and of the outcomes, of one customer's deals;
    - `drift`: correlation of the outcomes that fall in one quarter of one partner, those of one customer apart: how far
      its rate moves from quarter to quarter.

    What is wanted of limits stands here too: those of a count are `exact`, or hold as often as they say on average.
    """

    pace: float = 0.0
    orders: float = 1.0
    season: Season = (1.0, 1.0, 1.0, 1.0)
    months: Months = (1.0,) * 12
    spread: float = 0.0
    like_sizes: float = 0.0
    like_outcomes: float = 0.0
    drift: float = 0.0
    exact: bool = True


#: Where nothing is known of a network: independent sales at a steady pace.
STEADY = Experience()


def pace_variance(counts: Floats, exposure: Floats, orders: float) -> float:
    """The squared coefficient of variation of the pace behind counts of partners (rows) in quarters (columns).

    The variance of a count of mean e is orders·e + φ·e². Each squared residual over its variance should be 1 on
    average; they are weighted by how much they tell of φ (pseudo-likelihood, Davidian & Carroll 1987), and φ is taken
    where the sum is one standard deviation of chance below what it should be: from few partners a larger φ. `exposure`
    is how much of each quarter, times its season, a partner was there.
    """
    there = exposure > 0
    if there.any(axis=0).sum() < FEWEST_TO_MOVE:
        return 0.0
    total, length = (counts * there).sum(axis=1), exposure.sum(axis=1)
    many = there.sum(axis=1)
    used = (total > 0) & (many > 1)
    if not used.any():
        return 0.0
    pace = np.divide(total, length, out=np.zeros_like(length), where=length > 0)
    cells = there[used]
    e = (pace[:, None] * exposure)[used][cells]
    left = np.repeat(1 - 1 / many[used], many[used])  # of each cell's freedom, the pace being estimated too
    gaps = (counts[used][cells] - e) ** 2 / left
    return excess_variance(gaps, orders * e, e, left)


def excess_variance(gaps: Floats, noise: Floats, mean: Floats, left: Floats) -> float:
    """φ where squared residuals `gaps` have the variance noise + φ·mean²; one standard deviation of chance above it.

    `left` is the freedom of each. See `pace_variance`; between 0 and 4.
    """

    def excess(phi: float) -> float:
        variance = noise + phi * mean**2
        weight = mean**2 / variance
        chance = np.sqrt(2 * float((left * weight**2).sum()))
        return float((left * weight * (gaps / variance - 1)).sum()) + chance

    if not len(gaps) or excess(0.0) <= 0:
        return 0.0
    if excess(_MOST) >= 0:
        return _MOST
    from scipy.optimize import brentq

    return float(brentq(excess, 0.0, _MOST, xtol=1e-6))


_MOST = 4.0  # a pace whose standard deviation is twice its mean


def season_and_trend(totals: Floats, numbers: Ints) -> tuple[Season, float]:
    """The factor of each quarter of the year on the network's wins, and their growth from quarter to quarter as a log.

    From the network's complete quarters in order: a weighted log-linear fit of level, trend and season, each drawn
    towards nought by as much as its own error asks for (empirical Bayes), so that chance makes no season. `numbers` say
    which quarter of the year each is, 0 to 3.
    """
    if len(totals) < FEWEST_QUARTERS or (totals <= 0).any():
        return STEADY.season, 0.0
    t = np.arange(len(totals)) - (len(totals) - 1) / 2
    seasons = np.eye(4)[numbers][:, 1:] - np.eye(4)[numbers][:, :1]  # effects that add up to nought
    design = np.column_stack([np.ones(len(totals)), t, seasons])
    weight = np.sqrt(totals)
    logs = np.log(totals)
    found = np.linalg.lstsq(design * weight[:, None], logs * weight, rcond=None)[0]
    rest = ((logs - design @ found) * weight) ** 2
    noise = max(1.0, float(rest.sum()) / max(1, len(totals) - design.shape[1]))
    error = noise * np.linalg.inv((design * weight[:, None]).T @ (design * weight[:, None]))
    effects = np.array([-found[2:].sum(), *found[2:]])
    spread = np.array([[-1.0, -1.0, -1.0], *np.eye(3)])
    variance = np.einsum("ij,jk,ik->i", spread, error[2:, 2:], spread)
    signal = max(0.0, float((effects**2).mean() - variance.mean()))
    drawn = effects * (signal / (signal + variance.mean()) if signal else 0.0)
    factors = np.exp(drawn)
    first, second, third, fourth = (float(f) for f in factors / factors.mean())
    trend = float(found[1]) * max(0.0, 1 - float(error[1, 1]) / max(float(found[1]) ** 2, 1e-12))
    return (first, second, third, fourth), trend


def season_of_months(totals: Floats, season: Season) -> Months:
    """The factor of each month of the fiscal year on the network's wins: its quarter's, and its share within it.

    `totals` are the wins in the three months (last axis) of the four quarters of the year in several years (first
    axis), 0 where a quarter is not known. What the shares of a quarter's months differ from a third by is drawn towards
    nought by as much as its error asks for (empirical Bayes), as seasons are in `season_and_trend`.
    """
    known = totals.sum(axis=2) > 0
    wins = totals.sum(axis=(0, 2))
    if known.sum() < FEWEST_QUARTERS or (wins <= 0).any():
        return tuple(float(factor) for factor in np.repeat(season, 3))
    shares = totals.sum(axis=0) / wins[:, None]
    expected = totals.sum(axis=2, keepdims=True) * shares
    chi = np.divide((totals - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    noise = max(1.0, float(chi.sum()) / max(1, 2 * (int(known.sum()) - 4)))
    moved = 3 * shares - 1
    variance = float((2 * noise / wins).mean())  # of three times a share of about a third
    signal = max(0.0, float((moved**2).mean()) - variance)
    drawn = 1 + moved * (signal / (signal + variance) if signal else 0.0)
    return tuple(float(factor) for factor in (np.asarray(season)[:, None] * drawn).ravel())


def together(sizes: Floats) -> float:
    """How many come together, seen from one of them: Σm² ÷ Σm; 1 where fewer than `FEWEST_PAIRS` pairs were seen."""
    pairs = (sizes * (sizes - 1.0)).sum() / 2
    return float((sizes**2).sum() / sizes.sum()) if pairs >= FEWEST_PAIRS else 1.0


def correlation_within(residuals: Floats, variances: Floats, clusters: Ints) -> float:
    """Intra-class correlation: the mean product of two residuals of one cluster over their mean variance.

    Only clusters of two and more tell of it; 0 where fewer than `FEWEST_PAIRS` pairs were seen. Between 0 and 1.
    """
    if not len(residuals):
        return 0.0
    _, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=residuals)
    squares = np.bincount(place, weights=residuals**2)
    pairs = float((sizes * (sizes - 1.0)).sum())
    if pairs < 2 * FEWEST_PAIRS:
        return 0.0
    usual = np.bincount(place, weights=variances) / sizes
    expected = float((sizes * (sizes - 1.0) * usual).sum())
    return float(np.clip((sums**2 - squares).sum() / expected, 0.0, 1.0)) if expected > 0 else 0.0


def size_variation(sizes: Floats, partners: Ints) -> float:
    """Squared coefficient of variation of deal sizes, differences between partners taken out.

    A partner's own level is the mean of its logarithms, drawn towards the network's by its own error (empirical Bayes):
    with few deals a partner's level is mostly chance, and giants must not hide in it.
    """
    if len(sizes) < 2:
        return 0.0
    logs = np.log(sizes)
    _, place, many = np.unique(partners, return_inverse=True, return_counts=True)
    own = np.bincount(place, weights=logs) / many
    freedom = len(sizes) - len(many)
    within = float(((logs - own[place]) ** 2).sum() / freedom) if freedom > 0 else float(logs.var())
    level = float(logs.mean())
    between = max(0.0, float((many * (own - level) ** 2).sum() - (len(many) - 1) * within) / len(sizes))
    drawn = between / (between + within / many) if between > 0 else np.zeros(len(many))
    relative = np.exp(logs - (level + drawn * (own - level))[place])
    return float(relative.var(ddof=1) / relative.mean() ** 2)
