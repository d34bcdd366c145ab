"""Intervals are kept to their word: simulated worlds whose truth is known, each a group of one vectorised call.

Every interval that is shown holds the truth in at least 90 of 100 worlds, from five rows to two hundred.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from coverage_table import CHANGED, TESTED, alarms_of, changes, differences, measured, median_within
from worlds import TEXTBOOK, book_of_world
from worlds import WORLDS as WORLDS_OF_PARTNERS

from partnerkpi import compare, indices, statistics
from partnerkpi.experience import Experience
from partnerkpi.intervals import rate_limits
from partnerkpi.survival import median_days, won_within

WORLDS = 2_000
SIZES = [5, 8, 12, 20, 40, 80, 200]
LEAST = 0.90 - 2.5 * np.sqrt(0.9 * 0.1 / WORLDS)  # 0.90 less the chance error of the measurement itself


def seed(*words: object) -> np.random.Generator:
    return np.random.default_rng([ord(c) for c in " ".join(map(str, words))])


def covered(answer: pd.DataFrame, truth: float) -> tuple[float, int]:
    shown = answer["low"].notna()
    holds = (answer["low"] <= truth) & (answer["high"].fillna(np.inf) >= truth)
    return float(holds[shown].mean()), int(shown.sum())


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.2, 1.5])
def test_average_deal_size_on_log_normal_sizes(n: int, sigma: float) -> None:
    values = np.exp(seed("mean", n, sigma).normal(0, sigma, WORLDS * n))
    answer = statistics.mean(pd.DataFrame({"value": values}), np.repeat(np.arange(WORLDS), n), WORLDS)
    share, shown = covered(answer, np.exp(sigma**2 / 2))
    assert shown >= WORLDS * 0.85  # an interval that spans ten-thousandfold is not shown
    assert share >= LEAST


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("shape", [0.5, 1.0, 4.0])
def test_average_deal_size_on_gamma_sizes(n: int, shape: float) -> None:
    values = seed("gamma", n, shape).gamma(shape, 1, WORLDS * n)
    answer = statistics.mean(pd.DataFrame({"value": values}), np.repeat(np.arange(WORLDS), n), WORLDS)
    assert covered(answer, shape)[0] >= LEAST


@pytest.mark.parametrize("pace", SIZES)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("figure", ["count", "total", "index"])
def test_counts_sums_and_scores(pace: int, sigma: float, figure: str) -> None:
    rng = seed(figure, pace, sigma)
    wins = rng.poisson(pace, WORLDS)
    codes = np.repeat(np.arange(WORLDS), wins)
    rows = pd.DataFrame(
        {"value": np.exp(rng.normal(0, sigma, wins.sum())), "typical_deals": 1.0, "typical_amount": 1.0}
    )
    truth = {
        "count": pace,
        "total": pace * np.exp(sigma**2 / 2),
        "index": 100 * pace * np.exp(sigma**2 / 4),
    }[figure]
    share, shown = covered(getattr(indices, figure)(rows, codes, WORLDS), truth)
    assert shown >= WORLDS * 0.5
    assert share >= LEAST


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.8])
def test_rates(n: int, rate: float) -> None:
    values = seed("rate", n, rate).random(WORLDS * n) < rate
    answer = statistics.share(pd.DataFrame({"value": values}), np.repeat(np.arange(WORLDS), n), WORLDS)
    assert covered(answer, rate)[0] >= LEAST


def test_rates_of_rows_that_are_alike_go_from_wilsons_limits_to_the_exact_ones() -> None:
    from statsmodels.stats.proportion import proportion_confint

    yes, n = np.array([0, 1, 5, 8, 8]), np.array([8, 8, 8, 8, 40])
    wilsons, exact = (np.array(proportion_confint(yes, n, method=method)) for method in ("wilson", "beta"))
    for shared in (0.0, 0.4, 1.0):
        found = np.array(rate_limits(yes.astype(float), n.astype(float), np.full(5, shared)))
        assert found == pytest.approx((1 - shared) * wilsons + shared * exact, abs=1e-9)


@pytest.mark.parametrize("n", [6, *SIZES[1:]])
def test_medians(n: int) -> None:
    values = np.exp(seed("median", n).normal(0, 1, WORLDS * n))
    answer = statistics.median(pd.DataFrame({"value": values}), np.repeat(np.arange(WORLDS), n), WORLDS)
    share, shown = covered(answer, 1.0)
    assert shown == WORLDS
    assert share >= 0.945  # exact: never below the nominal level but by the error of measurement


P_WIN, MEDIAN_OF_WINS, SPREAD = 0.35, 70, 0.6


def histories(n: int, worlds: int) -> tuple[pd.DataFrame, np.ndarray]:
    """`worlds` partners with about `n` new deals a year for four years, seen through the last year only."""
    rng = seed("velocity", n)
    span = 4 * 365
    created = rng.integers(0, span, (worlds, n * 4))
    win = rng.random(created.shape) < P_WIN
    logs = np.where(win, rng.normal(np.log(MEDIAN_OF_WINS), SPREAD, win.shape), rng.normal(np.log(60), 0.8, win.shape))
    closed = created + np.exp(logs).astype(int)
    begin, end = span - 365, span - 1
    alive = closed >= begin
    group = np.broadcast_to(np.arange(worlds)[:, None], created.shape)[alive]
    created, closed, win = created[alive], closed[alive], win[alive]
    ended = closed <= end
    rows = pd.DataFrame(
        {
            "entry": np.maximum(created, begin) - created,
            "exit": np.where(ended, closed, end) - created,
            "reach": end - created,
            "outcome": np.where(ended, np.where(win, "won", "other"), "open"),
        }
    )
    return rows, group


@pytest.mark.parametrize("n", [8, 12, 20, 40, 80, 200])
def test_deal_velocity_with_open_deals_and_rival_endings(n: int) -> None:
    rows, group = histories(n, WORLDS)
    answer = median_days(rows, group, WORLDS)
    share, shown = covered(answer, float(MEDIAN_OF_WINS - 1))  # whole days: day 69 is the 70th
    assert shown >= WORLDS * (0.05 if n < 12 else 0.3)
    assert share >= LEAST
    assert abs(answer["value"].median() - MEDIAN_OF_WINS) <= (8 if n < 20 else 4)


@pytest.mark.parametrize("n", [24, 50, 100])
def test_deal_velocity_of_partners_that_joined_five_months_ago(n: int) -> None:
    """Few deals are followed for long; the truth is that of the horizon which the note names."""
    rng = seed("joined", n)
    created = rng.integers(0, 150, (WORLDS, n))
    win = rng.random(created.shape) < P_WIN
    logs = np.where(win, rng.normal(np.log(MEDIAN_OF_WINS), SPREAD, win.shape), rng.normal(np.log(60), 0.8, win.shape))
    days, reach = np.exp(logs).astype(int), 149 - created
    outcome = np.where(days > reach, "open", np.where(win, "won", "other"))
    table = {"entry": 0, "exit": np.minimum(days, reach).ravel(), "reach": reach.ravel(), "outcome": outcome.ravel()}
    answer = median_days(pd.DataFrame(table), np.arange(WORLDS).repeat(n), WORLDS)
    answer = answer[answer["low"].notna()]
    truth = np.array([median_within(dict(note.values)["n"]) - 0.5 for note in answer["note"]])
    holds = (answer["low"] <= truth) & (answer["high"].fillna(np.inf) >= truth)
    assert len(answer) > WORLDS / 4
    assert holds.mean() >= LEAST
    short = (answer["high"] < truth).mean()  # where none of those followed for long happened to be won
    assert short <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / len(answer))


def test_deal_velocity_varies_as_its_hazards_do() -> None:
    """Its limits from the derivatives of the curve by each day's hazards, taken by moving each a little."""
    rows, group = histories(3000, 1)
    answer = median_days(rows, group, 1).iloc[0]
    days = np.arange(366)
    entry, leave = (rows[c].to_numpy() for c in ("entry", "exit"))
    at_risk = np.array([((entry <= d) & (leave >= d)).sum() for d in days])
    ends = [np.array([((leave == d) & (rows["outcome"] == how)).sum() for d in days]) for how in ("won", "other")]

    def curve(win: np.ndarray, other: np.ndarray) -> np.ndarray:
        still = np.cumprod(1 - win - other)
        return np.cumsum(np.concatenate([[1.0], still[:-1]]) * win)

    hazards = [e / np.maximum(at_risk, 1) for e in ends]
    plain = curve(*hazards)
    variance = np.zeros(len(days))
    for which in (0, 1):
        for d in np.flatnonzero(ends[which]):
            moved = [h.copy() for h in hazards]
            moved[which][d] += 1e-6
            slope = (curve(*moved) - plain) / 1e-6
            variance += (slope - slope[-1] / 2) ** 2 * hazards[which][d] / at_risk[d]
    lead = plain - plain[-1] / 2
    half = 1.96 * np.sqrt(variance)
    assert answer["value"] == np.argmax(lead >= 0)
    assert abs(answer["low"] - np.argmax(lead + half >= 0)) <= 1
    assert abs(answer["high"] - np.argmax(lead - half > 0)) <= 1


