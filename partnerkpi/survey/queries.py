"""The SQL a draft needs: columns that stand in another file, and orders whose lines are to be summed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partnerkpi.survey.survey import Survey


def deals_query(found: Survey) -> list[str]:
    """The lines of the query that makes the deals, none where their files are enough."""
    if not found.lookups and not found.lines[0]:
        return []
    main = found.main
    if found.lines[0]:
        return _summed(found)
    lines = ["SELECT deal.*" + "".join(f", {_columns(i, join.adds, found)}" for i, join in enumerate(found.lookups))]
    lines = [line.rstrip(", ") for line in lines]
    lines.append(f"FROM {name(main.stem)} AS deal")
    for i, join in enumerate(found.lookups):
        lines.append(f"LEFT JOIN {name(join.part.stem)} AS other{i + 1} USING ({name(join.on)})  -- {join.why}")
    return lines


def _columns(place: int, adds: tuple[str, ...], found: Survey) -> str:
    wanted = found.mapped.used | {m.source for m in found.partners}
    return ", ".join(f"other{place + 1}.{name(n)}" for n in adds if n in wanted)


def _summed(found: Survey) -> list[str]:
    """One row per order: what is alike in all its lines, and the sum of their amounts."""
    key, same = found.lines
    amount = found.mapped.source("amount")
    wanted = found.mapped.used
    kept = [name(n) for n in (key, *same) if n in wanted]
    if amount in same:  # the amount of the whole deal, given again in each of its lines
        amount = ""
    summed = f", SUM(CAST({name(amount)} AS DECIMAL(18, 2))) AS {name(amount)}" if amount else ""
    return [
        f"SELECT {', '.join(kept)}{summed},",
        "       any_value(_file) AS _file, min(_record) AS _record, min(_line) AS _line",
        f"FROM {name(found.main.stem)}",
        f"GROUP BY ALL  -- a row is a line of a deal, and {query_note(found)}",
    ]


def query_note(found: Survey) -> str:
    """What is made of the amounts of a deal's lines."""
    source = found.mapped.source("amount")
    if not source:
        return "its lines count once"
    return f"{source}, the same in all its lines, is taken once" if source in found.lines[1] else f"{source} is summed"


def name(text: str) -> str:
    """A name as SQL takes it."""
    return text if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text) else '"' + text.replace('"', '""') + '"'
