"""Which column of an export is which of the book: by exact name, by a known label, then by what it holds.

Never by a name that merely looks alike: a word inside a name makes a guess only together with what the column holds,
and where two columns fit, none is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from partnerkpi.book.currencies import CODES
from partnerkpi.book.meaning import OTHER, Source
from partnerkpi.book.schema import TABLES
from partnerkpi.survey.marks import Column
from partnerkpi.survey.words import (
    ALIASES,
    HINTS,
    LARGE_UNITS,
    NO_AMOUNT,
    OUTCOMES,
    QUANTITIES,
    TURNED,
    WHO_SAID_NO,
    folded,
    squeezed,
)

PRESET, FOUND, GUESSED, DOUBT = "preset", "found", "guessed", "decide"
_FEW = 12  # values that a status may have
_PREFIX = re.compile(r"^(?:deal|lead|opportunity) - ", re.IGNORECASE)


@dataclass(frozen=True)
class Match:
    """One column of the book and the column of the export it is, how that is known and why.

    `whole` where a CRM's preset makes it of several columns, or by status; `source` is then the first of them.
    """

    column: str
    source: str
    how: str
    why: str
    whole: Source | None = None

    @property
    def reads(self) -> Source:
        """The columns of the export it is made of."""
        return self.whole or Source((self.source,))


@dataclass
class Mapped:
    """The columns of one file: those that are known or guessed, those to decide, and those nothing is made of.

    `unfit` are columns of the export with the usual name of one of the book that hold something else than that needs;
    `rivals` those with another usual name of a column that one was taken for, where they hold other days or amounts.
    """

    matches: dict[str, Match] = field(default_factory=dict)
    doubts: list[Match] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    unfit: dict[str, str] = field(default_factory=dict)
    rivals: dict[str, str] = field(default_factory=dict)

    def source(self, column: str) -> str:
        """The column of the export, empty where none is known."""
        found = self.matches.get(column)
        return found.source if found else ""

    @property
    def used(self) -> set[str]:
        """The columns of the export that anything is made of."""
        return {n for m in self.matches.values() for n in m.reads.names}

    def add(self, column: str, source: str, how: str, why: str) -> None:
        """Take a column of the export for one of the book."""
        self.matches[column] = Match(column, source, how, why)


def map_columns(table: str, columns: Mapping[str, Column], labels: Mapping[str, Source], system: str = "") -> Mapped:
    """The columns of one file as columns of a table.

    Args:
        table: the table of the book.
        columns: what each column of the file holds.
        labels: what the CRM's preset makes each column of, if it was recognised.
        system: what that CRM is called.
    """
    mapped = Mapped()
    schema = TABLES[table]
    own = {_own(name): name for name in reversed(list(columns))}
    for name, source in labels.items():
        there = source.within(columns)
        if there.names:
            first = next((n for n in there.names if columns[n].kind != "empty"), there.names[0])
            mapped.matches[name] = Match(name, first, PRESET, f"{system}'s own", there)
    for name in schema.names:
        free = name not in mapped.matches and name in columns and not _taken(mapped, name, name)
        if free and _fits(table, name, columns[name]):
            mapped.add(name, name, FOUND, "the same name")
    for name in schema.names:
        for spelling in ALIASES.get(table, {}).get(name, ()) if name not in mapped.matches else ():
            alias = own.get(squeezed(spelling))
            if alias is None or _taken(mapped, alias, name) or (name == "amount" and no_amount(alias, columns)):
                continue
            if not _fits(table, name, columns[alias]):
                mapped.unfit.setdefault(name, alias)
            else:
                empty = ", empty here" if columns[alias].kind == "empty" else ""
                mapped.add(name, alias, FOUND, f"a usual name{empty}")
                break
    for name in ("created_on", "closed_on", "amount", "partner_id") if table == "deals" else ():
        match = mapped.matches.get(name)
        known = [own.get(squeezed(s), "") for s in ALIASES[table][name]] if match and match.how == FOUND else []
        for other in known:
            fits = other and other not in mapped.used and _fits(table, name, columns[other])
            if match and fits and columns[other].filled and not _alike(columns[other], columns[match.source]):
                mapped.rivals.setdefault(name, other)
    _by_content(table, columns, mapped)
    if table == "deals":
        _days_to_choose(columns, mapped)
    mapped.unfit = {name: source for name, source in mapped.unfit.items() if name not in mapped.matches}
    mapped.ignored = [n for n in columns if n not in mapped.used]
    return mapped


def _alike(one: Column, other: Column) -> bool:
    """True for two columns with the same values, or an id and its name: as many of each."""
    same = one.kind == other.kind == "text" and sorted(one.counts) == sorted(other.counts)
    return same or one.counts.equals(other.counts)


def _own(name: str) -> str:
    return squeezed(_PREFIX.sub("", name)) or squeezed(name)


def _taken(mapped: Mapped, source: str, name: str) -> bool:
    """True when another column is made of the source already; status and stage may be one."""
    takers = {m.column for m in mapped.matches.values() if source in m.reads.names}
    return bool(takers - ({"status", "stage"} if name in ("status", "stage") else set()))


def _fits(table: str, name: str, column: Column) -> bool:
    """True when what the column holds can be what the book's column must hold."""
    wanted = TABLES[table][name]
    if column.kind == "empty":
        return name not in ("deal_id", "status")
    if column.kind == "flag" and wanted.kind not in ("amount", "number") and any(v.isalpha() for v in column.values):
        return False  # yes and no name nobody and nothing
    if wanted.dated:
        return column.kind == "day"
    if wanted.kind in ("amount", "number"):
        return column.kind in ("number", "flag")
    if wanted.kind == "quarter":
        return all(re.fullmatch(r"[0-9]{4}Q[1-4]", v) for v in column.values[:50])
    if name == "status":
        return column.kind in ("text", "number", "flag") and column.distinct <= 40 and column.kind != "flag"
    if name == "currency":
        return all(v in CODES or not v.replace(" ", "").isdigit() for v in column.values[:20])
    return column.kind != "day"


