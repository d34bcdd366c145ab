"""How often an interval holds the truth, in worlds that have not the shape the methods assume. `make coverage`.

    python tests/coverage_table.py                    every world, as many books as give 2,000 partners of each size
    python tests/coverage_table.py --books 20 giants  fewer books, and only worlds whose name has one of these words
    python tests/coverage_table.py --changes --books 20   how often a change is told

Prints one line for each world, figure and size n (rows behind the figure, by class) and writes the table: coverage,
median width (high ÷ low, of shares high − low), bias of the value (its mean and its median against the truth: what the
mean alone has is the skew of a noisy figure) and the share shown.
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
from worlds import MEDIAN, PACES, RATE, SPREAD, WORLDS, Truth, World, book_of_world

from partnerkpi.book import Book
from partnerkpi.compare import CLEAR, FEWEST_BEFORE, LOOKED_BACK, Change, Verdict, difference, entering, yardstick
from partnerkpi.estimate import Estimate
from partnerkpi.kpi import Kpi
from partnerkpi.kpis.average_deal_size import average_deal_size, median_deal_size
from partnerkpi.kpis.close_rate import close_rate, cohort_90, cohort_180
from partnerkpi.kpis.deal_success import deal_success
from partnerkpi.kpis.deal_velocity import deal_velocity, won_within_90
from partnerkpi.kpis.number_of_deals import number_of_deals, won_amount
from partnerkpi.periods import Quarter

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


def truths(figure: Kpi, truth: Truth, world: World, table: pd.DataFrame) -> np.ndarray:
    """What the figure should be, for each partner; a duration at the horizon that is named with it."""
    every = np.ones(len(PACES))
    decides = 1 - world.undecided
    if figure is deal_velocity:
        pairs = zip(truth.followed, table["note"], strict=True)
        named = [days if note is None else dict(note.values)["n"] for days, note in pairs]
        return np.array([median_within(min(365, days)) - 0.5 for days in named])
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
        right = truths(figure, truth, world, table)
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
                "bias_of_median": rows["ratio"].median() - 1,
            }
        )
    return pd.DataFrame(lines).sort_values(["world", "figure", "n"], kind="stable")


#: Worlds in which something changed, and how.
CHANGED = (
    World("wins fall by 30 %", fall=0.3),
    World("wins fall by 60 %", fall=0.6),
    World("wins fall by 30 %, pace cv 0.5", pace_cv=0.5, fall=0.3),
    World("wins fall by 60 %, pace cv 0.5", pace_cv=0.5, fall=0.6),
    # of those that win 20 a quarter 60 enter then
    World("deals take 43 % longer", slower=1.43, part=0.9),
    World("deals take 43 % longer, pace cv 0.5", pace_cv=0.5, slower=1.43, part=0.9),
)
SILENT = (Verdict.NO_CLEAR_CHANGE, Verdict.TOO_FEW_TO_TELL)
TESTED = (average_deal_size, number_of_deals, won_amount, close_rate, deal_velocity)


def changes(world: World, seed: int) -> pd.DataFrame:
    """One network: for each figure and partner whether a change is told, by the partner's usual number of wins."""
    book, _ = book_of_world(world, seed)
    quarter = book.quarter("2025Q4")
    tables = []
    for figure in TESTED:
        verdicts = [d.verdict for d in differences(figure, book, quarter)]
        tables.append(
            pd.DataFrame(
                {
                    "world": world.name,
                    "figure": figure.name,
                    "pace": PACES,
                    "changed": np.arange(len(PACES)) % 3 == 0,
                    "told": [verdict in CLEAR for verdict in verdicts],
                    "tested": [verdict in (*CLEAR, *SILENT) for verdict in verdicts],
                    "network": seed,
                }
            )
        )
    return pd.concat(tables)


def differences(figure: Kpi, book: Book, quarter: Quarter) -> list[Change]:
    """What `compare.tested` says of each partner, found for all partners at once."""
    if figure.pooled:
        rows = figure.rule(book, quarter)
        table = figure.statistic(rows, places(book, rows), len(PACES), yardstick(book, quarter))
        now = figure.estimates(table.assign(unit=figure.unit, note=None))
        then = usual_of_each(figure, book, quarter)
        return [
            difference(n, t, "", better=figure.better, counted=figure.counted) for n, t in zip(now, then, strict=True)
        ]
    cohort = entering(figure, quarter)
    now, then = each(cohort, book, quarter), each(cohort, book, quarter.year_before)
    return [difference(n, t, "", better=figure.better) for n, t in zip(now, then, strict=True)]


