"""An estimate is a value with its interval, its count and, where something is missing, the reason.

`Estimate` is what every KPI answers. The statistics that make estimates live in `partnerkpi.statistics` and, for event
histories, in `partnerkpi.survival`; how they are written lives in `partnerkpi.wording`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from partnerkpi.wording import DEALS, FEW, MISSING, PROSPECTS, Code, Noun, Remark, amount_text, say, span_text

__all__ = ["DEALS", "FEW", "PROSPECTS", "Code", "Estimate"]


@dataclass(frozen=True)
class Estimate:
    """One figure as it may be shown: never a bare number.

    `value`, `low` and `high` are in `unit` (`share` as a fraction, money as its currency code); the interval is 95 %.
    `n` counts the rows behind it, `counts` names them. `reason` says why the value or the interval is missing, `note`
    what else must be known to read the value.

    >>> print(Estimate(1 / 3, 0.12, 0.65, n=9, unit="share", counts=PROSPECTS))
    33 % (95 % interval 12 % to 65 %, 9 prospects)
    >>> print(Estimate(None, None, None, n=0, unit="days", counts=DEALS, reason=Code.NO_DEAL_WON_IN_WINDOW()))
    — (no deal won in the window)
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    counts: Noun
    reason: Remark | None = None
    note: Remark | None = None

    @property
    def few(self) -> bool:
        """True when the count is too small to compare, rank or colour."""
        return self.n < FEW

    def agrees(self, by_hand: float | None) -> bool:
        """True when a value worked out by hand is this one (to nine digits), or both are missing."""
        if self.value is None or by_hand is None or math.isnan(by_hand):
            return self.value is None and (by_hand is None or math.isnan(by_hand))
        return math.isclose(self.value, by_hand, rel_tol=1e-9, abs_tol=1e-12)

    @property
    def interval_text(self) -> str:
        """`12 % to 65 %`, `over 41 days` when only one end is known, or an empty text."""
        if self.low is None and self.high is None:
            return ""
        if self.high is None:
            return say("over {value}", value=amount_text(self.low, self.unit))
        if self.low is None:
            return say("under {value}", value=amount_text(self.high, self.unit))
        return span_text(self.low, self.high, self.unit)

    @property
    def n_text(self) -> str:
        """The count with its noun: `9 prospects`, `1 deal`."""
        return self.counts.counted(self.n)

    @property
    def remarks(self) -> str:
        """Reason and note in words, `; ` between them; empty where there is nothing to say."""
        return remarks_text(self.reason, self.note)

    def __str__(self) -> str:
        if self.value is None:
            return f"{MISSING} ({self.remarks})"
        value = amount_text(self.value, self.unit)
        if self.interval_text:
            return say("{value} (95 % interval {span}, {n})", value=value, span=self.interval_text, n=self.n_text)
        return f"{value} ({'; '.join(text for text in (self.n_text, self.remarks) if text)})"


def both(note: object, other: Remark) -> Remark:
    """Two notes of one figure as one; the other alone where there is no first."""
    return Code.BOTH(first=note, second=other) if isinstance(note, Remark) else other


def remarks_text(*remarks: Remark | None) -> str:
    """Some remarks in words, `; ` between them; those that are missing are left out."""
    return "; ".join(str(remark) for remark in remarks if remark)
