"""What one partner's figures may know of the whole network: references, shares and peers, never others' rows.

`Computed` works them out from a whole book; `Given` holds those a slice was given. To a figure they are alike: it asks
`book.others` and cannot tell which it is. The rules of what may be known live here alone: at least five partners behind
whatever describes partners, and then no partner's own figure but the mean of neighbouring ones, rounded.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from math import floor, log10
from typing import cast

import numpy as np
import pandas as pd

from partnerkpi.book import Book, Figure, Judge, Spread, Told
from partnerkpi.book.levels import Choice, chosen, whose
from partnerkpi.book.loading import known_earlier
from partnerkpi.deals import LOOKED_BACK, entered_in, priced, won_between, won_in
from partnerkpi.errors import UsageError
from partnerkpi.expectation import NOTHING, expectation
from partnerkpi.experience import STEADY, Experience
from partnerkpi.forecast import FEWEST_LANDMARKS, TOLD, UNKNOWN, Chances, chances_of, landmarks, told_on
from partnerkpi.indices import RANKS, ranks
from partnerkpi.network import experience_of
from partnerkpi.own_sales import partners_alone
from partnerkpi.periods import Quarter
from partnerkpi.statistics import exact_total
from partnerkpi.wording import FEW

#: Fewer partners than this say nothing that could not be told of one of them.
FEWEST_PARTNERS = FEW
SHARED = ("per_win", "per_lead")
UNRANKED = pd.DataFrame({name: pd.Series(dtype="float64") for name in RANKS}, index=pd.Index([], dtype="str"))
NOTHING_SHARED = pd.DataFrame({name: pd.Series(dtype="float64") for name in SHARED}, index=pd.Index([], dtype="str"))


class Computed:
    """Worked out from a whole book; each answer once."""

    def __init__(self, bound: Callable[[Computed], Book]) -> None:
        """`bound` makes the whole book that has these as its `others`."""
        self.whole = bound(self)
        self.typical = cache(self._typical)
        self.wins = cache(self._wins)
        self.ranks = cache(self._ranks)
        self.experience = cache(lambda quarter: experience_of(self.network, quarter))
        self.chances = cache(lambda quarter: chances_of(self.network, quarter))
        self.shared_spend = cache(self._shared_spend)
        self.judged = cache(lambda judge, quarter: judge(self.network, quarter))
        self.expected = cache(lambda quarter: expectation(self.network, quarter))
        self._values = cache(self._figures_of_partners)
        self._told = cache(self._forecasts)
        self._then: tuple[Quarter, Book] | None = None

    @cached_property
    def network(self) -> Book:
        """The whole book, in which the vendor's own sales are nobody's."""
        return partners_alone(self.whole)

    @cached_property
    def first_day(self) -> pd.Timestamp | None:
        """The first day the book knows anything of; None when it has neither deals nor leads."""
        days = [frame["created_on"].min() for frame in (self.whole.deals, self.whole.leads) if len(frame)]
        return min((day for day in days if pd.notna(day)), default=None)

    @cached_property
    def statuses(self) -> frozenset[str]:
        """The statuses that any deal or lead of the book has: one without any does not record it.

        `open` is one of them where any deal was ever open at the end of a day.
        """
        has = {str(s) for frame in (self.whole.deals, self.whole.leads) for s in frame["status"].dropna().unique()}
        once = {"open"} if (self.whole.periods["status"] == "open").any() else set()
        return frozenset(has | once)

    @cached_property
    def priced(self) -> frozenset[str]:
        """The statuses in which any deal of the book has an amount above zero."""
        deals = self.whole.deals
        return frozenset(map(str, deals["status"][deals["amount"] > 0].unique()))

    def peers(self, figure: Figure, quarter: Quarter, partner: str) -> Spread:
        """What the partners other than this one show, as a safe aggregate; all partners for an empty id.

        The vendor's own sales are none of them, and have no peers themselves.
        """
        if partner in self.whole.direct:
            return Spread(0)
        values = self._values(figure, quarter).drop(partner, errors="ignore").dropna()
        if len(values) < FEWEST_PARTNERS:
            return Spread(len(values))
        quantiles = (smoothed(values.to_numpy(), share) for share in (0.5, 0.25, 0.75))
        return Spread(len(values), *(printed(quantile, figure.unit) for quantile in quantiles))

    def _figures_of_partners(self, figure: Figure, quarter: Quarter) -> pd.Series:
        table = figure.by(self.network, quarter, "partner")
        return table[[isinstance(group, str) for group in table["group"]]].set_index("group")["value"]

    def told(self, quarter: Quarter, choices: tuple[Choice, ...]) -> Told | None:
        """See `Others.told`: of the network and of one partner looked up, of another part worked out."""
        partner = whose(choices)
        table = self._told(quarter, choices if partner is None else ())
        own = table[(table.index == (partner or "")) & (table["open_deals"] > 0)]
        return next((cast("Told", line) for line in own.itertuples(index=False, name=None)), None)

    def _forecasts(self, quarter: Quarter, choices: tuple[Choice, ...]) -> pd.DataFrame:
        if self.first_day is None or landmarks(quarter)[-FEWEST_LANDMARKS].end < self.first_day:
            return pd.DataFrame(columns=list(TOLD))
        then = self.known_at(quarter)
        part = replace(then, _frames=chosen(then._frames, then.recorded, choices)) if choices else then
        return told_on(part, quarter, self.whole)

    def known_at(self, quarter: Quarter) -> Book:
        """The whole book as it was known at the end of a quarter, its own `others` among it; the last one is kept.

        What was entered, changed or withdrawn later is not in it, as if it had been opened as of that day; itself where
        the quarter ends on the book's day or later. Without a history of deals a book still tells what was open then,
        but not under which partner, at which amount and stage: those are today's.
        """
        if quarter.end >= self.whole.as_of:
            return self.whole
        if self._then is None or self._then[0] != quarter:
            self._then = None
            gc.collect()  # a book and its others hold each other, and each such pair is as large as this one
            self._then = quarter, self._known_at(quarter.end)
        return self._then[1]

    def _known_at(self, day: pd.Timestamp) -> Book:
        whole = self.whole
        frames = known_earlier(
            whole._frames,
            day,
            whole.as_of,
            fiscal_year_starts=whole.fiscal_year_starts,
            home=whole.currency,
            digits=whole.money_digits,
        )
        there = {f"{name}.{c}" for name, frame in frames.items() for c in frame if frame[c].notna().any()}
        recorded = frozenset(name for name in whole.recorded if "." not in name or name in there)
        return Computed(
            lambda others: replace(whole, as_of=day, _frames=frames, recorded=recorded, others=others)
        ).whole

    def _typical(self, quarter: Quarter) -> tuple[float, float]:
        """Deals and amount of the typical partner's quarter: medians over the partners with a win in the year before.

        Of each partner the mean of the four quarters before this one, which no deal of this one can move. NaN for fewer
        than five such partners, the amount also for fewer than five whose wins carry one. Deals without a partner
        belong to nobody's typical quarter.
        """
        won = won_between(self.network.deals, quarter.year_before.start, quarter.before.end)
        won = won[won["partner_id"].notna()]
        codes = won["partner_id"].cat.codes.to_numpy(dtype=np.int64)
        size = len(won["partner_id"].cat.categories)
        amounts = won["amount"].to_numpy(dtype=np.float64)
        wins = np.bincount(codes, minlength=size)
        priced = np.bincount(codes[~np.isnan(amounts)], minlength=size) > 0
        amount = exact_total(np.nan_to_num(amounts), codes, size)
        if priced.sum() < FEWEST_PARTNERS:  # who has a priced win has a win
            return np.nan, np.nan
        return rounded(smoothed(wins[wins > 0] / 4, 0.5)), rounded(smoothed(amount[priced] / 4, 0.5))

    def _wins(self, quarter: Quarter) -> tuple[float, float]:
        won = priced(won_between(self.whole.deals, (quarter - LOOKED_BACK).start, quarter.last_day))
        now = float(won_in(won, quarter)["amount"].sum())
        return round(now, self.whole.money_digits), float(won["amount"].median())

    def _ranks(self, quarter: Quarter) -> pd.DataFrame:
        won = won_in(self.network.deals, quarter)
        each = won.groupby(won["partner_id"].astype("str"))["amount"].agg(["size", "sum"])
        each = each[each["sum"] > 0]
        return ranks(each["size"], each["sum"]) if len(each) >= FEWEST_PARTNERS else UNRANKED

    def _shared_spend(self, quarter: Quarter) -> pd.DataFrame:
        """By channel, the spend of no partner in the quarter's months over the network's wins, and leads, from it."""
        spend = self.whole.spend
        shared = spend[spend["month"].between(quarter.start, quarter.last_day) & spend["partner_id"].isna()]
        cost = shared.groupby(shared["channel"].astype("str"))["amount"].sum()
        units = {"per_win": won_in(self.whole.deals, quarter), "per_lead": entered_in(self.whole.leads, quarter)}
        counts = {name: rows["channel"].astype("str").value_counts() for name, rows in units.items()}
        table = pd.DataFrame({name: cost[cost > 0] / n.reindex(cost.index) for name, n in counts.items()})
        return table.astype("float64")


@dataclass(frozen=True, eq=False)
class Given:
    """What a slice was given: the answers for some quarters, worked out before it was written."""

    first_day: pd.Timestamp | None
    statuses: frozenset[str]
    priced: frozenset[str]
    _typical: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    _wins: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    _ranks: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    _experience: Mapping[str, Experience] = field(default_factory=dict)
    _shared: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    _chances: Mapping[str, Chances] = field(default_factory=dict)
    _expected: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    _judged: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    _peers: Mapping[tuple[str, str], Spread] = field(default_factory=dict)
    _told: Mapping[tuple[str, str], Told] = field(default_factory=dict)

    def typical(self, quarter: Quarter) -> tuple[float, float]:
        """Deals and amount of the typical partner; NaN for a quarter the slice was not made for."""
        return self._typical.get(quarter.label, (np.nan, np.nan))

    def wins(self, quarter: Quarter) -> tuple[float, float]:
        """What the network won, and its median win; NaN for a quarter the slice was not made for."""
        return self._wins.get(quarter.label, (np.nan, np.nan))

    def ranks(self, quarter: Quarter) -> pd.DataFrame:
        """The partner's own ranks; none for a quarter the slice was not made for."""
        return self._ranks.get(quarter.label, UNRANKED).copy(deep=False)

    def experience(self, quarter: Quarter) -> Experience:
        """How much figures vary beyond chance; the textbook's for a quarter the slice was not made for."""
        return self._experience.get(quarter.label, STEADY)

    def chances(self, quarter: Quarter) -> Chances:
        """The chances of open deals; none for a quarter the slice was not made for."""
        return self._chances.get(quarter.label, UNKNOWN)

    def told(self, quarter: Quarter, choices: tuple[Choice, ...]) -> Told | None:
        """See `Others.told`; none of a quarter or a part that the slice was not made for."""
        partner = whose(choices)
        return None if partner is None else self._told.get((quarter.label, partner))

    def known_at(self, quarter: Quarter) -> Book | None:
        """None: of what was known earlier a slice has only what was worked out for it."""
        return None

    def shared_spend(self, quarter: Quarter) -> pd.DataFrame:
        """What a win or lead carries of shared spend; nothing for a quarter the slice was not made for."""
        return self._shared.get(quarter.label, NOTHING_SHARED).copy(deep=False)

    def expected(self, quarter: Quarter) -> pd.DataFrame:
        """The chances of the partner's own prospects; none for a quarter the slice was not made for."""
        return self._expected.get(quarter.label, NOTHING).copy(deep=False)

    def judged(self, judge: Judge, quarter: Quarter) -> pd.DataFrame:
        """The partner's own lines.

        Raises:
            UsageError: the slice was not made for the quarter: a verdict is one on a whole network.
        """
        if quarter.label not in self._judged:
            raise UsageError(f"This slice cannot tell how its partner stands in {quarter.label}: open the whole book.")
        return self._judged[quarter.label].copy(deep=False)

    def peers(self, figure: Figure, quarter: Quarter, partner: str) -> Spread:
        """What the others show; nobody for a figure or quarter the slice was not made for."""
        return self._peers.get((figure.name, quarter.label), Spread(0))


