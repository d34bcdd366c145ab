"""What need not be done again: a report whose slice, notebooks, versions and parameters are those it was made with.

Each report has a key, the hash of all that. The manifest keeps the keys of a review that came to its end; while one
runs they are noted beside the pages, a line each, so that one that was killed can be taken up where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from partnerkpi.batch.kernels import Job

#: The reports that were published by a review that is not at its end.
NOTED = ".review.done"
PACKAGE = Path(__file__).resolve().parent.parent


def key_of(job: Job, around: Mapping[str, Any]) -> str:
    """The key of a report: of its slice, its notebooks, the package, its parameters, and what else its page has."""
    place = Path(job.parameters["book"])
    told = {
        "slice": {path.name: _hash(path) for path in sorted(place.iterdir())},
        "notebooks": {chapter.path.name: _hash(chapter.path) for chapter in job.chapters},
        "parameters": {name: value for name, value in job.parameters.items() if name != "book"},
        "package": package_hash(),
        "around": around,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def noted(folder: Path, earlier: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By partner, the reports that were published, as the manifest tells and as a review noted that was killed."""
    known = {partner: dict(entry) for partner, entry in earlier.items() if entry["state"] == "published"}
    try:
        lines = (folder / NOTED).read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            entry = json.loads(line)
            known[entry["partner"]] = entry
        except (ValueError, KeyError, TypeError):
            continue  # the last line of one that was killed
    return known


def note(folder: Path, entry: Mapping[str, Any]) -> None:
    """Note a report that has just been published."""
    with (folder / NOTED).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry) + "\n")


def forget(folder: Path) -> None:
    """Forget what was noted: the manifest tells it, or nobody wants to know."""
    (folder / NOTED).unlink(missing_ok=True)


@cache
def package_hash() -> str:
    """The hash of the package itself: of another one pages may differ, whatever its version says."""
    paths = (path for path in sorted(PACKAGE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return hashlib.sha256(repr([(str(path.relative_to(PACKAGE)), _hash(path)) for path in paths]).encode()).hexdigest()


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
