"""The document's room: each figure between its own two marks, with its table, verdict, picture and machine.

What stands outside the marks is written by hand and is left as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from measuring.drawing import drawn
from measuring.results import Figure, Verdict, slug_of


class NoPlace(Exception):
    """The document has no place for a figure; the text is a sentence."""


@dataclass(frozen=True)
class Page:
    """A document, and the folder beside it where its pictures are."""

    path: Path
    pictures: str = "pictures/bench"

    def check(self, keys: Iterable[str]) -> None:
        """Raises NoPlace unless each of these figures has its two marks, in their order."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        for key in keys:
            _place(text, slug_of(key), self.path.name)

    def put(self, figure: Figure, measured: str) -> None:
        """Write a figure in the place of its predecessor; `measured` says where, when and by what command."""
        picture = self.path.parent / self.pictures / f"{figure.slug}.svg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        _write(picture, drawn(figure))
        section = section_of(figure, f"{self.pictures}/{picture.name}", measured)
        _write(self.path, replaced(self.path.read_text(encoding="utf-8"), figure.slug, section, self.path.name))


def section_of(figure: Figure, picture: str, measured: str) -> str:
    """The figure as Markdown."""
    table = [_row(figure.columns), _row("---" for _ in figure.columns), *map(_row, figure.rows)]
    parts = [
        f"### {figure.key}: {figure.title}",
        "\n".join(table),
        "\n".join(f"- {told(verdict)}" for verdict in figure.verdicts),
        "\n".join(figure.notes),
        f"![{figure.key}: {figure.bars.unit}]({picture})",
        measured,
    ]
    return "\n\n".join(filter(None, parts))


def told(verdict: Verdict) -> str:
    """A verdict as a line of text."""
    outcome = "reached" if verdict.reached else "**not reached**"
    return f"{verdict.what}: {verdict.found} (goal {verdict.goal}): {outcome}"


def replaced(text: str, slug: str, section: str, name: str = "The document") -> str:
    """The text with another section between a figure's marks. Raises NoPlace."""
    begin, end = _place(text, slug, name)
    return f"{text[:begin]}\n\n{section}\n\n{text[end:]}"


def _place(text: str, slug: str, name: str) -> tuple[int, int]:
    """From behind the first mark to the second."""
    first, last = (f"<!-- {word} {slug} -->" for word in ("figure", "end of"))
    begin = text.find(first)
    end = text.find(last, begin)
    if begin < 0 or end < 0:
        raise NoPlace(f"{name} has no place for {slug}: the lines `{first}` and `{last}` mark it.")
    return begin + len(first), end


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
