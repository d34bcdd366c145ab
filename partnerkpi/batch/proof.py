"""Proof that a notebook ran to its end and says what the package computed.

Exit codes and cell states prove nothing: a kernel that was killed leaves cells marked as completed. What counts is
that every code cell has run, in order, that none failed or warned of a number it could not trust, and that the end
marker names this chapter, partner and quarter with the very figures computed outside the notebook.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The mime type of the end marker that `show.end` writes.
END = "application/vnd.partnerkpi.end+json"
#: Warnings about the age of code, not about numbers.
HARMLESS = re.compile(r"(Deprecation|Future|PendingDeprecation|User|Pandas4|Resource|Import|Syntax)Warning")
WARNED = re.compile(r"\b([A-Z]\w*Warning)\b")

Notebook = Mapping[str, Any]
Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Claim:
    """What a finished notebook must say at its end."""

    chapter: str
    partner: str
    quarter: str
    as_of: str


def faults(notebook: Notebook, claim: Claim, figures: Figures) -> list[str]:
    """Everything that keeps the notebook from being believed; empty when it is proven.

    `notebook` is the executed notebook as JSON, `figures` the values computed outside it by figure name. Each of them
    must stand in the end marker, exactly equal, and nothing else may.
    """
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    counts = [cell.get("execution_count") for cell in code]
    if not code:
        return ["it has no code"]
    found = []
    if None in counts:
        found.append(f"{counts.count(None)} of {len(counts)} code cells did not run")
    elif counts != sorted(set(counts)):
        found.append("its cells ran out of order")
    outputs = [output for cell in code for output in cell.get("outputs", ())]
    found += [f"{o.get('ename')}: {o.get('evalue')}" for o in outputs if o["output_type"] == "error"]
    found += _warnings(outputs)
    markers = [o["data"][END] for o in outputs if END in o.get("data", {})]
    if len(markers) != 1:
        return [*found, "it did not reach its end marker" if not markers else "it has more than one end marker"]
    if "".join(code[-1]["source"]) and not any(END in o.get("data", {}) for o in code[-1].get("outputs", ())):
        found.append("the end marker is not in its last cell")
    return found + _differences(markers[0], claim, figures)


def _warnings(outputs: list[Any]) -> list[str]:
    text = "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream" and o["name"] == "stderr")
    serious = sorted({name for name in WARNED.findall(text) if not HARMLESS.fullmatch(name)})
    return [f"it warned of its own numbers ({', '.join(serious)})"] if serious else []


def _differences(marker: Mapping[str, Any], claim: Claim, figures: Figures) -> list[str]:
    found = [
        f"its end marker is for {key} {marker.get(key)!r} instead of {wanted!r}"
        for key, wanted in vars(claim).items()
        if marker.get(key) != wanted
    ]
    stated: Figures = marker.get("figures") or {}
    if not stated:
        found.append("its end marker has no figures")
    for name, value in stated.items():
        if not (value is None or (isinstance(value, int | float) and math.isfinite(value))):
            found.append(f"{name} is {value!r}, not a number")
        elif name not in figures:
            found.append(f"{name} was not computed outside the notebook")
        elif value != figures[name]:
            found.append(f"{name} is {value!r} in the notebook and {figures[name]!r} outside it")
    found += [f"{name} is not in its end marker" for name in figures if name not in stated]
    return found
