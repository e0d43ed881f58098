"""Generated text in a page that people write: between two marks."""

from __future__ import annotations

from pathlib import Path


def marks(name: str) -> tuple[str, str]:
    """Where the text of this name begins and ends."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def write_marked(page: Path, name: str, text: str) -> None:
    """Put the text between the page's marks of this name; everything else stays.

    Raises:
        ValueError: the page lacks the marks.
    """
    begin, end = marks(name)
    head, _, tail = _parts(page, name)
    page.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")


def read_marked(page: Path, name: str) -> str:
    """The text between the page's marks of this name. Raises ValueError for a page without them."""
    return _parts(page, name)[1].removeprefix("\n").removesuffix("\n")


def _parts(page: Path, name: str) -> tuple[str, str, str]:
    """What stands before, between and after the marks."""
    begin, end = marks(name)
    head, has_begin, rest = page.read_text(encoding="utf-8").partition(begin)
    text, has_end, tail = rest.partition(end)
    if not has_begin or not has_end:
        raise ValueError(f"{page}: lacks the marks {begin} and {end}")
    return head, text, tail
