"""Which table of a book each file is, and which of them are parts of one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from partnerkpi.book.schema import TABLES
from partnerkpi.survey.columns import Mapped, map_columns
from partnerkpi.survey.crm import Recognised
from partnerkpi.survey.marks import Column, column
from partnerkpi.survey.profiles import Profile
from partnerkpi.survey.sniff import Sheet
from partnerkpi.survey.words import folded

_STEMS = {
    "history": r"histor|verlauf|historique|audit|stage change",
    "leads": r"\bleads?\b|mql|interessent",
    "partners": r"partner|reseller|revendeur|handler|distribut",
    "spend": r"spend|cost|budget|depense|ausgaben",
    "targets": r"target|quota|objectif|ziele",
    "rates": r"\brates?\b|exchange|taux|kurse",
    "channels": r"\bchannels?\b",
    "touches": r"touch",
    "deals": r"deal|opportunit|pipeline|affaires|verkaufschance|oportunidad|orders?\b|sales",
}
_NEEDED = {
    "history": ("deal_id", "changed_at"),
    "leads": ("lead_id", "created_on"),
    "partners": ("partner_id",),
    "spend": ("channel", "month", "amount"),
    "targets": ("quarter", "amount"),
    "rates": ("currency", "date", "rate"),
    "channels": ("channel", "media"),
    "touches": ("channel", "touched_at"),
}
_WEIGHTS = {"created_on": 1.5, "closed_on": 1.5, "status": 2.0, "stage": 1.5, "amount": 1.5, "expected_close_on": 1.0,
            "deal_id": 0.5, "currency": 0.5, "customer": 0.5, "name": 0.5}  # fmt: skip


@dataclass
class Part:
    """One file of the survey: what stands in it, which CRM wrote it, which table it is and its columns."""

    sheet: Sheet
    columns: dict[str, Column]
    crm: Recognised = field(default_factory=Recognised)
    table: str = ""
    mapped: Mapped = field(default_factory=Mapped)
    why: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.sheet.name

    @property
    def stem(self) -> str:
        """The file's name without its ending, as a query calls it."""
        return Path(self.sheet.file).stem


def part_of(sheet: Sheet) -> Part:
    """The file with what each of its columns holds."""
    return Part(sheet, {str(name): column(str(name), sheet.text[name], sheet.line) for name in sheet.text})


def assign_tables(parts: list[Part], profile: Profile, system: str) -> list[Part]:
    """Say of each part which table it is; the deals first, of several alike all with the same columns.

    Args:
        parts: the files.
        profile: what the recognised CRM's preset makes the columns of.
        system: what that CRM is called.

    Returns:
        The parts that make the deals, in the order of their names.
    """
    scores = {p.name: _deals_score(p, profile, system) for p in parts if p.sheet.rows or p.columns}
    for part in parts:
        if named := _canonical(part):
            part.table, part.why = named, f"named and made like the table {named}"
            part.mapped = map_columns(named, part.columns, profile.of(named), system)
    deals = [p for p in parts if p.table == "deals"]
    if not deals:
        rest = [p for p in parts if not p.table and scores.get(p.name, 0) >= 3]
        best = max(rest, key=lambda p: (scores[p.name], p.sheet.rows), default=None)
        if best is not None:
            same = [p for p in rest if list(p.columns) == list(best.columns)]
            deals = sorted(same, key=lambda p: p.name)
            for part in deals:
                part.table = "deals"
                part.mapped = map_columns("deals", part.columns, profile.of("deals"), system)
                has = ", ".join(n for n in _WEIGHTS if n in part.mapped.matches)
                part.why = f"has {has}"
    taken = {p.table for p in parts if p.table}
    for part in parts:
        if part.table or not part.columns:
            continue
        for table in _NEEDED:
            if table in taken:
                continue
            mapped = map_columns(table, part.columns, profile.of(table), system)
            if _is_table(part, table, mapped, deals):
                part.table, part.mapped = table, mapped
                part.why = f"its name, and has {', '.join(_NEEDED[table])}"
                taken.add(table)
                break
    return deals


def _canonical(part: Part) -> str:
    """The table the file is named like, if it has every column that table must have under its own name."""
    table = TABLES.get(part.stem)
    if table is None or not all(c.name in part.columns for c in table.columns if c.required):
        return ""
    return table.name


def _deals_score(part: Part, profile: Profile, system: str) -> float:
    if not part.sheet.rows:
        return 0.0
    mapped = map_columns("deals", part.columns, profile.of("deals"), system)
    score = sum(w for name, w in _WEIGHTS.items() if name in mapped.matches)
    stem = folded(part.stem)
    if re.search(_STEMS["deals"], stem):
        score += 1.5
    for table in ("history", "targets", "spend", "rates"):
        if re.search(_STEMS[table], stem):
            score -= 3
    if any(n in mapped.matches and mapped.matches[n].how == "guessed" for n in ("status",)):
        score -= 0.5
    dated = any(n in mapped.matches for n in ("created_on", "closed_on"))
    return score if dated or "status" in mapped.matches or "stage" in mapped.matches else min(score, 2.0)


def _is_table(part: Part, table: str, mapped: Mapped, deals: list[Part]) -> bool:
    if not all(name in mapped.matches for name in _NEEDED[table]):
        return False
    named = bool(re.search(_STEMS[table], folded(part.stem)))
    if table == "history":
        ids = part.columns[mapped.source("deal_id")]
        return (named or "stage" in mapped.matches or "status" in mapped.matches) and ids.distinct < part.sheet.rows
    if table == "partners":
        key = part.columns[mapped.source("partner_id")]
        return named and key.unique and "amount" not in part.columns and bool(deals)
    if table == "rates":
        return True
    if table == "channels":
        return set(part.columns[mapped.source("media")].values) <= {"paid", "earned", "owned"}
    if table == "leads":
        return named and part.columns[mapped.source("lead_id")].unique
    return named
