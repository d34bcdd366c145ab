"""What can go wrong, and the exit code the command line gives for it.

Every message is one or a few plain sentences: what happened, where, and what to do about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
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


def nearest(word: str, options: Iterable[str], likeness: float = 0.6) -> str:
    """A sentence that names what is nearest to a misspelt word, or else all there is (at most twelve).

    `likeness` is how alike two words must be, from 0 to 1: the more options mean different things, the more.

    >>> nearest("amout", ["amount", "status"])
    "Did you mean 'amount'?"
    >>> nearest("zzz", ["amount", "status"])
    'There is: amount, status.'
    """
    known = list(dict.fromkeys(str(o) for o in options))
    folded = {o.casefold(): o for o in known}
    close = [folded[c] for c in get_close_matches(str(word).casefold(), folded, n=3, cutoff=likeness)]
    if close:
        return "Did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    if not known:
        return "There is none."
    return "There is: " + ", ".join(known[:12]) + (f" … ({len(known)} in all)." if len(known) > 12 else ".")


def plain_id(partner: str) -> str:
    """An id without case and leading zeros: `P-3` is near to `P-003` before `P-023` is."""
    return re.sub(r"\d+", lambda digits: str(int(digits[0])), partner.casefold())
