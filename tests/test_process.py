"""Wins month by month: limits and rules by hand, patterns by plain loops, their chance by a simulation of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import erfc, factorial, sqrt
from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pytest
from signal_worlds import NULLS, Network, network

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.findings import process
from partnerkpi.findings.family import looked_at
from partnerkpi.findings.sentences import sentence
from partnerkpi.others import Computed
from partnerkpi.shipped import shipped

QUARTER = "2025Q4"
STEADY = [4, 5, 4, 4, 3, 4] * 3


@pytest.fixture(scope="module")
def sample() -> pk.Book:
    return pk.open_book(shipped("data"))


def book_of_months(counts: list[int], as_of: str = "2025-12-31", partner: str = "P1") -> pk.Book:
    """A partner that won so many deals in each of the months that end with the last whole one before the day."""
    last = (pd.Timestamp(as_of) + pd.Timedelta(days=1)).to_period("M") - 1
    lines = ["2020-01-01,lost,2020-02-01"]
    for back, count in enumerate(reversed(counts)):
        month = last - back
        lines += [f"{month}-01,won,{month}-{2 + number:02}" for number in range(count)]
    text = "deal_id,created_on,status,closed_on,amount,partner_id\n"
    text += "".join(f"D{number},{line},1000,{partner}\n" for number, line in enumerate(lines))
    return pk.book_of(deals=text, partners=f"partner_id,name\n{partner},One\n", as_of=as_of)


def test_limits_by_hand() -> None:
    mean, reach = process.limits(np.array([2.0, 5.0, 3.0, 6.0]))
    assert (mean, reach) == (4.0, pytest.approx(2.66 * (3 + 2 + 3) / 3))


def test_months_of_a_book_stand_in_their_limits() -> None:
    counts = [4, 6, 5, 3, 5, 4, 6, 2, 5, 4, 6, 3, 5, 4, 5, 6, 3, 4, 5, 4, 6, 5, 4, 20]
    table = process.months(book_of_months(counts), pk.open_book(shipped("data")).quarter(QUARTER))
    assert table["month"].tolist() == list(pd.date_range("2024-01-01", "2025-12-01", freq="MS"))
    assert table["count"].tolist() == counts
    reach = 2.66 * np.abs(np.diff(counts)).mean()
    assert np.allclose(table["mean"], np.mean(counts))
    assert np.allclose(table["high"], np.mean(counts) + reach)
    assert np.allclose(table["low"], max(0.0, np.mean(counts) - reach))
    assert table["rule"].tolist() == [""] * 23 + [process.BEYOND]


def test_months_stand_beside_their_season(sample: pk.Book) -> None:
    quarter = sample.quarter(QUARTER)
    table = process.months(sample, quarter)
    deals = sample.deals
    won = deals.loc[(deals["status"] == "won").to_numpy(), "closed_on"].dt.to_period("M").value_counts()
    counts = won.reindex(pd.period_range("2024-01", "2025-12", freq="M")).to_numpy()
    season = np.tile(sample.others.experience(quarter).months, 2)
    assert season.max() > 1.3 * season.min()
    even = counts / season
    reach = 2.66 * np.abs(np.diff(even)).mean()
    assert table["count"].tolist() == counts.tolist()
    assert np.allclose(table[["low", "mean", "high"]].T, [(even.mean() + k * reach) * season for k in (-1, 0, 1)])
    assert table["rule"].tolist() == process.marks(even)


def test_a_running_quarter_shows_its_whole_months() -> None:
    book = book_of_months([4, 5] * 15, as_of="2025-11-29")
    table = process.months(book, book.quarter(QUARTER))
    assert len(table) == process.MONTHS
    assert table["month"].iloc[-1] == pd.Timestamp("2025-10-01")
    book = book_of_months([4, 5] * 15, as_of="2025-11-30")
    assert process.months(book, book.quarter(QUARTER))["month"].iloc[-1] == pd.Timestamp("2025-11-01")


def test_where_limits_mean_nothing_there_are_none() -> None:
    seldom = book_of_months([1, 0, 1, 1] * 6)
    table = process.months(seldom, seldom.quarter(QUARTER))
    assert len(table) == process.MONTHS
    assert table[["mean", "low", "high"]].isna().all(axis=None)
    assert not table["rule"].any()
    assert not len(process.wins_of_months(seldom, seldom.quarter(QUARTER)))
    assert "No limits are drawn" in show.months(seldom, QUARTER).text
    short = pk.book_of(
        deals="deal_id,created_on,status,closed_on,amount,partner_id\n"
        + "".join(f"D{n},2025-01-05,won,2025-{1 + n % 12:02}-20,5,P1\n" for n in range(60)),
        as_of="2025-12-31",
    )
    table = process.months(short, short.quarter(QUARTER))
    assert table["month"].iloc[0] == pd.Timestamp("2025-07-01")  # what enters takes a whole quarter to be won
    assert table["mean"].isna().all()


@pytest.mark.parametrize(
    ("tail", "marked"),
    [
        ([9], [process.BEYOND]),
        ([5, 6, 5, 5, 6, 5, 6], [process.RUNNING] * 7),
        ([5, 6, 5, 5, 6, 5], [""] * 6),
        ([1, 2, 3, 4, 5, 6, 7], [process.BEYOND, *[process.TRENDING] * 5, process.BEYOND]),
        ([3, 4, 5, 6, 5], [""] * 5),
        ([6, 4, 6], [process.OUTER, "", process.OUTER]),
        ([2, 4, 2], [process.OUTER, "", process.OUTER]),
        ([6, 4, 4, 6], [""] * 4),
        ([2, 4, 6], [""] * 3),
    ],
)
def test_each_rule_marks_its_months(tail: list[int], marked: list[str]) -> None:
    """Each beside a series that falls one short of it."""
    marks = process.marks(np.array(STEADY + tail, dtype=np.float64))
    assert marks == [""] * len(STEADY) + marked


def test_a_month_on_the_mean_ends_a_run_and_equal_months_a_trend() -> None:
    assert process.marks(np.array([4.0] * 20)) == [""] * 20
    rising = np.array([9, 9, 1, 2, 3, 4, 5, 6, 6, 5, 5, 5, 5], dtype=np.float64)
    assert process.TRENDING not in process.marks(rising)


def normal_tail(x: float) -> float:
    return erfc(abs(x) / sqrt(2)) / 2


def tails_by_hand(series: list[float]) -> tuple[float, float]:
    """The smallest tail below and above what is usual, in plain loops: the rules of the last three months."""
    n = len(series)
    mean = sum(series) / n
    reach = 2.66 * sum(abs(b - a) for a, b in pairwise(series)) / (n - 1)
    away = [3 * (x - mean) / reach if reach else 0.0 for x in series]
    smallest = {-1: 1.0, 1: 1.0}
    for end in range(n - 3, n):
        for sign in (-1, 1):
            found = []
            if sign * away[end] > 0:
                found.append(normal_tail(away[end]))
                run = 0
                while run <= end and sign * (series[end - run] - mean) > 0:
                    run += 1
                found.append(0.5**run)
            rises = 0
            while rises < end and sign * (series[end - rises] - series[end - rises - 1]) > 0:
                rises += 1
            if rises:
                found.append(1 / factorial(rises + 1))
            second = sorted(sign * x for x in away[end - 2 : end + 1])[1]
            if second > 0:
                out = normal_tail(second)
                found.append(3 * out**2 * (1 - out) + out**3)
            smallest[sign] = min([smallest[sign], *found])
    return smallest[-1], smallest[1]


def smallest(series: np.ndarray) -> np.ndarray:
    tails, signs, _ = process.patterns(series)
    return process.smallest_tails(tails, signs)


def test_patterns_are_those_of_plain_loops() -> None:
    series = np.random.default_rng(list(b"loops")).poisson(2.5, (18, 200)) / np.tile([0.7, 1.0, 1.3], 6)[:, None]
    assert np.allclose(smallest(series), np.array([tails_by_hand(one) for one in series.T.tolist()]).T)


@pytest.mark.parametrize("pace", [1.0, 2.6])
def test_the_chance_of_patterns_is_that_of_a_simulation_of_ones_own(pace: float) -> None:
    """Series at the very pace, not at one of the grid, counted by plain loops; those of too few wins are not told."""
    book = network(Network("over-dispersed", season=True, pace_cv=0.5), 3)
    quarter = book.quarter(QUARTER)
    known = book.others.experience(quarter)
    assert known.pace > 0.02
    draw, draws = np.random.default_rng(list(b"own")), 6000
    own = []
    while len(own) < draws:
        moved = draw.gamma(1 / known.pace, known.pace, 8).repeat(3)
        usual = np.tile(known.months, 2)
        counts = draw.poisson(pace * usual * moved)
        if (counts / usual).mean() >= 1:
            own.append(tails_by_hand((counts / usual).tolist()))
    for share in (0.5, 0.1, 0.02, 0.005):
        tails = np.quantile(np.array(own), share, axis=0)
        p = process.chance_of_patterns(book, quarter, np.array([pace]), process.MONTHS, tails[:, None])[:, 0]
        right = (np.array(own) <= tails + 1e-12).mean(axis=0)
        error = np.sqrt(share * (1 - share) * (1 / draws + 1 / process.DRAWN))
        assert p == pytest.approx(right, abs=3.2 * error)


def test_chance_reaches_far_enough_to_matter_among_many_tests() -> None:
    book = network(NULLS[0], 1)
    far = np.array([[1e-12], [1.0]])
    p = process.chance_of_patterns(book, book.quarter(QUARTER), np.array([2.0]), process.MONTHS, far)
    assert p[0, 0] < 1e-4
    assert p[1, 0] == 1


def test_identical_partners_make_no_more_of_it_than_chance() -> None:
    worlds = [Network("months", deals=40.0, season=season, order=1 + 2 * season) for season in (False, True)]
    books = [network(world, seed) for world in worlds for seed in range(4)]
    z = np.concatenate([process.wins_of_months(book, book.quarter(QUARTER))["z"] for book in books])
    assert len(z) > 180
    assert (np.abs(z) > 1.96).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(z))
    assert z.std() < 1.1
    assert abs(z.mean()) < 0.2


def test_wins_of_months_are_those_of_plain_sql(sample: pk.Book) -> None:
    quarter = sample.quarter(QUARTER)
    found = process.wins_of_months(sample, quarter)
    connection = duckdb.connect()
    deals = sample.deals[["deal_id", "partner_id", "status", "closed_on"]].astype(
        {"partner_id": object, "status": object}
    )
    connection.register("deals", deals)
    per_month = connection.execute(
        """SELECT partner_id, strftime(closed_on, '%Y-%m') AS month, count(*) AS wins FROM deals
           WHERE status = 'won' AND closed_on BETWEEN DATE '2024-01-01' AND DATE '2025-12-31' AND partner_id IS NOT NULL
           GROUP BY ALL"""
    ).df()
    wide = per_month.pivot(index="partner_id", columns="month", values="wins").fillna(0)
    season = np.tile(sample.others.experience(quarter).months, 2)
    pace = (wide / season).mean(axis=1)
    assert set(found.index) == set(pace.index[pace >= 1]) - {"P-009", "P-011"}  # who left, who is new
    assert len(found) > 8
    for partner, line in found.iterrows():
        rule, month = str(line["label"]).split()
        end = wide.columns.get_loc(month)
        assert end >= 21
        begin = end - int(line["effect"]) + 1
        mine = wide.loc[partner].to_numpy()
        assert line["n"] == mine[begin : end + 1].sum() == len(line["rows"])
        if rule == process.TRENDING:
            assert (line["value"], line["usual"]) == (mine[end], mine[begin])
        else:
            assert line["value"] == line["n"]
            assert line["usual"] == pytest.approx(pace[partner] * season[begin : end + 1].sum())
            assert np.sign(line["z"]) in (0, np.sign(line["value"] - line["usual"]))


def test_a_partner_that_stops_is_told() -> None:
    """Among the others of a network: a dozen a month for years, then none in a quarter."""
    book = network(Network("one stops", deals=100.0), 5)
    quarter = book.quarter(QUARTER)
    before = process.wins_of_months(book, quarter).loc["P-003"]
    deals = book.deals
    late = (deals["partner_id"] == "P-003") & (deals["closed_on"] >= pd.Timestamp("2025-10-01"))
    frames = {
        **book._frames,
        "deals": deals.assign(status=deals["status"].mask(late & deals["status"].eq("won"), "lost")),
    }
    stopped = Computed(lambda others: replace(book, _frames=frames, others=others)).whole
    line = process.wins_of_months(stopped, quarter).loc["P-003"]
    assert before["p"] > 0.01
    assert line["p"] < 0.1 / 340  # it would be told alone among so many
    assert line["z"] < 0
    assert line["stake"] > 0
    table = looked_at(stopped, quarter).set_index(["partner_id", "kind"])
    assert table.loc[("P-003", "wins_of_months"), "weight"] in ("act", "watch")
    assert table.loc[("P-003", "wins_of_months"), "origin"] == "process"


@pytest.mark.parametrize(
    ("rule", "effect", "z", "text"),
    [
        ("beyond", 1, 4.0, "9 deals won in 2025-12, where 3.5 deals are usual for such a month."),
        ("run", 8, -4.0, "9 deals won in the 8 months up to 2025-12, where 3.5 deals are usual."),
        ("outer", 3, 4.0, "9 deals won in the 3 months up to 2025-12, where 3.5 deals are usual."),
        ("trend", 7, 4.0, "each of 6 months in a row up to 2025-12 brought more wins than the one before: 9 deals"),
        ("trend", 7, -4.0, "each of 6 months in a row up to 2025-12 brought fewer wins than the one before: 9 deals"),
    ],
)
def test_each_pattern_has_its_sentence(rule: str, effect: float, z: float, text: str) -> None:
    line = SimpleNamespace(
        kind="wins_of_months",
        label=f"{rule} 2025-12",
        effect=effect,
        z=z,
        value=9.0,
        usual=3.5 if rule != "trend" else 2.0,
    )
    assert text in sentence(line, "EUR")


def test_the_picture_says_which_months_are_marked() -> None:
    counts = [4, 6, 5, 3, 5, 4, 6, 2, 5, 4, 6, 3, 5, 4, 5, 6, 3, 4, 5, 4, 6, 5, 4, 20]
    shown = show.months(book_of_months(counts), QUARTER)
    assert "Marked: 2025-12." in shown.text
    assert "2025-12 20" in shown.text
    assert "where to look" in shown.html
    assert "No month is marked." in show.months(book_of_months([4, 5] * 15), QUARTER).text
    nothing = pk.book_of(deals="deal_id,created_on,status,closed_on\nD,2025-12-01,won,2025-12-02\n", as_of="2025-12-31")
    assert "no whole month" in show.months(nothing, QUARTER).text
