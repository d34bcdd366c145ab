"""Puts finished files in their place: whole or not at all, and never over a good one by a failed one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partnerkpi.errors import SystemProblem

#: Room a report needs at the most, in bytes: page, executed notebooks, and what lies beside them while they run.
ROOM = 4_000_000


def prepared(folder: Path, reports: int) -> None:
    """Make the folder if it is not there; raise `SystemProblem` when it cannot be written or is too small."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise SystemProblem(
            f"Cannot write to {folder}: {error.strerror}. Make it writable, or write elsewhere with --out."
        ) from error
    if free < ROOM * reports:
        need, there = (f"{size / 1e6:,.0f} MB" for size in (ROOM * reports, free))
        raise SystemProblem(
            f"{folder} has {there} left and {reports} reports may need {need}. Make room, or write elsewhere."
        )


def put(path: Path, content: bytes) -> str:
    """Write a file at once: beside its place, to the disk, then into its place. Returns its SHA-256.

    Raises `SystemProblem` when the disk is full or refuses; what stood there before is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".unfinished")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            full = " The disk is full." if error.errno == errno.ENOSPC else ""
            raise SystemProblem(f"Cannot write {path}: {error.strerror}.{full} Earlier files are untouched.") from error
        raise
    return hashlib.sha256(content).hexdigest()


def put_notebook(path: Path, notebook: Mapping[str, Any], slice_folder: str) -> None:
    """Store an executed notebook without what papermill knows of this machine: paths, times, random ids."""
    clean = json.loads(json.dumps(notebook).replace(json.dumps(slice_folder)[1:-1], ""))
    clean["metadata"].pop("papermill", None)
    for number, cell in enumerate(clean["cells"]):
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        if "injected-parameters" in cell["metadata"].get("tags", ()):
            cell["id"] = f"parameters-{number}"
    put(path, (json.dumps(clean, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode())


def earlier(folder: Path) -> dict[str, Any]:
    """The manifest of an earlier review in this folder; empty when there is none that can be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def still_there(folder: Path, file: str, sha256: str) -> bool:
    """True when the file is in the folder with exactly this content."""
    try:
        return hashlib.sha256((folder / file).read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
