"""Invented names: nobody in the sample book exists."""

from __future__ import annotations

from partnerkpi.sample.draws import Draws, Ints

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
