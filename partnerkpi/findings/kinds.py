"""Every kind of signal: which figure it is about, how it is found, and what weight it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.thresholds import Thresholds
from partnerkpi.findings import facts, past, process, rest
from partnerkpi.findings.signal import Found
from partnerkpi.kpi import Kpi
from partnerkpi.kpis.average_deal_size import average_deal_size
from partnerkpi.kpis.close_rate import close_rate
from partnerkpi.kpis.deal_success import deal_success
from partnerkpi.kpis.deal_velocity import deal_velocity
from partnerkpi.kpis.marketing_channels import marketing_channels
from partnerkpi.kpis.number_of_deals import number_of_deals
from partnerkpi.kpis.opportunity_pipeline import opportunity_pipeline
from partnerkpi.periods import Quarter

Origin = Literal["recorded", "past", "process", "others"]
#: What a signal asks for: `act` and `watch`; `good` news; a `fact` that explains; "" where nothing is to be said.
Weights = np.ndarray
Weigh = Callable[[Found, Thresholds, float], Weights]


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind: its `name` is that of the function that finds it; `weigh` says what each line asks for.

    `dated` is False for a fact of which the records do not tell since when it holds.
    """

    name: str
    origin: Origin
    figure: Kpi
    find: Callable[[Book, Quarter], Found]
    weigh: Weigh | None = None  # of a test the family decides
    dated: bool = True

    @property
    def tested(self) -> bool:
        """True where chance is a rival explanation."""
        return self.weigh is None


def _weights(table: Found, *cases: tuple[object, str]) -> Weights:
    """For each line the weight of the first case that holds."""
    conditions = [np.asarray(case, dtype=bool) & np.ones(len(table), dtype=bool) for case, _ in cases]
    return np.select(conditions, [np.full(len(table), weight, dtype=object) for _, weight in cases], default="")


def _always(weight: str) -> Weigh:
    return lambda table, limits, usual: _weights(table, (True, weight))


def _by_stake(table: Found, limits: Thresholds, usual: float, holds: pd.Series) -> Weights:
    much = table["stake"] >= limits.stake_act * usual
    return _weights(table, (holds & much, "act"), (holds, "watch"))


def _year_target(table: Found, limits: Thresholds, usual: float) -> Weights:
    value, much = table["value"], table["stake"] >= limits.stake_act * usual
    few = table["n"] < past.FEWEST  # a year of so few deals is luck: it tells neither that a partner fails nor that not
    return _weights(
        table,
        ((value < limits.year_act) & much, "act"),
        (few, "fact"),
        (value < limits.year_watch, "watch"),
        (True, "good"),
    )


def _quarter_target(table: Found, limits: Thresholds, usual: float) -> Weights:
    rare = (table["value"] < limits.quarter_watch) & (table["p"] < limits.quarter_chance)
    return _weights(table, (rare, "watch"))


def _overdue(table: Found, limits: Thresholds, usual: float) -> Weights:
    many = (table["n"] >= limits.overdue_deals) & (table["value"] >= limits.overdue_share)
    return _by_stake(table, limits, usual, many & (table["value"] >= limits.times_usual * table["usual"]))


def _leads_waiting(table: Found, limits: Thresholds, usual: float) -> Weights:
    many = (table["n"] >= limits.leads_waiting) & (table["value"] >= limits.leads_share)
    return _by_stake(table, limits, usual, many & (table["value"] >= limits.times_usual * table["usual"]))


def _spend_without_win(table: Found, limits: Thresholds, usual: float) -> Weights:
    return _by_stake(table, limits, usual, table["n"] >= limits.channel_decided)


def _slow_answers(table: Found, limits: Thresholds, usual: float) -> Weights:
    return _weights(table, ((table["value"] > limits.days_to_answer) & (table["n"] >= past.FEWEST), "watch"))


KINDS: tuple[Kind, ...] = (
    Kind("left", "recorded", number_of_deals, facts.left, _always("fact")),
    Kind("joined", "recorded", number_of_deals, facts.joined, _always("fact")),
    Kind("no_deals", "recorded", number_of_deals, facts.no_deals, _always("fact")),
    Kind("took_over", "recorded", opportunity_pipeline, facts.took_over, _always("fact")),
    Kind("handed_over", "recorded", opportunity_pipeline, facts.handed_over, _always("fact")),
    Kind("year_target", "recorded", number_of_deals, facts.year_target, _year_target),
    Kind("quarter_target", "recorded", number_of_deals, facts.quarter_target, _quarter_target),
    Kind("overdue", "recorded", opportunity_pipeline, facts.overdue, _overdue),
    Kind("rivals", "recorded", opportunity_pipeline, facts.rivals, _always("fact"), dated=False),
    Kind("leads_waiting", "recorded", marketing_channels, facts.leads_waiting, _leads_waiting),
    Kind("spend_without_win", "recorded", marketing_channels, facts.spend_without_win, _spend_without_win),
    Kind("giant", "recorded", average_deal_size, facts.giants, _always("watch")),
    Kind("slow_answers", "recorded", deal_success, facts.slow_answers, _slow_answers),
    Kind("wins_of_year", "past", number_of_deals, past.wins_of_year),
    Kind("wins_of_quarter", "past", number_of_deals, past.wins_of_quarter),
    Kind("entries_over_time", "past", number_of_deals, past.entries_over_time),
    Kind("close_rate_of_year", "past", close_rate, past.close_rate_of_year),
    Kind("identification_of_year", "past", deal_success, past.identification_of_year),
    Kind("sizes_of_year", "past", average_deal_size, past.sizes_of_year),
    Kind("sizes_of_entries", "past", average_deal_size, past.sizes_of_entries),
    Kind("velocity_of_cohorts", "past", deal_velocity, past.velocity_of_cohorts),
    Kind("wins_of_months", "process", number_of_deals, process.wins_of_months),
    Kind("wins", "others", number_of_deals, rest.wins),
    Kind("close_rate", "others", close_rate, rest.close_rate),
    Kind("channels", "others", marketing_channels, rest.channels),
    Kind("identification", "others", deal_success, rest.identification),
    Kind("conflicts", "others", deal_success, rest.conflicts),
    Kind("sizes", "others", average_deal_size, rest.sizes),
    Kind("velocity", "others", deal_velocity, rest.velocity),
)
BY_NAME = {kind.name: kind for kind in KINDS}
