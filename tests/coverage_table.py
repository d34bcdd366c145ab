"""How often an interval holds the truth, in worlds that have not the shape the methods assume. `make coverage`.

    python tests/coverage_table.py                    every world, as many books as give 2,000 partners of each size
    python tests/coverage_table.py --books 20 giants  fewer books, and only worlds whose name has one of these words

Prints one line for each world, figure and size n (rows behind the figure, by class) and writes the table: coverage,
median width (high ÷ low, of shares high − low), bias of the value (its mean against the truth) and the share shown.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from worlds import MEDIAN, PACES, RATE, SPREAD, TEXTBOOK, WORLDS, Truth, World, book_of_world

from partnerkpi.compare import CLEAR, tested
from partnerkpi.kpi import Kpi
from partnerkpi.kpis.average_deal_size import average_deal_size, median_deal_size
from partnerkpi.kpis.close_rate import close_rate, cohort_90, cohort_180
from partnerkpi.kpis.deal_success import deal_success
from partnerkpi.kpis.deal_velocity import deal_velocity, won_within_90
from partnerkpi.kpis.number_of_deals import number_of_deals, won_amount

#: Classes of n and the counts that belong to each.
CLASSES = {5: (5, 6), 8: (7, 9), 12: (10, 15), 20: (16, 30), 50: (35, 75), 200: (120, 10_000)}
FIGURES: tuple[Kpi, ...] = (
    *(average_deal_size, median_deal_size, number_of_deals, won_amount, close_rate, deal_success),
    *(cohort_90, cohort_180, deal_velocity, won_within_90),
)
COUNTED = (number_of_deals, won_amount)


def won_by(days: float) -> float:
    """The share of prospects that is won by this age, in whole days."""
    from scipy.stats import norm

    return float(RATE * norm.cdf((np.log(days + 1) - np.log(MEDIAN)) / SPREAD))


def median_within(days: float) -> float:
    """The age by which half of those are won that are won within so many days."""
    from scipy.stats import norm

    half = norm.cdf((np.log(days + 1) - np.log(MEDIAN)) / SPREAD) / 2
    return float(np.exp(np.log(MEDIAN) + SPREAD * norm.ppf(half)))


def truths(figure: Kpi, truth: Truth, world: World) -> np.ndarray:
    """What the figure should be, for each partner."""
    every = np.ones(len(PACES))
    decides = 1 - world.undecided
    if figure is deal_velocity:
        return np.array([median_within(min(365, days)) - 0.5 for days in truth.followed])
    if figure in (cohort_90, won_within_90, cohort_180):
        return every * decides * won_by(180 if figure is cohort_180 else 90)
    known = {
        average_deal_size: truth.mean_size,
        median_deal_size: truth.median_size,
        number_of_deals: truth.pace,
        won_amount: truth.pace * truth.mean_size,
        close_rate: truth.rate,
        deal_success: truth.rate,
    }
    return every * known[figure]


def measured(world: World, seed: int) -> pd.DataFrame:
    """One network: for each figure and partner its class of n, whether it is shown, holds, how wide, how far off."""
    book, truth = book_of_world(world, seed)
    quarter = book.quarter("2025Q4")
    joined = np.isin(np.arange(len(PACES)) % 2, [0]) if world.joined else np.ones(len(PACES), dtype=bool)
    tables = []
    for figure in FIGURES:
        if world.joined and figure in COUNTED:
            continue  # what a joiner's long-run pace is its first quarters cannot tell
        if (world.growth != 1 or world.undecided or world.joined) and figure in (close_rate, deal_success):
            continue  # the quarter's rate is no long-run rate there: that is what the cohort rate is for
        table = figure.by(book, quarter, "partner").iloc[: len(PACES)]
        right = truths(figure, truth, world)
        n = PACES if figure in COUNTED else table["n"].to_numpy()
        low, high, value = (table[c].to_numpy(dtype=np.float64) for c in ("low", "high", "value"))
        shown = ~np.isnan(low)
        share = figure.unit == "share"
        with np.errstate(divide="ignore", invalid="ignore"):
            width = high - low if share else high / low
        tables.append(
            pd.DataFrame(
                {
                    "world": world.name,
                    "figure": figure.name,
                    "n": [next((c for c, (a, b) in CLASSES.items() if a <= k <= b), 0) for k in n],
                    "shown": shown,
                    "holds": (low <= right) & (right <= np.nan_to_num(high, nan=np.inf)),
                    "width": width,
                    "ratio": value / right,
                }
            )[joined]
        )
    whole = pd.concat(tables)
    return whole[whole["n"] > 0]


def table_of(found: pd.DataFrame) -> pd.DataFrame:
    """One line for each world, figure and class of n."""
    lines = []
    for (world, figure, n), rows in found.groupby(["world", "figure", "n"], sort=False):
        shown = rows[rows["shown"]]
        lines.append(
            {
                "world": world,
                "figure": figure,
                "n": n,
                "partners": len(rows),
                "shown": rows["shown"].mean(),
                "coverage": shown["holds"].mean() if len(shown) else np.nan,
                "error": np.sqrt(0.9 * 0.1 / len(shown)) if len(shown) else np.nan,
                "width": shown["width"].median(),
                "bias": rows["ratio"].mean() - 1,
            }
        )
    return pd.DataFrame(lines).sort_values(["world", "figure", "n"], kind="stable")


TESTED = (average_deal_size, number_of_deals, won_amount, close_rate, deal_velocity)


def changes(world: World, seed: int) -> pd.DataFrame:
    """One network: for each figure and partner whether a change is told, by the partner's usual number of wins."""
    book, _ = book_of_world(world, seed)
    lines = []
    for place, partner in enumerate(book.partner_ids):
        mine = book.where(partner_id=partner)
        for figure in TESTED:
            verdict = tested(figure, mine, "2025Q4").verdict
            lines.append((world.name, figure.name, PACES[place], place % 3 == 0, verdict in CLEAR, str(verdict)))
    return pd.DataFrame(lines, columns=["world", "figure", "pace", "fell", "told", "verdict"])


