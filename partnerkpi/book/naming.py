"""The header of a file beside the columns that book.toml asks for: what is missing, misspelt or not read."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from partnerkpi.book.choosing import asked_columns, needed_columns, wanted_columns
from partnerkpi.book.declarations import TableConfig
from partnerkpi.book.schema import Table
from partnerkpi.errors import nearest


@dataclass(frozen=True)
class Look:
    """What the header of a file shows: whether every column is there that must be, faults, and columns not read.

    A fault is its kind (E or W), the canonical column, the column of the file, and the rule.
    """

    complete: bool
    faults: list[tuple[str, str, str, str]]
    unread: list[str]


def header_look(table: Table, config: TableConfig, header: list[str]) -> Look:
    """Blame columns that are missing, or nearly named like one that could be read; note all others not read."""
    near = _near_columns(table, config, header)
    missing = _missing_columns(table, config, header, near)
    used = needed_columns(table, config, header)
    unread = [name for name in header if name not in used and name not in near]
    return Look(not missing, [*missing, *_spelling(table, near)], unread)


def _spelling(table: Table, near: Mapping[str, tuple[str, bool]]) -> list[tuple[str, str, str, str]]:
    """The faults of columns that are nearly named like one that could be read."""
    where, faults = f"[{table.name}.columns]", []
    for source, (name, same) in near.items():
        if table[name].required:
            continue  # it is missing, and that is said
        hint = f'map it under {where}, {name} = "{source}", or say that it is not to be read, {name} = ""'
        rule = f"not read, though but for its spelling it is '{name}': {hint}"
        if not same:
            rule = f"not read. If it is '{name}', {hint}"
        faults.append(("E" if same else "W", name, source, rule))
    return faults


def _missing_columns(
    table: Table, config: TableConfig, header: list[str], near: Mapping[str, tuple[str, bool]]
) -> list[tuple[str, str, str, str]]:
    """The faults of columns that the file must have and has not."""
    faults = []
    there = {*wanted_columns(table, config, header), *config.constants, *(table.key if config.key else ())}
    if any(name in header for names in config.flags.columns.values() for name in names):
        there.add("status")
    asked = asked_columns(config)
    for key, sources in asked.items():
        if not any(source in header for source in sources):
            faults.append(("E", key.partition(".")[2], "", _missing(table.name, key, sources, header)))
    for column in table.columns:
        if column.required and column.name not in there and f"columns.{column.name}" not in asked:
            same = [source for source, (name, equal) in near.items() if equal and name == column.name]
            hint = f"Map it under [{table.name}.columns]. {nearest(column.name, header)}"
            if offered := config.columns.get(column.name):
                hint = f"The preset looks for {_quoted(offered.names)}. {hint}"
            if same:
                hint = f"Did you mean '{same[0]}'? Map it under [{table.name}.columns]: {column.name} = \"{same[0]}\""
            faults.append(("E", column.name, "", f"the column '{column.name}' is missing. {hint}"))
    if table.name == "touches" and not {"deal_id", "lead_id"} & there:
        faults.append(("E", "", "", "neither 'deal_id' nor 'lead_id' is there"))
    return faults


def _near_columns(table: Table, config: TableConfig, header: list[str]) -> dict[str, tuple[str, bool]]:
    """For each column of the file that is not read but nearly named like one that could be: that one, and whether
    they are the same but for capitals, spaces, `_`, `-` and the width of letters; else one or two letters differ.
    """
    columns, needed = wanted_columns(table, config, header), needed_columns(table, config, header)
    mapped = {name for name in config.columns if f"columns.{name}" not in config.offered}
    taken = {*columns, *mapped, *config.constants, *config.unread, *(table.key if config.key else ())}
    free = [n for n in table.names if n not in taken]
    folded = {_folded(name): name for name in free}
    near: dict[str, tuple[str, bool]] = {}
    for source in dict.fromkeys(header):
        if source in needed:
            continue
        own = _folded(source)
        if own in folded:
            near[source] = (folded[own], True)
        elif close := [n for f, n in folded.items() if _within(own, f, 2 if len(f) > 5 else 1)]:
            near[source] = (close[0], False)
    return near


def _folded(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if not (c.isspace() or c in "_-"))


def _within(one: str, other: str, letters: int) -> bool:
    """True when at most so many letters must be put in, left out or exchanged to make one of the other."""
    if abs(len(one) - len(other)) > letters:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    if not (one and other):
        return True
    shorter = ((one[1:], other), (one, other[1:]), (one[1:], other[1:]))
    return letters > 0 and any(_within(*pair, letters - 1) for pair in shorter)


def _missing(table: str, key: str, sources: tuple[str, ...], header: list[str]) -> str:
    part, _, name = key.partition(".")
    where = f"[{table}] {part}" if part in ("key", "latest_by", "credit_notes") else f"[{table}.{part}] {name}"
    if len(sources) == 1:
        return f"{where}: the column '{sources[0]}' is missing. {nearest(sources[0], header)}"
    return f"{where}: none of the columns {_quoted(sources)} is there. {nearest(sources[0], header)}"


def _quoted(names: tuple[str, ...]) -> str:
    return " or ".join(f"'{name}'" for name in names)
