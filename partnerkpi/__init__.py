"""Eight KPIs for the partners of a sales channel: each a definition, an interval, its rows, a notebook and a page.

    import partnerkpi as pk
    from partnerkpi.kpis import close_rate

    book = pk.open_book("data")                     # "" is the sample book that comes with the package
    mine = book.where(partner_id="P-003")           # every table filtered alike
    close_rate(mine, "2025Q4")                      # an estimate: value, interval, n
    pk.scorecard(book, "2025Q4", partner="P-003")   # all figures as one tidy table
    pk.review(book, "2025Q4", partners=["P-003"])   # the notebooks executed, the pages published

The floors, top to bottom; a module imports from its own floor or below it:

    cli                            commands, each one call of a function below
    review                         plan, execute, check and publish; the only room that runs notebooks
    show, glossary, export         figures as cards, pictures, text and files
    scorecard, compare             all figures as one table; change, peers, target
    kpis                           one file per KPI; KPIS is the tuple in reading order
    kpi, plot, network             what a KPI is; how it is drawn; what is known of the others
    statistics, survival, groups   from rows to estimates, for one group or many
    deals, estimate                the trade's words as filters; value, interval, n
    book, sample                   what we know: tables read, checked, cut at a day; a simulated world
    quarters, shipped, errors      fiscal quarters; the files that come along; what can go wrong

Names are loaded when they are first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partnerkpi.book import Book, check_book, open_book
    from partnerkpi.errors import DataRefused, PartnerKpiError, SystemProblem, UsageError
    from partnerkpi.estimate import Estimate
    from partnerkpi.kpi import Kpi
    from partnerkpi.kpis import KPIS
    from partnerkpi.quarters import quarters
    from partnerkpi.review import review
    from partnerkpi.sample import write_sample
    from partnerkpi.scorecard import scorecard

__version__ = "0.1.0"

__all__ = [
    "KPIS",
    "Book",
    "DataRefused",
    "Estimate",
    "Kpi",
    "PartnerKpiError",
    "SystemProblem",
    "UsageError",
    "check_book",
    "open_book",
    "quarters",
    "review",
    "scorecard",
    "write_sample",
]

_HOMES = {
    "KPIS": "kpis",
    "Book": "book",
    "DataRefused": "errors",
    "Estimate": "estimate",
    "Kpi": "kpi",
    "PartnerKpiError": "errors",
    "SystemProblem": "errors",
    "UsageError": "errors",
    "check_book": "book",
    "open_book": "book",
    "quarters": "quarters",
    "review": "review",
    "scorecard": "scorecard",
    "write_sample": "sample",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """`quarters`, `scorecard` and `review` are functions here, though modules of the same name exist."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule would bind its name; the function must win, whatever is imported first.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