def alarms(worlds: list[World], books: int, workers: int) -> pd.DataFrame:
    """How often a change is told, by world, figure and usual number of wins: where some fall, of those that do."""
    with ProcessPoolExecutor(workers) as pool:
        found = [pd.concat(pool.map(partial(changes, world), range(books), chunksize=2)) for world in worlds]
    table = pd.concat([t[t["fell"]] if w.fall else t for w, t in zip(worlds, found, strict=True)])
    groups = table.groupby(["world", "figure", "pace"], sort=False)["told"]
    return groups.agg(partners="size", told="mean").reset_index()


def runs(worlds: list[World], books: int, workers: int) -> Iterator[pd.DataFrame]:
    """The table of each world, as it is done."""
    with ProcessPoolExecutor(workers) as pool:
        for world in worlds:
            yield table_of(pd.concat(pool.map(partial(measured, world), range(books), chunksize=4)))


def main() -> None:
    """Measure what was asked for, print it and write it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("words", nargs="*")
    options.add_argument("--books", type=int, default=2000)
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument("--changes", action="store_true", help="how often a change is told, instead of coverage")
    options.add_argument("--out", type=Path, default=None)
    asked = options.parse_args()
    worlds = [w for w in WORLDS if not asked.words or any(word in w.name for word in asked.words)]
    if asked.changes:
        falls = [replace(TEXTBOOK, name=f"wins fall by {fall:.0%}", fall=fall) for fall in (0.3, 0.6)]
        found = alarms([*worlds, *falls], asked.books, asked.workers)
        print(found.round(3).to_string(index=False))
        return
    tables = []
    for table in runs(worlds, asked.books, asked.workers):
        tables.append(table)
        print(table.round(3).to_string(index=False, header=len(tables) == 1), flush=True)
    whole = pd.concat(tables, ignore_index=True)
    failed = whole[whole["coverage"] < 0.9 - 2 * whole["error"]]
    print(f"\n{len(whole)} cells, {len(failed)} below 0.90 by more than two standard errors:")
    print(failed.round(3).to_string(index=False))
    if asked.out:
        whole.round(4).to_csv(asked.out, index=False)


if __name__ == "__main__":
    main()