def _by_content(table: str, columns: Mapping[str, Column], mapped: Mapped) -> None:
    """Guess from what the columns hold: an id, a status, a currency, an amount."""
    schema = TABLES[table]
    free = {n: c for n, c in columns.items() if n not in mapped.used}
    key = schema.key[0] if len(schema.key) == 1 else ""
    if key and key not in mapped.matches:
        unique = [n for n, c in free.items() if c.unique and c.kind in ("text", "number")]
        named = [n for n in unique if set(folded(n).split()) & set(HINTS["deal_id"]) or squeezed(n).endswith("id")]
        chosen = named if len(named) == 1 else unique if len(unique) == 1 else []
        if chosen:
            why = f"every one of its {columns[chosen[0]].distinct:,} values stands once"
            mapped.add(key, chosen[0], GUESSED, why)
        else:
            mapped.doubts += [Match(key, n, DOUBT, "every value stands once") for n in (named or unique)[:3]]
    if table == "deals":
        _status_by_content(free, mapped)
    if "currency" in schema and "currency" not in mapped.matches:
        coded = [n for n, c in free.items() if c.values and all(v in CODES for v in c.values) and c.kind == "text"]
        if len(coded) == 1:
            mapped.add(
                "currency", coded[0], GUESSED, f"holds nothing but currencies: {', '.join(free[coded[0]].values[:4])}"
            )
        elif coded:
            mapped.doubts += [Match("currency", n, DOUBT, "holds nothing but currencies") for n in coded[:3]]
    if "amount" in schema and "amount" not in mapped.matches:
        _amount_by_content(free, mapped)
    if table == "deals" and "partner_id" not in mapped.matches:
        hinted = [n for n, c in free.items() if c.kind in ("text", "number") and _hinted(n, "partner_id")]
        if len(hinted) == 1:
            why = f"its name speaks of a partner, and it holds {free[hinted[0]].distinct:,} values"
            mapped.add("partner_id", hinted[0], GUESSED, why)
        else:
            mapped.doubts += [Match("partner_id", n, DOUBT, "its name speaks of a partner") for n in hinted[:4]]


def _hinted(name: str, column: str) -> bool:
    return bool(set(folded(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).split()) & set(HINTS[column]))


