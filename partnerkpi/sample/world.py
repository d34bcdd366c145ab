"""The world behind the sample book: Nevolina, a maker of ice-cream machines, and the companies that sell for it.

Everything here is a true parameter: `truth.py` writes these numbers down, `lives.py` lives them out. Partners are
numbered 0, 1, …; the number after the last one stands for deals without a partner. Every name is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from partnerkpi.sample.time_and_chance import Bools, Calendar, Draws, Floats, Ints, Record

REGIONS = ("Centre", "North", "South", "West")
COUNTRIES = {
    "Centre": ("DE", "CH", "AT"),
    "North": ("GB", "DK", "SE"),
    "South": ("IT", "ES", "PT"),
    "West": ("FR", "BE"),
}
CURRENCY = {"GB": "GBP", "CH": "CHF"}
RATES = {"EUR": 1.0, "GBP": 1.16, "CHF": 1.04}
TYPES = ("dealer", "distributor", "installer", "service firm")
TIERS = ("bronze", "gold", "silver")
PRODUCTS = ("Care", "Duetto", "Maestro", "Piccolo")
UNITS = ("Gastronomy", "Retail")
STAGES = ("Registered", "Qualified", "Demo", "Proposal", "Negotiation")
CHANNELS = {
    "chamber_of_commerce": "", "display": "paid", "newsletter": "owned", "paid_search": "paid", "press": "earned",
    "referral": "earned", "review_site": "earned", "trade_show": "paid", "webinar": "owned", "website": "owned",
    "whatsapp": "",
}  # fmt: skip
CHANNEL_NAMES = tuple(CHANNELS)

REGION_ODDS = np.array([1.0, 0.4, 1.8, 1.1])
PRODUCT_ODDS = np.array([1.4, 1.0, 0.75, 1.15])
PRODUCT_PRICE = np.array([1600.0, 5600.0, 12000.0, 2800.0])
PRODUCT_SHARE = np.array([0.18, 0.32, 0.15, 0.35])
PRODUCT_PACE = np.array([0.65, 1.0, 1.35, 0.85])
CHANNEL_ODDS = np.array([0.9, 0.7, 1.0, 0.9, 1.0, 1.45, 1.1, 1.15, 1.1, 1.0, 1.0])
CHANNEL_SHARE = np.array([0.03, 0.07, 0.10, 0.16, 0.05, 0.17, 0.05, 0.12, 0.06, 0.14, 0.05])
SEASON_ODDS = np.array([0.60, 0.65, 0.80, 1.00, 1.25, 1.60, 1.75, 1.50, 1.00, 0.80, 0.65, 0.60])
ENTRY_BY_MONTH = np.array([0.80, 1.00, 1.30, 1.35, 1.20, 1.05, 0.90, 0.75, 0.90, 0.95, 0.95, 0.85])
ENTRY_GROWTH_PER_YEAR = 0.06
QUICK_ODDS, SLOW_ODDS = 1.25, 0.8  # decided before, or after, the partner's usual time for the product
SIZE_SIGMA, PACE_SIGMA = 0.65, 0.6
ABANDONED_OF_NOT_WON = 0.25
NEVER_DECIDED = 0.04
REOPENED_OF_LOST = 0.08
NO_CHANNEL = 0.12
VENDOR_REFUSED = 0.04
TRANSFERRED = 0.02
GIANT_TIMES_MEAN = 60
LEAD_BESIDE_DEAL = 0.3
LEAD_OUTCOMES = {"lost": 0.42, "rejected": 0.18, "abandoned": 0.15, "open": 0.25}

PARTNERS = (
    ("Kältehaus Brandström", "SE"), ("Gelotecnica Aurelia", "IT"), ("Éclat Réfrigération", "FR"),
    ("Frío Sánchez e Hijos", "ES"), ("Maison Grelot", "BE"), ("Nordisk Iskraft", "DK"), ("Cremaviva", "IT"),
    ("Eiswerk Lindenau", "DE"), ("Glacier Conseil Vallombre", "FR"), ("Polaris Froid", "BE"), ("Dolce Brina", "IT"),
    ("Softeis Jürgensen", "DE"), ("Koelhuis De Wit", "BE"), ("Brightcone Catering", "GB"), ("Alpenfrost Zürcher", "CH"),
    ("Piccolo Banco Gelato", "IT"), ("Hotelausstatter Weißenbach", "AT"), ("Señor Helado", "ES"),
    ("Isbjørn Udstyr", "DK"), ("Ilha Fria", "PT"), ("Fønix Køkken", "DK"), ("Petit Givre", "FR"),
    ("Banchisa Nuova", "IT"), ("Frostfabrik Ålund", "SE"),
)  # fmt: skip
_STEMS = (
    "Glacé", "Frosta", "Nevado", "Kühlwerk", "Gelida", "Brina", "Cremosa", "Polara", "Iskant", "Sorbetta", "Frimont",
    "Givrée", "Heladora", "Eisblume", "Coneworks", "Softline", "Neige", "Cristallo", "Vaniglia", "Banquise", "Fredda",
    "Jäätelö", "Roomijs", "Schneeland", "Fruttidoro", "Nocciola", "Stracciata", "Amarène", "Pistàcia", "Limonara",
)  # fmt: skip
_FORMS = (
    "Equipement", "Handel", "Forniture", "Suministros", "Trading", "& Fils", "& Söhne", "e Figli", "Groep", "Partners",
    "Technik", "Service", "Distribution", "Impianti", "Utrustning", "Catering", "Systems", "Comptoir", "Depot", "Lager",
    "Nord", "Sud", "Océan", "Adria", "Baltic", "Alpin", "Médoc", "Rhein", "Costa", "Lagune",
)  # fmt: skip
_FIRST = (
    "Ada", "Björn", "Chloé", "Dario", "Elena", "François", "Greta", "Hugo", "Inés", "Jonas", "Katja", "Luca", "Maëlle",
    "Niels", "Olga", "Paolo", "Renée", "Søren", "Tilda", "Víctor",
)  # fmt: skip
_LAST = (
    "Albrecht", "Bellandi", "Castellane", "Dufresne", "Ekdahl", "Ferrante", "Grünwald", "Holmbäck", "Ibarra", "Jansen",
    "Kerrigan", "Lefèvre", "Morandi", "Nyström", "Olivares", "Peeters", "Quintero", "Rösler", "Santori", "Thorsen",
)  # fmt: skip
_KINDS = (
    "Gelateria", "Café", "Hotel", "Bistro", "Eiscafé", "Heladería", "Glacier", "Brasserie", "Camping", "Pâtisserie",
    "Strandbad", "Ristorante", "Kino", "Lido", "Kiosk", "Marché",
)  # fmt: skip
_SIGNS = (
    "Aurora", "Bellini", "Capri", "Delfino", "Étoile", "Fiore", "Gabbiano", "Horizonte", "Iris", "Jasmin", "Krone",
    "Luna", "Marina", "Nuvola", "Olympia", "Panorama", "Quattro", "Riviera", "Sirena", "Tivoli", "Ulivo", "Vesper",
    "Zephyr", "Zoë",
)  # fmt: skip
_TOWNS = (
    "Altamar", "Bellavalle", "Castelrio", "Dornsee", "Elmsund", "Fontclair", "Grünau am See", "Havneby", "Islamora",
    "Jolimont", "Kirkeholm", "Lagoverde", "Montferrin", "Nieuwdijk", "Ostermark", "Puerto Lindo", "Querbach",
    "Rocabianca", "Sandvik", "Torrealba", "Unterwald", "Valdorée", "Westhaven", "Zollbrück",
)  # fmt: skip

MANAGERS = ("Amélie Roussel", "Benedikt Hartog", "Carmen Villalba", "Dag Lindqvist")
COMPETITORS = ("Frigomax", "Polar Forge", "Gelora", "Kaltmann")


@dataclass(frozen=True)
class Special:
    """A partner of which something is known beforehand, and the parameters that make it so."""

    number: int
    remark: str
    traits: Mapping[str, float] = field(default_factory=dict)  # fields of World that differ from an ordinary partner's
    regions: tuple[float, ...] = ()  # shares of REGIONS
    channels: Mapping[str, float] = field(default_factory=dict)  # channels used so many times as often


SPECIAL: Mapping[str, Special] = {
    "better_in_every_region": Special(
        0, "wins more often than P-002 in every region and less often in total", {"odds": 0.95, "weight": 3.7},
        regions=(0.0, 0.86, 0.14, 0.0),
    ),
    "worse_in_every_region": Special(
        1, "wins less often than P-001 in every region and more often in total", {"odds": 0.42, "weight": 3.7},
        regions=(0.0, 0.14, 0.86, 0.0),
    ),
    "display_without_wins": Special(
        2, "pays for display advertising that has never brought a win", {"odds": 0.85, "weight": 3.4},
        channels={"display": 2.5},
    ),
    "giant": Special(3, "won one deal sixty times the average, in the last quarter"),
    "shrinking_deals": Special(
        4, "its deals are less than half their former size since nine months", {"late_size": 0.42, "weight": 2.2}
    ),
    "spots_badly": Special(
        5, "in the last year four of ten registrations are refused and few of the others won",
        {"late_odds": 0.25, "late_refused": 0.4, "weight": 2.2},
    ),
    "fast": Special(6, "decides in half the time", {"pace": 35.0}),
    "slow": Special(7, "promises early, slips often, takes long", {"pace": 115.0, "promise": 0.5, "slip": 0.95}),
    "leaver": Special(8, "left the programme; the partner after it took over its open deals"),
    "successor": Special(9, "took over the open deals of the partner that left"),
    "joiner": Special(10, "joined in the middle of a quarter"),
    "growing": Special(11, "enters about four times as many deals at the end as at the start", {"weight": 1.3}),
    "conflicts": Special(12, "registers customers the vendor already knows", {"conflict": 0.22}),
    "pounds": Special(13, "sells in pounds sterling"),
    "francs": Special(14, "sells in Swiss francs"),
    "many_small": Special(15, "many small deals", {"weight": 2.2, "size": 0.45}),
    "few_large": Special(16, "few large deals", {"weight": 0.45, "size": 2.8}),
    "owned_media": Special(
        17, "lives on its newsletter and website, which cost nothing here", channels={"newsletter": 5.0, "website": 5.0}
    ),
    "leads_left_lying": Special(18, "does not follow up its leads", {"lead_open": 0.85}),
    "no_season": Special(19, "sells to places that are open all year: no season", {"season": 0.0}),
    "three_deals": Special(21, "three deals in all", {"weight": 0.0}),
    "one_deal": Special(22, "one deal in all", {"weight": 0.0}),
    "no_deal": Special(23, "no deal at all", {"weight": 0.0}),
}  # fmt: skip
FIRST_ORDINARY = 24  # the partners from this one on may join and leave within the book


@dataclass(frozen=True, eq=False)
class World(Record):
    """True parameters, one element per partner and a last one for deals without a partner."""

    draws: Draws
    calendar: Calendar
    deals: int
    partners: int
    region: Ints  # where it is at home, a place in REGIONS
    country: tuple[str, ...]
    currency: tuple[str, ...]
    weight: Floats  # entries, relative to the others'
    odds: Floats  # of a win, where everything else is ordinary
    late_odds: Floats  # factor in the last twelve months
    size: Floats  # factor on the price of the product
    late_size: Floats  # factor in the last nine months
    pace: Floats  # median days to a decision
    promise: Floats  # expected close, as a share of that
    slip: Floats  # probability of moving an expected close that comes near
    sourced: Floats  # share of deals it brings itself
    refused: Floats  # share of registrations
    late_refused: Floats  # the same in the last twelve months
    conflict: Floats  # share of registrations
    season: Floats  # 1: feels it, 0: does not
    lead_open: Floats  # share of leads nobody answers
    region_share: Floats  # a column per region
    channel_share: Floats  # a column per channel
    joined: Ints  # day; −1: before the book begins
    left: Ints  # day; −1: never
    successor: Ints  # who takes over from a partner that left; −1: nobody
    stays: Bools  # may hand deals over to others that stay, and take some of theirs
    assigned: Mapping[int, int]  # deal → partner, for the partners that have hardly any
    giant: int  # the number of the giant deal; −1: there is none

    @property
    def nobody(self) -> int:
        """The number that stands for a deal without a partner."""
        return self.partners

    @property
    def mean_size(self) -> float:
        """Expected amount of a deal of an ordinary partner, EUR."""
        return round(float((PRODUCT_SHARE * PRODUCT_PRICE).cumsum()[-1]), 2)

    def partner_id(self, number: int) -> str:
        """`P-001` for partner 0; empty for nobody."""
        return f"P-{number + 1:0{max(3, len(str(self.partners)))}d}" if number < self.partners else ""

    def deal_ids(self, numbers: Ints) -> list[str]:
        """`D-000001` for deal 0; longer ones where a million deals need them."""
        pattern = f"D-%0{max(6, len(str(self.deals)))}d"
        return [pattern % number for number in (numbers + 1).tolist()]

    def activity(self) -> Floats:
        """Relative entries of each partner (columns) in each month (rows) of the book."""
        months = np.arange(self.calendar.months)[:, None]
        starts, ends = self.calendar.first_full_month(self.joined), self.calendar.month_of(self.left)
        active = (months >= starts) & ((self.left < 0) | (months <= ends))
        shares = active * self.weight
        growing = SPECIAL["growing"].number
        if growing < self.partners:
            shares[:, growing] *= 0.4 + 1.3 * months[:, 0] / self.calendar.months
        return np.asarray(shares, dtype=np.float64)


def make_world(draws: Draws, calendar: Calendar, partners: int, deals: int) -> World:
    """Ordinary partners drawn at random, then the special ones of `SPECIAL` that the number of partners allows."""
    region, country = _homes(draws, partners)
    traits = _traits(draws, partners, region)
    joined, left, successor = _membership(draws, calendar, partners)
    stays = (left < 0) & (joined < 0) & (traits["weight"] > 0)
    stays[[SPECIAL["better_in_every_region"].number, SPECIAL["worse_in_every_region"].number, partners]] = False
    has_giant = deals >= 500 and SPECIAL["giant"].number < partners
    return World(
        draws=draws,
        calendar=calendar,
        deals=deals,
        partners=partners,
        region=region,
        country=country,
        currency=tuple(CURRENCY.get(code, "EUR") for code in country),
        joined=joined,
        left=left,
        successor=successor,
        stays=stays,
        assigned=MappingProxyType(_assigned(partners, deals) if deals >= 500 else {}),
        giant=int(deals * max(0.05, 1 - 120 / calendar.days)) if has_giant else -1,
        **traits,
    )


def _homes(draws: Draws, partners: int) -> tuple[Ints, tuple[str, ...]]:
    """Region and country of each partner: those of its hand-made name, else drawn; the vendor has no country."""
    numbers = np.arange(partners + 1, dtype=np.int64)
    region, countries = draws.whole("home region", numbers, len(REGIONS)), []
    for number, u in enumerate(draws.uniform("country", numbers[:-1]).tolist()):
        if number < len(PARTNERS):
            countries.append(PARTNERS[number][1])
            region[number] = next(r for r, name in enumerate(REGIONS) if countries[number] in COUNTRIES[name])
        else:
            choices = COUNTRIES[REGIONS[region[number]]]
            countries.append(choices[int(u * len(choices))])
    return region, (*countries, "")


def _traits(draws: Draws, partners: int, region: Ints) -> dict[str, Floats]:
    """The fields of World that are numbers and shares: ordinary partners', special ones', and nobody's at the end.

    The vendor's own sales are few, ordinary in everything, and none of them brought by a partner.
    """
    numbers = np.arange(partners + 1, dtype=np.int64)

    def between(stream: str, low: float, high: float) -> Floats:
        return low + (high - low) * draws.uniform(stream, numbers)

    heavy, refused, one = draws.uniform("weight", numbers), between("refused", 0.06, 0.16), np.ones(partners + 1)
    channel_factors = [between(f"channel {column}", 0.6, 1.4) for column in range(len(CHANNEL_NAMES))]
    traits: dict[str, Floats] = {
        "weight": 0.55 + 1.5 * heavy * heavy * heavy,
        "odds": between("odds", 0.36, 0.62),
        "late_odds": one.copy(),
        "size": between("size", 0.75, 1.3),
        "late_size": one.copy(),
        "pace": between("pace", 60.0, 95.0),
        "promise": between("promise", 0.75, 1.05),
        "slip": between("slip", 0.68, 0.88),
        "sourced": between("sourced", 0.6, 0.85),
        "refused": refused,
        "late_refused": refused.copy(),
        "conflict": between("conflict", 0.01, 0.05),
        "season": one.copy(),
        "lead_open": LEAD_OUTCOMES["open"] * one,
        "region_share": np.where(np.arange(len(REGIONS)) == region[:, None], 0.7, 0.1),
        "channel_share": CHANNEL_SHARE * np.stack(channel_factors, axis=1),
    }
    for special in SPECIAL.values():
        if special.number < partners:
            for name, value in special.traits.items():
                traits[name][special.number] = value
            if special.regions:
                traits["region_share"][special.number] = special.regions
            for channel, factor in special.channels.items():
                traits["channel_share"][special.number, CHANNEL_NAMES.index(channel)] *= factor
    vendor = {
        "weight": 0.02 * traits["weight"][:-1].sum() + 0.01, "region_share": 0.25, "odds": 0.5, "size": 1.0,
        "pace": 75.0, "sourced": 0.0, "refused": 0.0, "late_refused": 0.0, "conflict": 0.0,
    }  # fmt: skip
    for name, value in vendor.items():
        traits[name][-1] = value
    return traits


def _membership(draws: Draws, calendar: Calendar, partners: int) -> tuple[Ints, Ints, Ints]:
    """Days of joining and leaving, and successors: one ordinary partner in ten joins late, one in twenty leaves."""
    numbers = np.arange(partners + 1, dtype=np.int64)
    joined = np.where(draws.uniform("joins", numbers) < 0.1, draws.whole("joined", numbers, calendar.days), -1)
    joined[:FIRST_ORDINARY] = joined[-1] = -1
    left, successor = np.full_like(numbers, -1), np.full_like(numbers, -1)
    ordinary = numbers[FIRST_ORDINARY:-1]
    leaving = ordinary[(draws.uniform("leaves", ordinary) < 0.05) & (joined[ordinary] < 0)]
    shares = 0.2 + 0.7 * draws.uniform("left", leaving)
    left[leaving] = [calendar.end_of_month(share) for share in shares.tolist()]
    successor[leaving] = SPECIAL["successor"].number
    if SPECIAL["joiner"].number < partners:
        joined[SPECIAL["joiner"].number] = calendar.middle_of_month(0.87)
    if SPECIAL["successor"].number < partners:
        left[SPECIAL["leaver"].number] = calendar.end_of_month(0.8)
        successor[SPECIAL["leaver"].number] = SPECIAL["successor"].number
    return joined, left, successor


def _assigned(partners: int, deals: int) -> dict[int, int]:
    """Which deals are given to the partners with almost none."""
    places = {"three_deals": (0.31, 0.58, 0.83), "one_deal": (0.66,)}
    numbers = {name: SPECIAL[name].number for name in places if SPECIAL[name].number < partners}
    return {int(deals * place): number for name, number in numbers.items() for place in places[name]}


def partner_name(number: int) -> str:
    """The name of the partner with this position in the list (0, 1, …): hand-made at first, then combined."""
    if number < len(PARTNERS):
        return PARTNERS[number][0]
    step = number - len(PARTNERS)
    stem, form = _STEMS[step % len(_STEMS)], _FORMS[(step // len(_STEMS) + step) % len(_FORMS)]
    again = step // (len(_STEMS) * len(_FORMS))
    return f"{stem} {form}" if not again else f"{stem} {form} {again + 1}"


def person_name(number: int) -> str:
    """An invented seller; numbers apart by less than 400 give different names."""
    return f"{_FIRST[number % len(_FIRST)]} {_LAST[(number // len(_FIRST) + number) % len(_LAST)]}"


def customers() -> list[str]:
    """Every invented customer, about nine thousand."""
    return [f"{kind} {sign} {town}" for kind in _KINDS for sign in _SIGNS for town in _TOWNS]


def customer_numbers(draws: Draws, index: Ints) -> Ints:
    """Which customer each deal is for."""
    return draws.whole("customer", index, len(_KINDS) * len(_SIGNS) * len(_TOWNS))
