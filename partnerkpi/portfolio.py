"""The portfolio: what a channel chief asks of all partners together, each answer a plain table or a few numbers.

Who is behind the target and by how much money, on how few partners and deals the quarter rests, who moved, whose close
rate is more than luck, and what of the pipeline is at risk. Of a whole book (or the network's own slice) only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED, giant, target_rows, targets_ahead, with_status, within, won_between, won_in
from partnerkpi.estimate import Estimate
from partnerkpi.experience import Floats
from partnerkpi.figures import figure
from partnerkpi.findings import facts
from partnerkpi.findings.chance import apart
from partnerkpi.findings.family import OVER
from partnerkpi.findings.rest import rates_beside
from partnerkpi.findings.signal import grouped
from partnerkpi.findings.verdict import everything
from partnerkpi.forecast import AHEAD
from partnerkpi.indices import FEWEST_ALIKE
from partnerkpi.kpis.opportunity_pipeline import (
    backtest,
    expected_wins,
    open_deals_at_end,
    overdue_deals,
    weighted_pipeline,
)
from partnerkpi.own_sales import partners_alone
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded
from partnerkpi.wording import FEW

#: The signals that say of a partner that it moved: its deals and their size against its own past.
MOVING = ("wins_of_year", "entries_over_time", "sizes_of_year", "sizes_of_entries")
#: The shares of the partners that lie inside the limits of a funnel where all are alike.
INNER, OUTER = 0.95, 0.998


def target_gaps(book: Book, quarter: str | Quarter) -> pd.DataFrame:
    """Won amount less target of each partner with a target for the quarter, the largest money behind first.

    Columns: `partner_id`; `won`, `target`, `gap` in the book's currency; `giant`, the amount of the one deal that
    carries the partner's quarter (NaN without one). Empty where no partner has a target.
    """
    this = book.quarter(quarter)
    table: pd.DataFrame = book.once(("target_gaps", this), lambda: _target_gaps(partners_alone(book), this))
    return table.copy(deep=False)


def _target_gaps(book: Book, this: Quarter) -> pd.DataFrame:
    targets = target_rows(book, this)
    empty = pd.Series(dtype="float64")
    aim = grouped(targets["of"], targets["partner_id"]) if book.records("targets.partner_id") else empty
    aim = aim[aim > 0]
    won = won_in(book.deals, this)
    reached = grouped(won["amount"], won["partner_id"]).reindex(aim.index, fill_value=0.0)
    largest = facts.giants(book, this)["stake"].reindex(aim.index)
    columns = {"partner_id": aim.index, "won": reached, "target": aim, "gap": reached - aim, "giant": largest}
    table = pd.DataFrame({name: np.asarray(column) for name, column in columns.items()})
    return table.sort_values(["gap", "partner_id"], kind="stable", ignore_index=True)


def concentration(book: Book, quarter: str | Quarter) -> pd.DataFrame:
    """On how few the won amount rests: the share of the largest partner, the largest three and five, the largest deal.

    Columns: `part` (`top_1`, `top_3`, `top_5`, `deal`); the share in the `quarter`, in the quarter `without` its giant
    (NaN where no deal is one), and in the `year` of four quarters. NaN where nothing was won. What belongs to no
    partner counts in the whole.
    """
    this = book.quarter(quarter)
    deals = partners_alone(book).deals
    won, year = won_in(deals, this), won_between(deals, *this.year)
    carried = giant(book, this)
    without = won.drop(carried.index) if len(carried) else won.iloc[:0]
    parts = {"quarter": _shares(won), "without": _shares(without), "year": _shares(year)}
    return pd.DataFrame({"part": ["top_1", "top_3", "top_5", "deal"], **parts})


def _shares(won: pd.DataFrame) -> list[float]:
    whole = float(won["amount"].sum())
    if not whole > 0:
        return [np.nan] * 4
    sold = grouped(won["amount"], won["partner_id"]).sort_values(ascending=False)
    return [*(float(sold.head(most).sum()) / whole for most in (1, 3, 5)), float(won["amount"].max()) / whole]


def movers(book: Book, quarter: str | Quarter) -> pd.DataFrame:
    """Who moved: four quarters against the four before. Up and down only where a tested signal says so.

    Columns: `partner_id`; `move` (`up`, `down`, `joined`, `left`); `wins`, `wins_before`; `won`, `won_before` in the
    book's currency; `signal`, the place in the review's table of signals of the line that says so; `other`, who took
    over the open deals of a partner that left ("" where nobody did). The largest change of money first within a move.
    """
    this = book.quarter(quarter)
    table = book.others.judged(everything, this)
    standing = table[((table["weight"] != "") & (table["state"] != OVER)).to_numpy()]
    tested = standing[standing["kind"].isin(MOVING).to_numpy()]
    strongest = tested.iloc[np.argsort(-tested["z"].abs().to_numpy(), kind="stable")].drop_duplicates("partner_id")
    since = f"{this.year[0]:%Y-%m-%d}"
    came, gone = (standing[(standing["kind"] == kind).to_numpy()] for kind in ("joined", "left"))
    gone = gone[(gone["label"] >= since).to_numpy()]
    named = {*came["partner_id"], *gone["partner_id"]}
    keep = ~strongest["partner_id"].isin(named).to_numpy()
    strongest = strongest[keep]
    up = (strongest["z"] > 0).to_numpy()
    parts = {"up": strongest[up], "down": strongest[~up], "joined": came, "left": gone}
    lines = pd.concat([one[["partner_id"]].assign(move=move, signal=one.index) for move, one in parts.items()])
    heirs = standing[(standing["kind"] == "handed_over").to_numpy()].set_index("partner_id")["label"]
    other = lines["partner_id"].map(heirs).astype("str").fillna("").where(lines["move"] == "left", "")
    lines = lines.assign(other=other)
    for suffix, span in (("", this.year), ("_before", this.year_before.year)):
        won = won_between(book.deals, *span)
        one = won["partner_id"].dropna().astype("str").value_counts()
        money = grouped(won["amount"], won["partner_id"])
        lines[f"wins{suffix}"] = lines["partner_id"].map(one).fillna(0).astype("int64")
        lines[f"won{suffix}"] = lines["partner_id"].map(money).astype("float64").fillna(0.0)
    place = lines["move"].map({"up": 0, "down": 1, "joined": 2, "left": 3})
    change = (lines["won"] - lines["won_before"]).abs()
    ordered = lines.assign(_place=place, _change=-change).sort_values(["_place", "_change"], kind="stable")
    names = ["partner_id", "move", "wins", "wins_before", "won", "won_before", "signal", "other"]
    return ordered[names].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Funnel:
    """Close rates of four quarters against how many were decided.

    - `rate`: the network's; NaN where nothing is decided; `spread`: the standard deviation, beyond chance, of the
      logarithms of the partners' odds;
    - `adjusted`: whether anything is recorded to adjust for;
    - `table`: a line per partner with a decided prospect: `partner_id`, `n`, `won`, the `raw` rate, the `rate` that
      is drawn (adjusted: won ÷ expected × the network's; NaN where the partner cannot be told from its region);
      `worth`, as how many independent prospects of a known chance these tell, at least one; `beyond`, the limits of so
      many outside of which it lies (0 for none, 0.95 or 0.998), of the raw rate of all n in `raw_beyond`.
      Of fewer than five prospects nothing is said: 0.
    """

    rate: float
    spread: float
    adjusted: bool
    table: pd.DataFrame

    @property
    def outsiders(self) -> pd.DataFrame:
        """The partners outside the 95 % limits."""
        return self.table[(self.table["beyond"] > 0).to_numpy()]

    @property
    def explained(self) -> pd.DataFrame:
        """The partners whose raw rate lies outside the limits, and whose adjusted one does not."""
        return self.table[((self.table["beyond"] == 0) & (self.table["raw_beyond"] > 0)).to_numpy()]

    @property
    def curves(self) -> pd.DataFrame:
        """The limits by `n`, from 1 to the largest `worth`: columns `low` and `high`, `lowest` and `highest`."""
        most = float(self.table["worth"].max()) if self.table["worth"].notna().any() else 1.0
        n = np.arange(1.0, max(most, 1.0) + 1)
        inner, outer = (limits(n, self.rate, over(n, self.rate, self.spread), inside) for inside in (INNER, OUTER))
        return pd.DataFrame({"n": n, "low": inner[0], "high": inner[1], "lowest": outer[0], "highest": outer[1]})


def funnel(book: Book, quarter: str | Quarter) -> Funnel:
    """The funnel of close rates (Spiegelhalter 2005): won ÷ decided of four quarters, adjusted for what is recorded.

    The variance of an adjusted rate, and how far partners differ, are those of the review's test of close rates, which
    takes in the customers and the error of the expectation itself: a rate drawn as known would stand outside where the
    test says that it may be chance. Over-dispersion is added to the variance, on the scale of the odds.
    """
    this = book.quarter(quarter)
    prospects = partners_alone(book).prospects
    decided = prospects[(within(prospects["closed_on"], *this.year) & with_status(prospects, DECIDED)).to_numpy()]
    decided = decided.assign(won=(decided["status"] == "won").to_numpy(dtype=np.float64))
    rate = float(decided["won"].mean()) if len(decided) else np.nan
    decided = decided[decided["partner_id"].notna().to_numpy()]
    who = decided["partner_id"].astype("str").to_numpy(dtype=object)
    each = decided["won"].groupby(who).agg(n="size", won="sum").rename_axis("partner_id")
    n, raw = each["n"].to_numpy(dtype=np.float64), (each["won"] / each["n"]).to_numpy(dtype=np.float64)
    beside = rates_beside(book, this).reindex(each.index)
    adjusted = bool(beside["n"].notna().any())
    enough = n >= FEW
    if adjusted:
        chance, variance = beside["chance"].to_numpy(), beside["variance"].to_numpy()
        told = (chance > 0) & (beside["alike"] >= FEWEST_ALIKE).to_numpy()
        drawn = np.where(told, np.minimum(raw * n / np.where(told, chance, 1.0) * rate, 1.0), np.nan)
        equal = (1 - rate) * chance**2 / np.maximum(rate * variance, 1e-12)  # of as large an error
        worth = np.where(told, np.maximum(np.floor(equal), 1), np.nan)
        spread = np.sqrt(apart(beside["z"].to_numpy(), beside["error"].to_numpy()))
    else:
        drawn, worth = raw, n
        noise = np.sqrt(rate * (1 - rate) / n) if 0 < rate < 1 else np.full(len(n), np.nan)
        z = np.where(enough, (raw - rate) / noise, np.nan)
        spread = np.sqrt(apart(z, noise / max(rate * (1 - rate), 1e-12)))
    table = each.reset_index()[["partner_id", "n", "won"]].assign(raw=raw, rate=drawn, worth=worth)
    for name, values, of in (("beyond", drawn, worth), ("raw_beyond", raw, n)):
        table[name] = np.where(enough, _beyond(values, of, rate, float(spread)), 0.0)
    return Funnel(rate, float(spread), adjusted, table)


def over(n: Floats, rate: float, spread: float) -> Floats:
    """By how much the variance of a rate of n exceeds chance's where the logarithms of odds spread so far."""
    return np.asarray(1 + spread**2 * n * rate * (1 - rate))


def limits(n: Floats, rate: float, dispersion: Floats | float, inside: float) -> tuple[Floats, Floats]:
    """The rates between which so many of the partners lie who win this rate of n, over-dispersion in; 0 to 1.

    Binomial quantiles, interpolated, at the tail of √φ times the usual distance (Spiegelhalter 2005, appendix A.1).

    >>> [round(float(end[0]), 3) for end in limits(np.array([100.0]), 0.3, 1.0, 0.95)]
    [0.207, 0.387]
    """
    from scipy.stats import binom, norm

    ends = []
    for sign in (-1, 1):
        tail = norm.cdf(sign * norm.isf((1 - inside) / 2) * np.sqrt(dispersion))
        count = binom.ppf(tail, n, rate)
        at, below = binom.cdf(count, n, rate), binom.cdf(count - 1, n, rate)
        ends.append(np.clip((count - (at - tail) / (at - below)) / n, 0, 1))
    return ends[0], ends[1]


def _beyond(values: Floats, n: Floats, rate: float, spread: float) -> Floats:
    """The widest limits outside of which each rate lies; 0 inside of both, or where there is no rate."""
    beyond = np.zeros(len(n))
    if not 0 < rate < 1:
        return beyond
    for inside in (INNER, OUTER):
        low, high = limits(n, rate, over(n, rate, spread), inside)
        beyond = np.where((values < low) | (values > high), inside, beyond)
    return beyond


@dataclass(frozen=True)
class AtRisk:
    """The pipeline at the quarter's end, and what threatens it; None where the book does not record it, or no amount.

    Counts are deals, money is in the book's currency. `times` is the open money over the target of the next two
    quarters; `wins` and `worth` what they will bring of it, with intervals; `held` of `told` such ranges of the past
    held what came.
    """

    deals: int | None
    money: float | None
    times: float | None
    overdue: int | None
    overdue_money: float | None
    rivals: int | None
    rivals_money: float | None
    wins: Estimate
    worth: Estimate
    held: int
    told: int


def at_risk(book: Book, quarter: str | Quarter) -> AtRisk:
    """What of the open pipeline is overdue or contested, and what will come of it; see `AtRisk`."""
    this = book.quarter(quarter)
    answer: AtRisk = book.once(("at_risk", this), lambda: _at_risk(book, this))
    return answer


def _at_risk(book: Book, this: Quarter) -> AtRisk:
    past = backtest(book, this)
    wins, worth = figure(expected_wins, book, this), figure(weighted_pipeline, book, this)
    held, told = int(past["inside"].sum()), len(past)
    try:
        there = open_deals_at_end(book, this)
    except NotRecorded:
        return AtRisk(None, None, None, None, None, None, None, wins, worth, held, told)
    money = _known_sum(there)
    ahead = float(targets_ahead(book, this, AHEAD)["of"].sum())
    late: tuple[int | None, float | None] = (None, None)
    try:
        overdue = overdue_deals.rule(book, this)
        late = len(overdue), _known_sum(overdue)
    except NotRecorded:
        pass
    named: tuple[int | None, float | None] = (None, None)
    if book.records("deals.competitor"):
        deals = book.deals
        contested = set(deals["deal_id"][deals["competitor"].notna().to_numpy()])
        against = there[there["deal_id"].isin(contested).to_numpy()]
        named = len(against), _known_sum(against)
    times = money / ahead if money is not None and ahead > 0 else None
    return AtRisk(len(there), money, times, *late, *named, wins, worth, held, told)


def _known_sum(deals: pd.DataFrame) -> float | None:
    """The money of these deals; None where there are some and none has an amount."""
    return float(deals["amount"].sum()) if not len(deals) or deals["amount"].notna().any() else None


@dataclass(frozen=True)
class Common:
    """How many of how many: `k` of `n`, of one `kind` (`overdue`, `leads_waiting`, `below_target`)."""

    kind: str
    k: int
    n: int


def common(book: Book, quarter: str | Quarter) -> tuple[Common, ...]:
    """What is true of the whole network and so no partner's news.

    Open deals that are overdue, leads that wait for a quarter or longer (of those of the year and the older ones that
    wait), partners below the quarter's target. What is not recorded, or is nobody's, is left out.
    """
    this = book.quarter(quarter)
    told = []
    risk = at_risk(book, this)
    if risk.deals and risk.overdue:
        told.append(Common("overdue", risk.overdue, risk.deals))
    waiting, beside = facts.waiting_leads(book, this)
    if len(waiting):
        told.append(Common("leads_waiting", len(waiting), len(beside)))
    gaps = target_gaps(book, this)
    if this.complete and (gaps["gap"] < 0).any():
        told.append(Common("below_target", int((gaps["gap"] < 0).sum()), len(gaps)))
    return tuple(told)
