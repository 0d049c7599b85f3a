"""Pieces of sentences about what a user wrote."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any


def guess(word: str, words: Sequence[str]) -> str:
    """Ask whether the nearest of some words was meant, if there is one."""
    near = difflib.get_close_matches(word, words, 1)
    return f"; did you mean '{near[0]}'?" if near else ""


def with_article(word: str) -> str:
    """Put the article before a word.

    Examples
    --------
    >>> with_article("kernel"), with_article("autoregression")
    ('a kernel', 'an autoregression')
    """
    return f"an {word}" if word[:1].lower() in tuple("aeiou") else f"a {word}"


def found(value: Any) -> str:
    """Say what a value is."""
    if isinstance(value, str):
        return f"the text '{shown(value)}'"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    words = {"None": "nothing", "True": "true", "False": "false"}
    return "a mapping" if isinstance(value, dict) else words.get(str(value), shown(str(value)))


def dotted(path: tuple[str | int, ...]) -> str:
    """Write the path of a key."""
    return ".".join(shown(str(step)) for step in path)


def shown(text: str, most: int = 60) -> str:
    """Return a text that can be printed, shortened."""
    text = text if len(text) <= most else text[:most] + "..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
