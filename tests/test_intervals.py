"""The intervals a second time, from their definitions alone: which limits are shown, at which counts, and none below.

That they hold the truth as often as they say is measured in `test_coverage`; here each limit is the one its method
names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import hypot, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.intervals import pace_limits
from partnerkpi.kpis import KPIS
from partnerkpi.kpis.close_rate import observed_to_expected
from partnerkpi.shipped import shipped

Write = Callable[..., Path]
QUARTERS = ("2023Q1", "2024Q3", "2025Q4")
Z = 1.959963984540054
SHARES = ("close_rate", "narrow", "deal_success", "identification", "conversion")
COUNTS = ("number_of_deals", "leads", "conflicts")
RECORDED = (  # nothing sampled, or nothing known of how it strays
    *(
        "opportunity_pipeline",
        "open_deals",
        "overdue_deals",
        "coverage",
        "to_go_coverage",
        "spend",
    ),
    *("attainment", "deals_per_active_month", "cost_per_lead", "cost_per_won_deal", "return_on_spend", "by_amount"),
    *("return_without_largest", "won_amount_without_largest", "commission_earned"),
    *("sales_velocity", "largest_deal_share", "without_largest", "own_past", "score_without_largest", "score_rank"),
)


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book(shipped("data"))


@pytest.fixture(scope="module")
def lines(book: pk.Book) -> Callable[[str], pd.DataFrame]:
    """The lines of a figure in three quarters: each partner, unassigned and all."""
    card = pk.scorecard(book, QUARTERS)
    card = card.assign(
        figure=card["figure"].where(card["figure"] != "headline", card["kpi"]), group=card["group"].astype(str)
    )
    return cache(lambda figure: card[card["figure"] == figure].set_index(["quarter", "group"]))


def hidden(table: pd.DataFrame) -> bool:
    """True when no line has a limit and each with a value says why."""
    return bool((table["low"].isna() & table["high"].isna()).all()) and bool(
        (table["value"].isna() | (table["reason"].astype(str) != "")).all()
    )


@pytest.mark.parametrize("figure", SHARES)
def test_shares_have_wilsons_interval_from_two_rows_on(
    figure: str, book: pk.Book, lines: Callable[[str], pd.DataFrame]
) -> None:
    """Of as many rows as those of one partner's quarter are worth, alike as they are."""
    table = lines(figure).dropna(subset=["value"])
    assert hidden(table[table["n"] == 1])
    table = table[table["n"] > 1]
    assert len(table) > 30
    for (quarter, group), row in table.iterrows():
        p, low, high, n = (row[name] for name in ("value", "low", "high", "n"))
        known = book.others.experience(book.quarter(quarter))
        assert known.like_outcomes == 0  # customers of this book hardly ever come twice
        counts = table.loc[quarter, "n"].drop("all") if group == "all" else pd.Series([n])
        if group == "all" and counts.sum() != n:
            counts = pd.concat([counts, pd.Series([1.0])])  # groups of one were left out above
        n /= 1 + known.drift * ((counts**2).sum() / n - 1)
        # Wilson's limits are the rates from which p lies just 1.96 standard errors away.
        for limit in (low, high):
            assert (p - limit) ** 2 == pytest.approx(Z**2 * limit * (1 - limit) / n, abs=1e-12)
        assert low <= p <= high
        assert low < high


def unsteadiness(book: pk.Book, quarter: str, sellers: list[str]) -> float:
    """The squared coefficient of variation of a pace shared by the sellers of these rows: that of one times Σp²."""
    n = len(sellers)
    pairs = sum(sellers.count(seller) * (sellers.count(seller) - 1) for seller in set(sellers))
    return book.others.experience(book.quarter(quarter)).pace * (pairs / (n * (n - 1)) if n > 1 else 1.0)


