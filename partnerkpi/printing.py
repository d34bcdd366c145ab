"""What a command gives: a table in the format that was asked for, printed or written, and the account of a book."""

from __future__ import annotations

import codecs
import io
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from partnerkpi.wording import say

if TYPE_CHECKING:
    import pandas as pd

    from partnerkpi.quality import Quality

STYLES = ("table", "csv", "json", "xlsx")
#: The formats of a check.
CHECKED = ("table", "json", "html")
#: What the format is told by, where none is named.
ENDINGS = {".csv": "csv", ".json": "json", ".xlsx": "xlsx", ".txt": "table", ".html": "html", "": "table"}


def style_for(style: str | None, output: str | None, styles: Sequence[str] = STYLES) -> str:
    """The format that was asked for, by its name or the file's.

    Raises:
        UsageError: a workbook is to be printed, or the file's name asks for none of the formats.
    """
    style = style or _style_of(output, styles)
    if style == "xlsx" and output is None:
        raise click.UsageError("A workbook cannot be printed: name a file with -o, like -o scorecard.xlsx.")
    return style


def put(table: pd.DataFrame, style: str, output: str | None, text: str, sheet: str = "scorecard") -> None:
    """Print the table in a format, `text` where it is to be read; or write it to a file."""
    from partnerkpi.export import to_csv, to_json, write_xlsx

    if style == "xlsx":
        write_xlsx(table, str(output), sheet)
        return
    if style != "table":
        text = to_json(table) if style == "json" else to_csv(table)
    put_text(text, output)


def put_text(text: str, output: str | None) -> None:
    """Print the text, or write it to a file."""
    from partnerkpi.export import write_text

    text = text.rstrip("\n") + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(text, output)


def _style_of(output: str | None, styles: Sequence[str]) -> str:
    """The format a file's name asks for; a table where there is no file.

    Raises:
        UsageError: the name ends on something else.
    """
    ending = Path(output).suffix.lower() if output else ""
    if ENDINGS.get(ending) not in styles:
        known = ", ".join(end for end, style in ENDINGS.items() if end and style in styles)
        raise click.UsageError(
            f"What to write into '{output}' is not told by '{ending}': end it on {known}, or say --format."
        )
    return ENDINGS[ending]


def account(quality: Quality) -> str:
    """The verdict, rows and money of every table, control totals, columns not read, and every fault with its cure."""
    from partnerkpi.quality import control_text, declared, touch_text

    reading = quality.reading
    lines = [quality.verdict, "", *reading.lines(), *map(control_text, declared(reading)), *reading.unread_lines()]
    for one in quality.findings:
        lines += ["", *map(str, one.faults)]
        lines += [_folded(f"{say('cure')}: {one.cure}."), _folded(f"{say('touches')}: {touch_text(one.touch)}")]
    return "\n".join([*lines, "", "The book is refused." if reading.refused else "The book can be used."])


def _folded(text: str) -> str:
    """A text below a fault, in lines that fit a terminal."""
    return textwrap.fill(text, width=110, initial_indent="    ", subsequent_indent="      ", break_long_words=False)


def show_everything() -> None:
    """Let a terminal or pipe of any encoding show every text: what it has no letter for, as its number."""
    codecs.register_error("partnerkpi", _as_number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="partnerkpi")


def _as_number(error: UnicodeError) -> tuple[str, int]:
    """What a terminal or pipe of another encoding cannot show, as its number: so it is right in JSON too."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end