def test_deal_velocity_counts_in_a_pace_that_moves() -> None:
    """With so many deals that chance is small, what is left is logit⁻¹ of ± 1.96 standard deviations of the pace's."""
    from scipy.stats import norm

    rows, group = histories(60_000, 1)
    answer = median_days(rows, group, 1, Experience(pace=0.5)).iloc[0]
    d = answer["value"] / (365 / 4)
    sd = np.sqrt(2 * d * min(d, 1) * 0.5) / 4
    days = np.array([answer["low"], answer["high"]]) + 1
    share = norm.cdf((np.log(days) - np.log(MEDIAN_OF_WINS)) / SPREAD)  # those won later than in a year are very few
    assert (share - 0.5) / (share * (1 - share)) == pytest.approx([-1.96 * sd, 1.96 * sd], abs=0.06)


@pytest.mark.parametrize("n", [8, 12, 20, 40, 80, 200])
@pytest.mark.parametrize("days", [30, 90, 180])
def test_won_within_days(n: int, days: int) -> None:
    from scipy.stats import norm

    rows, group = histories(n, WORLDS)
    truth = P_WIN * norm.cdf((np.log(days + 1) - np.log(MEDIAN_OF_WINS)) / SPREAD)
    answer = won_within(days)(rows, group, WORLDS)
    assert covered(answer, truth)[0] >= LEAST
    assert abs(answer["value"].mean() - truth) < 0.02


