"""What a command gives: a table in the format that was asked for, printed or written, and the account of a book."""

from __future__ import annotations

import codecs
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

    from partnerkpi.book import Reading

STYLES = ("table", "csv", "json", "xlsx")
#: What the format is told by, where none is named.
ENDINGS = {".csv": "csv", ".json": "json", ".xlsx": "xlsx", ".txt": "table", "": "table"}


def style_for(style: str | None, output: str | None) -> str:
    """The format that was asked for, by its name or the file's.

    Raises:
        UsageError: a workbook is to be printed.
    """
    style = style or _style_of(output)
    if style == "xlsx" and output is None:
        raise click.UsageError("A workbook cannot be printed: name a file with -o, like -o scorecard.xlsx.")
    return style


def put(table: pd.DataFrame, style: str, output: str | None, text: str, sheet: str = "scorecard") -> None:
    """Print the table in a format, `text` where it is to be read; or write it to a file."""
    from partnerkpi.export import to_csv, to_json, write_text, write_xlsx

    if style == "xlsx":
        write_xlsx(table, str(output), sheet)
        return
    if style != "table":
        text = to_json(table) if style == "json" else to_csv(table)
    text = text.rstrip("\n") + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(text, output)


def _style_of(output: str | None) -> str:
    """The format a file's name asks for; a table where there is no file.

    Raises:
        UsageError: the name ends on something else.
    """
    ending = Path(output).suffix.lower() if output else ""
    if ending not in ENDINGS:
        known = ", ".join(filter(None, ENDINGS))
        raise click.UsageError(
            f"What to write into '{output}' is not told by '{ending}': end it on {known}, or say --format."
        )
    return ENDINGS[ending]


def account(reading: Reading) -> str:
    """The rows and money of every table, the columns not read, every fault, and whether the book is refused."""
    faults = [str(fault) for fault in reading.faults]
    verdict = "The book is refused." if reading.refused else "The book can be used."
    return "\n".join([*reading.lines(), *reading.unread_lines(), *faults, verdict])


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
