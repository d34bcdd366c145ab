"""papermill's execution of one notebook, in whatever kernel: what becomes of the outputs of its cells."""

from __future__ import annotations

from typing import Any

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient

#: Characters of output one cell may make. What comes after is left out, and that is said.
MOST_OUTPUT = 10_000_000


class Execution(PapermillNotebookClient):
    """papermill's execution of one notebook: there is a limit to what a cell may print and show, and text is joined.

    In how many pieces printed text arrives depends on the moment, so it becomes one output of each stream, as nbclient
    joins it. Nbclient's way takes for ever where a line is long; this one looks at a line once.
    """

    def __init__(self, nb_man: Any, **more: Any) -> None:
        super().__init__(nb_man, on_cell_executed=_join, coalesce_streams=False, **more)
        self._shown = (-1, 0)

    def output(
        self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        """Add one output to its cell, as far as there is room."""
        content = msg["content"]
        size = len(content.get("text", "")) or sum(map(_size, content.get("data", {}).values()))
        before = self._shown[1] if self._shown[0] == cell_index else 0
        self._shown = cell_index, before + size
        if before + size <= MOST_OUTPUT:
            return super().output(outs, msg, display_id, cell_index)
        if before <= MOST_OUTPUT:
            said = f"\n… the output of this cell was cut: it is longer than {MOST_OUTPUT:,} characters.\n"
            left = content.get("text", "")[: MOST_OUTPUT - before]
            outs.append(new_output("stream", name=content.get("name", "stderr"), text=left + said))
        return None


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0


def _join(cell: NotebookNode, **_: Any) -> None:
    """Make one output of everything printed to a stream, with nothing in it that was overwritten at once."""
    joined: list[NotebookNode] = []
    streams: dict[str, list[str]] = {}
    for output in cell.outputs:
        name = output.get("name", "") if output.output_type == "stream" else ""
        if name in streams:
            streams[name].append(output.text)
            continue
        joined.append(output)
        if name:
            streams[name] = [output.text]
    for output in joined:
        if output.output_type == "stream":
            output.text = "\n".join(map(_overwritten, "".join(streams[output.name]).split("\n")))
    names = [output.get("name") for output in joined]
    for place in range(len(joined) - 1):
        if names[place : place + 2] == ["stderr", "stdout"]:  # which of them came first is chance
            joined[place : place + 2] = joined[place + 1], joined[place]
    cell.outputs = joined


def _overwritten(line: str) -> str:
    """What is left to be seen of a line: what follows the last carriage return, unless that ends it."""
    return line[line.rfind("\r", 0, -1) + 1 :]
