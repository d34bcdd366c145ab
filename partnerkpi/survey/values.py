"""What every status or stage of an export means: by the CRM's own defaults, its flags, its probability or its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from partnerkpi.survey.columns import outcome_of
from partnerkpi.survey.words import squeezed

YES = frozenset({"true", "1", "yes", "vrai", "ja", "oui", "si"})


@dataclass(frozen=True)
class Value:
    """One value of the status column: how many rows and how much money has it, when they were created, what it means.

    `status` is empty where nothing tells: then it is for the analyst to decide. `likely` is what it could be.
    """

    text: str
    rows: int
    money: float
    first: str
    last: str
    status: str
    why: str
    likely: str = ""


@dataclass(frozen=True)
class Flags:
    """The columns of a file that say closed, won, lost or active, by name."""

    closed: str = ""
    won: str = ""
    lost: str = ""
    active: str = ""

    def named(self) -> dict[str, str]:
        """The flags that are there."""
        pairs = {"closed": self.closed, "won": self.won, "lost": self.lost, "active": self.active}
        return {name: source for name, source in pairs.items() if source}


_FLAGS = {
    "closed": ("isclosed", "closed", "isdealclosed", "hsisclosed", "abgeschlossen"),
    "won": ("iswon", "won", "isclosedwon", "hsisclosedwon", "gewonnen"),
    "lost": ("isclosedlost", "hsisclosedlost", "islost"),
    "active": ("active", "isactive", "aktiv", "actif"),
}


def flags_of(columns: Mapping[str, str]) -> Flags:
    """The flags among the columns, of which the kinds are given."""
    own = {squeezed(name): name for name, kind in columns.items() if kind == "flag"}
    found = {flag: next((own[s] for s in listed if s in own), "") for flag, listed in _FLAGS.items()}
    return Flags(**found)


def flag_status(text: pd.DataFrame, flags: Flags) -> pd.Series:
    """What the flags say of each row: won, lost, open, or nothing where there is none."""
    said = pd.Series("", index=text.index, dtype="object")
    if not (flags.won or flags.lost):
        return said

    def yes(name: str) -> np.ndarray:
        if not name:
            return np.zeros(len(text), dtype=bool)
        return text[name].str.strip().str.casefold().isin(YES).to_numpy(dtype=bool)

    won, lost, closed = yes(flags.won), yes(flags.lost), yes(flags.closed)
    if flags.closed or flags.lost:
        said[:] = "open"
    said[lost | (closed & ~won)] = "lost"
    said[won] = "won"
    return said


def classify(
    column: pd.Series,
    money: pd.Series,
    days: pd.Series,
    flagged: pd.Series,
    probability: pd.Series,
    defaults: Mapping[str, str],
    system: str,
    needed: pd.Series,
) -> tuple[list[Value], int]:
    """Every distinct value with what it means and why, the most frequent first; and in how many rows flags disagree.

    Args:
        column: the status or stage of each row.
        money: its amount, missing where there is none.
        days: the day it was created, missing where it cannot be read.
        flagged: what the flags say of it, empty without.
        probability: its probability as 0 to 1, missing without.
        defaults: what the CRM's own values mean, by squeezed spelling.
        system: what the CRM is called.
        needed: the cell of the column without which a row cannot be used (its day of creation).
    """
    made, disagree = [], 0
    for text, rows in column.value_counts().items():
        value = str(text)
        mine = (column == text).to_numpy(dtype=bool)
        status, why, likely = _meaning(value, mine, flagged, probability, defaults, system)
        if status and status != "ignore" and needed[mine].isna().all() and len(needed[mine]):
            status, why = "ignore", f"no row of it has a day of creation, so none can be used ({why or 'no word'})"
        said = flagged[mine]
        expected = {"abandoned": "lost", "rejected": "lost"}.get(status, status)
        if status and status != "ignore":
            disagree += int(((said != "") & (said != expected)).sum())
        own = days[mine].dropna()
        first, last = (f"{own.min():%Y-%m-%d}", f"{own.max():%Y-%m-%d}") if len(own) else ("", "")
        made.append(Value(value, int(rows), float(money[mine].sum()), first, last, status, why, likely))
    return made, disagree


def _meaning(
    value: str,
    mine: np.ndarray,
    flagged: pd.Series,
    probability: pd.Series,
    defaults: Mapping[str, str],
    system: str,
) -> tuple[str, str, str]:
    if status := defaults.get(squeezed(value), ""):
        return status, f"{system}'s own", ""
    word = outcome_of(value)
    said = set(flagged[mine]) - {""}
    if word in ("won", "lost", "abandoned", "rejected"):
        return word, "its word", ""
    if len(said) == 1:
        only = said.pop()
        return only, f"its flags say {only} in every row", ""
    chance = set(probability[mine].dropna())
    if chance in ({0.0}, {1.0}):
        return ("lost", "probability 0 in every row", "") if chance == {0.0} else ("won", "probability 100 %", "")
    if word:
        return word, "its word", ""
    if chance and 0 < min(chance) and max(chance) < 1:
        return "open", f"probability {min(chance):.0%} to {max(chance):.0%}", ""
    return "", "no word, flag or probability tells", "open"
