"""A section of book.toml over a preset's: what the file says itself wins, key by key, of values value by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partnerkpi.book.keys import mapping_of
from partnerkpi.book.schema import Table


def merged(own: Mapping[str, Any], preset: Mapping[str, Any], table: Table) -> tuple[dict[str, Any], frozenset[str]]:
    """A section of book.toml over a preset's, key by key and value by value; and the keys only the preset has.

    Raises:
        UsageError: something in the section is no table that must be one.
    """
    section = {**preset, **own}
    taken = {name for key in ("columns", "constants") for name in mapping_of(own.get(key, {}), f"[{table.name}.{key}]")}
    if "key" in own:
        taken.update(table.key)
    offered: set[str] = set()
    for part in (name for name in _MERGED if name in preset):
        given = mapping_of(own.get(part, {}), f"[{table.name}.{part}]")
        left = {name: value for name, value in preset[part].items() if name not in given}
        if part in ("columns", "constants"):
            left = {name: value for name, value in left.items() if name not in taken}
        offered |= {f"{part}.{name}" for name in left}
        section[part] = {**left, **given}
    if "values" in preset:
        section["values"] = _values_over(mapping_of(own.get("values", {}), f"[{table.name}.values]"), preset["values"])
    return section, frozenset(offered)


_MERGED = ("columns", "constants", "flags", "leave_out", "only", "probabilities", "remarks", "expects")


def _values_over(own: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the preset that book.toml says nothing of, and its own."""
    result = dict(own)
    for column, mapping in preset.items():
        given = own.get(column, {})
        if not isinstance(given, dict):
            continue  # what is wrong with it is said where it is read
        listed = {c: [v] if isinstance(v, str) else v for c, v in given.items()}
        said = {text for values in listed.values() if isinstance(values, list) for text in map(str, values)}
        left = {c: [text for text in texts if text not in said] for c, texts in mapping.items()}
        both = {c: [*left.get(c, []), *v] if isinstance(v, list) else v for c, v in listed.items()}
        result[column] = {**{c: texts for c, texts in left.items() if texts}, **both}
    return result
