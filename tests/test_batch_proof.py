"""A notebook is believed only when it came to its end and says what was computed outside it."""

from __future__ import annotations

from typing import Any

import pytest

from partnerkpi.batch.gate import faults
from partnerkpi.batch.plan import Claim
from partnerkpi.show.html import END

CLAIM = Claim("close_rate", "P-003", "2025Q4", "2025-12-31")
FIGURES = {"headline": 1 / 3, "narrow": None}


def marker(**changes: Any) -> dict[str, Any]:
    said = {**vars(CLAIM), "figures": dict(FIGURES), **changes}
    return {"output_type": "display_data", "data": {END: said, "text/plain": "end"}, "metadata": {}}


def notebook(*outputs: dict[str, Any], counts: tuple[int | None, ...] = (1, 2)) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "source": "# Close rate"}]
    cells += [{"cell_type": "code", "source": "x", "execution_count": c, "outputs": []} for c in counts]
    cells[-1]["outputs"] = list(outputs)
    return {"cells": cells}


def stderr(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stderr", "text": text}


def test_a_complete_notebook_is_proven() -> None:
    assert faults(notebook(marker()), CLAIM, FIGURES) == []


def test_an_empty_code_cell_need_not_have_run() -> None:
    made = notebook(marker())
    made["cells"].append({"cell_type": "code", "source": " \n", "execution_count": None, "outputs": []})
    assert faults(made, CLAIM, FIGURES) == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (notebook(marker(), counts=(1, None)), "1 of 2 code cells did not run"),
        (notebook(marker(), counts=(2, 1)), "out of order"),
        (notebook(marker(), counts=(1, 1)), "out of order"),
        (notebook(), "did not reach its end marker"),
        (notebook(marker(), marker()), "more than one end marker"),
        (notebook({"output_type": "error", "ename": "KeyError", "evalue": "'x'"}, marker()), "KeyError: 'x'"),
        (notebook(marker(partner="P-004")), "'P-004' instead of 'P-003'"),
        (notebook(marker(quarter="2025Q3")), "'2025Q3' instead of '2025Q4'"),
        (notebook(marker(chapter="deal_success")), "'deal_success' instead of 'close_rate'"),
        (notebook(marker(as_of="2025-12-30")), "'2025-12-30' instead of '2025-12-31'"),
        (notebook(marker(figures={})), "no figures"),
        (notebook(marker(figures={"headline": 0.3333333333333333, "narrow": 0.0})), "narrow is 0.0"),
        (
            notebook(marker(figures={"headline": 0.33333333333333337, "narrow": None})),
            "headline is 0.33333333333333337",
        ),
        (notebook(marker(figures={"headline": float("nan"), "narrow": None})), "not a number"),
        (notebook(marker(figures={"headline": "1/3", "narrow": None})), "not a number"),
        (notebook(marker(figures={"headline": 1 / 3})), "narrow is not in its end marker"),
        (notebook(marker(figures={**FIGURES, "extra": 1.0})), "extra was not computed"),
        (notebook(stderr("x.py:1: RuntimeWarning: invalid value encountered"), marker()), "RuntimeWarning"),
        (notebook(stderr("ConvergenceWarning: no"), marker()), "ConvergenceWarning"),
        ({"cells": []}, "no code"),
    ],
)
def test_everything_else_is_not(made: dict[str, Any], said: str) -> None:
    assert said in "; ".join(faults(made, CLAIM, FIGURES))


def test_the_marker_stands_in_the_last_cell() -> None:
    made = notebook(marker())
    made["cells"].append({"cell_type": "code", "source": "more()", "execution_count": 3, "outputs": []})
    assert faults(made, CLAIM, FIGURES) == ["the end marker is not in its last cell"]


def test_a_warning_about_the_age_of_code_is_none_about_numbers() -> None:
    assert faults(notebook(stderr("a.py:3: DeprecationWarning: old"), marker()), CLAIM, FIGURES) == []
