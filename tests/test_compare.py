"""What a comparison says: every verdict, both directions of better, and the interval of the difference.

Verdicts are compared as text. Estimates are made by hand where a branch is asked for, by books where a figure is.
"""

from __future__ import annotations

from collections.abc import Callable
from math import hypot
from pathlib import Path

import numpy as np
import pytest

import partnerkpi as pk
from partnerkpi import compare
from partnerkpi.compare import change, difference, peers, target
from partnerkpi.intervals import wilson
from partnerkpi.kpis import average_deal_size, close_rate, deal_velocity, number_of_deals, opportunity_pipeline
from partnerkpi.kpis.close_rate import narrow
from partnerkpi.kpis.number_of_deals import won_amount
from partnerkpi.kpis.opportunity_pipeline import open_deals

Write = Callable[..., Path]
FIGURES = [figure for kpi in pk.KPIS for figure in (kpi, *kpi.companions)]


def estimate(
    value: float | None, low: float | None = None, high: float | None = None, n: int = 50, reason: str = ""
) -> pk.Estimate:
    return pk.Estimate(value, low, high, n=n, unit="days", counts="deals", reason=reason)


MUCH, LITTLE, BETWEEN = estimate(90, 80, 100), estimate(50, 45, 55), estimate(84, 76, 93)
LOST = estimate(None, n=0, reason="no won deals")
VAGUE = estimate(70, reason="all of one size: no interval")


@pytest.mark.parametrize(
    ("now", "before", "better", "verdict"),
    [
        (MUCH, LITTLE, "higher", "better"),
        (MUCH, LITTLE, "lower", "worse"),
        (LITTLE, MUCH, "higher", "worse"),
        (LITTLE, MUCH, "lower", "better"),
        (MUCH, BETWEEN, "higher", "no clear change"),
        (BETWEEN, MUCH, "higher", "no clear change"),
        (MUCH, BETWEEN, "lower", "no clear change"),
        (MUCH, MUCH, "lower", "no clear change"),
    ],
)
def test_a_clear_difference_is_better_or_worse_by_the_direction(
    now: pk.Estimate, before: pk.Estimate, better: str, verdict: str
) -> None:
    found = difference(now, before, "2025Q3", better=better)
    assert str(found.verdict) == verdict
    assert (found.now, found.before) == (now, before)
    assert found.value == pytest.approx(now.value - before.value)
    assert found.low < found.value < found.high
    clear = found.low > 0 or found.high < 0
    assert clear == (verdict in ("better", "worse"))
    assert str(found).endswith(verdict)
    assert "2025Q3" in str(found)


def test_the_interval_is_made_of_the_limits_that_face_each_other() -> None:
    """The lower limit of the difference: how far now may lie below its value, and before above its own."""
    now, before = estimate(90, 70, 95), estimate(50, 49, 62)
    found = difference(now, before, "2025Q3", better="higher")
    assert found.low == pytest.approx(40 - hypot(20, 12))
    assert found.high == pytest.approx(40 + hypot(5, 1))


def test_overlapping_intervals_may_still_differ_and_separate_limits_are_not_needed() -> None:
    """70 (60 to 80) and 88 (78 to 98) overlap, and yet differ clearly: 18 is more than √200."""
    found = difference(estimate(88, 78, 98), estimate(70, 60, 80), "2025Q3", better="higher")
    assert str(found.verdict) == "better"
    near = difference(estimate(84, 74, 94), estimate(70, 60, 80), "2025Q3", better="higher")
    assert str(near.verdict) == "no clear change"  # 14 is less than √200


@pytest.mark.parametrize(("n", "silent"), [(20, "too few to tell"), (60, "too few to tell"), (400, "no clear change")])
def test_silence_means_something_where_a_fall_by_a_third_would_be_seen_in_half_of_the_cases(
    n: int, silent: str
) -> None:
    """Two close rates of n decided: 40 % twice, and then 40 % and a third less, drawn so often that it is sure."""
    chance = np.random.default_rng([n, 40])

    def verdicts(rate: float) -> list[str]:
        draws = [chance.binomial(n, r, 400) for r in (0.4, rate)]
        low, high = (wilson(k.astype(float), np.full(400, n)) for k in draws)
        found = []
        for at in range(400):
            before, now = (
                pk.Estimate(k[at] / n, ends[0][at], ends[1][at], n=n, unit="share", counts="deals")
                for k, ends in zip(draws, (low, high), strict=True)
            )
            found.append(str(difference(now, before, "2025Q3", better="higher").verdict))
        return found

    seen = verdicts(0.4 * 2 / 3).count("worse") / 400
    assert (seen < 0.5) == (silent == "too few to tell")
    said = [verdict for verdict in verdicts(0.4) if verdict not in ("better", "worse")]
    assert said.count(silent) / len(said) > 0.9


