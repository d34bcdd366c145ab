r"""Small faults put into a copy of the package, one at a time: each must make a test fail. `make mutants` runs them.

A test suite that passes says little until it is seen to fail. Each edit below is a fault that was made once, or could
be made by anybody; beside it stands which tests should notice. What survives is a fault nobody would notice: write a
test. What is not found any more has moved: carry its meaning over. Add an edit whenever a fault is mended.

    python tests/mutants.py              all of them, some minutes to an hour
    python tests/mutants.py money gate   those of files whose name has one of these words
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mutations import TABLE

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".bench", ".hypothesis", "__pycache__", "reports")
PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "ci", "--no-header", "--tb=no")
SECONDS = 900  # a test that hangs has noticed something


@dataclass(frozen=True)
class Mutant:
    """One edit of one file, and the tests that should notice."""

    file: str
    was: str
    becomes: str
    tests: str

    def __str__(self) -> str:
        was, becomes = (" ".join(text.split()) for text in (self.was, self.becomes))
        return f"{self.file}: {was}  →  {becomes or '(removed)'}"

    @property
    def arguments(self) -> list[str]:
        """The tests, as pytest is told."""
        return [f"tests/test_{name}.py" for name in self.tests.split()]


def mutants(words: list[str]) -> Iterator[Mutant]:
    """All edits, or those of files whose name has one of the words."""
    for (file, tests), edits in TABLE.items():
        if not words or any(word in file for word in words):
            for was, becomes in edits:
                yield Mutant(file, was, becomes, tests)


def tested(place: Path, arguments: list[str]) -> int:
    """What pytest says of these tests in the copy: 0 when all pass; −1 when it takes too long."""
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *PYTEST, *arguments]
    try:
        ended = subprocess.run(command, cwd=place, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return -1
    return ended.returncode


def verdict(place: Path, mutant: Mutant) -> str:
    """`noticed`, `SURVIVED`, or why nothing can be said; the file of the copy is afterwards what it was."""
    path = place / "partnerkpi" / mutant.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(mutant.was) != 1:
        return "STALE, its text is there " + ("no more:" if mutant.was not in text else "more than once:")
    path.write_text(text.replace(mutant.was, mutant.becomes), encoding="utf-8")
    try:
        code = tested(place, mutant.arguments)
    finally:
        path.write_text(text, encoding="utf-8")
    return "noticed" if code else "SURVIVED"


def main(words: list[str]) -> int:
    """Try every edit; 1 when one survives, is stale, or is tested by tests that fail without it."""
    wanted = list(mutants(words))
    sound: dict[str, bool] = {}
    left: list[str] = []
    with TemporaryDirectory(prefix="mutants-") as folder:
        place = Path(folder) / "copy"
        shutil.copytree(ROOT, place, ignore=LEFT_OUT)
        for mutant in wanted:
            started = time.monotonic()
            if mutant.tests not in sound:
                sound[mutant.tests] = tested(place, mutant.arguments) == 0
            proves = sound[mutant.tests]
            said = verdict(place, mutant) if proves else f"UNPROVEN, its tests ({mutant.tests}) fail without it:"
            print(f"{time.monotonic() - started:4.0f} s  {said}  {mutant}", flush=True)
            left += [] if said == "noticed" else [f"{said}  {mutant}"]
    print(f"\n{len(wanted) - len(left)} of {len(wanted)} faults are noticed.", *left, sep="\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
