"""Figures of the sample book beside the parameters it was drawn from: what a KPI estimates is what is true."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.shipped import shipped

YEARS = pk.quarters("2025Q4", back=12)


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, float]]:
    made = json.loads((shipped("data") / "truth.json").read_text(encoding="utf-8"))
    return made["all"]["expected"]


@pytest.fixture(scope="module")
def card() -> pd.DataFrame:
    return pk.scorecard(pk.open_book(), YEARS, by="none").set_index(["kpi", "figure"])


def pooled(card: pd.DataFrame, kpi: str, figure: str = "headline") -> float:
    rows = card.loc[(kpi, figure)].dropna(subset=["value"])
    return float((rows["value"] * rows["n"]).sum() / rows["n"].sum())


@pytest.mark.parametrize(
    ("kpi", "figure", "name", "apart"),
    [
        ("close_rate", "headline", "win_share_with_leads", 0.02),
        ("deal_success", "headline", "deal_success", 0.03),
        ("deal_success", "identification", "identification", 0.02),
        ("deal_success", "conversion", "conversion", 0.03),
    ],
)
def test_shares(card: pd.DataFrame, truth: dict[str, float], kpi: str, figure: str, name: str, apart: float) -> None:
    assert pooled(card, kpi, figure) == pytest.approx(truth[name], abs=apart)


def test_average_deal_size(card: pd.DataFrame, truth: dict[str, float]) -> None:
    """The giant deal is no part of the truth; without each quarter's largest the mean is close from below."""
    assert pooled(card, "average_deal_size", "without_largest") == pytest.approx(truth["mean_won_deal"], rel=0.12)


def test_deal_velocity(card: pd.DataFrame, truth: dict[str, float]) -> None:
    """From the second year on, when the window of four quarters is full."""
    medians = card.loc[("deal_velocity", "headline")].iloc[4:]
    assert (medians["value"] - truth["median_days_to_win"]).abs().max() <= 6
    held = (medians["low"] <= truth["median_days_to_win"]) & (medians["high"] >= truth["median_days_to_win"])
    assert held.sum() >= 6


@pytest.mark.parametrize("days", [30, 90, 180])
def test_won_within_days(card: pd.DataFrame, truth: dict[str, dict[str, float]], days: int) -> None:
    within = card.loc[("deal_velocity", f"won_within_{days}")].iloc[4:]["value"].mean()
    assert within == pytest.approx(truth["won_within_days"][str(days)], abs=0.02)


def test_wins_and_decisions_quarter_by_quarter(card: pd.DataFrame, truth: dict[str, dict[str, list[float]]]) -> None:
    expected = truth["by_quarter"]["won"]
    counted = card.loc[("number_of_deals", "headline")]["value"].to_list()
    assert sum(counted) == pytest.approx(sum(expected), rel=0.08)
    inside = [abs(c - e) <= 3 * e**0.5 for c, e in zip(counted, expected, strict=True)]
    assert all(inside)


def test_the_naive_median_flatters_a_growing_partner() -> None:
    """A world that can be counted: every deal takes 120 days, new ones double each quarter; then 10 fast ones."""
    from partnerkpi.kpis import deal_velocity
    from partnerkpi.kpis.deal_velocity import naive_days
    from partnerkpi.opening import book_of

    lines = ["deal_id,created_on,status,closed_on"]
    day = pd.Timestamp("2025-12-31")
    for i in range(10):  # won after 20 days, inside the quarter
        created = day - pd.Timedelta(days=60 + i)
        lines.append(f"F{i},{created:%Y-%m-%d},won,{created + pd.Timedelta(days=20):%Y-%m-%d}")
    for i in range(8):  # won after 120 days, inside the quarter
        created = day - pd.Timedelta(days=150 + i)
        lines.append(f"S{i},{created:%Y-%m-%d},won,{created + pd.Timedelta(days=120):%Y-%m-%d}")
    for i in range(30):  # as old as 100 days and still open: they are of the slow kind
        lines.append(f"O{i},{day - pd.Timedelta(days=100):%Y-%m-%d},open,")
    book = book_of(as_of="2025-12-31", deals="\n".join(lines) + "\n")
    assert naive_days(book, "2025Q4").value == 20
    assert deal_velocity(book, "2025Q4").value == 120