def test_what_would_have_stood_out_does() -> None:
    """84 (74 to 94) beside 70 (60 to 80): what is more than 70 + √200 away; of a third, 23, it is seen."""
    near = difference(estimate(84, 74, 94), estimate(70, 60, 80), "2025Q3", better="higher")
    assert (near.below, near.above) == (pytest.approx(70 - 200**0.5), pytest.approx(70 + 200**0.5))
    few = difference(estimate(84, 54, 114), estimate(70, 40, 100), "2025Q3", better="higher")
    assert str(few.verdict) == "too few to tell"
    assert few.seen_text == "less than 27.6 days or more than 112 days"
    beyond = difference(estimate(27, -3, 57), estimate(70, 40, 100), "2025Q3", better="higher")
    assert str(beyond.verdict) == "worse"
    ended = difference(estimate(84, 54, None), estimate(70, 40, 100), "2025Q3", better="higher")
    assert ended.seen_text == "more than 112 days"  # no fall could be clear: its upper limit is not known


@pytest.mark.parametrize("better", ["higher", "lower"])
@pytest.mark.parametrize(
    ("now", "before", "named"), [(LOST, MUCH, "this quarter"), (MUCH, LOST, "2025Q3"), (LOST, LOST, "this quarter")]
)
def test_a_missing_value_is_not_tested_and_says_which(
    now: pk.Estimate, before: pk.Estimate, named: str, better: str
) -> None:
    found = difference(now, before, "2025Q3", better=better)
    assert str(found.verdict) == "not tested"
    assert (found.value, found.low, found.high) == (None, None, None)
    assert named in str(found.reason)
    assert "no won deals" in str(found.reason)
    assert "no won deals" in str(found)


def test_each_side_says_its_own_reason() -> None:
    other = estimate(None, n=0, reason="nothing decided")
    assert "nothing decided" in str(difference(other, LOST, "2025Q3", better="higher").reason)
    assert "no won deals" in str(difference(LOST, other, "2025Q3", better="higher").reason)


@pytest.mark.parametrize(("now", "before"), [(4, 50), (50, 4), (4, 4), (1, 200)])
def test_fewer_than_five_on_either_side_are_too_few(now: int, before: int) -> None:
    """The numbers are shown, nothing is said of them, however far apart they are."""
    found = difference(estimate(90, 89, 91, n=now), estimate(10, 9, 11, n=before), "2025Q3", better="higher")
    assert str(found.verdict) == "too few to compare"
    assert found.value == 80
    assert (found.low, found.high) == (None, None)
    five = difference(estimate(90, 89, 91, n=5), estimate(10, 9, 11, n=5), "2025Q3", better="higher")
    assert str(five.verdict) == "better"


@pytest.mark.parametrize(("now", "before"), [(VAGUE, LITTLE), (MUCH, VAGUE), (VAGUE, VAGUE)])
def test_without_an_interval_nothing_is_tested(now: pk.Estimate, before: pk.Estimate) -> None:
    found = difference(now, before, "2025Q3", better="higher")
    assert str(found.verdict) == "not tested"
    assert found.value == pytest.approx(now.value - before.value)
    assert (found.low, found.high) == (None, None)
    assert str(found.reason) == str(VAGUE.reason)


def test_too_few_goes_before_no_interval_and_a_missing_value_before_both() -> None:
    few = estimate(70, n=2, reason="fewer than 5: no interval")
    assert str(difference(few, MUCH, "2025Q3", better="higher").verdict) == "too few to compare"
    assert str(difference(few, LOST, "2025Q3", better="higher").verdict) == "not tested"


OPEN_ENDED, LATER = estimate(90, 80, None), estimate(300, 280, None)


