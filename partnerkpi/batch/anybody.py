"""The papermill engine `partnerkpi`, for anybody's notebooks: `papermill --engine partnerkpi in.ipynb out.ipynb`.

A program that executes many notebooks pays once for a kernel and for pandas, matplotlib and seaborn: each notebook runs
in a fork of one template, in the folder and the environment of the program. What comes out is what a kernel of its own
would have made. Where nothing can be forked papermill's own engine does the work.
"""

from __future__ import annotations

import atexit
import itertools
import os
import tempfile
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import nbformat

from partnerkpi.batch.forks import Forks, available
from partnerkpi.batch.kernels import Job
from partnerkpi.batch.plan import Chapter

_turn, _numbers = Lock(), itertools.count()


class Anybody:
    """What papermill takes for an engine.

    It inherits nothing of papermill's, which imports every engine there is, this one too, before it is there itself.
    """

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **more: Any) -> Any:
        """Run the cells of a notebook papermill has prepared, and return it; `execution_timeout` is of each cell.

        Raises:
            RuntimeError: the process of the notebook was killed or ended before the notebook did.
        """
        from papermill.engines import Engine

        engine: Any = type(cls.__name__, (Engine,), {"execute_managed_notebook": staticmethod(_run)})
        return engine.execute_notebook(nb, kernel_name, **more)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """The kernel the notebook names."""
        from papermill.utils import nb_kernel_name

        return str(nb_kernel_name(nb, name))

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """The language the notebook names."""
        from papermill.utils import nb_language

        return str(nb_language(nb, language))


def _run(nb_man: Any, kernel_name: str, execution_timeout: float | None = None, **rest: Any) -> None:
    """Run the cells in a fork, or as papermill does where there is none."""
    with _turn:
        forks = _forks() if available() else None
        if forks is None or not forks.ready():
            from papermill.engines import NBClientEngine

            NBClientEngine.execute_managed_notebook(nb_man, kernel_name, execution_timeout=execution_timeout, **rest)
            return
        number = next(_numbers)
        folder = forks.private / f"notebook{number}"
        folder.mkdir(mode=0o700)
        source = folder / "notebook.ipynb"
        nbformat.write(nb_man.nb, source)
        job = Job(
            number=number,
            folder=folder / "done",
            chapters=(Chapter(source, "notebook"),),
            parameters={},
            timeout=float(execution_timeout or "inf"),
            workplace=Path.cwd(),
            retry=False,
        )
        outcomes = list(forks.execute([job], lambda: None, 60.0, lambda _: True))
    (chapter,) = job.chapters
    saved = [path for path in (job.output(chapter), job.unfinished(chapter)) if path.exists()]
    failure = outcomes[0].failure if outcomes else "its template died"
    executed = nbformat.read(saved[0], as_version=4) if saved else None
    if executed is None or (failure and not _failed(executed)):
        raise RuntimeError(f"The notebook did not come to its end: {failure}.")
    ran = {cell.id: cell for cell in executed.cells}
    for cell in nb_man.nb.cells:
        cell.metadata.update(ran[cell.id].metadata)
        cell.update({key: value for key, value in ran[cell.id].items() if key != "metadata"})
    nb_man.nb.metadata.update({key: value for key, value in executed.metadata.items() if key != "papermill"})


def _failed(notebook: Any) -> bool:
    """True when a cell says itself that it failed."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return any(output.output_type == "error" for output in outputs)


@cache
def _forks() -> Forks:
    """The template of this program; it ends with it."""
    folder = tempfile.TemporaryDirectory(prefix=f"partnerkpi-{os.getpid()}-", ignore_cleanup_errors=True)
    forks = Forks(Path(folder.name), workers=1, also=("seaborn",), given=dict(os.environ))
    atexit.register(folder.cleanup)
    atexit.register(forks.close)
    return forks
