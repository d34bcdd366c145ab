"""Nothing of the working folder and of the caller's environment gets into a command, a worker or a notebook."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_batch_kernels import PATIENCE, ROOT, notebook

from partnerkpi.batch import forks, kernels
from partnerkpi.batch.plan import PARAMETERS, Chapter


@pytest.fixture
def book(write_book: Callable[..., Path]) -> Path:
    return write_book("deal_id,created_on,status,closed_on,amount,partner_id\nD-1,2025-10-01,won,2025-11-10,100,A\n")


# Nothing of the working folder gets in

STRAYS = """
    click IPython ipykernel ipykernel_launcher json multiprocessing numpy numexpr openpyxl pandas papermill runpy signal
    sitecustomize tqdm usercustomize
""".split()  # noqa: SIM905


@pytest.fixture
def strays(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """A function that fills a folder with modules that say so when they are imported; in the end none has been."""
    marks = tmp_path / "marks"
    marks.mkdir()

    def fill(folder: Path, *more: str) -> None:
        for name in [*STRAYS, *more]:
            (folder / f"{name}.py").write_text(
                f"open({str(marks / name)!r}, 'w').close()\nraise ImportError('not the real one')\n"
            )

    yield fill
    assert [path.name for path in marks.iterdir()] == []


def environment(**more: str) -> dict[str, str]:
    """An environment in which this package is found, and in which Python was not told to be careful."""
    known = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    return {**known, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **more}


@pytest.mark.parametrize("arguments", [["kpis"], ["check", "."], ["--version"]])
def test_a_command_imports_nothing_from_the_working_folder(
    book: Path, strays: Callable[[Path], None], arguments: list[str]
) -> None:
    strays(book)
    command = [sys.executable, "-m", "partnerkpi", *arguments]
    ended = subprocess.run(command, cwd=book, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_command_runs_in_a_checkout_that_is_not_installed(strays: Callable[[Path], None], tmp_path: Path) -> None:
    """The package is found in the working folder, and nothing else there is."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copytree(ROOT / "partnerkpi", checkout / "partnerkpi", ignore=shutil.ignore_patterns("__pycache__"))
    strays(checkout)
    door = checkout / "partnerkpi" / "__init__.py"
    text = door.read_text(encoding="utf-8")
    door.write_text(re.sub(r'__version__ = "[^"]+"', '__version__ = "9.9.9"', text), encoding="utf-8")
    env = environment()
    del env["PYTHONPATH"]
    command = [sys.executable, "-m", "partnerkpi", "--version"]
    ended = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)
    assert ended.stdout == "partnerkpi 9.9.9\n", ended.stderr


