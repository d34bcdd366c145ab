"""The text of any file a book can be made of, for a survey."""

from __future__ import annotations

from pathlib import Path

from partnerkpi.survey.sniff import Sheet, sniff

SUFFIXES = (".csv", ".tsv", ".txt")


def read_sheet(path: Path, name: str) -> Sheet:
    """The rows of a file as text, and how it is to be reached.

    Raises:
        SystemProblem: the file cannot be read.
    """
    return sniff(path, name)
