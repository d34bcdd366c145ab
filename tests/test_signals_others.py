"""Wins a month, and close rates by channel, beside the others': equal to plain SQL, and hardly ever told of equals."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest
from signal_worlds import NULLS, network

import partnerkpi as pk
from partnerkpi.book.levels import MEDIA
from partnerkpi.findings import rest
from partnerkpi.findings.advice import actions
from partnerkpi.findings.family import looked_at, signals
from partnerkpi.findings.verdict import judgement
from partnerkpi.opening import book_of
from partnerkpi.shipped import shipped

QUARTER = "2025Q4"
DAYS = tuple(f"{year}-{month:02}-10" for year in (2024, 2025) for month in (2, 5, 8, 11))


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book(shipped("data"))


def asked(query: str, **frames: pd.DataFrame) -> list[tuple]:
    connection = duckdb.connect()
    for name, frame in frames.items():
        labels = [c for c in frame if isinstance(frame[c].dtype, pd.CategoricalDtype)]
        connection.register(name, frame.astype(dict.fromkeys(labels, "object")))
    return connection.execute(query).fetchall()


def test_wins_a_month_are_those_of_the_deals_and_days(book: pk.Book) -> None:
    """Wins of the year over months of membership: twelve of who was there all the year."""
    query = """
        WITH w AS (SELECT partner_id, count(*) FILTER (status = 'won') AS won FROM deals
                   WHERE closed_on BETWEEN DATE '2025-01-01' AND DATE '2025-12-31' GROUP BY ALL),
        d AS (SELECT partner_id, count(*) AS decided FROM prospects WHERE status IN ('won', 'lost', 'abandoned')
              AND closed_on BETWEEN DATE '2025-01-01' AND DATE '2025-12-31' GROUP BY ALL),
        p AS (FROM partners WHERE coalesce(joined_on, DATE '2020-01-01') < DATE '2024-07-01' AND left_on IS NULL)
        SELECT partner_id, won, decided FROM p JOIN w USING (partner_id) JOIN d USING (partner_id)"""
    rows = asked(query, deals=book.deals, prospects=book.prospects, partners=book.partners)
    right = {p: won for p, won, decided in rows if decided >= 5}
    found = rest.wins(book, book.quarter(QUARTER))
    assert len(found) > 15
    assert set(found.index) <= right.keys() | {"P-009", "P-011"}
    for line in found[found["effect"] == 12].itertuples():
        assert (line.n, line.value) == (right[line.Index], pytest.approx(right[line.Index] / 12))


def paced(*wins: int, lost: int = 6) -> pk.Book:
    """Partners with so many wins in each of eight quarters, and others lost; nothing to adjust for but the month."""
    lines = ["deal_id,created_on,status,closed_on,amount,partner_id"]
    for partner, own in enumerate(wins):
        for q, day in enumerate(DAYS):
            for at in range(own + lost):
                status = "won" if at < own else "lost"
                lines.append(f"D{partner}/{q}/{at},2023-01-01,{status},{day},1000,P{partner:02}")
    names = "".join(f"P{partner:02},P{partner},2022-01-01\n" for partner in range(len(wins)))
    deals = "\n".join(lines) + "\n"
    return book_of(as_of="2025-12-31", deals=deals, partners=f"partner_id,name,joined_on\n{names}")


def test_beside_whom_a_pace_stands() -> None:
    """Eleven partners win six in a quarter, two a month; one wins one, or sixteen."""
    for own, good in ((1, False), (16, True)):
        table = rest.wins((book := paced(own, *[6] * 11)), book.quarter(QUARTER))
        assert table.loc["P00", "usual"] == pytest.approx(2, rel=0.02)
        assert table.loc["P00", "value"] == pytest.approx(own / 3)
        assert (table.loc["P00", "z"] > 3) if good else (table.loc["P00", "z"] < -3)
        assert (table["z"].drop("P00").abs() < 1).all()
    uneven = paced(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # they differ so much that nobody stands out
    assert (rest.wins(uneven, uneven.quarter(QUARTER))["z"].abs() < 2.2).all()


def test_close_rates_of_channels_are_those_of_the_prospects(book: pk.Book) -> None:
    query = """
        WITH d AS (SELECT partner_id, channel, (status = 'won')::INT AS won FROM prospects
                   WHERE status IN ('won', 'lost', 'abandoned') AND closed_on <= DATE '2025-12-31'),
        each AS (SELECT partner_id, channel, count(*) AS n, sum(won) AS won FROM d
                 WHERE partner_id IS NOT NULL AND channel IS NOT NULL GROUP BY ALL),
        there AS (SELECT channel, count(*) AS n, sum(won) AS won FROM d GROUP BY ALL)
        SELECT partner_id, channel, each.n, each.won / each.n, (there.won - each.won) / (there.n - each.n)
        FROM each JOIN there USING (channel) WHERE each.n >= 10"""
    right = {(p, c): numbers for p, c, *numbers in asked(query, prospects=book.prospects)}
    found = rest.channels(book, book.quarter(QUARTER)).reset_index().set_index(["partner_id", "label"])
    assert len(found) > 60
    assert set(found.index) <= right.keys()
    for pair, line in found.iterrows():
        n, rate, _ = right[pair]
        assert (line["n"], line["value"]) == (n, pytest.approx(rate))
        assert len(line["rows"]) == n
    raw = np.array([right[pair][2] for pair in found.index])
    assert np.corrcoef(raw, found["usual"])[0, 1] > 0.4  # the rest is place and season
    assert found["usual"].mean() == pytest.approx(raw.mean(), abs=0.04)
    mine = book.prospects.set_index("prospect_id").loc[list(found.loc[("P-003", "display"), "rows"])]
    assert (mine["partner_id"].eq("P-003") & mine["channel"].eq("display")).all()


def one_day(**won: dict[str, int]) -> pk.Book:
    """Forty prospects of each partner and channel, decided on one day; so many of them won."""
    lines = ["deal_id,created_on,status,closed_on,amount,partner_id,channel"]
    for partner, channels in won.items():
        for channel, own in channels.items():
            for at in range(40):
                status = "won" if at < own else "lost"
                lines.append(f"{partner}{channel}{at},2025-01-01,{status},2025-11-10,100,{partner},{channel}")
    names = "".join(f"{partner},{partner}\n" for partner in won)
    media = "channel,media\nads,paid\npress,earned\nown,owned\n"
    deals = "\n".join(lines) + "\n"
    return book_of(as_of="2025-12-31", deals=deals, partners=f"partner_id,name\n{names}", channels=media)


def test_without_anything_to_adjust_for_it_is_the_others_rate_in_the_channel() -> None:
    usual = {"ads": 8, "press": 16, "own": 24}
    partners = {f"P{at:02}": dict(usual) for at in range(12)}
    partners["P00"] = {"ads": 1, "press": 4, "own": 24}
    book = one_day(**partners)
    found = rest.channels(book, book.quarter(QUARTER))
    mine = found.loc["P00"].set_index("label")
    for channel, of in usual.items():
        assert mine.loc[channel, "usual"] == pytest.approx(of / 40, abs=0.01)
        assert MEDIA[int(mine.loc[channel, "effect"])] == {"ads": "paid", "press": "earned", "own": "owned"}[channel]
    assert mine.loc["own", "z"] == pytest.approx(0, abs=0.2)
    assert (mine.loc[["ads", "press"], "z"] < -2).all()
    assert (found["z"].drop("P00").abs() < 1).all()
    told = signals(book, QUARTER).query("partner_id == 'P00' and kind == 'channels'")
    assert sorted(told["label"]) == ["ads", "press"]
    asks = {action.what for action in actions(told, "EUR", book.quarter(QUARTER))}
    assert asks == {"Stop paying for ads", "Work on third-party relations: press disappoints"}


def test_whose_own_prospects_move_nothing_of_what_is_expected_of_it() -> None:
    usual = {"ads": 8, "press": 16, "own": 24}
    told = []
    for own in (1, 39):
        book = one_day(**{f"P{at:02}": dict(usual) for at in range(1, 12)}, P00={**usual, "ads": own})
        mine = rest.channels(book, book.quarter(QUARTER)).loc["P00"]
        told.append(mine["usual"].to_numpy())
    assert told[0] == pytest.approx(told[1], rel=1e-6)


def test_a_channel_that_never_won_is_told_once(book: pk.Book) -> None:
    table = looked_at(book, book.quarter(QUARTER))
    both = table[((table["partner_id"] == "P-003") & (table["label"] == "display")).to_numpy()]
    assert set(both["kind"]) == {"spend_without_win", "channels"}
    cover = judgement(book.for_partner("P-003"), QUARTER)
    assert sum("through display" in line.lower() for line in cover.because) == 1
    assert [action.kind for action in cover.actions if "display" in action.what] == ["spend_without_win"]


def test_equal_partners_are_hardly_ever_told() -> None:
    """The whole of it is measured by `make signals`; here forty books."""
    found: dict[str, list[np.ndarray]] = {"wins": [], "channels": []}
    for world in NULLS:
        for seed in range(10):
            drawn = network(replace(world), 70_000 + seed)
            for kind, z in found.items():
                z.append(getattr(rest, kind)(drawn, drawn.quarter(QUARTER))["z"].to_numpy())
    for z in found.values():
        beyond = np.array([(np.abs(one) > 1.96).mean() for one in z])
        assert beyond.mean() <= 0.05 + 2 * beyond.std(ddof=1) / np.sqrt(len(beyond))
        assert np.concatenate(z).mean() == pytest.approx(0, abs=0.15)
