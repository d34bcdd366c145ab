"""Nothing that is installed with the package is under a licence that reaches over to those who use it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

packaging = pytest.importorskip("packaging.requirements")

ROOT = Path(__file__).resolve().parent.parent
PERMISSIVE = r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|CC0|HPND|Unlicense"
#: Copyleft of the single file, which asks nothing of who imports it: the Mozilla licence, by package.
OF_THE_FILE = {"certifi", "fqdn", "hypothesis", "tqdm"}


def declared() -> dict[str, list[str]]:
    """The requirements by extra, "" for those of the package itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def needed(requirements: list[str], extra: str, seen: set[tuple[str, str]]) -> Iterator[Distribution]:
    """The installed packages that these need, and those that they need in turn."""
    for text in requirements:
        wanted = packaging.Requirement(text)
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        for part in ["", *sorted(wanted.extras)]:
            if (name, part) in seen:
                continue
            seen.add((name, part))
            if name == "partnerkpi":
                yield from needed(declared()[part], part, seen)
                continue
            found = distribution(name)
            yield found
            yield from needed(found.requires or [], part, seen)


def licence_of(package: Distribution) -> str:
    """As the package states it: its expression, its classifiers, else the first line of its text."""
    about = package.metadata
    kinds = [line for line in about.get_all("Classifier") or [] if line.startswith("License")]
    return about.get("License-Expression") or "; ".join(kinds) or (about.get("License") or "").partition("\n")[0]


@pytest.mark.parametrize("extra", [name for name in declared() if name != "dev"])
def test_what_is_installed_with_the_package_is_under_a_permissive_licence(extra: str) -> None:
    try:
        packages = list(needed(declared()[extra], extra, set()))
    except PackageNotFoundError as error:
        pytest.skip(f"the extra {extra} is not installed whole: {error}")
    licences = {package.name.lower(): licence_of(package) for package in packages}
    assert licences.keys() >= {packaging.Requirement(r).name for r in declared()[extra] if "partnerkpi" not in r}
    told = {name: text for name, text in licences.items() if not re.search(r"\bL?A?GPL|General Public", text)}
    assert told.keys() == licences.keys(), {name: licences[name] for name in licences.keys() - told.keys()}
    mozilla = {name for name, text in licences.items() if re.search("MPL|Mozilla", text)}
    assert mozilla <= OF_THE_FILE
    assert not {n: text for n, text in licences.items() if n not in mozilla and not re.search(PERMISSIVE, text)}


def test_a_pin_stands_for_every_package_that_is_needed() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    names = {packaging.Requirement(text).name for texts in declared().values() for text in texts} - {"partnerkpi"}
    assert names <= pinned
    assert not pinned & {"psycopg", "psycopg-binary", "psycopg2", "trytond", "proteus"}
