"""A simulated book whose truth is known.

`write_sample` writes a whole book (see data/README.md for its tables) and truth.json with the parameters it was made
from, so that an estimate can be compared with what it estimates.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.sample.history import history_of
from partnerkpi.sample.lives import Life
from partnerkpi.sample.package import data_package
from partnerkpi.sample.tables import COLUMNS, LargeTables, fixed_tables
from partnerkpi.sample.time_and_chance import Calendar, Draws
from partnerkpi.sample.truth import MADE_BY, Expected, truth_of
from partnerkpi.sample.world import make_world

__all__ = ["write_sample"]

_DEALS_PER_PARTNER_AND_QUARTER = 12.5
_CHUNK = 20_000
_MOST = {"partners": 20_000, "quarters": 80, "deals": 100_000_000}


def write_sample(
    folder: str | os.PathLike[str],
    partners: int = 24,
    quarters: int = 12,
    deals: int | None = None,
    seed: str | int = "ice cream",
    *,
    _chunk: int = _CHUNK,
) -> Path:
    """Write a simulated book of ice-cream machine sales into a folder and return the folder.

    The same arguments give the same bytes on every machine. The book ends on 2025-12-31; `deals` is 12.5 per partner
    and quarter unless given. Memory does not grow with the number of deals. The special partners of the world (see
    truth.json) are the first 24; with fewer partners the last of them are missing.

    The folder may be new, empty, or hold a sample book that nobody has changed: it is made once more from the numbers
    in its truth.json and compared, and files of other names that lie beside it stay.

    Raises UsageError when an argument is out of range, the folder holds something else, or its sample book was
    changed; SystemProblem when the folder cannot be read or written.
    """
    asked = _asked(partners=partners, quarters=quarters, deals=deals, seed=seed)
    target = Path(folder)
    try:
        _refuse_other_content(target)
        target = target.resolve()
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        partial.mkdir(parents=True)
        try:
            _write(partial, _pieces(asked, _chunk))
            _move(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as problem:
        raise SystemProblem(
            f"The sample book cannot be written to {folder}: {problem.strerror or problem}."
        ) from problem
    return Path(folder)


@dataclass(frozen=True)
class _Asked:
    """What decides every byte of a book; truth.json records it."""

    partners: int
    quarters: int
    deals: int
    seed: str


def _asked(partners: object, quarters: object, deals: object, seed: object) -> _Asked:
    """These arguments, or the UsageError that says which of them cannot be."""
    numbers: dict[str, int] = {}
    for name, value in {"partners": partners, "quarters": quarters, "deals": deals}.items():
        if name == "deals" and value is None:
            value = max(1, round(numbers["partners"] * numbers["quarters"] * _DEALS_PER_PARTNER_AND_QUARTER))
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST[name]:
            raise UsageError(f"{name} must be a whole number from 1 to {_MOST[name]:,}, not {value!r}.")
        numbers[name] = value
    if isinstance(seed, bool) or not isinstance(seed, (str, int)) or not _encodable(str(seed)):
        raise UsageError(f"seed must be a word or a whole number, not {seed!r}.")
    return _Asked(**numbers, seed=str(seed))


def _encodable(text: str) -> bool:
    """Whether a text can be written as UTF-8; half a surrogate pair, as broken arguments bring it, cannot."""
    return text.encode("utf-8", errors="ignore").decode("utf-8") == text


def _pieces(asked: _Asked, chunk: int = _CHUNK) -> Iterator[tuple[str, str]]:
    """The whole book as names of files and what comes next in each, the large tables a chunk of deals at a time."""
    world = make_world(Draws(asked.seed), Calendar.of(asked.quarters), asked.partners, asked.deals)
    life, expected = Life.of(world), Expected(world)
    tables = LargeTables(life)
    for name, columns in COLUMNS.items():
        yield name, ",".join(columns) + "\n"
    for start in range(0, asked.deals, chunk):
        lives = life.live(start, min(start + chunk, asked.deals))
        leads = life.leads_beside(lives)
        yield from tables.lines(lives, history_of(world, lives), leads).items()
        expected.add_deals(lives)
        expected.add_leads(leads)
    fixed = fixed_tables(world, expected)
    yield from fixed.items()
    yield "datapackage.json", data_package(_headers(fixed))
    truth = truth_of(life, expected, asdict(asked))
    yield "truth.json", json.dumps(truth, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _headers(fixed: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The columns of every table of the book: of those that grow, and of the fixed ones as written."""
    texts = {name: text.partition("\n")[0].split(",") for name, text in fixed.items() if name.endswith(".csv")}
    return {name.removesuffix(".csv"): tuple(columns) for name, columns in {**COLUMNS, **texts}.items()}


def _write(folder: Path, pieces: Iterator[tuple[str, str]]) -> None:
    with ExitStack() as stack:
        files = {}
        for name, text in pieces:
            if name not in files:
                files[name] = stack.enter_context((folder / name).open("w", encoding="utf-8", newline="\n"))
            files[name].write(text)


def _changed(folder: Path, pieces: Iterator[tuple[str, str]]) -> str | None:
    """The name of a file that is not in the folder as the pieces make it; None when all are."""
    with ExitStack() as stack:
        files = {}
        for name, text in pieces:
            if name not in files:
                if not (folder / name).is_file():
                    return name
                files[name] = stack.enter_context((folder / name).open("rb"))
            expected = text.encode("utf-8")
            if files[name].read(len(expected)) != expected:
                return name
        return next((name for name, file in files.items() if file.read(1)), None)


def _refuse_other_content(target: Path) -> None:
    """Overwrite nothing but a sample book as it was written."""
    nearest = next((path for path in (target, *target.parents) if path.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise UsageError(f"{nearest} is a file. Name a folder for the sample book.")
    if nearest != target or not any(target.iterdir()):
        return
    try:
        truth = json.loads((target / "truth.json").read_text(encoding="utf-8"))
        recorded = _asked(**truth["asked"]) if truth["made_by"] == MADE_BY else None
    except (FileNotFoundError, IsADirectoryError, ValueError, LookupError, TypeError, UsageError):
        recorded = None
    if recorded is None:
        raise UsageError(f"{target} already holds files that are not a sample book. Name a new or an empty folder.")
    changed = _changed(target, _pieces(recorded))
    if changed is not None:
        raise UsageError(
            f"{target / changed} is not what was written with this sample book: it was changed or removed, or comes "
            "from another version. Nothing was overwritten; name a new or an empty folder."
        )


def _move(partial: Path, target: Path) -> None:
    """Put the finished files in place; truth.json, by which a sample book is recognised, goes last."""
    if not target.exists():
        os.rename(partial, target)
        return
    for file in sorted(partial.iterdir(), key=lambda path: path.name == "truth.json"):
        os.replace(file, target / file.name)
