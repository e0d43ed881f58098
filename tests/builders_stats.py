"""Whole measured runs with a known cost ratio, for the statistics of the threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from builders import UNIX_S, make_experiment, make_load_window, make_provenance, make_sample, make_window
from loadlab.model.experiment import Experiment, PriceRef
from loadlab.model.plan import Block, Plan, Role, Trial
from loadlab.model.result import StackDescription
from loadlab.model.run import LoadWindow, RunData, Window

POOL, LOOP = "pool", "loop"
LEVELS = (30, 36, 43, 52, 62)
ANSWERED = 1_000_000
"""So many that whole requests hardly round a ratio of goodputs."""


def level(ratio: float) -> Callable[[int], float]:
    """The same cost ratio at every number of users."""
    return lambda users: ratio + 0 * users


def load_of(ok: int, users: int) -> LoadWindow:
    """A settled window of ten seconds with so many answered requests, all good."""
    return make_load_window(ok=ok, users=users, measure_s=10.0)


def window_of(block: int, stack: str, users: int, ok: int, role: Role = "sweep", repeats: str | None = None) -> Window:
    """A window that every gate lets pass."""
    suffix = {"sweep": "", "aa": "-aa", "repeat": "-r1"}[role]
    return make_window(
        f"b{block:02d}-{users:03d}-{stack}{suffix}",
        block=block,
        stack=stack,
        users=users,
        role=role,
        repeats=repeats,
        load=load_of(ok, users),
        resources=(make_sample(cpu_s=1.0, served=0), make_sample(UNIX_S + 10, cpu_s=1.0 + ok * 1e-6, served=ok)),
    )


def make_windows(
    ratio: Callable[[int], float],
    *,
    levels: Sequence[int] = LEVELS,
    blocks: int = 6,
    sd_log: float = 0.01,
    seed: int = 1,
    aa_ratio: float = 1.0,
) -> tuple[Window, ...]:
    """Blocks in which the pool answers 1/ratio of what the loop answers, and an A/A twin at the first level."""
    rng = np.random.default_rng(seed)
    found: list[Window] = []
    for block in range(1, blocks + 1):
        for users in levels:
            noise = rng.normal(0, sd_log, size=2)
            found.append(window_of(block, POOL, users, round(ANSWERED / ratio(users) * np.exp(noise[0]))))
            found.append(window_of(block, LOOP, users, ANSWERED))
            if users == levels[0]:
                twin = round(ANSWERED / ratio(users) * aa_ratio * np.exp(noise[1]))
                found.append(window_of(block, POOL, users, twin, "aa"))
    return tuple(found)


def make_run(windows: Sequence[Window], *, complete: bool = True, ended_by: str | None = None) -> RunData:
    """A run that left these windows."""
    return RunData(
        run_id="unit",
        windows=tuple(windows),
        demands=(),
        provenance=make_provenance(),
        complete=complete,
        ended_by=ended_by,
    )


def plan_of(windows: Sequence[Window]) -> Plan:
    """The plan behind a run, with its control at the first level."""
    levels = tuple(sorted({w.users for w in windows}))
    planned = [w for w in windows if w.role != "repeat"]
    return Plan(
        levels=levels,
        blocks=tuple(
            Block(
                number=number,
                trials=tuple(
                    Trial(id=w.id, block=w.block, stack=w.stack, users=w.users, role=w.role)
                    for w in planned
                    if w.block == number
                ),
            )
            for number in sorted({w.block for w in windows})
        ),
        aa_users=levels[0],
        aa_stack=POOL,
        seed=7,
    )


def goodput_experiment(claimed_users: int | None = 50, prices: tuple[PriceRef, ...] = ()) -> Experiment:
    """Two stacks compared by goodput at a margin of 10 %."""
    made = make_experiment(users=LEVELS, prices=prices)
    return replace(made, decision=replace(made.decision, statistic="goodput", claimed_users=claimed_users))


def descriptions() -> tuple[StackDescription, ...]:
    """The two stacks as a report names them."""
    return (_description(POOL, "1 worker x 48 threads, pooled_urllib3"), _description(LOOP, "pooled_aiohttp"))


def _description(name: str, label: str) -> StackDescription:
    return StackDescription(
        name=name,
        service=name,
        settings={},
        label=label,
        slots=None,
        demand_service_s=None,
        demand_cpu_s_per_request=None,
        users_per_replica=None,
    )