@pytest.mark.parametrize("figure", COUNTS)
def test_counts_have_the_exact_interval_of_an_unsteady_pace(
    figure: str, book: pk.Book, lines: Callable[[str], pd.DataFrame]
) -> None:
    """The paces at which so many, or so few, happen once in forty times, by scipy's negative binomial."""
    from scipy.stats import nbinom, poisson

    kpi = next(f for k in KPIS for f in (k, *k.companions) if f.name == figure)
    table = lines(figure).dropna(subset=["value"])
    assert len(table) > 30
    for (quarter, group), row in table.iterrows():
        rows = kpi.rows(book, quarter)
        sellers = rows["partner_id"].astype(object).fillna("unassigned")
        variance = unsteadiness(book, quarter, list(sellers if group == "all" else sellers[sellers == group]))

        def pace(mean: float, variance: float = variance) -> Any:
            return nbinom(1 / variance, 1 / (1 + variance * mean)) if variance > 1e-6 else poisson(mean)

        value, low, high = row["value"], row["low"], row["high"]
        assert pace(high).cdf(value) == pytest.approx(0.025, abs=1e-9)
        assert low == 0 if value == 0 else pace(low).sf(value - 1) == pytest.approx(0.025, abs=1e-9)


def won_amounts(book: pk.Book, quarter: str, group: str) -> np.ndarray:
    """The amounts above zero of the deals a partner (or all) won in a quarter, in order."""
    period = pd.Period(quarter, freq="Q")
    won = book.deals[
        (book.deals["status"] == "won") & book.deals["closed_on"].between(period.start_time, period.end_time)
    ]
    if group != "all":
        owner = won["partner_id"].astype(object)
        won = won[owner.isna() if group == "unassigned" else owner == group]
    return np.sort(won["amount"][won["amount"] > 0].to_numpy())


def log_variance(amounts: np.ndarray) -> float:
    """Of the mean's logarithm: Cox's for log-normal sizes or the delta method's, whichever is larger."""
    n, logs = len(amounts), np.log(amounts).var(ddof=1)
    return max(logs / n + logs**2 / (2 * (n - 1)), amounts.var(ddof=1) / amounts.mean() ** 2 / n)


def half_of_mean(amounts: np.ndarray, spread: float) -> float:
    """Half the width on the log scale: by the group's own sizes with Student's t, or the network's, the larger."""
    from scipy.stats import t

    n = len(amounts)
    return max(t.ppf(0.975, n - 1) * sqrt(log_variance(amounts)), Z * sqrt(log(1 + spread / n)))


@pytest.mark.parametrize("figure", ["average_deal_size", "won_amount", "quality_score"])
def test_means_sums_and_scores_have_their_interval_on_the_log_scale(
    figure: str, book: pk.Book, lines: Callable[[str], pd.DataFrame]
) -> None:
    shown = 0
    for (quarter, group), row in lines(figure).iterrows():
        amounts = won_amounts(book, quarter, group)
        if np.isnan(row["value"]) or len(amounts) < 5:
            assert np.isnan(row["low"])
            assert np.isnan(row["high"])
            assert row["reason"] or np.isnan(row["value"])
            continue
        known = book.others.experience(book.quarter(quarter))
        size, n = half_of_mean(amounts, known.spread), len(amounts)
        deals = lines("number_of_deals").loc[quarter, group]  # every win of this book has an amount
        down, up = log(n / deals["low"]), log(deals["high"] / n)
        low, high = {
            "average_deal_size": (size, size),
            "won_amount": (hypot(down, size), hypot(up, size)),
            "quality_score": (hypot(down, size / 2), hypot(up, size / 2)),
        }[figure]
        assert row["low"] == pytest.approx(row["value"] * np.exp(-low), rel=1e-9)
        assert row["high"] == pytest.approx(row["value"] * np.exp(high), rel=1e-9)
        shown += 1
    assert shown >= 15


