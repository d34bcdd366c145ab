"""Pictures of a page, decoded: drawings read by the rules of XML, as browsers do, and PNG files by their parts.

What a drawing may be made of is what matplotlib makes it of. Whatever a picture holds besides is a reason not to
publish the page, and every text in it is read as if it stood in the page.
"""

from __future__ import annotations

import base64
import binascii
import re
from xml.parsers import expat

from partnerkpi.batch.markup import PICTURE, Block, Finding, Piece, Reading, check_style, words

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ELEMENTS = words("""
    svg g defs path use rect circle ellipse line polyline polygon text tspan title desc clipPath style marker pattern
    linearGradient radialGradient stop symbol image
""")
ATTRIBUTES = words("""
    id class d x y x1 y1 x2 y2 cx cy r rx ry dx dy fx fy width height viewBox version baseProfile transform points style
    type clip-path clip-rule clipPathUnits fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap
    stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color visibility font-family font-size
    font-style font-weight text-anchor dominant-baseline letter-spacing rotate gradientUnits gradientTransform
    spreadMethod offset stop-color stop-opacity patternUnits patternTransform patternContentUnits preserveAspectRatio
    markerWidth markerHeight markerUnits orient refX refY shape-rendering href
""")
#: Document types that declare nothing: public name and address.
DOCTYPES = ((None, None), ("-//W3C//DTD SVG 1.1//EN", "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"))
#: Ids matplotlib gives: `patch_1`, `matplotlib.axis_2`, or a hash.
OWN_ID = re.compile(r"[A-Za-z0-9.]+_[0-9]+|[A-Za-z][0-9a-f]{10}|[A-Za-z0-9_]*[0-9a-f]{10}")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Parts a PNG may be made of: in any other it could carry what nobody sees. `tEXt` is read as text.
PNG_PARTS = frozenset(b"IHDR PLTE tRNS gAMA cHRM sRGB pHYs sBIT bKGD tEXt IDAT IEND".split())


def read_pictures(page: Reading) -> None:
    """Read the pictures of a page; what is found in them is the page's."""
    for kind, encoded in page.pictures:
        picture = Reading()
        try:
            content = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            picture.refuse("data that cannot be decoded")
        else:
            (read_svg if kind == "svg+xml" else read_png)(content, picture)
        page.findings += [Finding(f.kind, f"in a picture, {f.text}") for f in picture.findings]
        page.described += [text for block in picture.blocks for text in block.texts()]
        page.unread += picture.unread


def read_svg(content: bytes, reading: Reading) -> None:
    """Read a drawing."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or b"\x00" in content:
        reading.refuse("another encoding than UTF-8")
        return
    drawing = _Drawing(reading)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.XmlDeclHandler = drawing.declare
    parser.StartDoctypeDeclHandler = drawing.declare_type
    parser.StartElementHandler = drawing.open
    parser.EndElementHandler = drawing.close
    parser.CharacterDataHandler = drawing.text
    parser.CommentHandler = reading.unread.append
    parser.ProcessingInstructionHandler = lambda name, _: reading.refuse(f"a processing instruction, {name[:40]!r}")
    parser.StartCdataSectionHandler = lambda: reading.refuse("a CDATA section")
    parser.SkippedEntityHandler = lambda name, _: reading.refuse(f"an entity nobody declared, {name[:40]!r}")
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, UnicodeDecodeError, LookupError):
        reading.refuse("a drawing that is not well-formed")


class _Drawing:
    """Notes what a parser meets in a drawing."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.path: list[str] = []

    def declare(self, version: str, encoding: str | None, _: int) -> None:
        if version != "1.0" or (encoding or "utf-8").lower() != "utf-8":
            self.reading.refuse("another encoding than UTF-8")

    def declare_type(self, name: str, address: str | None, public: str | None, internal: bool) -> None:
        if name != "svg" or internal or (public, address) not in DOCTYPES:
            self.reading.refuse("a document type of its own")
            raise expat.ExpatError  # what it declares is not even read

    def open(self, full_name: str, attributes: dict[str, str]) -> None:
        space, _, name = full_name.rpartition(" ")
        if space != SVG or name not in ELEMENTS:
            self.reading.refuse(f"element <{name[:40]}>")
        self.path.append(name)
        if name != "tspan":
            self.reading.blocks.append(Block(name))
        for attribute, value in attributes.items():
            self._attribute(name, attribute, value)

    def close(self, full_name: str) -> None:
        self.path.pop()
        if not full_name.endswith(" tspan"):
            self.reading.blocks.append(Block(next(reversed(self.path), "svg")))

    def text(self, text: str) -> None:
        if self.path[-1] == "style":
            check_style(text, self.reading, drawing=True)
            self.reading.unread.append(text)
        elif text.strip():
            self.reading.blocks[-1].pieces.append(Piece(text))

    def _attribute(self, element: str, full_name: str, value: str) -> None:
        space, _, name = full_name.rpartition(" ")
        if name not in ATTRIBUTES or space not in ("", XLINK) or (space == XLINK and name != "href"):
            self.reading.refuse(f"attribute {name[:40]}")
        if name not in ("style", "href") and not OWN_ID.fullmatch(value):
            self.reading.unread.append(value)
        if name != "href":
            check_style(value, self.reading, drawing=True)
        elif element == "image" and (picture := PICTURE.fullmatch(value)) and picture[1] == "png":
            read_png(base64.b64decode(picture[2]), self.reading)
        elif not value.startswith("#"):
            self.reading.refuse(f"a reference to {value[:60]!r}")


def read_png(content: bytes, reading: Reading) -> None:
    """Read the parts of a PNG file, up to its end and nothing behind it."""
    place, part = len(PNG_SIGNATURE), b""
    if not content.startswith(PNG_SIGNATURE):
        reading.refuse("data that are no PNG")
        return
    while place < len(content) and part != b"IEND":
        length, part = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        body = content[place + 8 : place + 8 + length]
        place += 12 + length
        if part not in PNG_PARTS:
            reading.refuse(f"a part {part!r}")
        if part == b"tEXt":
            reading.unread.append(body.decode("latin-1"))
    if part != b"IEND" or place != len(content):
        reading.refuse("data behind the end of a PNG, or a PNG without its end")
