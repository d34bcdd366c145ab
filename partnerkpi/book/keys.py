"""The keys of a book.toml: that each is one it may have, and holds what it must. Nothing unknown is passed over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from partnerkpi.errors import UsageError, nearest

NAME = "book.toml"
_LATER: dict[str, str] = {}


def check_name(key: str, options: Iterable[str], where: str) -> None:
    """Pass when the key is one of the options.

    Raises:
        UsageError: it is not; the text says where it stands and what is nearest.
    """
    listed = tuple(options)
    if key in listed:
        return
    if key in _LATER:
        raise UsageError(f"{NAME}, {where}: {_LATER[key]} is not supported yet.")
    raise UsageError(f"{NAME}, {where}: there is no such name here. {nearest(key, listed)}")


def mapping_of(value: Any, where: str) -> dict[str, Any]:
    """The value, which is a table of names and values.

    Raises:
        UsageError: it is not; the text says where it stands.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{NAME}, {where}: a table of names and values is expected, not {shown(value)}.")
    return value


def text_of(value: Any, where: str) -> str:
    """The value, which is a text.

    Raises:
        UsageError: it is not; the text says where it stands.
    """
    if not isinstance(value, str):
        raise UsageError(f"{NAME}, {where}: a text in quotes is expected, not {shown(value)}.")
    return value


def shown(value: Any) -> str:
    """The value as it may stand in a sentence: on one line, and not too long for it."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no number of more than 4,300 digits
        text = "a number without end"
    return text if len(text) <= 60 else text[:60] + "…"


def zone_of(name: Any, where: str, example: str) -> str:
    """The value, which is the name of a time zone.

    Raises:
        UsageError: there is no such zone; the text gives an example.
    """
    try:
        return str(ZoneInfo(text_of(name, where)).key)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"{NAME}, {where}: {shown(name)} is unknown. Write it like {example}.") from error


def one_of(value: Any, options: Iterable[str], where: str) -> str:
    """The value, which is one of the options.

    Raises:
        UsageError: it is not; the text says where it stands.
    """
    listed = tuple(options)
    if value not in listed:
        raise UsageError(f"{NAME}, {where}: {shown(value)} is not one of {', '.join(map(repr, listed))}.")
    return str(value)
