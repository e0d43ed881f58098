"""`loadlab run --dry-run`: what would be done and how long it would take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loadlab.config import check_targets, load_experiment
from loadlab.design.plan import make_plan
from loadlab.design.replication import estimated_duration_s
from loadlab.errors import UsageError
from loadlab.model.experiment import ClosedLoad, Experiment
from loadlab.model.plan import Plan
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.local_rig import closed_load, cores_for
from loadlab.pipeline.outlook import known_scatter, outlook
from loadlab.pipeline.run import Request
from loadlab.pipeline.session import OVERHEAD
from loadlab.units import format_s


def describe_plan(request: Request, layout: Layout) -> str:
    """The plan in a few lines; nothing is started. Raises ConfigError or UsageError as a run would."""
    if request.experiment is None:
        raise UsageError("--dry-run: name an experiment; a run that is resumed has its plan in plan.json")
    experiment = load_experiment(request.experiment, request.overrides)
    check_targets(experiment, request.allowed_hosts)
    load = closed_load(experiment)
    cores = cores_for(experiment)
    lines = [
        f"{experiment.id}: {experiment.question}",
        f"stacks: {', '.join(s.name for s in experiment.stacks)}; scenario {load.scenario.user_class}, "
        f"think time {load.think_s:g} s; cores {sorted(cores.sut)} for the stack, {sorted(cores.rest)} for the rest",
        f"statistic {experiment.decision.statistic}, margin {experiment.decision.margin_ratio:g}, "
        f"alpha {experiment.decision.alpha:g}, seed {experiment.blocks.seed}",
        *_windows(experiment, load, layout.runs),
    ]
    return "\n".join(lines)


def _windows(experiment: Experiment, load: ClosedLoad, runs: Path) -> list[str]:
    levels = load.users or tuple(range(1, experiment.blocks.levels + 1))
    count = experiment.blocks.count

    def planned(blocks: int) -> Plan:
        enough = replace(experiment, blocks=replace(experiment.blocks, count=blocks))
        return make_plan(enough, levels, seed=experiment.blocks.seed)

    def seconds(blocks: int) -> float:
        return estimated_duration_s(planned(blocks), experiment.window, OVERHEAD, response_s=0.0, think_s=load.think_s)

    placed = (
        f"levels {', '.join(map(str, load.users))}"
        if load.users
        else (f"{experiment.blocks.levels} levels, placed by the law after the demands are measured")
    )
    windows = sum(len(block.trials) for block in planned(count).blocks)
    rule = experiment.decision
    scatter = known_scatter(runs, experiment.id, rule.statistic)
    return [
        placed,
        f"{count} blocks, {windows} windows of {experiment.window.measure_s:g} s: at least "
        f"{format_s(seconds(count))}, before demands, slow answers and repeats",
        *outlook(rule, blocks=count, levels=len(levels), scatter=scatter, seconds_of=seconds),
    ]
