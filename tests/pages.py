"""Pages and pictures made for the tests of the gate."""

from __future__ import annotations

import base64
import struct
import zlib

from markupsafe import Markup

from partnerkpi.batch.gate import findings
from partnerkpi.batch.page import Bound, Foot, Heading, partner_page

FOOT = Foot(
    "Book", "2025-12-31", "Europe/Paris", "deals: 2 rows read = 2 used + 0 out of scope + 0 set aside", "Python"
)
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def made(html: str = "<p>text</p>", name: str = "Rheinwerk", partner: str = "P-003") -> bytes:
    """A partner's page with one chapter of this HTML."""
    heading = Heading(name, partner, "2025Q4", "2025-10-01 to 2025-12-31")
    bound = Bound("close-rate", "Close rate", Markup(html))
    return partner_page(heading, Bound("review", "Review", Markup()), [bound], FOOT)


def image(kind: str, content: bytes, alt: str = "a picture") -> str:
    return f'<img src="data:image/{kind};base64,{base64.b64encode(content).decode()}" alt="{alt}">'


def svg(inside: str, attributes: str = "", before: str = "", alt: str = "a picture") -> str:
    return image("svg+xml", f"{before}<svg {NAMESPACE} {XLINK} {attributes}>{inside}</svg>".encode(), alt)


def part(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*parts: bytes, behind: bytes = b"") -> bytes:
    header = part(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    dot = part(b"IDAT", zlib.compress(b"\x00\x00"))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(parts) + dot + part(b"IEND") + behind


PNG = image("png", png())


def kinds(html: str) -> set[str]:
    return {finding.kind for finding in findings(made(html))}


def said(page: bytes, **known: str) -> str:
    return "; ".join(map(str, findings(page, **known)))
