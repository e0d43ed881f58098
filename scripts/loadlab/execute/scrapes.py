"""The raw expositions of a bundle, with when and from whom they were read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from loadlab.errors import BundleError

MARK = "# scraped "
"""Begins an exposition; after it stands when it was read, and the pod's name where there are several."""
OLD_MARK = "# replica "
"""Began those of a stack's further replicas in bundles of before."""
ATTEMPT = re.compile(r"-t\d+")
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
    """Every exposition of a bundle's windows, of interrupted blocks too, in the order of the windows' names.

    Raises:
        BundleError: a file is not what the bundle's own program writes.
    """
    for path in sorted((folder / "scrapes").glob("*" + STACK_SUFFIX)):
        if path.name.endswith(GENERATOR_SUFFIX):
            yield from _pieces(path, GENERATOR)
        elif (window := folder / "windows" / f"{path.name.removesuffix(STACK_SUFFIX)}.json").exists():
            yield from _pieces(path, _labels(window))


def target_labels(job: str, pod: str) -> Mapping[str, str]:
    """What discovery puts on every series of a target, but the stack's name. A bundle keeps no addresses."""
    return {"job": job, "namespace": NAMESPACE, "pod": pod, "instance": pod}


GENERATOR = target_labels("locust", "locust-master")


def _labels(window: Path) -> Mapping[str, str]:
    """A stack's process on this machine goes by its block, because each block starts it fresh."""
    try:
        record = orjson.loads(window.read_bytes())
        stack, block = str(record["stack"]), int(record["block"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(f"{window}: damaged; the bundle is not whole, use another copy") from None
    attempt = ATTEMPT.search(window.stem)
    return {**target_labels("sut", f"{stack}-b{block:02d}{attempt.group() if attempt else ''}"), "stack": stack}


def _pieces(path: Path, labels: Mapping[str, str]) -> Iterator[Scrape]:
    for piece in path.read_text(errors="replace").split(MARK)[1:]:
        stamp, _, text = piece.partition("\n")
        when, _, pod = stamp.partition(" ")
        try:
            unix_s = float(when)
        except ValueError:
            raise BundleError(f"{path}: got {stamp!r} for a time; the file is damaged, use another copy") from None
        for number, replica in enumerate(text.split(OLD_MARK)):
            own = labels if not pod else {**labels, **target_labels(labels["job"], pod)}
            if number:
                own = {**labels, **target_labels(labels["job"], f"{own['pod']}-{number}")}
                replica = replica.partition("\n")[2]
            yield Scrape(unix_s=unix_s, labels=own, text=replica)
