"""One kernel for the notebooks of one partner, and the papermill engine that runs notebooks in it.

The kernel is this Python, whatever kernels a user has installed. It runs in an empty private folder, so that no file
beside the data or the pages can pose as a module, and with a private IPython profile, so that nobody's start-up files
change a report. Of the caller's environment it is given what it needs, and no credentials. It is killed, not asked to
leave: it holds nothing worth saving, and leaving takes most of a second.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import papermill
import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from papermill.engines import Engine, papermill_engines
from traitlets.config import Config

from partnerkpi.batch.execution import Execution
from partnerkpi.startup import environment, loading

ENGINE = "partnerkpi"
#: Where the functions are that run inside a kernel.
KERNELS = f"{__package__}.kernels"
#: Local sockets are encrypted where the installed ZeroMQ can do it.
CONFIG = Config({"KernelManager": {"transport_encryption": "auto"}})

# What goes wrong is said once, in the manifest.
logging.getLogger("papermill").setLevel(logging.CRITICAL)


class Executes(Protocol):
    """A kernel that runs the cells of a notebook papermill has prepared."""

    def execute(self, nb_man: Any) -> None:
        """Run them."""


class ThisPython(KernelSpecManager):
    """Finds one kernel: the Python that runs this."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The kernel of this Python, whatever the name."""
        return KernelSpec(resource_dir="", **get_kernel_dict())


class Kernel:
    """A kernel that starts with its first notebook and is renewed before every other.

    `folder` is a private folder that exists; `timeout` the longest a cell may take, in seconds.
    """

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder = folder
        self.timeout = timeout
        self.used = False
        self._manager: AsyncKernelManager | None = None
        self._client: Any = None

    def execute(self, nb_man: Any) -> None:
        """Run the cells of a notebook papermill has prepared."""
        manager = self._manager or AsyncKernelManager(
            kernel_name="python3", kernel_spec_manager=ThisPython(), config=CONFIG
        )
        client = Execution(
            nb_man,
            km=manager,
            timeout=self.timeout,
            log=logging.getLogger("papermill"),
            config=CONFIG,
        )
        if self._manager is None:
            self._manager = manager
            manager.connection_file = str(self.folder / "kernel.json")
            client.start_new_kernel(cwd=str(self._fresh("work")), env=self._environment())
            client.start_new_kernel_client()
        else:
            client.kc = self._client
        self._client = client.kc
        step = loading(KERNELS, "renew()" if self.used else "remember()")
        reply = client.wait_for_reply(client.kc.execute(step, silent=True, store_history=False))
        if not reply or reply["content"]["status"] != "ok":
            raise RuntimeError("the kernel could not be made ready for the notebook")
        self.used = True
        client.execute()

    def end(self) -> None:
        """End the kernel and everything it started, at once. The next notebook gets a new one."""
        manager, client = self._manager, self._client
        self._manager = self._client = None
        self.used = False
        if manager is None:
            return
        kill(manager)
        if client is not None:
            client.stop_channels()
        if manager.has_kernel:
            run_sync(manager.shutdown_kernel)(now=True)
        run_sync(manager.cleanup_resources)()

    def kill(self) -> None:
        """Kill the kernel from a signal handler or another thread; nothing is tidied up."""
        if self._manager is not None:
            kill(self._manager)

    def _environment(self) -> dict[str, str]:
        return {**environment(os.environ), "PYTHONSAFEPATH": "1", "IPYTHONDIR": str(self._fresh("ipython"))}

    def _fresh(self, name: str) -> Path:
        number = sum(1 for _ in self.folder.glob(f"{name}*"))
        folder = self.folder / f"{name}{number}"
        folder.mkdir(mode=0o700)
        return folder


def kill(manager: AsyncKernelManager) -> None:
    """Kill a kernel and what it started: its process group, where there are groups, and who has left that."""
    process = getattr(manager.provisioner, "process", None)
    if process is None:
        return
    with contextlib.suppress(psutil.Error):
        for each in psutil.Process(process.pid).children(recursive=True):
            each.kill()
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass


class OwnKernel(Engine):
    """The papermill engine that runs a notebook in the kernel it is handed."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *, kernel: Executes, **_: Any) -> None:
        """Run the notebook's cells in the kernel."""
        kernel.execute(nb_man)


papermill_engines.register(ENGINE, OwnKernel)


def run_notebook(
    kernel: Executes, notebook: Path, output: Path, unfinished: Path, parameters: Mapping[str, str]
) -> None:
    """Execute one notebook with papermill in a kernel and save it as `output`, once it has come to its end.

    What came of one that has not is left as `unfinished`.

    Raises what papermill raises when a cell fails, a cell takes too long or the kernel dies.
    """
    unfinished.parent.mkdir(exist_ok=True)
    papermill.execute_notebook(
        str(notebook),
        str(unfinished),
        parameters=dict(parameters),
        engine_name=ENGINE,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        request_save_on_cell_execute=False,
        autosave_cell_every=0,
        kernel=kernel,
    )
    os.replace(unfinished, output)
