"""The sample book from other seeds: is each special partner's story told on its cover, and what do verdicts say?

What is true of a partner is in truth.json: a story is told when the cover says a sentence, or asks for something,
because of a kind of signal that tells it, in the right direction. Of the tested signals that are clear those are false
whose direction is not that of the true parameters, beside the other partners' or its own of before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import partnerkpi as pk
from partnerkpi.book import Book
from partnerkpi.findings.family import CLEAR, looked_at
from partnerkpi.findings.sentences import sentence
from partnerkpi.findings.verdict import Judgement, Standing, judgement, standing_of
from partnerkpi.periods import Quarter
from partnerkpi.sample import write_sample

QUARTER = "2025Q4"
#: The seed of the sample book that is shipped.
SAMPLE = "ice cream"


@dataclass(frozen=True)
class Story:
    """What a cover has to say of a partner: by one of these kinds in this direction, or by one of these standings."""

    partner: str
    what: str
    kinds: tuple[str, ...] = ()
    good: bool | None = None
    standings: tuple[Standing, ...] = ()
    recorded: bool = False
    about: str = ""  # what the signal must be about: a channel


NONE = (Standing.TOO_LITTLE, Standing.NO_DEALS)
STORIES = (
    Story("P-001", "better than its place", ("close_rate",), True),
    Story("P-003", "display without a win", ("spend_without_win",), recorded=True, about="display"),
    Story("P-004", "giant", ("giant",), recorded=True),
    Story("P-005", "deals shrink", ("sizes", "sizes_of_year", "sizes_of_entries"), False),
    Story("P-006", "refusals", ("identification", "identification_of_year"), False),
    Story("P-007", "fast", ("velocity",), True),
    Story("P-008", "slow", ("velocity",), False),
    Story("P-009", "left", ("left",), recorded=True),
    Story("P-010", "took over", ("took_over",), recorded=True),
    Story("P-011", "joined", ("joined",), recorded=True),
    Story("P-012", "growing", ("entries_over_time", "wins_of_year"), True),
    Story("P-013", "conflicts", ("conflicts",), False),
    Story("P-016", "small deals", ("sizes",), False),
    Story("P-019", "leads left lying", ("leads_waiting",)),
    Story("P-022", "three deals", standings=NONE, recorded=True),
    Story("P-023", "one deal", standings=NONE, recorded=True),
    Story("P-024", "no deal", standings=(Standing.NO_DEALS,), recorded=True),
)
#: What must not read as nothing to act on, by the definitions' own thresholds: of each kind the lines that are.
GRAVE = {
    "left": lambda line: True,
    "giant": lambda line: True,
    "year_target": lambda line: line.value < 0.75 and line.n >= 5,  # of fewer deals it is too little to tell
    "spend_without_win": lambda line: line.n >= 10,
    "leads_waiting": lambda line: line.n >= 5 and line.value >= max(1 / 3, 1.5 * line.usual),
}


def told(story: Story, cover: Judgement, currency: str) -> bool:
    """True where the cover tells the story."""
    if story.standings:
        return cover.standing in story.standings
    for line in cover.signals[cover.signals["state"] != "over"].itertuples(index=False):
        right = line.kind in story.kinds and story.about in str(line.label)
        right &= story.good is None or (line.z > 0) == story.good
        if right and (sentence(line, currency) in cover.because or line.kind in [a.kind for a in cover.actions]):
            return True
    return False


def measured(seed: str | int, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One sample book: its stories and clear signals; each partner's standing in its last eight quarters."""
    write_sample(folder, seed=seed)
    book = pk.open_book(folder)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    last = book.quarter(QUARTER)
    slices = {partner: book.where(partner_id=partner) for partner in book.partner_ids}
    verdicts = [verdicts_of(book, q, slices).assign(seed=seed) for q in last.back(8)]
    lines: list[dict[str, Any]] = []
    for story in STORIES:
        if story.about and won_through(book, story.partner, story.about):
            continue  # a deal that another partner handed over was won: the story is not one of this book
        cover = judgement(slices[story.partner], last)
        kinds = ",".join(f"{k}:{w}" for k, w in zip(cover.signals["kind"], cover.signals["weight"], strict=True))
        of = {"seed": seed, "partner": story.partner, "what": story.what, "recorded": story.recorded}
        lines.append(of | {"told": told(story, cover, book.currency), "standing": cover.standing.value, "kinds": kinds})
    for line in clear_signals(looked_at(book, last), truth).to_dict("records"):
        lines.append({"seed": seed, "partner": line["partner_id"], "what": line["kind"], "false": line["false"]})
    return pd.DataFrame(lines), pd.concat(verdicts)


