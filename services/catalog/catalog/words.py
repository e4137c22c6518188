"""The words' room: what of a product is searched, and what a search looks for.

A full-text index leaves out short words and, by default, common ones, which differ between servers and languages. Each
word is therefore kept with two more signs at its end: none is short then and none is common, and on MariaDB and MySQL
the same is found.
"""

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")
END = "__"
"""Underscores belong to a word for InnoDB's parser. With two of them a word has its least length of 3."""
LONGEST = 80
"""Signs of a word that count; InnoDB's own limit is 84."""
LONGEST_TEXT = 1000
"""A name and a SKU of single letters, each with its end and a space."""
SHORT = 2
"""A word that is no longer than this is looked for whole: as a beginning it would find half the catalogue."""


def words_of(text: str) -> list[str]:
    """The words of a text, each once, in small letters."""
    found = (word[:LONGEST] for word in WORD.findall(unicodedata.normalize("NFC", text).lower()))
    return list(dict.fromkeys(found))


def searched(name: str, sku: str | None) -> str:
    """What the full-text index keeps of a product."""
    text = " ".join(word + END for word in words_of(f"{name} {sku or ''}"))
    return text[:LONGEST_TEXT]


def wanted(search: str) -> str | None:
    """The search as an expression in boolean mode: all its words, as beginnings. None if there is no word in it."""
    words = words_of(search)
    return " ".join(f"+{word}{END}" if len(word) <= SHORT else f"+{word}*" for word in words) or None
