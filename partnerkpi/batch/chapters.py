"""The notebooks a review is made of: where they are, in which order, and that they take the parameters they must.

A notebook that declares a parameter more or less than the six would run on its defaults without a word, and report on
the wrong partner; so every notebook is looked at before any is run.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from partnerkpi.errors import UsageError

#: What every notebook declares in its one cell tagged `parameters`; all strings.
PARAMETERS = ("book", "partner", "quarter", "as_of", "edition", "language")
COVER = "review"


@dataclass(frozen=True)
class Chapter:
    """One notebook: `path`, and `name`, its file name without number and ending; the cover is `review`."""

    path: Path
    name: str

    @property
    def is_cover(self) -> bool:
        """True for the chapter that opens the review."""
        return self.name == COVER


def chapters(folder: Path) -> tuple[Chapter, ...]:
    """The notebooks of the folder named `NN_<name>.ipynb`, in the order of their numbers, each with the six parameters.

    Raises `UsageError` that lists every notebook with other parameters.
    """
    found = [Chapter(path, path.stem[3:]) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    if not found:
        raise UsageError(f"no notebooks named NN_<name>.ipynb in {folder}")
    faults = [f"{chapter.path.name}: {fault}" for chapter in found if (fault := parameter_fault(chapter.path))]
    if faults:
        raise UsageError("notebooks that cannot be reviewed; nothing was run:\n" + "\n".join(faults))
    return tuple(found)


def parameter_fault(path: Path) -> str:
    """What is wrong with a notebook's parameters, in words; empty when it declares exactly the six, all strings."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError) as error:
        return f"not a notebook ({error})"
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", ())]
    if len(tagged) != 1:
        return f"{len(tagged)} cells are tagged parameters; tag exactly one"
    try:
        declared = _assigned("".join(tagged[0]["source"]))
    except SyntaxError as error:
        return f"the parameters cell is not Python ({error.msg})"
    if missing := [name for name in PARAMETERS if name not in declared]:
        return f"parameters not declared: {', '.join(missing)}"
    if extra := [name for name in declared if name not in PARAMETERS]:
        return f"unknown parameters: {', '.join(extra)}; the six are {', '.join(PARAMETERS)}"
    if others := [name for name, value in declared.items() if not isinstance(value, str)]:
        return f"parameters that are not text: {', '.join(others)}"
    return ""


def _assigned(source: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for statement in ast.parse(source).body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        for target in targets:
            value = getattr(statement, "value", None)
            values[ast.unparse(target)] = value.value if isinstance(value, ast.Constant) else None
    return values
