"""The cover of a review: the eight figures at a glance, and what to look at first."""

from __future__ import annotations

from partnerkpi.book import Book
from partnerkpi.estimate import FEW, MISSING, amount_text
from partnerkpi.kpis import KPIS
from partnerkpi.periods import Quarter
from partnerkpi.show.cards import DIRECTION, Standing, standing
from partnerkpi.show.html import Shown, render


def cover(book: Book, quarter: str | Quarter) -> Shown:
    """The eight KPIs, each with value, interval, count, change in words and peers; above them what to look at first."""
    period = book.quarter(quarter)
    standings = [standing(kpi, book, period) for kpi in KPIS]
    lines = [
        {
            "stands": stands,
            "kpi": stands.kpi,
            "now": stands.now,
            "value": amount_text(stands.now.value, stands.now.unit),
            "direction": DIRECTION[stands.kpi.better],
        }
        for stands in standings
    ]
    html = render("cover.html", lines=lines, sentences=sentences(standings), period=period, few=FEW, missing=MISSING)
    text = [stands.line for stands in standings]
    return Shown(html, "\n".join([f"Review of {period}", *sentences(standings), *text]))


def sentences(standings: list[Standing]) -> list[str]:
    """What to look at first, in words: clear changes, figures outside the peers' middle half, figures that are missing.

    Nothing is said of figures with fewer than five rows.
    """
    said = []
    for verdict in ("worse", "better"):
        for stands in standings:
            if stands.before.verdict == verdict and not stands.now.few:
                values = [amount_text(e.value, e.unit) for e in (stands.before.before, stands.now)]
                said.append(
                    f"{stands.figure.title} is clearly {verdict} than in {stands.before.against}: "
                    f"{values[0]} → {values[1]}."
                )
    outside = [s.kpi.title.lower() for s in standings if _behind(s)]
    if outside:
        said.append(f"Below the middle half of the peers, interval and all: {_listed(outside)}.")
    measured = any(s.now.value is not None and not s.now.few for s in standings)
    if not said and not measured:
        said.append("Too little happened this quarter to say anything of it.")
    elif not said:
        said.append("Nothing to act on: no clear change from the quarter before, nothing clearly below the peers.")
    missing = [s.kpi.title.lower() for s in standings if s.now.value is None]
    if missing:
        said.append(f"Not measured this quarter: {_listed(missing)}; the reason stands with each.")
    few = [s.kpi.title.lower() for s in standings if s.now.value is not None and 0 < s.now.n < FEW]
    if few:
        said.append(f"Fewer than {FEW} rows, too few to compare: {_listed(few)}.")
    return said


def _behind(stands: Standing) -> bool:
    """True when the whole interval lies on the wrong side of the peers' middle half."""
    now, peers = stands.now, stands.peers
    if now.few or now.low is None or now.high is None or peers.lower is None or peers.upper is None:
        return False
    return now.high < peers.lower if stands.figure.better == "higher" else now.low > peers.upper


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
