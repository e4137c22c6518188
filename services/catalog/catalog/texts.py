"""The texts' room: an uploaded file as the UTF-8 text that it must be, or what it looks like instead."""

import codecs
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from catalog.lines import LONGEST_ROW
from common.errors import Invalid

READ = 64 * 1024
HEAD = 4096
NEWLINE = b"\n"
WORKBOOK = "a ZIP archive such as an Excel workbook; name it .xlsx or send it with the media type of one"
LOOKS = {
    codecs.BOM_UTF32_LE: "UTF-32 text",
    codecs.BOM_UTF16_LE: "UTF-16 text, which Excel calls Unicode",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK\x03\x04": WORKBOOK,
    b"\xd0\xcf\x11\xe0": "an Excel workbook of the older kind (.xls)",
    b"\x1f\x8b": "a file packed with gzip",
    b"%PDF": "a PDF",
}
"""What files begin with that are sent for text by mistake."""


def open_text(path: Path) -> TextIO:
    """The file as text, its line ends as they are, without a byte order mark."""
    return path.open(encoding="utf-8-sig", newline="")


def lines_in(file: TextIO) -> Iterator[str]:
    """The file's lines; of one that is too long for a row as much as a row may have."""
    while line := file.readline(LONGEST_ROW):
        yield line
        while len(line) == LONGEST_ROW and line[-1] not in "\r\n":
            line = file.readline(LONGEST_ROW)


def read_through(path: Path) -> str:
    """The SHA-256 of a file that is UTF-8 text. Raises Invalid for any other."""
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as file:
        for piece in _pieces(file):
            digest.update(piece)
            _decode(decoder, piece, line)
            _refuse_nul(piece, line)
            line += piece.count(NEWLINE)
    _decode(decoder, b"", line)
    return digest.hexdigest()


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The file a piece at a time. Raises Invalid for one that begins like no text."""
    piece = file.read(READ)
    for mark, what in LOOKS.items():
        if piece.startswith(mark):
            raise _not_utf8(f"it looks like {what}")
    while piece:
        yield piece
        piece = file.read(READ)


def _decode(decoder: codecs.IncrementalDecoder, piece: bytes, line: int) -> None:
    try:
        decoder.decode(piece, final=not piece)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(NEWLINE)
        byte = f"{error.object[error.start]:02X}"
        raise _not_utf8(f"line {line} holds the byte {byte}; it looks like Windows-1252 (Latin-1)") from None


def _refuse_nul(piece: bytes, line: int) -> None:
    at = piece.find(0)
    if at < 0:
        return
    if piece[:HEAD].count(0) * 3 > len(piece[:HEAD]):
        raise _not_utf8("it looks like UTF-16 text")
    raise Invalid(f"line {line + piece.count(NEWLINE, 0, at)} holds a NUL byte", code="nul_byte")


def _not_utf8(why: str) -> Invalid:
    return Invalid(f"the file is not UTF-8 text: {why}; save it as UTF-8 and send it again", code="not_utf8")
