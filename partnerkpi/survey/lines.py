"""The lines of a book.toml in the making: each with why it says so, and those that wait for a decision."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass, field

DECIDE = "decide: "
_WIDTH, _LONGEST = 34, 118


@dataclass
class Draft:
    """The lines of a book.toml, and how many of them wait for a decision without which the book is refused."""

    lines: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)

    def say(self, line: str = "", why: str = "") -> None:
        """A line with its comment beside it, or above it where both are long."""
        whole = f"{line:<{_WIDTH}}  # {why}" if why else line
        if why and len(whole) > _LONGEST:
            self.lines += [f"# {part}" for part in textwrap.wrap(why, _LONGEST - 2, break_on_hyphens=False)]
            whole = line
        self.lines.append(whole)

    def ask(self, line: str, why: str, *, needed: bool = False) -> None:
        """A line that is left commented out, for the analyst to decide."""
        self.say(f"# {line}", DECIDE + why)
        if needed:
            self.needed.append(f"{line}: {why}")

    @property
    def text(self) -> str:
        """The whole file."""
        return "\n".join(self.lines).rstrip() + "\n"


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
