"""What need not be done again: a report whose slice, notebooks, versions and parameters are those it was made with.

Each report has a key, the hash of all that. The manifest keeps the keys of a review that came to its end; while one
runs they are noted beside the pages, a line each, so that of every page it is known what it is, and a review that was
killed can be taken up where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from partnerkpi.batch import files
from partnerkpi.batch.kernels import Job
from partnerkpi.errors import SystemProblem

#: The reports that were published by a review that is not at its end.
NOTED = ".review.done"
PACKAGE = Path(__file__).resolve().parent.parent


def key_of(job: Job, around: Mapping[str, Any]) -> str:
    """The key of a report: of its slice, its notebooks, the package, its parameters, and what else its page has."""
    place = Path(job.parameters["book"])
    told = {
        "slice": {path.name: files.sha256_of(path.read_bytes()) for path in sorted(place.iterdir())},
        "notebooks": {chapter.path.name: files.sha256_of(chapter.path.read_bytes()) for chapter in job.chapters},
        "parameters": {name: value for name, value in job.parameters.items() if name != "book"},
        "package": package_hash(),
        "around": around,
    }
    return files.sha256_of(json.dumps(told, sort_keys=True, default=str).encode("utf-8", "surrogatepass"))


def standing(folder: Path, earlier: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By partner, what is known of its page: as the manifest tells (`earlier`), or as was noted since.

    A note counts where its page stands as noted, for it was written before the page; the page a partner had under
    another name goes then. Only for who holds the lock.
    """
    known = dict(earlier)
    for entry in _notes(folder):
        if files.still_there(folder, entry["file"], entry["sha256"]):
            replaced(folder, known.get(entry["partner"]), entry["file"])
            known[entry["partner"]] = entry
    return known


def replaced(folder: Path, before: Mapping[str, Any] | None, file: str) -> None:
    """Remove the page a partner had before, where it had another name, unless it is not that page any more."""
    if before is None or before["file"].casefold() == file.casefold():
        return
    if before["sha256"] and files.still_there(folder, before["file"], before["sha256"]):
        (folder / before["file"]).unlink(missing_ok=True)


def _notes(folder: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = (folder / NOTED).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise SystemProblem(
            f"Cannot read {folder / NOTED}: {error.strerror}. Move it away, {files.ELSEWHERE}."
        ) from error
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue  # the last line of a review that was killed
        if not files.fault_of(entry):
            yield entry


def note(folder: Path, entry: Mapping[str, Any]) -> None:
    """Note a report that is about to be published. Raises `SystemProblem` when that cannot be written."""
    try:
        with (folder / NOTED).open("a", encoding="utf-8") as lines:
            lines.write("\n" + json.dumps(entry) + "\n")  # the last line of a review that was killed has no end
    except OSError as error:
        raise files.refused(folder / NOTED, error) from error


def forget(folder: Path) -> None:
    """Forget what was noted: the manifest tells it, or nobody wants to know."""
    (folder / NOTED).unlink(missing_ok=True)


@cache
def package_hash() -> str:
    """The hash of the package itself: of another one pages may differ, whatever its version says."""
    paths = (path for path in sorted(PACKAGE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    hashes = [(str(path.relative_to(PACKAGE)), files.sha256_of(path.read_bytes())) for path in paths]
    return files.sha256_of(repr(hashes).encode())
