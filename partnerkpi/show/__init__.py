"""What notebooks show: cards, tables, pictures and the end marker. Every function returns HTML and plain text at once.

Outside text is escaped in one place, the templates of this room; notebooks hold no markup and no numbers of their own.
"""

from partnerkpi.show.about import about
from partnerkpi.show.cards import companions, definition, headline
from partnerkpi.show.cover import cover
from partnerkpi.show.html import Shown
from partnerkpi.show.marker import END, End, end
from partnerkpi.show.pictures import picture
from partnerkpi.show.prepare import prepare
from partnerkpi.show.tables import breakdown, rows

__all__ = [
    "END",
    "End",
    "Shown",
    "about",
    "breakdown",
    "companions",
    "cover",
    "definition",
    "end",
    "headline",
    "picture",
    "prepare",
    "rows",
]
