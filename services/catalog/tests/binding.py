"""Workbooks for the tests: as a program writes them, by hand, and as nobody should."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import xlsxwriter

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>'
    '<sheet name="Products" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{LINKS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
SHEET_PART = "xl/worksheets/sheet1.xml"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>sku</t></is></c><c r="B1" t="inlineStr"><is><t>stock</t></is></c></row>'
)
ZEROS = b"0" * 1024 * 1024


def by_program(file: Path, *rows: list[Any]) -> Path:
    """A workbook as a program writes it."""
    with xlsxwriter.Workbook(file) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file


def by_hand(file: Path, rows: str, **parts: str) -> Path:
    """A workbook whose sheet is this XML, under a header; other parts can be put in the place of the usual ones."""
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}{rows}</sheetData></worksheet>'
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (PARTS | {SHEET_PART: sheet} | parts).items():
            archive.writestr(name, text)
    return file


def bomb(file: Path, megabytes: int, part: str = SHEET_PART) -> Path:
    """A workbook with a part of a few packed bytes that unpack to so much."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in PARTS.items():
            archive.writestr(name, text)
        with archive.open(part, "w") as filled:
            filled.write(f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}<row><c t="str"><v>'.encode())
            for _ in range(megabytes):
                filled.write(ZEROS)
            filled.write(b"</v></c></row></sheetData></worksheet>")
    return file


def lie(file: Path, part: str, size: int) -> Path:
    """Let the archive say of a part that it unpacks to so many bytes."""
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        begin = archive.getinfo(part).header_offset
    entry = content.rindex(part.encode())
    struct.pack_into("<L", content, entry - 46 + 24, size)
    struct.pack_into("<L", content, begin + 22, size)
    file.write_bytes(content)
    return file
