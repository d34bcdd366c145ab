"""A word-sized drawing of one estimate: its interval, its value, the value before and the peers' middle half.

Pure boxes placed in per cent of the width, so it needs no picture, prints sharp, and follows dark and light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from partnerkpi.estimate import Estimate, amount_text

if TYPE_CHECKING:
    from partnerkpi.compare import Peers


@dataclass(frozen=True)
class Strip:
    """Places from 0 to 100; None where there is nothing to draw. `words` say what is drawn."""

    words: str
    value: float
    low: float | None
    high: float | None
    before: float | None
    lower: float | None
    upper: float | None

    @staticmethod
    def of(now: Estimate, before: Estimate, peers: Peers) -> Strip | None:
        """The strip for an estimate; None when it has no value."""
        if now.value is None:
            return None
        lower, upper = peers.lower, peers.upper
        marks = [v for v in (now.value, now.low, now.high, before.value, lower, upper) if v is not None]
        least, most = min(marks), max(marks)
        if least == most:
            return None

        def place(v: float) -> float:
            return round(4 + 92 * (v - least) / (most - least), 1)

        others = (None if v is None else place(v) for v in (now.low, now.high, before.value, lower, upper))
        said = [f"value {amount_text(now.value, now.unit)}"]
        if now.interval_text:
            said.append(f"interval {now.interval_text}")
        if before.value is not None:
            said.append(f"quarter before {amount_text(before.value, before.unit)}")
        if lower is not None and upper is not None:
            said.append(f"peers' middle half {amount_text(lower, now.unit)} to {amount_text(upper, now.unit)}")
        return Strip(", ".join(said), place(now.value), *others)
