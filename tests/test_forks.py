"""Notebooks in forks of one template: they come out as from a kernel, and nothing that one does hurts another."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.engines import papermill_engines
from test_batch_kernels import alive
from traitlets.config import Config

from partnerkpi.batch import anybody, forks
from partnerkpi.batch.anybody import Anybody
from partnerkpi.batch.execution import MOST_OUTPUT
from partnerkpi.batch.forks import Forks
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import Chapter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not forks.available(), reason="processes are forked and watched on Linux alone"),
]
papermill_engines.register("partnerkpi-tested", Anybody)  # this copy, whatever copy is installed

#: Every kind of output, one cell each; cells that begin with `# raises` fail, and may.
EVERY_KIND = r"""
number: int = 1
###
print("out"); import sys; print("err", file=sys.stderr); print("out again")
###
number + 1
###
from IPython.display import HTML, JSON, Latex, Markdown, clear_output, display, update_display
handle = display(HTML("<b>first</b>"), display_id="one"); display({"a": 1});
###
handle.update(HTML("<b>second</b>")); update_display("third", display_id="one")
###
for step in range(3): clear_output(wait=True); print("step", step)
###
print("goes"); clear_output(); print("stays")
###
import pandas as pd
pd.DataFrame({f"column {place}": range(3) for place in range(30)})
###
import matplotlib.pyplot as plt
plt.plot([1, 3, 2]); plt.title("a picture");
###
figure, axes = plt.subplots(); axes.bar(["a", "b"], [1, 2]); plt.show(); print("below it")
###
%matplotlib inline
%precision 3
3.14159265
###
import asyncio
await asyncio.sleep(0.01); print("awaited", asyncio.get_running_loop().is_running())
###
!echo from a shell
###
%%bash
echo out of bash; echo wrong >&2
###
%%capture caught
print("caught")
###
repr(caught.stdout), In[2][:10], Out[2]
###
import warnings; warnings.warn("look out")
###
# raises
raise ValueError("meant")
###
# raises
input("who is there? ")
###
# raises
def down(steps): return down(steps - 1) if steps else 1 / 0
down(3)
###
%config InlineBackend.figure_format = "svg"
import matplotlib as mpl; mpl.rcParams["svg.hashsalt"] = "fixed"
plt.figure(figsize=(1, 1)); plt.plot([1, 2]);
###
display(JSON({"a": [1, 2]}), Latex("$y$"), Markdown("**bold**"), metadata={"kind": "many"})
###
display({"application/x-own+json": {"n": 1.5}, "text/plain": "own"}, raw=True)
###
import os, time; os.system("echo past Python"); time.sleep(0.5)
###
import threading
thread = threading.Thread(target=lambda: print("from a thread")); thread.start(); thread.join()
###
from multiprocessing import get_context
def square(n): return n * n
with get_context("fork").Pool(2) as several: print(several.map(square, [1, 2, 3]))
###
get_ipython().__class__.__name__, __name__, pd.get_option("display.max_columns"), mpl.get_backend(), sys.path[0]
###
print("10 %\r100 %"); print("a\bb")
###
%who_ls int
###
print("x" * 100_000)
###
pd.DataFrame({"a": [1.5]}).style.set_uuid("fixed").format("{:.2f}")
###
quit()
###
print("after it")
"""


def notebook(sources: list[str]) -> Any:
    cells = [new_markdown_cell("# Every kind", id="top")]
    for place, source in enumerate(sources):
        tags = ["parameters"] if place == 0 else ["raises-exception"] if source.startswith("# raises") else []
        cells.append(new_code_cell(source, id=f"cell{place}", metadata={"tags": tags}))
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": spec})


def executed(source: Path, output: Path, **how: Any) -> Any:
    try:
        papermill.execute_notebook(str(source), str(output), {"number": 4}, progress_bar=False, **how)
    except papermill.PapermillExecutionError:  # papermill says so of every cell that failed, also of those that may
        assert EVERY_KIND.strip().split("\n###\n")[0] in source.read_text(encoding="utf-8")
    return nbformat.read(output, as_version=4)


def plain(cells: list[Any]) -> list[Any]:
    """What is the same in every process: without times, addresses and numbers of processes."""
    told = []
    for cell in copy.deepcopy(cells):
        text = repr([cell.cell_type, cell.source, cell.get("execution_count"), cell.get("outputs")])
        text = re.sub(r"0x[0-9a-f]{8,}", "0x…", re.sub(r"ipykernel_\d+", "ipykernel_…", text))
        told.append(re.sub(r"<dc:date>.*?</dc:date>", "", text, flags=re.DOTALL))
    return told


def test_every_kind_of_output_is_what_a_kernel_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "every kind.ipynb"
    nbformat.write(notebook(EVERY_KIND.strip().split("\n###\n")), source)
    forked = executed(source, tmp_path / "forked.ipynb", engine_name="partnerkpi-tested")
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    cold = executed(source, tmp_path / "cold.ipynb", coalesce_streams=True, config=config)
    for one, other in zip(plain(forked.cells), plain(cold.cells), strict=True):
        assert one == other
    assert forked.metadata.language_info == cold.metadata.language_info


def test_anybodys_notebook_runs_where_the_program_is_and_leaves_nothing_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    first = ["number: int = 1", "import beside, sys; seen = beside.VALUE; sys.dirt = 1; open('written', 'w').close()"]
    second = ["number: int = 1", "import sys; print(hasattr(sys, 'dirt'), 'seen' in globals(), number)"]
    for name, cells in (("first", first), ("second", second)):
        nbformat.write(notebook(cells), tmp_path / f"{name}.ipynb")
        done = executed(tmp_path / f"{name}.ipynb", tmp_path / f"{name} done.ipynb", engine_name="partnerkpi-tested")
    assert (tmp_path / "written").exists()
    assert done.cells[-1].outputs[0].text == "False False 4\n"


def test_a_notebook_whose_process_ends_is_said_to_have_failed(tmp_path: Path) -> None:
    """It is run once: nobody knows what it has done already."""
    source, runs = tmp_path / "ends.ipynb", tmp_path / "runs"
    ends = f"import os; open({str(runs)!r}, 'a').write('x'); os._exit(0)"
    nbformat.write(notebook(["number: int = 1", ends]), source)
    with pytest.raises(RuntimeError, match=r"did not come to its end: .*the notebook ended it, with code 0"):
        papermill.execute_notebook(str(source), str(tmp_path / "o.ipynb"), engine_name="partnerkpi-tested")
    assert runs.read_text() == "x"


@pytest.mark.parametrize("first", ["partnerkpi.batch.anybody", "papermill"])
def test_the_engine_is_found_whatever_is_imported_first(first: str) -> None:
    code = f"import {first}\nfrom papermill.engines import papermill_engines\nimport partnerkpi.batch.anybody"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_nothing_can_be_forked_papermill_does_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anybody, "available", lambda: False)
    source = tmp_path / "plain.ipynb"
    nbformat.write(notebook(["number: int = 1", "print(number)"]), source)
    done = executed(source, tmp_path / "done.ipynb", engine_name="partnerkpi-tested")
    assert done.cells[-1].outputs[0].text == "4\n"


# Isolation: each of these stands beside a good one

Run = dict[str, tuple[Outcome, float]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    started = Forks(tmp_path_factory.mktemp("private"), workers=2, memory=1_500_000_000)
    assert started.ready(), (started.private / "template.log").read_text()
    yield started
    started.close()


def run(template: Forks, cells: dict[str, str], timeout: float = 60, **more: Any) -> Run:
    """How jobs of one cell each ended, by name, and how many seconds after the first began."""
    jobs = []
    for number, (name, cell) in enumerate(cells.items()):
        folder = template.private / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        nbformat.write(notebook(["number: int = 1", cell]), folder / "only.ipynb")
        chapter = Chapter(folder / "only.ipynb", "only")
        jobs.append(Job(number, folder / "job", (chapter,), {"number": "4"}, timeout, **more))
    begun, ended = time.monotonic(), {}
    for outcome in template.execute(jobs, lambda: None, 1.0, lambda _: True):
        ended[list(cells)[outcome.number]] = outcome, time.monotonic() - begun
    return ended


FAULTS = {
    "raise": ("raise ValueError('no such thing')", "ValueError: no such thing"),
    "exit": ("import os; os._exit(3)", "the notebook ended it, with code 3"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    "memory": ("x = []\nwhile True: x.append(bytearray(10**8))", "more than 1,500 MB of memory"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_only_its_own_report(template: Forks, fault: str) -> None:
    cell, said = FAULTS[fault]
    ended = run(template, {"faulty": cell, "good": "print('good')"})
    assert said in ended["faulty"][0].failure
    assert ended["good"][0].failure == ""


@pytest.mark.parametrize(
    "cell",
    [
        "while True: pass",
        "import signal; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; import time; time.sleep(99)",
        # a call that never gives the interpreter back
        "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    ],
)
def test_what_takes_too_long_is_ended_from_outside(template: Forks, cell: str) -> None:
    ended = run(template, {"endless": cell, "good": "print('good')"}, timeout=2)
    assert ended["endless"][0].failure == "only.ipynb: a cell took longer than 2 seconds"
    assert ended["good"][0].failure == ""


@pytest.mark.parametrize(
    ("cell", "limit"),
    [
        ("import os; os._exit(3)", 60.0),
        ("import ctypes; ctypes.string_at(0)", 60.0),
        ("import os; os.kill(os.getpid(), 9)", 60.0),
        ("while True: pass", 1.0),
        ("import re; re.match(r'(a+)+$', 'a' * 40 + 'b')", 1.0),
    ],
)
def test_a_death_is_noticed_within_a_second_and_so_is_the_end_of_the_time(
    template: Forks, tmp_path: Path, cell: str, limit: float
) -> None:
    """Counted from the moment at which the cell begins; the best of three, for other processes run beside these."""
    late = []
    for attempt in range(3):
        begins = f"import time; open({str(tmp_path / str(attempt))!r}, 'w').write(str(time.monotonic()))\n"
        assert run(template, {"ends": begins + cell}, timeout=limit, retry=False)["ends"][0].failure
        late.append(time.monotonic() - float((tmp_path / str(attempt)).read_text()) - (limit if limit < 60 else 0))
        if late[-1] < 1:
            break
    assert 0 <= min(late) < 1, late


def test_each_cell_has_its_own_time(template: Forks) -> None:
    slow = "import time\nfor name in '12': get_ipython().run_cell('time.sleep(0.1)')"
    assert run(template, {"slow": slow}, timeout=30)["slow"][0].failure == ""


def test_everything_a_notebook_started_ends_with_it(template: Forks, tmp_path: Path) -> None:
    """Also what has left its group and its session, and what was orphaned."""
    pids = tmp_path / "pids"
    pids.mkdir()
    sleeps = f"import os, pathlib, time; pathlib.Path({str(pids)!r}, str(os.getpid())).touch(); time.sleep(99)"
    starts = (
        "import os, pathlib, subprocess, sys, time\n"
        f"for how in (False, True): subprocess.Popen([sys.executable, '-c', {sleeps!r}], start_new_session=how)\n"
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        f"    exec({sleeps!r})\n"
        f"while len(list(pathlib.Path({str(pids)!r}).iterdir())) < 3: time.sleep(0.05)\n"
    )
    for end in ("", "os._exit(1)", "time.sleep(99)"):
        for path in pids.iterdir():
            path.unlink()
        run(template, {"starts": starts + end}, timeout=20 if end != "time.sleep(99)" else 5)
        assert len(list(pids.iterdir())) >= 3
        assert not [path.name for path in pids.iterdir() if alive(int(path.name))]


def test_a_flood_of_output_is_cut_and_that_is_said(template: Forks) -> None:
    """Also one long line; neither holds anything up."""
    cells = {
        "lines": "for _ in range(600): print('x' * 99_999)",
        "line": "print('y' * 50_000_000)",
        "shown": "display({'text/plain': 'z' * 50_000_000}, raw=True)",
    }
    assert {name: outcome.failure for name, (outcome, _) in run(template, cells).items()} == dict.fromkeys(cells, "")
    for name in cells:
        (done,) = (path for path in template.private.glob(f"{name}-*/job/only.ipynb"))
        text = "".join(output.text for output in nbformat.read(done, as_version=4).cells[-1].outputs)
        assert "the output of this cell was cut: it is longer than 10,000,000 characters" in text
        assert len(text) < MOST_OUTPUT + 200


def test_a_template_that_dies_says_nothing_of_its_jobs_and_can_be_started_anew(tmp_path: Path) -> None:
    started = Forks(tmp_path, workers=1)
    try:
        assert started.ready()
        assert run(started, {"kills": "import os; os.kill(os.getppid(), 9)"}) == {}
        assert not started.ready()
        started.close()
        started.start()
        assert started.ready()
        assert run(started, {"good": "print(1)"})["good"][0].failure == ""
    finally:
        started.close()


def test_what_cannot_be_prepared_is_no_fault_of_the_template(template: Forks) -> None:
    """As where there is no room for the rows of a job: it ends the review, and no job is run without its rows."""

    def full(_: Job) -> bool:
        raise OSError(28, "No space left on device")

    job = Job(0, template.private / "none", (), {}, 60)
    with pytest.raises(OSError, match="No space left"):
        list(template.execute([job], lambda: None, 1.0, full))
    assert run(template, {"good": "print(1)"})["good"][0].failure == ""


def test_a_template_that_cannot_start_is_not_ready(tmp_path: Path) -> None:
    started = Forks(tmp_path, workers=1, also=("no_such_module_anywhere",))
    try:
        assert not started.ready()
        assert "no_such_module_anywhere" in (tmp_path / "template.log").read_text()
    finally:
        started.close()


def test_a_template_whose_copies_hang_is_not_ready(tmp_path: Path) -> None:
    """As where a library has threads that a fork loses."""
    hangs = "import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(99))\n"
    (tmp_path / "hangs_when_forked.py").write_text(hangs)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    started = Forks(tmp_path, 1, also=("hangs_when_forked",), given={**os.environ, "PYTHONPATH": path})
    try:
        assert not started.ready()
    finally:
        started.close()


def test_of_the_environment_a_template_is_given_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", "hunter2")
    started = Forks(tmp_path, workers=1)
    try:
        assert started.ready()
        run(started, {"looks": "import os; print('hunter2' in str(dict(os.environ)), os.environ.get('HOME'))"})
    finally:
        started.close()
    (done,) = tmp_path.glob("looks-*/job/only.ipynb")
    assert nbformat.read(done, as_version=4).cells[-1].outputs[0].text == f"False {os.environ.get('HOME')}\n"
    assert sys.platform == "linux"
