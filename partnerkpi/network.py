"""What the network's past tells of how much figures vary: from a whole book to an `Experience`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED, closed_between, won_between
from partnerkpi.experience import (
    STEADY,
    Experience,
    Floats,
    Ints,
    Months,
    Season,
    correlation_within,
    pace_variance,
    season_and_trend,
    season_of_months,
    size_variation,
    together,
)
from partnerkpi.periods import Quarter

#: So many quarters of the past tell how much figures vary, so many at most what the season does.
QUARTERS, SEASONS = 8, 12
#: How far rates move from quarter to quarter is told from so many pairs of successive quarters on.
FEWEST_MOVES = 16


def experience_of(book: Book, quarter: Quarter) -> Experience:
    """See `partnerkpi.experience`: of eight quarters, the last of them this one; of sizes the last four."""
    quarters = quarter.back(QUARTERS)
    deals = book.deals[["partner_id", "customer", "status", "closed_on", "amount"]]
    ended = closed_between(deals, quarters[0].start, quarter.last_day, DECIDED)
    won = ended[(ended["status"] == "won").to_numpy()]
    season, months, trend = _season_and_trend(book, quarter)
    _, counts, there = paces(book, quarters)
    usual = np.array([season[q.number - 1] * np.exp(-trend * back) for back, q in enumerate(reversed(quarters))])[::-1]
    orders = together(np.unique(_keys(won, quarters, "partner_id", "customer"), return_counts=True)[1])
    recent = won[(won["closed_on"] >= quarter.year[0]).to_numpy() & (won["amount"] > 0).to_numpy()]
    sizes, sellers = recent["amount"].to_numpy(dtype=np.float64), recent["partner_id"].cat.codes.to_numpy()
    alike, drift = _likeness_of_outcomes(ended, quarters)
    return Experience(
        pace=pace_variance(counts, there * usual, orders),
        orders=orders,
        season=season,
        months=months,
        spread=size_variation(sizes, sellers),
        like_sizes=_likeness_of_sizes(recent, np.log(sizes), sellers),
        like_outcomes=alike,
        drift=drift,
    )


def _season_and_trend(book: Book, quarter: Quarter) -> tuple[Season, Months, float]:
    """The factors of the quarters and months of the year on wins, and their growth, from three years at most.

    The first two quarters of the records are left out: what was entered before takes time to be won.
    """
    first = book.others.first_day
    settled = [q for q in quarter.back(SEASONS) if q.complete and first is not None and (q - 2).start >= first]
    if not settled:
        return STEADY.season, STEADY.months, 0.0
    won = won_between(book.deals[["status", "closed_on"]], settled[0].start, settled[-1].last_day)
    place = month_place(won["closed_on"], settled)
    totals = np.bincount(place[place >= 0], minlength=3 * len(settled)).astype(np.float64).reshape(-1, 3)
    numbers = np.array([q.number - 1 for q in settled])
    season, trend = season_and_trend(totals.sum(axis=1), numbers)
    by_year = np.zeros((-(-(len(settled) + 3) // 4), 4, 3))
    by_year[(numbers[0] + np.arange(len(settled))) // 4, numbers] = totals
    return season, season_of_months(by_year, season), trend


def presence(book: Book, quarters: Sequence[Quarter]) -> Floats:
    """How much of each quarter the book's partner was there; for several partners how much of it is recorded."""
    if book.partner:
        return paces(book, quarters)[2][0]
    first = book.others.first_day
    begin = pd.Series([pd.Timestamp.min if first is None else first])
    return _there(begin, pd.Series([pd.NaT], dtype="datetime64[s]"), quarters)[0]


def paces(book: Book, quarters: Sequence[Quarter], dated: str = "closed_on") -> tuple[pd.Index, Floats, Floats]:
    """The partners' ids, the wins of each (rows) in each of the consecutive quarters, how much of it each was there.

    Of deals that entered, whatever became of them, where the day that counts is `created_on`.
    """
    answer: tuple[pd.Index, Floats, Floats] = book.once(
        ("paces", dated, *quarters), lambda: _paces(book, quarters, dated)
    )
    return answer


