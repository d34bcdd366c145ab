"""What every status or stage of an export means: by the CRM's own defaults, its flags, its probability or its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from partnerkpi.book.choosing import read_flags, status_by_flags
from partnerkpi.book.meaning import Flags
from partnerkpi.survey.columns import outcome_of, unclear
from partnerkpi.survey.words import squeezed

_FLAGS = {
    "closed": ("isclosed", "closed", "isdealclosed", "hsisclosed"),
    "won": ("iswon", "won", "isclosedwon", "hsisclosedwon"),
    "lost": ("isclosedlost", "hsisclosedlost", "islost", "lost"),
    "active": ("active", "isactive"),
}


@dataclass(frozen=True)
class Value:
    """One value of the status column: how many rows and how much money has it, when they were created, what it means.

    `status` is empty where nothing tells: then it is for the analyst to decide. `known` where the CRM's preset says it.
    """

    text: str
    rows: int
    money: float
    first: str
    last: str
    status: str
    why: str
    known: bool = False


def flags_among(kinds: Mapping[str, str]) -> Flags:
    """The flags among the columns, of which the kinds are given."""
    own = {squeezed(name): name for name, kind in kinds.items() if kind == "flag"}
    found = {flag: next((own[s] for s in listed if s in own), "") for flag, listed in _FLAGS.items()}
    return Flags({flag: (source,) for flag, source in found.items() if source})


def said_by(flags: Flags, text: pd.DataFrame) -> pd.Series:
    """What the flags by themselves say of each row, missing where they do not tell."""
    nothing = pd.Series(np.nan, index=text.index, dtype="str")
    told = read_flags(text, flags)
    return status_by_flags(told, nothing)[0] if {"won", "lost"} & told.keys() else nothing


@dataclass(frozen=True)
class Evidence:
    """What each row says beside its status: amount, day of creation, flags, probability (0 to 1); missing without."""

    money: pd.Series
    created: pd.Series
    dated: np.ndarray
    flagged: pd.Series
    probability: pd.Series


def classify(cells: pd.Series, seen: Evidence, defaults: Mapping[str, str], system: str) -> list[Value]:
    """Every distinct value with what it means and why, the most frequent first.

    Args:
        cells: the status or stage of each row.
        seen: what else each row says.
        defaults: what the CRM's own values mean.
        system: what the CRM is called.
    """
    made = []
    for text, rows in cells.value_counts().items():
        value, mine = str(text), (cells == text).to_numpy(dtype=bool)
        status, why = _meaning(value, mine, seen, defaults, system)
        known = value in defaults
        if status != "ignore" and not seen.dated[mine].any():
            status, known = "ignore", False
            why = "no row of it has a day of creation, so none can be used"
        own = seen.created[mine].dropna()
        first, last = (f"{own.min():%Y-%m-%d}", f"{own.max():%Y-%m-%d}") if len(own) else ("", "")
        made.append(Value(value, int(rows), float(seen.money[mine].sum()), first, last, status, why, known))
    return made


def disagreeing(cells: pd.Series, values: list[Value], flagged: pd.Series) -> int:
    """In how many rows the flags say something else than the value."""
    plain = {"abandoned": "lost", "rejected": "lost"}
    meant = cells.map({v.text: plain.get(v.status, v.status) for v in values if v.status not in ("", "ignore")})
    both = meant.notna() & flagged.notna()
    return int((both & (meant != flagged)).sum())


def _meaning(value: str, mine: np.ndarray, seen: Evidence, defaults: Mapping[str, str], system: str) -> tuple[str, str]:
    if value in defaults:
        return defaults[value], f"{system}'s own"
    spelt = {squeezed(text): status for text, status in defaults.items()}
    if squeezed(value) in spelt:
        return spelt[squeezed(value)], f"{system}'s own but for its spelling"
    word = outcome_of(value)
    said = set(seen.flagged[mine].dropna())
    told = {"won": "won", "lost": "lost", "abandoned": "lost", "rejected": "lost"}.get(word, "")
    if told and len(said) == 1 and told not in said:
        return "", f"its word says {word}, its flags say {next(iter(said))} in every row"
    if told:
        return word, "the word says so"
    if len(said) == 1:
        only = str(said.pop())
        return only, f"its flags say {only} in every row"
    chance = set(seen.probability[mine].dropna())
    if chance == {0.0}:
        return "lost", "probability 0 in every row"
    if chance == {1.0}:
        return "won", "probability 100 % in every row"
    if word:
        return word, "the word says so"
    if why := unclear(value):
        return "", why
    if chance and min(chance) > 0 and max(chance) < 1:
        return "open", f"probability {min(chance):.0%} to {max(chance):.0%}"
    return "", "no word, flag or probability tells"