def smoothed(values: np.ndarray, share: float) -> float:
    """A quantile as the mean of neighbouring order statistics: three around it, four where it lies between two.

    >>> smoothed(np.array([1.0, 2.0, 4.0, 9.0, 30.0]), 0.5)
    5.0
    """
    ordered = np.sort(values.astype(np.float64))
    place = share * (len(ordered) - 1)
    low, high = floor(place) - 1, -floor(-place) + 2
    low, high = (0, 3) if low < 0 else (low, high)
    if high > len(ordered):
        low, high = len(ordered) - 3, len(ordered)
    return float(ordered[low:high].mean())


def rounded(value: float) -> float:
    """Two significant digits.

    >>> rounded(5767.0), rounded(0.3149), rounded(2.333), rounded(0.0)
    (5800.0, 0.31, 2.3, 0.0)
    """
    return round(value, _decimals(value))


def _decimals(value: float) -> int:
    """The decimals of its two significant digits; below zero for tens and more."""
    return 1 - floor(log10(abs(value))) if value else 0


def printed(value: float, unit: str) -> float:
    """What of it may be printed: two significant digits, of a share no less than whole points.

    >>> printed(0.0349, "share"), printed(0.0349, "ratio")
    (0.03, 0.035)
    """
    return round(value, min(_decimals(value), 2)) if unit == "share" else rounded(value)


