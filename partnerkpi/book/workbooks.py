"""What stands in the parts of an .xlsx file itself: its sheets, how large they grow, and cells that hold no value.

A reader of values alone takes an error for an empty cell, and so it does with a formula that was never computed; it
also makes room for every cell up to the last one, however far away that is. So the parts are looked through first.
Nothing is computed, and links to other files and macros are never followed.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import join, normpath
from xml.etree import ElementTree
from xml.parsers import expat

from partnerkpi.book.sources import most

MB = 1 << 20
_BLOCK = MB
_MOST_MB, _MOST_CELLS = 512, 25_000_000
_SMALL, _GROWTH = 32 * MB, 100  # what is small may grow as it likes; an honest sheet grows ten or twentyfold
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PLAIN = re.compile(rb'<c r="([A-Z]{1,3})')
_COLUMNS = re.compile(rb"<(?:\w+:)?c\s(?:[^>]*?\s)?r=[\"']([A-Z]{1,3})[0-9]+[\"']")
_ROWS = re.compile(rb"<(?:\w+:)?row\s(?:[^>]*?\s)?r=[\"']([0-9]{1,9})[\"']")
_ROW = re.compile(rb"<(?:\w+:)?row\b")
_END = re.compile(rb"</(?:\w+:)?row>")
_HIDDEN = re.compile(rb"<(?:\w+:)?row\s[^>]*?hidden=[\"'](?:1|true)[\"']")
_ERROR = re.compile(
    rb"<(?:\w+:)?c\b([^>]*?\st=[\"']e[\"'][^>]*)>(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]*)<", re.DOTALL
)
_UNSET = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)[\"']")
_PLACE = re.compile(rb"\sr=[\"']([A-Z]{1,3})([0-9]{1,9})[\"']")


class Damaged(Exception):
    """The file cannot be read, or must not be; the message says why."""


@dataclass(frozen=True)
class Spot:
    """A cell: its row and column, both from 1 (0 where the file does not say), and what stands there."""

    row: int
    column: int
    value: str = ""

    def __str__(self) -> str:
        return f"{letters(self.column)}{self.row}" if self.row else "?"


@dataclass
class Look:
    """What was seen of a sheet: its extent, errors, formulas without a value, merged cells, how many hidden rows."""

    rows: int = 0
    columns: int = 0
    errors: list[Spot] = field(default_factory=list)
    unset: list[Spot] = field(default_factory=list)
    merged: list[tuple[Spot, Spot]] = field(default_factory=list)
    hidden: int = 0


def visible_sheets(archive: zipfile.ZipFile) -> dict[str, str]:
    """The names of the sheets one can see, each with its part of the file.

    Raises:
        Damaged: there are none, or the file has not the parts it must have.
    """
    targets = {
        str(e.get("Id")): normpath(join("xl", str(e.get("Target"))).removeprefix("xl//"))
        for e in _tree(archive, "xl/_rels/workbook.xml.rels")
        if str(e.get("Type")).endswith("/worksheet")
    }
    sheets = {}
    for element in _tree(archive, "xl/workbook.xml").iter():
        if element.tag.endswith("}sheet") and element.get("state", "visible") == "visible":
            part = targets.get(str(element.get(_RELATION)), "").removeprefix("/")
            if part:
                sheets[str(element.get("name"))] = part
    if not sheets:
        raise Damaged("the file has no sheet with cells that one can see")
    return sheets


def look_through(archive: zipfile.ZipFile, part: str, size: int) -> Look:
    """What stands in a sheet, read in blocks and never held whole.

    Args:
        archive: the opened file.
        part: the sheet's part of it.
        size: how many bytes the file has.

    Raises:
        Damaged: the sheet is larger than allowed, or damaged.
    """
    others = [n for n in archive.namelist() if n in ("xl/sharedStrings.xml", "xl/styles.xml")]
    whole = sum(_info(archive, name).file_size for name in [part, *others])
    said = os.environ.get("PARTNERKPI_MOST_MB", "")
    allowed = most("PARTNERKPI_MOST_MB", _MOST_MB) * MB
    if whole > allowed or (not said and whole > max(_SMALL, _GROWTH * size)):
        raise Damaged(
            f"unpacked, the {size / MB:,.1f} MB of the file grow to {whole / MB:,.0f} MB, more than is read unasked. "
            f"If it is right, set PARTNERKPI_MOST_MB={whole // MB + 1} in the environment"
        )
    for name in others:  # what is longer than it says, or not what was packed, shows while it is read
        for _ in _blocks(archive, name):
            pass
    look = Look()
    rest = b""
    for block in _blocks(archive, part):
        xml = rest + block
        end = xml.rfind(b"</row>") + 1 or _last_end(xml)
        whole_rows, rest = xml[:end], xml[end:]
        if len(rest) > _SMALL:
            raise Damaged("the sheet has a single row that is larger than any table's")
        _note(look, whole_rows)
    _note(look, rest)
    cells = look.rows * look.columns
    if cells > (allowed := most("PARTNERKPI_MOST_CELLS", _MOST_CELLS)):
        raise Damaged(
            f"the sheet reaches to {Spot(look.rows, look.columns)}, {cells:,} cells, more than the {allowed:,} that "
            "are read unasked. Delete what stands far from the table, or set PARTNERKPI_MOST_CELLS in the environment"
        )
    return look


def letters(column: int) -> str:
    """The name of a column: A, B … Z, AA …

    >>> letters(1), letters(28), letters(16384)
    ('A', 'AB', 'XFD')
    """
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def _number(name: bytes) -> int:
    number = 0
    for letter in name:
        number = 26 * number + letter - 64
    return number


def _note(look: Look, xml: bytes) -> None:
    """Take in a piece of the sheet that ends with a row; a search is only made where it can find something."""
    many = _count(xml, b"c")
    columns = _PLAIN.findall(xml)
    if len(columns) < many:
        columns = _COLUMNS.findall(xml)
    look.columns = max(look.columns, *map(_number, set(columns)), 0)
    if len(columns) < many:  # cells that do not say where they stand follow each other
        look.columns = max(look.columns, *(_count(row, b"c") for row in _ROW.split(xml)))
    rows = [int(n) for n in _ROWS.findall(xml)]
    many = _count(xml, b"row")
    look.rows = max(*rows, look.rows + many if len(rows) < many else 0, look.rows)
    if b"hidden=" in xml:
        look.hidden += len(_HIDDEN.findall(xml))
    if b't="e"' in xml or b"t='e'" in xml:
        look.errors += [_spot(head, value.decode("utf-8", "replace")) for head, value in _ERROR.findall(xml)]
    if b"<f" in xml or b":f" in xml:
        for head, empty in _UNSET.findall(xml):
            if not (empty and re.search(rb"\st=[\"']str[\"']", head)):  # a formula may well give the empty text
                look.unset.append(_spot(head))
    if b"mergeCell" in xml:
        for one, first, other, last in _MERGED.findall(xml):
            look.merged.append((Spot(int(first), _number(one)), Spot(int(last), _number(other))))


def _last_end(xml: bytes) -> int:
    """Where the last row ends whose tag has a prefix; 0 where none ends."""
    return max((found.end() for found in _END.finditer(xml)), default=0)


def _count(xml: bytes, tag: bytes) -> int:
    """At least how often the tag is opened, with or without a prefix."""
    return sum(xml.count(before + tag + after) for before in (b"<", b":") for after in (b" ", b">", b"/"))


def _spot(head: bytes, value: str = "") -> Spot:
    place = _PLACE.search(head)
    return Spot(int(place[2]), _number(place[1]), value) if place else Spot(0, 0, value)


def _info(archive: zipfile.ZipFile, part: str) -> zipfile.ZipInfo:
    if archive.namelist().count(part) != 1:
        raise Damaged("the file is no workbook of the kind .xlsx: a part of it is missing, or there twice")
    return archive.getinfo(part)


def _blocks(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The unpacked part in pieces; never more than it says it has, exactly what was packed, and whole as XML.

    The reader of values is lenient: of broken tags it makes other cells.
    """
    parser = expat.ParserCreate()
    try:
        with archive.open(_info(archive, part)) as source:
            first = True
            while block := source.read(_BLOCK):
                if first and (b"<!DOCTYPE" in block or b"\0" in block[:200]):
                    raise Damaged("the file has a part that no spreadsheet writes: definitions of its own, or UTF-16")
                first = False
                parser.Parse(block, False)
                yield block
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise Damaged("the file is damaged: a part of it is no XML") from error
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise Damaged("the file is damaged: what was packed into it does not come out again") from error


def _tree(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    if _info(archive, part).file_size > _SMALL:
        raise Damaged("the list of its sheets is larger than any workbook's")
    try:
        return ElementTree.fromstring(b"".join(_blocks(archive, part)))
    except ElementTree.ParseError as error:
        raise Damaged("the file is damaged: the list of its sheets cannot be read") from error
