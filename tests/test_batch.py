"""A review from end to end: what fails costs only its own report, and the same inputs give the same bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import partnerkpi as pk
from partnerkpi.batch import ReviewResult, review
from partnerkpi.batch.files import locked
from partnerkpi.batch.plan import PARAMETERS, Plan
from partnerkpi.errors import SystemProblem, UsageError

END = (
    'display({"application/vnd.partnerkpi.end+json": {"chapter": "CHAPTER", "partner": partner, "quarter": quarter,'
    ' "as_of": as_of, "figures": {"headline": 1.5}}, "text/plain": "end"}, raw=True)'
)

#: What goes wrong for which partner, and what the manifest says of it.
FAULTS = {
    "exit": ("import os; os._exit(0)", "the kernel died"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "the kernel died"),
    "leave": ("import sys; sys.exit(0)", "did not run"),
    "raise": ("raise ValueError('no such thing')", "ValueError: no such thing"),
    "loop": ("while True: pass", "longer than 2 seconds"),
    "warns": ("import warnings; warnings.warn('3 of 2', RuntimeWarning)", "warned of its own numbers"),
    "silent": ("display = lambda *_, **__: None", "did not reach its end marker"),
    "other": ("partner = 'good'", "'good' instead of 'other'"),
    "kill": ("import os; os.kill(os.getppid(), 9)", "its worker process died"),
}
#: What a notebook shows of a partner that the gate must stop.
LEAKS = {"script": "<script>alert(1)</script>", "names": "<p>sold less than Globe_x Ltd</p>"}

pytestmark = pytest.mark.slow


def notebook(*sources: str, chapter: str) -> str:
    parameters = "\n".join(f'{name}: str = ""' for name in PARAMETERS)
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "id": "top", "metadata": {}, "source": f"# {chapter}"}]
    for number, source in enumerate([parameters, *sources, END.replace("CHAPTER", chapter)]):
        tags = ["parameters"] if number == 0 else []
        cell = {"cell_type": "code", "id": f"c{number}", "metadata": {"tags": tags}, "source": source}
        cells.append({**cell, "execution_count": None, "outputs": []})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made)


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that writes notebooks, one per text of cells, and has their figures agree."""
    monkeypatch.setattr(Plan, "figures", lambda *_: {"headline": 1.5})
    made: list[int] = []

    def write(*chapters: list[str]) -> Path:
        made.append(1)
        folder = tmp_path / f"notebooks{len(made)}"
        folder.mkdir()
        for number, sources in enumerate(chapters):
            name = f"chapter{number}"
            (folder / f"{number:02}_{name}.ipynb").write_text(notebook(*sources, chapter=name))
        return folder

    return write


@pytest.fixture
def book(write_book: Callable[..., Path]) -> Path:
    names = ["good", "fine", *FAULTS, *LEAKS]
    deals = "".join(f"D-{n},2025-10-0{1 + i % 9},won,2025-11-10,100,{n}\n" for i, n in enumerate(names))
    partners = "partner_id,name\n" + "".join(f"{n},{n}\n" for n in names) + "gx-1,Globex Ltd\n"
    return write_book("deal_id,created_on,status,closed_on,amount,partner_id\n" + deals, partners=partners)