@pytest.mark.parametrize(
    ("now", "before", "better", "verdict", "ends"),
    [
        (LATER, LITTLE, "lower", "worse", (True, False)),
        (LATER, LITTLE, "higher", "better", (True, False)),
        (LITTLE, LATER, "lower", "better", (False, True)),
        (LITTLE, LATER, "higher", "worse", (False, True)),
        (OPEN_ENDED, BETWEEN, "lower", "no clear change", (True, False)),
        (BETWEEN, OPEN_ENDED, "lower", "too few to tell", (False, True)),
        (LATER, OPEN_ENDED, "lower", "too few to tell", (False, False)),
    ],
)
def test_a_limit_that_was_not_reached_leaves_one_side_open(
    now: pk.Estimate, before: pk.Estimate, better: str, verdict: str, ends: tuple[bool, bool]
) -> None:
    """An upper limit not reached says nothing against a difference on the other side; no limit is ever infinite."""
    found = difference(now, before, "2025Q3", better=better)
    assert str(found.verdict) == verdict
    assert (found.low is not None, found.high is not None) == ends
    assert "inf" not in str(found)
    assert "nan" not in str(found)


def decided(quarter: int, won: int, n: int) -> str:
    """So many prospects decided in a quarter of 2025, of which so many were won."""
    day = f"2025-{3 * quarter:02}-10"
    rows = [f"Q{quarter}-{i},2025-01-02,{'won' if i < won else 'lost'},{day},100.00\n" for i in range(n)]
    return "".join(rows)


DEALS = "deal_id,created_on,status,closed_on,amount\n"


