"""File names of pages: one per partner, safe on every system, and different even where case is ignored.

A partner's id may hold anything a CRM allows. What goes into a file name is the id when it is plain, else its plain
letters and a short hash of the exact id; the name follows as a readable slug. Two partners never share a file.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

#: Longest file name in bytes, the ending included.
LONGEST = 120
#: Names Windows keeps for devices, whatever the ending.
DEVICES = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{i}" for port in ("com", "lpt") for i in range(10)})

#: Letters that do not fall apart into a Latin letter and an accent.
SPELT = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})

PLAIN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?")


def slug(text: str, longest: int = 60) -> str:
    """Lower-case ASCII words joined by hyphens; empty when the text has no Latin letters or digits.

    >>> slug("Müller & Söhne GmbH"), slug("Fønix Weiß"), slug("../../x"), slug("株式会社")
    ('muller-sohne-gmbh', 'fonix-weiss', 'x', '')
    """
    spelt = text.lower().translate(SPELT)
    plain = unicodedata.normalize("NFKD", spelt).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:longest].strip("-")


def page_names(partners: Mapping[str, str], reserved: frozenset[str] = frozenset({"index"})) -> dict[str, str]:
    """The stem of each partner's page, by id: `P-003-rheinwerk`.

    `partners` maps id to name. The result depends on the ids and names only, not on their order.

    >>> page_names({"P-003": "Rheinwerk GmbH", "con": "", "a/b": "A", "A/B": "A"})
    {'P-003': 'P-003-rheinwerk-gmbh', 'con': 'con-1143da2b', 'a/b': 'a-b-c14cddc0-a', 'A/B': 'a-b-998d3ed8-a'}
    """
    folded = Counter(_folded(partner) for partner in partners)
    stems = {}
    for partner, name in partners.items():
        safe = PLAIN_ID.fullmatch(partner) and _folded(partner) not in DEVICES | reserved
        key = partner if safe and folded[_folded(partner)] == 1 else _hashed(partner)
        readable = "" if slug(name) == slug(partner) else slug(name)
        stems[partner] = "-".join(part for part in (key, readable) if part)[: LONGEST - len(".html")].rstrip("-")
    taken = Counter(_folded(stem) for stem in stems.values())
    return {
        partner: stem if taken[_folded(stem)] == 1 else f"{_hashed(partner)}-{_digest(partner, 16)}"
        for partner, stem in stems.items()
    }


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _hashed(partner: str) -> str:
    return "-".join(part for part in (slug(partner, 30), _digest(partner, 8)) if part)


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
