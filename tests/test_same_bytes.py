"""The same pages from the same data: by the command, at another time and place, and after an interruption."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_batch_kernels import soon

from partnerkpi.batch import done, forks
from partnerkpi.batch.files import MANIFEST
from partnerkpi.sample import write_sample

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not forks.available(), reason="processes are forked and watched on Linux alone"),
]
#: What of a manifest may differ: times, and how it was made.
TIMES = ("started", "finished", "engine")
PARTNERS = ("P-001", "P-003")
ASKED = [option for partner in PARTNERS for option in ("--partner", partner)]
#: Those that come along, but for the sake of time not all of them.
NOTEBOOKS = ("01_average_deal_size", "05_close_rate", "06_deal_velocity")
#: The command, with an engine and these notebooks. A shell may have it ignore Ctrl-C; here it hears it.
COMMAND = """
import functools, signal
import partnerkpi.batch, partnerkpi.cli
partnerkpi.batch.review = functools.partial(partnerkpi.batch.review, notebooks="notebooks", engine={engine!r})
signal.signal(signal.SIGINT, signal.default_int_handler)
partnerkpi.cli.main()
"""
#: Time goes by another clock: a year and some later.
CLOCK = """
import time
def moved(read, seconds):
    return lambda *given: read(*given) + seconds
time.time, time.time_ns = moved(time.time, 4e7), moved(time.time_ns, 4 * 10**16)
"""


class Place:
    """A folder with a small sample book in it, and the environment in which a review of it runs."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.book, self.out = folder, folder / "book", folder / "out"
        folder.mkdir()
        write_sample(self.book, partners=3, quarters=3, deals=90)
        (folder / "notebooks").mkdir()
        for name in NOTEBOOKS:
            shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder / "notebooks")
        known = {key: value for key, value in os.environ.items() if key not in ("LC_ALL", "LANG", "TZ")}
        self.environment = {**known, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp"), **environment}
        (folder / "tmp").mkdir()

    def start(self, *options: str, engine: str = "fork") -> psutil.Popen:
        """The command, as it is called from this folder."""
        command = [sys.executable, "-P", "-c", COMMAND.format(engine=engine)]
        command += ["review", "book", "--out", "out", *ASKED, *options]
        return psutil.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *options: str, engine: str = "fork") -> None:
        process = self.start(*options, engine=engine)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said

    def files(self) -> dict[str, bytes]:
        every = (path for path in self.out.rglob("*") if path.is_file() and path.name != MANIFEST)
        return {str(path.relative_to(self.out)): path.read_bytes() for path in every if path.name[0] != "."}

    def manifest(self) -> Any:
        (path,) = self.out.glob(f"*/{MANIFEST}")
        told = json.loads(path.read_text(encoding="utf-8"))
        reports = [{key: value for key, value in entry.items() if key != "seconds"} for entry in told.pop("reports")]
        return {key: value for key, value in told.items() if key not in TIMES}, reports


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("undisturbed")
    place = Place(folder / "one", LC_ALL="C", TZ="UTC", PYTHONHASHSEED="0", SECRET="hunter2")
    place.run("--jobs", "1")
    return place


def assert_same(place: Place, other: Place) -> None:
    mine, others = place.files(), other.files()
    assert sorted(mine) == sorted(others)
    assert [name for name in mine if mine[name] != others[name]] == []
    assert place.manifest() == other.manifest()


def test_another_time_place_language_hash_seed_engine_and_number_of_jobs_change_no_byte(
    undisturbed: Place, tmp_path: Path
) -> None:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK)
    path = os.pathsep.join([str(tmp_path / "clock"), str(ROOT)])
    language = {"LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de", "COLUMNS": "40"}
    other = Place(
        tmp_path / "ein anderer Ort, größer", **language, TZ="Asia/Tokyo", PYTHONHASHSEED="4711", PYTHONPATH=path
    )
    other.run("--jobs", "2", engine="pool")
    assert_same(other, undisturbed)
    told = json.loads((next(other.out.glob("*/manifest.json"))).read_text(encoding="utf-8"))
    assert int(told["started"][:4]) > time.gmtime().tm_year  # it was another time, as far as it could know
    assert told["engine"] == "pool"


def test_an_interrupted_review_ends_soon_and_taken_up_again_makes_the_same_bytes(
    undisturbed: Place, tmp_path: Path
) -> None:
    place = Place(tmp_path / "one")
    process = place.start("--jobs", "2")
    assert soon(lambda: next(place.out.glob("*/P-*.html"), None), 200)
    everybody = process.children(recursive=True)
    assert len(everybody) > 1
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    said, _ = process.communicate(timeout=60)
    assert time.monotonic() - sent < 5
    assert process.returncode == 130, said
    assert said == "partnerkpi: Interrupted.\n"
    assert soon(lambda: not [each for each in everybody if each.is_running() and each.status() != "zombie"], 5)
    assert list((place.folder / "tmp").iterdir()) == []
    pages = {path: path.stat().st_mtime_ns for path in place.out.glob("*/P-*.html")}
    assert 0 < len(pages) <= len(PARTNERS)
    place.run("--jobs", "2", "--resume")
    assert_same(place, undisturbed)
    assert not list(place.out.glob(f"*/{done.NOTED}"))
    assert {path: path.stat().st_mtime_ns for path in pages} == pages  # what stood was left
