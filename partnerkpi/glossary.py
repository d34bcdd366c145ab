"""The definitions of the KPIs as text for a terminal: all of them in brief, or one in full."""

from __future__ import annotations

import textwrap
from difflib import get_close_matches

from partnerkpi.errors import UsageError
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS

_KIND = {"flow": "counted over the quarter", "stock": "counted on the quarter's last day"}


def overview() -> str:
    """The KPIs in reading order, two lines each: name and title, question and formula."""
    width = max(len(figure.name) for figure in KPIS)
    lines = []
    for figure in KPIS:
        lines.append(f"{figure.name:<{width}}  {figure.question}")
        lines.append(f"{'':<{width}}  = {figure.formula} ({figure.unit}, {figure.better} is better)")
    return "\n".join(lines)


def definition(name: str) -> str:
    """What one KPI or companion figure means: question, formula, unit, direction, edge cases, companions.

    Raises:
        UsageError: no figure has this name; the message names those that come close.
    """
    figures = {figure.name: figure for kpi in KPIS for figure in (*kpi.companions, kpi)}
    if name not in figures:
        near = get_close_matches(name, figures, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the KPIs are {', '.join(k.name for k in KPIS)}."
        raise UsageError(f"There is no KPI called {name!r}: {hint}")
    return _card(figures[name])


def _card(figure: Kpi) -> str:
    facts = [
        f"{figure.title} ({figure.name})",
        figure.question,
        "",
        f"  formula    {figure.formula}",
        f"  unit       {figure.unit}",
        f"  better     {figure.better}",
        f"  time       {_KIND[figure.kind]}",
        f"  n counts   {figure.counts}",
    ]
    if figure.companions:
        names = ", ".join(companion.name for companion in figure.companions)
        facts.append(textwrap.fill(names, width=96, initial_indent="  beside it  ", subsequent_indent=" " * 13))
    return "\n".join([*facts, "", figure.definition.strip()])
