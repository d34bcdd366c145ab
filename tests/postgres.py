"""A PostgreSQL server of one's own, where the system has the programs: started in a private folder, and gone after."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

OWNER, PASSWORD = "crm_owner", "s@/cret:word%1"
_ANOTHER = "nobody"  # the server refuses to run as root


def programs() -> Path:
    """The folder of PostgreSQL's programs, the newest that are here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path(shutil.which("initdb") or "/nowhere/initdb").parent


def asked(address: str, *statements: str) -> list[list[object]]:
    """What the server answers the last of the statements, in a connection of their own."""
    import pg8000.native

    access, _, folder = address.partition("?host=")
    database = access.rpartition("/")[2]
    made = pg8000.native.Connection(OWNER, password=PASSWORD, database=database, unix_sock=f"{folder}/.s.PGSQL.5432")
    try:
        return [made.run(statement) or [] for statement in statements][-1]
    finally:
        made.close()


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a database in a server that listens in its own folder alone; skips the test with the reason."""
    if not (programs() / "initdb").exists():
        pytest.skip("PostgreSQL's initdb is not installed here")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if as_root and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser here")
    before = ["runuser", "-u", _ANOTHER, "--"] if as_root else []
    folder = Path(tempfile.mkdtemp(prefix="pg"))

    def run(program: str, *arguments: str) -> None:
        whole = [*before, str(programs() / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(whole, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    try:
        (folder / "word").write_text(PASSWORD)
        if as_root:
            for path in (folder, folder / "word"):
                shutil.chown(path, _ANOTHER)
        asked = ("-U", OWNER, "-A", "scram-sha-256", f"--pwfile={folder / 'word'}", "-E", "UTF8", "--no-sync")
        run("initdb", *asked)
        settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield f"postgresql://{OWNER}:{quote(PASSWORD, safe='')}@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
