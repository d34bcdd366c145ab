"""The profiles: what each CRM's preset says of its columns and values, as a survey needs it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from partnerkpi.survey.crm import TITLES
from partnerkpi.survey.words import squeezed

_FOLDER = Path(__file__).resolve().parent.parent / "book" / "presets"


@dataclass(frozen=True)
class Profile:
    """A CRM's columns by table, and what its statuses mean by squeezed spelling."""

    name: str = ""
    columns: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by name."""
    found = {name: Profile(name) for name in TITLES}
    for path in sorted(_FOLDER.glob("*.toml")) if _FOLDER.is_dir() else ():
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        columns = {
            table: {name: _spellings(source) for name, source in section.get("columns", {}).items()}
            for table, section in given.items()
            if table != "book" and isinstance(section, dict)
        }
        listed = given.get("deals", {}).get("values", {}).get("status", {})
        statuses = {squeezed(v): status for status, values in listed.items() for v in _spellings(values)}
        found[path.stem] = Profile(path.stem, columns, statuses, given)
    return found


def _spellings(source: Any) -> tuple[str, ...]:
    """Every spelling of a source: a text, a list of texts, or such by status."""
    if isinstance(source, str):
        return (source,)
    if isinstance(source, dict):
        return tuple(s for part in source.values() for s in _spellings(part))
    return tuple(source)
