"""A real IPython kernel in this very process, without sockets: a notebook is executed at the price of its own cells.

The kernel object, its shell, its streams and displays are ipykernel's, what becomes of their messages is nbclient's;
only the wire between the two is replaced. Messages are written to the wire as they would be to a socket and read from
it as a client would read them, so an executed notebook is the one a kernel in a process of its own would have made.

A process has one kernel, made before the libraries that ask at import whether they are in a notebook. It makes no
thread and opens no socket, so the process may be forked; the streams, which have threads, begin with the first
notebook.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cached_property
from queue import Empty
from types import SimpleNamespace
from typing import Any

import zmq
from ipykernel import zmqshell
from ipykernel.eventloops import enable_gui
from ipykernel.iostream import BackgroundSocket, IOPubThread, OutStream
from ipykernel.ipkernel import IPythonKernel
from jupyter_client.session import Session
from traitlets import Any as AnyTrait
from traitlets import Type
from traitlets.config import Config

#: Figures are shown in the notebook, as in any kernel; of what was executed no history is kept on disk.
INLINE = "module://matplotlib_inline.backend_inline"
CONFIG = Config({"HistoryManager": {"enabled": False}})


class Wire:
    """Takes messages as a socket does and hands them out as a client's channel does: first in, first out."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._messages: deque[list[bytes]] = deque()

    def send_multipart(self, frames: list[Any], *_: Any, **__: Any) -> None:
        """Take a message that is ready for a socket."""
        self._messages.append([bytes(frame) for frame in frames])

    def flush(self, *_: Any) -> None:
        """Nothing waits to be sent."""

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message. A thread of the notebook may still be about to send it.

        Raises `queue.Empty` when none has come in `timeout` seconds; without a timeout it waits.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._messages:
            if deadline is not None and time.monotonic() > deadline:
                raise Empty
            await asyncio.sleep(0.001)
        _, frames = self._session.feed_identities(self._messages.popleft(), copy=True)
        message: dict[str, Any] = self._session.deserialize(frames, content=True, copy=True)
        return message


class Publisher(IOPubThread):
    """What outputs are given to: it hands them on at once, where ipykernel's has a thread and sockets of its own."""

    def __init__(self, wire: Wire) -> None:
        self.socket = wire
        self.background_socket = BackgroundSocket(self)
        # A stream that asks to be flushed later is flushed at the end of the cell.
        self.io_loop = SimpleNamespace(call_later=lambda *_: None)  # type: ignore[assignment]
        self.thread = None  # type: ignore[assignment]
        self._pipe_flag = False

    def schedule(self, f: Any) -> None:
        """Do it now."""
        f()


class ZMQInteractiveShell(zmqshell.ZMQInteractiveShell):
    """ipykernel's shell, by whose name libraries know a notebook; its kernel is that of this process."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Let a loop for windows run between the cells, or none."""
        enable_gui(gui, kernel=self.kernel)
        self.active_eventloop = gui


class SocketlessKernel(IPythonKernel):
    """ipykernel's kernel, at the ends of whose sockets is nobody."""

    shell_class = Type(ZMQInteractiveShell)
    _supports_kernel_subshells = False
    shell_stream = AnyTrait()
    shell_channel_thread = AnyTrait(SimpleNamespace(parent_thread=threading.main_thread()))

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """No cell waits: nbclient sends the next when it wants it executed."""


class DirectClient:
    """What nbclient takes for its client of a kernel: a request is answered before `execute` returns."""

    allow_stdin = False

    def __init__(self) -> None:
        self.session = Session(key=b"")
        self.shell_channel, self.iopub_channel = Wire(self.session), Wire(self.session)
        self.publisher = Publisher(self.iopub_channel)
        self.kernel = SocketlessKernel.instance(
            session=self.session,
            shell_stream=self.shell_channel,
            iopub_thread=self.publisher,
            iopub_socket=self.publisher.background_socket,
            log=logging.getLogger("papermill"),
            config=CONFIG,
        )

    async def execute(
        self, code: str, silent: bool = False, store_history: bool = True, stop_on_error: bool = True
    ) -> str:
        """Execute the code and return the id of the request; its messages are in the channels then."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": store_history,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": stop_on_error,
        }
        asked = self.session.msg("execute_request", content)
        await self.kernel.dispatch_shell([zmq.Frame(frame) for frame in self.session.serialize(asked)])
        return str(asked["header"]["msg_id"])

    def kernel_info(self) -> str:
        """Ask what kernel this is."""
        asked = self.session.msg("kernel_info_request", {})
        told = {"status": "ok", **self.kernel.kernel_info}
        self.session.send(self.shell_channel, "kernel_info_reply", told, parent=asked)  # type: ignore[arg-type]
        return str(asked["header"]["msg_id"])

    async def is_alive(self) -> bool:
        """Whoever asks is alive."""
        return True

    def stop_channels(self) -> None:
        """There is nothing to stop."""


class Direct:
    """The kernel of this process, as the engine uses it. Make it before pandas and matplotlib are imported."""

    def __init__(self) -> None:
        os.environ.setdefault("MPLBACKEND", INLINE)
        self.on_cell: Callable[[], None] = lambda: None
        self.client = DirectClient()
        self.shell.extension_manager.load_extension("storemagic")

    @property
    def shell(self) -> Any:
        """The interactive shell, to import libraries through before the first notebook."""
        return self.client.kernel.shell

    @cached_property
    def _streams(self) -> tuple[OutStream, OutStream]:
        """The streams of the process that runs notebooks; they also catch what its own processes write."""
        out, err = (OutStream(self.client.session, self.client.publisher, name) for name in ("stdout", "stderr"))
        sys.stdout, sys.stderr = out, err
        return out, err

    def answers(self) -> bool:
        """True when a cell can be run here: for a process that need do nothing else."""
        self.client.session.pid = os.getpid()
        asyncio.run(self.client.execute("1 + 1"))
        told = asyncio.run(self.client.shell_channel.get_msg(timeout=1))
        return bool(told["content"]["status"] == "ok")

    def execute(self, nb_man: Any) -> None:
        """Run the cells of a notebook papermill has prepared.

        Raises what nbclient raises where it cannot go on; what a cell raises is in the notebook.
        """
        from partnerkpi.batch.execution import Execution  # papermill imports every engine there is, and so pandas

        self.client.session.pid = os.getpid()
        self.client.kernel._stdout, self.client.kernel._stderr = self._streams
        client = Execution(
            nb_man,
            km=SimpleNamespace(has_kernel=True),
            on_cell_start=lambda **_: self.on_cell(),
            log=self.client.kernel.log,
        )
        client.kc = self.client
        client.execute()
