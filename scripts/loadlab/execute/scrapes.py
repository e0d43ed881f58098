"""The raw expositions of a bundle, with when and from whom they were read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from loadlab.errors import BundleError

MARK = "# scraped "
GENERATOR_SUFFIX = ".generator.om"
STACK_SUFFIX = ".om"
NAMESPACE = "loadlab"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scrape:
    """One exposition. labels: what discovery puts on every series of that target."""

    unix_s: float
    labels: Mapping[str, str]
    text: str


def read_scrapes(folder: Path) -> Iterator[Scrape]:
    """Every exposition of a bundle, of interrupted blocks too, in the order of the windows' names.

    Raises:
        BundleError: a file is not what the bundle's own program writes.
    """
    for path in sorted((folder / "scrapes").glob("*" + STACK_SUFFIX)):
        yield from _pieces(path, _labels(folder, path))


def _labels(folder: Path, path: Path) -> Mapping[str, str]:
    if path.name.endswith(GENERATOR_SUFFIX):
        return {"job": "locust", "namespace": NAMESPACE, "pod": "locust-master"}
    window = folder / "windows" / f"{path.name.removesuffix(STACK_SUFFIX)}.json"
    try:
        stack = str(orjson.loads(window.read_bytes())["stack"])
    except (OSError, ValueError, KeyError):
        raise BundleError(
            f"{path}: its window {window.name} is missing or damaged; the bundle is not whole, use another copy"
        ) from None
    return {"job": "sut", "namespace": NAMESPACE, "stack": stack}


def _pieces(path: Path, labels: Mapping[str, str]) -> Iterator[Scrape]:
    for piece in path.read_text(errors="replace").split(MARK)[1:]:
        stamp, _, text = piece.partition("\n")
        when, _, pod = stamp.partition(" ")
        try:
            unix_s = float(when)
        except ValueError:
            raise BundleError(f"{path}: got {stamp!r} for a time; the file is damaged, use another copy") from None
        yield Scrape(
            unix_s=unix_s, labels={**labels, "pod": pod or labels.get("pod", labels.get("stack", ""))}, text=text
        )
