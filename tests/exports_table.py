"""How far each shape of export is from a book: edits and seconds. `python tests/exports_table.py [NAME …]`.

Prints one line for each shape of `exports_odd`, and for each folder of real data where they are at hand: the CRM
recognised, the lines edited after `init --write`, the seconds that init and check took, and whether check accepts.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from conftest import real_data
from exports_odd import SHAPES
from test_survey import edited
from test_survey_real import EDITED, Edits

from partnerkpi.cli import run
from partnerkpi.survey.survey import survey


def every() -> Iterator[tuple[str, Callable[[Path], object], Edits]]:
    """Each export: its name, how it comes into a folder, and what is then edited."""
    for shape in SHAPES:
        yield shape.name, shape.write, shape.edits
    for name, edits in EDITED.items():
        if (real_data() / name).is_dir():
            yield name, copier(real_data() / name), edits


def copier(source: Path) -> Callable[[Path], object]:
    """What copies a folder's files into another."""
    return lambda folder: [shutil.copyfile(path, folder / path.name) for path in source.iterdir()]


def line_of(name: str, write: Callable[[Path], object], edits: Edits) -> str:
    """The export's line of the table."""
    with TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(place)
        write(folder)
        crm = survey([folder]).found.title or "–"
        begun = time.perf_counter()
        run(["init", place, "--write"])
        looked = time.perf_counter() - begun
        many = edited(folder, edits)
        begun = time.perf_counter()
        accepted = "accepted" if run(["check", place]) == 0 else "refused"
        checked = time.perf_counter() - begun
    return f"{name:<17} {crm:<13} {many:>5} {looked:>6.1f} {checked:>6.1f}  {accepted}"


if __name__ == "__main__":
    print(f"{'export':<17} {'CRM':<13} {'edits':>5} {'init':>6} {'check':>6}")
    for one in every():
        if not sys.argv[1:] or one[0] in sys.argv[1:]:
            print(line_of(*one))