SECRETS = ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "CRM_DB_URL", "PARTNERKPI_TOKEN", "HTTPS_PROXY")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["fork", "pool"])
def test_of_the_working_folder_and_the_environment_nothing_gets_into_a_review(
    book: Path, strays: Callable[..., None], tmp_path: Path, engine: str
) -> None:
    """Neither workers nor notebooks, nor what keeps account of them, look beside the data or into the output folder.

    Notebooks run in an empty folder of their own; of what the caller's environment holds they see no credentials.
    """
    if engine == "fork" and not forks.available():
        pytest.skip("processes are forked and watched on Linux alone")
    out = book / "out"
    out.mkdir()
    (out / "2025Q4").mkdir()
    for folder in (book, out, out / "2025Q4"):
        strays(folder, "partnerkpi", "matplotlib", "psutil", "pyarrow", "scipy", "zmq")
    source = (
        "import sys, os, json, signal, click, numpy, pandas, IPython, matplotlib, psutil, pyarrow, scipy\n"
        f"assert not [p for p in sys.path if os.path.realpath(p).startswith({str(book)!r})], sys.path\n"
        "import partnerkpi, partnerkpi.kpis\n"
        f"assert partnerkpi.__file__ == {str(ROOT / 'partnerkpi' / '__init__.py')!r}\n"
        f"assert os.listdir('.') == [] and not os.getcwd().startswith({str(book)!r})\n"
        "held = [name for name, value in os.environ.items() if 'hunter2' in value]\n"
        "given = '/proc/self/environ'\n"  # where there is one
        "assert not os.path.exists(given) or b'hunter2' not in open(given, 'rb').read()\n"
        "assert not held, held"
    )
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(  # without a main guard, as people write them
        "import partnerkpi as pk\nfrom partnerkpi.batch.plan import Plan\n"
        "Plan.figures = lambda *_: {'headline': 1.5}\n"
        f"notebooks = {str(notebook(tmp_path / 'nb', source))!r}\n"
        f"result = pk.review('.', '2025Q4', ['A'], out='out', notebooks=notebooks, jobs=1, engine={engine!r})\n"
        "print(result)\nraise SystemExit(result.exit_code)\n"
    )
    # The package is not on the path of a new Python: a worker must find the very one that started it.
    env = environment(PYTHONPATH=str(ROOT), **dict.fromkeys(SECRETS, "hunter2"))
    ended = subprocess.run([sys.executable, script], cwd=book, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (out / "2025Q4" / "A.html").exists()


@pytest.mark.slow
def test_the_review_command_imports_nothing_from_the_working_folder(book: Path, strays: Callable[[Path], None]) -> None:
    strays(book)
    command = [sys.executable, "-m", "partnerkpi", "review", ".", "-p", "A", "-o", "out", "-j", "1"]
    ended = subprocess.run(command, cwd=book, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_other_processes_are_started_without_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from partnerkpi.batch.pool import _plain_start

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), str(tmp_path / "." / "x" / ".."), *sys.path])
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    before = sys.path[:]
    with _plain_start():
        assert not [entry for entry in sys.path if os.path.realpath(entry) == str(tmp_path.resolve())]
        assert len(sys.path) == len(before) - 3
        assert os.environ["PYTHONSAFEPATH"] == "1"
        assert not hasattr(sys.modules["__main__"], "__file__")
    assert sys.path == before
    assert os.environ["PYTHONSAFEPATH"] == ""


# Nothing of the environment gets in that is not needed


@pytest.mark.slow
def test_a_kernel_does_not_see_the_environment_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", "hunter2")
    monkeypatch.setenv("PARTNERKPI_DB_URL", "postgresql://somebody:hunter2@host/crm")
    monkeypatch.setenv("LC_TIME", "fr_FR")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "absent.py"))
    own = notebook(tmp_path / "own", "import os\nprint(*sorted(os.environ.items()), sep='\\n')") / "00_only.ipynb"
    job = kernels.Job(0, tmp_path / "job", (Chapter(own, "only"),), dict.fromkeys(PARAMETERS, ""), timeout=PATIENCE)
    assert not kernels.run_job(job).failure
    done = (tmp_path / "job" / "00_only.ipynb").read_text()
    text = "".join("".join(o.get("text", "")) for c in json.loads(done)["cells"] for o in c["outputs"])
    seen = dict(re.findall(r"^\('(\w+)', '(.*)'\)$", text, re.MULTILINE))
    assert {"PATH", "HOME", "IPYTHONDIR"} <= seen.keys()
    assert seen["LC_TIME"] == "fr_FR"
    assert not {"CRM_PASSWORD", "PARTNERKPI_DB_URL", "PYTHONSTARTUP", "PYTEST_CURRENT_TEST"} & seen.keys()
    assert "hunter2" not in text


def test_a_worker_forgets_the_environment_of_the_caller() -> None:
    code = "import os; from partnerkpi.batch.kernels import begin; begin('nowhere'); print(*os.environ.items())"
    env = environment(CRM_PASSWORD="hunter2", LC_TIME="fr_FR")
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "fr_FR" in ended.stdout
    assert "hunter2" not in ended.stdout
