"""The template of a review, from the review's side: started early, given jobs, ended with everything it started."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from partnerkpi.batch.kernels import DEATH_SIGNAL, Job, Outcome, end
from partnerkpi.startup import environment, loading

#: Seconds a template may take to import everything and to show that a copy of it can run a cell.
START = 120.0
#: Jobs the template has at hand beyond those that run, so that it never waits for the next.
AHEAD = 1
#: What figures and pictures import where they first need it: a template has it before it is copied.
LIBRARIES = (
    *("babel.dates", "babel.lists", "babel.numbers", "matplotlib.backends.backend_svg", "pandas.plotting"),
    *("pyarrow.csv", "pyarrow.feather", "scipy.optimize", "scipy.stats", "seaborn", "statsmodels.stats.proportion"),
)
DIRECT = Path(__file__).with_name("direct.py")


def available() -> bool:
    """True where processes can be forked and watched: on Linux."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class Forks:
    """Runs jobs in forks of one template, `workers` at a time, each with at most `memory` bytes.

    `private` is a folder for what is nobody else's; without the review it is removed. The template starts to import at
    once, while the review still reads the book. `also` are modules it imports beside those that any notebook needs,
    `given` is its environment: without a word what it needs of the caller's, and no more.
    """

    def __init__(
        self,
        private: Path,
        workers: int,
        memory: int | None = None,
        *,
        also: Sequence[str] = (),
        given: Mapping[str, str] | None = None,
    ) -> None:
        self.private, self.workers, self.also = private, workers, tuple(also)
        self.memory = memory or psutil.virtual_memory().total // workers
        self.given = {**environment(os.environ), "PYTHONSAFEPATH": "1"} if given is None else given
        self.start()

    def start(self) -> None:
        """Start a template; jobs can be given to it when it is `ready`."""
        self._ready = False
        self._channel, theirs = multiprocessing.Pipe()
        call = f"serve({theirs.fileno()}, {str(self.private)!r}, {self.workers}, {self.memory}, kernel)"
        home = self.private / "ipython"
        home.mkdir(mode=0o700, exist_ok=True)
        with (self.private / "template.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _code(f"warm{self.also!r}", call)],
                pass_fds=[theirs.fileno()],
                env={**self.given, "IPYTHONDIR": str(home)},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the review's
            )
        theirs.close()

    def ready(self) -> bool:
        """Wait until the template can run jobs; False when it cannot."""
        with contextlib.suppress(EOFError, OSError):
            self._ready = self._ready or (self._channel.poll(START) and self._channel.recv() == "ready")
        return self._ready and self._process.poll() is None

    def execute(
        self, jobs: Sequence[Job], look: Callable[[], None], every: float, prepare: Callable[[Job], bool]
    ) -> Iterator[Outcome]:
        """Yield each job's outcome as it ends; `look` is called every so many seconds while waiting.

        `prepare` is called for a job before it is handed over; one for which it says False is none. When the template
        dies its jobs are lost: they get no outcome.
        """
        left = iter(jobs)
        out = 0
        while True:
            while out < self.workers + AHEAD and (job := next(left, None)):
                if prepare(job):  # what goes wrong here is the caller's, not the template's
                    if not self._send(job):
                        return
                    out += 1
            if not out or not (outcome := self._outcome(look, every)):
                return
            out -= 1
            yield outcome

    def _send(self, job: Job) -> bool:
        try:
            self._channel.send(job)
        except OSError:
            self._ready = False  # it has died
        return self._ready

    def _outcome(self, look: Callable[[], None], every: float) -> Outcome | None:
        try:
            while not self._channel.poll(every):
                look()
            outcome: Outcome = self._channel.recv()
        except (EOFError, OSError):
            self._ready = False
            return None
        return outcome

    def close(self) -> None:
        """End the template and everything it started."""
        self._channel.close()
        with contextlib.suppress(psutil.Error):
            end(psutil.Process(self._process.pid))
        self._process.wait()


def _code(warm: str, serve: str) -> str:
    """What the template runs: its kernel comes first, for pandas asks at its import whether it is in a notebook.

    Until it is ready the system ends it with the thread of the review that started it; later it hears of that itself.
    """
    return f"""
import ctypes, importlib.util, os, sys
ctypes.CDLL(None).prctl({DEATH_SIGNAL}, {int(signal.SIGKILL)}, 0, 0, 0)
if os.getppid() != {os.getpid()}:
    sys.exit("The review is gone.")
spec = importlib.util.spec_from_file_location("partnerkpi.batch.direct", {str(DIRECT)!r})
sys.modules[spec.name] = direct = importlib.util.module_from_spec(spec)
spec.loader.exec_module(direct)
kernel = direct.Direct()
done = kernel.shell.run_cell({loading("partnerkpi.batch.template", warm)!r}, silent=True, store_history=False)
done.raise_error()
sys.modules["partnerkpi.batch.template"].{serve}
"""
