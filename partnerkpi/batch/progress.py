"""How far a review is, told on stderr while it runs: a bar on a terminal, and what fails by name wherever it goes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from partnerkpi.batch.report import Report

if TYPE_CHECKING:
    from tqdm import tqdm

#: Letters of a reason that are shown while the review runs; all of it comes with the result and in the manifest.
LONGEST = 200


class Progress:
    """Counts reports as they are settled and names those that are not published. `bar` is none where nobody looks.

    The rate and the time left are of reports that are made: one that is left as it stands takes no time.
    """

    def __init__(self, bar: tqdm[None] | None, *, names: bool) -> None:
        self._bar, self._names = bar, names

    def look(self) -> None:
        """Bring the time that is shown up to date; call it now and then."""
        if self._bar is not None:
            self._bar.refresh()

    def left(self) -> None:
        """Count a report that is left as it stands."""
        if self._bar is not None:
            self._bar.initial += 1
            self._bar.update()

    def ran(self) -> None:
        """Count a report whose notebooks have ended, well or not."""
        if self._bar is not None:
            self._bar.update()

    def settled(self, report: Report) -> None:
        """Name a report in a line of its own if it is not published."""
        if not self._names or report.state == "published":
            return
        line = f"{report.quarter}, {report.who}: {report.state}: {report.reason.partition(chr(10))[0][:LONGEST]}"
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.write(line, file=sys.stderr)


@contextmanager
def shown(reports: int, wanted: bool | None) -> Iterator[Progress]:
    """The progress of so many reports: with a bar if it is `wanted`, without a word where stderr is a terminal."""
    on_terminal = sys.stderr.isatty()
    with contextlib.ExitStack() as ends:
        bar = None
        if on_terminal if wanted is None else wanted:
            from tqdm import tqdm

            bar = ends.enter_context(
                tqdm(total=reports, unit="report", desc="review", file=sys.stderr, leave=False, smoothing=0)
            )
        yield Progress(bar, names=wanted is not False)
