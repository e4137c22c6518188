"""The marking room: what a workbook's reader does not tell, read from the sheet's own XML.

Cells whose formula came to an error, and formulas without a stored value, both look empty to the reader.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from functools import cache
from xml.parsers import expat
from zipfile import ZipFile, ZipInfo

READ = 256 * 1024
WORTH_IT = re.compile(rb"<(?:\w+:)?f[\s/>]|\st\s*=\s*[\"']e[\"']")
"""A formula, or an error; a sheet with neither need not be looked at closely."""
OVERLAP = 64
PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")

Attributes = Mapping[str, str]


class Refused(Exception):
    """A file that is not taken: a code for programs and a sentence."""

    EXIT = 3
    """The exit code of the process that refuses it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class NotSound(Exception):
    """A workbook that is not made as one."""


def part_of_sheet(archive: ZipFile, number: int) -> ZipInfo:
    """The part of the archive in which this sheet is. Raises NotSound."""
    try:
        workbook = next(path for kind, path in _links(archive, "").values() if kind.endswith("/officeDocument"))
        link = _sheets(archive, archive.getinfo(workbook))[number]
        return archive.getinfo(_links(archive, workbook)[link][1])
    except (KeyError, IndexError, StopIteration):
        raise NotSound("a part is named that is not there") from None


def _links(archive: ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """What a part, or the archive, names other parts by: their kinds and paths."""
    folder, name = posixpath.split(part)
    links: dict[str, tuple[str, str]] = {}

    def enter(element: str, attributes: Attributes) -> None:
        if _local(element) == "Relationship":
            path = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
            links[attributes.get("Id", "")] = attributes.get("Type", ""), path.lstrip("/")

    _parse(archive, archive.getinfo(posixpath.join(folder, "_rels", f"{name}.rels")), enter)
    return links


def _sheets(archive: ZipFile, workbook: ZipInfo) -> list[str]:
    """The links of the workbook's sheets, in their order."""
    sheets: list[str] = []

    def enter(element: str, attributes: Attributes) -> None:
        if _local(element) == "sheet":
            sheets.append(next((value for key, value in attributes.items() if key.endswith(" id")), ""))

    _parse(archive, workbook, enter)
    return sheets


def failed_cells(archive: ZipFile, part: ZipInfo) -> dict[tuple[int, int], str]:
    """The texts of errors by row and column, from 0. Raises Refused for a formula without a stored value, NotSound."""
    if not _is_worth_it(archive, part):
        return {}
    marks = _Marks()
    _parse(archive, part, marks.begin, marks.end, marks.text)
    return marks.failed


def _is_worth_it(archive: ZipFile, part: ZipInfo) -> bool:
    with archive.open(part) as file:
        before = b""
        while piece := file.read(READ):
            if WORTH_IT.search(before + piece):
                return True
            before = piece[-OVERLAP:]
    return False


def _parse(
    archive: ZipFile,
    part: ZipInfo,
    begin: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Tell of the part's elements. A document that declares anything is refused."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        with archive.open(part) as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise NotSound(f"{part.filename}: {error}") from None


@cache
def _local(element: str) -> str:
    """An element's name without its namespace."""
    return element.rpartition(" ")[2]


def _refuse(*_: object) -> None:
    raise NotSound("a part declares a document type")


class _Marks:
    """Looks at a sheet's cells as they pass by."""

    def __init__(self) -> None:
        self.failed: dict[tuple[int, int], str] = {}
        self._row = self._column = -1
        self._type = ""
        self._formula = self._in_value = False
        self._value = ""

    def begin(self, element: str, attributes: Attributes) -> None:
        name = _local(element)
        if name == "c":
            self._place(attributes.get("r", ""))
            self._type = attributes.get("t", "")
            self._formula = False
            self._value = ""
        elif name == "v":
            self._in_value = True
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._row = int(attributes["r"]) - 1 if attributes.get("r", "").isdecimal() else self._row + 1
            self._column = -1

    def end(self, element: str) -> None:
        name = _local(element)
        if name == "v":
            self._in_value = False
        elif name == "c":
            self._look()

    def _look(self) -> None:
        """At a cell that is complete."""
        if self._type == "e":
            self.failed[self._row, self._column] = self._value
        elif self._formula and not self._value and self._type != "str":
            raise Refused(
                "formulas_without_values",
                f"the formula in row {self._row + 1}, column {self._column + 1} has no stored value; "
                "open the file in a spreadsheet program, save it and send it again",
            )

    def text(self, text: str) -> None:
        if self._in_value:
            self._value += text

    def _place(self, place: str) -> None:
        match = PLACE.fullmatch(place)
        if match is None:
            self._column += 1
            return
        self._row = int(match[2]) - 1
        self._column = 0
        for letter in match[1]:
            self._column = self._column * 26 + ord(letter) - 64
        self._column -= 1
