"""Float cells that one process counts in and another may read: the storage under the metrics.

A process with several workers keeps each worker's cells in a memory-mapped file, so that the parent reads
them at any moment and they outlive the worker, however it ended. Adding to a cell costs a tenth of a
microsecond, where `prometheus_client`'s multiprocess mode takes 1.6 (docs/adr has the measurement).
"""

from __future__ import annotations

import json
import mmap
import os
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CAPACITY: Final = 1 << 14
CELL_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Block:
    """Some cells next to each other, known by a name and label values."""

    name: str
    labels: tuple[str, ...]
    start: int
    length: int


class CellStore:
    """The cells of this process: in `folder` if given, else in memory.

    Attributes:
        cells: all cells, float64; fetch it anew for each use, since a forked child gets a set of its own.
        lock: hold it while adding, because `cells[i] += x` is not one step.
    """

    cells: memoryview[float] | list[float]
    lock: threading.Lock

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._blocks: dict[tuple[str, tuple[str, ...]], Block] = {}
        self._end = 0
        self._stem = ""
        self._open()
        reference = weakref.ref(self)

        def reopen() -> None:
            store = reference()
            if store is not None:
                store._open()

        os.register_at_fork(after_in_child=reopen)

    def block(self, name: str, labels: tuple[str, ...], length: int) -> int:
        """Where the block of `length` cells of that name and those labels starts; made at its first use.

        Raises:
            RuntimeError: there is no room for more blocks.
        """
        with self.lock:
            block = self._blocks.get((name, labels))
            if block is None:
                block = Block(name, labels, self._end, length)
                if block.start + length > CAPACITY:
                    raise RuntimeError(f"more than {CAPACITY} metric cells: too many label values of {name}")
                self._end += length
                self._blocks[name, labels] = block
                self._publish(block)
            return block.start

    def blocks(self) -> Iterator[tuple[Block, list[float]]]:
        """Every block with the values of its cells now."""
        for block in list(self._blocks.values()):
            yield block, list(self.cells[block.start : block.start + block.length])

    def _open(self) -> None:
        self.lock = threading.Lock()
        if self._folder is None:
            self.cells = [0.0] * CAPACITY
            return
        # A pid may come again, and the counts of the one who had it must stay.
        self._stem = f"{os.getpid()}-{time.monotonic_ns()}"
        with (self._folder / f"{self._stem}.cells").open("x+b") as file:
            # Reserved now, where a full disk is an error: later, writing to the map would be a SIGBUS.
            os.posix_fallocate(file.fileno(), 0, CAPACITY * CELL_BYTES)
            self.cells = memoryview(mmap.mmap(file.fileno(), CAPACITY * CELL_BYTES)).cast("d")
        for block in self._blocks.values():
            self._publish(block)

    def _publish(self, block: Block) -> None:
        if self._folder is not None:
            entry = [block.name, block.labels, block.start, block.length]
            with (self._folder / f"{self._stem}.index").open("a") as file:
                file.write(json.dumps(entry) + "\n")


def read_folder(folder: Path) -> Iterator[tuple[int, Block, list[float]]]:
    """Every block that any process has published in `folder`: its pid, the block and its values now."""
    for index in sorted(folder.glob("*.index")):
        pid = int(index.stem.partition("-")[0])
        blocks = [_parse(line) for line in index.read_text().splitlines(keepends=True) if line.endswith("\n")]
        end = max((block.start + block.length for block in blocks), default=0)
        with index.with_suffix(".cells").open("rb") as file:
            values = memoryview(file.read(end * CELL_BYTES)).cast("d")
        for block in blocks:
            yield pid, block, list(values[block.start : block.start + block.length])


def _parse(line: str) -> Block:
    name, labels, start, length = json.loads(line)
    return Block(name, tuple(labels), start, length)
