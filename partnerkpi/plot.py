"""Estimates in, Axes out: the pictures draw what was computed and compute nothing themselves. The one style lives
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerkpi.groups import group_text
from partnerkpi.wording import DIRECTION, FEW, figure_text, number_text, say, unit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1f2a37"
MUTED = "#6b7280"
LINE = "#0b6e8a"
BAND = "#b9dbe4"
STOCK = "#42546b"  # what is there, beside what came (LINE) and what went (LOSS)
LOSS = "#b45309"
SIZE = (7.2, 3.0)  # inches; the width of a page's column


def trend(
    table: pd.DataFrame,
    *,
    title: str,
    counts: str,
    better: str,
    running: bool,
    ax: Axes | None,
    aims: Sequence[float] = (),
) -> Axes:
    """One figure over quarters: the value, its 95 % interval as a bar, and the count under each quarter.

    `table` is what `Kpi.trend` gives. Values of fewer than five rows are hollow and grey; a missing value leaves a gap
    with its reason in the table beside it. `running` marks the last quarter as not ended yet; `aims` are the
    targets of the quarters, drawn as lines across them.
    """
    ax = axes(ax)
    unit = str(table["unit"].iloc[0])
    x = np.arange(len(table))
    value, low, high = (table[c].to_numpy(dtype=np.float64) for c in ("value", "low", "high"))
    few = table["n"].to_numpy() < FEW
    both = np.isfinite(low) & np.isfinite(high)
    ax.vlines(x[both], low[both], high[both], color=BAND, linewidth=9, zorder=1, label=say("95 % interval"))
    ax.plot(x, value, color=LINE, linewidth=1.4, zorder=2)
    ax.plot(x[~few], value[~few], "o", color=LINE, markersize=6, zorder=3, label=say("value"))
    hollow = say("fewer than {few}", few=FEW)
    ax.plot(x[few], value[few], "o", color=MUTED, markerfacecolor="white", markersize=6, zorder=3, label=hollow)
    if (aimed := np.flatnonzero(np.isfinite(aims))).size:
        aim = np.asarray(aims)[aimed]
        ax.hlines(aim, aimed - 0.42, aimed + 0.42, color=INK, linewidth=1.3, linestyles="--", label=say("target"))
    for i in np.flatnonzero(~np.isfinite(value)):
        ax.annotate(
            say("missing"), (x[i], 0.04), xycoords=("data", "axes fraction"), ha="center", fontsize=8, color=MUTED
        )
    counted = [say("n = {n}", n=int(n)) for n in table["n"]]
    if running:
        counted[-1] = say("to date, n = {n}", n=int(table["n"].iloc[-1]))
    ax.set_xticks(x, [f"{q}\n{n}" for q, n in zip(table["quarter"], counted, strict=True)], fontsize=8)
    ax.set_xlim(-0.5, len(x) - 0.5)
    _finish(ax, title, unit, np.append(value, aims), np.append(high, np.full(len(aims), np.nan)))
    below = say("n = {counts}; {direction}", counts=counts, direction=say(DIRECTION[better]))
    if aimed.size:
        below = say("{text}; dashed: the target", text=below)
    ax.set_xlabel(below, fontsize=8, color=MUTED)
    return ax


def months(table: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Counts over months: a dot for each, steps for what is usual and the limits around it, a square where one is
    marked.

    `table` is what `findings.process.months` gives; without limits there are dots alone.
    """
    ax = axes(ax)
    x = np.arange(len(table))
    count, mean, low, high = (table[c].to_numpy(dtype=np.float64) for c in ("count", "mean", "low", "high"))
    marked = table["rule"].ne("").to_numpy()
    edges = np.append(x - 0.5, len(x) - 0.5)
    if len(x) and np.isfinite(mean).all():
        ax.stairs(high, edges, baseline=low, fill=True, color=BAND, alpha=0.45, zorder=1, label=say("limits"))
        ax.stairs(mean, edges, baseline=None, color=MUTED, linewidth=1.1, zorder=2, label=say("usual"))
    ax.plot(x, count, color=LINE, linewidth=1.2, zorder=3)
    ax.plot(x[~marked], count[~marked], "o", color=LINE, markersize=5, zorder=4, label=say("month"))
    ax.plot(x[marked], count[marked], "s", color=LOSS, markersize=6, zorder=5, label=say("marked month"))
    shown = x[:: 3 if len(x) > 12 else 1]
    ax.set_xticks(shown, [f"{table['month'].iloc[i]:%Y-%m}" for i in shown], fontsize=8)
    ax.set_xlim(-0.5, len(x) - 0.5)
    _finish(ax, title, "deals", np.append(count, mean), high)
    return ax


