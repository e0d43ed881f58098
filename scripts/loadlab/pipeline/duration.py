"""How long a run takes: at least, before anything is measured; about, once its demands are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadlab.design.plan import make_plan
from loadlab.design.replication import Overhead, estimated_duration_s
from loadlab.design.warmup import OPEN_LEAD_S
from loadlab.model.experiment import Experiment, OpenLoad
from loadlab.model.plan import Block, Plan
from loadlab.model.run import Demand
from loadlab.pipeline.block import timing
from loadlab.pipeline.rig import Rig

OVERHEAD = Overhead(per_window_s=0.7, per_block_s=3.0)


def plan_before_demands(experiment: Experiment, blocks: int) -> Plan:
    """So many blocks over the levels; where the law is to place these, over as many as it will."""
    levels = experiment.load.levels or tuple(range(1, experiment.blocks.levels + 1))
    enough = replace(experiment, blocks=replace(experiment.blocks, count=blocks))
    return make_plan(enough, levels, seed=experiment.blocks.seed)


def least_s(experiment: Experiment, plan: Plan) -> float:
    """What the windows take if every answer comes at once and none is repeated."""
    is_open = isinstance(experiment.load, OpenLoad)
    overhead = replace(OVERHEAD, per_window_s=OVERHEAD.per_window_s + OPEN_LEAD_S) if is_open else OVERHEAD
    return estimated_duration_s(plan, experiment.window, overhead, response_s=0.0, think_s=experiment.load.think_s)


def expected_s(rig: Rig, blocks: Sequence[Block], demands: tuple[Demand, ...]) -> tuple[float, ...]:
    """What each window takes, in order, the start of its block in its first."""
    return tuple(seconds for block in blocks for seconds in _of_block(rig, block, demands))


def _of_block(rig: Rig, block: Block, demands: tuple[Demand, ...]) -> Iterator[float]:
    stacks = len({trial.stack for trial in block.trials})
    start_s = OVERHEAD.per_block_s + stacks * rig.experiment.window.warmup_s
    for trial in block.trials:
        own = timing(rig, trial, demands)
        yield start_s + own.warmup_s + own.measure_s + OVERHEAD.per_window_s
        start_s = 0.0
