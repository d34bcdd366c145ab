"""What a review costs beside other ways to the same pages. `make bench`, parts `review`, `growth` and `own`.

`review`: processor seconds per executed notebook, of the whole review of the sample book (opening, scores, signals,
notebooks, pages, gate), beside `papermill` and `jupyter nbconvert` of single notebooks drawn by lot, and beside the
floor: the same cells in one process without any notebook (`floor.py`). Each round measures all three.

`growth`: the review of 24, 200 and, with `--partners 1000`, more partners: seconds, processors, memory of all of it.

`own`: an analyst's own notebook of pandas and seaborn, by papermill with the engine `partnerkpi` beside these commands.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from timing import CACHE, ROOT, say

import partnerkpi as pk

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
OWN = """
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

deals = pd.read_csv(book + "/deals.csv", parse_dates=["created_on", "closed_on"])
mine = deals[deals["partner_id"] == partner]
mine.groupby("status")["amount"].describe()
---
sns.set_theme()
sns.histplot(mine, x="amount", hue="status", log_scale=True)
---
days = (mine["closed_on"] - mine["created_on"]).dt.days
figure, axes = plt.subplots(figsize=(6, 3))
sns.boxplot(x=mine["status"], y=days, ax=axes)
"""


@dataclass(frozen=True)
class Spent:
    """One command: seconds, those of its processors (its children's too), and the most MB all its processes held."""

    seconds: float
    processor: float
    memory: float


def spent(command: Sequence[str], folder: Path | None = None) -> Spent:
    """Run a command and measure it and everything it starts; stop with its own words where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder)
        most = _most_held(process)
        seconds = time.perf_counter() - begun
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)}\n{said.read()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(seconds, processor, most)


def _most_held(process: subprocess.Popen[str]) -> float:
    """Wait for a process; the most MB that it and its children held, pages they share counted once."""
    most = [0.0]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(1.0):
            total = 0.0
            try:
                tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            except psutil.Error:
                continue
            for each in tree:
                try:
                    memory = each.memory_full_info() if sys.platform == "linux" else each.memory_info()
                    total += getattr(memory, "pss", memory.rss) / 2**20
                except psutil.Error:
                    continue
            most[0] = max(most[0], total)

    watch = threading.Thread(target=look)
    watch.start()
    process.wait()
    ended.set()
    watch.join()
    return most[0]


def review(book: str, out: Path, *more: str) -> tuple[Spent, int]:
    """A review by the command, and how many notebooks it executed."""
    cost = spent([sys.executable, "-m", "partnerkpi", "review", book, "--out", str(out), *more])
    return cost, sum(1 for _ in out.rglob("*.ipynb"))


def beside_naive(rounds: int, drawn: int = 4) -> None:
    """Part `review`: processor seconds per notebook, ours beside the two commands and the floor.

    The commands too run as many at a time as there are processors, for these are slower when all are busy.
    """
    label = pk.open_book("").quarter("").label
    ids = pk.open_book("").partner_ids
    lot = random.Random(20251231)
    ratios, floors = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            pairs = [(lot.choice(ids), lot.choice(NOTEBOOKS)) for _ in range(drawn)]
            naive = _by_hand_at_once(pairs, label, folder)
            ours, notebooks = review("", folder / "ours")
            floor = spent([sys.executable, str(ROOT / "tests" / "floor.py"), "", str(folder / "floor")])
        per = [naive / drawn, ours.processor / notebooks, floor.processor / notebooks]
        ratios.append(per[0] / per[1])
        floors.append(per[1] / per[2])
        say(
            f"  round {number + 1}: papermill + nbconvert {per[0]:.2f} s a notebook ({drawn} drawn); review"
            f" {per[1]:.3f} ({notebooks} notebooks, {ours.seconds:.0f} s, {ours.processor:.0f} s of processors, at most"
            f" {ours.memory:,.0f} MB); floor {per[2]:.3f}"
        )
    say(f"papermill + nbconvert ÷ review: {_range(ratios)}; review ÷ floor: {_range(floors)}")


def _by_hand_at_once(pairs: Sequence[tuple[str, Path]], label: str, folder: Path) -> float:
    """The seconds of processors that the two commands take for all these, several at a time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda pair: by_hand(pair[1], {"partner": pair[0], "quarter": label}, folder), pairs))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def growth(most: int) -> None:
    """Part `growth`: what a partner costs in networks of different sizes."""
    for partners in [n for n in (24, 200, 1000) if n <= most]:
        folder = CACHE / f"network-{partners}"
        if not (folder / "book.toml").exists():
            pk.write_sample(folder, partners=partners)
        with tempfile.TemporaryDirectory() as place:
            cost, notebooks = review(str(folder), Path(place) / "pages")
        say(
            f"  {partners} partners, {notebooks} notebooks: {cost.seconds:.0f} s ({cost.seconds / partners:.2f} a"
            f" partner), {cost.processor:.0f} s of processors ({cost.processor / partners:.2f} a partner), at most"
            f" {cost.memory:,.0f} MB"
        )


def own_notebook(rounds: int) -> None:
    """Part `own`: a notebook of pandas and seaborn by the engine, all partners in one process, beside the commands."""
    owners = pk.open_book("").deals["partner_id"].value_counts()
    ids = sorted(map(str, owners[owners >= 30].index))
    runs, ratios = len(ids), []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            path = folder / "own.ipynb"
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('book, partner = "", ""')])
            notebook.cells[0].metadata["tags"] = ["parameters"]
            notebook.cells += [nbformat.v4.new_code_cell(source.strip()) for source in OWN.split("---")]
            notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
            nbformat.write(notebook, path)
            data = str(ROOT / "data")
            naive = by_hand(path, {"partner": ids[0], "book": data}, folder)
            engine = spent([sys.executable, "-c", _BY_ENGINE, str(path), data, json.dumps(ids)], folder)
        ratios.append(naive.processor / (engine.processor / runs))
        each = engine.processor / runs
        say(f"  round {number + 1}: {naive.processor:.2f} s by the commands, {each:.2f} by the engine")
    say(f"papermill + nbconvert ÷ papermill with the engine and its pages, {runs} partners: {_range(ratios)}")


#: A loop as an analyst writes it: papermill's function with the engine, and a page of each.
_BY_ENGINE = """
import json, sys
import nbformat, papermill
from nbconvert import HTMLExporter
path, book, ids = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
exporter = HTMLExporter()
for partner in ids:
    out = f"{partner}.ipynb"
    given = {"partner": partner, "book": book}
    papermill.execute_notebook(path, out, given, engine_name="partnerkpi", progress_bar=False)
    open(f"{partner}.html", "w").write(exporter.from_filename(out)[0])
"""


def by_hand(path: Path, parameters: dict[str, str], folder: Path) -> Spent:
    """What one would write without the package: the `papermill` command, then `jupyter nbconvert` for the page."""
    done = folder / f"{path.stem}-{parameters['partner']}.ipynb"
    chosen = [word for name, value in parameters.items() for word in ("-p", name, value)]
    made = spent([sys.executable, "-m", "papermill", "--no-progress-bar", *chosen, str(path), str(done)], folder)
    page = spent([sys.executable, "-m", "nbconvert", "--to", "html", str(done)], folder)
    return Spent(made.seconds + page.seconds, made.processor + page.processor, max(made.memory, page.memory))


def _range(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds)"


if os.name != "posix":
    sys.exit("This part measures the processors of children, which only POSIX systems tell.")
