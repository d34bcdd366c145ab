"""From where on a fact is a signal: one table, which a book may change in `[thresholds]` of its book.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace


def _one(default: float, meaning: str, most: float = float("inf")) -> float:
    value: float = field(default=default, metadata={"meaning": meaning, "most": most})
    return value


@dataclass(frozen=True)
class Thresholds:
    """Every threshold with its default; `meaning()` says what each is."""

    year_act: float = _one(0.75, "attainment of four quarters below which a partner needs action")
    year_watch: float = _one(0.90, "attainment of four quarters below which a partner is watched")
    quarter_watch: float = _one(0.50, "attainment of the quarter below which a partner is watched, if chance is rare")
    quarter_chance: float = _one(0.10, "how often, at most, chance at the partner's own pace does as badly", 1)
    overdue_share: float = _one(0.50, "share of the pipeline's money that is overdue", 1)
    overdue_deals: float = _one(5, "deals overdue")
    times_usual: float = _one(1.50, "by how much a recorded fact must exceed the network's usual")
    channel_decided: float = _one(10, "decided prospects of a paid channel without a win")
    leads_waiting: float = _one(5, "leads a quarter old without an answer")
    leads_share: float = _one(1 / 3, "their share of the partner's leads", 1)
    stake_act: float = _one(0.25, "money at stake, as a share of what an average partner won in the year")
    false_discoveries: float = _one(0.10, "share of the tested signals shown that may be false", 1)
    likely: float = _one(0.02, "p of a single test below which a signal outside the family is called likely", 1)
    days_to_answer: float = _one(14, "median days until the vendor answers a registration")


DEFAULTS = Thresholds()


def thresholds_of(given: Mapping[str, float]) -> Thresholds:
    """The defaults, with those that a book gives."""
    return replace(DEFAULTS, **given)


def fault_of(name: str, value: object) -> str:
    """What is wrong with a threshold that a book gives, in words; empty when nothing is."""
    most = {one.name: float(one.metadata["most"]) for one in fields(Thresholds)}[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
        return "a number above 0" if most == float("inf") else f"a number above 0 and at most {most:g}"
    return ""


def names() -> tuple[str, ...]:
    """The names of all thresholds."""
    return tuple(one.name for one in fields(Thresholds))


def meanings() -> dict[str, str]:
    """What each threshold is, by name."""
    return {one.name: str(one.metadata["meaning"]) for one in fields(Thresholds)}
