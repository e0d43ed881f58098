"""The name that somebody most likely meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``name`` by shared runs of letters (case left aside), or None if none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[found[0]] if found else None


def suggestion(name: str, known: Iterable[str], noun: str = "one") -> str:
    """``the nearest known NOUN is X (known: ...)`` for an error message; all known names where none is close."""
    names = sorted(known)
    close = nearest(name, names)
    listed = f"known: {', '.join(names)}" if names else f"no {noun} is known"
    return listed if close is None else f"the nearest known {noun} is {close} ({listed})"
