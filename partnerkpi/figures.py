"""All figures as one tidy table, the one door through which pages ask for a single one, and the definitions as text.

A figure is computed once for a book: `figure` and `trend` are what cards, covers and pictures ask.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.errors import UsageError
from partnerkpi.estimate import Estimate, remarks_text
from partnerkpi.groups import ALL, UNASSIGNED, Key, quoted
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.kpis.close_rate import close_rate
from partnerkpi.kpis.marketing_channels import cost_per_lead, cost_per_won_deal, leads, return_on_spend, spend
from partnerkpi.kpis.number_of_deals import number_of_deals, won_amount
from partnerkpi.periods import Quarter
from partnerkpi.wording import say

COLUMNS = ("by", "group", "quarter", "as_of", "kpi", "figure", "value", "low", "high", "n", "unit", "reason")
HEADLINE = "headline"
#: When a figure is counted, in words.
WHEN = {
    ("flow", "quarter"): "counted over the quarter",
    ("flow", "year"): "counted over the four quarters that end with this one",
    ("stock", "quarter"): "counted on the quarter's last day",
}


def figure(kpi: Kpi, book: Book, quarter: Quarter) -> Estimate:
    """One figure of everything in the book, computed when it is first asked for."""
    answer: Estimate = book.once((kpi, quarter), lambda: kpi(book, quarter))
    return answer


def trend(kpi: Kpi, book: Book, quarters: Sequence[Quarter]) -> pd.DataFrame:
    """The figure quarter by quarter, in the columns of `Kpi.trend`."""
    estimates = [figure(kpi, book, quarter) for quarter in quarters]
    columns = ("value", "low", "high", "n", "unit", "reason", "note")
    table = pd.DataFrame({"quarter": [quarter.label for quarter in quarters]})
    for name in columns:
        plain = name in ("value", "low", "high")
        table[name] = pd.Series([getattr(e, name) for e in estimates], dtype="float64" if plain else None)
    return table


def scorecard(
    book: Book,
    quarter: str | Quarter | Sequence[str | Quarter] = "",
    *,
    by: str = "partner",
    partner: str | None = None,
    headlines_only: bool = False,
) -> pd.DataFrame:
    """Every figure for every group and quarter, one row each.

    Columns `by, group, quarter, as_of, kpi, figure, value, low, high, n, unit, reason`; `figure` is `headline` or the
    companion's name; `group` is a value of the level, `groups.UNASSIGNED` or `groups.ALL`; missing values are NaN here
    and empty or null in files; `reason` says why, and what else must be known. `by="none"` gives only the line `ALL`.
    With `partner` only that partner's rows are used, and `by="partner"` gives that partner's line alone. The default
    quarter is the last complete one.

    Raises:
        UsageError: no such level, partner or quarter; the text names the nearest.
    """
    if partner is not None:
        book = book.for_partner(partner)
    wanted = [quarter] if isinstance(quarter, (str, Quarter)) else list(quarter)
    alone = by == "none" or (by == "partner" and bool(book.partner))
    label: str | Key = ALL if by == "none" else book.partner
    tables = []
    for period in map(book.quarter, wanted):
        for kpi in KPIS:
            for one in [kpi] if headlines_only else [kpi, *kpi.companions]:
                table = _line(figure(one, book, period), label) if alone else grouped(one, book, period, by)
                tables.append(table.assign(quarter=period.label, kpi=kpi.name, figure=name_of(one, kpi)))
    whole = pd.concat(tables, ignore_index=True)
    reasons = [remarks_text(*pair) for pair in zip(whole["reason"], whole["note"], strict=True)]
    return whole.assign(by=by, as_of=f"{book.as_of:%Y-%m-%d}", reason=reasons)[list(COLUMNS)]


def grouped(kpi: Kpi, book: Book, quarter: Quarter, by: str) -> pd.DataFrame:
    """The figure for each group, in the columns of `Kpi.by`, computed when it is first asked for."""
    answer: pd.DataFrame = book.once((kpi, quarter, by), lambda: kpi.by(book, quarter, by))
    return answer


def _line(told: Estimate, label: str | Key) -> pd.DataFrame:
    """One estimate as a table of one row, in the columns of `Kpi.by`."""
    line = {"group": label, **{name: getattr(told, name) for name in ("value", "low", "high", "n", "unit")}}
    table = pd.DataFrame([line]).astype({"group": object, "value": "float64", "low": "float64", "high": "float64"})
    for name in ("reason", "note"):
        table[name] = pd.Series([getattr(told, name)], dtype=object)
    return table


#: What a partner's notebooks need not compute again: estimates by the figure's name and the quarter's label.
Known = Mapping[tuple[str, str], Estimate]


def known_of(book: Book, quarters: Sequence[Quarter], back: int) -> dict[str | Key, Known]:
    """For every partner, and for `ALL`: every figure of the quarters, and those of a trend for as many before each."""
    known: dict[str | Key, dict[tuple[str, str], Estimate]] = defaultdict(dict)
    for last in quarters:
        for quarter in map(book.quarter, last.back(back)):
            for one in EVERY if quarter == last else (*KPIS, won_amount):
                table = grouped(one, book, quarter, "partner")
                for group, estimate in zip(table["group"], one.estimates(table), strict=True):
                    known[group][one.name, quarter.label] = estimate
    return dict(known)


def tell(book: Book, known: Known) -> None:
    """Let a book know estimates that were computed elsewhere, from the same rows."""
    for (name, label), estimate in known.items():
        _remember(book, BY_NAME[name], book.quarter(label), estimate)


def _remember(book: Book, kpi: Kpi, quarter: Quarter, told: Estimate) -> None:
    book.once((kpi, quarter), lambda: told)


#: Every figure there is, and by its name.
EVERY = tuple(dict.fromkeys(one for kpi in KPIS for one in (kpi, *kpi.companions)))
BY_NAME = {one.name: one for one in EVERY}


def refuse_before_records(book: Book, quarters: Sequence[Quarter]) -> None:
    """Pass when the book can know something of every quarter.

    Raises:
        UsageError: one had ended before the book's records begin.
    """
    first = book.others.first_day
    for quarter in quarters:
        if first is not None and quarter.end < first:
            raise UsageError(
                f"The quarter {quarter.label} ended on {quarter.end:%Y-%m-%d}, before the records of the book "
                f"'{book.name}' begin ({first:%Y-%m-%d}): nothing of it can be known."
            )


def name_of(one: Kpi, kpi: Kpi) -> str:
    """What a figure is called among those of its KPI."""
    return HEADLINE if one is kpi else one.name


#: The figures of one line of the channel table; leads are those that entered, close rates of prospects decided.
MEDIA_FIGURES = {
    "leads": leads,
    "won_deals": number_of_deals,
    "won_amount": won_amount,
    "spend": spend,
    "cost_per_lead": cost_per_lead,
    "cost_per_won_deal": cost_per_won_deal,
    "return_on_spend": return_on_spend,
}


def media_table(book: Book, quarter: str | Quarter, by: str = "media") -> pd.DataFrame:
    """What each media type (or, by `channel`, each channel) brought and cost in the quarter.

    Columns: the level, then `leads` (that entered in the quarter), `won_deals`, `won_amount`, `decided` (prospects
    decided in the quarter) and their `close_rate` with its 95 % interval (`close_rate_low`, `close_rate_high`),
    `spend`, `cost_per_lead`, `cost_per_won_deal` and `return_on_spend`. What is not recorded, or has no spend, is
    missing. Rows without a channel are `none_recorded`; a channel of that name stands in quotes.
    """
    tables = {name: one.by(book, quarter, by).set_index("group")["value"] for name, one in MEDIA_FIGURES.items()}
    rate = close_rate.by(book, quarter, by).set_index("group")
    rates = {"decided": rate["n"], "close_rate": rate["value"]}
    rates |= {"close_rate_low": rate["low"], "close_rate_high": rate["high"]}
    columns = [*list(MEDIA_FIGURES)[:3], *rates, *list(MEDIA_FIGURES)[3:]]
    table = pd.DataFrame(tables | rates)[columns].rename_axis(by).reset_index()
    if by == "media":  # every row has a media type or is `none_recorded` already
        return table[table[by] != UNASSIGNED].reset_index(drop=True)
    without = "none_recorded"
    groups = [without if g is UNASSIGNED else quoted(g, [without]) if isinstance(g, str) else g for g in table[by]]
    return table.assign(**{by: groups})


def overview() -> str:
    """The KPIs in reading order, two lines each: name and title, question and formula."""
    width = max(len(kpi.name) for kpi in KPIS)
    lines = []
    for kpi in KPIS:
        lines.append(f"{kpi.name:<{width}}  {say(kpi.question)}")
        lines.append(f"{'':<{width}}  = {say(kpi.formula)} ({kpi.unit}, {kpi.better} is better)")
    return "\n".join(lines)


def definition(name: str) -> str:
    """What one KPI or companion figure means: question, formula, unit, direction, edge cases, companions.

    The name may be the figure's title too, in any case.

    Raises:
        UsageError: no figure has this name; the message names those that come close.
    """
    every = {one.name: one for kpi in KPIS for one in (*kpi.companions, kpi)}
    titles = {one.title.casefold(): one for one in every.values()}
    one = every.get(name) or titles.get(name.casefold())
    if one is None:
        near = get_close_matches(name, every, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the KPIs are {', '.join(k.name for k in KPIS)}."
        raise UsageError(f"There is no KPI called {name!r}: {hint}")
    return _card(one)


def _card(one: Kpi) -> str:
    facts = [
        f"{say(one.title)} ({one.name})",
        say(one.question),
        "",
        f"  formula    {say(one.formula)}",
        f"  unit       {one.unit}",
        f"  better     {one.better}",
        f"  time       {say(WHEN[one.kind, one.span])}",
        f"  n counts   {one.counts}",
    ]
    if one.companions:
        names = ", ".join(companion.name for companion in one.companions)
        facts.append(textwrap.fill(names, width=96, initial_indent="  beside it  ", subsequent_indent=" " * 13))
    return "\n".join([*facts, "", one.definition.strip()])
