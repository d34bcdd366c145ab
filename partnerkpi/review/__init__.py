"""The review: executes the KPI notebooks for every partner and binds them into pages.

`plan` what will run, checked before anything does · `execute`, `worker`, `kernel`, `renew` the notebooks in kernels of
their own · `proof` that they came to their end · `cells`, `bind` the pages · `gate` what must not get out ·
`settle`, `publish` whole files or none · `run` all of it in order. Only this room runs notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from partnerkpi.review.result import Report, ReviewResult

if TYPE_CHECKING:
    from partnerkpi.review.run import review

__all__ = ["Report", "ReviewResult", "review"]


def __getattr__(name: str) -> Any:
    # The kernels of a review import this room too; the rest of it is for the process that runs the review.
    if name == "review":
        from partnerkpi.review.run import review

        return review
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
