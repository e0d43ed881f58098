"""What else went on while a measure ran: time stolen by the host, and processors used by others."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from loadlab.execute.activity import steal_ticks
from loadlab.execute.processes import process_cpu_s, process_tree

IDLE_COLUMNS = (3, 4)
COUNTED_COLUMNS = 8
QUIET_OTHERS_CORES = 0.1
QUIET_STEAL_RATIO = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Over one measure. steal_ratio and others_cores are None where the kernel does not count."""

    elapsed_s: float
    steal_ratio: float | None
    others_cores: float | None
    load_1min: float
    kept_awake: bool = False
    """Whether idle cores were kept awake meanwhile (`loadlab.execute.wakefulness`)."""

    @property
    def quiet(self) -> bool:
        """Whether nothing else was going on to speak of."""
        return (self.steal_ratio or 0.0) < QUIET_STEAL_RATIO and (self.others_cores or 0.0) < QUIET_OTHERS_CORES

    def text(self) -> str:
        """One line for people."""
        steal = "not counted" if self.steal_ratio is None else f"{self.steal_ratio:.1%}"
        others = "not counted" if self.others_cores is None else f"{self.others_cores:.2f} cores"
        verdict, awake = "quiet" if self.quiet else "NOISY", ", idle cores kept awake" if self.kept_awake else ""
        used = f"steal {steal}, others used {others}, load {self.load_1min:.1f}"
        return f"{self.elapsed_s:.0f} s, {verdict}: {used}{awake}"


class Watch:
    """Begins now; ``read`` tells what has happened since."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._steal = steal_ticks()
        self._busy_s = _busy_s()
        self._own_s = _own_s()

    def read(self, *, kept_awake: bool = False) -> Surroundings:
        """What went on since this was made. Children that ended count as ours once they are waited for."""
        elapsed_s = time.monotonic() - self._began_s
        stolen, total = (b - a for a, b in zip(self._steal, steal_ticks(), strict=True))
        busy_s = _busy_s()
        others = None
        if self._busy_s is not None and busy_s is not None and elapsed_s > 0:
            others = max(0.0, (busy_s - self._busy_s - (_own_s() - self._own_s)) / elapsed_s)
        return Surroundings(
            elapsed_s=elapsed_s,
            steal_ratio=stolen / total if total else None,
            others_cores=others,
            load_1min=os.getloadavg()[0],
            kept_awake=kept_awake,
        )


def _busy_s(stat: Path = Path("/proc/stat")) -> float | None:
    """Processor seconds that all cores have worked since boot, steal left out."""
    try:
        ticks = [int(word) for word in stat.read_text(encoding="ascii").splitlines()[0].split()[1:]]
    except (OSError, ValueError, IndexError):
        return None
    if len(ticks) < COUNTED_COLUMNS:
        return None
    worked = sum(ticks[: COUNTED_COLUMNS - 1]) - sum(ticks[column] for column in IDLE_COLUMNS)
    return worked / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """Processor seconds of this process, its living descendants, and its children that were waited for."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(process_cpu_s(pid) or 0.0 for pid in process_tree(os.getpid()))
    return living + ended.ru_utime + ended.ru_stime
