"""The same pages from the same data: by the command, at another time and place, and after an interruption."""

from __future__ import annotations

import json
import os
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
#: What of a manifest may differ: times.
TIMES = ("started", "finished")
PARTNERS = ("P-001", "P-003")
ASKED = [option for partner in PARTNERS for option in ("--partner", partner)]
#: Time goes by another clock: a year and some later.
CLOCK = (
    "import time\n"
    "def moved(read, seconds):\n    return lambda *given: read(*given) + seconds\n"
    "time.time, time.time_ns = moved(time.time, 4e7), moved(time.time_ns, 4 * 10**16)\n"
)


class Place:
    """A folder with a small sample book in it, and the environment in which a review of it runs."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.book, self.out = folder, folder / "book", folder / "out"
        folder.mkdir()
        write_sample(self.book, partners=4, quarters=5, deals=200)
        known = {key: value for key, value in os.environ.items() if key not in ("LC_ALL", "LANG", "TZ")}
        self.environment = {**known, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp"), **environment}
        (folder / "tmp").mkdir()

    def start(self, *options: str) -> psutil.Popen:
        """The command, as it is called from this folder. A shell may have had it ignore Ctrl-C; here it hears it."""
        code = "import signal; signal.signal(2, signal.default_int_handler); from partnerkpi.cli import main; main()"
        command = [sys.executable, "-P", "-c", code, "review", "book", "--out", "out", *ASKED, *options]
        return psutil.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *options: str) -> None:
        process = self.start(*options)
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


def assert_same(place: Place, other: Place, engine: str = "fork") -> None:
    mine, others = place.files(), other.files()
    assert sorted(mine) == sorted(others)
    assert [name for name in mine if mine[name] != others[name]] == []
    about, reports = place.manifest()
    others_about, others_reports = other.manifest()
    assert about == {**others_about, "engine": engine}
    assert reports == others_reports


def test_another_time_place_language_hash_seed_and_number_of_jobs_change_no_byte(
    undisturbed: Place, tmp_path: Path
) -> None:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK)
    path = os.pathsep.join([str(tmp_path / "clock"), str(ROOT)])
    other = Place(
        tmp_path / "ein anderer Ort, größer", LC_ALL="C.UTF-8", LANG="de_DE.UTF-8", LANGUAGE="de", TZ="Asia/Tokyo",
        PYTHONHASHSEED="4711", PYTHONPATH=path, COLUMNS="40",
    )  # fmt: skip
    other.run("--jobs", "2")
    assert_same(other, undisturbed)
    began = json.loads((next(other.out.glob("*/manifest.json"))).read_text(encoding="utf-8"))["started"]
    assert int(began[:4]) > time.gmtime().tm_year  # it was another time, as far as it could know


def test_the_other_engine_changes_no_byte(undisturbed: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", LANG="C.UTF-8", TZ="America/Lima", PYTHONHASHSEED="random")
    code = f"import partnerkpi as pk; print(pk.review('book', None, {PARTNERS!r}, out='out', engine='pool', jobs=2))"
    command = [sys.executable, "-P", "-c", code]
    subprocess.run(command, cwd=other.folder, env=other.environment, capture_output=True, check=True)
    assert_same(other, undisturbed, engine="pool")


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_review_ends_soon_and_taken_up_again_makes_the_same_bytes(
    undisturbed: Place, tmp_path: Path, how: signal.Signals, code: int
) -> None:
    place = Place(tmp_path / "one")
    process = place.start("--jobs", "2")
    if how == signal.SIGINT:
        assert soon(lambda: [path for path in place.out.glob("*/P-*.html")], 200)
    else:
        assert soon(lambda: [path for path in (place.folder / "tmp").glob("*/job*/*.ipynb")], 200)
    everybody = process.children(recursive=True)
    assert len(everybody) > 1
    process.send_signal(how)
    begun = time.monotonic()
    said, _ = process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert ("Interrupted." in said) == (code == 130)
    assert soon(lambda: not [each for each in everybody if each.is_running() and each.status() != "zombie"], 5)
    assert list((place.folder / "tmp").iterdir()) == []
    pages = {path.name: path.stat().st_mtime_ns for path in place.out.glob("*/P-*.html")}
    place.run("--jobs", "2", "--resume")
    assert_same(place, undisturbed)
    assert not list(place.out.glob(f"*/{done.NOTED}"))
    kept = {path.name: path.stat().st_mtime_ns for path in place.out.glob("*/P-*.html") if path.name in pages}
    assert kept == pages  # what stood was left
