"""The win curve is that of lifelines, with open deals and rival endings, followed from entry or only later.

The constants were printed by lifelines 0.30.3 in an environment of its own, for these prospects with their days as they
stand: `AalenJohansenFitter().fit(exits, codes, event_of_interest=1, entry=entries)`, codes 1 won, 2 lost, 0 open, and
its `cumulative_density_` and `variance_` at each day on which anybody was won. lifelines moves days by chance where a
win and a loss share one, and is of two minds whether who comes on a day is at risk on it; so no day here has a win and
a loss, and nobody comes on a day on which somebody is won or lost. Nothing was moved; wins share days with wins and
with open ones, losses with losses.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerkpi.experience import STEADY
from partnerkpi.intervals import wilson
from partnerkpi.survival import win_curves, won_within

#: Day on which each prospect began to be followed, day on which it was won or lost or last seen open.
PROSPECTS = """
    0-13l 9-15w 0-17l 0-20w 0-25w 0-26l 16-35w 18-37l 30-40o 21-40o 6-45w 32-46l 24-49l 0-55o 0-60o 5-65w
    0-65w 0-65w 27-69l 0-70w 36-70w 0-73l 0-81l 21-81l 1-85l 18-90w 40-90w 36-90w 1-95o 0-95w 0-100w 58-100w
    0-105o 76-105o 53-105w 2-106l 47-106l 29-109l 0-120o 59-125l 0-130o 66-130w 0-133l 0-133l 28-145w 71-155o
    6-165o 6-175o
"""
#: By day: probability to be won by then, and its variance.
FROM_ENTRY = {
    15: (0.020833333333333325, 0.00042498553240740707),
    20: (0.04166666666666665, 0.0008318865740740734),
    25: (0.06249999999999997, 0.0012207031249999991),
    35: (0.0833333333333333, 0.0015914351851851842),
    45: (0.10526315789473681, 0.0019855552720675178),
    65: (0.17503987240829338, 0.00318214996442195),
    70: (0.2215576820839978, 0.003850690614703728),
    90: (0.2913343965975544, 0.004659717873194629),
    95: (0.3145933014354066, 0.004877717968176457),
    100: (0.36369543387087233, 0.0053094883515178715),
    105: (0.38824650008860523, 0.00547690355213626),
    130: (0.41972222600877557, 0.005841058196235632),
    145: (0.4564439062489743, 0.006305800007307393),
}
LATER = {
    15: (0.03703703703703704, 0.0013209368490575625),
    20: (0.07001160704864406, 0.0022824172078609564),
    25: (0.09957501464525727, 0.002986912927675882),
    35: (0.12451913980489965, 0.0034308808910836364),
    45: (0.14870738238394682, 0.0038166056444697825),
    65: (0.2165150890805424, 0.004664838120217709),
    70: (0.26010575767121097, 0.005082648899994067),
    90: (0.3205587928838615, 0.005459442479083246),
    95: (0.3407098046214117, 0.005560474646074856),
    100: (0.3832508294006843, 0.005775761586623589),
    105: (0.40452134179032057, 0.005858908055866158),
    130: (0.43179122946934145, 0.006089328148038876),
    145: (0.46360609842819916, 0.006404557122975545),
}


def prospects(*, later: bool) -> pd.DataFrame:
    """The prospects as the package follows them."""
    begun, ended = zip(*(word.split("-") for word in PROSPECTS.split()), strict=True)
    exits = [int(word[:-1]) for word in ended]
    outcome = [{"w": "won", "l": "other", "o": "open"}[word[-1]] for word in ended]
    entries = [int(day) if later else 0 for day in begun]
    return pd.DataFrame({"entry": entries, "exit": exits, "reach": 200, "outcome": outcome})


@pytest.mark.parametrize("later", [False, True], ids=["from entry", "later"])
def test_the_win_curve_is_lifelines(later: bool) -> None:
    rows = prospects(later=later)
    theirs = pd.DataFrame(LATER if later else FROM_ENTRY, index=["won", "variance"]).T
    [(_, curve)] = win_curves(rows, np.zeros(len(rows), dtype=int), 1)
    steps = theirs["won"].reindex(range(curve.won.shape[1])).ffill().fillna(0.0)
    assert curve.won[0] == pytest.approx(steps.to_numpy(), abs=1e-12)


@pytest.mark.parametrize("later", [False, True], ids=["from entry", "later"])
@pytest.mark.parametrize("days", [45, 90, 145])
def test_the_share_won_by_a_day_has_the_interval_of_lifelines_variance(days: int, later: bool) -> None:
    """Wilson's, at as many prospects as would give that variance, but no more than were ever there at once."""
    rows = prospects(later=later)
    value, variance = (LATER if later else FROM_ENTRY)[days]
    there = max(int(rows["entry"].le(day).mul(rows["exit"].ge(day)).sum()) for day in range(days + 1))
    worth = np.array([min(value * (1 - value) / variance, there)])
    ours = won_within(days)(rows, np.zeros(len(rows), dtype=int), 1, STEADY).iloc[0]
    low, high = wilson(value * worth, worth)
    assert (ours["value"], ours["low"], ours["high"]) == pytest.approx((value, low[0], high[0]), abs=1e-12)
