"""KPIs for the partners of a sales channel: each a definition, an interval, its rows, a notebook and a page.

import partnerkpi as pk
from partnerkpi.kpis import close_rate

book = pk.open_book("data")                     # "" is the sample book that comes with the package
mine = book.where(partner_id="P-003")           # every table filtered alike
close_rate(mine, "2025Q4")                      # an estimate: value, interval, n
pk.scorecard(book, "2025Q4", partner="P-003")   # all figures as one tidy table
pk.signals(book, "2025Q4")                      # what there is to say of each partner, and how sure it is
pk.review(book, "2025Q4", partners=["P-003"])   # the notebooks executed, the pages published
"""

from typing import TYPE_CHECKING, Any

from partnerkpi import startup  # noqa: F401

# isort: split
from partnerkpi.book import Book
from partnerkpi.bridges import bridge
from partnerkpi.drivers import why, why_groups, won_bar
from partnerkpi.errors import DataRefused, PartnerKpiError, SystemProblem, UsageError
from partnerkpi.estimate import Estimate
from partnerkpi.figures import scorecard
from partnerkpi.findings import judgement, signals
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.kept import restated_figures
from partnerkpi.kpi import Kpi
from partnerkpi.kpis import KPIS
from partnerkpi.notes import add_note, decided
from partnerkpi.opening import book_of, check_book, open_book
from partnerkpi.periods import quarters
from partnerkpi.restatement import restated
from partnerkpi.sample import write_sample
from partnerkpi.waterfalls import movements, waterfall

if TYPE_CHECKING:
    from partnerkpi.batch import review

__version__ = "0.1.0"

__all__ = [
    "ALL",
    "KPIS",
    "UNASSIGNED",
    "Book",
    "DataRefused",
    "Estimate",
    "Kpi",
    "PartnerKpiError",
    "SystemProblem",
    "UsageError",
    "__version__",
    "add_note",
    "book_of",
    "bridge",
    "check_book",
    "decided",
    "judgement",
    "movements",
    "open_book",
    "quarters",
    "restated",
    "restated_figures",
    "review",
    "scorecard",
    "signals",
    "waterfall",
    "why",
    "why_groups",
    "won_bar",
    "write_sample",
]


def __getattr__(name: str) -> Any:
    """`review` is loaded when it is first asked for: nobody else needs what runs notebooks and binds pages."""
    if name != "review":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from partnerkpi.batch import review

    return review


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
