"""What notebooks show: cards, tables, pictures and the end marker. Every function returns HTML and plain text at once.

Outside text is escaped in one place, the templates of this room; notebooks hold no markup and no numbers of their own.
"""

from partnerkpi.show.cards import companions, definition, headline, trend
from partnerkpi.show.changes import bars, movements, waterfall, why, why_groups
from partnerkpi.show.cover import cover
from partnerkpi.show.html import END, End, Shown, end, picture
from partnerkpi.show.months import months
from partnerkpi.show.reviews import bridge, decided, restated
from partnerkpi.show.tables import about, backtest, breakdown, media, prepare, rows, scores, what_if

__all__ = [
    "END",
    "End",
    "Shown",
    "about",
    "backtest",
    "bars",
    "breakdown",
    "bridge",
    "companions",
    "cover",
    "decided",
    "definition",
    "end",
    "headline",
    "media",
    "months",
    "movements",
    "picture",
    "prepare",
    "restated",
    "rows",
    "scores",
    "trend",
    "waterfall",
    "what_if",
    "why",
    "why_groups",
]
