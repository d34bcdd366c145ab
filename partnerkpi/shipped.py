"""Where the things that come with the package lie: the sample book (`data`) and the `notebooks`."""

from __future__ import annotations

from pathlib import Path

from partnerkpi.errors import SystemProblem

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder of this name: beside the package in a checkout, else the copy inside an installed package.

    Raises:
        SystemProblem: neither is there, so the installation is damaged.
    """
    for folder in (_PACKAGE.parent / name, _PACKAGE / f"_{name}"):
        # A stray "data" folder beside site-packages is not ours: a checkout has its pyproject.toml.
        ours = folder.parent == _PACKAGE or (_PACKAGE.parent / "pyproject.toml").is_file()
        if ours and folder.is_dir():
            return folder
    raise SystemProblem(f"The folder '{name}' that comes with partnerkpi is missing. Install the package again.")
