"""What results.json says of the experiment beside its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.experiment import Statistic


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentDescription:
    """The experiment as a report shows it (the full file is beside it in the bundle)."""

    id: str
    question: str
    statistic: Statistic
    margin_ratio: float
    alpha: float
    objective_latency_s: float
    objective_good_ratio: float
    scenario: str
    think_s: float
    upstream_latency: str | None
    warmup_s: float
    measure_s: float
    blocks: int
    seed: int
    levels: tuple[int, ...]
    levels_from: Literal["file", "law"]
    prices: tuple[str, ...]
    resources: str
    toml: str
    load_kind: Literal["closed", "open"] | None = None
    """None in files of before, which are closed. In an open load every ``users`` of this file is a rate, in req/s."""
    arrivals: str | None = None
    in_flight_max: int | None = None
    load_seed: int | None = None
    own_waits: tuple[str, ...] | None = None
    """User classes that waited as their own wait_time says instead of think_s; None in files of before."""
    keep_awake: bool | None = None
    """True where idle cores were kept awake; None where not, or in files of before."""
