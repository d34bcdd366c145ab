"""From an export nobody has seen to a book that check accepts: one init, and at most three edited lines."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from exports import EXPORTS, USD
from exports_odd import PARTNERS, SHAPES, Shape, deals

import partnerkpi as pk
from partnerkpi.cli import run
from partnerkpi.survey.draft import draft
from partnerkpi.survey.survey import survey

SECONDS = 120
EDITS = 3
RATE = 0.9  # EUR for a dollar, where a shape has both


@dataclass(frozen=True)
class Way:
    """How one came from a file to a book: how many lines were edited, and how long the commands took."""

    edits: int
    seconds: float
    exit_code: int
    text: str


def edited(folder: Path, edits: tuple[tuple[str, str], ...]) -> int:
    """Edit the draft as an analyst would: take the `# ` of a line away, or change a word in it; counts the lines."""
    path = folder / "book.toml"
    lines = path.read_text(encoding="utf-8").split("\n")
    for part, change in edits:
        at = [i for i, line in enumerate(lines) if line.startswith(part)]
        assert at, f"the draft has no line that begins with {part!r}"
        line = lines[at[0]].removeprefix("# ")
        old, _, new = change.partition(" -> ")
        assert old in line
        lines[at[0]] = line.replace(old, new) if new else line
    path.write_text("\n".join(lines), encoding="utf-8")
    return len(edits)


def way_to_a_book(folder: Path, edits: tuple[tuple[str, str], ...], capsys: pytest.CaptureFixture[str]) -> Way:
    """Run init --write and check, with the edits between."""
    begun = time.perf_counter()
    assert run(["init", str(folder), "--write"]) == 0
    many = edited(folder, edits)
    code = run(["check", str(folder)])
    return Way(many, time.perf_counter() - begun, code, capsys.readouterr().out)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_shape_is_a_book_after_one_init(shape: Shape, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape.write(tmp_path)
    way = way_to_a_book(tmp_path, shape.edits, capsys)
    assert way.exit_code == 0, way.text[-3_000:]
    assert way.edits <= EDITS
    assert way.seconds < SECONDS
    book, truth = pk.open_book(tmp_path), deals()
    by_status = {status: sum(d.status == status for d in truth) for status in ("won", "lost", "open")}
    counted = book.deals["status"].value_counts().to_dict()
    counted["lost"] = counted.get("lost", 0) + counted.pop("abandoned", 0)
    assert {status: counted.get(status, 0) for status in by_status} == by_status
    rate = {True: RATE, False: 1.0}
    won = sum(d.amount * rate[shape.name == "salesforce" and d.number % 9 == 0] for d in truth if d.status == "won")
    assert book.deals.loc[book.deals["status"] == "won", "amount"].sum() == pytest.approx(won, abs=1.0)
    assert set(book.deals["partner_id"].dropna()) == set(PARTNERS)
    ended = {d.closed.isoformat() for d in truth if d.status != "open"}
    assert {f"{day:%Y-%m-%d}" for day in book.deals["closed_on"].dropna()} == ended
    assert {f"{day:%Y-%m-%d}" for day in book.deals["created_on"]} == {d.created.isoformat() for d in truth}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_made_for_the_presets_are_recognised_and_read(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They were written by the presets' hand, and init was not made for them: it knows them by their labels alone."""
    export = EXPORTS[name]()
    (tmp_path / "export.csv").write_text(export.text, encoding="utf-8", newline="")
    found = survey([tmp_path])
    assert found.found.crm == export.preset
    needed = draft(found).needed
    edits: list[tuple[str, str]] = [("# currency", "")] if any("currency" in line for line in needed) else []
    if any("[rates]" in line for line in needed):
        edits += [("# [rates]", ""), ("# sql = ", f"1.0) -> {USD})")]
    way = way_to_a_book(tmp_path, tuple(edits), capsys)
    assert (way.exit_code, way.edits <= EDITS) == (0, True), way.text[-3_000:]
    book = pk.open_book(tmp_path)
    told = sorted(book.deals["status"].astype(str))
    assert told == sorted(deal.status for deal in export.deals)
    won = sum(d.amount * (USD if d.currency == "USD" else 1) for d in export.deals if d.status == "won")
    assert book.deals.loc[book.deals["status"] == "won", "amount"].sum() == pytest.approx(won)


def test_a_book_that_has_the_canonical_tables_is_of_no_crm(tmp_path: Path) -> None:
    folder = pk.write_sample(tmp_path / "book", partners=4, quarters=6)
    (folder / "book.toml").unlink()
    found = survey([folder])
    assert found.found.crm == ""
    assert {p.table for p in found.parts} == {p.sheet.path.stem for p in found.parts}
    assert run(["init", str(folder), "--write"]) == 0
    assert run(["check", str(folder)]) == 0


def test_damage_gives_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes flipped, lines cut, quotes and delimiters strewn in: init ends with a draft or a sentence."""
    draw = random.Random("granita")
    for number in range(120):
        shape = SHAPES[number % len(SHAPES)]
        folder = tmp_path / str(number)
        folder.mkdir()
        shape.write(folder)
        for path in folder.iterdir():
            data = bytearray(path.read_bytes())
            for _ in range(draw.choice((1, 3, 30))):
                at = draw.randrange(len(data))
                data[at : at + draw.choice((0, 1, 1, 40))] = draw.choice(
                    (b"", b'"', b",", b";", b"\n", b"\xff", b"\0", b"9")
                )
            path.write_bytes(bytes(data))
        assert run(["init", str(folder), *(["--write"] if number % 2 else [])]) in (0, 2, 4)
        assert "fault in partnerkpi" not in capsys.readouterr().err, (shape.name, number)
