"""Write data/dictionary.md: every key of book.toml and every column, as the code states them, with their examples.

`make dictionary` runs it; a test holds the stored page to what it writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dictionary_examples import DEALS, EXAMPLES, HEAD, Example

from partnerkpi.book import kinds
from partnerkpi.book.keys import OF_BOOK, OF_CONTENT, OF_FLAGS, OF_ROWS, OF_SOURCE, OF_WRITING, Key
from partnerkpi.book.later import SENTENCES
from partnerkpi.book.schema import TABLES, Column
from partnerkpi.book.thresholds import Thresholds, meanings
from partnerkpi.kpis import KPIS
from partnerkpi.uses import uses

PAGE = Path(__file__).resolve().parent.parent / "data" / "dictionary.md"

BEGIN = """\
# The book dictionary

Every key of `book.toml`, and every column of the tables it describes. Made by `make dictionary` from the code that
reads them: a key that is not here is refused, with the nearest that is. You need not write a `book.toml` by hand:

```sh
partnerkpi init my-exports            # looks at the files and prints what they are; writes nothing
partnerkpi init my-exports --write    # keeps the first book.toml; one that is there is not overwritten
partnerkpi check my-exports           # reads the book and lists every fault
partnerkpi review my-exports          # the pages: open reports/…/index.html
```

Between the second and the third, decide the lines that `init` left commented out: take away the `# ` of the one that
holds, or change what it says. [README.md](README.md) describes what `init` looks at and what `check` says, and the book
that comes as an example.

The smallest book is this, and a file `deals.csv` beside it with the columns `deal_id`, `created_on` and `status`:

```toml
[book]
{head}
```

Each example below adds to these lines (a line of `[book]` that it has itself takes their place), and a test opens every
one of them. Where no file is shown it reads this `deals.csv`:

```csv
{deals}```

What follows `>>>` is Python, with `book = pk.open_book("my-exports")`, and below it what one sees.
"""

SOURCE = """\
A live database instead of files, or beside them. All tables of a database are read in one transaction that can only
read, so they are of one moment; rows are put in the order of the key, and the input's hash is that of the rows.
"""

TABLE = """\
Keys of the section of every table: `[deals]`, `[partners]`, `[leads]` and the others listed at the end. A table whose
file is called like it, `partners.csv`, and has the columns of this page needs no section at all.
"""

ROWS = """\
Of a workbook stored values are read, no formula, link or macro is run: numbers, days and truths as they are, whatever
is declared of texts; a column that mixes kinds is text. The line of a row is its number in the sheet. Errors like
`#N/A`, formulas without a stored value and merged cells refuse the book and name the cell; hidden rows, numbers of
more than 15 digits, days among texts and cells beside the table are said. A Parquet file's columns of lists or other
nested values cannot be read. A workbook that unpacks to more than 512 MB, or to a hundred times its size, and more
than 25 million cells (250 million of Parquet and databases) are refused unasked: `PARTNERKPI_MOST_MB` and
`PARTNERKPI_MOST_CELLS` in the environment move these limits.
"""

WRITING = """\
An amount may be written `1 234,50 €`, `EUR 5`, `-$5`, `(100)` for −100, or `1.2E+07`, with `−` for a minus. Where the
table has no column `currency` the sign names the row's currency; `$`, `kr`, `¥` only the book's own. One that
contradicts the column sets the row aside. A rate or share may be `12 %`. In a column of days an ISO time counts as
its day in the business time zone. A cell that cannot be read costs the row in columns that must be there, in money
and in the day of a closing; elsewhere only itself, and five or more such cells that are most of the column refuse the
book. What is infinite (`inf`, `1e400`) is in no sum: it is no amount, or one beyond `largest_amount`, and sets its row
aside like any other that cannot be read.
"""

CONTENT = """\
A credit note is a row of its own, won, with its own id, day of closing and an amount below 0. It is no deal: from its
day on it lowers the amount of the deal it names, so the won amount is less in the quarter in which that deal was won,
the deal counts once, its size is what is left of it, and no rate or duration knows of the note; as of a day before, the
deal has its whole amount. Each stands in the account as used, and all are said once. One that names no won deal, or one
in another currency or won later, and notes of more than their deal's amount are set aside, as is any other amount below
0: where credit notes name no deal, nobody can say which quarter and partner they are of.
"""

FLAGS = """\
Won is won; lost, closed and not won, or not active is lost (abandoned or rejected where the value of the status says
so); not closed, or neither won nor lost, is open. A flag that is empty says nothing: then the value of the status
holds. A row whose flags contradict each other is set aside.
"""

THRESHOLDS = """\
From where on a fact is a signal: numbers above 0.
"""

LATER = """\
Keys that one may try for these are refused with the same words.
"""

COLUMNS = """\
Only `deals` must be there; what depends on a table or column that is not says so. • marks the columns a table needs.
What rests on a column: in bold the KPIs, then figures beside other KPIs, then whether one can break down by it.
"""


def page() -> str:
    """The whole page."""
    head = "\n".join(f"{key} = {value}" for key, value in HEAD.items())
    parts = [BEGIN.format(head=head, deals=DEALS)]
    parts += section("## `[book]`", "", OF_BOOK, "book")
    parts += ["## `[deals]` and every other table\n", TABLE]
    parts += section("### Where the rows come from", ROWS, OF_ROWS, "table")
    parts += section("### How the files are written", WRITING, OF_WRITING, "table")
    parts += section("### What columns and values are", CONTENT, OF_CONTENT, "table")
    parts += section("### `[deals.flags]`, and of leads", FLAGS, OF_FLAGS, "flags")
    parts += section("## `[source]`", SOURCE, OF_SOURCE, "source")
    parts += ["## `[thresholds]`\n", THRESHOLDS, thresholds(), *examples("thresholds")]
    parts += ["## Not in this version\n", LATER, "".join(f"- {one[0].upper()}{one[1:]}\n" for one in SENTENCES)]
    parts += ["## Tables and columns\n", COLUMNS, kinds_of_columns(), *tables()]
    return "\n".join(part for part in parts if part)


def section(title: str, prose: str, keys: Mapping[str, Key], of: str) -> Iterator[str]:
    """The keys of a section as a table, what is to be said of them all, and an example of each."""
    yield title + "\n"
    yield "| key | holds | meaning | without it |\n|---|---|---|---|"
    yield "\n".join(f"| `{key.name}` | {holds(key)} | {key.meaning} | {without(key)} |" for key in keys.values()) + "\n"
    yield prose
    for name in keys:
        yield from examples(f"{of}.{name}")


def holds(key: Key) -> str:
    """What a key holds, with the only values it may have."""
    if not key.allowed or key.holds.startswith("`"):
        return key.holds
    spaces = {"\u00a0": "a no-break space", "\u202f": "a narrow one"}
    return f"{key.holds}: " + ", ".join(spaces.get(value, f"`{value}`") for value in key.allowed)


def without(key: Key) -> str:
    """What holds where a key is not there."""
    return key.without or (f"`{as_toml(key.default)}`" if key.default else as_toml(key.default))


def as_toml(value: Any) -> str:
    """A default as book.toml writes it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def examples(of: str) -> Iterator[str]:
    """The example of a key, under its name."""
    for one in EXAMPLES:
        if one.of == of:
            yield f"#### `{one.key}`\n\n```toml\n{one.toml}\n```\n\n{files(one)}```python\n{one.shown}\n```\n"


