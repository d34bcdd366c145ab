"""Which table of a book each file is, and which of them are parts of one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from partnerkpi.book.schema import TABLES
from partnerkpi.survey.columns import PRESET, Mapped, map_columns
from partnerkpi.survey.crm import Recognised
from partnerkpi.survey.marks import Column, column
from partnerkpi.survey.profiles import Profile
from partnerkpi.survey.sniff import Sheet
from partnerkpi.survey.words import NO_PARTNER, NOTHING, folded

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
#: What two files must call alike to be one table.
_SAME = ("deal_id", "created_on", "status", "stage", "amount")
_WEIGHTS = {"created_on": 1.5, "closed_on": 1.5, "status": 2.0, "stage": 1.5, "amount": 1.5, "expected_close_on": 1.0,
            "deal_id": 0.5, "currency": 0.5, "customer": 0.5, "name": 0.5}  # fmt: skip


@dataclass
class Part:
    """One file of the survey: what stands in it, which CRM wrote it, which table it is and its columns.

    `partial` are columns that other files of the same table lack, so that nothing is made of them, by column of the
    book; `unlike` columns of days that those files write otherwise. The first of several files has the columns of all.
    """

    sheet: Sheet
    columns: dict[str, Column]
    crm: Recognised = field(default_factory=Recognised)
    table: str = ""
    mapped: Mapped = field(default_factory=Mapped)
    why: str = ""
    partial: dict[str, str] = field(default_factory=dict)
    unlike: list[str] = field(default_factory=list)

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
            deals = _of_one_table(best, rest, profile, system)
            for part in deals:
                part.table = "deals"
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


def _of_one_table(best: Part, rest: list[Part], profile: Profile, system: str) -> list[Part]:
    """The files of deals that are read as one, in the order of their names: those whose columns mean the same.

    Each may have columns of its own, in any order; what not all of them have is read of none.
    """
    labels = profile.of("deals")
    for part in rest:
        part.mapped = map_columns("deals", part.columns, labels, system)
    wanted = [c for c in _SAME if c in best.mapped.matches]
    chosen = [p for p in rest if all(p.mapped.source(c) == best.mapped.source(c) for c in wanted)]
    chosen.sort(key=lambda p: p.name)
    if len(chosen) == 1:
        return chosen
    first = chosen[0]
    first.columns |= _over_all(chosen, first)
    shared = {n: c for n, c in first.columns.items() if all(n in p.columns for p in chosen)}
    whole = map_columns("deals", shared, labels, system)
    for part in chosen:
        own = part.mapped.matches.values()
        part.partial = {m.column: m.source for m in own if m.how != PRESET and m.source not in shared}
        part.mapped = replace(whole, ignored=[n for n in part.columns if n not in whole.used])
    return chosen


def _over_all(parts: list[Part], first: Part) -> dict[str, Column]:
    """What the columns that all files have hold over all of them; notes the days that are not written alike."""
    lines = np.concatenate([p.sheet.line for p in parts])
    whole = {}
    for name in first.columns:
        if not all(name in p.columns for p in parts):
            continue
        own = [p.columns[name].kind for p in parts]
        one = column(name, pd.concat([p.sheet.text[name] for p in parts], ignore_index=True), lines)
        if one.kind != "day" and set(own) - {"empty"} == {"day"}:
            first.unlike.append(name)
            one = next(p.columns[name] for p in parts if p.columns[name].kind == "day")
        whole[name] = one
    return whole


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


def looks_like_deals(part: Part) -> bool:
    """True for a file that has by itself what deals have: a status or stage, a day and an amount."""
    mapped = map_columns("deals", part.columns, {})
    told = {"status", "stage"} & mapped.matches.keys()
    return bool(told) and "amount" in mapped.matches and bool({"created_on", "closed_on"} & mapped.matches.keys())


def nobody_in(part: Part) -> dict[str, int]:
    """Texts in the place of a partner that say there is none, and how often; not those that another column uses too."""
    source = part.mapped.source("partner_id")
    if source not in part.columns:
        return {}
    counts = part.columns[source].counts
    found = {str(v): int(n) for v, n in counts.items() if str(v).strip() in NOTHING or folded(str(v)) in NO_PARTNER}
    others = [part.columns[n] for n in part.mapped.used if n in part.columns and n != source]
    return {v: n for v, n in found.items() if not any(v in c.counts.index and v not in c.nothing for c in others)}
