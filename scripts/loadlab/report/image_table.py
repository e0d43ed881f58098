"""The table at the end of `make images`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from loadlab.units import format_bytes, format_s


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRow:
    """One image. Shared are the layers above the base that another image of the lab has too.

    shared_bytes: None when the engine does not tell the sizes of layers.
    """

    name: str
    tag: str
    is_new: bool
    took_s: float
    size_bytes: int
    above_base_bytes: int
    shared_layers: int
    shared_bytes: int | None


def print_images(rows: Sequence[ImageRow], *, base: str, python: str, console: Console) -> None:
    """One line an image: what was done, how large it is above its base, and what of that is shared."""
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "tag", ""):
        table.add_column(heading, no_wrap=True)
    for heading in ("took", "size", "above base", "of it shared"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *(row.name, row.tag, "built" if row.is_new else "unchanged", format_s(row.took_s)),
            *(format_bytes(row.size_bytes), format_bytes(row.above_base_bytes)),
            format_bytes(row.shared_bytes if row.shared_layers else 0),
        )
    console.print(f"base {base} ({python})", soft_wrap=True)
    console.print(table)
