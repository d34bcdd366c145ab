"""Known error rates of signals, in small: silence where nothing is special, and a planted effect is told.

The whole of it, dated, is in notebooks/intervals/ (`make signals`); these are seconds of it, with their own seeds.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from signal_stories import clear_signals, true_direction, verdicts_of
from signal_worlds import EFFECTS, NULLS, network
from signals_table import alarms, power, reviews

import partnerkpi as pk
from partnerkpi.findings.family import looked_at
from partnerkpi.findings.kinds import KINDS
from partnerkpi.shipped import shipped

BOOKS = 4


@cache
def silent() -> pd.DataFrame:
    return reviews(NULLS, BOOKS, first=90_000)


def test_identical_partners_are_hardly_ever_told_apart() -> None:
    found = silent()
    told = found.groupby(["world", "seed"])["clear"].any()
    assert len(told) == BOOKS * len(NULLS)
    assert told.mean() <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / len(told))


def test_every_kind_of_test_is_there_and_its_z_is_not_too_wide() -> None:
    table = alarms(silent())
    assert set(table["kind"]) == {"all", *(kind.name for kind in KINDS if kind.tested)}
    together = silent().groupby("kind")["z"]
    assert (together.size() > 300).all()
    assert (together.std() < 1.15).all()
    assert (together.agg(lambda z: (z.abs() > 1.96).mean()) < 0.085).all()
    assert (together.mean().abs() < 0.2).all()


@pytest.mark.parametrize("name", ["close rate × 0.5", "sizes × 0.5", "wins − 60%"])
def test_a_planted_effect_is_told(name: str) -> None:
    world = next(w for w in EFFECTS if w.name == name)
    table = power(reviews([replace(world, deals=25.0, one_in=4)], 2, first=90_000)).set_index("kind")
    assert table.loc["any", "told"] > 0.5
    assert table.loc["any", "told"] >= table.loc["any", "clear"]
    assert not table.loc["any", "false"] > 0.2


def test_an_effect_is_planted_where_it_says() -> None:
    world = replace(next(w for w in EFFECTS if w.name == "wins − 60%"), deals=100.0, one_in=4)
    book = network(world, 1)
    year = book.deals["closed_on"].dt.year
    won = book.deals[(book.deals["status"] == "won").to_numpy()].groupby([year, "partner_id"], observed=True).size()
    fall = won[2025] / won[2024]
    assert fall[world.planted()].mean() == pytest.approx(0.4, abs=0.08)
    assert fall[~world.planted()].mean() == pytest.approx(1, abs=0.1)


def test_the_truth_of_the_sample_has_a_direction_for_every_test() -> None:
    book = pk.open_book(shipped("data"))
    truth = json.loads((Path(shipped("data")) / "truth.json").read_text(encoding="utf-8"))
    assert true_direction("conflicts", "P-013", truth) < 0 < true_direction("conflicts", "P-001", truth)
    assert true_direction("velocity", "P-007", truth) > 0 > true_direction("velocity", "P-008", truth)
    assert true_direction("close_rate", "P-001", truth) > 0 > true_direction("close_rate", "P-006", truth)
    assert true_direction("sizes_of_year", "P-005", truth) < 0 == true_direction("sizes_of_year", "P-001", truth)
    last = book.quarter("2025Q4")
    clear = clear_signals(looked_at(book, last), truth)
    assert len(clear) >= 5
    assert clear["false"].mean() <= 0.2
    stands = verdicts_of(book, last, {p: book.where(partner_id=p) for p in book.partner_ids}).set_index("partner")
    quiet = stands["standing"].isin(["on track", "too little to tell"])
    assert not stands.loc[quiet, "grave"].any()
    assert 0.05 <= (stands["standing"] == "act").mean() <= 0.35
