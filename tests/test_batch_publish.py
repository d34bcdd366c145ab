"""Files are put in their place whole or not at all, by one review at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from partnerkpi.batch.publish import earlier, locked, prepared, put, put_notebook, still_there
from partnerkpi.errors import SystemProblem


def test_put_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "a.html", b"old")
    digest = put(tmp_path / "a.html", b"new")
    assert (tmp_path / "a.html").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.html"]
    assert still_there(tmp_path, "a.html", digest)
    assert not still_there(tmp_path, "a.html", "0" * 64)
    assert not still_there(tmp_path, "b.html", digest)


def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.html", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemProblem, match="disk is full"):
        put(tmp_path / "a.html", b"new")
    assert (tmp_path / "a.html").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.html"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemProblem, match="Cannot write to"):
        prepared(tmp_path / "file" / "reports", reports=1)


def test_too_little_room_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SystemProblem, match=r"may need [\d,]+ MB"):
        prepared(tmp_path, reports=10**9)


def test_a_manifest_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert earlier(tmp_path) == {}
    (tmp_path / "manifest.json").write_text("{ cut")
    assert earlier(tmp_path) == {}


def test_a_stored_notebook_knows_nothing_of_this_machine(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "id": "0af1",
        "metadata": {"papermill": {"start_time": "now"}, "tags": ["injected-parameters"]},
        "source": 'book = "/private/x/slice0"',
        "outputs": [],
    }
    made = {"cells": [cell], "metadata": {"papermill": {"input_path": "/home/me"}, "kernelspec": {}}}
    put_notebook(tmp_path / "n.ipynb", made, "/private/x")
    text = (tmp_path / "n.ipynb").read_text()
    assert "/private" not in text
    assert "papermill" not in text
    assert json.loads(text)["cells"][0]["id"] == "parameters-0"


def test_a_second_review_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom partnerkpi.errors import SystemProblem\n"
        "from partnerkpi.batch.publish import locked\n"
        "try:\n    with locked(Path(sys.argv[1])): pass\n"
        "except SystemProblem as problem: print(problem); sys.exit(4)\n"
    )
    run = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        second = subprocess.run(run, capture_output=True, text=True, check=False)
        assert second.returncode == 4, second.stderr
        assert f"process {os.getpid()}, started 20" in second.stdout
    assert subprocess.run(run, check=False).returncode == 0
