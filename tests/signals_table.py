"""How often signals are false alarms, and how often they tell what is so. `make signals`.

    python tests/signals_table.py alarms --books 500               networks of identical partners: any signal is false
    python tests/signals_table.py alarms --books 60 --partners 200
    python tests/signals_table.py power --books 60                 planted effects: how often each kind tells them
    python tests/signals_table.py stories --books 50               the sample book from other seeds; see `stories`

Prints tables, and writes the same to `--out` as a csv (of stories also signals_verdicts.csv beside it): one line for
each world and kind of test. `reviews` is how many networks were looked at, `any` in which share of them any tested
signal was clear; of each kind `tests`, the share of z beyond 1.96 and 3 (of a normal deviate: 0.05 and 0.0027), and
its standard deviation. Of planted effects `clear` and `told` (clear or likely) are shares of the partners that have
them; of all signals shown as clear, `false` is the share that says something else.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from signal_stories import SAMPLE, distribution, stories, stories_of
from signal_worlds import EFFECTS, NULLS, Network, network

from partnerkpi.findings.family import CLEAR, LIKELY, looked_at

QUARTER = "2025Q4"
_WINS = ("wins", "wins_of_year", "wins_of_quarter", "wins_of_months")
#: Which kinds of test a planted effect moves; what any other says of the partner is false.
MOVED = {
    "": (),
    "rate": (
        "close_rate",
        "channels",
        "close_rate_of_year",
        "wins",
        "wins_of_year",
        "wins_of_quarter",
        "wins_of_months",
    ),
    "wins": ("wins", "wins_of_year", "wins_of_quarter", "wins_of_months", "entries_over_time"),
    "sizes": ("sizes", "sizes_of_year", "sizes_of_entries"),
    "days": ("velocity", "velocity_of_cohorts"),
}


def review(world: Network, seed: int) -> pd.DataFrame:
    """All tests of one network: partner, kind, z, how sure; whether partner and kind feel the effect."""
    book = network(world, seed)
    table = looked_at(book, book.quarter(QUARTER))
    table = table[(table["tested"].eq(True) & table["p"].notna()).to_numpy()]
    place = pd.Index(book.partner_ids).get_indexer(table["partner_id"])
    moved = world.planted()[place] & table["kind"].isin(MOVED[world.effect]).to_numpy()
    told = table["sure"].isin([CLEAR, LIKELY])
    return table.assign(
        **{"world": world.name, "partners": world.partners, "seed": seed, "moved": moved},
        **{"clear": table["sure"] == CLEAR, "told": told, "false": told & ~(moved & (table["z"] < 0).to_numpy())},
    )[["world", "partners", "seed", "partner_id", "kind", "z", "clear", "told", "moved", "false"]]


def alarms(found: pd.DataFrame) -> pd.DataFrame:
    """By world and kind: how many reviews, in which share any test is clear, and how far z is from a normal one."""
    lines = []
    for (world, partners), tests in found.groupby(["world", "partners"], sort=False):
        reviews = tests.groupby("seed")["clear"].any()
        for kind, rows in [("all", tests), *tests.groupby("kind", sort=False)]:
            size = rows["z"].abs()
            clear = rows.groupby("seed")["clear"].any().reindex(reviews.index, fill_value=False)
            lines.append(
                {
                    **{"world": world, "partners": partners, "kind": kind, "reviews": len(reviews)},
                    **{"any": clear.mean(), "error": np.sqrt(0.1 * 0.9 / len(reviews)), "tests": len(rows)},
                    **{
                        "beyond_1_96": (size > 1.96).mean(),
                        "beyond_3": (size > 3).mean(),
                        "deviation": rows["z"].std(),
                    },
                }
            )
    return pd.DataFrame(lines)


def power(found: pd.DataFrame) -> pd.DataFrame:
    """By world and kind that feels the effect: how often it is clear and likely; of all clear ones, how many false."""
    lines = []
    for (world, partners), tests in found.groupby(["world", "partners"], sort=False):
        shown = tests[tests["clear"]]
        moved = tests[tests["moved"]]
        of = {"world": world, "partners": partners, "reviews": tests["seed"].nunique()}
        each = moved.assign(clear=moved["clear"] & ~moved["false"], told=moved["told"] & ~moved["false"])
        any_kind = each.groupby(["seed", "partner_id"])[["clear", "told"]].any()
        share = {"shown": len(shown), "false": shown["false"].mean() if len(shown) else np.nan}
        lines.append(of | {"kind": "any"} | any_kind.mean().to_dict() | share)
        for kind, rows in each.groupby("kind", sort=False):
            lines.append(of | {"kind": kind} | rows[["clear", "told"]].mean().to_dict())
    return pd.DataFrame(lines)


def reviews(worlds: Sequence[Network], books: int, first: int = 0) -> pd.DataFrame:
    """The tests of so many networks of each world."""
    return pd.concat([review(world, seed) for world in worlds for seed in range(first, first + books)])


def main() -> None:
    """Measure what was asked for, print it and write it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=("alarms", "power", "stories"))
    options.add_argument("words", nargs="*", help="only worlds whose name has one of these words")
    options.add_argument("--books", type=int, default=500)
    options.add_argument("--first", type=int, default=0, help="the first seed")
    options.add_argument("--partners", type=int, default=24)
    options.add_argument("--out", type=Path, default=None)
    options.add_argument("--raw", type=Path, default=None, help="where every single test, or story, is kept")
    asked = options.parse_args()
    if asked.what == "stories":
        found, verdicts = stories([SAMPLE, *range(asked.first, asked.first + asked.books)])
        table = stories_of(found)
        print(distribution(verdicts).round(3).to_string(), "\n")
        if asked.raw:
            verdicts.to_csv(asked.raw.with_suffix(".verdicts.csv"), index=False)
        if asked.out:
            distribution(verdicts).round(4).to_csv(asked.out.with_name("signals_verdicts.csv"))
    else:
        worlds = [replace(w, partners=asked.partners) for w in (NULLS if asked.what == "alarms" else EFFECTS)]
        worlds = [w for w in worlds if not asked.words or any(word in w.name for word in asked.words)]
        found = reviews(worlds, asked.books, asked.first)
        table = (alarms if asked.what == "alarms" else power)(found)
    print(table.round(4).to_string(index=False))
    if asked.out:
        table.round(4).to_csv(asked.out, index=False)
    if asked.raw:
        found.to_csv(asked.raw, index=False)


if __name__ == "__main__":
    main()
