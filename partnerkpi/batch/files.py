"""The files of an output folder: put in their place whole or not at all, by one review at a time.

A review keeps its account in `manifest.json`. The next one in the same folder believes what stands there, or does not
begin: what it cannot read is not its own, and not for it to write over.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from partnerkpi.errors import SystemProblem, UsageError

#: Room a report needs at the most, in bytes: page, executed notebooks, and what lies beside them while they run.
ROOM = 4_000_000
MANIFEST = "manifest.json"
#: What the manifest says of every report, at least.
KEYS = ("partner", "file", "state", "sha256", "as_of")
#: The system holds the lock and frees it when the review ends or dies; who holds it is said in a file beside it, for
#: a locked file cannot be read everywhere.
LOCK, HOLDER = ".review.lock", ".review.holder"
#: What a file is called until it is complete.
UNFINISHED = ".unfinished"
#: How folders of slices begin, before the id of their process.
PRIVATE = "partnerkpi-"
ELSEWHERE = "or write elsewhere with --out"


def place(out: str | Path) -> Path:
    """The output folder in full; raises `UsageError` when a file stands there or above."""
    folder = Path(out).resolve()
    for each in (folder, *folder.parents):
        if each.exists() and not each.is_dir():
            raise UsageError(f"{each} is a file, and a folder is needed there. Move it away, {ELSEWHERE}.")
    return folder


def prepared(folder: Path, reports: int) -> None:
    """Make the folder if it is not there.

    Raises:
        UsageError: a file stands where the folder should.
        SystemProblem: the folder cannot be written, or has no room for so many reports.
    """
    place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise SystemProblem(f"Cannot write to {folder}: {error.strerror}. Make it writable, {ELSEWHERE}.") from error
    if free < ROOM * reports:
        need, there = (f"{size / 1e6:,.0f} MB" for size in (ROOM * reports, free))
        raise SystemProblem(f"{folder} has {there} left and {reports} reports may need {need}. Make room, {ELSEWHERE}.")


def free_for(folder: Path, names: Iterable[str]) -> None:
    """Raise `UsageError` when a folder stands where one of these files should go."""
    for name in names:
        if (folder / name).is_dir():
            raise UsageError(f"{folder / name} is a folder, and a file is needed there. Move it away, {ELSEWHERE}.")


@contextlib.contextmanager
def private() -> Iterator[Path]:
    """A folder of this review's own for slices, gone at its end. What reviews left that were killed is removed first.

    A folder bears the id of the process it belongs to.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{PRIVATE}*-*"):
        owner = left.name.removeprefix(PRIVATE).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)  # another user's stays
    with tempfile.TemporaryDirectory(prefix=f"{PRIVATE}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, or raise `SystemProblem` naming the process that holds it."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SystemProblem(
            f"{folder} is in use by {_holder(folder)}. Wait until that review has ended, {ELSEWHERE}."
        ) from None
    except OSError as error:
        raise SystemProblem(
            f"Cannot lock {folder / LOCK}: {error.strerror or error}. Remove it, {ELSEWHERE}."
        ) from error
    try:
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        try:
            (folder / HOLDER).write_text(f"process {os.getpid()}, started {started}\n", encoding="utf-8")
        except OSError as error:
            raise refused(folder / HOLDER, error) from error
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "another process"


def put(path: Path, content: bytes) -> str:
    """Write a file at once: beside its place, to the disk, then into its place. Returns its SHA-256.

    Raises `SystemProblem` when the disk is full or refuses; what stood there before is then untouched.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=UNFINISHED)
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
            raise refused(path, error) from error
        raise
    return sha256_of(content)


def refused(path: Path, error: OSError) -> SystemProblem:
    """What is to be said when a file of a review cannot be written; of a full disk, how much is needed."""
    full = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        full = f" The disk is full, and each report that is not there yet may need {ROOM / 1e6:,.0f} MB."
    return SystemProblem(f"Cannot write {path}: {error.strerror}.{full} Earlier files are untouched.")


def sha256_of(content: bytes) -> str:
    """The SHA-256 by which a file is known again."""
    return hashlib.sha256(content).hexdigest()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def put_notebook(path: Path, notebook: Mapping[str, Any], slice_folder: str) -> None:
    """Store an executed notebook without what papermill knows of this machine: paths, times, random ids."""
    text = json.dumps(notebook)
    for spelt in (slice_folder, slice_folder.encode("unicode_escape").decode()):  # papermill writes it in ASCII
        text = text.replace(json.dumps(spelt)[1:-1], "")
    clean = json.loads(text)
    clean["metadata"].pop("papermill", None)
    for number, cell in enumerate(clean["cells"]):
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        if "injected-parameters" in cell["metadata"].get("tags", ()):
            cell["id"] = f"parameters-{number}"
    put(path, (json.dumps(clean, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode())


def sweep(folder: Path) -> None:
    """Remove what a review that was killed left half written. Only for who holds the lock."""
    for path in folder.rglob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def earlier(folder: Path) -> dict[str, dict[str, Any]]:
    """What an earlier review in this folder says of its reports, by partner; empty when there was none.

    Raises:
        SystemProblem: `manifest.json` cannot be read, or is no account of a review.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))  # as it was written
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SystemProblem(f"Cannot read {path}: {error.strerror}. Move it away, {ELSEWHERE}.") from error
    except (ValueError, RecursionError):
        raise SystemProblem(_not_ours(path, "it is not JSON")) from None
    reports = manifest.get("reports") if isinstance(manifest, dict) else None
    if not isinstance(reports, list):
        raise SystemProblem(_not_ours(path, "it has no list of reports"))
    for entry in reports:
        if fault := fault_of(entry):
            raise SystemProblem(_not_ours(path, fault))
    return {entry["partner"]: entry for entry in reports}


def fault_of(entry: object) -> str:
    """Why this tells nothing of a page of the folder; empty when it does."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in KEYS):
        return f"each report in it needs {', '.join(KEYS)}, all text"
    if not re.fullmatch(r"[^./\\\0][^/\\\0]*\.html", entry["file"]):
        return f"{entry['file'][:60]!r} is no page of this folder"
    return ""


def _not_ours(path: Path, why: str) -> str:
    return f"{path} is not the manifest of a review: {why}. Nothing was run. Move it away, {ELSEWHERE}."


def still_there(folder: Path, file: str, sha256: str) -> bool:
    """True when the file is in the folder with exactly this content."""
    try:
        return sha256_of((folder / file).read_bytes()) == sha256
    except (OSError, ValueError):  # no file can bear such a name
        return False