def test_one_minus_kaplan_meier_would_promise_wins_that_never_come() -> None:
    """The trap the win curve avoids: losses taken as censored raise the curve far above the true share."""
    rows, group = histories(200, 50)
    as_if = rows.assign(outcome=rows["outcome"].replace("other", "open"))
    honest = won_within(180)(rows, group, 50)["value"].mean()
    fiction = won_within(180)(as_if, group, 50)["value"].mean()
    assert honest < 0.36
    assert fiction > honest + 0.15


def test_the_win_curve_without_rivals_is_kaplan_meiers() -> None:
    """Against an independent implementation: scipy's, which knows right-censored times but no rivals."""
    from scipy.stats import CensoredData, ecdf

    rng = seed("kaplan")
    exits = rng.integers(1, 120, 300)
    still = rng.random(300) < 0.4
    rows = pd.DataFrame({"entry": 0, "exit": exits, "reach": 120, "outcome": np.where(still, "open", "won")})
    survival = ecdf(CensoredData.right_censored(exits, still)).sf
    for days in (10, 45, 90, 110):
        ours = won_within(days)(rows, np.zeros(300, dtype=int), 1)["value"].iloc[0]
        assert ours == pytest.approx(1 - survival.evaluate(days), abs=1e-12)


def test_the_win_curve_with_rivals_is_statsmodels() -> None:
    from statsmodels.duration.survfunc import CumIncidenceRight

    rng = seed("rivals")
    exits = rng.integers(1, 120, 400)
    how = rng.choice(["won", "other", "open"], 400, p=[0.3, 0.4, 0.3])
    rows = pd.DataFrame({"entry": 0, "exit": exits, "reach": 120, "outcome": how})
    theirs = CumIncidenceRight(exits.astype(float), np.select([how == "won", how == "other"], [1, 2], 0))
    ours = won_within(60)(rows, np.zeros(400, dtype=int), 1).iloc[0]
    at = np.searchsorted(theirs.times, 60, side="right") - 1
    assert ours["value"] == pytest.approx(theirs.cinc[0][at], abs=1e-12)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("better", [0.7, 1.0, 1.4])
