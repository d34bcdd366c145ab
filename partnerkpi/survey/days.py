"""In which order the parts of a table's days stand: decided by every cell of the file, or a doubt with its count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from partnerkpi.book.schema import TABLES
from partnerkpi.survey.columns import Mapped
from partnerkpi.survey.marks import ISO, Column, days_of

_TIMES = (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", ", %H:%M", ", %I:%M %p")


@dataclass
class Days:
    """How each date column of a table is written: its format (empty for ISO), and why; `doubts` by column of the book.

    A doubt holds the formats that all cells fit; `mixed` names columns that make one but are not written alike.
    """

    formats: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exceptions: dict[str, list[str]] = field(default_factory=dict)
    mixed: list[str] = field(default_factory=list)
    timed: bool = False

    @property
    def declared(self) -> dict[str, str]:
        """The formats that must be declared: all but the ISO ones."""
        return {name: form for name, form in self.formats.items() if form != ISO}


def days_in(table: str, mapped: Mapped, columns: Mapping[str, Column]) -> Days:
    """The formats of the mapped date columns of a table."""
    made = Days()
    sure = {_day(c.formats[0]): c for c in columns.values() if c.kind == "day" and len(c.formats) == 1}
    for match in mapped.matches.values():
        ones = [columns[n] for n in match.reads.names if n in columns and columns[n].kind == "day"]
        if not TABLES[table][match.column].dated or not ones:
            continue
        made.exceptions |= {one.name: one.exceptions for one in ones if one.exceptions}
        shared = [form for form in ones[0].formats if all(form in one.formats for one in ones)]
        forms = tuple(shared) or ones[0].formats
        if not shared:
            made.mixed.append(" and ".join(one.name for one in ones))
        name = " and ".join(one.name for one in ones)
        if len(forms) == 1:
            made.formats[match.column] = forms[0]
            fit = sum(one.filled - sum(one.nothing.values()) for one in ones)
            made.why[match.column] = f"{fit:,} cells of {name} fit no other order"
            continue
        deciding = [(form, sure[_day(form)]) for form in forms if _day(form) in sure]
        if len({_day(form) for form, _ in deciding}) == 1:
            form, other = deciding[0]
            made.formats[match.column] = form
            made.why[match.column] = f"both orders fit; {other.name} in the same file decides ({other.filled:,} cells)"
        else:
            made.doubts[match.column] = forms
    used = [columns[n] for n in mapped.used if n in columns]
    made.timed = any(c.kind == "day" and any(":" in v for v in c.values[:20]) for c in used)
    return made


def _day(form: str) -> str:
    """The format without its time."""
    return next((form.removesuffix(t) for t in _TIMES if form.endswith(t)), form)


def early(text: pd.DataFrame, created: str, closed: str, form: str) -> int:
    """In how many rows a deal would close before it was created, were the days written so."""
    return int((days_of(text[closed], form) < days_of(text[created], form)).sum())
