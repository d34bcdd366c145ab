"""The lines of a book.toml in the making: each with why it says so, and those that wait for a decision."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass, field

DECIDE = "decide: "
_WIDTH, _LONGEST = 34, 118


@dataclass
class Draft:
    """The lines of a book.toml, and what waits for a decision.

    `needed`: decisions without which the book is refused; `open`: those it can do without; `taken`: what a trial takes
    to be so because nothing is decided yet.
    """

    lines: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def say(self, line: str = "", why: str = "") -> None:
        """A line with its comment beside it, or above it where both are long."""
        why = " ".join(why.split())  # what a file says may hold the end of a line
        line = line if not line.startswith("#") else " ".join(line.splitlines())
        whole = f"{line:<{_WIDTH}}  # {why}" if why else line
        if why and len(whole) > _LONGEST:
            self.lines += [f"# {part}" for part in textwrap.wrap(why, _LONGEST - 2, break_on_hyphens=False)]
            whole = line
        self.lines.append(whole)

    def ask(self, line: str, why: str, *, needed: bool = False, further: bool = False, also: str = "") -> None:
        """A line that is left commented out, for the analyst to decide; `further` ones belong to the one before.

        `also` says of them where the decisions are listed.
        """
        self.say(f"# {line}", DECIDE + why)
        if not further:
            (self.needed if needed else self.open).append(f"{line}: {why}{also}")

    @property
    def text(self) -> str:
        """The whole file."""
        return "\n".join(self.lines).rstrip() + "\n"


def counted(number: int, one: str, many: str = "") -> str:
    """The number with what it counts."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def quoted(text: str) -> str:
    """The text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def listed(values: list[str]) -> str:
    """The texts as TOML writes a list of them."""
    return "[" + ", ".join(map(quoted, values)) + "]"


def cut(text: str, limit: int = 70) -> str:
    """The text on one line, and not too long for a comment."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[:limit] + "…"
