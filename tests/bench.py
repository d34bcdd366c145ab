"""How long it takes, each time beside the obvious other way, on this machine and in the same run. `make bench`.

1. By partner, for 200 partners, twelve quarters and a million deals: the package's eight headlines, and all its figures
   with their intervals, beside plain SQL of the eight headlines in DuckDB. All start from tables in memory, and what
   the ways have in common is compared. Of a million deals all figures may take ten times as long as the SQL.
2. The signals of all partners in the last of these quarters, beside all figures of the twelve: of a million deals they
   may cost no more.
3. A review of the sample book, by the notebook: beside the commands `papermill` and `jupyter nbconvert`, and beside the
   same cells without any notebook. What a partner costs as networks grow (`--partners`: up to how many). An analyst's
   own notebook by the engine beside the two commands. See `bench_review`.
4. Opening a book of a hundred thousand deals, from each source and with all checks, beside the bare cells of its files.

The three rounds are interleaved, so that a slow minute of the machine hits both ways; medians are reported.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bench_opening
import bench_review
import duckdb
import pandas as pd
from oracle import HEADLINES, ask_about, headline, load
from oracle_answers import PARTNERS_ONLY
from timing import CACHE, ROOT, in_own_process, peak, say, timed

import partnerkpi as pk
from partnerkpi.figures import HEADLINE
from partnerkpi.groups import ALL, UNASSIGNED, group_text

PARTNERS, QUARTERS, DEALS = 200, 12, 1_000_000
MOST_TIMES_SQL = 10.0  # all figures, beside SQL of the headlines
ADDITIVE = {"number_of_deals", "opportunity_pipeline", "marketing_channels"}


def main(arguments: list[str] | None = None) -> None:
    """Run what was asked for and print it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ["figures", "signals", "review", "growth", "own", "opening", []]
    options.add_argument("what", nargs="*", choices=parts, help="default: all")
    options.add_argument("--deals", type=int, help=f"default: {DEALS:,}, for opening {bench_opening.DEALS:,}")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--partners", type=int, default=200, help="how far networks grow")
    asked = options.parse_args(arguments)
    held = True
    if not asked.what or {"figures", "signals"} & set(asked.what):
        held = figures(asked.deals or DEALS, asked.rounds, asked.what or ["figures", "signals"])
    if not asked.what or "review" in asked.what:
        bench_review.beside_naive(asked.rounds)
    if not asked.what or "growth" in asked.what:
        bench_review.growth(asked.partners)
    if not asked.what or "own" in asked.what:
        bench_review.own_notebook(asked.rounds)
    if not asked.what or "opening" in asked.what:
        held &= bench_opening.opening(asked.deals or bench_opening.DEALS, asked.rounds)
    if not held:
        sys.exit(1)


def figures(deals: int, rounds: int, what: Sequence[str]) -> bool:
    """Parts 1 and 2: the package beside SQL, signals beside figures; True where all that is promised holds."""
    folder = CACHE / f"sample-{PARTNERS}-{deals}"
    if not (folder / "book.toml").exists():
        say(f"writing {deals:,} deals of {PARTNERS} partners to {folder.relative_to(ROOT)} (once)")
        say(f"  {timed(lambda: pk.write_sample(folder, partners=PARTNERS, deals=deals))[1]:.1f} s")
    ways: dict[str, Callable[[Path], Run]] = {"all figures": partial(by_package, headlines_only=False)}
    if "figures" in what:
        ways |= {"headlines": by_package, "SQL": by_sql}
    if "signals" in what:
        ways |= {"signals": by_signals}
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, measure in ways.items():
            done = in_own_process(measure, folder)
            runs[way].append(done)
            took = f"{done.seconds:6.2f} s, {done.processor:6.2f} s of processors"
            say(f"  {way:11} read {done.read:6.2f} s   then {took}   peak memory {done.peak:6,.0f} MB")
    held = [beside_sql(runs, deals)] if "figures" in what else []
    held += [beside_figures(runs, deals)] if "signals" in what else []
    return all(held)


def median_seconds(runs: Mapping[str, list[Run]]) -> dict[str, float]:
    """The median seconds of each way."""
    return {way: statistics.median(run.seconds for run in done) for way, done in runs.items()}


def beside_figures(runs: Mapping[str, list[Run]], deals: int) -> bool:
    """Part 2: what signals cost, as a multiple of all figures."""
    times = median_seconds(runs)
    times_figures = times["signals"] / times["all figures"]
    table = runs["signals"][-1].table
    say(f"{len(table)} signals of {table['partner_id'].nunique()} partners, of {int(table['tests'].max())} tests:")
    say(f"  {times['signals']:.2f} s, {times_figures:.2f} times all figures ({times['all figures']:.2f} s)")
    if deals >= DEALS and times_figures > 1:
        say("  signals cost more than all figures do")
        return False
    return True


