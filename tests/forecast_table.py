"""How often what came lies in the interval of the expected wins, in sample books of many seeds. `make coverage`.

    python tests/forecast_table.py                   the sample book and twenty others
    python tests/forecast_table.py --others 2        the sample book and two others

At each quarter end whose two following quarters are over the book is opened as it was known that day, and
`expected_wins` is asked of the network and of each partner; what came is counted in the whole book. Prints, and writes,
one line for the network and for each size of partner, by expected wins: how many forecasts, what was expected and came
on average, how often it came inside the interval, and its width; beside them those of a Poisson count of the same mean.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy.stats import poisson

import partnerkpi as pk
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kpis.opportunity_pipeline import expected_wins
from partnerkpi.periods import Quarter

SAMPLE = "ice cream"
NETWORK = "network"
#: Where the classes of partners begin, by expected wins.
CLASSES = (0, 1, 2, 4, 8)


def forecasts(folder: Path) -> pd.DataFrame:
    """Every forecast that could be made: `quarter`, `who`, `value`, `low`, `high`, and the wins that `came`."""
    book = pk.open_book(folder)
    last, first = book.quarter(""), book.others.first_day
    ends = [last - back for back in range(2, 20) if first is not None and (last - back).end >= first]
    return pd.concat([_as_of(folder, book, quarter) for quarter in ends], ignore_index=True)


def _as_of(folder: Path, book: pk.Book, quarter: Quarter) -> pd.DataFrame:
    """The forecasts of one quarter end, made from the book of that day."""
    known = pk.open_book(folder, as_of=f"{quarter.end:%Y-%m-%d}")
    told = expected_wins.by(known, quarter.label, "partner")
    told = told[told["low"].notna().to_numpy() & np.array([group is not UNASSIGNED for group in told["group"]])]
    deals = book.deals
    soon = (deals["closed_on"] > quarter.end) & (deals["closed_on"] <= (quarter + 2).end)
    won = deals.loc[(soon & (deals["status"] == "won")).to_numpy(), "deal_id"]
    there = expected_wins.rows(known, quarter.label)
    came = there[there["deal_id"].isin(won)]
    counts = {**came["partner_id"].astype("str").value_counts().to_dict(), ALL: len(came)}
    return told.assign(
        quarter=quarter.label,
        who=[NETWORK if group is ALL else str(group) for group in told["group"]],
        came=[int(counts.get(group, 0)) for group in told["group"]],
    )[["quarter", "who", "value", "low", "high", "came"]]


def forecasts_of(seed: str, quarters: int) -> pd.DataFrame:
    """The forecasts of the sample book of a seed."""
    with TemporaryDirectory() as folder:
        return forecasts(pk.write_sample(Path(folder) / "book", quarters=quarters, seed=seed)).assign(seed=seed)


def table_of(found: pd.DataFrame) -> pd.DataFrame:
    """One line for the network, for all partners, and for each class of them."""
    network = found["who"] == NETWORK
    place = np.searchsorted(CLASSES, found["value"], side="right") - 1
    chosen = {NETWORK: network, "partners": ~network}
    for at, begin in enumerate(CLASSES):
        name = f"{begin} to {CLASSES[at + 1]}" if begin < CLASSES[-1] else f"{begin} and more"
        chosen[f"partners, {name} expected"] = ~network & (place == at)
    lines = []
    for name, mask in chosen.items():
        rows = found[mask]
        low, high = (poisson.ppf(at, rows["value"].to_numpy()) for at in (0.025, 0.975))
        lines.append(
            {
                "who": name,
                "forecasts": len(rows),
                "expected": rows["value"].mean(),
                "came": rows["came"].mean(),
                "inside": rows["came"].between(rows["low"], rows["high"]).mean(),
                "width": (rows["high"] - rows["low"]).mean(),
                "poisson_inside": rows["came"].between(pd.Series(low, rows.index), pd.Series(high, rows.index)).mean(),
                "poisson_width": (high - low).mean() if len(rows) else np.nan,
            }
        )
    return pd.DataFrame(lines)


def forecasts_of_seeds(seeds: Sequence[str], quarters: int, workers: int) -> pd.DataFrame:
    """The forecasts of all these sample books."""
    with ProcessPoolExecutor(workers) as pool:
        return pd.concat(pool.map(partial(forecasts_of, quarters=quarters), seeds), ignore_index=True)


def main() -> None:
    """Measure, print, and write where that is asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--others", type=int, default=20, help="sample books beside the shipped one")
    options.add_argument("--quarters", type=int, default=12, help="of each book")
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument("--out", type=Path, default=None)
    asked = options.parse_args()
    seeds = [SAMPLE, *(str(seed) for seed in range(1, asked.others + 1))]
    found = forecasts_of_seeds(seeds, asked.quarters, asked.workers)
    table = table_of(found)
    print(f"{len(seeds)} books of {asked.quarters} quarters, {found['quarter'].nunique()} quarter ends")
    print(table.round(3).to_string(index=False))
    if asked.out:
        table.round(4).to_csv(asked.out, index=False)


if __name__ == "__main__":
    main()
