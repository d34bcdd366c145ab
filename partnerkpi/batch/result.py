"""What came of a review: one report per partner and quarter, and the code the command line ends with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["published", "failed", "refused"]

FAILED, REFUSED = 3, 5


@dataclass(frozen=True)
class Report:
    """One page: of which partner (empty for the network) and quarter, where it is, and how it went.

    `state` is `published`, `failed` (a notebook did not come to a good end) or `refused` (the gate found something
    that must not get out). `stale` marks a failed one beside which an earlier good page still stands. `seconds` is
    the time its notebooks took.
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


@dataclass(frozen=True)
class ReviewResult:
    """The reports of a review, and the folders they are in, one per quarter."""

    reports: tuple[Report, ...]
    folders: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """0 all published, 5 when the gate refused one, else 3."""
        states = {report.state for report in self.reports}
        return REFUSED if "refused" in states else FAILED if "failed" in states else 0

    @property
    def failed(self) -> tuple[Report, ...]:
        """The reports that were not published."""
        return tuple(report for report in self.reports if report.state != "published")

    def __str__(self) -> str:
        """A few plain sentences: how many, where, and what failed why."""
        good = len(self.reports) - len(self.failed)
        lines = [f"{good} of {len(self.reports)} reports published."]
        for report in self.failed:
            kept = " The earlier page was kept." if report.stale else ""
            who = report.partner or "the network"
            lines.append(f"{report.quarter}, {who}: {report.state}: {report.reason}.{kept}".replace("..", "."))
        pages = (folder / "index.html" for folder in self.folders)
        return "\n".join([*lines, *(f"Open {page}" for page in pages if page.exists())])