def beside_sql(runs: Mapping[str, list[Run]], deals: int) -> bool:
    """Part 1: what figures cost, as a multiple of the SQL, and whether both find the same."""
    times, rounds = median_seconds(runs), len(runs["SQL"])
    tables = {way: done[-1].table for way, done in runs.items()}
    all_figures = tables["all figures"]
    say(f"{QUARTERS} quarters x {all_figures['group'].nunique()} groups, median of {rounds}; SQL {times['SQL']:.2f} s:")
    failed = False
    for way in ("headlines", "all figures"):
        figures_of = tables[way].groupby(["kpi", "figure"]).ngroups
        say(f"  package, {way} ({figures_of}): {times[way]:.2f} s, {times[way] / times['SQL']:.2f} times the SQL")
        shared = tables[way][tables[way]["figure"] == HEADLINE]
        compared, different = compare(shared, tables["SQL"])
        say(f"    headlines compared: {compared:,}, different by more than 1e-9: {len(different)}")
        if len(different):
            say(different.head(10).to_string())
        failed |= len(different) > 0
    if deals >= DEALS and times["all figures"] > MOST_TIMES_SQL * times["SQL"]:
        say(f"  all figures take more than {MOST_TIMES_SQL:g} times as long as the SQL of the headlines")
        failed = True
    return not failed


@dataclass
class Run:
    """One way, once, in a process of its own: seconds to read the book, those for the figures, peak MB, figures.

    `processor` are the seconds of all its threads: what a machine with other work on it does not lengthen.
    """

    read: float
    seconds: float
    processor: float
    peak: float
    table: pd.DataFrame


def by_package(folder: Path, *, headlines_only: bool = True) -> Run:
    """The headlines or all figures by the package, from a book that has computed nothing yet."""
    book, read = timed(lambda: pk.open_book(folder))
    labels = [period[0] for period in periods_of(book)]
    begun = time.process_time()
    table, seconds = timed(lambda: pk.scorecard(book, labels, by="partner", headlines_only=headlines_only))
    return Run(read, seconds, time.process_time() - begun, peak(), table)


def by_signals(folder: Path) -> Run:
    """The signals of the last quarter, and at the four quarter ends before it, since when each stands."""
    book, read = timed(lambda: pk.open_book(folder))
    last = periods_of(book)[-1][0]
    begun = time.process_time()
    table, seconds = timed(lambda: pk.signals(book, last))
    return Run(read, seconds, time.process_time() - begun, peak(), table)


def by_sql(folder: Path) -> Run:
    """The headlines by SQL, from typed tables in DuckDB's memory."""
    connection, read = timed(lambda: load(folder))
    ask_about(connection, periods_of(connection))

    def answer() -> pd.DataFrame:
        return pd.concat([headline(connection, name).assign(kpi=name) for name in HEADLINES], ignore_index=True)

    begun = time.process_time()
    table, seconds = timed(answer)
    return Run(read, seconds, time.process_time() - begun, peak(), table.rename(columns={"grp": "group"}))


def periods_of(book: pk.Book | duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Label, first and last day of the last complete quarters; the sample's fiscal year is the calendar year."""
    as_of = book.as_of if isinstance(book, pk.Book) else book.execute("SELECT as_of FROM book").fetchall()[0][0]
    last = pd.Period(pd.Timestamp(as_of) + pd.Timedelta(days=1), freq="Q") - 1
    quarters = pd.period_range(end=last, periods=QUARTERS, freq="Q")
    return [(f"{q.year}Q{q.quarter}", f"{q.start_time:%Y-%m-%d}", f"{q.end_time:%Y-%m-%d}") for q in quarters]


def compare(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """How many figures both ways give, and those that are not the same; a sum over no rows is 0."""
    key = ["kpi", "quarter", "group"]
    of_none = theirs["kpi"].isin(PARTNERS_ONLY) & theirs["group"].isin([str(ALL), str(UNASSIGNED)])
    theirs = theirs.loc[~of_none, [*key, "value"]]
    ours = ours.assign(group=ours["group"].map(group_text))
    both = ours[[*key, "value"]].merge(theirs, on=key, how="outer", suffixes=("", "_sql"), indicator="found")
    both.loc[both["kpi"].isin(ADDITIVE) & (both["found"] == "left_only"), "value_sql"] = 0.0
    same = (both["value"] - both["value_sql"]).abs() <= 1e-9 * both["value_sql"].abs().clip(lower=1)
    missing = both["value"].isna() & both["value_sql"].isna()
    return int(both["value"].notna().sum()), both[~(same | missing)]


if __name__ == "__main__":
    main()
