"""A simulated book whose truth is known.

`write_sample` writes a whole book (see data/README.md for its tables) and truth.json with the parameters it was made
from, so that an estimate can be compared with what it estimates.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.sample.history import history_of
from partnerkpi.sample.lives import Life
from partnerkpi.sample.tables import COLUMNS, LargeTables, fixed_tables
from partnerkpi.sample.time_and_chance import Calendar, Draws
from partnerkpi.sample.truth import MADE_BY, Expected, truth_of
from partnerkpi.sample.world import make_world

__all__ = ["write_sample"]

_DEALS_PER_PARTNER_AND_QUARTER = 12.5
_CHUNK = 20_000


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

    Raises UsageError when an argument is out of range or the folder holds something that is not a sample book, and
    SystemProblem when the folder cannot be written.
    """
    for name, value, most in (
        ("partners", partners, 20_000),
        ("quarters", quarters, 80),
        ("deals", deals, 100_000_000),
    ):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most):
            raise UsageError(f"{name} must be a whole number from 1 to {most:,}, not {value!r}.")
    if isinstance(seed, bool) or not isinstance(seed, (str, int)):
        raise UsageError(f"seed must be a word or a whole number, not {seed!r}.")
    target = Path(folder)
    _refuse_other_content(target)
    target = target.resolve()
    count = deals if deals is not None else max(1, round(partners * quarters * _DEALS_PER_PARTNER_AND_QUARTER))
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        try:
            _write(partial, partners, quarters, count, str(seed), _chunk)
            _move(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as problem:
        raise SystemProblem(
            f"The sample book cannot be written to {folder}: {problem.strerror or problem}."
        ) from problem
    return Path(folder)


def _write(folder: Path, partners: int, quarters: int, deals: int, seed: str, chunk: int) -> None:
    """Write every file of the book, the large tables a chunk of deals at a time."""
    world = make_world(Draws(seed), Calendar.of(quarters), partners, deals)
    life, expected = Life.of(world), Expected(world)
    tables = LargeTables(life)
    files = {name: (folder / name).open("w", encoding="utf-8", newline="\n") for name in COLUMNS}
    try:
        for name, header in COLUMNS.items():
            files[name].write(",".join(header) + "\n")
        for start in range(0, deals, chunk):
            lives = life.live(start, min(start + chunk, deals))
            leads = life.leads_beside(lives)
            for name, text in tables.lines(lives, history_of(world, lives), leads).items():
                files[name].write(text)
            expected.add_deals(lives)
            expected.add_leads(leads)
    finally:
        for file in files.values():
            file.close()
    asked: dict[str, int | str] = {"partners": partners, "quarters": quarters, "deals": deals, "seed": seed}
    truth = _as_json(truth_of(life, expected, asked))
    for name, text in (fixed_tables(world, expected) | {"truth.json": truth}).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _refuse_other_content(target: Path) -> None:
    """Overwrite nothing but an earlier sample book."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file. Name a folder for the sample book.")
    if not any(target.iterdir()):
        return
    try:
        known = json.loads((target / "truth.json").read_text(encoding="utf-8"))
        ours = isinstance(known, dict) and known.get("made_by") == MADE_BY
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise UsageError(f"{target} already holds files that are not a sample book. Name a new or an empty folder.")


def _move(partial: Path, target: Path) -> None:
    """Put the finished files in place; truth.json, by which a sample book is known, goes last."""
    target.mkdir(exist_ok=True)
    for file in sorted(partial.iterdir(), key=lambda path: path.name == "truth.json"):
        os.replace(file, target / file.name)
