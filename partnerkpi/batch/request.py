"""What a review was asked for and made from: where all that is as it was, nothing need even be opened again.

The manifest of each quarter tells the request of the review that wrote it, the files that were read, each with its
hash, and the pages. A review of a database has none: what is in there only a reading of it can tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partnerkpi.batch import done, files
from partnerkpi.batch.plan import NETWORK, chapters
from partnerkpi.batch.publish import versions
from partnerkpi.batch.report import Report
from partnerkpi.book.config import read_config
from partnerkpi.book.keys import NAME
from partnerkpi.errors import PartnerKpiError
from partnerkpi.periods import Quarter
from partnerkpi.shipped import shipped

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """A review of the book in a folder, as it was asked for; None as `quarters` or `partners` are those by default."""

    place: Path
    quarters: tuple[str, ...] | None
    partners: tuple[str, ...] | None
    as_of: str
    allow_set_aside: bool
    allow_approximate: bool
    notebooks: Path

    def asked(self) -> dict[str, Any]:
        """All that decides how the pages come out, beside the files of the book."""
        own = {name: value for name, value in vars(self).items() if name not in ("place", "notebooks")}
        notebooks = {c.path.name: files.sha256_of(c.path.read_bytes()) for c in chapters(self.notebooks)}
        told = {**own, "notebooks": notebooks, "package": done.package_hash(), "versions": versions()}
        plain: dict[str, Any] = json.loads(json.dumps(told))
        return plain


def request_of(
    book: str | Path,
    quarters: str | Quarter | Sequence[str | Quarter] | None,
    partners: Sequence[str] | None,
    as_of: str | None,
    notebooks: str | Path | None,
    *,
    allow_set_aside: bool,
    allow_approximate: bool,
) -> Request:
    """The request that the arguments of a review make."""
    several = [quarters] if isinstance(quarters, str | Quarter) else quarters
    return Request(
        Path(book) if str(book) else shipped("data"),
        tuple(map(str, several)) if several else None,
        None if partners is None else tuple(partners),
        str(as_of or ""),
        allow_set_aside,
        allow_approximate,
        Path(notebooks) if notebooks else shipped("notebooks"),
    )


def standing(request: Request, out: Path) -> tuple[list[Report], list[Manifest]] | None:
    """The reports of an earlier review that would come out as they stand, and its manifests; None where one might not.

    Only for who holds the lock of the output folder.
    """
    asked = request.asked()
    made = {label: one for label, one in _manifests(out) if one["request"].get("asked") == asked}
    if not made or any(set(one["request"]["made"]) != made.keys() for one in made.values()):
        return None
    if not all(_reads_the_same(request.place, one["inputs"]) for one in made.values()):
        return None
    reports = []
    for label, one in made.items():
        folder, entries = out / label, {entry["partner"]: entry for entry in one["reports"]}
        tables = one["request"]["tables"]
        if (folder / done.NOTED).exists() or not all(files.still_there(folder, name, tables[name]) for name in tables):
            return None
        for partner in (NETWORK, *one["request"]["partners"]):
            entry = entries.get(partner, {"state": "none"})
            if entry["state"] != "published" or not files.still_there(folder, entry["file"], entry["sha256"]):
                return None
            page = folder / entry["file"]
            reports.append(Report(partner, partner, label, page, "published", sha256=entry["sha256"], left=True))
    return reports, list(made.values())


def _manifests(out: Path) -> Iterator[tuple[str, Manifest]]:
    """Every manifest in the output folder that tells a request, and the quarter its folder is named for."""
    for path in sorted(out.glob(f"*/{files.MANIFEST}")):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
            files.earlier(path.parent)
        except (OSError, ValueError, RecursionError, PartnerKpiError):
            continue  # a review says what is wrong with it
        request = manifest.get("request")
        whole = isinstance(request, dict) and isinstance(manifest.get("inputs"), dict)
        if whole and {"asked", "made", "partners", "tables", "account"} <= request.keys():
            yield path.parent.name, manifest


def _reads_the_same(place: Path, inputs: Mapping[str, str]) -> bool:
    """True where the book would read just these files, each with this hash."""
    try:
        config = read_config(place)
    except PartnerKpiError:
        return False  # opening it says why
    read = {NAME, *(name for table in config.tables.values() for name in table.files)}
    if config.source is not None or not read <= inputs.keys():
        return False
    return all(files.still_there(place, name, sha256) for name, sha256 in inputs.items())
