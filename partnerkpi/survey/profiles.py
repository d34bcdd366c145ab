"""The profiles: what each CRM's preset says of its columns and values, as a survey needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from partnerkpi.book.config import preset_called, preset_names
from partnerkpi.book.meaning import Flags, Source, flags_of, sources_of
from partnerkpi.book.schema import TABLES


@dataclass(frozen=True)
class Profile:
    """A CRM's columns by table, what the values of its columns mean, its flags, and the columns it leaves rows out by.

    Without a name it is the profile of a system that is not known.
    """

    name: str = ""
    columns: Mapping[str, Mapping[str, Source]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    flags: Flags = field(default_factory=Flags)
    leave_out: frozenset[str] = frozenset()

    def of(self, table: str) -> Mapping[str, Source]:
        """The columns of a table."""
        return self.columns.get(table, {})

    def meaning(self, table: str, column: str) -> Mapping[str, str]:
        """What each value of a column means."""
        return self.values.get(table, {}).get(column, {})


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by name."""
    return {name: _profile(name, preset_called(name)) for name in preset_names()}


def _profile(name: str, given: Mapping[str, Any]) -> Profile:
    sections = {table: section for table, section in given.items() if table in TABLES}
    columns = {table: sources_of(TABLES[table], section.get("columns", {})) for table, section in sections.items()}
    values = {table: _values(section.get("values", {})) for table, section in sections.items()}
    deals = sections.get("deals", {})
    flags = flags_of(TABLES["deals"], deals.get("flags", {}))
    return Profile(name, columns, values, flags, frozenset(deals.get("leave_out", {})))


def _values(section: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The canonical value of each value in an export, by column."""
    return {
        column: {str(text): canonical for canonical, texts in mapping.items() for text in texts}
        for column, mapping in section.items()
    }