def _status_by_content(free: Mapping[str, Column], mapped: Mapped) -> None:
    """A column of few values, one of which says won."""
    if {"status", "stage"} & mapped.matches.keys():
        return
    few = [n for n, c in free.items() if 2 <= c.distinct <= _FEW and has_outcomes(c)]
    if len(few) == 1:
        mapped.add("status", few[0], GUESSED, f"one of its {free[few[0]].distinct} values says won")
    else:
        mapped.doubts += [Match("status", n, DOUBT, "one of its values says won") for n in few[:3]]


def _amount_by_content(free: Mapping[str, Column], mapped: Mapped) -> None:
    numbers = {n: c for n, c in free.items() if (c.kind == "number" and not _counting(c)) or c.signs}
    other = {n: why for n in numbers if (why := no_amount(n, free)) and _hinted(n, "amount")}
    mapped.doubts += [Match("amount", n, DOUBT, why) for n, why in list(other.items())[:3]]
    numbers = {n: c for n, c in numbers.items() if not no_amount(n, free)}
    hinted = [n for n in numbers if _hinted(n, "amount")]
    signed = [n for n, c in numbers.items() if set(c.signs) - {"%"}]
    if len(signed) == 1:
        mapped.add("amount", signed[0], GUESSED, "the only column with a currency's sign")
    elif len(hinted) == 1:
        mapped.add("amount", hinted[0], GUESSED, "its name speaks of money, and it holds numbers")
    else:
        listed = (signed or hinted)[:4]
        mapped.doubts += [Match("amount", n, DOUBT, "its name speaks of money, and it holds numbers") for n in listed]
        if not listed and not other:
            rest = [n for n, c in numbers.items() if any("." in v or "," in v for v in c.values[:50])][:3]
            mapped.doubts += [Match("amount", n, DOUBT, "it holds numbers with decimals") for n in rest]


def _counting(column: Column) -> bool:
    """True for whole numbers that each stand once: those number the rows."""
    return column.unique and all(v.isdigit() for v in column.values[:200])


def no_amount(name: str, columns: Mapping[str, Column]) -> str:
    """Why the column, by its name or by what stands beside it, is not what a deal is worth; empty where it may be."""
    text = folded(name)
    if LARGE_UNITS.search(name):
        return "in thousands or millions, by its name: multiply it, in the export or with sql"
    if any(squeezed(other) in QUANTITIES for other in columns) and "price" in text.split() and "total" not in text:
        return "a price beside a quantity: export the amount of the whole deal, or multiply them with sql"
    return next((why for shape, why in NO_AMOUNT if shape.search(text)), "")


def _days_to_choose(columns: Mapping[str, Column], mapped: Mapped) -> None:
    """Columns of days that could be that of creation, or of closing, where no name tells which is."""
    free = [n for n, c in columns.items() if c.kind == "day" and n not in mapped.used]
    won, lost = ([n for n in free if outcome_of(n) == status] for status in ("won", "lost"))
    if "closed_on" not in mapped.matches and len(won) == len(lost) == 1:
        both = Source(by_status={"won": (won[0],), OTHER: (lost[0],)})
        mapped.matches["closed_on"] = Match("closed_on", won[0], GUESSED, "one says won, the other lost", both)
    for name in ("created_on", "closed_on"):
        if name not in mapped.matches:
            mapped.doubts += [Match(name, n, DOUBT, f"{columns[n].filled:,} days") for n in free[:3]]


def outcome_of(value: str) -> str:
    """What a status or stage says by its words: a status, `ignore`, or nothing where no word does or another turns it.

    >>> [outcome_of(text) for text in ("Closed Won", "Verbal win", "Not won", "Lost: no budget")]
    ['won', '', '', 'lost']
    """
    text = folded(value)
    found = next((status for status, shape in OUTCOMES if shape.search(text)), "")
    return "" if unclear(value) else found


def unclear(value: str) -> str:
    """Why the words of a status or stage do not tell what it means, empty where none are in the way."""
    text = folded(value)
    if any(shape.search(text) for shape in TURNED):
        return "its words can be taken both ways"
    if WHO_SAID_NO.search(text) and value != "rejected":
        return "lost where the customer said no, rejected where you refused the registration"
    return ""


def has_outcomes(column: Column | None) -> bool:
    """True when the column has few values and one says won, or lost."""
    if column is None or column.kind != "text" or column.distinct > 40:
        return False
    return bool({"won", "lost"} & {outcome_of(v) for v in column.values})
