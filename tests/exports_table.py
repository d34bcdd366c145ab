"""How far each shape of export is from a book: edits and seconds. `python tests/exports_table.py [FOLDER …]`.

Prints one line for each shape of `exports_odd`: the CRM recognised, the lines edited after `init --write`, the seconds
that init and check took together, and whether check accepts the book.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from exports_odd import SHAPES, Shape
from test_survey import edited

from partnerkpi.cli import run
from partnerkpi.survey.survey import survey


def line_of(shape: Shape) -> str:
    """The shape's line of the table."""
    with TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(place)
        shape.write(folder)
        found = survey([folder]).found
        begun = time.perf_counter()
        run(["init", place, "--write"])
        edits = edited(folder, shape.edits)
        accepted = run(["check", place]) == 0
        seconds = time.perf_counter() - begun
    return (
        f"{shape.name:<12} {found.title or '–':<13} {edits:>5} {seconds:>8.1f}  {'accepted' if accepted else 'refused'}"
    )


if __name__ == "__main__":
    print(f"{'shape':<12} {'CRM':<13} {'edits':>5} {'seconds':>8}  check")
    for one in SHAPES:
        if not sys.argv[1:] or one.name in sys.argv[1:]:
            print(line_of(one))
