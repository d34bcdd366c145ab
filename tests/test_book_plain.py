"""Plain files are read by another reader than odd ones: whatever a file holds, both must say the same of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from corruption import HARMS
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from partnerkpi.book import delimited, plain
from partnerkpi.book.delimited import read_file
from partnerkpi.book.sources import RawTable

ROWS = 40
CELLS = ("", "007", "NA", "a b", " x ", "1,5", "Müller", "\u20ac 5", "=1+1", "2025-01-05", "null", "\u200b", "O'Neil")
Read = Callable[[Path], RawTable]


def both(path: Path, encoding: str = "utf-8", mark: str = ",", above: int = 0) -> tuple[RawTable, RawTable, bool]:
    """What either way of reading gives, and whether the file was plain."""

    def read(quick: bool) -> tuple[RawTable, bool]:
        taken = []

        def plainly(*args: object, coded: bool) -> bool:
            taken.append(quick and plain.read_plain(*args, coded=coded))  # type: ignore[arg-type]
            return taken[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delimited, "read_plain", plainly)
            return read_file(path, path.name, encoding, mark, lambda header: header[:-1], (above, 0), coded=True), any(
                taken
            )

    (quick, was_plain), (strict, _) = read(quick=True), read(quick=False)
    return quick, strict, was_plain


def same(quick: RawTable, strict: RawTable) -> None:
    assert_frame_equal(quick.text.astype("str"), strict.text, check_column_type=False)
    assert (quick.record.tolist(), quick.line.tolist()) == (strict.record.tolist(), strict.line.tolist())
    empty = np.empty(0, np.int64)
    bare = [replace(raw, text=strict.text, record=empty, line=empty) for raw in (quick, strict)]
    assert repr(bare[0]) == repr(bare[1])


@pytest.fixture(params=[48, 1 << 20])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Blocks of one line or two, and blocks larger than the file."""
    monkeypatch.setattr(plain, "_BLOCK", request.param)
    return request.param


def sound(chance: Random, mark: str = ",") -> str:
    lines = ["id,name,amount,day,rest"]
    for number in range(ROWS):
        cells = [f"D-{number}", *(chance.choice(CELLS).replace(",", ".") for _ in range(4))]
        lines.append(",".join(cells))
    return "\n".join(lines).replace(",", mark) + "\n"


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_file_is_read_alike(harm: str, block: int, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for number in range(12):
        chance = Random(f"plain {harm} {number}")
        data = sound(chance).encode()
        path.write_bytes(HARMS[harm](chance, data))
        quick, strict, _ = both(path)
        same(quick, strict)


@given(st.text(alphabet='ab,;"\n\r\u00e4\u2028\x0b\x1c\ufeff ', max_size=60), st.sampled_from(["utf-8", "utf-16"]))
def test_any_text_is_read_alike(tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str) -> None:
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_bytes(("a,b,c\n" + text).encode(encoding))
    quick, strict, _ = both(path, encoding)
    same(quick, strict)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|", "\u00a6"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_what_is_plain_and_what_is_not(encoding: str, mark: str, ends: str, block: int, tmp_path: Path) -> None:
    chance = Random(f"{encoding} {mark}")
    text = ("report" + "\n" + sound(chance, mark)).replace("\n", ends)
    path = tmp_path / "x.csv"
    data = text.replace("\u200b", "").replace("\u20ac", "E").encode(encoding)
    path.write_bytes(data)
    quick, strict, was_plain = both(path, encoding.removesuffix("-sig"), mark, above=1)
    same(quick, strict)
    assert len(quick.text) == (ROWS if not quick.problems else 0)
    assert was_plain == (encoding != "utf-16" and ends != "\r" and mark.isascii())


@pytest.mark.parametrize("length", [60_000, 131_072, 131_073, 300_000])
def test_a_cell_may_be_so_long_and_no_longer(length: int, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"a,b,c\n1,2,3\n4,{'x' * length},6\n7,8,9\n", encoding="utf-8")
    quick, strict, _ = both(path)
    same(quick, strict)
    assert bool(quick.problems) == (length > 131_072)