def groups(table: pd.DataFrame, *, title: str, counts: str, ax: Axes | None = None) -> Axes:
    """One figure for several groups: a dot with its 95 % interval per group, in the order of the table.

    `table` is what `Kpi.by` gives; groups without a value are left out.
    """
    table = table[table["value"].notna()]
    height = max(1.6, 0.6 + 0.26 * len(table))
    ax = axes(ax, (SIZE[0], height))
    unit = str(table["unit"].iloc[0]) if len(table) else ""
    y = np.arange(len(table))[::-1]
    value, low, high = (table[c].to_numpy(dtype=np.float64) for c in ("value", "low", "high"))
    few = table["n"].to_numpy() < FEW
    both = np.isfinite(low) & np.isfinite(high)
    ax.hlines(y[both], low[both], high[both], color=BAND, linewidth=7, zorder=1)
    ax.plot(value[~few], y[~few], "o", color=LINE, markersize=5, zorder=2)
    ax.plot(value[few], y[few], "o", color=MUTED, markerfacecolor="white", markersize=5, zorder=2)
    names = [
        say("{group}  (n = {n})", group=group_text(g), n=int(n))
        for g, n in zip(table["group"], table["n"], strict=True)
    ]
    ax.set_yticks(y, names, fontsize=8)
    ax.set_ylim(-0.7, len(table) - 0.3)
    ax.xaxis.set_major_formatter(_written(unit))
    ax.tick_params(axis="x", labelsize=8)
    ax.set_title(title, loc="left", fontsize=10, color=INK, parse_math=False)
    ax.set_xlabel(say("{unit}; n = {counts}", unit=unit_text(unit), counts=counts), fontsize=8, color=MUTED)
    _calm(ax, grid="x")
    longest = max((len(n) for n in names), default=10)
    ax.figure.subplots_adjust(
        left=min(0.5, 0.03 + 0.0085 * longest), right=0.97, top=1 - 0.35 / height, bottom=0.45 / height
    )
    return ax


#: From here on amounts are drawn in thousands, so that thirteen of them have room beside each other.
THOUSANDS = 10_000


