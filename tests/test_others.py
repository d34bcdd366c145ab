"""What one partner may know of the others: from five partners on, smoothed and rounded; computed and given alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import partnerkpi as pk
from partnerkpi import compare
from partnerkpi.book import Spread
from partnerkpi.kpis import average_deal_size, number_of_deals, quality_score
from partnerkpi.kpis.close_rate import close_rate
from partnerkpi.others import FEWEST_PARTNERS, given_to, printed, rounded, smoothed
from partnerkpi.wording import Code

QUARTER = "2025Q4"
FIGURES = [figure for kpi in pk.KPIS for figure in (kpi, *kpi.companions)]


@pytest.fixture(scope="module")
def sample() -> pk.Book:
    return pk.open_book()


DAYS = ("2025-10-06", "2025-07-06", "2025-04-06", "2025-01-06", "2024-10-06")


def book_of_wins(*amounts: list[int], quarters: int = 1) -> pk.Book:
    """One partner for each list, with a deal won for each amount in each of the quarters; `A` is the first."""
    lines = ["deal_id,created_on,status,closed_on,amount,partner_id"]
    for partner, own in zip("ABCDEFGHIJ", amounts, strict=False):
        for i, amount in enumerate(own):
            lines += [f"{partner}{i}/{q},2024-10-01,won,{DAYS[q]},{amount},{partner}" for q in range(quarters)]
    return pk.book_of(as_of="2025-12-31", deals="\n".join(lines) + "\n")


# Smoothed


@pytest.mark.parametrize(
    ("values", "lower", "median", "upper"),
    [
        # five: the places are 1, 2 and 3 counted from 0, each the mean of itself and its neighbours
        ([1, 2, 4, 9, 30], (1 + 2 + 4) / 3, (2 + 4 + 9) / 3, (4 + 9 + 30) / 3),
        # six: places 1.25, 2.5, 3.75 lie between two, so four are averaged
        ([1, 2, 4, 9, 30, 60], (1 + 2 + 4 + 9) / 4, (2 + 4 + 9 + 30) / 4, (4 + 9 + 30 + 60) / 4),
        # nine: places 2, 4 and 6
        ([9, 1, 8, 2, 7, 3, 6, 4, 5], 3, 5, 7),
        ([1, 1, 1, 1, 100], 1, 1, 34),
    ],
)
def test_a_quantile_is_a_mean_of_neighbours(values: list[float], lower: float, median: float, upper: float) -> None:
    told = [smoothed(np.array(values, dtype=float), share) for share in (0.25, 0.5, 0.75)]
    assert told == pytest.approx([lower, median, upper])


@given(st.lists(st.floats(-1e9, 1e9), min_size=5, max_size=60), st.floats(0, 1))
def test_at_least_three_partners_stand_behind_each_number(values: list[float], share: float) -> None:
    ordered = np.sort(values)
    means = {float(ordered[first : first + size].mean()) for size in (3, 4) for first in range(len(ordered) - size + 1)}
    assert smoothed(np.array(values), share) in means
    quarters = [smoothed(np.array(values), part) for part in (0.25, 0.5, 0.75)]
    assert quarters[0] <= quarters[1] + 1e-6 <= quarters[2] + 2e-6


# Rounded


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.314, "share", 0.31),
        (0.07, "share", 0.07),
        (0.034, "share", 0.03),
        (0.0349, "share", 0.03),
        (0.004, "share", 0.0),
        (0.996, "share", 1.0),
        (1.0, "share", 1.0),
        (3.47, "share", 3.5),
        (-0.456, "share", -0.46),
        (0.0, "share", 0.0),
        (5767.0, "money", 5800.0),
        (0.034, "money", 0.034),
        (41.4, "days", 41.0),
        (113.0, "index", 110.0),
        (2.333, "ratio", 2.3),
        (99.6, "deals", 100.0),
    ],
)
def test_two_digits_and_whole_points(value: float, unit: str, told: float) -> None:
    assert printed(value, unit) == told
    if unit != "share":
        assert rounded(value) == told


@given(st.floats(1e-6, 1e12))
def test_a_rounded_number_is_near_and_has_two_digits(value: float) -> None:
    assert rounded(value) == pytest.approx(value, rel=0.051)
    assert len(f"{rounded(value):.12e}".partition("e")[0].rstrip("0").replace(".", "")) <= 2


# From five partners on


def test_peers_are_the_others_and_none_below_five() -> None:
    book = book_of_wins([100], [110, 120], [130] * 3, [140] * 4, [150] * 5)
    assert len(book.partner_ids) == FEWEST_PARTNERS
    for partner in book.partner_ids:
        peers = compare.peers(number_of_deals, book.for_partner(partner), QUARTER)
        assert (peers.n, peers.median, peers.lower, peers.upper) == (4, None, None, None)
        assert peers.reason == Code.TOO_FEW_PARTNERS()

    six = book_of_wins([100], [110, 120], [130] * 3, [140] * 4, [150] * 5, [160] * 20)
    peers = compare.peers(number_of_deals, six.for_partner("A"), QUARTER)
    # the others won 2, 3, 4, 5 and 20
    assert (peers.n, peers.lower, peers.median, peers.upper) == (5, 3.0, 4.0, 9.7)
    peers = compare.peers(average_deal_size, six.for_partner("F"), QUARTER)
    # the others' averages are 100, 115, 130, 140 and 150: 115, 128.3 and 140
    assert (peers.lower, peers.median, peers.upper) == (120.0, 130.0, 140.0)
    assert compare.peers(number_of_deals, six, QUARTER).reason == Code.NOT_A_PARTNER()


def test_who_has_no_figure_is_no_peer() -> None:
    lines = ["deal_id,created_on,status,closed_on,partner_id"]
    lines += [f"{p}{i},2025-10-01,{s},2025-10-06,{p}" for p in "ABCDE" for i, s in enumerate(("won", "lost"))]
    lines += ["F0,2025-10-01,open,,F"]
    book = pk.book_of(as_of="2025-12-31", deals="\n".join(lines) + "\n")
    assert compare.peers(close_rate, book.for_partner("A"), QUARTER).n == 4
    assert compare.peers(close_rate, book.for_partner("F"), QUARTER).median == 0.5


def test_a_typical_partner_wants_five_with_a_win() -> None:
    four = book_of_wins([100], [110, 120], [130] * 3, [140] * 4, quarters=5)
    assert all(np.isnan(four.others.typical(four.quarter(QUARTER))))
    score = quality_score(four.for_partner("A"), QUARTER)
    assert (score.value, score.reason) == (None, Code.FEW_TYPICAL())
    five = book_of_wins([100], [110, 120], [130] * 3, [140] * 4, [150] * 15, quarters=5)
    # deals 1 to 4 and 15: the mean of 2, 3, 4; amounts 100, 230, 390, 560, 2250: the mean of 230, 390, 560 is 393.3
    assert five.others.typical(five.quarter(QUARTER)) == (3.0, 390.0)
    # what is won in the quarter itself moves nothing
    assert five.without(closed_on=("2025-10-01", None)).others.typical(five.quarter(QUARTER)) == (3.0, 390.0)
    assert all(np.isnan(book_of_wins(*[[100]] * 9).others.typical(five.quarter(QUARTER))))


# On the sample book


def test_no_printed_number_is_one_partners_own(sample: pk.Book) -> None:
    """Amounts, indices and ratios: never a single partner's exact figure.

    Counts, days and shares are small whole numbers, so they meet by chance; what is printed of them has at most two
    digits, as everything has. A number several partners share (no spend at all, say) is nobody's own.
    """
    seen = 0
    for quarter in map(sample.quarter, pk.quarters(QUARTER, back=4)):
        for figure in FIGURES:
            table = figure.by(sample, quarter, "partner")
            own = table[[isinstance(group, str) for group in table["group"]]]["value"].dropna().tolist()
            spreads = {sample.others.peers(figure, quarter, partner) for partner in ("", *sample.partner_ids)}
            for number in {n for spread in spreads for n in (spread.median, spread.lower, spread.upper)} - {None}:
                seen += 1
                assert number is not None
                if figure.unit not in ("deals", "leads", "days", "share", "rank"):
                    assert own.count(number) != 1, f"{figure.name} {quarter}: {number} is one partner's own"
                assert printed(number, figure.unit) == number
    assert seen > 1000


@pytest.mark.parametrize("partner", ["", "P-003", "P-024"])
def test_given_and_computed_answer_alike(sample: pk.Book, partner: str) -> None:
    mine = sample.for_partner(partner)
    quarters = [sample.quarter(q) for q in pk.quarters(QUARTER, back=3)]
    computed, handed = mine.others, given_to(mine, quarters, FIGURES, quarters[-1:])
    assert (handed.first_day, handed.statuses, handed.priced) == (
        computed.first_day,
        computed.statuses,
        computed.priced,
    )
    own = set(mine.prospects["prospect_id"])
    for quarter in quarters:
        assert handed.typical(quarter) == computed.typical(quarter)
        assert handed.chances(quarter) == computed.chances(quarter)
        expected = computed.expected(quarter)
        assert handed.expected(quarter).equals(expected[expected.index.isin(own)])
        assert handed.experience(quarter) == computed.experience(quarter)
    assert set(handed.expected(quarters[0]).index) <= own
    for figure in FIGURES if partner else ():
        assert handed.peers(figure, quarters[-1], partner) == computed.peers(figure, quarters[-1], partner)


def test_of_a_quarter_it_was_not_made_for_it_knows_nothing(sample: pk.Book) -> None:
    mine = sample.for_partner("P-003")
    quarters = [sample.quarter(QUARTER)]
    handed = given_to(mine, quarters, [number_of_deals], quarters)
    other = sample.quarter("2024Q1")
    assert np.isnan(handed.typical(other)).all()
    assert np.isnan(handed.chances(other).overall)
    assert handed.peers(number_of_deals, other, "P-003") == Spread(0)
    assert handed.peers(average_deal_size, quarters[0], "P-003") == Spread(0)
