"""Limits of intervals: of the pace behind a count, of a rate, and how much rows that are alike are worth.

Every limit is of the 95 % interval of a long-run truth. Rows of one customer, or of one partner's quarter, are not
independent of each other; what the network's past says of that (`experience`) is counted in here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.experience import Experience, Floats, Ints

Z = 1.959963984540054  # the 97.5 % point of the normal distribution


def pace_limits(n: Any, variance: Any, orders: float, *, exact: bool = True) -> tuple[Floats, Floats]:
    """Limits of the mean behind the counts `n`: those of which 2.5 % of counts would be as high, or as low.

    Counts are negative binomial with squared coefficient of variation `variance` of the pace (the tails inverted by the
    incomplete beta function, as Clopper & Pearson 1934 did for the binomial); at 0 they are Poisson (Garwood 1936).
    Where sales come `orders` at a time, orders are counted. Exact limits hold in at least 95 of 100 cases; those that
    are not take half of the count itself in (Jeffreys', Brown, Cai & DasGupta 2003) and hold in 95 on average, which is
    what a test of two counts asks for.
    """
    from scipy.special import betaincinv, gammaincinv

    m = np.asarray(n, dtype=np.float64) / orders
    variance = np.broadcast_to(np.asarray(variance, dtype=np.float64), m.shape)
    least, most = (m, m + 1) if exact else (m + 0.5, m + 0.5)
    some = np.where(m > 0, least, 1.0)
    low, high = gammaincinv(some, 0.025), gammaincinv(most, 0.975)
    r = 1 / np.maximum(variance, 1e-6)
    below = betaincinv(r, some, 0.975)
    above = betaincinv(r, most, 0.025)
    unsteady = variance > 1e-6
    low = np.where(unsteady, r * (1 - below) / below, low)
    high = np.where(unsteady, r * (1 - above) / np.maximum(above, 1e-300), high)
    return np.where(m > 0, low, 0.0) * orders, high * orders


def unsteadiness(rows: pd.DataFrame, codes: Ints, groups: int, known: Experience) -> tuple[Floats, float]:
    """The squared coefficient of variation of each group's pace, and how many wins come together.

    Partners' paces move independently, so that of a group moves less the more partners share it: by Σp², p their shares
    of the wins, estimated without the chance of small counts (Simpson 1949).
    """
    if "partner_id" not in rows or known.pace == 0:
        return np.full(groups, known.pace), known.orders
    n = counted(codes, groups).astype(np.float64)
    pairs = _squares(codes, groups, rows["partner_id"], apart=False) - n
    shared = np.divide(pairs, n * (n - 1), out=np.ones(groups), where=n > 1)
    return known.pace * shared, known.orders


def _squares(codes: Ints, groups: int, labels: pd.Series, *, apart: bool) -> Floats:
    """Σm² over the rows of one label in each group; rows without a label are of one, or each stands `apart`."""
    label, names = pd.factorize(labels)
    if apart:
        alone = label < 0
        label = np.where(alone, len(names) + np.cumsum(alone), label)
    key, sizes = np.unique(codes.astype(np.int64) * (int(label.max(initial=0)) + 2) + label + 1, return_counts=True)
    return np.bincount(key // (int(label.max(initial=0)) + 2), weights=sizes.astype(np.float64) ** 2, minlength=groups)


def design_effect(rows: pd.DataFrame, codes: Ints, groups: int, alike: float, drift: float = 0.0) -> Floats:
    """By how much the variance of each group's mean exceeds that of independent rows.

    Two rows of one customer are correlated by `alike`, two of one partner and different customers by `drift`.
    """
    n = np.maximum(counted(codes, groups), 1).astype(np.float64)
    effect = np.ones(groups)
    customers = n
    if "customer" in rows and alike > 0:
        customers = np.maximum(_squares(codes, groups, rows["customer"], apart=True), n)
        effect += alike * (customers / n - 1)
    if "partner_id" in rows and drift > 0:
        partners = _squares(codes, groups, rows["partner_id"], apart=False)
        effect += drift * np.maximum(partners - customers, 0) / n
    return effect


def wilson(yes: Floats, n: Any) -> tuple[Floats, Floats]:
    """Wilson's (1927) interval of `yes` of n, missing where n is 0; n need not be whole (an effective sample size)."""
    from scipy.special import ndtri

    n = np.asarray(n, dtype=np.float64)
    sure = np.where(n > 0, n, 1.0)
    p = np.clip(yes, 0, sure) / sure
    z = -ndtri(0.025)
    shrunk = 1 + z**2 / sure
    middle = (p + z**2 / (2 * sure)) / shrunk
    half = z * np.sqrt(p * (1 - p) / sure + z**2 / (4 * sure**2)) / shrunk
    low, high = np.clip(middle - half, 0, p), np.clip(middle + half, p, 1)  # rounding at 0 and 1
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def rate_limits(yes: Floats, n: Floats, shared: Floats) -> tuple[Floats, Floats]:
    """Limits of a rate: Wilson's, drawn by `shared` towards those of Clopper & Pearson (1934); missing where n is 0.

    `shared` is the part of the variance that comes from rows of one customer. Wilson's limits hold on average over
    the many counts that independent rows can give; few alike ones all say yes or all say no far more often, and are
    given the exact limits of their effective sample size (Korn & Graubard 1998).
    """
    from scipy.special import betaincinv

    low, high = wilson(yes, n)
    no = np.maximum(n - yes, 0)
    some, others = yes > 0, no > 0
    exact_low = np.where(some, betaincinv(np.where(some, yes, 1.0), no + 1, 0.025), 0.0)
    exact_high = np.where(others, betaincinv(yes + 1, np.where(others, no, 1.0), 0.975), 1.0)
    return low + shared * np.minimum(exact_low - low, 0), high + shared * np.maximum(exact_high - high, 0)


def counted(codes: Ints, groups: int) -> Ints:
    """Rows per group."""
    return np.bincount(codes, minlength=groups).astype(np.int64)
