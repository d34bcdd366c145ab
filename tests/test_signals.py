"""Signals: what is found of each partner equals plain SQL, and one error rate holds for all that is tested."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.book.thresholds import DEFAULTS, names, thresholds_of
from partnerkpi.findings import facts, past, rest
from partnerkpi.findings.family import CLEAR, LIKELY, RECORDED, looked_at
from partnerkpi.findings.kinds import BY_NAME, KINDS
from partnerkpi.findings.sentences import sentence
from partnerkpi.findings.verdict import Judgement, Standing, everything, judgement
from partnerkpi.opening import book_of
from partnerkpi.others import given_to
from partnerkpi.shipped import shipped
from partnerkpi.slices import read_slice, write_slice

QUARTER = "2025Q4"
YEAR = "closed_on BETWEEN DATE '2025-01-01' AND DATE '2025-12-31'"


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book(shipped("data"))


@pytest.fixture(scope="module")
def table(book: pk.Book) -> pd.DataFrame:
    return pk.signals(book, QUARTER)


@pytest.fixture(scope="module")
def sql(book: pk.Book) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in ("deals", "leads", "partners", "targets", "spend", "prospects", "spells"):
        frame = book.table(name)
        labels = [c for c in frame if isinstance(frame[c].dtype, pd.CategoricalDtype)]
        connection.register(f"_{name}", frame.astype(dict.fromkeys(labels, "object")))
        connection.execute(f"CREATE TABLE {name} AS FROM _{name}")
    return connection


def told(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, tuple[float, ...]]:
    return {p: tuple(map(float, row)) for p, *row in connection.execute(query).fetchall() if None not in row}


def lines(found: pd.DataFrame, *columns: str) -> dict[str, tuple[float, ...]]:
    return {p: tuple(map(float, row)) for p, row in zip(found.index, found[list(columns)].to_numpy(), strict=True)}


def same(found: dict[str, tuple[float, ...]], right: dict[str, tuple[float, ...]]) -> None:
    assert found.keys() == right.keys()
    assert len(right) > 0
    for partner, numbers in right.items():
        assert found[partner] == pytest.approx(numbers, rel=1e-9), partner


def test_the_year_against_its_target(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    query = f"""
        WITH aim AS (SELECT partner_id, sum(amount) AS aim FROM targets
                     WHERE measure = 'won_amount' AND quarter LIKE '2025Q_' GROUP BY ALL HAVING count(*) = 4)
        SELECT partner_id, coalesce(sum(d.amount) FILTER (status = 'won'), 0) / aim, aim,
               aim - coalesce(sum(d.amount) FILTER (status = 'won'), 0), count(d.deal_id)
        FROM aim LEFT JOIN (FROM deals WHERE {YEAR}) d USING (partner_id) GROUP BY partner_id, aim"""
    same(lines(facts.year_target(book, book.quarter(QUARTER)), "value", "usual", "stake", "n"), told(sql, query))


def test_overdue_money(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    query = """
        WITH o AS (SELECT *, expected_close_on < DATE '2025-12-31' AS late FROM deals WHERE status = 'open')
        SELECT partner_id, sum(amount) FILTER (late) / sum(amount), count(*) FILTER (late), sum(amount) FILTER (late),
               max(date_diff('day', expected_close_on, DATE '2025-12-31')) FILTER (late),
               (SELECT sum(amount) FILTER (late) / sum(amount) FROM o)
        FROM o WHERE partner_id IS NOT NULL GROUP BY ALL HAVING count(*) FILTER (late) > 0"""
    found = facts.overdue(book, book.quarter(QUARTER))
    same(lines(found, "value", "n", "stake", "effect", "usual"), told(sql, query))
    assert all(len(rows) == n for rows, n in zip(found["rows"], found["n"], strict=True))


def test_rivals_and_waiting_leads(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT partner_id, count(*), sum(amount) FROM deals
               WHERE status = 'open' AND competitor IS NOT NULL AND partner_id IS NOT NULL GROUP BY ALL"""
    same(lines(facts.rivals(book, book.quarter(QUARTER)), "n", "value"), told(sql, query))
    query = """
        WITH waiting AS (FROM leads l WHERE status = 'open' AND created_on <= DATE '2025-12-31' - 92
                         AND NOT EXISTS (FROM deals d WHERE d.lead_id = l.lead_id)),
        taken AS (SELECT partner_id, count(*) AS taken FROM leads WHERE created_on >= DATE '2025-01-01' GROUP BY ALL),
        each AS (SELECT partner_id, count(*) AS n, count(*) FILTER (created_on < DATE '2025-01-01') AS old
                 FROM waiting WHERE partner_id IS NOT NULL GROUP BY ALL)
        SELECT partner_id, n, n / (coalesce(taken, 0) + old),
               (SELECT count(*) FROM waiting) / ((SELECT sum(taken) FROM taken)
                + (SELECT count(*) FROM waiting WHERE created_on < DATE '2025-01-01'))
        FROM each LEFT JOIN taken USING (partner_id)"""
    same(lines(facts.leads_waiting(book, book.quarter(QUARTER)), "n", "value", "usual"), told(sql, query))


