"""[source] of a book.toml: where a database is, without anything that would open it to those who read the file.

Credentials are named there, `${CRM_DB_URL}`, and stand in the environment. No sentence of this package repeats an
address that was put together from it, or what the database said while it was asked to let us in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from partnerkpi.book.keys import NAME, OF_SOURCE, check_name, mapping_of
from partnerkpi.errors import UsageError

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)
_SECONDS: int = OF_SOURCE["seconds"].default
_MOST_SECONDS = 3600
_HINT = 'Keep it in the environment and write url = "${CRM_DB_URL}", or "${NAME}" in its place.'


@dataclass(frozen=True)
class Source:
    """A database: its address as book.toml writes it, without the credentials, and how long a query may take."""

    url: str
    seconds: int = _SECONDS

    def address(self) -> str:
        """The address with what the environment holds. Never show it.

        Raises:
            UsageError: the environment does not have what is named.
        """
        missing = [name for name in _NAMED.findall(self.url) if not os.environ.get(name)]
        if missing:
            raise UsageError(f"[source] url: the environment has no {missing[0]}, which {NAME} names there. Set it.")
        if _NAMED.fullmatch(self.url):
            return os.environ[_NAMED.fullmatch(self.url)[1]].strip()  # type: ignore[index]
        who, at, rest = self.url.rpartition("@")
        # A password may hold any sign, also one that means something in an address.
        who = _NAMED.sub(lambda named: quote(os.environ[named[1]], safe=""), who)
        return who + at + _NAMED.sub(lambda named: os.environ[named[1]], rest)

    def variables(self) -> tuple[str, ...]:
        """The names of what the environment must hold."""
        return tuple(_NAMED.findall(self.url))


def source_of(section: Any) -> Source | None:
    """What [source] says, None where the book has none.

    Raises:
        UsageError: it has no url, or one with a password in it.
    """
    if section is None:
        return None
    section = mapping_of(section, "[source]")
    for key in section:
        check_name(key, OF_SOURCE, f"[source] {key}")
    return Source(_url(section), _seconds(section))


def _url(section: Mapping[str, Any]) -> str:
    where = f"{NAME}, [source] url"
    url = section.get("url", "")
    if not isinstance(url, str) or not url.strip():  # what stands there is not repeated
        raise UsageError(f'{where}: a text is expected, like "${{CRM_DB_URL}}" or "sqlite:///crm.db".')
    url = url.strip()
    if _NAMED.fullmatch(url):
        return url
    if "$" in _NAMED.sub("", url):
        raise UsageError(f"{where}: what the environment holds is written ${{NAME}}, with letters, digits and _.")
    before, _, after = url.partition("?")
    scheme, colon, rest = before.partition("://")
    if not colon or _NAMED.search(scheme):
        raise UsageError(f'{where}: it begins with the kind of database, like "postgresql://".')
    who = rest.rpartition("@")[0]
    if _NAMED.sub("", who.partition(":")[2]):
        raise UsageError(f"{where}: a password stands in it, for everybody who reads the file. {_HINT}")
    for key, value in parse_qsl(after, keep_blank_values=True):
        if _SECRET.search(key) and _NAMED.sub("", value):
            raise UsageError(f"{where}: '{key}' stands in it, for everybody who reads the file. {_HINT}")
    return url


def _seconds(section: Mapping[str, Any]) -> int:
    seconds = section.get("seconds", _SECONDS)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 1 <= seconds <= _MOST_SECONDS:
        raise UsageError(f"{NAME}, [source] seconds: a whole number from 1 to {_MOST_SECONDS:,} is expected.")
    return seconds
