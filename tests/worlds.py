"""Worlds whose truth is known and whose shape is not what the methods assume, as books of eight sizes of partner.

A world says how partners really live: paces that move, sales that come in orders, giants, seasons, growth, joiners,
deals nobody decides. `book_of_world` draws one network of such partners and gives the book and each partner's truth.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.labels import as_label
from partnerkpi.book.past import spells_of
from partnerkpi.book.prospects import prospects_of
from partnerkpi.opening import book_of
from partnerkpi.others import Computed

AS_OF = pd.Timestamp("2025-12-31").as_unit("s")
QUARTERS, BEFORE, AFTER = 12, 3, 5  # of the book; drawn before it begins, so that it begins full, and after it ends
FIRST = pd.Timestamp("2023-01-01").as_unit("s")
STARTS = (pd.date_range("2022-04-01", periods=BEFORE + QUARTERS + AFTER + 1, freq="QS") - FIRST).days.to_numpy()
#: Expected wins of a quarter, and how many partners have so many.
PACES = np.repeat([1.5, 2.5, 5, 8, 12, 20, 50, 200], 4)
NAMES = [f"P-{p:02}" for p in range(len(PACES))]
STATUSES = ["lost", "open", "won"]
RATE, MEDIAN, SPREAD = 0.3, 70.0, 0.6  # of a win; days to a win, and the standard deviation of their logarithm


@dataclass(frozen=True)
class World:
    """How partners live; the defaults are a textbook's: a steady pace, independent sales, log-normal sizes of σ 1."""

    name: str
    pace_cv: float = 0.0
    order: int = 1  # deals of one customer
    alike: float = 0.0  # share of customers all of whose deals end alike; half of the size's variance is the customer's
    giants: tuple[float, float] = (0.0, 1.0)  # their share, and how many times the usual size
    pareto: float = 0.0
    sigma: float = 1.0
    season: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    growth: float = 1.0  # entries at the end, as a multiple of those two years before
    joined: int = 0  # days before the export, of every second partner
    undecided: float = 0.0
    rate_sd: float = 0.0  # of the partner's rate from quarter to quarter
    fall: float = 0.0  # by how much fewer wins than usual every third partner has in the last quarter
    slower: float = 1.0  # how many times longer deals of every third partner take that entered in the last year
    part: float = 1.0  # of the usual pace


TEXTBOOK = World("textbook")
WORLDS = (
    TEXTBOOK,
    *(World(f"pace cv {cv}", pace_cv=cv) for cv in (0.5, 0.7, 1.0)),
    World("orders of three", order=3, alike=1.0),
    World("3 deals a customer", order=3, alike=0.5),
    World("6 deals a customer", order=6, alike=0.5),
    World("giants 3 % × 60", giants=(0.03, 60)),
    World("giants 8 % × 40", giants=(0.08, 40)),
    World("Pareto 1.5", pareto=1.5),
    World("Pareto 2.2", pareto=2.2),
    World("log-normal σ 2", sigma=2.0),
    World("season", season=(0.5, 1.5, 1.3, 0.7)),
    World("entries × 4", growth=4),
    World("entries × 10", growth=10),
    World("dying", growth=0.25),
    World("joined 150 days ago", joined=150),
    World("joined 300 days ago", joined=300),
    World("40 % never decided", undecided=0.4),
    World("rates that move", rate_sd=0.1),
)


@dataclass(frozen=True)
class Truth:
    """What an estimate of the last quarter should find, for each partner in the order of their ids."""

    pace: np.ndarray
    mean_size: float
    median_size: float
    rate: float
    followed: np.ndarray  # days a partner's deals can have been followed


def book_of_world(world: World, seed: int) -> tuple[Book, Truth]:
    """One network drawn from a world, its export on the last day of 2025, and its truth."""
    draw = np.random.default_rng([seed, *map(ord, world.name)])
    partners = len(PACES)
    step = np.log(world.growth) / 8
    quarters = np.arange(-BEFORE, QUARTERS + AFTER)
    growth = np.exp(step * (quarters - (QUARTERS - 1)))
    season = np.array(world.season)[quarters % 4]
    steady = world.growth == 1
    moved = draw.gamma(1 / world.pace_cv**2, world.pace_cv**2, (partners, len(quarters))) if world.pace_cv else 1.0
    wanted = PACES[:, None] * growth * season * moved / RATE / world.order / (1 - world.undecided)
    wanted = np.broadcast_to(wanted, (partners, len(quarters))).copy()
    wanted *= world.part
    wanted[::3, BEFORE + QUARTERS - 1] *= 1 - world.fall
    orders = draw.poisson(wanted)
    partner, quarter = (place.repeat(orders.ravel()) for place in np.indices(orders.shape).reshape(2, -1))
    rates = np.full(orders.shape, RATE)
    if world.rate_sd:
        strength = RATE * (1 - RATE) / world.rate_sd**2 - 1
        rates = draw.beta(RATE * strength, (1 - RATE) * strength, orders.shape)
    shared = draw.random(len(partner)) < world.alike
    luck = draw.random(len(partner))
    customer = np.arange(len(partner)).repeat(world.order)
    partner, quarter = partner[customer], quarter[customer]
    luck = np.where(shared[customer], luck[customer], draw.random(len(customer)))
    won = luck < rates[partner, quarter]
    never = draw.random(len(customer)) < world.undecided
    days = np.exp(np.where(won, draw.normal(np.log(MEDIAN), SPREAD, len(won)), draw.normal(np.log(60), 0.8, len(won))))
    late = (partner % 3 == 0) & (quarter >= BEFORE + QUARTERS - 4)
    days = days * np.where(late, world.slower, 1.0)
    day = STARTS[quarter] + (draw.random(len(won)) * np.diff(STARTS)[quarter]).astype(int)
    # A pace is one of wins where nothing grows: the day is that of closing; a growth is one of entries.
    closing = steady and not world.undecided and world.slower == 1
    created, closed = (day - days.astype(int), day) if closing else (day, day + days.astype(int))
    begun = np.zeros(partners, dtype=int)
    if world.joined:
        begun[::2] = (AS_OF - FIRST).days - world.joined
    last = (AS_OF - FIRST).days
    kept = (created >= begun[partner]) & (created <= last)
    open_ = never | (closed > last)
    size, mean, median = _sizes(world, draw, customer)
    row = pd.DataFrame({"partner": partner, "customer": customer, "amount": size, "created": created, "closed": closed})
    row["status"] = np.select([open_, won], [1, 2], 0)  # places in STATUSES
    book = _book(row[kept].reset_index(drop=True))
    pace = PACES * world.season[(QUARTERS - 1) % 4] * (1.0 if steady else _wins_now(growth))
    return book, Truth(pace, mean, median, RATE, last - begun)