def test_spend_without_a_win(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    query = """
        WITH cost AS (SELECT partner_id, channel, sum(amount) AS cost FROM spend
                      WHERE month >= DATE '2025-01-01' AND partner_id IS NOT NULL GROUP BY ALL),
        each AS (SELECT partner_id, channel, count(*) AS n, count(*) FILTER (status = 'won') AS won FROM prospects
                 WHERE status IN ('won', 'lost', 'abandoned') GROUP BY ALL)
        SELECT partner_id, max(n), max_by(cost, n) FROM cost JOIN each USING (partner_id, channel)
        WHERE won = 0 AND cost > 0 GROUP BY ALL"""
    found = facts.spend_without_win(book, book.quarter(QUARTER))
    same(lines(found, "n", "stake"), told(sql, query))
    assert found.loc["P-003", "label"] == "display"


def test_a_small_cost_is_a_cost_and_what_was_given_back_is_none(book: pk.Book) -> None:
    spend = book.spend[(book.spend["partner_id"] == "P-003") & (book.spend["channel"] == "display")].tail(2)
    few = replace(book, _frames={**book._frames, "spend": spend.assign(amount=[60.0, -10.0])})
    assert facts.spend_without_win(few, book.quarter(QUARTER))["stake"].to_dict() == {"P-003": 50.0}
    none = replace(book, _frames={**book._frames, "spend": spend.assign(amount=[60.0, -60.0])})
    assert facts.spend_without_win(none, book.quarter(QUARTER)).empty


def test_who_left_joined_moved_and_is_silent(book: pk.Book) -> None:
    quarter = book.quarter(QUARTER)
    assert facts.left(book, quarter)["label"].to_dict() == {"P-009": "2025-05-31"}
    assert facts.joined(book, quarter)["label"].to_dict() == {"P-011": "2025-08-11"}
    moved = facts.took_over(book, quarter)
    assert moved["label"].to_dict() == {"P-010": "P-009"}
    assert facts.handed_over(book, quarter)["label"].to_dict() == {"P-009": "P-010"}
    assert moved.loc["P-010", "n"] == len(moved.loc["P-010", "rows"])
    assert "P-024" in facts.no_deals(book, quarter).index
    assert not {"P-009", "P-011", "P-003"} & set(facts.no_deals(book, quarter).index)


def test_counts_rates_and_sizes_of_two_years(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    quarter = book.quarter(QUARTER)
    wins = """SELECT partner_id, count(*) FILTER (closed_on >= DATE '2025-01-01'),
              count(*) FILTER (closed_on < DATE '2025-01-01') FROM deals
              WHERE status = 'won' AND closed_on >= DATE '2024-01-01' AND partner_id IS NOT NULL GROUP BY ALL"""
    right = told(sql, wins)
    found = lines(past.wins_of_year(book, quarter), "value", "usual")
    assert {"P-001", "P-003", "P-016"} <= found.keys()
    assert {p: right[p] for p in found} == found
    rates = """
        WITH d AS (SELECT *, closed_on >= DATE '2025-01-01' AS now FROM prospects
                   WHERE status IN ('won', 'lost', 'abandoned') AND closed_on >= DATE '2024-01-01')
        SELECT partner_id, avg((status = 'won')::INT) FILTER (now), avg((status = 'won')::INT) FILTER (NOT now)
        FROM d WHERE partner_id IS NOT NULL GROUP BY ALL
        HAVING count(*) FILTER (now) >= 5 AND count(*) FILTER (NOT now) >= 5"""
    right = told(sql, rates)
    found = lines(past.close_rate_of_year(book, quarter), "value", "usual")
    assert len(found) > 15
    for partner, numbers in found.items():
        assert numbers == pytest.approx(right[partner])
    sizes = """
        SELECT partner_id, median(amount) FILTER (created_on >= DATE '2025-01-01'),
               median(amount) FILTER (created_on < DATE '2025-01-01')
        FROM deals WHERE amount > 0 AND created_on >= DATE '2024-01-01' AND partner_id IS NOT NULL GROUP BY ALL"""
    right = told(sql, sizes)
    for partner, numbers in lines(past.sizes_of_entries(book, quarter), "value", "usual").items():
        assert numbers == pytest.approx(right[partner])


def test_entries_are_those_of_three_years(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT partner_id, count(*) FILTER (created_on >= DATE '2025-01-01'),
               count(*) FILTER (created_on BETWEEN DATE '2024-01-01' AND DATE '2024-12-31'),
               count(*) FILTER (created_on BETWEEN DATE '2023-01-01' AND DATE '2023-12-31')
               FROM deals WHERE partner_id IS NOT NULL GROUP BY ALL"""
    right = told(sql, query)
    found = lines(past.entries_over_time(book, book.quarter(QUARTER)), "value", "usual", "effect")
    assert len(found) > 15
    assert {p: right[p] for p in found} == found
    earlier = past.entries_over_time(book, book.quarter("2025Q3"))
    assert earlier["effect"].isna().all()  # the first of its three years begins before the records do


def test_refusals_and_conflicts_beside_the_rest(book: pk.Book, sql: duckdb.DuckDBPyConnection) -> None:
    quarter = book.quarter(QUARTER)
    query = f"""
        WITH d AS (SELECT partner_id, status = 'rejected' AND reason = 'conflict' AS known, status FROM deals
                   WHERE sourced = 'partner' AND {YEAR} AND status <> 'open' AND partner_id IS NOT NULL),
        each AS (SELECT partner_id, count(*) AS n, count(*) FILTER (known) AS k,
                        count(*) FILTER (NOT known) AS m, count(*) FILTER (status <> 'rejected') AS real
                 FROM d GROUP BY ALL)
        SELECT partner_id, k / n, (sum(k) OVER () - k) / (sum(n) OVER () - n), n,
               real / m, (sum(real) OVER () - real) / (sum(m) OVER () - m), m FROM each"""
    right = told(sql, query)
    for found, places in ((rest.conflicts(book, quarter), (0, 1, 2)), (rest.identification(book, quarter), (3, 4, 5))):
        assert len(found) > 15
        for partner, numbers in lines(found, "value", "usual", "n").items():
            assert numbers == pytest.approx(tuple(right[partner][at] for at in places)), partner


def test_sizes_beside_the_others_wins_of_the_same_products(book: pk.Book) -> None:
    deals = book.deals
    won = deals[
        (deals["status"] == "won") & deals["closed_on"].between("2025-01-01", "2025-12-31") & (deals["amount"] > 0)
    ]
    found = rest.sizes(book, book.quarter(QUARTER))
    for partner in ("P-005", "P-016"):
        mine, others = (
            won[won["partner_id"] == partner],
            won[(won["partner_id"] != partner) & won["partner_id"].notna()],
        )
        usual = np.log(others["amount"]).groupby(others["product"].astype(str)).mean()
        gap = np.log(mine["amount"]) - mine["product"].astype(str).map(usual)
        assert found.loc[partner, "value"] == pytest.approx(np.exp(np.log(mine["amount"]).mean()))
        assert found.loc[partner, "usual"] == pytest.approx(found.loc[partner, "value"] / np.exp(gap.mean()))


def test_every_test_is_one_of_the_family(book: pk.Book) -> None:
    """Benjamini and Hochberg by hand: the largest p that lies under its share of a tenth, and all below it."""
    looked = looked_at(book, book.quarter(QUARTER))
    tested = looked[looked["tested"].eq(True) & looked["p"].notna()]
    p = np.sort(tested["p"].to_numpy())
    under = np.flatnonzero(p <= 0.1 * np.arange(1, len(p) + 1) / len(p))
    bound = p[under[-1]] if len(under) else -1.0
    assert set(tested.index[tested["p"] <= bound]) == set(tested.index[tested["sure"] == CLEAR])
    assert (tested[tested["sure"] == LIKELY]["p"] <= DEFAULTS.likely).all()
    assert tested["tests"].eq(len(tested)).all()
    assert len(tested) > 200


def test_the_sample_tells_its_stories(book: pk.Book, table: pd.DataFrame) -> None:
    """What truth.json plants and a year of deals can show."""
    shown = table[table["state"] != "over"]
    found = set(zip(shown["partner_id"], shown["kind"], shown["weight"], strict=True))
    wanted = {
        ("P-003", "spend_without_win", "watch"),
        ("P-004", "giant", "watch"),
        ("P-005", "sizes_of_entries", "act"),
        ("P-006", "identification", "act"),
        ("P-007", "velocity", "good"),
        ("P-009", "left", "fact"),
        ("P-010", "took_over", "fact"),
        ("P-011", "joined", "fact"),
        ("P-012", "entries_over_time", "good"),
        ("P-013", "conflicts", "act"),
        ("P-016", "sizes", "act"),
        ("P-019", "leads_waiting", "act"),
        ("P-024", "no_deals", "fact"),
    }
    assert wanted <= found


def test_every_line_has_a_whole_sentence_and_its_rows(book: pk.Book, table: pd.DataFrame) -> None:
    ids = set(book.deals["deal_id"]) | set(book.prospects["prospect_id"])
    for line in table.itertuples(index=False):
        text = sentence(line, book.currency)
        assert text[0].isupper() or text[0] in "€0123456789"
        assert text.endswith(".")
        assert "nan" not in text
        assert "{" not in text
        assert set(line.rows) <= ids
        assert line.sure in (RECORDED, CLEAR, LIKELY)
    assert {kind.name for kind in KINDS} == BY_NAME.keys()


def whole_and_slice(book: pk.Book, partner: str, folder: Path) -> tuple[Judgement, Judgement]:
    """The verdict on a partner in the whole book, and in the slice its notebooks are given."""
    mine, quarter = book.for_partner(partner), book.quarter(QUARTER)
    write_slice(mine, given_to(mine, [quarter], [], [quarter], everything), folder)
    return judgement(mine, quarter), judgement(read_slice(folder), quarter)


def told_by(verdict: Judgement) -> tuple[object, ...]:
    return verdict.standing, verdict.headline, verdict.because, verdict.sure, verdict.actions


def test_a_partners_part_says_what_the_whole_says(book: pk.Book, tmp_path: Path) -> None:
    for partner in ("P-003", "P-009", "P-024"):
        one, two = whole_and_slice(book, partner, tmp_path / partner)
        assert told_by(one) == told_by(two)
    with pytest.raises(pk.UsageError, match="open the whole book"):
        judgement(read_slice(tmp_path / "P-003"), "2025Q3")


def test_signals_are_those_of_a_whole_book(book: pk.Book) -> None:
    with pytest.raises(pk.UsageError, match="one family"):
        pk.signals(book.where(region="North"), QUARTER)


def test_verdicts_of_the_sample(book: pk.Book) -> None:
    stands = {p: judgement(book.for_partner(p), QUARTER).standing for p in book.partner_ids}
    assert stands["P-009"] is Standing.LEFT
    assert stands["P-024"] is Standing.NO_DEALS
    assert {stands[p] for p in ("P-003", "P-006", "P-013", "P-019")} == {Standing.ACT}
    assert stands["P-020"] is Standing.ON_TRACK
    assert judgement(book.for_partner("P-011"), "2025Q3").standing is Standing.JOINED


def test_a_book_may_set_its_own_thresholds() -> None:
    assert thresholds_of({"year_act": 0.5}).year_act == 0.5
    assert thresholds_of({}).year_watch == DEFAULTS.year_watch
    assert "likely" in names()


def test_thresholds_of_a_book_hold_in_the_slice_as_in_the_whole(book: pk.Book, tmp_path: Path) -> None:
    folder = tmp_path / "book"
    shutil.copytree(shipped("data"), folder)
    with (folder / "book.toml").open("a", encoding="utf-8") as toml:
        toml.write("\n[thresholds]\nyear_act = 0.2\nyear_watch = 0.3\nchannel_decided = 1000\nlikely = 0.0001\n")
    other = pk.open_book(folder)
    moved = 0
    for partner in ("P-003", "P-005", "P-006", "P-013", "P-020"):
        one, two = whole_and_slice(other, partner, tmp_path / partner)
        assert told_by(one) == told_by(two), partner
        moved += told_by(one) != told_by(judgement(book.for_partner(partner), QUARTER))
    assert moved >= 2, "with other thresholds another verdict"
    assert judgement(other.for_partner("P-003"), QUARTER).standing is not Standing.ACT
    assert read_slice(tmp_path / "P-003").thresholds == other.thresholds


def test_a_book_without_anything_to_test_has_no_signals() -> None:
    one = book_of(
        deals="deal_id,created_on,status,closed_on,amount,partner_id\nD1,2025-10-01,won,2025-11-01,100,P1\n",
        partners="partner_id,name\nP1,One\n",
        as_of="2025-12-31",
    )
    assert set(pk.signals(one, QUARTER)["kind"]) <= {"giant"}
    assert judgement(one.for_partner("P1"), QUARTER).standing in (Standing.TOO_LITTLE, Standing.WATCH)