def waterfall(table: pd.DataFrame, *, title: str, names: Mapping[str, str], unit: str, ax: Axes | None = None) -> Axes:
    """From one amount to another: a whole bar for the first and the last, and between them what came and what went.

    `table` is what `waterfall` gives of one span of days; `names` says what each bar is called. Bars of no deal are
    left out.
    """
    ax = axes(ax)
    kept = np.union1d([0, len(table) - 1], np.flatnonzero(table["behind"].to_numpy()))
    part = table.iloc[kept]
    amount, x = part["amount"].to_numpy(dtype=np.float64), np.arange(len(part))
    large = bool(np.abs(amount).max() >= THOUSANDS)
    amount = amount / 1000 if large else amount
    whole = np.isin(x, [0, len(x) - 1])
    top = np.where(whole, amount, np.cumsum(amount))
    bottom = np.where(whole, 0.0, top - amount)
    heights = np.maximum(top, bottom)
    colours = np.select([whole, amount < 0], [STOCK, LOSS], LINE)
    ax.bar(x, top - bottom, bottom=bottom, color=colours, width=0.72, zorder=2)
    ax.hlines(top[:-1], x[:-1], x[1:], color=MUTED, linewidth=0.6, zorder=1)
    for place, value, height, stock in zip(x, amount, heights, whole, strict=True):
        text = number_text(abs(value), 1 if large else 0)
        nought = not any(c in "123456789" for c in text)
        sign = "" if nought or (stock and value > 0) else "−" if value < 0 else "+"
        ax.annotate(
            sign + text, (place, height), (0, 2), textcoords="offset points", ha="center", fontsize=7, color=INK
        )
    ax.set_xticks(x, [names[bar].replace(" ", "\n", 1) for bar in part["bar"]], fontsize=6.5)
    ax.set_xlim(-0.6, len(x) - 0.4)
    _finish(ax, title, unit, heights, heights)
    ax.set_ylabel(say("{unit}, thousands", unit=unit) if large else unit, fontsize=8, color=MUTED)
    ax.yaxis.set_major_formatter(_written("index"))
    ax.set_ylim(min(0.0, float(bottom.min()), float(top.min())) * 1.1, max(float(heights.max()), 1.0) * 1.1)
    return ax


