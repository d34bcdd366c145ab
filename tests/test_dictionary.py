"""The dictionary of book.toml: what it says is what the reader accepts, and every example does what it says."""

from __future__ import annotations

import doctest
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from dictionary_examples import DEALS, EXAMPLES, HEAD, Example
from refresh_dictionary import PAGE, as_toml, page

import partnerkpi as pk
from partnerkpi.book import config, connections, declarations, keys, meaning
from partnerkpi.book.keys import OF_BOOK, OF_FLAGS, OF_SOURCE, OF_TABLE, Key
from partnerkpi.book.schema import TABLES
from partnerkpi.book.thresholds import DEFAULTS, Thresholds
from partnerkpi.errors import DataRefused, UsageError

#: Every section with keys of its own: how it begins in book.toml, and its keys.
SECTIONS: dict[str, tuple[str, Mapping[str, Key]]] = {
    "book": ("book", OF_BOOK),
    "table": ("deals", OF_TABLE),
    "flags": ("deals.flags", OF_FLAGS),
    "source": ("source", OF_SOURCE),
}
EVERY = [(section, key) for section, (_, keys) in SECTIONS.items() for key in keys]


def whole(example: Example) -> str:
    """The book.toml of an example: it, and of [book] what it does not say itself."""
    own = example.toml.splitlines()
    here = own[1:] if own[0] == "[book]" else ["", *own]
    until = next((i for i, line in enumerate(here) if line.startswith("[")), len(here))
    said = {line.partition(" ")[0] for line in here[:until]}
    head = [f"{key} = {value}" for key, value in HEAD.items() if key not in said]
    return "\n".join(["[book]", *head, *here]) + "\n"


def written(example: Example, folder: Path) -> None:
    """Write the example's book.toml and files."""
    (folder / "book.toml").write_text(whole(example), encoding="utf-8")
    sheets: dict[str, openpyxl.Workbook] = {}
    for name, text in example.files.items():
        file, _, part = name.partition("#")
        rows = [line.split(",") for line in text.splitlines()]
        if file.endswith(".xlsx"):
            book = sheets.setdefault(file, openpyxl.Workbook())
            sheet = book.create_sheet(part)
            for row in rows:
                sheet.append(row)
        elif file.endswith(".db"):
            with sqlite3.connect(folder / file) as base:
                pd.DataFrame(rows[1:], columns=rows[0]).to_sql(part, base, index=False)
        else:
            encoding = "utf-16" if "utf-16" in example.toml else "utf-8"
            (folder / file).write_text(text, encoding=encoding)
    for file, book in sheets.items():
        book.remove(book["Sheet"])
        book.save(folder / file)


def opened(example: Example, folder: Path) -> pk.Book:
    """The example, as a book."""
    written(example, folder)
    return pk.open_book(folder)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.of)
def test_every_example_is_accepted_and_does_what_it_says(example: Example, tmp_path: Path) -> None:
    session = doctest.DocTestParser().get_doctest(example.shown + "\n", {}, example.of, None, 0)
    session.globs = {"book": opened(example, tmp_path), "pk": pk}
    report: list[str] = []
    assert session.examples
    assert not doctest.DocTestRunner().run(session, out=report.append).failed, "".join(report)


def test_the_stored_page_is_what_the_code_says_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run make dictionary"


def test_every_key_has_one_example_and_every_example_a_key() -> None:
    assert sorted(example.of for example in EXAMPLES) == sorted(
        [*(f"{section}.{key}" for section, key in EVERY), "thresholds"]
    )
    for example in EXAMPLES:
        if example.of != "thresholds":
            assert re.search(rf"^(\[deals\.)?{example.key}\b", example.toml, flags=re.MULTILINE), example.of


