"""Every headline, for every partner and quarter, is what plain SQL says: on the sample book and on an odd one."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd
import pytest
from oracle import HEADLINES, ask_about, headline, load

import partnerkpi as pk
from partnerkpi.shipped import shipped

# Where nothing happened a count and a sum are nought; every other figure is missing.
SUMS = {"number_of_deals", "opportunity_pipeline", "marketing_channels"}
AS_OF = pd.Timestamp("2025-11-18")


class Both(NamedTuple):
    book: pk.Book
    sql: duckdb.DuckDBPyConnection
    quarters: list[str]


def opened(folder: Path, back: int) -> Both:
    book = pk.open_book(folder)
    last = pd.Period(book.as_of, freq="Q")
    periods = [last - i for i in range(back)]
    sql = load(folder)
    ask_about(sql, [(label(p), f"{p.start_time:%Y-%m-%d}", f"{p.end_time:%Y-%m-%d}") for p in periods])
    return Both(book, sql, [label(p) for p in periods])


def label(period: pd.Period) -> str:
    return f"{period.year}Q{period.quarter}"


@pytest.fixture(scope="module", params=["sample", "odd-vanilla", "odd-pistachio", "odd-liquorice"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    if request.param == "sample":
        found = opened(shipped("data"), back=12)
    else:
        found = opened(odd_book(tmp_path_factory.mktemp(request.param), request.param), back=10)
    yield found
    found.sql.close()


@pytest.mark.parametrize("kpi", pk.KPIS, ids=lambda kpi: kpi.name)
def test_the_headline_is_what_sql_says(kpi: pk.Kpi, both: Both) -> None:
    expected = headline(both.sql, kpi.name).set_index(["quarter", "grp"])["value"]
    for quarter in both.quarters:
        figures = kpi.by(both.book, quarter, "partner").set_index("group")["value"]
        said = expected.get(quarter, pd.Series(dtype="float64"))
        assert set(said.index) <= set(figures.index)
        said = said.reindex(figures.index, fill_value=0.0 if kpi.name in SUMS else float("nan"))
        pd.testing.assert_series_equal(
            figures, said, check_names=False, check_dtype=False, check_index_type=False, rtol=1e-9, atol=1e-9,
            obj=f"{kpi.name} {quarter}",
        )  # fmt: skip


def test_sql_knows_every_kpi() -> None:
    assert list(HEADLINES) == [kpi.name for kpi in pk.KPIS]


def test_the_books_are_worth_comparing(both: Both) -> None:
    """Enough happens in them: most figures exist, and the odd cases are there."""
    known = sum(len(headline(both.sql, name)) for name in HEADLINES)
    assert known > 6 * len(both.quarters) * 5
    assert (both.book.deals["status"] == "rejected").any()
    assert both.book.deals["partner_id"].isna().any()
    assert both.book.deals["currency"].nunique() > 1


def odd_book(folder: Path, seed: str) -> Path:
    """A small book in which everything happens that may: transfers, reopened deals, several deals of a lead, sparse
    rates, channels without a medium, amounts that are missing or nought, same-day deals, history that begins late."""
    draw = random.Random(seed)
    first = pd.Timestamp("2023-04-01")
    days = (AS_OF - first).days
    partners = [f"P-{i}" for i in range(1, 7)] + [""]
    leads, deals, history = [], [], []
    for i in range(150):
        born = first + pd.Timedelta(days=draw.randrange(days))
        closed = born + pd.Timedelta(days=draw.randrange(120))
        status = draw.choice(["open", "lost", "abandoned", "rejected"]) if closed <= AS_OF else "open"
        leads.append({
            "lead_id": f"L-{i}", "created_on": day(born), "partner_id": draw.choice(partners), "status": status,
            "closed_on": day(closed) if status != "open" else "", "channel": draw.choice(["ads", "press", "fair", ""]),
        })  # fmt: skip
    for i in range(600):
        born = first + pd.Timedelta(days=draw.randrange(days))
        closed = born + pd.Timedelta(days=int(draw.expovariate(1 / 70)))
        status = draw.choices(["open", "won", "lost", "abandoned", "rejected"], [15, 40, 25, 10, 10])[0]
        status = status if closed <= AS_OF else "open"
        amount = draw.choice(["", "0.00"]) if draw.random() < 0.08 else f"{draw.lognormvariate(8, 1.2):.2f}"
        sourced = draw.choice(["partner", "vendor"])
        deal = {
            "deal_id": f"D-{i}", "created_on": day(born), "status": status, "partner_id": draw.choice(partners),
            "closed_on": day(closed) if status != "open" else "", "amount": amount,
            "currency": draw.choice(["EUR", "EUR", "CHF", "USD"]), "sourced": sourced,
            "reason": draw.choice(["conflict", "no fit"]) if status == "rejected" else "",
            "channel": draw.choice(["ads", "press", "fair", "mailing", "", ""]),
            "lead_id": f"L-{draw.randrange(150)}" if draw.random() < 0.3 else "",
        }  # fmt: skip
        deals.append(deal)
        if draw.random() < 0.6:
            history += story(draw, deal, born, closed if status != "open" else AS_OF, partners)
    rates = [
        {"currency": money, "date": day(first + pd.Timedelta(days=back)), "rate": f"{draw.uniform(0.8, 1.1):.4f}"}
        for money in ("CHF", "USD")
        for back in [-400, *sorted(draw.sample(range(days), 40))]
    ]
    media = {"ads": "paid", "press": "earned", "mailing": "owned"}
    tables = {
        "deals": deals, "leads": leads, "history": sorted(history, key=lambda row: (row["deal_id"], row["changed_at"])),
        "rates": rates, "channels": [{"channel": name, "media": kind} for name, kind in media.items()],
    }  # fmt: skip
    for name, rows in tables.items():
        with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    (folder / "book.toml").write_text(
        f'[book]\nname = "Odd"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\nextracted_on = {day(AS_OF)}\n',
        encoding="utf-8",
    )
    return folder


def story(
    draw: random.Random, deal: dict[str, str], born: pd.Timestamp, end: pd.Timestamp, partners: list[str]
) -> list[dict[str, str]]:
    """Changes of one deal before it closed: amounts and owners move, some deals are lost and opened again."""
    lasted = (end - born).days
    if lasted < 8:
        return []
    moments = sorted(draw.sample(range(lasted), min(6, lasted - 1)))
    rows = []
    for number, moment in enumerate(moments):
        last = number == len(moments) - 1
        gone = 0 < number < len(moments) - 2 and draw.random() < 0.1
        rows.append({
            "deal_id": deal["deal_id"],
            "changed_at": f"{born + pd.Timedelta(days=moment):%Y-%m-%d}T{draw.randrange(8, 20):02}:30:00",
            "status": "lost" if gone else draw.choice(["open", "open", ""]) if not last else "open",
            "amount": "" if draw.random() < 0.4 else f"{draw.lognormvariate(8, 1):.2f}",
            "partner_id": "" if draw.random() < 0.6 else draw.choice(partners),
        })  # fmt: skip
    return rows


def day(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d}"
