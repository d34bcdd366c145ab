"""Reviews in no time: of a few rows, with notebooks that are not executed. What becomes of their files is real.

A page shows what stands in its slice: the partner's own amounts, and how many deals there are in all. So a page tells
of which data it was made, as a real one does.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.batch import ReviewResult, done, review
from partnerkpi.batch.files import MANIFEST, UNFINISHED
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.page import Foot
from partnerkpi.batch.plan import PARAMETERS, Plan
from partnerkpi.batch.publish import QuarterFolder
from partnerkpi.groups import ALL
from partnerkpi.show.html import END

QUARTER = "2025Q4"
HEADER = '[book]\nname = "Tiny"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\nextracted_on = 2025-12-31\n'
#: The amounts of each partner's deals, and its name.
Data = Mapping[str, tuple[tuple[int, ...], str]]
#: What a process ends with that ends itself at once, as if it were killed.
KILLED = 137
#: What is done to files, as Python tells its auditors before it is done.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.chmod"}


@cache
def opened(data: tuple[tuple[str, tuple[tuple[int, ...], str]], ...]) -> pk.Book:
    """The book of these data, read once."""
    deals = ["deal_id,created_on,status,closed_on,amount,partner_id\n"]
    for partner, (amounts, _) in data:
        deals += [f"D-{partner}{n},2025-10-01,won,2025-11-10,{a},{partner}\n" for n, a in enumerate(amounts)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "book.toml").write_text(HEADER)
        Path(folder, "deals.csv").write_text("".join(deals))
        names = "".join(f"{partner},{name}\n" for partner, (_, name) in data)
        Path(folder, "partners.csv").write_text("partner_id,name\n" + names)
        return pk.open_book(folder)


def written_slice(plan: Plan, partner: str, folder: Path) -> None:
    deals = plan.book.deals
    mine = deals[deals["partner_id"] == partner] if partner else deals
    (folder / "rows.csv").write_text(f"{len(deals)}\n{mine[['deal_id', 'amount']].to_csv()}")


def scores(_: Plan) -> pd.DataFrame:
    line = {"group": ALL, "quarter": QUARTER, "figure": "headline", "value": 1.5, "low": 1.0, "high": 2.0}
    return pd.DataFrame([{**line, "kpi": kpi.name, "n": 9, "unit": "share", "reason": ""} for kpi in pk.KPIS])


class Tiny:
    """Reviews into one folder. What goes wrong of which partner is in `faults`: `failed` or `refused`."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.out, self.faults = folder, folder / "out", dict[str, str]()
        self.executed = list[str]()
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        source = "\n".join(f'{name}: str = ""' for name in PARAMETERS)
        cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source}
        (self.notebooks / "01_only.ipynb").write_text(json.dumps({"cells": [cell]}))
        foot = Foot("Tiny", "2025-12-31", "Europe/Paris", "all rows are used", "Python")
        stands = SimpleNamespace(short=False, sign="on-track")
        patch.setattr("partnerkpi.batch.run.execute", self._execute)
        patch.setattr("partnerkpi.batch.run.register_of", lambda *_: None)
        patch.setattr(Plan, "figures", lambda *_: {"headline": 1.5})
        patch.setattr(Plan, "scores", property(scores))
        patch.setattr(Plan, "write_slice", written_slice)
        patch.setattr(Plan, "standings", lambda plan, _: dict.fromkeys(plan.names, stands))
        patch.setattr(QuarterFolder, "_foreign", lambda *_: None)
        patch.setattr(QuarterFolder, "_foot", lambda *_: foot)
        patch.setattr(QuarterFolder, "_neighbours", lambda *_: [])

    @property
    def quarter(self) -> Path:
        return self.out / QUARTER

    def review(
        self, data: Data, partners: Sequence[str] | None = None, out: Path | None = None, **options: Any
    ) -> ReviewResult:
        self.executed.clear()
        book, out = opened(tuple(data.items())), out or self.out
        return review(book, QUARTER, partners, out=out, notebooks=self.notebooks, engine="pool", **options)

    def _execute(self, jobs: Sequence[Job], *given: Any) -> Iterator[Outcome]:
        *_, prepare = given
        for job in filter(prepare, jobs):
            partner = job.parameters["partner"]
            self.executed.append(partner)
            fault = self.faults.get(partner, "")
            job.folder.mkdir()
            shown = Path(job.parameters["book"], "rows.csv").read_text()
            html = f"<p>{shown}</p>" + "<script>1</script>" * (fault == "refused")
            claim = {key: job.parameters[key] for key in ("partner", "quarter", "as_of")}
            marker = {"chapter": "only", **claim, "figures": {"headline": 1.5}}
            output = {"output_type": "display_data", "data": {END: marker, "text/html": html}, "metadata": {}}
            cell = {"cell_type": "code", "source": "x", "execution_count": 1, "outputs": [output], "metadata": {}}
            job.output(job.chapters[0]).write_text(json.dumps({"cells": [cell], "metadata": {}}))
            yield Outcome(job.number, "it raised" if fault == "failed" else "", 0.5)

    def apart(self, at: int, happens: Callable[[str], object], data: Data, **options: Any) -> int:
        """Review in a process of its own, in which something happens from a change of the output folder on.

        Returns the exit code of the process; what it said stands in the file `said`.
        """
        opened(tuple(data.items()))

        def work() -> int:
            try:
                code, said = self.review(data, **options).exit_code, ""
            except pk.errors.PartnerKpiError as problem:
                code, said = problem.exit_code, str(problem)
            (self.folder / "said").write_text(said)
            return code

        return apart(self.out, at, happens, work)

    def pages(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.quarter.glob("*.html")}

    def files(self, out: Path | None = None) -> dict[str, bytes]:
        """Every file that is there for a reader, but the manifest, which alone knows of times."""
        folder = (out or self.out) / QUARTER
        every = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
        return {str(path.relative_to(folder)): path.read_bytes() for path in every if path.name != done.NOTED}

    def accounts(self) -> list[dict[str, Any]]:
        """What the manifest and the notes tell of pages."""
        told: list[dict[str, Any]] = []
        if (self.quarter / MANIFEST).exists():
            text = (self.quarter / MANIFEST).read_text(encoding="utf-8", errors="surrogatepass")
            told += json.loads(text)["reports"]
        if (self.quarter / done.NOTED).exists():
            lines = (self.quarter / done.NOTED).read_text().splitlines()
            told += [json.loads(line) for line in lines if line.endswith("}")]
        return told

    def unfinished(self) -> list[str]:
        return [path.name for path in self.out.rglob(f"*{UNFINISHED}")]


def apart(folder: Path, at: int, happens: Callable[[str], object], work: Callable[[], int]) -> int:
    """Work in a process of its own, in which something happens from the `at`-th change in a folder on.

    It happens before the change, and is told what kind of change. Returns the exit code of the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        child = os.fork()
    if not child:
        _hooked(str(folder), at, happens, work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _hooked(place: str, at: int, happens: Callable[[str], object], work: Callable[[], int]) -> NoReturn:
    changes, code = 0, 70

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal changes
        if event not in CHANGES and not (event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return
        if any(str(os.fspath(each)).startswith(place) for each in given[:2] if isinstance(each, str | os.PathLike)):
            changes += 1
            if changes >= at:
                happens(event)

    try:
        sys.addaudithook(hook)  # which cannot be taken away again: so in a process of its own
        code = work()
    except BaseException as error:
        sys.stderr.write(repr(error))
    finally:
        os._exit(code)


def die(_: str) -> NoReturn:
    """End this process at once: nothing is tidied up, as when it is killed."""
    os._exit(KILLED)


def no_room(change: str) -> None:
    """Refuse what needs room, as a full disk does."""
    if change in ("open", "os.mkdir"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
