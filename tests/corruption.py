"""Ways to damage a file, at random: what happens to bytes, cells, lines and headers on their way."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from random import Random

Harm = Callable[[Random, bytes], bytes]


def _at(chance: Random, data: bytes) -> int:
    return chance.randrange(len(data)) if data else 0


def _place(chance: Random, data: bytes, *marks: bytes) -> int:
    """Where one of the marks stands, or anywhere where none does."""
    places = [m.start() for m in re.finditer(b"|".join(map(re.escape, marks)), data)]
    return chance.choice(places) if places else _at(chance, data)


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _put(data: bytes, at: int, piece: bytes, instead_of: int = 0) -> bytes:
    return data[:at] + piece + data[at + instead_of :]


def _piece(chance: Random, data: bytes) -> slice:
    start = _at(chance, data)
    return slice(start, start + chance.randrange(1, 90))


def _piece_becomes(chance: Random, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    place = _piece(chance, data)
    return data[: place.start] + change(data[place]) + data[place.stop :]


def _with_lines(change: Callable[[Random, list[bytes]], None]) -> Harm:
    def harm(chance: Random, data: bytes) -> bytes:
        lines = _lines(data)
        if len(lines) > 2:
            change(chance, lines)
        return b"".join(lines)

    return harm


def _with_header(change: Callable[[Random, list[bytes]], None]) -> Harm:
    def harm(chance: Random, data: bytes) -> bytes:
        head, _, rest = data.partition(b"\n")
        cells = head.split(b",")
        change(chance, cells)
        return b",".join(cells) + b"\n" + rest

    return harm


def _inserted(*pieces: bytes) -> Harm:
    return lambda chance, data: _put(data, _at(chance, data), chance.choice(pieces))


def _replaced(marks: tuple[bytes, ...], by: list[bytes]) -> Harm:
    return lambda chance, data: _put(data, _place(chance, data, *marks), chance.choice(by), 1)


def _lose_line(chance: Random, lines: list[bytes]) -> None:
    del lines[chance.randrange(1, len(lines))]


def _lose_lines(chance: Random, lines: list[bytes]) -> None:
    start = chance.randrange(1, len(lines))
    del lines[start : start + chance.randrange(1, 5)]


def _double_line(chance: Random, lines: list[bytes]) -> None:
    lines.insert(chance.randrange(1, len(lines)), chance.choice(lines[1:]))


def _cut_line(chance: Random, lines: list[bytes]) -> None:
    at = chance.randrange(len(lines))
    lines[at] = lines[at][: chance.randrange(len(lines[at]))] + chance.choice([b"\n", b""])


def _swap_tails(chance: Random, lines: list[bytes]) -> None:
    one, other = chance.sample(range(1, len(lines)), 2)
    cut, cut_other = chance.randrange(len(lines[one])), chance.randrange(len(lines[other]))
    if chance.random() < 0.5:  # at the same cell
        cells = chance.randrange(1, 4)
        cut, cut_other = (len(b",".join(lines[i].split(b",")[:cells])) for i in (one, other))
    lines[one], lines[other] = lines[one][:cut] + lines[other][cut_other:], lines[other][:cut_other] + lines[one][cut:]


def _swap_cells(chance: Random, lines: list[bytes]) -> None:
    at = chance.randrange(1, len(lines))
    cells = lines[at].rstrip(b"\n").split(b",")
    one, other = chance.sample(range(len(cells)), 2)
    cells[one], cells[other] = cells[other], cells[one]
    lines[at] = b",".join(cells) + b"\n"


def _shuffle(chance: Random, lines: list[bytes]) -> None:
    rows = lines[1:]
    chance.shuffle(rows)
    lines[1:] = rows


def _mix_ends(chance: Random, lines: list[bytes]) -> None:
    for at in chance.sample(range(len(lines)), len(lines) // 2):
        lines[at] = lines[at].rstrip(b"\n") + chance.choice([b"\r\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n"])


def _rename(chance: Random, cells: list[bytes]) -> None:
    at = chance.randrange(len(cells))
    word = cells[at]
    cells[at] = chance.choice([word.upper(), b" " + word, word[:-1], word + b"2", word.replace(b"_", b" "), b"", b"x"])


def _swap_header(chance: Random, cells: list[bytes]) -> None:
    one, other = chance.sample(range(len(cells)), 2)
    cells[one], cells[other] = cells[other], cells[one]


def _encode(chance: Random, data: bytes) -> bytes:
    text = data.decode()
    way = chance.choice(["utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "cp1250", "utf-32", "twice", "part"])
    if way == "twice":
        return text.encode().decode("cp1252", "ignore").encode()
    if way == "part":
        at = chance.randrange(len(text))
        return text[:at].encode() + text[at:].encode("cp1252", "replace")
    return text.encode(way, "replace")


HARMS: dict[str, Harm] = {
    "bit flipped": lambda chance, data: _flip(chance, data),
    "byte replaced": lambda chance, data: _put(data, _at(chance, data), chance.randbytes(1), 1),
    "byte lost": lambda chance, data: _put(data, _at(chance, data), b"", 1),
    "byte inserted": lambda chance, data: _put(data, _at(chance, data), chance.randbytes(1)),
    "sign replaced": lambda chance, data: _put(data, _at(chance, data), chance.choice("0123456789aZ.-").encode(), 1),
    "cut off": lambda chance, data: data[: _at(chance, data)],
    "cut off at a line": lambda chance, data: data[: data.rfind(b"\n", 0, _at(chance, data) + 1) + 1],
    "beginning lost": lambda chance, data: data[_at(chance, data) :],
    "piece lost": lambda chance, data: _piece_becomes(chance, data, lambda piece: b""),
    "piece twice": lambda chance, data: _put(data, _at(chance, data), data[_piece(chance, data)]),
    "piece over another": lambda chance, data: _piece_becomes(
        chance, data, lambda piece: data[(at := _at(chance, data)) : at + len(piece)]
    ),
    "piece blank": lambda chance, data: _piece_becomes(
        chance, data, lambda piece: chance.choice([b"\0", b" ", b"\xff"]) * len(piece)
    ),
    "line lost": _with_lines(_lose_line),
    "lines lost": _with_lines(_lose_lines),
    "line twice": _with_lines(_double_line),
    "line cut": _with_lines(_cut_line),
    "ends of lines exchanged": _with_lines(_swap_tails),
    "cells exchanged": _with_lines(_swap_cells),
    "lines shuffled": _with_lines(_shuffle),
    "line ends mixed": _with_lines(_mix_ends),
    "header again": _with_lines(lambda chance, lines: lines.insert(chance.randrange(1, len(lines)), lines[0])),
    "header lost": _with_lines(lambda chance, lines: lines.__delitem__(0)),
    "lines below": lambda chance, data: (
        data + chance.choice([b"Total,,,\n", b"\n\n", b"Total\n", b",,,,,,,\n", b"12 rows\n", b"\x1a"])
    ),
    "line end lost": _replaced((b"\n",), [b""]),
    "line end put in": _inserted(b"\n", b"\r", b"\r\n", b"\x0b", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8"),
    "quote put in": _inserted(b'"', b'""', b"'"),
    "quote at a cell's edge": lambda chance, data: _put(
        data, _place(chance, data, b",", b"\n") + chance.choice([0, 1]), b'"'
    ),
    "quote lost": _replaced((b'"',), [b""]),
    "quote twice": _replaced((b'"',), [b'""']),
    "delimiter twice": _replaced((b",",), [b",,"]),
    "delimiter lost": _replaced((b",",), [b""]),
    "delimiter is another": _replaced((b",",), [b";", b"\t", b"|", b"."]),
    "all delimiters another": lambda chance, data: data.replace(b",", chance.choice([b";", b"\t", b"|", b" "])),
    "delimiter at all ends": lambda chance, data: data.replace(b"\n", b",\n"),
    "point and comma": _replaced((b".",), [b","]),
    "NUL": _inserted(b"\0", b"\0\0\0\0"),
    "control character": _inserted(*(bytes([n]) for n in (1, 7, 8, 26, 27, 31, 127))),
    "mark of byte order": _inserted(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"),
    "mark at the beginning": lambda chance, data: b"\xef\xbb\xbf" * chance.choice([1, 2]) + data,
    "unseen character": _inserted(*(c.encode() for c in "\u200b\u00a0\u202e\u00ad\ufffd")),
    "look-alike": _inserted(*(c.encode() for c in "\u0430\uff10\u00b2\u0663\u2212\u2019")),
    "encoded otherwise": _encode,
    "header cell lost": _with_header(lambda chance, cells: cells.__delitem__(chance.randrange(len(cells)))),
    "header cell twice": _with_header(
        lambda chance, cells: cells.insert(chance.randrange(len(cells)), chance.choice(cells))
    ),
    "header cell renamed": _with_header(_rename),
    "header cells exchanged": _with_header(_swap_header),
    "nothing left": lambda chance, data: chance.choice([b"", b"\n", b"\r\n\r\n", b" ", data[: data.find(b"\n") + 1]]),
}

_RAW = ("bit flipped", "byte replaced", "byte lost", "byte inserted", "cut off", "beginning lost", "piece lost",
        "piece twice", "piece over another", "piece blank", "nothing left")  # fmt: skip


def _flip(chance: Random, data: bytes) -> bytes:
    at = _at(chance, data)
    return _put(data, at, bytes([data[at] ^ 1 << chance.randrange(8)]), 1) if data else data


def _inside_archive(harm: Harm) -> Harm:
    """The damage to one part of a workbook, packed again as if it were whole."""

    def inside(chance: Random, data: bytes) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
            parts = [n for n in source.namelist() if n.startswith("xl/")]
            hurt = chance.choice([*parts, *["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"] * 4])
            for name in source.namelist():
                data = harm(chance, source.read(name)) if name == hurt else source.read(name)
                made.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        return target.getvalue()

    return inside


def harms_of(form: str, target: str) -> dict[str, Harm]:
    """What can be done to the file that holds the table in this form."""
    if form == "csv" or (target != "deals" and form != "database"):
        return HARMS
    raw = {name: HARMS[name] for name in _RAW}
    if form == "workbook":
        return raw | {f"{name} in a part": _inside_archive(harm) for name, harm in raw.items()}
    return raw
