"""Execute the notebooks in place on the sample book, as `make notebooks` does, and leave no trace of when or where.

Each cell keeps its id, tags and outputs; times, signatures and the kernel's version go, so that a rerun changes a file
only if an output changed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
KEPT = ("kernelspec", "language_info", "title")
#: Without it every kernel says that its local connection is not encrypted.
QUIET = Config({"KernelManager": {"transport_encryption": "auto"}})


def refresh(path: Path) -> None:
    """Run one notebook from an empty folder (no relative path may matter) and write it back."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
            config=QUIET,
        )
        client.execute()
    tidy(notebook)
    nbformat.write(notebook, path)


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Remove from a notebook what another run or another machine would write differently."""
    notebook.metadata = nbformat.from_dict({k: v for k, v in notebook.metadata.items() if k in KEPT})
    notebook.metadata.kernelspec = nbformat.from_dict(
        {"display_name": "Python 3", "language": "python", "name": "python3"}
    )
    notebook.metadata.language_info = nbformat.from_dict({"name": "python"})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags"})


def main(names: list[str]) -> None:
    """Refresh the notebooks named, or all of them."""
    every = [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob("intervals/*.ipynb"))]
    for path in [Path(name) for name in names] or every:
        print(path.name, flush=True)
        refresh(path)


if __name__ == "__main__":
    main(sys.argv[1:])