def _paces(book: Book, quarters: Sequence[Quarter], dated: str) -> tuple[pd.Index, Floats, Floats]:
    partners = book.partners
    names = pd.Index(partners["partner_id"].astype("str"))
    known = [frame.groupby("partner_id", observed=True)["created_on"].min() for frame in (book.deals, book.leads)]
    first = pd.concat(known).groupby(level=0, observed=True).min().reindex(names)
    begin = partners["joined_on"].fillna(pd.Series(first.to_numpy(), index=partners.index))
    if (opened := book.others.first_day) is not None:
        begin = begin.where(begin > opened, opened)
    won = book.deals[["partner_id", "status", "created_on", "closed_on"]]
    won = won_between(won, quarters[0].start, quarters[-1].last_day) if dated == "closed_on" else won
    seller = places_of(won["partner_id"], names)
    place = _place(won[dated], quarters)
    mine = (seller >= 0) & (place >= 0)
    size = (len(names), len(quarters))
    counts = np.bincount(seller[mine] * size[1] + place[mine], minlength=size[0] * size[1]).reshape(size)
    return names, counts.astype(np.float64), _there(begin, partners["left_on"], quarters)


def places_of(partners: pd.Series, ids: pd.Index) -> Ints:
    """The place of each row's partner among `ids`, −1 for none: looked up once for each partner, not for each row."""
    place = ids.get_indexer(pd.Index(partners.cat.categories.astype("str")))
    return np.append(place, -1)[partners.cat.codes]


def _there(begin: pd.Series, end: pd.Series, quarters: Sequence[Quarter]) -> Floats:
    """How much of each quarter lies between two days of each partner.

    What a partner enters takes time to be won: it counts from its second whole quarter on.
    """
    day = np.timedelta64(1, "D")
    first, end_day = (one.to_numpy().astype("datetime64[s]")[:, None] for one in (begin, end))
    starts, lasts, before = (
        np.array([d.to_datetime64() for d in days], dtype="datetime64[s]")
        for days in zip(*((q.start, q.last_day, q.before.start) for q in quarters), strict=True)
    )
    with np.errstate(invalid="ignore"):
        last = np.where(end_day < lasts, end_day, lasts)
        days = (last - np.where(first > starts, first, starts)) / day + 1
    days = np.where(first <= before, np.maximum(days, 0), 0.0)
    return np.asarray(days / np.array([q.days for q in quarters]))


def _place(days: pd.Series, quarters: Sequence[Quarter]) -> Ints:
    """Which of the consecutive quarters each day falls in; −1 for none."""
    starts = np.array([q.start.to_datetime64() for q in quarters])
    values = days.to_numpy()
    place = np.searchsorted(starts, values, side="right") - 1
    return np.where(np.isnat(values) | (values > quarters[-1].last_day.to_datetime64()), -1, place)


def months_of(quarters: Sequence[Quarter]) -> list[pd.Timestamp]:
    """The first days of the months of these quarters."""
    return [quarter.start + pd.DateOffset(months=month) for quarter in quarters for month in range(3)]


def month_place(days: pd.Series, quarters: Sequence[Quarter]) -> Ints:
    """Which month of the consecutive quarters each day falls in; −1 for none."""
    starts = np.array([month.to_datetime64() for month in months_of(quarters)])
    place = np.searchsorted(starts, days.to_numpy(), side="right") - 1
    return np.where(_place(days, quarters) < 0, -1, place)


def _keys(rows: pd.DataFrame, quarters: Sequence[Quarter], *columns: str) -> Ints:
    """One number for each row's quarter and columns; a row without a customer is like no other."""
    key = _place(rows["closed_on"], quarters).astype(np.int64)
    for column in columns:
        label, names = pd.factorize(rows[column])
        if column == "customer":
            alone = label < 0
            label = np.where(alone, len(names) + np.cumsum(alone), label)
        key = key * (int(label.max(initial=0)) + 2) + label + 1
    return key


