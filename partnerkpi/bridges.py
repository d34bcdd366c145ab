"""The bridge: from the figure a CRM shows to the one defined here, one change of the definition at a time.

Close rates of one partner and quarter differ by definition more than most partners differ from each other. Here the
common ones stand below each other, each beside the one it comes from and with the one thing that was changed:

- *Salesforce*: won ÷ closed opportunities, by close date. Its help page "Calculate Win Rate on Closed Opportunities in
  a Report" (000387867) makes it of the fields Won and Closed, `WON:SUM / CLOSED:SUM`. Leads are another object there,
  and whatever is closed and not won counts against: no decision and refused registrations too.
- *By value*: won amount ÷ closed amount of the same opportunities, in Salesforce reports `EXP_AMOUNT:SUM / AMOUNT:SUM`,
  since the expected revenue of a lost one is nothing.
- *HubSpot*: won ÷ deals created in the period, as HubSpot's sales blog reckons (40 opportunities created, 10 of them
  won: 25 %) and as its funnel reports count, whose rows are those created in the time range. Salesforce's page has it
  too, as `WON:SUM / RowCount`. What is still open counts against.
- *Narrow* and *close rate*: the package's own, of prospects, as is the *cohort* rate; see `partnerkpi.kpis.close_rate`.

For velocity: the mean days from creation to a win of the deals won in the quarter (the "average days to close" of
either CRM), the median of the same deals, the median of a year's wins, and deal velocity, which counts open deals too.

Every CRM can be set up otherwise: the names say whose usual report the rule is, not what yours shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.schema import CLOSED
from partnerkpi.deals import closed_in, decided_in, entered_in, priced, won_between, won_in
from partnerkpi.figures import figure
from partnerkpi.kpi import Kpi, nothing_known
from partnerkpi.kpis.close_rate import close_rate, cohort_180, narrow
from partnerkpi.kpis.deal_velocity import deal_velocity, naive_days
from partnerkpi.periods import Quarter
from partnerkpi.wording import DEALS, WON_DEALS, Code, Remark, say

COLUMNS = (
    *("figure", "step", "title", "rule", "value", "n", "unit"),
    *("against", "difference", "rows_in", "rows_out", "why", "reason"),
)


@dataclass(frozen=True)
class Step:
    """One definition: its name, title and formula, its value, and one key for each row behind it."""

    name: str
    title: str
    rule: str
    value: float | None
    rows: pd.Index
    reason: Remark | None = None


@dataclass(frozen=True)
class Change:
    """A step and where it comes from: the name of the step before (empty for the first), and what was changed."""

    step: Step
    against: str
    why: str


def bridge(book: Book, quarter: str | Quarter = "") -> pd.DataFrame:
    """Close rate and deal velocity under the usual definitions, each with what was changed from the one before it.

    Args:
        book: the book, or any part of it.
        quarter: the quarter; the last complete one where none is named.

    Returns:
        One line per definition: `figure` (the KPI), `step` (the definition's name), `title` and `rule` (its formula) in
        words, `value`, `n` (the rows it divides by, or takes the mean or median of), `unit`; `against` (the step it
        comes from; empty for the first), `difference` (value − that step's value), `rows_in` and `rows_out` (how many
        rows it counts that the other did not, and the other way round; a lead and its deal are one), `why` (what was
        changed, a sentence), and `reason` (why there is no value). Shares are fractions, durations days.

    Raises:
        UsageError: the text is no quarter, or the quarter has not begun.
    """
    period = book.quarter(quarter)
    tables = [_table(kpi, changes(book, period)) for kpi, changes in _CHANGES.items()]
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _close_rates(book: Book, quarter: Quarter) -> list[Change]:
    closed, created = closed_in(book.deals, quarter, CLOSED), entered_in(book.deals, quarter)
    none = nothing_known(book, quarter) or Code.NONE_IN_QUARTER(rows=DEALS)

    def share(name: str, title: str, rule: str, rows: pd.DataFrame) -> Step:
        won = (rows["status"] == "won").mean() if len(rows) else None
        return Step(name, title, rule, won, _keys(rows), none)

    salesforce = share("salesforce", say("Salesforce-style"), say("won ÷ closed opportunities, by close date"), closed)
    hubspot = share("hubspot", say("HubSpot-style"), say("won so far ÷ deals created in the quarter"), created)
    sized = priced(closed)
    both = bool({"lost", "abandoned", "rejected"} & book.others.priced)
    by_value = Step(
        "by_value",
        say("By value"),
        say("won amount ÷ closed amount, by close date"),
        _won_share(sized) if both and len(sized) else None,
        _keys(sized),
        none if closed.empty else Code.NONE_WITH_AMOUNT() if both else Code.LOST_AMOUNTS_NOT_RECORDED(),
    )
    decided = share(
        "decided",
        say("Without refusals"),
        say("won ÷ (won + lost + abandoned), deals only"),
        decided_in(book.deals, quarter),
    )
    return [
        Change(salesforce, "", say("opportunities only; all that was closed and not won counts against")),
        Change(by_value, salesforce.name, say("each opportunity counts by its amount: one large deal outweighs many")),
        Change(
            hubspot,
            salesforce.name,
            say("by create date: what is still open counts against, and wins of older deals not at all"),
        ),
        Change(decided, salesforce.name, say("a refused registration was never a chance to sell, so it is not a loss")),
        Change(
            _own(close_rate, book, quarter),
            decided.name,
            say("leads that became no deal were decided too, and several deals of one lead are one prospect"),
        ),
        Change(
            _own(narrow, book, quarter),
            close_rate.name,
            say("only a yes or a no counts: whoever never decided is left out"),
        ),
        Change(
            _own(cohort_180, book, quarter),
            close_rate.name,
            say("by day of entry, over four quarters, with those still open: of all that come in, how many are won"),
        ),
    ]


def _velocities(book: Book, quarter: Quarter) -> list[Change]:
    none = nothing_known(book, quarter) or Code.NONE_IN_QUARTER(rows=WON_DEALS)
    won, year = _days(won_in(book.deals, quarter)), _days(won_between(book.deals, *quarter.year))
    mean = Step(
        "crm_mean",
        say("Average days to close"),
        say("mean days of the deals won in the quarter"),
        won["value"].mean() if len(won) else None,
        _keys(won),
        none,
    )
    usual = Step(
        "year_median",
        say("Median of a year's wins"),
        say("median days of the deals won in four quarters"),
        year["value"].median() if len(year) else None,
        _keys(year),
        nothing_known(book, quarter) or Code.NO_DEAL_WON_IN_WINDOW(),
    )
    return [
        Change(mean, "", say("what a CRM shows: only deals that were won, and only those of the quarter")),
        Change(
            _own(naive_days, book, quarter),
            mean.name,
            say("the middle one of the same deals: a few that took very long no longer move it"),
        ),
        Change(usual, naive_days.name, say("four quarters instead of one: more wins, and every season among them")),
        Change(
            _own(deal_velocity, book, quarter),
            usual.name,
            say("deals still open, or lost, are followed too: without them whoever grows looks fast"),
        ),
    ]


_CHANGES: dict[Kpi, Callable[[Book, Quarter], list[Change]]] = {close_rate: _close_rates, deal_velocity: _velocities}
#: The KPIs that have a bridge.
BRIDGED = tuple(_CHANGES)


def _own(kpi: Kpi, book: Book, quarter: Quarter) -> Step:
    """A figure of the package, as every page has it."""
    known = figure(kpi, book, quarter)
    rows = _keys(kpi.rows(book, quarter))
    return Step(kpi.name, say(kpi.title), say(kpi.formula), known.value, rows, known.reason)


def _won_share(rows: pd.DataFrame) -> float:
    """The part of the money that was won."""
    return float(rows["amount"].where(rows["status"] == "won", 0.0).sum() / rows["amount"].sum())


def _days(won: pd.DataFrame) -> pd.DataFrame:
    """Won deals with the days each took; without those that closed before they were created."""
    days = (won["closed_on"] - won["created_on"]).dt.days
    return won.assign(value=days.astype(np.float64))[(days >= 0).to_numpy()]


def _keys(rows: pd.DataFrame) -> pd.Index:
    """What each row is about: a deal, or a lead that became none."""
    key = rows["deal_id"]
    return pd.Index(key if "kind" not in rows else key.fillna("L:" + rows["lead_id"]))


def _table(kpi: Kpi, changes: list[Change]) -> pd.DataFrame:
    known = {change.step.name: change.step for change in changes}
    lines = []
    for change in changes:
        step, other = change.step, known.get(change.against, change.step)
        value, before = (np.nan if each.value is None else each.value for each in (step, other))
        line = {
            "figure": kpi.name,
            "step": step.name,
            "title": step.title,
            "rule": step.rule,
            "value": value,
            "n": len(step.rows),
            "unit": kpi.unit,
            "against": change.against,
            "difference": value - before if change.against else np.nan,
            "rows_in": len(step.rows.difference(other.rows)),
            "rows_out": len(other.rows.difference(step.rows)),
            "why": change.why,
            "reason": str(step.reason) if step.value is None else None,
        }
        lines.append(line)
    return pd.DataFrame(lines)
