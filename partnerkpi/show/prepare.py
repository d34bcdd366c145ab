"""What a notebook does before it shows anything."""

from __future__ import annotations

from partnerkpi.errors import UsageError

EDITIONS = ("internal",)
LANGUAGES = ("en",)


def prepare(edition: str, language: str) -> None:
    """Pass when pages can be made in this edition and language.

    Raises:
        UsageError: they cannot; a page in another edition or language than asked for would be worse than none.
    """
    for what, asked, known in (("edition", edition, EDITIONS), ("language", language, LANGUAGES)):
        if asked not in known:
            raise UsageError(f"There is no {what} '{asked}' in this version. There is: {', '.join(known)}.")
