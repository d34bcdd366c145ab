"""Measuring one way of doing something: in a process of its own, its seconds, processor and memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".bench"


def in_own_process(measure: Callable[..., T], *arguments: Any) -> T:
    """Measure in a fresh process: nothing kept from the last round, and a peak of memory that is one way's own."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, *arguments).result()


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The answer and the seconds it took."""
    begun = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - begun


def peak() -> float:
    """The most memory this process has held so far, in MB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux hands down ru_maxrss from the process that started this one, but not this
        line = next((x for x in status.read_text().splitlines() if x.startswith("VmHWM")), "")
        if line:
            return int(line.split()[1]) / 2**10
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def say(text: str, end: str = "\n") -> None:
    """Print at once."""
    print(text, end=end, flush=True)