def files(one: Example) -> str:
    """The files of an example, none where it reads that of all."""
    if one.files == {"deals.csv": DEALS}:
        return ""
    return "".join(f"{file(name)}:\n\n```csv\n{text}```\n\n" for name, text in one.files.items())


def file(name: str) -> str:
    """What a file is called."""
    name, _, part = name.partition("#")
    kind = "sheet" if name.endswith(".xlsx") else "table"
    return f"`{name}`, {kind} `{part}`" if part else f"`{name}`"


def thresholds() -> str:
    """The thresholds as a table."""
    lines = ["| key | default | at most | meaning |", "|---|---|---|---|"]
    for one in fields(Thresholds):
        most = f"{one.metadata['most']:g}".replace("inf", "")
        default = f"{one.default:.3g}" if isinstance(one.default, float | int) else ""
        lines.append(f"| `{one.name}` | {default} | {most} | {meanings()[one.name]} |")
    return "\n".join(lines) + "\n"


def kinds_of_columns() -> str:
    """What each kind of column holds, as the code says it, without pandas' types."""
    rows = re.findall(r"^\| (`\w+`) \| (.+?) \| .+ \|$", str(kinds.__doc__), flags=re.MULTILINE)
    return "\n".join(["| kind | holds |", "|---|---|", *(f"| {kind} | {what} |" for kind, what in rows)]) + "\n"


def tables() -> Iterator[str]:
    """Every table with its columns."""
    for table in TABLES.values():
        yield f"### {table.name}\n\n{table.meaning[0].upper()}{table.meaning[1:]}.\n"
        yield "| column | kind | meaning | what rests on it |\n|---|---|---|---|"
        yield "\n".join(line(table.name, column) for column in table.columns) + "\n"


def line(table: str, column: Column) -> str:
    """A column as a line of its table."""
    values = ": " + ", ".join(f"`{value}`" for value in column.values) if column.values else ""
    told = f"{column.meaning}{values}"
    return f"| {'• ' if column.required else ''}`{column.name}` | {column.kind} | {told} | {rests(table, column)} |"


def rests(table: str, column: Column) -> str:
    """The KPIs that rest on a column, the companion figures of the others, and whether one breaks down by it."""
    own = [kpi for kpi in KPIS if (table, column.name) in uses()[kpi]]
    beside = [one for kpi in KPIS if kpi not in own for one in kpi.companions if (table, column.name) in uses()[one]]
    parts = ["all KPIs"] if len(own) == len(KPIS) else [f"**{kpi.title}**" for kpi in own]
    parts += [one.title for one in beside]
    if column.level and not TABLES[table].about and table != "notes":
        parts.append(f"breakdown by {column.level}")
    if not parts and column.evidence and TABLES[table].money:
        parts.append("the rows behind figures")
    return ", ".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