def _wins_now(growth: np.ndarray) -> float:
    """Wins of the last quarter per unit of pace where entries grow: the share of each quarter's that falls in it."""
    days = np.exp(np.random.default_rng(1).normal(np.log(MEDIAN), SPREAD, 5000)).astype(int)
    first, end = STARTS[BEFORE + QUARTERS - 1], STARTS[BEFORE + QUARTERS]
    total = 0.0
    for at, (begin, until) in enumerate(itertools.pairwise(STARTS[: BEFORE + QUARTERS + 1])):
        closes = np.arange(begin, until)[:, None] + days
        total += growth[at] * ((closes >= first) & (closes < end)).mean()
    return float(total)


def _sizes(world: World, draw: np.random.Generator, customer: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Sizes to the cent around 1,000, and the true mean and median."""
    n = len(customer)
    if world.pareto:
        size = 1000 * (1 - draw.random(n)) ** (-1 / world.pareto)
        return size.round(2), 1000 * world.pareto / (world.pareto - 1), 1000 * 2 ** (1 / world.pareto)
    of_customer = draw.normal(0, 1, customer.max(initial=0) + 1)[customer]
    part = 0.5 if world.order > 1 else 0.0
    logs = world.sigma * (np.sqrt(part) * of_customer + np.sqrt(1 - part) * draw.normal(0, 1, n))
    share, times = world.giants
    giant = draw.random(n) < share
    size = 1000 * np.exp(logs) * np.where(giant, times, 1.0)
    mean = 1000 * np.exp(world.sigma**2 / 2) * (1 + share * (times - 1))
    return size.round(2), mean, _median(world)


@cache
def _median(world: World) -> float:
    """The median of the mixture of usual sizes and giants."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    share, times = world.giants

    def below(size: float) -> float:
        usual, giant = (norm.cdf(np.log(size / (1000 * t)) / world.sigma) for t in (1, times))
        return float((1 - share) * usual + share * giant - 0.5)

    return float(brentq(below, 1, 1e6))


@cache
def _template() -> Book:
    return book_of(
        as_of="2025-12-31",
        deals="deal_id,created_on,status,closed_on,amount,partner_id,customer\n"
        "D,2023-01-01,won,2023-02-01,1.00,P-00,C\nE,2023-01-01,lost,2023-02-01,1.00,P-00,C\n"
        "F,2023-01-01,open,,1.00,P-00,C\n",
        partners="partner_id,name,joined_on\nP-00,P-00,\n",
    )


@cache
def _every_id(letter: str) -> pd.Series:
    return pd.Series([f"{letter}{k}" for k in range(200_000)], dtype="str")


def _ids(letter: str, n: int) -> pd.Series:
    """So many different ids: D0, D1 …"""
    return _every_id(letter).iloc[:n]


def _label(places: pd.Series | np.ndarray, names: list[str]) -> pd.Series:
    """The names at these places as labels: as `as_label` makes them, of those that occur."""
    used, codes = np.unique(np.asarray(places), return_inverse=True)
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index([names[u] for u in used], dtype="str")))


def _book(rows: pd.DataFrame) -> Book:
    """The book of these deals, as if it had been read."""
    like = _template()
    frames = {name: like.table(name) for name in like._frames}
    day = np.timedelta64(1, "D")
    base = FIRST.to_datetime64()
    deals = frames["deals"].iloc[:0].reindex(range(len(rows)))
    closed = pd.Series(base + rows["closed"].to_numpy() * day).mask(rows["status"] == STATUSES.index("open"))
    deals = deals.assign(
        deal_id=_ids("D", len(rows)),
        created_on=pd.Series(base + rows["created"].to_numpy() * day).dt.as_unit("s"),
        closed_on=closed.dt.as_unit("s"),
        status=_label(rows["status"], STATUSES),
        amount=rows["amount"].to_numpy(),
        amount_original=rows["amount"].to_numpy(),
        partner_id=_label(rows["partner"], NAMES),
        customer=_ids("C", len(rows)).take(pd.factorize(rows["customer"])[0]).reset_index(drop=True),
        currency=_label(np.zeros(len(rows), dtype=np.int64), ["EUR"]),
    ).astype({c: frames["deals"][c].dtype for c in ("_record", "_line") if len(rows) == 0})
    frames["deals"] = deals
    names = pd.Series(NAMES, dtype="str")
    partners = frames["partners"].iloc[:0].reindex(range(len(PACES)))
    frames["partners"] = partners.assign(partner_id=as_label(names), name=names)
    frames["spells"] = spells_of(deals, frames["history"], AS_OF)
    frames["prospects"] = prospects_of(deals, frames["leads"])
    return Computed(lambda others: replace(like, _frames=frames, others=others)).whole
