"""What a channel chief asks of all partners together: every answer beside plain SQL, or worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from math import comb, sqrt
from pathlib import Path
from statistics import NormalDist

import duckdb
import numpy as np
import pandas as pd
import pytest
from signal_worlds import EFFECTS, NULLS, network

import partnerkpi as pk
from partnerkpi import portfolio
from partnerkpi.findings import rest
from partnerkpi.findings.family import OVER
from partnerkpi.findings.network import attention, attention_left_out, network_judgement, standings
from partnerkpi.findings.verdict import Standing, everything, judgement
from partnerkpi.kpis.opportunity_pipeline import backtest
from partnerkpi.opening import book_of
from partnerkpi.portfolio import Common, limits
from partnerkpi.shipped import shipped

QUARTER = "2025Q4"
NOW = "status = 'won' AND closed_on BETWEEN DATE '2025-10-01' AND DATE '2025-12-31'"
YEAR = "closed_on BETWEEN DATE '2025-01-01' AND DATE '2025-12-31'"
BEFORE = "closed_on BETWEEN DATE '2024-01-01' AND DATE '2024-12-31'"


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book(shipped("data"))


@pytest.fixture(scope="module")
def sql(book: pk.Book) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in ("deals", "leads", "partners", "targets", "prospects"):
        frame = book.table(name)
        labels = [c for c in frame if isinstance(frame[c].dtype, pd.CategoricalDtype)]
        connection.register(f"_{name}", frame.astype(dict.fromkeys(labels, "object")))
        connection.execute(f"CREATE TABLE {name} AS FROM _{name}")
    return connection


@pytest.fixture(scope="module")
def bare() -> pk.Book:
    """A book that can say little: no target, no loss, no win of a partner."""
    deals = "deal_id,created_on,status,closed_on,amount,partner_id\nD1,2025-10-01,open,,100,P1\n"
    return book_of(as_of="2025-12-31", deals=deals)


def numbers(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[float, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(map(float, row))


def test_target_gaps_are_those_of_sql(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    query = f"""
        SELECT partner_id, coalesce(sum(d.amount), 0), any_value(t.amount), max(d.amount)
        FROM targets t LEFT JOIN (FROM deals WHERE {NOW}) d USING (partner_id)
        WHERE t.quarter = '{QUARTER}' AND t.measure = 'won_amount' GROUP BY partner_id
        ORDER BY coalesce(sum(d.amount), 0) - any_value(t.amount), partner_id"""
    right = sql.execute(query).fetchall()
    found = portfolio.target_gaps(book, QUARTER)
    assert found["partner_id"].tolist() == [row[0] for row in right]
    for line, (_, won, target, largest) in zip(found.itertuples(), right, strict=True):
        assert (line.won, line.target, line.gap) == pytest.approx((won, float(target), won - float(target)))
        if not np.isnan(line.giant):
            assert line.giant == pytest.approx(largest)
            assert largest > won / 3
    assert set(found["partner_id"][found["giant"].notna()]) >= {"P-004"}


def test_concentration_is_that_of_sql(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    found = portfolio.concentration(book, QUARTER).set_index("part")
    giant = "(SELECT deal_id FROM deals WHERE " + NOW + " ORDER BY amount DESC LIMIT 1)"
    for column, where in {
        "quarter": NOW,
        "without": f"{NOW} AND deal_id <> {giant}",
        "year": f"status = 'won' AND {YEAR}",
    }.items():
        (deal,) = numbers(sql, f"SELECT max(amount) / sum(amount) FROM deals WHERE {where}")
        assert found.loc["deal", column] == pytest.approx(deal)
        for most in (1, 3, 5):
            query = f"""SELECT sum(won) / (SELECT sum(amount) FROM deals WHERE {where}) FROM (
                SELECT sum(amount) AS won FROM deals WHERE {where} AND partner_id IS NOT NULL
                GROUP BY partner_id ORDER BY won DESC LIMIT {most})"""
            assert found.loc[f"top_{most}", column] == pytest.approx(numbers(sql, query)[0]), (column, most)
    assert found["quarter"].between(0, 1).all()
    summer = portfolio.concentration(book, "2024Q2")
    assert summer["quarter"].notna().all()


def test_movers_are_told_by_signals_and_counted_by_sql(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    found = portfolio.movers(book, QUARTER)
    table = book.others.judged(everything, book.quarter(QUARTER))
    for line in found.itertuples():
        query = f"""
            SELECT count(*) FILTER ({YEAR}), coalesce(sum(amount) FILTER ({YEAR}), 0),
                   count(*) FILTER ({BEFORE}), coalesce(sum(amount) FILTER ({BEFORE}), 0)
            FROM deals WHERE status = 'won' AND partner_id = '{line.partner_id}'"""
        told = (line.wins, line.won, line.wins_before, line.won_before)
        assert told == pytest.approx(numbers(sql, query)), line.partner_id
        signal = table.loc[line.signal]
        assert signal["partner_id"] == line.partner_id
        if line.move in ("up", "down"):
            assert signal["kind"] in portfolio.MOVING
            assert (signal["z"] > 0) == (line.move == "up")
            assert signal["weight"]
            assert signal["state"] != OVER
        else:
            assert signal["kind"] == line.move
    moves = dict(zip(found["partner_id"], found["move"], strict=True))
    assert {"P-012": "up", "P-005": "down", "P-011": "joined", "P-009": "left"}.items() <= moves.items()
    assert found.set_index("partner_id").loc["P-009", "other"] == "P-010"
    assert (found.loc[found["move"] != "left", "other"] == "").all()
    assert not found["partner_id"].duplicated().any()


def test_the_funnel_counts_what_sql_counts_and_adjusts_by_the_expectation(
    book: pk.Book, sql: duckdb.DuckDBPyConnection
) -> None:
    funnel = portfolio.funnel(book, QUARTER)
    decided = f"status IN ('won', 'lost', 'abandoned') AND {YEAR}"
    assert funnel.rate == pytest.approx(
        numbers(sql, f"SELECT avg((status = 'won')::INT) FROM prospects WHERE {decided}")[0]
    )
    rows = sql.execute(f"""SELECT partner_id, count(*), count(*) FILTER (status = 'won'), list(prospect_id)
        FROM prospects WHERE {decided} AND partner_id IS NOT NULL GROUP BY ALL""").fetchall()
    found = funnel.table.set_index("partner_id")
    assert set(found.index) == {row[0] for row in rows}
    expected = book.others.expected(book.quarter(QUARTER))
    for partner, n, won, ids in rows:
        mine = expected.loc[ids]
        line = found.loc[partner]
        assert (line["n"], line["won"], line["raw"]) == pytest.approx((n, won, won / n))
        assert line["rate"] == pytest.approx(min(won / mine["chance"].sum() * funnel.rate, 1.0))
        # the error of the adjusted rate, the expectation's own in, is that of so many prospects of a known chance
        alone = (mine["chance"] * (1 - mine["chance"])).sum() + mine["part"].sum()
        error = funnel.rate * sqrt(alone) / mine["chance"].sum()
        whole = funnel.rate * (1 - funnel.rate) / error**2
        assert line["worth"] <= max(whole, 1)  # less where customers or quarters are alike
        assert line["worth"] > 0.5 * whole - 1
    for line in funnel.table.itertuples():
        for value, beyond, worth in ((line.rate, line.beyond, line.worth), (line.raw, line.raw_beyond, line.n)):
            dispersion = 1 + funnel.spread**2 * worth * funnel.rate * (1 - funnel.rate)
            outside = [
                level
                for level in (0.95, 0.998)
                if not _between(value, *by_hand(int(worth), funnel.rate, dispersion, level))
            ]
            assert beyond == (max(outside, default=0) if line.n >= 5 else 0), line.partner_id
    assert "P-001" in set(funnel.outsiders["partner_id"])
    assert "P-021" in set(funnel.explained["partner_id"])  # its home region buys little: the rate is its region's
    assert not set(funnel.outsiders["partner_id"]) & set(funnel.explained["partner_id"])


def _between(value: float, low: float, high: float) -> bool:
    return low - 1e-12 <= value <= high + 1e-12


def by_hand(n: int, rate: float, dispersion: float, inside: float) -> tuple[float, float]:
    """The interpolated binomial quantiles, from the sums of binomial terms."""
    ends = []
    for sign in (-1, 1):
        tail = NormalDist().cdf(sign * NormalDist().inv_cdf(1 - (1 - inside) / 2) * sqrt(dispersion))
        total = 0.0
        for count in range(n + 1):
            term = comb(n, count) * rate**count * (1 - rate) ** (n - count)
            if total + term >= tail:
                ends.append(min(max((count - (total + term - tail) / term) / n, 0), 1))
                break
            total += term
    return ends[0], ends[1]


@pytest.mark.parametrize("n", [1, 2, 7, 40, 157])
@pytest.mark.parametrize("dispersion", [1.0, 1.8])
def test_limits_are_interpolated_binomial_quantiles(n: int, dispersion: float) -> None:
    for inside in (0.95, 0.998):
        low, high = limits(np.array([float(n)]), 0.3, dispersion, inside)
        assert (low[0], high[0]) == pytest.approx(by_hand(n, 0.3, dispersion, inside), abs=1e-9)


def test_so_many_identical_partners_lie_inside() -> None:
    chance = np.random.default_rng(list(b"all alike"))
    for n in (12, 60):
        rates = chance.binomial(n, 0.3, 20_000) / n
        for inside, slack in ((0.95, 0.03), (0.998, 0.003)):
            low, high = limits(np.array([float(n)]), 0.3, 1.0, inside)
            assert abs(((rates >= low) & (rates <= high)).mean() - inside) < slack


def test_the_curves_end_with_the_largest_partner(book: pk.Book) -> None:
    funnel = portfolio.funnel(book, QUARTER)
    curves = funnel.curves
    assert curves["n"].iloc[[0, -1]].tolist() == [1, funnel.table["worth"].max()]
    assert (curves["lowest"] <= curves["low"]).all()
    assert (curves["highest"] >= curves["high"]).all()
    last = curves.iloc[-1]
    dispersion = 1 + funnel.spread**2 * last["n"] * funnel.rate * (1 - funnel.rate)
    assert (last["low"], last["high"]) == pytest.approx(by_hand(int(last["n"]), funnel.rate, dispersion, 0.95))


def test_the_funnel_says_what_the_test_says(book: pk.Book) -> None:
    """One error and one spread for both: outside of the limits where the test's z is, but for the skew of rates."""
    quarters = [(book, q) for q in ("2025Q4", "2025Q2", "2024Q4")]
    worlds = [(network(world, seed), QUARTER) for world in (NULLS[1], EFFECTS[2]) for seed in range(4)]
    seen = 0
    for one, label in [*quarters, *worlds]:
        z = rest.close_rate(one, one.quarter(label))["z"]
        for line in portfolio.funnel(one, label).table.set_index("partner_id").loc[z.index].itertuples():
            size = abs(z[line.Index])
            assert size > 2.3 or line.beyond < 0.998, (label, line.Index, size)
            assert size > 1.5 or line.beyond == 0, (label, line.Index, size)
            assert size < 2.6 or line.beyond > 0, (label, line.Index, size)
            seen += line.beyond > 0
    assert seen > 10


