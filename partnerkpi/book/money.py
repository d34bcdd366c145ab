"""Money: amounts in the book's currency at dated rates, rounded once, half to even."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd


def rates_on(rates: pd.DataFrame, currency: pd.Series, days: pd.Series, home: str) -> pd.Series:
    """The rate of each row's currency on its day: the latest one not after the day; 1 for the book's own currency.

    Args:
        rates: `currency`, `date`, `rate` (units of the book's currency for one unit of `currency`).
        currency: currency of each row; missing means the book's own.
        days: the day of each row.
        home: the book's currency.

    Returns:
        float64, missing where there is no rate on or before the day.
    """
    names = currency.astype("category")
    codes = names.cat.codes.to_numpy()
    on = days.to_numpy(dtype="datetime64[s]")
    found = np.where(codes < 0, 1.0, np.nan)
    for code, name in enumerate(names.cat.categories):
        rows = np.flatnonzero(codes == code)
        if name == home:
            found[rows] = 1.0
            continue
        own = rates[rates["currency"] == name].sort_values("date", kind="stable")
        if own.empty or not len(rows):
            continue
        place = np.searchsorted(own["date"].to_numpy(dtype="datetime64[s]"), on[rows], side="right") - 1
        values = own["rate"].to_numpy()[np.maximum(place, 0)]
        found[rows] = np.where((place < 0) | np.isnat(on[rows]), np.nan, values)
    return pd.Series(found, index=currency.index)


def converted(
    frame: pd.DataFrame, days: pd.Series, rates: pd.DataFrame, home: str, digits: int, amount: str = "amount"
) -> pd.Series:
    """The amounts of the rows in the book's currency on the given days, rounded half to even where converted."""
    amounts = frame[amount]
    foreign = frame["currency"].notna() & (frame["currency"].astype("str") != home)
    if not bool(foreign.any()):
        return amounts.astype("float64")
    rows = frame.index[foreign]
    rate = rates_on(rates, frame.loc[rows, "currency"], days.loc[rows], home)
    result = amounts.astype("float64").copy()
    result.loc[rows] = product(amounts.loc[rows], rate, digits)
    return result


def product(amounts: pd.Series, rates: pd.Series, digits: int) -> pd.Series:
    """Amount × rate rounded half to even at so many decimals, as if computed in decimal figures.

    >>> product(pd.Series([0.05, 0.15]), pd.Series([0.1, 0.1]), 2).tolist()
    [0.0, 0.02]
    """
    scaled = (amounts * rates).to_numpy() * 10.0**digits
    whole = np.rint(scaled)
    near = np.flatnonzero(np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < 1e-4)
    for i in near:  # what a float cannot decide: a product that ends in a five
        exact = Decimal(repr(float(amounts.iloc[i]))) * Decimal(repr(float(rates.iloc[i])))
        whole[i] = float(exact.scaleb(digits).to_integral_value(ROUND_HALF_EVEN))
    return pd.Series(whole / 10.0**digits + 0.0, index=amounts.index)
