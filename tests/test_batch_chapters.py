"""Notebooks with other parameters than the six are refused before any is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from partnerkpi.batch.chapters import PARAMETERS, chapters
from partnerkpi.errors import UsageError
from partnerkpi.shipped import shipped

SIX = "\n".join(f'{name}: str = ""  # {name}' for name in PARAMETERS)


def write(folder: Path, *sources: str, name: str = "01_one.ipynb", tag: str = "parameters") -> Path:
    cells = [{"cell_type": "code", "metadata": {"tags": [tag]}, "source": s.splitlines(True)} for s in sources]
    (folder / name).write_text(json.dumps({"cells": cells}))
    return folder


def test_the_notebooks_that_come_along_take_the_six() -> None:
    found = chapters(shipped("notebooks"))
    assert [c.name for c in found][:2] == ["review", "average_deal_size"]
    assert [c.name for c in found if c.is_cover] == ["review"]
    assert len(found) == 9


def test_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    write(tmp_path, SIX, name="02_b.ipynb")
    write(tmp_path, SIX, name="01_z.ipynb")
    (tmp_path / "notes.ipynb").write_text("not one of them")
    assert [c.name for c in chapters(tmp_path)] == ["z", "b"]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ((SIX.replace("partner:", "partnr:"),), "parameters not declared: partner"),
        ((SIX + '\nextra = ""',), "unknown parameters: extra"),
        ((SIX.replace('quarter: str = ""', "quarter = 4"),), "not text: quarter"),
        ((SIX.replace('quarter: str = ""', "quarter = str()"),), "not text: quarter"),
        ((), "0 cells are tagged"),
        ((SIX, SIX), "2 cells are tagged"),
        (("book = (",), "not Python"),
    ],
)
def test_other_parameters_are_refused(tmp_path: Path, sources: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match="nothing was run") as caught:
        chapters(write(tmp_path, *sources))
    assert said in str(caught.value)
    assert "01_one.ipynb" in str(caught.value)


def test_a_file_that_is_no_notebook_and_a_folder_without_any(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no notebooks"):
        chapters(tmp_path)
    (tmp_path / "01_one.ipynb").write_text("{")
    with pytest.raises(UsageError, match="not a notebook"):
        chapters(tmp_path)