def test_the_pipeline_at_risk_is_that_of_sql(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    found = portfolio.at_risk(book, QUARTER)
    right = numbers(
        sql,
        """SELECT count(*), sum(amount), count(*) FILTER (late), sum(amount) FILTER (late),
                  count(*) FILTER (competitor IS NOT NULL), sum(amount) FILTER (competitor IS NOT NULL)
           FROM (SELECT *, expected_close_on < DATE '2025-12-31' AS late FROM deals WHERE status = 'open')""",
    )
    told = (found.deals, found.money, found.overdue, found.overdue_money, found.rivals, found.rivals_money)
    assert told == pytest.approx(right)
    ahead = """SELECT sum(amount) FROM targets WHERE quarter IN ('2026Q1', '2026Q2') AND measure = 'won_amount'
               AND partner_id IN (SELECT partner_id FROM targets WHERE quarter IN ('2026Q1', '2026Q2')
                                  AND measure = 'won_amount' GROUP BY ALL HAVING count(*) = 2)"""
    assert found.times == pytest.approx(right[1] / numbers(sql, ahead)[0])
    past = backtest(book, book.quarter(QUARTER))
    inside = past["came"].between(past["low"], past["high"])
    assert (found.held, found.told) == (inside.sum(), len(past))
    assert found.told >= 4


def test_what_is_common_is_counted_once(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    found = {one.kind: (one.k, one.n) for one in portfolio.common(book, QUARTER)}
    waiting = numbers(
        sql,
        """SELECT (SELECT count(*) FROM leads l WHERE status = 'open' AND created_on <= DATE '2025-12-31' - 92
                   AND NOT EXISTS (FROM deals d WHERE d.lead_id = l.lead_id)),
                  (SELECT count(*) FROM leads l WHERE created_on >= DATE '2025-01-01' OR status = 'open'
                   AND NOT EXISTS (FROM deals d WHERE d.lead_id = l.lead_id))""",
    )
    gaps = portfolio.target_gaps(book, QUARTER)
    risk = portfolio.at_risk(book, QUARTER)
    assert found == {
        "overdue": (risk.overdue, risk.deals),
        "leads_waiting": waiting,
        "below_target": ((gaps["won"] < gaps["target"]).sum(), len(gaps)),
    }


def test_attention_names_eight_and_says_how_many_more(book: pk.Book) -> None:
    quarter = book.quarter(QUARTER)
    lines = attention(book, quarter)
    stands = standings(book, quarter)
    assert 0 < len(lines) <= 8
    for partner in ("P-003", "P-004", "P-020"):
        assert stands[partner] is judgement(book.for_partner(partner), quarter).standing
    order = [Standing.ACT, Standing.WATCH, Standing.ON_TRACK]
    places = [order.index(stands[line.partner]) for line in lines]
    assert places == sorted(places)
    rest = [p for p, s in stands.items() if s is Standing.WATCH and p not in {line.partner for line in lines}]
    assert f"{len(rest)} more read watch" in attention_left_out(book, quarter, lines)
    known = book.partners.set_index("partner_id")
    for line in lines:
        assert (line.name, line.manager) == tuple(known.loc[line.partner, ["name", "manager"]])
        assert line.since == "new" or line.since.endswith(", going on")


def test_the_networks_verdict_says_its_target_with_and_without_the_giant(
    book: pk.Book, sql: duckdb.DuckDBPyConnection
) -> None:
    verdict = network_judgement(book, QUARTER)
    won, target, largest, n = numbers(
        sql,
        f"""SELECT sum(amount), (SELECT sum(amount) FROM targets WHERE quarter = '{QUARTER}'
            AND measure = 'won_amount'), max(amount), count(*) FROM deals WHERE {NOW}""",
    )
    (before,) = numbers(
        sql, "SELECT count(*) FROM deals WHERE status = 'won' AND closed_on BETWEEN '2024-10-01' AND '2024-12-31'"
    )
    assert verdict.headline == f"€{won:,.0f} won, {won / target:.0%} of the quarter's target.".replace("%", " %")
    without = f"it is {(won - largest) / target:.0%}".replace("%", " %")
    assert any(without in sentence for sentence in verdict.because)
    assert f"{n:.0f} deals won, {before:.0f} deals a year before" in verdict.sure
    assert verdict.sure.count("no clear change") == 1


def test_a_book_that_records_little_is_answered_with_little(bare: pk.Book) -> None:
    assert portfolio.target_gaps(bare, QUARTER).empty
    assert portfolio.concentration(bare, QUARTER)[["quarter", "without", "year"]].isna().all(axis=None)
    assert portfolio.movers(bare, QUARTER).empty
    funnel = portfolio.funnel(bare, QUARTER)
    assert np.isnan(funnel.rate)
    assert funnel.table.empty
    risk = portfolio.at_risk(bare, QUARTER)
    assert (risk.deals, risk.money, risk.times, risk.overdue, risk.rivals) == (1, 100.0, None, None, None)
    assert risk.wins.value is None
    assert portfolio.common(bare, QUARTER) == ()


def test_money_that_no_deal_has_is_missing_and_not_nought(write_book: Callable[..., Path]) -> None:
    deals = "deal_id,created_on,status,expected_close_on,partner_id\nD1,2025-10-01,open,2025-11-01,P1\n"
    risk = portfolio.at_risk(pk.open_book(write_book(deals)), QUARTER)
    assert (risk.deals, risk.money, risk.overdue, risk.overdue_money) == (1, None, 1, None)


def test_a_quarter_to_date_has_not_missed_its_target(write_book: Callable[..., Path]) -> None:
    deals = "deal_id,created_on,status,closed_on,amount,partner_id\nD1,2025-10-01,won,2025-10-20,100,P1\n"
    targets = "quarter,amount,partner_id\n2025Q4,500,P1\n"
    whole = pk.open_book(write_book(deals, targets=targets))
    running = pk.open_book(write_book(deals, targets=targets), as_of="2025-11-10")
    assert portfolio.common(whole, QUARTER) == (Common("below_target", 1, 1),)
    assert portfolio.common(running, QUARTER) == ()