def test_the_larger_of_two_variances_counts_also_for_short_tails(write_book: Write) -> None:
    """One small size among large ones strays most in its logarithm, one large among small ones least."""
    rows = [("S", [1000, 990, 1010, 985, 1005, 20]), ("L", [100] * 20 + [1000])]
    deals = "deal_id,created_on,status,closed_on,amount,partner_id\n" + "".join(
        f"{p}{i},2025-01-02,won,2025-02-03,{a}.00,{p}\n" for p, amounts in rows for i, a in enumerate(amounts)
    )
    book = pk.open_book(write_book(deals))
    table = average(book).set_index("group")
    for partner, amounts in rows:
        a = np.array(amounts, dtype=float)
        n, logs = len(a), np.log(a).var(ddof=1)
        cox, delta = logs / n + logs**2 / (2 * (n - 1)), a.var(ddof=1) / a.mean() ** 2 / n
        assert (cox > delta) == (partner == "S")
        from scipy.stats import t

        half = t.ppf(0.975, n - 1) * sqrt(max(cox, delta))
        assert table["high"][partner] == pytest.approx(a.mean() * np.exp(half), rel=1e-9)


def average(book: pk.Book) -> pd.DataFrame:
    table = pk.KPIS[[k.name for k in pk.KPIS].index("average_deal_size")].by(book, "2025Q1", "partner")
    return table.assign(group=table["group"].astype(str))


def test_equal_sizes_say_nothing_of_how_sizes_differ(write_book: Write) -> None:
    """No interval from 250 to 250: six deals of one size have a mean, and a reason instead of limits."""
    deals = "deal_id,created_on,status,closed_on,amount,partner_id\n"
    deals += "".join(f"D{i},2025-01-02,won,2025-02-03,250.00,P\n" for i in range(6))
    table = average(pk.open_book(write_book(deals)))
    assert table["value"].dropna().tolist() == [250.0, 250.0]
    assert hidden(table)


