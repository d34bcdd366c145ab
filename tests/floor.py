"""The floor under a review: its figures and pages made in one warm process, with no notebook, kernel or fork.

The code cells of each chapter are executed one after the other, and what they show is bound and looked at by the gate
as that of a notebook is. What the review takes beyond that is what notebooks cost.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

from partnerkpi.batch.disclosure import register_of
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import NETWORK, Plan, planned
from partnerkpi.batch.publish import QuarterFolder
from partnerkpi.groups import ALL
from partnerkpi.opening import open_book

Output = dict[str, Any]


def floor(book: str, out: Path, partners: Sequence[str] | None = None, quarter: str = "") -> Counter[str]:
    """Make the pages of a quarter; the seconds of the processor that each stage took."""
    took: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        private = Path(folder)
        with _timed(took, "opening"):
            plan = planned(book, quarter or None, partners, as_of=None, allow_set_aside=False, notebooks=None)
            (period,) = plan.quarters
        with _timed(took, "scores and signals"):
            known = getattr(plan, "known", {})
            plan.scores.shape, plan.standings(period)
            register = register_of(plan.book, plan.names)
            out.mkdir(parents=True, exist_ok=True)
            pages = QuarterFolder(plan, period, out, private=private, register=register)
        for number, partner in enumerate((NETWORK, *plan.partners)):
            place = private / f"slice{number}"
            with _timed(took, "slices"):
                place.mkdir()
                plan.write_slice(partner, place)
            with _timed(took, "cells"):
                job = _executed(plan, partner, place, private / f"job{number}", known.get(partner or ALL))
            with _timed(took, "proof, page and gate"):
                if hasattr(pages, "stands"):
                    pages.stands(partner, job)  # the keys of what a page is made from are part of its making
                pages.take(partner, job, Outcome(number, "", 0.0))
        with _timed(took, "proof, page and gate"):
            pages.finish()
            pages.write_tables()
    failed = [report for report in pages.reports.values() if report.state != "published"]
    if failed:
        sys.exit(f"{failed[0].partner}: {failed[0].reason}")
    return took


@contextlib.contextmanager
def _timed(took: Counter[str], stage: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    took[stage] += time.process_time() - begun  # type: ignore[assignment]


def _executed(plan: Plan, partner: str, place: Path, folder: Path, known: Any) -> Job:
    """The chapters of a partner with what their cells show, saved as executed notebooks are."""
    (period,) = plan.quarters
    parameters = {
        "book": str(place),
        "partner": partner,
        "quarter": period.label,
        "as_of": f"{plan.book.as_of:%Y-%m-%d}",
        "edition": "internal",
        "language": "en",
    }
    job = Job(0, folder, plan.chapters_of(partner, period), parameters, 600.0, False)
    folder.mkdir()
    if known:
        from partnerkpi.figures import tell

        tell(open_book(str(place)), known)
    for chapter in job.chapters:
        notebook = json.loads(chapter.path.read_text(encoding="utf-8"))
        _run_cells(notebook, parameters)
        job.output(chapter).write_text(json.dumps(notebook), encoding="utf-8")
    return job


def _run_cells(notebook: dict[str, Any], parameters: Mapping[str, str]) -> None:
    """Execute the code cells of a notebook, with these parameters, and put what they show in their place."""
    shown: list[Output] = []
    names: dict[str, Any] = {"display": lambda *things: shown.extend(map(_display, things))}
    place = next(n for n, cell in enumerate(notebook["cells"]) if "parameters" in cell["metadata"].get("tags", ()))
    injected = {"cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "id": "given", "outputs": []}
    source = "".join(f"{name} = {value!r}\n" for name, value in parameters.items())
    notebook["cells"].insert(place + 1, {**injected, "source": source})
    for number, cell in enumerate(c for c in notebook["cells"] if c["cell_type"] == "code"):
        shown.clear()
        code = ast.parse("".join(cell["source"]))
        last = code.body.pop() if code.body and isinstance(code.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "cell", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
        text = printed.getvalue()
        outputs = [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
        outputs += shown
        if value is not None:
            outputs.append({**_display(value), "output_type": "execute_result", "execution_count": number + 1})
        cell |= {"outputs": outputs, "execution_count": number + 1}


def _display(thing: Any) -> Output:
    """What a notebook keeps of a thing that is shown."""
    data = thing._repr_mimebundle_() if hasattr(thing, "_repr_mimebundle_") else {}
    if hasattr(thing, "_repr_html_"):
        data = {"text/html": thing._repr_html_(), **data}
    data.setdefault("text/plain", repr(thing))
    return {"output_type": "display_data", "data": data, "metadata": {}}


if __name__ == "__main__":
    costs = floor(sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or None)
    print(json.dumps(dict(costs)))