def test_what_the_reader_accepts_stands_on_the_page_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader says itself, while it reads every example, which keys it would have accepted at each place."""
    accepted: dict[str, set[str]] = {}

    def noted(key: str, options: Iterable[str], where: str) -> None:
        listed = tuple(options)
        place = "" if where == f"[{key}]" else where.removesuffix(f" {key}")
        accepted.setdefault(place, set()).update(listed)
        keys.check_name(key, listed, where)

    for module in (config, connections, declarations, meaning):
        monkeypatch.setattr(module, "check_name", noted)
    for number, example in enumerate(EXAMPLES):
        (tmp_path / str(number)).mkdir()
        opened(example, tmp_path / str(number))
    text = PAGE.read_text(encoding="utf-8")
    for place, part in (
        ("[book]", "## `[book]`"),
        ("[source]", "## `[source]`"),
        ("[deals]", "## `[deals]` and every other table"),
        ("[deals.flags]", "### `[deals.flags]`, and of leads"),
        ("[thresholds]", "## `[thresholds]`"),
    ):
        own = re.split(rf"^#{{2,{part.index(' ')}}} ", text.split(f"{part}\n")[1], flags=re.MULTILINE)[0]
        own = own.split("### `[deals.flags]`")[0]
        assert set(re.findall(r"^\| `(\w+)` \|", own, flags=re.MULTILINE)) == accepted[place], place
        assert set(re.findall(r"^#### `(\w+)`", own, flags=re.MULTILINE)) in (accepted[place], {"thresholds"}), place
    columns = set(re.findall(r"^\| (?:• )?`(\w+)` \|", text.split("### deals\n")[1].split("\n###")[0], re.MULTILINE))
    assert columns == accepted["[deals.columns]"]
    assert set(re.findall(r"^### (\w+)$", text, flags=re.MULTILINE)) == set(TABLES)
    assert accepted[""] == {"book", "source", "thresholds", *TABLES}


@pytest.mark.parametrize(("section", "key"), EVERY)
def test_a_key_refuses_what_it_cannot_hold(section: str, key: str, tmp_path: Path) -> None:
    name, _ = SECTIONS[section]
    beside = 'url = "sqlite:///crm.db"\n' if key == "seconds" else ""
    with pytest.raises(UsageError, match=key):
        opened(Example("", f"[{name}]\n{beside}{key} = [[1]]", ""), tmp_path)


@pytest.mark.parametrize(("section", "key"), [(s, k) for s, k in EVERY if SECTIONS[s][1][k].allowed])
def test_the_only_values_of_a_key_are_accepted_and_no_other(section: str, key: str, tmp_path: Path) -> None:
    name, known = SECTIONS[section]
    for number, value in enumerate((*known[key].allowed, "other")):
        (tmp_path / str(number)).mkdir()
        said = [f"{key} = {as_toml(value)}", *([f'decimal = "{",."[value == ","]}"'] if key == "thousands" else [])]
        example = Example("", "\n".join([f"[{name}]", *said]), "", {"deals.csv": DEALS})
        if value == "other":
            with pytest.raises(UsageError, match=key):
                opened(example, tmp_path / str(number))
        else:
            written(example, tmp_path / str(number))
            config.read_config(tmp_path / str(number))


@pytest.mark.parametrize(("section", "key"), [(s, k) for s, k in EVERY if SECTIONS[s][1][k].default])
def test_a_default_that_is_said_changes_nothing(section: str, key: str, tmp_path: Path) -> None:
    name, known = SECTIONS[section]
    said: list[Any] = []
    for own in ("", f"{key} = {as_toml(known[key].default)}\n"):
        files, rest = {"deals.csv": DEALS}, ""
        if section == "source":
            files, rest = {"crm.db#deals": DEALS}, 'url = "sqlite:///crm.db"\n[deals]\nrelation = "deals"'
        written(Example("", f"[{name}]\n{own}{rest}", "", files), tmp_path)
        read = config.read_config(tmp_path)
        tables = {table: replace(one, declared=frozenset()) for table, one in read.tables.items()}
        said.append(replace(read, tables=tables))
        for path in tmp_path.iterdir():
            path.unlink()
    assert said[0] == said[1]


@pytest.mark.parametrize("line", ["rows = 4", 'amount_total = "2500.01"'])
def test_a_control_total_that_is_another_refuses_the_book(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=line.split()[0]):
        opened(Example("", f"[deals]\n{line}", ""), tmp_path)


@pytest.mark.parametrize("one", fields(Thresholds), ids=lambda one: one.name)
def test_every_threshold_can_be_said(one: Any, tmp_path: Path) -> None:
    book = opened(Example("", f"[thresholds]\n{one.name} = 0.125", ""), tmp_path)
    assert book.thresholds == replace(DEFAULTS, **{one.name: 0.125})


def test_every_column_and_table_says_what_it_holds() -> None:
    for table in TABLES.values():
        assert table.meaning
        assert all(column.meaning for column in table.columns), table.name


@pytest.mark.parametrize(
    ("toml", "near"),
    [
        ("[deals]\nseparator = ';'", "There is: files"),
        ("[deals]\nskiprows = 1", "'skip_rows'"),
        ("[book]\ntimezone = 'UTC'", "'time_zone'"),
        ("[source]\nurll = 'x'", "'url'"),
        ("[deals.flags]\nis_won = 'x'", "'won'"),
        ("[threshold]\nlikely = 1", "'thresholds'"),
        ("[thresholds]\nlikly = 1", "'likely'"),
    ],
)
def test_an_unknown_key_names_what_is_near(toml: str, near: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such name here") as caught:
        opened(Example("", toml, ""), tmp_path)
    assert near in str(caught.value)
