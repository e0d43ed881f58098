"""Faults drawn from a seed: what is hit, how, and at which moment of a short run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

Victim = Literal[
    "engine",
    "locust worker",
    "locust master",
    "gunicorn parent",
    "gunicorn child",
    "uvicorn",
    "upstream",
    "disk",
    "clock",
]
Blow = Literal["SIGKILL", "SIGSTOP for 3 s", "SIGTERM", "full", "moved"]

PROCESSES: tuple[Victim, ...] = (
    "engine", "locust worker", "locust master", "gunicorn parent", "gunicorn child", "uvicorn", "upstream",
)  # fmt: skip
SIGNALS: tuple[Blow, ...] = ("SIGKILL", "SIGSTOP for 3 s", "SIGTERM")
DELAY_MAX_S = 1.5
AFTER_MOST_RATIO = 0.75
"""Two windows are left then, which are longer than the delay: everything that is to be hit is still there."""
TO_THE_END: tuple[Victim, ...] = ("engine", "disk")
"""Hit in every second round when all is measured, while the run is analysed and its report written."""
END_DELAY_MAX_S = 0.3
DISK_BYTES = (300, 0, 2_000, 20_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One case. It strikes ``delay_s`` after the run has come to ``after_ratio`` of a clean run's milestones.

    clock_s: how far the wall clock jumps, where it is moved. disk_bytes: to which size files can grow, where the disk
    is full: a write is cut in its middle.
    """

    number: int
    victim: Victim
    blow: Blow
    after_ratio: float
    delay_s: float
    clock_s: float
    disk_bytes: int

    @property
    def id(self) -> str:
        """Such as "07 uvicorn SIGKILL"."""
        return f"{self.number:02d} {self.victim} {self.blow}"


def draw(count: int, seed: int) -> Sequence[Fault]:
    """The disk fills, the clock moves, and every process gets every signal, in turn; moments are random.

    The same arguments give the same cases; fewer are the first of more.
    """
    random = Random(seed)
    first: list[tuple[Victim, Blow]] = [("disk", "full"), ("clock", "moved")]
    kinds = [*first, *itertools.product(PROCESSES, SIGNALS)]
    faults = []
    for number, (victim, blow) in zip(range(count), itertools.cycle(kinds), strict=False):
        fault = Fault(
            number=number,
            victim=victim,
            blow=blow,
            after_ratio=random.uniform(0.0, AFTER_MOST_RATIO),
            delay_s=random.uniform(0.0, DELAY_MAX_S),
            clock_s=random.choice((-1, 1)) * random.choice((0.7, 30.0, 3600.0)),
            disk_bytes=DISK_BYTES[number // len(kinds) % len(DISK_BYTES)],
        )
        if victim in TO_THE_END and number // len(kinds) % 2:
            fault = replace(fault, after_ratio=1.0, delay_s=fault.delay_s * END_DELAY_MAX_S / DELAY_MAX_S)
        faults.append(fault)
    return faults
