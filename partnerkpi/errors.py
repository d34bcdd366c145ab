"""What can go wrong, and the exit code the command line gives for it.

Every message is one or a few plain sentences: what happened, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PartnerKpiError(Exception):
    """Anything this package refuses to do; `exit_code` is what the command line ends with."""

    exit_code: int = 1


class UsageError(PartnerKpiError):
    """A wrong argument or setting: the caller can correct it."""

    exit_code = 2


class DataRefused(PartnerKpiError):
    """The book's data cannot be trusted as they are; `faults` lists every reason found."""

    exit_code = 1

    def __init__(self, message: str, faults: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.faults: list[Any] = list(faults)


class SystemProblem(PartnerKpiError):
    """Disk, permission, lock: nothing is wrong with the data or the command."""

    exit_code = 4