def funnel(
    table: pd.DataFrame,
    curves: pd.DataFrame,
    *,
    rate: float,
    names: Mapping[str, str],
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Rates against what they are worth inside limits; only those in `names` are named, and only they stand out.

    `table` and `curves` are those of `portfolio.funnel`. A triangle points to the side on which a rate lies outside, a
    square marks a named one inside, a hollow circle fewer than five.
    """
    ax = axes(ax, (5.2, 3.6))
    table = table[table["rate"].notna()]
    n, value = (table[c].to_numpy(dtype=np.float64) for c in ("worth", "rate"))
    outside, few = table["beyond"].to_numpy() > 0, table["n"].to_numpy() < FEW
    named = table["partner_id"].isin(names).to_numpy()
    for ends, style, label in (
        (("low", "high"), "-", say("95 % limits")),
        (("lowest", "highest"), "--", say("99.8 %")),
    ):
        for end, legend in zip(ends, (label, "_nolegend_"), strict=True):
            ax.plot(curves["n"], curves[end], style, color=MUTED, linewidth=0.9, zorder=1, label=legend)
    ax.axhline(rate, color=INK, linewidth=0.9, zorder=1, label=say("the network"))
    groups = (
        (~outside & ~few & ~named, "o", LINE, BAND, say("partner inside")),
        (~outside & few, "o", MUTED, "white", say("fewer than {few}", few=FEW)),
        (~outside & ~few & named, "s", STOCK, STOCK, say("inside once adjusted")),
        (outside & (value > rate), "^", LINE, LINE, say("above")),
        (outside & (value < rate), "v", LOSS, LOSS, say("below")),
    )
    for where, marker, edge, face, label in groups:
        if where.any():
            ax.plot(
                n[where], value[where], marker, color=edge, markerfacecolor=face, markersize=6, zorder=3, label=label
            )
    most = float(curves["n"].max())
    for place, height, partner in zip(n[named], value[named], table["partner_id"][named], strict=True):
        crowded = (n > place) & (n < place + 0.35 * most) & (np.abs(value - height) < 0.12) & named
        left = place > 0.7 * most or bool(crowded.any())
        ax.annotate(
            names[partner],
            (place, height),
            (-6 if left else 6, -3),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=8,
            color=INK,
            parse_math=False,
        )
    ax.set_title(title, loc="left", fontsize=9, color=INK, parse_math=False)
    ax.set_xlabel(say("decided prospects of four quarters, as many as tell as much"), fontsize=8, color=MUTED)
    ax.yaxis.set_major_formatter(_written("share"))
    ax.tick_params(labelsize=8)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlim(0, most * 1.03)
    ax.legend(fontsize=7, frameon=False, loc="upper right", ncols=2, labelcolor=INK)
    _calm(ax, grid="y")
    ax.figure.subplots_adjust(left=0.1, right=0.985, top=0.91, bottom=0.14)
    return ax


def spark(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """One figure over quarters, word-sized: its last value large, that of four quarters before in a ring.

    `table` is what `Kpi.trend` gives, the quarter in question last.
    """
    ax = axes(ax, (2.4, 0.72))
    x, few = np.arange(len(table)), table["n"].to_numpy() < FEW
    value, low, high = (table[c].to_numpy(dtype=np.float64) for c in ("value", "low", "high"))
    known = value[np.isfinite(value)]
    top = max(
        float(known.max(initial=0.0)), min(float(high[np.isfinite(high)].max(initial=0.0)), 3 * known.max()), 1e-9
    )
    both = np.isfinite(low) & np.isfinite(high)
    ax.vlines(x[both], low[both], np.minimum(high[both], top), color=BAND, linewidth=5, zorder=1)
    ax.plot(x, value, color=LINE, linewidth=1.2, zorder=2)
    for where, face in ((few, "white"), (~few, LINE)):
        colour = MUTED if face == "white" else LINE
        ax.plot(x[where], value[where], "o", color=colour, markerfacecolor=face, markersize=3, zorder=3)
        last = where & (x == len(x) - 1)
        ax.plot(x[last], value[last], "o", color=colour, markerfacecolor=face, markersize=6, zorder=4)
    if len(x) > 4:
        ax.plot(x[-5], value[-5], "o", color=INK, markerfacecolor="none", markersize=6, zorder=4)
    ax.set_xlim(-0.5, len(x) - 0.5)
    ax.set_ylim(min(0.0, float(known.min())) - 0.1 * top, 1.12 * top)
    ends = [0, len(x) - 1]
    ax.set_xticks(ends, [str(table["quarter"].iloc[i]) for i in ends], fontsize=7, color=MUTED)
    ax.set_yticks([])
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color("#e5e7eb")
    ax.tick_params(length=0, pad=1)
    ax.figure.subplots_adjust(left=0.06, right=0.94, top=0.99, bottom=0.2)
    return ax


def axes(ax: Axes | None, size: tuple[float, float] = SIZE) -> Axes:
    """The Axes given, or new ones of the usual size."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size)[1]


def _finish(ax: Axes, title: str, unit: str, value: Any, high: Any) -> None:
    ax.set_title(title, loc="left", fontsize=10, color=INK, parse_math=False)
    ax.set_ylabel(say("index (100 = typical)") if unit == "index" else unit_text(unit), fontsize=8, color=MUTED)
    ax.yaxis.set_major_formatter(_written(unit))
    ax.tick_params(axis="y", labelsize=8)
    heights = np.append(value[np.isfinite(value)], 0.0)
    top = max(heights.max(), np.append(high[np.isfinite(high)], 0.0).max())
    if top > 0:
        ceiling = 1.0 if unit == "share" and top <= 1 else min(top, 4 * heights.max()) or top
        ax.set_ylim(min(0.0, heights.min()) * 1.1, ceiling * 1.06)
        beyond = np.flatnonzero(high > ceiling)  # an interval far above every value must not flatten the rest
        ax.plot(beyond, np.full(len(beyond), ceiling * 1.03), "^", color=LINE, markersize=4, label="goes on above")
    else:
        ax.set_ylim(0, 1)
    _calm(ax, grid="y")
    ax.figure.subplots_adjust(left=0.12, right=0.985, top=0.9, bottom=0.23)


def _calm(ax: Axes, grid: str) -> None:
    ax.grid(axis=grid, color="#e5e7eb", linewidth=0.7)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    for side in ("top", "right", "left" if grid == "y" else "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0, colors=INK)


def _written(unit: str) -> Any:
    from matplotlib.ticker import FuncFormatter

    def text(value: float, _position: int) -> str:
        return figure_text(value, unit)

    return FuncFormatter(text)
