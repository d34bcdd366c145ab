"""What a survey remembers beside the book, so that next quarter's export can be compared with this one's.

It lies in the book's folder in a file of its own, which no reading looks at: for each file its header, a fingerprint of
that, its rows, and the values of the columns that have few.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from partnerkpi.errors import UsageError
from partnerkpi.export import write_text
from partnerkpi.survey.survey import Survey
from partnerkpi.survey.tables import Part

FILE = ".partnerkpi.json"
_VERSION = 1
_KEPT = ("status", "stage", "currency", "channel", "region", "product", "partner_id", "rep", "unit", "reason")
_MOST = 500  # values of one column


def fingerprint(header: list[str]) -> str:
    """What two exports of one shape have in common: their columns, in any order."""
    return hashlib.sha256("\x1f".join(sorted(header)).encode()).hexdigest()[:16]


def memory_of(found: Survey) -> dict[str, Any]:
    """What is worth remembering of a survey."""
    files = {}
    for part in found.parts:
        if part.columns:
            files[part.name] = _part(part)
    return {"version": _VERSION, "crm": found.found.crm, "files": files}


def _part(part: Part) -> dict[str, Any]:
    header = list(part.columns)
    values = {}
    for name in _KEPT:
        match = part.mapped.matches.get(name)
        for source in match.reads.names if match else ():
            if source in part.columns and part.columns[source].distinct <= _MOST:
                values[source] = sorted(part.columns[source].values)
    kinds = {
        n: "/".join(c.formats) if c.kind == "day" else c.kind for n, c in part.columns.items() if c.kind != "empty"
    }
    return {
        "table": part.table,
        "fingerprint": fingerprint(header),
        "header": header,
        "rows": part.sheet.rows,
        "encoding": part.sheet.encoding,
        "delimiter": part.sheet.delimiter,
        "kinds": kinds,
        "values": values,
    }


def remember(found: Survey) -> Path:
    """Write down what is worth remembering, in the folder of the files.

    Raises:
        SystemProblem: the file cannot be written.
    """
    text = json.dumps(memory_of(found), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return write_text(text, found.folder / FILE)


def recall(folder: Path) -> dict[str, Any]:
    """What was remembered in the folder.

    Raises:
        UsageError: nothing is remembered there, or it cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        raise UsageError(
            f"Nothing is remembered in '{folder}': 'partnerkpi init … --write' keeps what an export looked like "
            f"({FILE}), and --diff compares the next one with it."
        )
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(kept["files"], dict):
            raise TypeError
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(f"'{path}' is damaged. Delete it and run 'partnerkpi init … --write' again.") from error
    return dict(kept)


def differences(found: Survey, kept: dict[str, Any]) -> list[str]:
    """What is otherwise than it was: files, columns, ways of writing, values that are new or gone."""
    before: dict[str, Any] = kept["files"]
    lines: list[str] = []
    met: set[str] = set()
    for part in found.parts:
        if not part.columns:
            continue
        name = _before(part, before)
        if not name:
            lines.append(f"{part.name}: a file that was not there ({part.sheet.rows:,} rows)")
            continue
        met.add(name)
        lines += _changes(part, name, before[name])
    lines += [f"{name}: this file is gone" for name in before if name not in met]
    return lines


def _before(part: Part, before: dict[str, Any]) -> str:
    """The remembered file this one follows: the one of its name, else the one with its columns."""
    if part.name in before:
        return part.name
    own = fingerprint(list(part.columns))
    return next((name for name, one in before.items() if one.get("fingerprint") == own), "")


def _changes(part: Part, name: str, old: dict[str, Any]) -> list[str]:
    where = part.name if part.name == name else f"{part.name} (was {name})"
    now = _part(part)
    lines = []
    header, was = now["header"], list(old.get("header", []))
    if new := [c for c in header if c not in was]:
        lines.append(f"{where}: new columns: {', '.join(new)}")
    if gone := [c for c in was if c not in header]:
        lines.append(f"{where}: columns that are gone: {', '.join(gone)}")
    for what in ("encoding", "delimiter"):
        if now[what] != old.get(what):
            lines.append(f"{where}: {what} {now[what]!r}, was {old.get(what)!r}")
    kinds = old.get("kinds", {})
    for column, kind in now["kinds"].items():
        if column in kinds and kinds[column] != kind:
            lines.append(f"{where}: {column} is written as {kind or 'ISO'}, was {kinds[column] or 'ISO'}")
    for column, values in old.get("values", {}).items():
        if column not in part.columns or part.columns[column].distinct > _MOST:
            continue
        mine = part.columns[column]
        fresh = [v for v in mine.values if v not in set(values)]
        if fresh:
            shown = ", ".join(f"'{v}' ({int(mine.counts[v]):,} rows)" for v in fresh[:12])
            lines.append(f"{where}: new in {column}: {shown}{' …' if len(fresh) > 12 else ''}")
        if away := [v for v in values if v not in set(mine.values)]:
            shown = ", ".join(f"'{v}'" for v in away[:12])
            lines.append(f"{where}: no longer in {column}: {shown}{' …' if len(away) > 12 else ''}")
    if now["rows"] < old.get("rows", 0):
        lines.append(f"{where}: {now['rows']:,} rows, fewer than the {old['rows']:,} of before")
    return lines
