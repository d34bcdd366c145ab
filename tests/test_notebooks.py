"""The notebooks: one per KPI, the same nine cells in each, thin outside the lesson, and stored with current figures."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import partnerkpi as pk
from partnerkpi.shipped import shipped
from partnerkpi.show import END
from partnerkpi.show.html import end_figures

NOTEBOOKS = sorted(shipped("notebooks").glob("*.ipynb"))
CELLS = ["question", "parameters", "slice", "definition", "lesson", "headline", "trend", "rows", "reading"]
NAMES = ["review", *(kpi.name for kpi in pk.KPIS)]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_one_for_the_cover_and_one_per_kpi_in_reading_order() -> None:
    assert [path.stem for path in NOTEBOOKS] == [f"{i:02d}_{name}" for i, name in enumerate(NAMES)]


@each()
def test_the_same_nine_cells(path: Path) -> None:
    notebook = read(path)
    assert [cell["id"] for cell in notebook.cells] == CELLS
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", *["code"] * 7, "markdown"]
    tagged = {cell["id"]: cell.metadata.get("tags", []) for cell in notebook.cells}
    assert {name: tags for name, tags in tagged.items() if tags} == {"parameters": ["parameters"], "lesson": ["lesson"]}
    assert notebook.metadata.kernelspec.name == "python3"
    headings = re.findall(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    assert headings == [notebook.metadata.title]
    assert "## How to read it" in notebook.cells[-1].source


@each()
def test_it_is_thin_outside_the_lesson(path: Path) -> None:
    code = [cell for cell in read(path).cells if cell.cell_type == "code" and cell["id"] != "lesson"]
    lines = 0
    for cell in code:
        tree = ast.parse(cell.source)
        lines += sum(1 for line in cell.source.splitlines() if line.strip() and not line.startswith("#"))
        assert all(isinstance(n, (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)) for n in tree.body)
        branches = (ast.FunctionDef, ast.Lambda, ast.If, ast.IfExp, ast.For, ast.comprehension)
        assert not [n for n in ast.walk(tree) if isinstance(n, branches)]
    assert lines <= 30


@each()
def test_the_lesson_rebuilds_the_number_and_asserts_it(path: Path) -> None:
    lesson = read(path).cells[CELLS.index("lesson")]
    tree = ast.parse(lesson.source)
    asserted = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert any(".agrees(" in text for text in asserted)
    assert not any("deals import" in line for line in lesson.source.splitlines()), "by hand, not with our own filters"


@each()
def test_no_figure_of_the_book_is_typed_into_prose(path: Path) -> None:
    """Prose is the same for every partner and quarter, so the sample's own figures must not stand in it."""
    prose = " ".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert not re.findall(r"[€$£]|\bP-\d|\b20\d\dQ\d|\d,\d{3}", prose)


@each()
def test_what_is_stored_is_what_the_package_says_now(path: Path) -> None:
    notebook = read(path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    marker = outputs[-1].data[END]
    book = pk.open_book()
    chapter = next((kpi for kpi in pk.KPIS if kpi.name == marker["chapter"]), "review")
    assert path.stem[3:] == marker["chapter"]
    now = end_figures(chapter, book, book.quarter())
    assert marker["quarter"] == book.quarter().label
    stored, current = ({k: math.nan if v is None else v for k, v in x.items()} for x in (marker["figures"], now))
    assert stored == pytest.approx(current, rel=1e-12, nan_ok=True)


@each()
def test_it_runs_for_a_partner_without_deals_too(path: Path) -> None:
    """The lesson and its assertion hold where there is nothing to count."""
    space: dict[str, Any] = {"display": lambda *shown: [repr(each) for each in shown]}
    for cell in read(path).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{path.name}:{cell['id']}", "exec"), space)
            if cell["id"] == "parameters":
                space |= {"partner": "P-024"}
