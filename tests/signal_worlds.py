"""Networks of identical partners, and ones with a planted effect: what signals should be silent about, and what not.

Every deal of a network has a place, a product, a channel, a customer, and who brought it; some registrations are
refused, some leads come to nothing: all that any test looks at is there, so that no test is spared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
from worlds import AS_OF, FIRST

from partnerkpi.book import Book
from partnerkpi.book.labels import as_label
from partnerkpi.book.past import spells_of
from partnerkpi.book.prospects import prospects_of
from partnerkpi.opening import book_of
from partnerkpi.others import Computed

#: Quarters drawn: three before the book begins, so that it begins full, twelve of the book.
BEFORE, QUARTERS = 3, 12
STARTS = (pd.date_range("2022-04-01", periods=BEFORE + QUARTERS + 1, freq="QS") - FIRST).days.to_numpy()
#: The day from which a planted effect holds: the first of the last four quarters.
CHANGED = int((pd.Timestamp("2025-01-01") - FIRST).days)
REGIONS, PRODUCTS = ("Centre", "North", "South", "West"), ("Care", "Duetto", "Maestro", "Piccolo")
CHANNELS = {"display": "paid", "newsletter": "owned", "press": "earned", "referral": "earned", "website": "owned"}
REGION_ODDS = np.array([1.0, 0.4, 1.8, 1.1])
PRODUCT_ODDS, PRICE = np.array([1.4, 1.0, 0.75, 1.15]), np.array([1600.0, 5600.0, 12000.0, 2800.0])
PACE = np.array([0.65, 1.0, 1.35, 0.85])  # of the usual days to a decision
CHANNEL_ODDS = np.array([0.7, 1.0, 1.0, 1.45, 1.0])
SEASON_ODDS = np.array([0.60, 0.65, 0.80, 1.00, 1.25, 1.60, 1.75, 1.50, 1.00, 0.80, 0.65, 0.60])
SEASON_ENTRIES = np.array([1.03, 1.2, 0.85, 0.92])
ODDS, DAYS, SPREAD, SIGMA = 0.5, 75.0, 0.6, 0.65
REFUSED, CONFLICT, BROUGHT, NEVER, ABANDONED, LEADS = 0.1, 0.03, 0.7, 0.04, 0.25, 0.3


@dataclass(frozen=True)
class Network:
    """How its partners live, all of them alike; every `one_in`-th has the planted effect."""

    name: str
    partners: int = 24
    deals: float = 12.5  # entered by a partner in a quarter
    season: bool = False
    homes: bool = False  # each partner is at home in a region, where seven of ten of its deals are
    pace_cv: float = 0.0
    rate_sd: float = 0.0  # of a partner's odds, as a logarithm, from quarter to quarter
    order: int = 1  # deals of one customer, half of them alike in outcome
    effect: str = ""  # what some partners have: `rate`, `wins`, `sizes`, `days`
    factor: float = 1.0
    lasting: bool = False  # has always had, not only in the last four quarters
    one_in: int = 12  # of more than a tenth it would be the network's own spread

    def planted(self) -> np.ndarray:
        """True for the partners that have the effect."""
        return np.asarray((np.arange(self.partners) % self.one_in == 0) & (self.factor != 1))


NULLS = (
    Network("identical"),
    Network("season and places", season=True, homes=True),
    Network("over-dispersed", season=True, pace_cv=0.5, rate_sd=0.4),
    Network("customers of three", season=True, order=3),
)
EFFECTS = (
    *(Network(f"close rate × {f}", effect="rate", factor=f) for f in (0.5, 0.67)),
    *(Network(f"close rate always × {f}", effect="rate", factor=f, lasting=True) for f in (0.5, 0.67)),
    *(Network(f"wins − {1 - f:.0%}", effect="wins", factor=f) for f in (0.4, 0.7)),
    Network("sizes × 0.5", effect="sizes", factor=0.5),
    Network("sizes always × 0.5", effect="sizes", factor=0.5, lasting=True),
    Network("days always × 1.5", effect="days", factor=1.5, lasting=True),
)
EFFECTS = tuple(replace(n, season=True, homes=True) for n in EFFECTS)


def network(world: Network, seed: int) -> Book:
    """One book drawn from a network, exported on the last day of 2025."""
    draw = np.random.default_rng([seed, *map(ord, world.name), world.partners])
    size = (world.partners, BEFORE + QUARTERS)
    wanted = np.full(size, world.deals / world.order)
    if world.season:
        wanted *= SEASON_ENTRIES[np.arange(-BEFORE, QUARTERS) % 4]
    if world.pace_cv:
        wanted *= draw.gamma(1 / world.pace_cv**2, world.pace_cv**2, size)
    mood = np.exp(draw.normal(0, world.rate_sd, size)) if world.rate_sd else np.ones(size)
    deals = _entered(world, draw, draw.poisson(wanted), world.order)
    leads = _entered(world, draw, draw.poisson(wanted * world.order * LEADS), 1)
    return _book(world, _lived(world, draw, deals, mood), _answered(draw, leads))


def _entered(world: Network, draw: np.random.Generator, orders: np.ndarray, each: int) -> pd.DataFrame:
    """What is entered, one row each, with everything that is known on that day."""
    partner, quarter = (place.repeat(orders.ravel()) for place in np.indices(orders.shape).reshape(2, -1))
    begin = STARTS[quarter] + (draw.random(len(partner)) * np.diff(STARTS)[quarter]).astype(int)
    shared, luck = draw.random(len(partner)) < 0.5, draw.random(len(partner))
    customer = draw.integers(0, 9000, len(partner)) if each == 1 else np.arange(len(partner))
    row = np.arange(len(partner)).repeat(each)
    n = len(row)
    region = draw.integers(0, 4, n)
    if world.homes:
        region = np.where(draw.random(n) < 0.6, partner[row] % 4, region)
    return pd.DataFrame(
        {
            "partner": partner[row],
            "customer": customer[row],
            "created": begin[row],
            "luck": np.where(shared[row] & (each > 1), luck[row], draw.random(n)),
            "region": region,
            "product": draw.choice(4, n, p=[0.18, 0.32, 0.15, 0.35]),
            "channel": draw.integers(0, len(CHANNELS), n),
            "brought": draw.random(n) < BROUGHT,
        }
    )


def _lived(world: Network, draw: np.random.Generator, rows: pd.DataFrame, mood: np.ndarray) -> pd.DataFrame:
    """What became of deals: status, day, reason, amount."""
    n = len(rows)
    partner, created, product = (rows[c].to_numpy() for c in ("partner", "created", "product"))
    planted = world.planted()[partner]
    slower = np.where(planted & (world.effect == "days"), world.factor, 1.0)
    days = np.exp(draw.normal(np.log(DAYS * PACE[product] * slower), SPREAD)).astype(int) + 1
    closed = created + days
    late = planted & (world.lasting | (closed >= CHANGED))
    quarter = np.clip(np.searchsorted(STARTS, closed, side="right") - 1, 0, len(STARTS) - 2)
    odds = ODDS * REGION_ODDS[rows["region"]] * PRODUCT_ODDS[product] * CHANNEL_ODDS[rows["channel"]]
    odds = odds * mood[partner, quarter]
    if world.season:
        month = (FIRST.to_datetime64() + closed * np.timedelta64(1, "D")).astype("datetime64[M]").astype(int) % 12
        odds = odds * SEASON_ODDS[month]
    chance = odds / (1 + odds) * np.where(late & (world.effect == "rate"), world.factor, 1.0)
    won = rows["luck"].to_numpy() < chance
    status = np.where(won, "won", np.where(draw.random(n) < ABANDONED, "abandoned", "lost")).astype(object)
    answer = draw.random(n)
    refused = rows["brought"].to_numpy() & (answer < REFUSED + CONFLICT)
    closed = np.where(refused, created + draw.integers(2, 15, n), closed)
    status = np.where(refused, "rejected", status)
    last = int((AS_OF - FIRST).days)
    open_ = ~refused & ((closed > last) | (draw.random(n) < NEVER))
    smaller = np.where(late & (world.effect == "sizes"), world.factor, 1.0)
    amount = PRICE[product] * smaller * np.exp(draw.normal(0, SIGMA, n) - SIGMA**2 / 2)
    kept = (created >= 0) & (created <= last)
    kept &= ~(late & (world.effect == "wins") & (draw.random(n) > world.factor))
    reason = np.where(refused & (answer < CONFLICT), "conflict", None)
    lived = rows.assign(closed=closed, status=np.where(open_, "open", status), amount=amount.round(2), reason=reason)
    return lived[kept].reset_index(drop=True)


def _answered(draw: np.random.Generator, rows: pd.DataFrame) -> pd.DataFrame:
    """What became of leads that never were a deal."""
    last = int((AS_OF - FIRST).days)
    status = draw.choice(["lost", "rejected", "abandoned", "open"], len(rows), p=[0.42, 0.18, 0.15, 0.25])
    closed = rows["created"].to_numpy() + draw.integers(3, 60, len(rows))
    answered = rows.assign(closed=closed, status=np.where(closed > last, "open", status))
    return answered[answered["created"].between(0, last)].reset_index(drop=True)


@cache
def _template() -> Book:
    known = "region,product,channel"
    return book_of(
        as_of="2025-12-31",
        deals=f"deal_id,created_on,status,closed_on,amount,partner_id,customer,sourced,reason,{known}\n"
        "D,2023-01-01,won,2023-02-01,1.00,P-000,C,partner,,Centre,Care,press\n"
        "E,2023-01-01,rejected,2023-02-01,1.00,P-000,C,partner,conflict,Centre,Care,press\n"
        "F,2023-01-01,open,,1.00,P-000,C,vendor,,Centre,Care,press\n",
        leads=f"lead_id,created_on,partner_id,status,closed_on,{known}\nL,2023-01-01,P-000,open,,Centre,Care,press\n",
        partners="partner_id,name,joined_on\nP-000,P-000,\n",
        channels="channel,media\n" + "".join(f"{name},{media}\n" for name, media in CHANNELS.items()),
    )


def _days(values: np.ndarray) -> pd.Series:
    return pd.Series(FIRST.to_datetime64() + values * np.timedelta64(1, "D")).dt.as_unit("s")


def _labels(values: np.ndarray, names: tuple[str, ...]) -> pd.Series:
    return as_label(pd.Series(pd.Categorical.from_codes(values, pd.Index(names, dtype="str"))))


def _known(rows: pd.DataFrame, key: str, partners: tuple[str, ...]) -> dict[str, pd.Series]:
    """The columns that deals and leads have in common."""
    return {
        f"{key}_id": pd.Series(key[0].upper() + rows.index.astype(str), dtype="str"),
        "created_on": _days(rows["created"].to_numpy()),
        "closed_on": _days(rows["closed"].to_numpy()).mask(rows["status"].eq("open")),
        "status": as_label(rows["status"].astype("str")),
        "partner_id": _labels(rows["partner"].to_numpy(), partners),
        "region": _labels(rows["region"].to_numpy(), REGIONS),
        "product": _labels(rows["product"].to_numpy(), PRODUCTS),
        "channel": _labels(rows["channel"].to_numpy(), tuple(CHANNELS)),
    }


def _book(world: Network, deals: pd.DataFrame, leads: pd.DataFrame) -> Book:
    """The book of these rows, as if it had been read."""
    like = _template()
    frames = {name: like.table(name) for name in like._frames}
    ids = tuple(f"P-{number:03}" for number in range(world.partners))
    names = pd.Series(ids, dtype="str")
    currency = pd.Series(["EUR"] * len(deals), dtype="str")
    frames["deals"] = (
        frames["deals"]
        .iloc[:0]
        .reindex(range(len(deals)))
        .assign(
            **_known(deals, "deal", ids),
            amount=deals["amount"],
            amount_original=deals["amount"],
            customer=pd.Series("C" + deals["customer"].astype(str), dtype="str"),
            sourced=as_label(pd.Series(np.where(deals["brought"], "partner", "vendor"), dtype="str")),
            reason=deals["reason"].astype("str"),
            currency=as_label(currency),
        )
    )
    frames["leads"] = frames["leads"].iloc[:0].reindex(range(len(leads))).assign(**_known(leads, "lead", ids))
    partners = frames["partners"].iloc[:0].reindex(range(world.partners))
    frames["partners"] = partners.assign(partner_id=as_label(names), name=names)
    frames["spells"] = spells_of(frames["deals"], frames["history"], AS_OF)
    frames["prospects"] = prospects_of(frames["deals"], frames["leads"])
    return Computed(lambda others: replace(like, _frames=frames, others=others)).whole