def _likeness_of_sizes(won: pd.DataFrame, logs: Floats, sellers: Ints) -> float:
    """The correlation of the logarithms of two deals of one customer, partners' own levels taken out."""
    if not won["customer"].notna().any():
        return 0.0
    place = sellers + 1
    many = np.bincount(place)
    rest = logs - (np.bincount(place, weights=logs) / np.maximum(many, 1))[place]
    known = won["customer"].notna().to_numpy()
    clusters = pd.factorize(won["customer"])[0] * (len(many) + 1) + place
    variance = np.full(len(rest), (rest**2).sum() / max(len(rest) - (many > 0).sum(), 1))
    return correlation_within(rest[known], variance[known], clusters[known])


def _likeness_of_outcomes(ended: pd.DataFrame, quarters: Sequence[Quarter]) -> tuple[float, float]:
    """How alike the outcomes of one customer's deals are, and those of one partner's quarter beyond that.

    Around each partner's own rate, moved as the rate of all others is in the quarter. The second is the between-quarter
    variance by moments: T ÷ (T − 1) Σ(Σr)² less what independent deals and customers would give.
    """
    if not len(ended):
        return 0.0, 0.0
    won = (ended["status"] == "won").to_numpy(dtype=np.float64)
    seller = ended["partner_id"].cat.codes.to_numpy(dtype=np.int64) + 1
    place = _place(ended["closed_on"], quarters)
    n, sold = np.bincount(seller), np.bincount(seller, weights=won)
    usual = np.clip(sold / np.maximum(n, 1), 0, 1)
    rate = np.clip(usual[seller] * _others_rate(won, seller, place, len(quarters))[seller, place], 0, 1)
    variance = usual * (1 - usual) * n / np.maximum(n - 1, 1)
    rest = won - rate
    known = ended["customer"].notna().to_numpy()
    clusters = _keys(ended[known], quarters, "partner_id", "customer")
    alike = correlation_within(rest[known], variance[seller][known], clusters)
    together_in = _keys(ended, quarters, "partner_id")
    _, first, quarter, sizes = np.unique(together_in, return_index=True, return_inverse=True, return_counts=True)
    owner = seller[first]
    spans = np.bincount(owner, minlength=len(n))
    squares = np.bincount(owner, weights=np.bincount(quarter, weights=rest) ** 2, minlength=len(n))
    _, of, many = np.unique(clusters, return_index=True, return_counts=True)
    related = np.bincount(seller[known][of], weights=many * (many - 1.0), minlength=len(n)) * alike
    pairs = np.bincount(owner, weights=sizes * (sizes - 1.0), minlength=len(n))
    told = (spans > 1) & (n > 1)
    if (spans - 1)[told].sum() < FEWEST_MOVES:
        return alike, 0.0
    over = squares * spans / np.maximum(spans - 1, 1) - (n + related) * variance
    expected = float((pairs * variance)[told].sum())
    return alike, float(np.clip(over[told].sum() / expected, 0, 1)) if expected > 0 else 0.0


def _others_rate(won: Floats, seller: Ints, place: Ints, quarters: int) -> Floats:
    """For each partner and quarter the rate of all others in it, as a multiple of theirs in all; 1 without any."""
    size = (int(seller.max(initial=0)) + 1, quarters)
    cell = seller * quarters + place
    n, yes = (np.bincount(cell, weights=w, minlength=size[0] * quarters).reshape(size) for w in (None, won))
    n, yes = n.sum(axis=0) - n, yes.sum(axis=0) - yes
    rate = np.divide(yes, n, out=np.full(size, np.nan), where=n > 0)
    whole = np.divide(yes.sum(axis=1), n.sum(axis=1), out=np.full(size[0], np.nan), where=n.sum(axis=1) > 0)
    return np.nan_to_num(np.divide(rate, whole[:, None], out=np.ones(size), where=whole[:, None] > 0), nan=1.0)
