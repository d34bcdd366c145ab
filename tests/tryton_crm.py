"""Tryton, a real CRM, in an environment of its own: installed once in the user's cache folder, never imported here.

It is under the GPL, so nothing of it comes near the package: the tests start its programs and read its database.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs
import pytest
from filelock import FileLock
from postgres import programs

#: The newest series the preset was read in; time-machine moves the clock of its process.
NEEDS = (
    "trytond==8.2.*", "trytond-sale-opportunity==8.2.*", "trytond-commission==8.2.*", "proteus==8.2.*",
    "time-machine==3.*", "psycopg[binary,pool]==3.*",
)  # fmt: skip
MODULES = ("ir", "res", "sale_opportunity", "commission")
WORLD = Path(__file__).with_name("tryton_world.py")
_SECONDS = 300


def sqlite_year(folder: Path) -> Path:
    """The file of a Tryton database on SQLite in which the year of tryton_world.py has been clicked."""
    with _environment() as place:
        empty = place / "empty.sqlite"
        if not empty.exists():
            new = place / "new.sqlite"
            new.unlink(missing_ok=True)
            new.touch()
            _activate(place, _settings(place, f"uri = sqlite://\npath = {place}"), "new", {})
            new.rename(empty)
    shutil.copyfile(empty, folder / "year.sqlite")
    _run(place, [str(WORLD), str(_settings(folder, f"uri = sqlite://\npath = {folder}")), "year"], {})
    return folder / "year.sqlite"


def postgres_year(folder: Path, server: str) -> str:
    """The address of a database on the server in which the same has been clicked; there the clock of stamps is true."""
    parts = urlsplit(server)
    socket = parts.query.removeprefix("host=")
    access = {"PGHOST": socket, "PGUSER": parts.username or "", "PGPASSWORD": unquote(parts.password or "")}
    make = "import psycopg; psycopg.connect(dbname='postgres', autocommit=True).execute('CREATE DATABASE crm')"
    settings = _settings(folder, "uri = postgresql://")
    with _environment() as place:
        _run(place, ["-c", make], access)
        empty = place / f"empty-{programs().parent.name}.dump"
        whole = {"env": {**os.environ, **access}, "check": True, "capture_output": True, "timeout": _SECONDS}
        if empty.exists():
            subprocess.run([programs() / "pg_restore", "-d", "crm", empty], **whole)
        else:
            _activate(place, settings, "crm", access)
            subprocess.run([programs() / "pg_dump", "-Fc", "-f", place / "new.dump", "crm"], **whole)
            (place / "new.dump").rename(empty)
    _run(place, [str(WORLD), str(settings), "crm"], access)
    return server.replace("/postgres?", "/crm?")


@contextmanager
def _environment() -> Iterator[Path]:
    """The folder of the environment, made where it is not yet; skips the test with the reason where it cannot be."""
    key = hashlib.sha256("\n".join((sys.version, *NEEDS, *MODULES)).encode()).hexdigest()[:12]
    place = platformdirs.user_cache_path("partnerkpi-tests") / f"tryton-{key}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        pytest.skip(f"Tryton cannot be kept in {place.parent}: {error.strerror}")
    with FileLock(f"{place}.lock", timeout=2 * _SECONDS):
        if not (place / "installed").exists():
            shutil.rmtree(place, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, capture_output=True)
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDS]
            try:
                _run(place, install, {"PIP_RETRIES": "1", "PIP_TIMEOUT": "10"})
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                lines = [line for line in str(error.stderr or error).splitlines() if line.startswith("ERROR")]
                pytest.skip(f"Tryton cannot be installed here: {' '.join(lines) or error}")
            (place / "installed").touch()
        yield place


def _settings(folder: Path, database: str) -> Path:
    path = folder / "trytond.conf"
    path.write_text(f"[database]\n{database}\n", encoding="utf-8")
    return path


def _activate(place: Path, settings: Path, name: str, access: dict[str, str]) -> None:
    word = place / "word"
    word.write_text("of nobody", encoding="utf-8")
    asked = ["-c", str(settings), "-d", name, "--email", "nobody@example.org", "-u", *MODULES]
    code = "from trytond.cli.admin import main; main()"
    _run(place, ["-c", code, *asked, "--activate-dependencies"], {**access, "TRYTONPASSFILE": str(word)})


def _run(place: Path, arguments: list[str], more: dict[str, str]) -> None:
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        [str(python), *arguments], env={**own, **more}, cwd=place, capture_output=True, text=True, timeout=_SECONDS
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr[-2000:])