def test_the_median_lies_between_two_of_the_sizes(book: pk.Book, lines: Callable[[str], pd.DataFrame]) -> None:
    """The narrowest pair of sizes, equally far from both ends, that holds it 95 times in 100: from six on."""
    from scipy.stats import binom

    shown = 0
    for (quarter, group), row in lines("median_deal_size").iterrows():
        amounts = won_amounts(book, quarter, group)
        n = len(amounts)
        ranks = [r for r in range(n // 2) if 1 - 2 * binom.cdf(r, n, 0.5) >= 0.95]
        if not ranks:
            assert n < 6
            assert np.isnan(row["low"])
            continue
        assert (row["low"], row["high"]) == (amounts[max(ranks)], amounts[n - 1 - max(ranks)])
        shown += 1
    assert shown >= 12


@pytest.mark.parametrize("figure", ["won_within_90", "cohort_90", "observed_to_expected", "deal_velocity"])
def test_histories_and_ratios_show_no_interval_below_five(figure: str, lines: Callable[[str], pd.DataFrame]) -> None:
    table = lines(figure)
    assert hidden(table[table["n"] < 5])
    assert (table["n"] < 5).any()
    assert table.loc[(table["n"] > 60) & table["value"].notna(), "low"].notna().all()


def test_observed_to_expected_has_wilsons_interval_of_the_rate_and_the_expectations_own(
    book: pk.Book, lines: Callable[[str], pd.DataFrame]
) -> None:
    """On the log scale: how far Wilson's limits are from the rate, and 1.96 relative errors of the expectation."""
    from statsmodels.stats.proportion import proportion_confint

    shown = 0
    for (quarter, group), row in lines("observed_to_expected").dropna(subset=["low"]).iterrows():
        rows = observed_to_expected.rows(book.where(partner_id=group), quarter).dropna(subset=["of"])
        n, won, expected = len(rows), rows["value"].sum(), rows["of"].sum()
        known = book.others.experience(book.quarter(quarter))
        effective = n / (1 + known.drift / 4 * (n - 1))
        low, high = proportion_confint(won / n * effective, effective, method="wilson")
        error = Z * rows["error"].sum() / expected
        assert row["value"] == pytest.approx(won / expected)
        assert row["n"] == n >= 5
        if won:
            assert row["low"] == pytest.approx(won / expected * np.exp(-hypot(log(won / n / low), error)))
            assert row["high"] == pytest.approx(won / expected * np.exp(hypot(log(high * n / won), error)))
        shown += 1
    assert shown > 20


@pytest.mark.parametrize("figure", RECORDED)
def test_what_is_recorded_in_full_has_no_interval(figure: str, lines: Callable[[str], pd.DataFrame]) -> None:
    assert hidden(lines(figure))
    assert lines(figure)["value"].notna().sum() > 5


def test_a_velocity_needs_five_wins(write_book: Write) -> None:
    """Thirty deals, of which four were won, have a median and no interval."""
    rows = ""
    for wins in (4, 5):
        for i in range(30):
            status, day = ("won", 10 + i) if i < wins else ("lost", 5 + i)
            rows += f"D{wins}-{i},2025-01-01,{status},{np.datetime64('2025-01-01') + day},P-{wins}\n"
    book = pk.open_book(write_book("deal_id,created_on,status,closed_on,partner_id\n" + rows))
    velocity = pk.KPIS[[k.name for k in pk.KPIS].index("deal_velocity")]
    table = velocity.by(book, "2025Q1", "partner")
    table = table.assign(group=table["group"].astype(str)).set_index("group")
    assert hidden(table.loc[["P-4"]])
    assert table["value"]["P-4"] > 0
    assert table["low"]["P-5"] <= table["value"]["P-5"]


def test_a_share_is_no_surer_than_as_many_as_were_watched_at_once(write_book: Write) -> None:
    """Twenty young deals and twenty old ones, no two of them at the same age: twenty, not forty, make the interval."""
    from statsmodels.stats.proportion import proportion_confint

    first, last, rows = np.datetime64("2025-01-01"), np.datetime64("2025-12-31"), ""
    for i in range(20):
        young, old = last - 39, first - 60
        rows += f"Y{i},{young},{f'won,{young + 10}' if i < 8 else 'open,'}\n"
        rows += f"O{i},{old},{f'won,{old + 80}' if i < 8 else f'lost,{old + 95}'}\n"
    book = pk.open_book(write_book("deal_id,created_on,status,closed_on\n" + rows))
    card = pk.scorecard(book, "2025Q4", by="none").set_index("figure").loc["won_within_90"]
    assert card["value"] == pytest.approx(1 - (1 - 8 / 20) ** 2)
    assert card["n"] == 40
    low, high = proportion_confint(card["value"] * 20, 20, method="wilson")
    assert (card["low"], card["high"]) == pytest.approx((low, high))


def test_limits_of_a_count_that_are_not_exact_hold_on_average() -> None:
    """The textbook's Jeffreys limits for a steady pace; for one that moves the same of a negative binomial count."""
    from scipy.stats import beta, gamma

    n = np.array([0, 1, 5, 40])
    low, high = pace_limits(n, 0.0, 1.0, exact=False)
    assert low[1:] == pytest.approx(gamma.ppf(0.025, n[1:] + 0.5))
    assert low[0] == 0
    assert high == pytest.approx(gamma.ppf(0.975, n + 0.5))
    low, high = pace_limits(n, 0.25, 1.0, exact=False)
    most, least = (beta.ppf(share, 4, n + 0.5) for share in (0.025, 0.975))  # the odds of no sale
    assert high == pytest.approx(4 * (1 - most) / most)
    assert low[1:] == pytest.approx((4 * (1 - least) / least)[1:])
    exact = pace_limits(n, 0.25, 1.0)
    assert (exact[0] <= low).all()
    assert (exact[1] > high).all()