def published(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.html")}


def pages(result: ReviewResult) -> dict[str, bytes]:
    """Every file of a review but the manifest, which alone knows of times."""
    (folder,) = result.folders
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_what_fails_costs_only_its_own_report(book: Path, notebooks: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "reports"
    partners = ["good", "fine", *FAULTS]
    fine = notebooks(["print(partner)"])
    earlier = {"good", "raise", "exit"}  # what stands there from before
    first = review(book, "2025Q4", sorted(earlier), out=out, notebooks=fine, jobs=3)
    assert first.exit_code == 0, str(first)
    before = pages(first)

    cells = ["faults = " + repr({name: code for name, (code, _) in FAULTS.items()}), "exec(faults.get(partner, ''))"]
    faulty = notebooks(["print(partner, 'again')"], cells)
    result = review(book, "2025Q4", partners, out=out, notebooks=faulty, jobs=3, timeout=2)
    states = {report.partner: report for report in result.reports}
    for name, (_, said) in FAULTS.items():
        assert said in states[name].reason, f"{name}: {states[name]}"
        assert states[name].state == "failed"
        assert states[name].stale == (name in earlier)
    assert {name for name, report in states.items() if report.state == "published"} == {"", "good", "fine"}
    assert result.exit_code == 3

    manifest = json.loads((out / "2025Q4" / "manifest.json").read_text())
    entries = {entry["partner"]: entry for entry in manifest["reports"]}
    assert set(entries) == set(states)
    after = pages(result)
    for name in earlier - {"good"}:
        assert entries[name]["stale"]
        assert after[entries[name]["file"]] == before[entries[name]["file"]]
    assert published(out / "2025Q4") == {"index.html", "fine.html", *(f"{name}.html" for name in earlier)}
    assert after["good.html"] != before["good.html"]
    assert [line for line in str(result).splitlines() if "The earlier page was kept." in line]


def test_the_same_inputs_give_the_same_bytes(book: Path, notebooks: Callable[..., Path], tmp_path: Path) -> None:
    untidy = [
        "x = globals().get('x', 0) + 1; print(x, __name__)",
        "import os, sys, warnings\nimport matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd",
        "print(plt.rcParams['font.size'], plt.get_fignums(), os.environ.get('DIRT'), sys.path[-1], np.geterr())",
        "print(pd.options.display.max_rows, os.listdir('.'), len(warnings.filters), partner)",
        "plt.rcParams['font.size'] = 40; os.environ['DIRT'] = '1'; sys.path.append('dirt'); np.seterr(all='ignore')",
        "pd.options.display.max_rows = 7; os.chdir('..'); warnings.simplefilter('error')",
        "plt.figure(); None",
        "pd.DataFrame({'a': [1.5]})",
    ]
    folder = notebooks(untidy, untidy)
    one = review(book, None, ["good", "fine"], out=tmp_path / "one", notebooks=folder, jobs=1)
    two = review(str(book), "2025Q4", ["fine", "good"], out=tmp_path / "two", notebooks=folder, jobs=2)
    cold = review(pk.open_book(book), None, ["good"], out=tmp_path / "cold", notebooks=folder, fresh_kernels=True)
    assert one.exit_code == two.exit_code == cold.exit_code == 0, f"{one}\n{two}\n{cold}"
    assert pages(one) == pages(two)
    shared = {name: content for name, content in pages(cold).items() if name != "index.html"}
    assert shared.items() <= pages(one).items()
    assert set(pages(one)) == {
        *("index.html", "good.html", "fine.html", "scorecard.csv"),
        *(f"notebooks/{p}/0{i}_chapter{i}.ipynb" for p in ("index", "good", "fine") for i in range(2)),
    }
    page = pages(one)["good.html"]
    assert b"slice" not in page
    assert b"deals: 1 rows read" in page or b"deals: 1 row read" in page
    index = pages(one)["index.html"].decode()
    assert 'href="good.html"' in index
    assert "raise.html" not in index


def test_the_gate_stops_script_and_other_partners(book: Path, notebooks: Callable[..., Path], tmp_path: Path) -> None:
    cells = [f"from IPython.display import HTML, display\ndisplay(HTML({LEAKS!r}.get(partner, '').replace('_', '')))"]
    result = review(book, "2025Q4", ["good", *LEAKS], out=tmp_path / "out", notebooks=notebooks(cells))
    reasons = {report.partner: report.reason for report in result.reports if report.state == "refused"}
    assert set(reasons) == set(LEAKS)
    assert "safety: element <script>" in reasons["script"]
    assert "disclosure: names another partner: 'Globex Ltd'" in reasons["names"]
    assert result.exit_code == 5
    assert published(tmp_path / "out" / "2025Q4") == {"index.html", "good.html"}
    stored = {path.name for path in (tmp_path / "out" / "2025Q4" / "notebooks").iterdir()}
    assert stored == {"index", "good"}


def test_nothing_is_written_when_the_question_is_wrong(
    book: Path, notebooks: Callable[..., Path], tmp_path: Path
) -> None:
    out, folder = tmp_path / "out", notebooks(["1"])
    whole = pk.open_book(book)
    for wrong, said in [
        (dict(partners=["goood"]), "goood"),
        (dict(quarters="2026Q1"), "2026Q1"),
        (dict(quarters="soon"), "soon"),
        (dict(jobs=0), "one job"),
        (dict(notebooks=tmp_path), "no notebooks"),
    ]:
        with pytest.raises(UsageError, match=said):
            review(book, **{"out": out, "notebooks": folder, **wrong})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="whole book"):
        review(whole.for_partner("good"), out=out, notebooks=folder)
    with pytest.raises(UsageError, match="as of"):
        review(whole, out=out, notebooks=folder, as_of="2025-11-30")
    assert not out.exists()
    out.mkdir()
    with locked(out), pytest.raises(SystemProblem, match=f"process {os.getpid()}"):
        review(book, out=out, notebooks=folder)


def test_shipped_notebooks_make_the_same_pages_in_shared_and_fresh_kernels(tmp_path: Path) -> None:
    shared = review("", partners=["P-003"], out=tmp_path / "shared")
    fresh = review("", partners=["P-003"], out=tmp_path / "fresh", fresh_kernels=True)
    assert shared.exit_code == fresh.exit_code == 0, f"{shared}\n{fresh}"
    assert pages(shared) == pages(fresh)
    assert all(len(content) < 2_000_000 for content in pages(shared).values())
