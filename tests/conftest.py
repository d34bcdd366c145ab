"""Fixtures of the tests: books written by hand, and the real data where they are at hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parent.parent


def real_data() -> Path:
    """The folder where the real data are, if they are at hand."""
    said = os.environ.get("PARTNERKPI_REAL_DATA")
    return Path(said) if said else _CHECKOUT.parent / "shared" / "real-data"


@pytest.fixture
def real_book(tmp_path: Path) -> Callable[[str], Path]:
    """A function that gives the folder of a real book ("maven", "olist" …), or skips the test where it is absent."""
    source = real_data()

    def folder(name: str) -> Path:
        if not (source / name).is_dir():
            pytest.skip(f"the real data '{name}' are not here: set PARTNERKPI_REAL_DATA to their folder")
        made = tmp_path / name
        made.mkdir()
        for path in (source / name).iterdir():
            shutil.copyfile(path, made / path.name)  # a link that leads out of a book's folder is refused
        (made / "book.toml").write_bytes((_CHECKOUT / "tests" / "books" / f"{name}.toml").read_bytes())
        return made

    return folder


@pytest.fixture
def write_book(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a book: `write_book("deal_id,…\\n…", leads="…", toml="…", book="…")` gives its folder.

    Texts are the content of the tables' CSV files; `toml` is added to a book.toml in EUR, exported on 2025-12-31, whose
    [book] may be replaced by `book`.
    """
    header = '[book]\nname = "Test"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\nextracted_on = 2025-12-31\n'
    made: list[int] = []

    def write(deals: str | bytes | None, *, toml: str = "", book: str = header, **tables: str | bytes) -> Path:
        made.append(1)
        folder = tmp_path / f"book{len(made)}"
        folder.mkdir()
        (folder / "book.toml").write_text(book + toml, encoding="utf-8")
        for name, text in {"deals": deals, **tables}.items():
            if text is not None:
                data = text.encode() if isinstance(text, str) else text
                (folder / f"{name}.csv").write_bytes(data)
        return folder

    return write