def each(figure: Kpi, book: Book, quarter: Quarter) -> list[Estimate]:
    """The figure of each partner."""
    return figure.estimates(figure.by(book, quarter, "partner"))[: len(PACES)]


def places(book: Book, rows: pd.DataFrame) -> np.ndarray:
    """Which of the book's partners each row is of."""
    return pd.Index(book.partner_ids).get_indexer(pd.Index(rows["partner_id"].astype("str")))


def usual_of_each(figure: Kpi, book: Book, quarter: Quarter) -> list[Estimate]:
    """What `compare.usual_of` is for each partner: those there in the same quarters of the past are done together."""
    known = yardstick(book, quarter)
    past = [quarter - back for back in range(LOOKED_BACK, 0, -1)]
    deals = book.deals
    entered = deals.groupby("partner_id", observed=False)["created_on"].min().reindex(book.partner_ids)
    there = np.column_stack([(entered <= q.before.start).to_numpy() for q in past])
    there &= np.array([book.others.first_day <= q.before.start for q in past])
    rows = pd.concat([figure.rule(book, q).assign(back=at) for at, q in enumerate(past)])
    seller = places(book, rows)
    rows, seller = (x[there[seller, rows["back"].to_numpy()]] for x in (rows, seller))
    answers = [Estimate(None, None, None, 0, figure.unit, figure.counts)] * len(PACES)
    for pattern in np.unique(there, axis=0):
        if pattern.sum() < FEWEST_BEFORE:
            continue
        weights = pattern * np.array([known.season[q.number - 1] for q in past])
        calm = replace(known, pace=known.pace * (weights**2).sum() / weights.sum() ** 2)
        alike = np.flatnonzero((there == pattern).all(axis=1))
        mine = np.isin(seller, alike)
        table = figure.statistic(rows[mine], np.searchsorted(alike, seller[mine]), len(alike), calm)
        scale = known.season[quarter.number - 1] / weights.sum()
        table[["value", "low", "high"]] *= scale
        for place, estimate in zip(alike, figure.estimates(table.assign(unit=figure.unit, note=None)), strict=True):
            answers[place] = estimate
    return answers


def alarms_of(found: pd.DataFrame) -> pd.DataFrame:
    """How often a change is told, by world, figure and usual number of wins, and of all sizes together (pace 0).

    `error` is the standard error, between networks: the partners of one share what is known of it.
    """
    every = pd.concat([found.assign(pace=0.0), found])
    keys = ["world", "figure", "pace"]
    networks = every.groupby([*keys, "network"], sort=False)["told"].mean()
    groups = every.groupby(keys, sort=False)
    table = groups.agg(partners=("told", "size"), tested=("tested", "mean"), told=("told", "mean"))
    return table.assign(error=networks.groupby(level=keys, sort=False).sem()).reset_index()


def alarms(books: int, words: list[str], workers: int) -> Iterator[pd.DataFrame]:
    """The alarms of each world, as it is done; where something changed, of the partners for whom it did.

    That is one partner in three, so that four times as many books are drawn there.
    """
    with ProcessPoolExecutor(workers) as pool:
        for world in (w for w in (*WORLDS, *CHANGED) if named(w, words)):
            many = books * (4 if world in CHANGED else 1)
            found = pd.concat(pool.map(partial(changes, world), range(many), chunksize=2))
            yield alarms_of(found[found["changed"]] if world in CHANGED else found)


def named(world: World, words: list[str]) -> bool:
    """True where one of the words is in the world's name, or none is given."""
    return not words or any(word in world.name for word in words)


def runs(worlds: list[World], books: int, workers: int) -> Iterator[pd.DataFrame]:
    """The table of each world, as it is done."""
    with ProcessPoolExecutor(workers) as pool:
        for world in worlds:
            many = books * (2 if world.joined else 1)  # half of its partners are no joiners
            yield table_of(pd.concat(pool.map(partial(measured, world), range(many), chunksize=4)))


def main() -> None:
    """Measure what was asked for, print it and write it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("words", nargs="*")
    options.add_argument("--books", type=int, default=500)
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument("--changes", action="store_true", help="how often a change is told, instead of coverage")
    options.add_argument("--out", type=Path, default=None)
    asked = options.parse_args()
    if asked.changes:
        tables = []
        for table in alarms(asked.books, asked.words, asked.workers):
            tables.append(table)
            print(table.round(3).to_string(index=False, header=len(tables) == 1), flush=True)
        if asked.out:
            pd.concat(tables, ignore_index=True).round(4).to_csv(asked.out, index=False)
        return
    tables = []
    worlds = [w for w in WORLDS if named(w, asked.words)]
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