def given_to(
    book: Book,
    quarters: Sequence[Quarter],
    figures: Sequence[Figure],
    recent: Sequence[Quarter],
    judge: Judge | None = None,
) -> Given:
    """What the kernel of one partner's notebooks may know of the others: aggregates, and its own prospects' chances.

    `book` is the partner's part (the whole book for the network's own notebooks), `quarters` those its notebooks look
    back on, `figures` and `recent` the figures and quarters for which peers are shown, `judge` how each stands.
    """
    others = book.others
    earlier = [past for q in recent for past in landmarks(q)]
    own = pd.Index(book.prospects["prospect_id"])
    own_id = book.partners["partner_id"].astype("str").tolist()
    told = {(past.label, book.partner): others.told(past, book.choices) for past in earlier}
    return Given(
        first_day=others.first_day,
        statuses=others.statuses,
        priced=others.priced,
        _typical={quarter.label: others.typical(quarter) for quarter in quarters},
        _wins={quarter.label: others.wins(quarter) for quarter in quarters},
        _ranks={q.label: others.ranks(q).filter(own_id, axis=0) for q in quarters},
        _experience={quarter.label: others.experience(quarter) for quarter in quarters},
        _chances={q.label: cast("Chances", others.chances(q)) for q in (*quarters, *earlier)},
        _shared={q.label: others.shared_spend(q) for q in quarters},
        _expected={q.label: others.expected(q).filter(own, axis=0) for q in quarters},
        _judged={q.label: _own(others.judged(judge, q), book.partner) for q in recent if judge},
        _told={key: line for key, line in told.items() if line is not None},
        _peers={(f.name, q.label): others.peers(f, q, book.partner) for q in recent for f in figures if book.partner},
    )


def _own(judged: pd.DataFrame, partner: str) -> pd.DataFrame:
    """The partner's own lines; all of them for the network."""
    return judged[(judged["partner_id"] == partner).to_numpy()].reset_index(drop=True) if partner else judged
