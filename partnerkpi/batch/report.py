"""How the making of one page went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["published", "failed", "refused"]


@dataclass(frozen=True)
class Report:
    """One page: of which partner (empty for the network) and quarter, where it is, and how it went.

    `state` is `published`, `failed` (a notebook did not come to a good end) or `refused` (the gate found something
    that must not get out). `stale` marks a failed one beside which an earlier good page still stands. `seconds` is
    the time its notebooks took. `left` marks a published one that stands as an earlier review made it.
    """

    partner: str
    name: str
    quarter: str
    path: Path
    state: State
    reason: str = ""
    sha256: str = ""
    seconds: float = 0.0
    stale: bool = False
    left: bool = False

    @property
    def who(self) -> str:
        """Whom it is about, in words."""
        return self.partner or "the network"
