"""Wins month by month as a process: limits of chance variation, patterns that mark a chart, and the one test of them.

Limits and rules are those of an XmR chart (Wheeler & Chambers 1992; NHS, Making Data Count): the mean of the months,
2.66 mean moving ranges to either side, and four patterns that chance rarely makes. Each month counts beside what its
season lets expect. A mark only draws the eye: among so many months and partners chance makes many. Whether a partner's
last months are news a simulated p-value says, in the one family of all tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import won_between
from partnerkpi.experience import Floats, Ints
from partnerkpi.findings.chance import p_of, z_of
from partnerkpi.findings.past import usual_win
from partnerkpi.findings.signal import Found, ids_of, kept, nobody
from partnerkpi.network import month_place, months_of, paces, places_of, presence
from partnerkpi.periods import Quarter

#: Months looked at; with fewer than so many the limits are too uncertain, with fewer wins a month they mean nothing.
MONTHS, FEWEST_MONTHS, FEWEST_A_MONTH = 24, 12, 1.0
#: From the mean moving range to the distance of the limits from the mean: 3 ÷ 1.128.
LIMITS = 2.66
#: So many months in a row on one side of the mean, and so many points that each lie above (below) the one before.
RUN = TREND = 7
#: The patterns, and in which order one is named where several hold.
BEYOND, RUNNING, TRENDING, OUTER = RULES = ("beyond", "run", "trend", "outer")
#: Chance is simulated at these paces (wins a month), and told between them; above the last it hardly depends on it.
PACES = np.geomspace(1.0, 32.0, 8)
#: So many series are drawn at a pace at first, and so many where a pattern is rarer than `RARE` among those.
DRAWN, DRAWN_OF_RARE, RARE = 4_000, 50_000, 0.02


def months(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Wins of the last 24 complete months of everything in the book, with their limits and marks.

    Columns: `month` (its first day), `count`, `mean`, `low`, `high` (what the season of the month lets expect, and the
    limits around it, in wins; missing with fewer than twelve months, or a mean below one win a month) and `rule`: which
    pattern the month is part of, empty for none. Months before the records, or membership, can show wins are left out.
    """
    quarters = quarter.back(MONTHS // 3 + (not quarter.complete))
    counts = _counts(book, quarters, pd.Index([]))[-1]
    first = [month for month in months_of(quarters) if month + pd.DateOffset(months=1) <= _day_after(quarter)]
    length = min(_length(presence(book, quarters)[None, :], quarters)[0], 3 * len(quarters))
    begin = max(3 * len(quarters) - length, len(first) - MONTHS)
    counts, first = counts[begin : len(first)], first[begin:]
    usual = _season(book, quarters)[begin : begin + len(first)]
    table = pd.DataFrame({"month": pd.Series(first, dtype="datetime64[s]"), "count": counts})
    even = counts / usual
    if len(first) < FEWEST_MONTHS or even.mean() < FEWEST_A_MONTH:
        return table.assign(mean=np.nan, low=np.nan, high=np.nan, rule="")
    mean, reach = limits(even)
    return table.assign(
        mean=mean * usual,
        low=np.maximum(mean - reach, 0) * usual,
        high=(mean + reach) * usual,
        rule=marks(even),
    )


def limits(values: Floats) -> tuple[Floats, Floats]:
    """The mean of a series (first axis) and how far from it its limits lie.

    >>> [float(x) for x in limits(np.array([3.0, 5.0, 4.0, 4.0]))]
    [4.0, 2.66]
    """
    return values.mean(axis=0), LIMITS * np.abs(np.diff(values, axis=0)).mean(axis=0)


def marks(values: Floats) -> list[str]:
    """Of each month the first rule that marks it, empty for none.

    `beyond` the limits; in a `run` of seven or more on one side of the mean (one on it ends the run); in a `trend` of
    seven or more points, six rises or falls in a row; one of two of three months in the `outer` third between mean and
    limit, or beyond, on one side.
    """
    mean, reach = limits(values)
    side, step = np.sign(values - mean), np.sign(np.diff(values, prepend=values[:1]))
    away = (values - mean) / reach if reach > 0 else np.zeros_like(values)
    marked = {rule: np.zeros(len(values), dtype=bool) for rule in RULES}
    marked[BEYOND] = np.abs(away) > 1
    runs, rises = _in_a_row(side), _in_a_row(step)
    for month in range(len(values)):
        if runs[month] >= RUN:
            marked[RUNNING][month - runs[month] + 1 : month + 1] = True
        if rises[month] >= TREND - 1:
            marked[TRENDING][month - rises[month] : month + 1] = True
        near = np.arange(max(month - 2, 0), month + 1)
        for sign in (-1, 1):
            outer = near[sign * away[near] > 2 / 3]
            if len(outer) >= 2:
                marked[OUTER][outer] = True
    return [next((rule for rule in RULES if marked[rule][month]), "") for month in range(len(values))]


def wins_of_months(book: Book, quarter: Quarter) -> Found:
    """The rarest pattern of wins per month that ends in a complete quarter, among two years of months.

    For each of the last three months: how far it lies from the mean, how long the run on its side and the rise or fall
    to it last, and how far out the second of the last three is. Each has the tail it would have were the months
    independent and normal. The smallest of either side is what is found, and twice how often chance at the partner's
    constant pace makes one as small is `p` (`chance_of_patterns`). `value` wins beside `usual` ones: of the months of
    the pattern; of a trend the last month beside the one it began with. `effect` is how many months; `label` the
    pattern and its last month, `n` the wins of the pattern's months.
    """
    if not quarter.complete or not len(book.partners):
        return nobody()
    quarters = quarter.back(MONTHS // 3)
    ids, _, there = paces(book, quarters)
    counts, lengths = _counts(book, quarters, ids)[:-1], _length(there, quarters)
    usual = _season(book, quarters)
    even = counts / usual
    pace = np.array([even[i, MONTHS - n :].mean() if n else 0.0 for i, n in enumerate(lengths)])
    told = (lengths >= FEWEST_MONTHS) & (pace >= FEWEST_A_MONTH)
    columns: dict[str, Floats] = {name: np.full(len(ids), np.nan) for name in ("z", "value", "usual", "effect")}
    first, label = np.full(len(ids), MONTHS), np.full(len(ids), "", dtype=object)
    starts = months_of(quarters)
    for length in np.unique(lengths[told]):
        mine = np.flatnonzero(told & (lengths == length))
        tails, signs, sizes = patterns(even[mine, MONTHS - length :].T)
        sides = smallest_tails(tails, signs)
        falls, rises = chance_of_patterns(book, quarter, pace[mine], int(length), sides)
        columns["z"][mine] = z_of(falls, rises)
        shown = np.where(signs == np.where(falls < rises, -1, 1), tails, np.inf).argmin(axis=0)
        size = np.take_along_axis(sizes, shown[None, :], axis=0)[0]
        for i, place, many in zip(mine, shown, size, strict=True):
            rule, end = RULES[place % len(RULES)], MONTHS - 3 + place // len(RULES)
            span = slice(end - int(many) + 1, end + 1)
            trending = rule == TRENDING
            columns["value"][i] = counts[i, end] if trending else counts[i, span].sum()
            columns["usual"][i] = counts[i, span][0] if trending else pace[i] * usual[span].sum()
            columns["effect"][i], first[i], label[i] = many, span.start, f"{rule} {starts[end]:%Y-%m}"
    won = book.deals[["deal_id", "partner_id", "status", "closed_on"]]
    won = won_between(won, quarters[0].start, quarter.last_day)
    seller = places_of(won["partner_id"], ids)
    last = np.array([first[i] + columns["effect"][i] - 1 if told[i] else -1 for i in range(len(ids))])
    place = month_place(won["closed_on"], quarters)
    inside = (seller >= 0) & (place >= first[seller]) & (place <= last[seller])
    n = np.bincount(seller[inside], minlength=len(ids))
    expected = pace * usual[-3:].sum()
    stake = np.abs(expected - counts[:, -3:].sum(axis=1)) * usual_win(book, quarter)
    rows = ids_of(won[inside], "deal_id")
    z = columns.pop("z")
    return kept(told, n, columns.pop("value"), ids, rows, **columns, z=z, p=p_of(z), stake=stake, label=label)


def patterns(values: Floats) -> tuple[Floats, Floats, Floats]:
    """What the last three months of series (months × series) end: for each month and rule the tail, side, and length.

    Lines are the rules of the third month from the end, of the second and of the last one. The tail is the chance, on
    one side, of independent normal months to reach as far.
    """
    from scipy.special import ndtr

    mean, reach = limits(values)
    away = np.divide(3 * (values[-5:] - mean), reach, out=np.zeros(values[-5:].shape), where=reach > 0)
    runs = _in_a_row(np.sign(values - mean))
    rises = _in_a_row(np.sign(np.diff(values, axis=0, prepend=values[:1])))
    half = 0.5 ** np.arange(len(values) + 1)
    ordered = np.array([1 / factorial(rises_in_a_row + 1) for rises_in_a_row in range(len(values))])
    tails, signs, sizes = [], [], []
    for month in (-3, -2, -1):
        end = len(away) + month
        middle = np.median(away[end - 2 : end + 1], axis=0)
        out = ndtr(-np.abs(middle))
        run, rise = runs[month], rises[month]
        tails += [ndtr(-np.abs(away[month])), half[run], ordered[rise], out**2 * (3 - 2 * out)]
        signs += [np.sign(one) for one in (away[month], away[month], values[month] - values[month - 1], middle)]
        sizes += [np.ones_like(run), np.maximum(run, 1), rise + 1, np.full_like(run, 3)]
    return np.array(tails), np.array(signs), np.array(sizes)


def smallest_tails(tails: Floats, signs: Floats) -> Floats:
    """Of what `patterns` gives the smallest tail of each series: of patterns below, and of those above what is usual.

    Counts reach further up than down, so that either side has a chance of its own.
    """
    return np.array([np.where(signs == sign, tails, 1.0).min(axis=0) for sign in (-1, 1)])


def chance_of_patterns(book: Book, quarter: Quarter, pace: Floats, length: int, tails: Floats) -> Floats:
    """How often chance at a constant pace (wins a month) makes as small a tail, on either side, in so many months.

    From simulated series at the two nearest of `PACES`, a pace told between them; few series first, many more
    where a pattern is rare among these (Besag & Clifford 1991): never below one in the number drawn. `tails` and the
    answer have a line for patterns below what is usual and one for those above.
    """
    place = np.interp(np.log(pace), np.log(PACES), np.arange(len(PACES)))
    p = _between(book, quarter, place, length, tails, DRAWN)
    rare = np.flatnonzero(p.min(axis=0) < RARE)
    p[:, rare] = _between(book, quarter, place[rare], length, tails[:, rare], DRAWN_OF_RARE)
    return p


def _between(book: Book, quarter: Quarter, place: Floats, length: int, tails: Floats, draws: int) -> Floats:
    low = np.minimum(place.astype(int), len(PACES) - 2)
    p = np.empty((2, *tails.shape))
    for near, at in enumerate((low, low + 1)):
        for pace in np.unique(at):
            drawn = _drawn(book, quarter, int(pace), length, draws)
            for side, mine in ((side, at == pace) for side in (0, 1)):
                found = np.searchsorted(drawn[side], tails[side, mine] * (1 + 1e-9), side="right")
                p[near, side, mine] = (found + 1) / (drawn.shape[1] + 1)
    share = place - low
    return np.asarray(np.exp((1 - share) * np.log(p[0]) + share * np.log(p[1])))


def _drawn(book: Book, quarter: Quarter, pace: int, length: int, draws: int) -> Floats:
    """The smallest tails, on either side, of so many series of months drawn at one of the `PACES`, in order."""

    def drawn() -> Floats:
        known = book.others.experience(quarter)
        draw = np.random.default_rng([*b"months", pace, length, draws])
        usual = _season(book, quarter.back(length // 3))[:, None]
        expected = PACES[pace] * usual * np.ones(draws)
        of_quarter = PACES[pace] * usual.reshape(-1, 3).sum(axis=1)[:, None]
        moved = known.pace + (known.orders - 1) / of_quarter  # as counts of a quarter vary: orders × mean + φ × mean²
        if moved.min() > 1e-6:
            expected *= draw.gamma(1 / moved, moved, (length // 3, draws)).repeat(3, axis=0)
        even = draw.poisson(expected) / usual
        tails, signs, _ = patterns(even[:, even.mean(axis=0) >= FEWEST_A_MONTH])  # others are not told
        return np.sort(smallest_tails(tails, signs), axis=1)

    answer: Floats = book.once(("patterns by chance", quarter, pace, length, draws), drawn)
    return answer


def _in_a_row(signs: Floats) -> Ints:
    """For each place (first axis) how many of the same sign, not nought, end with it."""
    many = np.zeros(signs.shape, dtype=np.int64)
    for place, sign in enumerate(signs):
        before = many[place - 1] * (sign == signs[place - 1]) if place else 0
        many[place] = np.where(sign == 0, 0, before + 1)
    return many


def _counts(book: Book, quarters: Sequence[Quarter], ids: pd.Index) -> Floats:
    """Wins of each of these partners (rows) in each month of these quarters; in the last row those of everybody."""
    won = book.deals[["partner_id", "status", "closed_on"]]
    won = won_between(won, quarters[0].start, quarters[-1].last_day)
    seller, place = places_of(won["partner_id"], ids), month_place(won["closed_on"], quarters)
    width = 3 * len(quarters)
    mine = seller >= 0
    counts = np.bincount(seller[mine] * width + place[mine], minlength=len(ids) * width).reshape(len(ids), width)
    return np.vstack([counts, np.bincount(place, minlength=width)]).astype(np.float64)


def _length(there: Floats, quarters: Sequence[Quarter]) -> Ints:
    """How many months of whole quarters, as far as they are over, each was there up to the last of them."""
    over = np.array([quarter.days_so_far / quarter.days for quarter in quarters])
    whole = there >= over - 1e-9
    return np.asarray(3 * np.cumprod(whole[:, ::-1], axis=1).sum(axis=1))


def _season(book: Book, quarters: Sequence[Quarter]) -> Floats:
    """What the season lets expect of each month of these quarters, 1 on average of a year."""
    factor = book.others.experience(quarters[-1]).months
    return np.array([factor[3 * (quarter.number - 1) + month] for quarter in quarters for month in range(3)])


def _day_after(quarter: Quarter) -> pd.Timestamp:
    return quarter.last_day + pd.Timedelta(days=1)
