"""The world behind the sample book: Nevolina, a maker of ice-cream machines, and the companies that sell for it.

Everything here is a true parameter: `truth.py` writes these numbers down, `lives.py` lives them out. Partners are
numbered 0, 1, …; the number after the last one stands for deals without a partner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partnerkpi.sample.time_and_chance import Bools, Calendar, Draws, Floats, Ints, ladder

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

SPECIAL = {
    "better_in_every_region": (0, "wins more often than P-002 in every region and less often in total"),
    "worse_in_every_region": (1, "wins less often than P-001 in every region and more often in total"),
    "display_without_wins": (2, "pays for display advertising that has never brought a win"),
    "giant": (3, "won one deal sixty times the average, in the last quarter"),
    "shrinking_deals": (4, "its deals are less than half their former size since nine months"),
    "spots_badly": (5, "in the last year four of ten registrations are refused and few of the others won"),
    "fast": (6, "decides in half the time"),
    "slow": (7, "promises early, slips often, takes long"),
    "leaver": (8, "left the programme; the partner after it took over its open deals"),
    "successor": (9, "took over the open deals of the partner that left"),
    "joiner": (10, "joined in the middle of a quarter"),
    "growing": (11, "enters about four times as many deals at the end as at the start"),
    "conflicts": (12, "registers customers the vendor already knows"),
    "pounds": (13, "sells in pounds sterling"),
    "francs": (14, "sells in Swiss francs"),
    "many_small": (15, "many small deals"),
    "few_large": (16, "few large deals"),
    "owned_media": (17, "lives on its newsletter and website, which cost nothing here"),
    "leads_left_lying": (18, "does not follow up its leads"),
    "no_season": (19, "sells to places that are open all year: no season"),
    "three_deals": (21, "three deals in all"),
    "one_deal": (22, "one deal in all"),
    "no_deal": (23, "no deal at all"),
}


@dataclass(frozen=True)
class World:
    """True parameters, one array element per partner and a last one for deals without a partner."""

    draws: Draws
    calendar: Calendar
    deals: int
    partners: int
    region: Ints
    country: list[str]
    currency: list[str]
    weight: Floats
    odds: Floats
    late_odds: Floats
    size: Floats
    late_size: Floats
    pace: Floats
    promise: Floats
    slip: Floats
    sourced: Floats
    refused: Floats
    late_refused: Floats
    conflict: Floats
    season: Floats
    lead_open: Floats
    region_share: Floats
    channel_share: Floats
    joined: Ints
    left: Ints
    successor: Ints
    stays: Bools
    tiny: dict[int, int]
    giant: int

    @property
    def nobody(self) -> int:
        """The number that stands for a deal without a partner."""
        return self.partners

    def partner_id(self, number: int) -> str:
        """`P-001` for partner 0; empty for nobody."""
        return f"P-{number + 1:0{max(3, len(str(self.partners)))}d}" if number < self.partners else ""

    def activity(self) -> Floats:
        """Relative entries of each partner (columns) in each month (rows) of the book."""
        months = np.arange(self.calendar.months)[:, None]
        starts, ends = self.calendar.first_full_month(self.joined), self.calendar.month_of(self.left)
        active = (months >= starts) & ((self.left < 0) | (months <= ends))
        shares = active * self.weight
        if SPECIAL["growing"][0] < self.partners:
            shares[:, SPECIAL["growing"][0]] *= 0.4 + 1.3 * months[:, 0] / self.calendar.months
        return np.asarray(shares, dtype=np.float64)

    def activity_ladder(self) -> Floats:
        """`activity` for one binary search."""
        return ladder(self.activity())

    @property
    def mean_size(self) -> float:
        """Expected amount of a deal of an ordinary partner, EUR."""
        return round(float((PRODUCT_SHARE * PRODUCT_PRICE).cumsum()[-1]), 2)


def make_world(draws: Draws, calendar: Calendar, partners: int, deals: int) -> World:
    """Ordinary partners drawn at random, then the special ones of `SPECIAL` that the number of partners allows."""
    every = np.arange(partners + 1, dtype=np.int64)

    def between(stream: str, low: float, high: float) -> Floats:
        return low + (high - low) * draws.uniform(stream, every)

    region = draws.whole("home region", every, len(REGIONS))
    country = []
    for number, u in enumerate(draws.uniform("country", every).tolist()):
        if number < min(partners, len(PARTNERS)):
            country.append(PARTNERS[number][1])
            region[number] = next(r for r, name in enumerate(REGIONS) if country[number] in COUNTRIES[name])
        else:
            choices = COUNTRIES[REGIONS[region[number]]]
            country.append(choices[int(u * len(choices))])
    region_share = np.where(np.arange(len(REGIONS)) == region[:, None], 0.7, 0.1)
    channel_share = np.tile(CHANNEL_SHARE, (partners + 1, 1))
    for column in range(len(CHANNEL_NAMES)):
        channel_share[:, column] *= between(f"channel {column}", 0.6, 1.4)
    heavy = draws.uniform("weight", every)
    ordinary = np.ones(partners + 1)
    world = World(
        draws, calendar, deals, partners, region, country, [CURRENCY.get(c, "EUR") for c in country],
        weight=0.55 + 1.5 * heavy * heavy * heavy,
        odds=between("odds", 0.36, 0.62), late_odds=ordinary.copy(),
        size=between("size", 0.75, 1.3), late_size=ordinary.copy(),
        pace=between("pace", 60.0, 95.0), promise=between("promise", 0.75, 1.05), slip=between("slip", 0.68, 0.88),
        sourced=between("sourced", 0.6, 0.85), refused=between("refused", 0.06, 0.16), late_refused=ordinary.copy(),
        conflict=between("conflict", 0.01, 0.05), season=ordinary.copy(), lead_open=LEAD_OUTCOMES["open"] * ordinary,
        region_share=region_share, channel_share=channel_share,
        joined=np.where(draws.uniform("joins", every) < 0.1, draws.whole("joined", every, calendar.days), -1),
        left=np.full(partners + 1, -1, dtype=np.int64), successor=np.full(partners + 1, -1, dtype=np.int64),
        stays=np.ones(partners + 1, dtype=np.bool_), tiny={}, giant=-1,
    )  # fmt: skip
    _sometimes_leave(world)
    _make_special(world)
    _make_nobody(world)
    places = _special_deals(world) if deals >= 500 else ({}, -1)
    world.stays[:] = (world.left < 0) & (world.joined < 0) & (world.weight > 0)
    world.stays[[n for n in (0, 1, partners) if n <= partners]] = False
    return World(**{**world.__dict__, "tiny": places[0], "giant": places[1]})


def _sometimes_leave(world: World) -> None:
    """Beyond the special ones about one partner in twenty leaves within the book, and `successor` takes over."""
    taker = SPECIAL["successor"][0]
    every = np.arange(len(SPECIAL) + 1, world.partners, dtype=np.int64)
    world.joined[: len(SPECIAL) + 1] = -1
    going = every[(world.draws.uniform("leaves", every) < 0.05) & (world.joined[every] < 0)]
    share = 0.2 + 0.7 * world.draws.uniform("left", going)
    world.left[going] = [world.calendar.end_of_month(s) for s in share.tolist()]
    world.successor[going] = taker


def _make_special(world: World) -> None:
    """Give the first partners the properties `SPECIAL` promises."""

    def put(name: str, column: Floats | Ints, value: float) -> None:
        if SPECIAL[name][0] < world.partners:
            column[SPECIAL[name][0]] = value

    pair = (
        ("better_in_every_region", 0.95, [0.0, 0.86, 0.14, 0.0]),
        ("worse_in_every_region", 0.42, [0.0, 0.14, 0.86, 0.0]),
    )
    for name, odds, shares in pair:
        put(name, world.odds, odds)
        put(name, world.weight, 3.7)
        if SPECIAL[name][0] < world.partners:
            world.region_share[SPECIAL[name][0]] = shares
    put("display_without_wins", world.weight, 3.4)
    put("display_without_wins", world.odds, 0.85)
    put("shrinking_deals", world.late_size, 0.42)
    put("shrinking_deals", world.weight, 2.2)
    put("spots_badly", world.late_odds, 0.25)
    put("spots_badly", world.late_refused, 0.4)
    put("spots_badly", world.weight, 2.2)
    put("fast", world.pace, 35.0)
    put("slow", world.pace, 115.0)
    put("slow", world.promise, 0.5)
    put("slow", world.slip, 0.95)
    put("growing", world.weight, 1.3)
    put("conflicts", world.conflict, 0.22)
    put("many_small", world.weight, 2.2)
    put("many_small", world.size, 0.45)
    put("few_large", world.weight, 0.45)
    put("few_large", world.size, 2.8)
    put("leads_left_lying", world.lead_open, 0.85)
    put("no_season", world.season, 0.0)
    put("joiner", world.joined, world.calendar.middle_of_month(0.87))
    for name in ("three_deals", "one_deal", "no_deal"):
        put(name, world.weight, 0.0)
    if SPECIAL["successor"][0] < world.partners:
        put("leaver", world.left, world.calendar.end_of_month(0.8))
        put("leaver", world.successor, SPECIAL["successor"][0])
    for name, channels, factor in (
        ("display_without_wins", ("display",), 2.5), ("owned_media", ("newsletter", "website"), 5.0),
    ):  # fmt: skip
        if SPECIAL[name][0] < world.partners:
            for channel in channels:
                world.channel_share[SPECIAL[name][0], CHANNEL_NAMES.index(channel)] *= factor


def _make_nobody(world: World) -> None:
    """The vendor's own sales: few deals, ordinary in everything, none of them brought by a partner."""
    last = world.nobody
    world.weight[last] = 0.02 * world.weight[:last].sum() + 0.01
    world.odds[last], world.size[last], world.pace[last], world.sourced[last] = 0.5, 1.0, 75.0, 0.0
    world.refused[last] = world.conflict[last] = 0.0
    world.region_share[last] = 0.25
    world.country[last], world.currency[last] = "", "EUR"
    world.joined[last] = world.left[last] = -1


def _special_deals(world: World) -> tuple[dict[int, int], int]:
    """Which deals are given to the partners with almost none, and which one is the giant."""
    tiny: dict[int, int] = {}
    for name, shares in (("three_deals", (0.31, 0.58, 0.83)), ("one_deal", (0.66,))):
        number = SPECIAL[name][0]
        if number < world.partners:
            tiny |= {int(world.deals * share): number for share in shares}
    number = SPECIAL["giant"][0]
    giant = int(world.deals * max(0.05, 1 - 120 / world.calendar.days)) if number < world.partners else -1
    return tiny, giant


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