def test_observed_to_expected_with_unlike_prospects(n: int, better: float) -> None:
    """Each prospect has its own expected chance; the partner wins `better` times as often as expected."""
    rng = seed("standard", n, better)
    chance = rng.beta(2, 5, WORLDS * n) * 0.9
    won = rng.random(WORLDS * n) < np.minimum(better * chance, 1)
    rows = pd.DataFrame({"value": won.astype(float), "of": chance, "error": 0.0, "alike": 1e9})
    answer = indices.standardised(rows, np.repeat(np.arange(WORLDS), n), WORLDS)
    assert covered(answer, better)[0] >= LEAST


@pytest.mark.slow
@pytest.mark.parametrize(
    "world", ["textbook", "pace cv 1.0", "giants 3 % × 60", "6 deals a customer", "joined 150 days ago"]
)
def test_intervals_hold_in_worlds_the_methods_do_not_assume(world: str) -> None:
    """A few networks of each world, all sizes of partner together; `make coverage` measures them apart."""
    chosen = next(w for w in WORLDS_OF_PARTNERS if w.name == world)
    found = pd.concat([measured(chosen, seed) for seed in range(5)])
    for figure, rows in found[found["shown"]].groupby("figure"):
        least = 0.90 - 3 * np.sqrt(0.9 * 0.1 / len(rows))
        assert rows["holds"].mean() >= least, f"{figure}: {rows['holds'].mean():.3f} of {len(rows)}"


def test_wide_is_not_honest() -> None:
    """In the world that textbooks take for granted intervals are no more than 1.4 times as wide as a textbook's."""
    from scipy.stats import chi2, t

    found = pd.concat([measured(TEXTBOOK, seed) for seed in range(5)]).set_index("figure")
    for n in (12, 20, 50):
        counts = found.loc["number_of_deals"]
        poisson = chi2.ppf(0.975, 2 * n + 2) / chi2.ppf(0.025, 2 * n)
        assert np.log(counts.loc[counts["n"] == n, "width"].median()) <= 1.4 * np.log(poisson)
        sizes = found.loc["average_deal_size"]
        cox = 2 * t.ppf(0.975, n - 1) * np.sqrt(1 / n + 1 / (2 * (n - 1)))
        assert np.log(sizes.loc[sizes["n"] == n, "width"].median()) <= 1.4 * cox
        assert sizes.loc[sizes["n"] == n, "shown"].mean() >= 0.95


@pytest.mark.parametrize("name", ["textbook", "pace cv 0.5", "joined 300 days ago"])
def test_what_is_told_of_all_partners_at_once_is_what_is_told_of_each(name: str) -> None:
    world = next(w for w in WORLDS_OF_PARTNERS if w.name == name)
    book, _ = book_of_world(world, 0)
    for figure in TESTED:
        together = differences(figure, book, book.quarter("2025Q4"))
        for place in (3, 12, 17, 26):
            alone = compare.tested(figure, book.where(partner_id=book.partner_ids[place]), "2025Q4")
            assert (alone.verdict, alone.now.value) == (together[place].verdict, together[place].now.value)
            assert (alone.low, alone.high) == pytest.approx((together[place].low, together[place].high))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["textbook", "pace cv 0.7", "season", "6 deals a customer"])
def test_where_nothing_changes_hardly_any_change_is_told(name: str) -> None:
    """A few networks, all sizes of partner together; `make coverage` measures them apart."""
    world = next(w for w in WORLDS_OF_PARTNERS if w.name == name)
    table = alarms_of(pd.concat([changes(world, seed) for seed in range(8)]))
    every = table[table["pace"] == 0].set_index("figure")
    assert set(every.index) == {figure.name for figure in TESTED}
    assert (every["told"] <= 0.06 + 3 * every["error"]).all(), every["told"]


@pytest.mark.slow
def test_a_fall_by_sixty_percent_is_seen_more_often_than_not() -> None:
    world = next(w for w in CHANGED if w.name == "wins fall by 60 %")
    found = pd.concat([changes(world, seed) for seed in range(8)])
    table = alarms_of(found[found["changed"]]).set_index(["figure", "pace"])["told"]
    assert table["number_of_deals", 20] >= 0.5
    assert table["number_of_deals", 200] == 1.0
    assert table["number_of_deals", 1.5] <= 0.5  # from one or two wins to one or none is what chance does
