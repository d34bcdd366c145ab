"""Files beside the deals: one that adds columns to them, and a file of lines that are to be summed by order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from partnerkpi.survey.columns import GUESSED, map_columns
from partnerkpi.survey.profiles import Profile
from partnerkpi.survey.tables import Part
from partnerkpi.survey.words import ALIASES, squeezed

_NEVER = ("deal_id", "status", "stage", "amount", "lead_id")
_GROUPS = re.compile(r"manager|partner|reseller|team", re.IGNORECASE)


@dataclass(frozen=True)
class Join:
    """A file that adds columns to the deals, by a column that both have."""

    part: Part
    on: str
    adds: tuple[str, ...]
    why: str


def settle(deals: Part, parts: list[Part], profile: Profile, system: str) -> tuple[tuple[str, list[str]], list[Join]]:
    """The order whose lines the rows are, if they are lines; and the files whose columns the deals need.

    What they add is taken into the columns of the deals.
    """
    lines = lines_of(deals)
    if lines[0]:  # what differs in the lines of a deal is nothing of the deal
        kept = {lines[0], deals.mapped.source("amount"), *lines[1]}
        for column, match in list(deals.mapped.matches.items()):
            if match.source not in kept:
                del deals.mapped.matches[column]
        deals.mapped.ignored = [n for n in deals.columns if n not in deals.mapped.used]
    lookups = []
    for join in _joins(deals, parts):
        if lines[0] and join.on not in lines[1]:
            continue
        if join.part.table == "partners" and "partner_id" not in deals.mapped.matches:
            deals.mapped.add("partner_id", join.on, GUESSED, join.why)
        if join.part.table not in ("", "leads"):
            continue
        extra = {name: join.part.columns[name] for name in join.adds}
        mapped = map_columns("deals", extra, profile.of("deals"), system)
        useful = {c: m for c, m in mapped.matches.items() if c not in deals.mapped.matches and c not in _NEVER}
        if join.part.table == "leads":
            useful = {c: m for c, m in useful.items() if c == "created_on"}
            if "lead_id" not in deals.mapped.matches:
                deals.mapped.add("lead_id", join.on, GUESSED, join.why)
        if useful or ("partner_id" not in deals.mapped.matches and _groups_people(join)):
            lookups.append(join)
            for column, match in useful.items():
                deals.mapped.add(column, match.source, match.how, f"{match.why}, in {join.part.name}")
    return lines, lookups


def _joins(deals: Part, parts: list[Part]) -> list[Join]:
    """The other files that have one row for each value of a column of the deals, under the same name."""
    found = []
    for part in parts:
        if part is deals or not part.sheet.rows:
            continue
        for name, mine in deals.columns.items():
            other = part.columns.get(name)
            if other is None or not other.unique or other.kind == "day":
                continue
            known = len(set(mine.values) & set(other.values))
            if known and known >= 0.8 * mine.distinct:
                adds = tuple(n for n in part.columns if n not in deals.columns)
                why = f"{known:,} of {mine.distinct:,} values of {name} stand once in {part.name}"
                found.append(Join(part, name, adds, why))
                break
    return found


def _groups_people(join: Join) -> bool:
    """True where the file groups the people of the deals: what else it says could be a partner."""
    people = {squeezed(a) for a in (*ALIASES["deals"]["rep"], *ALIASES["deals"]["customer"])}
    if join.part.table or squeezed(join.on) not in people:
        return False
    columns = [join.part.columns[n] for n in join.adds if _GROUPS.search(n)]
    return any(c.kind == "text" and 2 <= c.distinct <= c.rows / 2 for c in columns)


def lines_of(deals: Part) -> tuple[str, list[str]]:
    """The column that names an order where a row is only a line of one, and the columns that are alike in each order.

    Empty where the rows are deals themselves.
    """
    text, key = deals.sheet.text, deals.mapped.source("deal_id")
    column = deals.columns.get(key)
    if column is None or len(text) < 10 or column.distinct > 0.7 * len(text) or column.filled < len(text):
        return "", []
    groups = text.groupby(key, sort=False)
    same = [str(n) for n in text if n != key and bool((groups[str(n)].nunique(dropna=False) <= 1).all())]
    told = {name: deals.mapped.source(name) for name in ("created_on", "closed_on", "status", "stage", "partner_id")}
    days = [n for n, c in deals.columns.items() if c.kind == "day"]  # those of a snapshot differ
    alike = all(name in same for name in [*filter(None, told.values()), *days])
    return (key, same) if alike and (told["created_on"] or told["closed_on"]) else ("", [])


def repeated(deals: Part) -> list[str]:
    """Where rows share the id of a deal, though they are no lines of one: the columns in which they differ."""
    text, key = deals.sheet.text, deals.mapped.source("deal_id")
    if key not in text or lines_of(deals)[0]:
        return []
    again = text[text[key].notna() & text[key].duplicated(keep=False)]
    if len(again) <= 0.1 * len(text):
        return []
    groups = again.groupby(key, sort=False)
    return [str(n) for n in text if n != key and bool((groups[str(n)].nunique(dropna=False) > 1).any())]


def same_partners(deals: Part, parts: list[Part]) -> str:
    """Let the partners table be known by the column the deals name partners by; a sentence where none is that.

    Deals often hold a partner's name where the table has an id beside it.
    """
    source = deals.mapped.source("partner_id")
    table = next((p for p in parts if p.table == "partners"), None)
    if table is None or source not in deals.columns:
        return ""
    wanted, key = set(deals.columns[source].values), table.mapped.source("partner_id")

    def known(name: str) -> int:
        return len(wanted & set(table.columns[name].values))

    if known(key) >= 0.5 * len(wanted):
        return ""
    best = max((n for n, c in table.columns.items() if c.unique), key=known, default=key)
    if known(best) < 0.5 * len(wanted):
        return (
            f"{known(key):,} of the {len(wanted):,} values of {source} stand in {key} of {table.name}: what that file "
            "says of partners reaches few deals. Export the same id, or name, in both."
        )
    table.mapped.matches = {c: m for c, m in table.mapped.matches.items() if m.source != best}
    why = f"{known(best):,} of {len(wanted):,} values of {source} in the deals stand here, {known(key):,} in {key}"
    table.mapped.add("partner_id", best, GUESSED, why)
    table.mapped.ignored = [n for n in table.columns if n not in table.mapped.used]
    return ""