@pytest.mark.parametrize(
    ("before", "now"),
    [((30, 100), (45, 90)), ((5, 8), (2, 40)), ((0, 12), (7, 9)), ((6, 6), (1, 60)), ((11, 40), (12, 41))],
)
def test_shares_differ_by_newcombes_interval(before: tuple[int, int], now: tuple[int, int], write_book: Write) -> None:
    """Against an independent implementation: statsmodels'."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    book = pk.open_book(write_book(DEALS + decided(1, *before) + decided(2, *now)))
    for figure in (close_rate, narrow):
        found = change(figure, book, "2025Q2", against="2025Q1")
        low, high = confint_proportions_2indep(*now, *before, method="newcomb", compare="diff")
        assert found.value == pytest.approx(now[0] / now[1] - before[0] / before[1])
        assert found.low == pytest.approx(low, abs=1e-12)
        assert found.high == pytest.approx(high, abs=1e-12)
        unseen = before[0] / before[1] / 3 < high - found.value  # a fall by a third is less than what would be clear
        silent = "too few to tell" if unseen else "no clear change"
        assert str(found.verdict) == ("better" if low > 0 else "worse" if high < 0 else silent)
        assert (found.now.n, found.before.n) == (now[1], before[1])


def test_each_figure_is_judged_by_its_own_direction(write_book: Write) -> None:
    """Twice as slow is worse, twice as much is better: the figure says which."""
    rows = ""
    for quarter, days in ((1, 20), (3, 60)):
        for i in range(40):
            closed = f"2025-{3 * quarter:02}-{10 + i % 5}"
            created = np.datetime64(closed) - days - i % 7
            rows += f"D{quarter}-{i},{created},won,{closed},{100 * quarter + i}.00\n"
    book = pk.open_book(write_book(DEALS + rows))
    slower = difference(estimate(61, 60, 64), deal_velocity(book, "2025Q1"), "2025Q1", better=deal_velocity.better)
    assert str(slower.verdict) == "worse"
    larger = change(average_deal_size, book, "2025Q3", against="2025Q1")
    assert str(larger.verdict) == "better"
    assert str(change(average_deal_size, book, "2025Q1", against="2025Q3").verdict) == "worse"


def test_a_change_over_a_quarter_without_anything_is_not_tested(write_book: Write) -> None:
    book = pk.open_book(write_book(DEALS + decided(1, 5, 9) + decided(3, 4, 9)))
    assert str(change(close_rate, book, "2025Q2", against="2025Q1").verdict) == "not tested"
    late = change(close_rate, book, "2025Q3", against="2025Q2")
    assert str(late.verdict) == "not tested"
    assert "2025Q2" in str(late.reason)


@pytest.fixture(scope="module")
def running() -> pk.Book:
    return pk.open_book(as_of="2025-11-18")


# Counts and sums that grow with every day of a quarter, and the scores made of them.
GROWING = {
    *("number_of_deals", "won_amount", "attainment", "lost_to_rivals", "leads", "spend", "conflicts"),
    *("marketing_channels", "paid", "earned", "owned", "unmapped", "none_recorded"),
    *("quality_score", "score_without_largest", "own_past", "won_amount_without_largest", "commission_earned"),
}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_what_grows_with_the_days_is_not_compared_before_the_quarter_ends(figure: pk.Kpi, running: pk.Book) -> None:
    """Counts and sums of a running quarter wait; shares, means, durations and what is counted on one day need not."""
    waits = figure.name in GROWING
    found = change(figure, running, "2025Q4", against="2025Q3")
    assert ("49 of 92 days" in str(found.reason)) == waits
    if waits:
        assert str(found.verdict) == "not tested"
        assert (found.value, found.low, found.high) == (None, None, None)
        assert found.now.n == figure(running, "2025Q4").n
    ended = change(figure, running, "2025Q3", against="2025Q2")
    assert "days" not in str(ended.reason)


def test_neither_is_a_whole_quarter_compared_with_a_running_one(running: pk.Book) -> None:
    for figure in (number_of_deals, won_amount):
        found = change(figure, running, "2025Q3", against="2025Q4")
        assert str(found.verdict) == "not tested"


def test_what_is_recorded_in_full_has_no_verdict(running: pk.Book) -> None:
    """A stock is no sample: the difference is shown, nothing is tested."""
    for figure in (opportunity_pipeline, open_deals):
        found = change(figure, running, "2025Q3", against="2025Q2")
        assert str(found.verdict) == "not tested"
        assert found.value == pytest.approx(found.now.value - found.before.value)


def test_peers_need_five_partners(write_book: Write) -> None:
    """Four others give no number; no value of one of them can be told from what is shown."""

    def network(partners: int) -> pk.Book:
        rows = "".join(
            f"D{p}-{i},2025-01-02,{'won' if i < p else 'lost'},2025-05-05,P-{p}\n"
            for p in range(1, partners + 1)
            for i in range(12)
        )
        return pk.open_book(write_book("deal_id,created_on,status,closed_on,partner_id\n" + rows))

    few = peers(close_rate, network(5).for_partner("P-1"), "2025Q2")
    assert few.median is None
    assert str(few.reason)
    many = network(9)
    shown = peers(close_rate, many.for_partner("P-1"), "2025Q2")
    assert shown.n == 8
    whole = peers(close_rate, many, "2025Q2")
    assert (whole.n, whole.median) == (0, None), "the network is not set beside its own median partner"
    assert 0.2 < shown.median < 0.6
    assert shown.lower < shown.median < shown.upper


def test_the_target_is_the_attainment(write_book: Write) -> None:
    targets = "quarter,amount,partner_id,measure\n2025Q1,400.00,P-1,won_amount\n"
    deals = "deal_id,created_on,status,closed_on,amount,partner_id\nD1,2025-01-02,won,2025-02-03,300.00,P-1\n"
    book = pk.open_book(write_book(deals, targets=targets))
    assert target(book, "2025Q1").value == 0.75
    assert target(book, "2025Q2").value is None


def test_a_velocity_changed_is_told_of_all_that_is_known_of_both_years_deals(write_book: Write) -> None:
    """Deals of the year before that are won only this year took long: they count in what was before."""
    rows = ""
    for i in range(40):
        begun = np.datetime64("2024-10-01") + i
        rows += f"A{i},{begun},won,{begun + (30 if i < 18 else 120)}\n"  # most of them are won in 2025
        begun = np.datetime64("2025-02-01") + i
        rows += f"B{i},{begun},won,{begun + 60}\n"
    rows += "C,2025-12-01,open,\n"
    book = pk.open_book(write_book("deal_id,created_on,status,closed_on\n" + rows, as_of="2025-12-31"))
    found = compare.tested(deal_velocity, book, "2025Q4")
    assert (found.now.value, found.before.value) == (60, 120)  # at the end of 2024 it was 30
    assert deal_velocity(book, "2024Q4").value == 30
