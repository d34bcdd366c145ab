"""What happens outside the process of the review: in a worker, and in the kernel between two notebooks.

A worker runs the notebooks of one report, in one kernel, into one private folder. It ends its kernels when it is told
to stop and when the process that started it is gone, so that no interrupted batch leaves anything running.

Starting a kernel and importing pandas and matplotlib costs more than a notebook's own work, so the nine notebooks of
one partner share a kernel. What one leaves behind (names, figures, options, the working directory …) must not reach
the next: `remember` notes the state before the first, `renew` puts it back.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import re
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from partnerkpi.batch.plan import Chapter
from partnerkpi.figures import Known
from partnerkpi.startup import environment

if TYPE_CHECKING:
    from partnerkpi.batch.engine import Kernel

#: `PR_SET_PDEATHSIG` of Linux: which signal a process gets when the thread that started it ends.
DEATH_SIGNAL = 1
#: The kernels of this worker.
_kernels: list[Kernel] = []
#: In a kernel: what it was like before its first notebook.
_state: dict[str, Any] = {}


@dataclass(frozen=True)
class Job:
    """One report to execute: everything a worker needs, as plain values.

    `folder` is private to the job and made by the worker; the executed notebooks end up there. `known` are figures of
    the slice that the network's score knows: an engine may tell the notebooks, which need not compute them then.
    `workplace` is the folder to run them in, an empty private one without a word. What failed by no fault of its own
    may be tried once more, with `retry`.
    """

    number: int
    folder: Path
    chapters: tuple[Chapter, ...]
    parameters: Mapping[str, str]
    timeout: float
    fresh_kernels: bool = False
    known: Known = field(default_factory=dict, repr=False)
    workplace: Path | None = None
    retry: bool = True

    def output(self, chapter: Chapter) -> Path:
        """Where the executed notebook of a chapter goes."""
        return self.folder / chapter.path.name

    def unfinished(self, chapter: Chapter) -> Path:
        """Where it is until it has come to its end, and stays if it does not."""
        return self.folder / "unfinished" / chapter.path.name


@dataclass(frozen=True)
class Outcome:
    """How a job ended: `failure` is empty when every notebook came to its end, `seconds` the time it took."""

    number: int
    failure: str
    seconds: float


def run_job(job: Job) -> Outcome:
    """Execute the notebooks of one report, stopping at the first that fails."""
    from partnerkpi.batch.engine import Kernel  # papermill and all it needs: not for the process of the review

    started = time.monotonic()
    job.folder.mkdir(mode=0o700)
    kernel = Kernel(job.folder, job.timeout)
    _kernels.append(kernel)
    failure = ""
    try:
        for chapter in job.chapters:
            failure = _run_chapter(kernel, job, chapter)
            if failure:
                failure = f"{chapter.path.name}: {failure}"
                break
            if job.fresh_kernels:
                kernel.end()
    finally:
        kernel.end()
        _kernels.remove(kernel)
    return Outcome(job.number, failure, round(time.monotonic() - started, 3))


def _run_chapter(kernel: Kernel, job: Job, chapter: Chapter) -> str:
    """Run one notebook; what failed in a used kernel gets one more chance in a fresh one. Returns the failure."""
    from partnerkpi.batch.engine import run_notebook

    shared = kernel.used
    try:
        run_notebook(kernel, chapter.path, job.output(chapter), job.unfinished(chapter), job.parameters)
    except Exception as error:
        kernel.end()
        if shared and not isinstance(error, TimeoutError):
            return _run_chapter(kernel, job, chapter)
        return in_words(error, job.timeout)
    return ""


def in_words(error: Exception, timeout: float) -> str:
    """Why a notebook did not come to its end, in a line."""
    if isinstance(error, TimeoutError):
        return f"a cell took longer than {timeout:g} seconds"
    if type(error).__name__ == "DeadKernelError":
        return "the kernel died (killed, out of memory, or the notebook ended it)"
    if type(error).__name__ == "PapermillExecutionError":
        text = f"cell {error.exec_count}: {error.ename}: {error.evalue}"  # type: ignore[attr-defined]
    else:
        text = f"{type(error).__name__}: {error}"
    return re.sub(r"\x1b\[[0-9;]*m", "", text).strip()[:2000]


def end(process: psutil.Process) -> None:
    """Kill a process and everything it started, whatever group that is in."""
    with contextlib.suppress(psutil.Error):
        process.suspend()  # or it would go on starting others
        for each in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                each.kill()


def begin(private: str) -> None:
    """Prepare a worker process: leave Ctrl-C to the parent, and end with the parent, whatever ends it.

    Of the environment it forgets what it does not need, credentials above all. `private` is the folder of the whole
    batch: with the parent gone there is nobody else to remove it.
    """
    for name in set(os.environ) - set(environment(os.environ)):
        del os.environ[name]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _leave())
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel, private), daemon=True).start()


def _watch(sentinel: int, private: str) -> None:
    multiprocessing.connection.wait([sentinel])
    for kernel in list(_kernels):
        kernel.kill()
    shutil.rmtree(private, ignore_errors=True)
    _leave()


def _leave() -> None:
    for kernel in list(_kernels):
        kernel.kill()
    os._exit(143)


def remember() -> None:
    """Note everything a notebook might change. Call once, in a kernel that has run nothing yet."""
    import matplotlib.pyplot as plt
    import numpy as np

    plt.switch_backend(plt.get_backend())  # what drawing changes on its first use is the same for every notebook then
    _state.update(
        rc=dict(plt.rcParams),
        environ=dict(os.environ),
        folder=os.getcwd(),
        path=list(sys.path),
        filters=list(warnings.filters),
        numpy_errors=np.geterr(),
        print_options=np.get_printoptions(),
    )


def renew() -> None:
    """Forget the last notebook: names, execution count, figures, options, environment, warnings already shown."""
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from IPython import get_ipython

    get_ipython().reset(new_session=True)
    plt.close("all")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plt.rcParams.update(_state["rc"])
        pd.reset_option("^(display|styler|plotting|io|compute|mode)\\.")
    np.seterr(**_state["numpy_errors"])
    np.set_printoptions(**_state["print_options"])
    os.environ.clear()
    os.environ.update(_state["environ"])
    os.chdir(_state["folder"])
    sys.path[:] = _state["path"]
    warnings.filters[:] = _state["filters"]  # type: ignore[index]
    for module in list(sys.modules.values()):
        registry = getattr(module, "__warningregistry__", None)
        if isinstance(registry, dict):
            registry.clear()