def stories(seeds: Iterable[str | int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sample book of each seed; see `measured`."""
    found = []
    for seed in seeds:
        with TemporaryDirectory() as folder:
            found.append(measured(seed, Path(folder) / "book"))
    return tuple(pd.concat(tables, ignore_index=True) for tables in zip(*found, strict=True))  # type: ignore[return-value]


def stories_of(found: pd.DataFrame) -> pd.DataFrame:
    """How often each story is told; then of each kind of test how many were clear, and which share of them false."""
    told_ = found[found["told"].notna()].groupby(["partner", "what", "recorded"], sort=False)["told"]
    shares = told_.agg(books="size", told="mean").reset_index()
    clear = found[found["false"].notna()]
    kinds = clear.groupby("what")["false"].agg(shown="size", false="mean").reset_index()
    whole = pd.DataFrame({"what": ["all tests"], "shown": [len(clear)], "false": [clear["false"].mean()]})
    return pd.concat([shares, whole, kinds], ignore_index=True)


def won_through(book: Book, partner: str, channel: str) -> bool:
    """True where the partner ever won through a channel."""
    rows = book.prospects
    return bool(((rows["partner_id"] == partner) & (rows["channel"] == channel) & (rows["status"] == "won")).any())


def verdicts_of(book: Book, quarter: Quarter, slices: Mapping[str, Book]) -> pd.DataFrame:
    """The standing of every partner, and what is grave about it; `slices` are the partners' own books."""
    table = looked_at(book, quarter)
    lines = []
    for partner in book.partner_ids:
        mine = table[(table["partner_id"] == partner).to_numpy()]
        now = mine[(mine["weight"] != "").to_numpy()]
        standing = standing_of(mine, slices[partner], quarter)
        grave = [line.kind for line in mine.itertuples() if line.kind in GRAVE and GRAVE[line.kind](line)]
        because = now["kind"][now["weight"] == str(standing)].tolist()
        lines.append((quarter.label, partner, standing.value, ",".join(grave), ",".join(because)))
    return pd.DataFrame(lines, columns=["quarter", "partner", "standing", "grave", "because"])


def distribution(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The share of partners with each standing by quarter, and of those that are there in all; graves passed over."""
    there = verdicts[~verdicts["standing"].isin(["left"])]
    table = pd.crosstab(verdicts["quarter"], verdicts["standing"], normalize="index")
    table.loc["all"] = verdicts["standing"].value_counts(normalize=True)
    table.loc["all that stay"] = there["standing"].value_counts(normalize=True)
    quiet = verdicts["standing"].isin(["on track", "too little to tell"]) & (verdicts["grave"] != "")
    table["passed over"] = quiet.groupby(verdicts["quarter"]).sum().reindex(table.index)
    return table.fillna(0.0)


def clear_signals(table: pd.DataFrame, truth: dict[str, Any]) -> pd.DataFrame:
    """The tests that are clear, and whether their direction is not the true one."""
    clear = table[(table["sure"] == CLEAR).to_numpy()]
    of = clear[["kind", "partner_id", "label"]].itertuples(index=False, name=None)
    right = [true_direction(kind, partner, truth, label) for kind, partner, label in of]
    return clear.assign(false=np.sign(clear["z"].to_numpy()) != np.sign(right))[["partner_id", "kind", "z", "false"]]


def true_direction(kind: str, partner: str, truth: dict[str, Any], label: str = "") -> float:
    """Above 0 where the truth is good news of this kind, below where it is bad, 0 where there is none."""
    partners = {name: p for name, p in truth["partners"].items() if p["entry_weight"] > 0 and name != "unassigned"}
    me = partners[partner]
    others = [p for name, p in partners.items() if name != partner]

    def beside(value: Any, good: float = 1.0) -> float:
        weight = [p["entry_weight"] for p in others]
        return float(good * (value(me) - np.average([value(p) for p in others], weights=weight)))

    def of_quarters(name: str) -> np.ndarray:
        return np.asarray(me["expected"]["by_quarter"][name], dtype=np.float64)

    def growth(*those: dict[str, Any]) -> float:
        rates = np.sum([p["entry_rate_by_quarter"] for p in those], axis=0)
        return float(np.log(rates[-4:].sum() / rates[:4].sum()))

    if kind == "close_rate":
        return beside(lambda p: np.log(p["win_odds"] * p["win_odds_factor_last_12_months"]))
    if kind == "channels":  # of all three years; one partner never wins through one channel
        if (me["special"], label) == ("display_without_wins", "display"):
            return -1.0
        return beside(lambda p: np.log(p["win_odds"]) + np.log(p["win_odds_factor_last_12_months"]) / 3)
    if kind == "wins":  # a usual partner's, not that of the usual deal
        each = [
            np.log(np.sum(p["expected"]["by_quarter"]["decided"][-4:])) + np.log(p["win_odds"])
            for p in (me, *others)
            if np.sum(p["expected"]["by_quarter"]["decided"][-4:]) >= 5
        ]
        return float(each[0] - np.mean(each[1:]))
    if kind == "close_rate_of_year":
        return float(np.log(me["win_odds_factor_last_12_months"]))
    if kind == "identification":
        return beside(lambda p: p["refused_last_12_months"], -1.0)
    if kind == "identification_of_year":
        return float(me["refused"] - me["refused_last_12_months"])
    if kind == "conflicts":
        return beside(lambda p: p["conflict"], -1.0)
    if kind == "sizes":
        return beside(lambda p: np.log(p["deal_size_factor"] * p["deal_size_factor_last_9_months"]))
    if kind in ("sizes_of_year", "sizes_of_entries"):
        return float(np.log(me["deal_size_factor_last_9_months"]))
    if kind == "velocity":
        return beside(lambda p: np.log(p["median_days_to_decision"]), -1.0)
    won = of_quarters("won")
    if kind == "wins_of_year":
        return float(won[-4:].sum() - won[-8:-4].sum())
    if kind == "wins_of_quarter":
        return float(won[-1] - won[[-5, -9]].mean())
    if kind == "wins_of_months":
        return float(won[-1] - won[-5])  # of eight quarters, season apart
    if kind == "entries_over_time":
        return growth(me) - growth(*others)
    assert kind == "velocity_of_cohorts", kind
    return 0.0  # nobody's speed changes in the sample book
