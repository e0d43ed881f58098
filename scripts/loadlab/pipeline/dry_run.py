"""`loadlab run --dry-run`: what would be done, how long it would take, and what a run would stumble over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from loadlab.analysis.gaps import unknown_pools
from loadlab.config import check_targets, load_experiment
from loadlab.config.stack import MAX_STACKS
from loadlab.design.levels import levels_without_prediction
from loadlab.design.plan import make_plan
from loadlab.design.refinement import levels_beyond
from loadlab.errors import LoadlabError, UsageError
from loadlab.execute.cores import Cores
from loadlab.execute.wakefulness import AWAKE
from loadlab.model.experiment import ClosedLoad, Experiment
from loadlab.model.plan import Plan
from loadlab.pipeline.duration import least_s, plan_before_demands
from loadlab.pipeline.kubernetes_rig import reach
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.local_rig import cores_for, sharing
from loadlab.pipeline.outlook import outlook
from loadlab.pipeline.preflight import local_findings
from loadlab.pipeline.run import Request, check_target
from loadlab.pipeline.scatter import known_scatter
from loadlab.units import format_s, one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstacle:
    """What a run would end with, before it measures anything."""

    message: str
    exit_code: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SecondStage:
    """What may follow the first stage, at the most. stage_alpha: the one-sided error of each stage.

    reach_ratio: how many times the first stage's highest level the highest one beyond may be; highest: that level
    itself, where the first stage's are known and there may be one beyond.
    """

    levels: int
    beyond: int
    reach_ratio: float
    highest: int | None
    blocks: int
    windows: int
    width_ratio: float
    stage_alpha: float
    least_s: float
    both_least_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DryRun:
    """The plan as `--json` prints it; docs/interfaces.md says what the keys mean."""

    experiment: str
    question: str
    target: str
    stacks: tuple[str, ...]
    scenario: str
    load_kind: str
    think_s: float | None
    arrivals: str | None
    in_flight_max: int | None
    stack_cores: tuple[int, ...] | None
    other_cores: tuple[int, ...] | None
    sharing: str | None
    statistic: str
    margin_ratio: float
    alpha: float
    seed: int
    levels: tuple[int, ...] | None
    level_count: int
    blocks: int
    windows: int
    warmup_s: float
    measure_s: float
    keep_awake: bool | Literal["auto"]
    least_s: float
    outlook: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]
    refine: SecondStage | None


def dry_run(request: Request, layout: Layout) -> DryRun:
    """The plan, and everything that can be found wrong beforehand; nothing is started or written.

    Raises:
        LoadlabError: there is no plan, because the experiment or the command line is wrong.
    """
    experiment = _asked(request)
    load = experiment.load
    cores = _cores(experiment) if request.target == "local" else None
    plan = plan_before_demands(experiment, experiment.blocks.count)
    return DryRun(
        experiment=experiment.id,
        question=experiment.question,
        target=request.target,
        stacks=tuple(stack.name for stack in experiment.stacks),
        scenario=load.scenario.user_class,
        load_kind="closed" if isinstance(load, ClosedLoad) else "open",
        think_s=load.think_s if isinstance(load, ClosedLoad) else None,
        arrivals=None if isinstance(load, ClosedLoad) else load.arrivals,
        in_flight_max=None if isinstance(load, ClosedLoad) else load.in_flight_max,
        stack_cores=tuple(sorted(cores.sut)) if cores else None,
        other_cores=tuple(sorted(cores.rest)) if cores else None,
        sharing=sharing(cores) if cores else None,
        statistic=experiment.decision.statistic,
        margin_ratio=experiment.decision.margin_ratio,
        alpha=experiment.decision.alpha,
        seed=experiment.blocks.seed,
        levels=load.levels or _levels_without_law(experiment),
        level_count=len(plan.levels),
        blocks=len(plan.blocks),
        windows=sum(len(block.trials) for block in plan.blocks),
        warmup_s=experiment.window.warmup_s,
        measure_s=experiment.window.measure_s,
        keep_awake=experiment.window.keep_awake,
        least_s=least_s(experiment, plan),
        outlook=_outlook(experiment, plan, request.target, layout),
        obstacles=_obstacles(experiment, request, layout),
        refine=_second(experiment, plan),
    )


def _levels_without_law(experiment: Experiment) -> tuple[int, ...] | None:
    """Those that are left to the law and that it cannot place; None where it may."""
    stacks = experiment.stacks
    if len(stacks) == MAX_STACKS and not unknown_pools(stacks):
        return None
    pools = [stack.processes * stack.slots_per_worker for stack in stacks if stack.slots_per_worker]
    return levels_without_prediction(min(pools, default=None), count=experiment.blocks.levels)


def _asked(request: Request) -> Experiment:
    check_target(request.target)
    if request.experiment is None or request.resume is not None:
        raise UsageError("--dry-run: name an experiment; a run that is resumed has its plan in plan.json")
    return load_experiment(request.experiment, request.overrides)


def plan_text(plan: DryRun) -> str:
    """The plan in a few lines."""
    cores = f"core no. {_list(plan.stack_cores)} for the stack, no. {_list(plan.other_cores)} for the rest"
    placed = f"{plan.level_count} levels, placed by the law after the demands are measured"
    awake = {True: f", {AWAKE}", "auto": f", {AWAKE} where that helps"}.get(plan.keep_awake, "")
    return "\n".join(
        [
            f"{plan.experiment}: {one_line(plan.question)}",
            f"stacks: {', '.join(plan.stacks)}; scenario {plan.scenario}, {_kind(plan)}; "
            + (cores if plan.stack_cores else f"target {plan.target}"),
            *([plan.sharing] if plan.sharing else []),
            f"statistic {plan.statistic}, margin {plan.margin_ratio:g}, alpha {plan.alpha:g}, seed {plan.seed}",
            f"levels {', '.join(map(str, plan.levels))}{_unit(plan)}" if plan.levels else placed,
            f"{plan.blocks} blocks, {plan.windows} windows of {plan.measure_s:g} s{awake}: at least "
            f"{format_s(plan.least_s)}, before demands, slow answers and repeats",
            *_second_text(plan.refine, _unit(plan) or " users"),
            *(f"stage 1: {line}" if plan.refine else line for line in plan.outlook),
        ]
    )


def _second_text(second: SecondStage | None, unit: str) -> list[str]:
    if second is None:
        return []
    parts = [
        f"stage 2, {second.blocks} fresh blocks: if their bracket is closed and wider than {second.width_ratio:g}, up "
        f"to {second.levels} levels inside of it"
    ]
    if second.beyond:
        highest = f"{second.highest}{unit}" if second.highest else f"{second.reach_ratio:.3g} times theirs"
        parts.append(f"if it is open at one end, up to {second.beyond} beyond, none above {highest}")
    parts.append(
        f"at most {second.windows} windows, at least {format_s(second.least_s)}; both stages "
        f"{format_s(second.both_least_s)}, each at alpha {second.stage_alpha:g}"
    )
    return ["; ".join(parts)]


def _kind(plan: DryRun) -> str:
    if plan.load_kind == "closed":
        return f"think time {plan.think_s:g} s"
    return f"open loop, {plan.arrivals} arrivals, at most {plan.in_flight_max} in flight"


def _unit(plan: DryRun) -> str:
    return "" if plan.load_kind == "closed" else " req/s"


def _list(cores: tuple[int, ...] | None) -> str:
    return ", ".join(map(str, cores or ()))


def _second(experiment: Experiment, first: Plan) -> SecondStage | None:
    """The second stage with as many levels as it may have."""
    asked = experiment.refine
    if asked is None:
        return None
    known = experiment.load.levels or _levels_without_law(experiment)
    more = replace(experiment, blocks=replace(experiment.blocks, count=asked.count))
    plan = make_plan(more, tuple(range(1, max(asked.levels, asked.beyond) + 1)), seed=experiment.blocks.seed)
    second_s = least_s(experiment, plan)
    return SecondStage(
        levels=asked.levels,
        beyond=asked.beyond,
        reach_ratio=asked.width_ratio**asked.beyond,
        highest=max(levels_beyond(asked, known, known[-1], None), default=None) if known else None,
        blocks=asked.count,
        windows=sum(len(block.trials) for block in plan.blocks),
        width_ratio=asked.width_ratio,
        stage_alpha=experiment.stage_alpha,
        least_s=second_s,
        both_least_s=second_s + least_s(experiment, first),
    )


def _outlook(experiment: Experiment, plan: Plan, target: str, layout: Layout) -> tuple[str, ...]:
    rule = replace(experiment.decision, alpha=experiment.stage_alpha)
    if len(experiment.stacks) != 2:
        return ()  # one stack has no ratio to see
    return tuple(
        outlook(
            rule,
            blocks=len(plan.blocks),
            levels=len(plan.levels),
            scatter=known_scatter(layout.runs, experiment, target),
            seconds_of=lambda blocks: least_s(experiment, plan_before_demands(experiment, blocks)),
        )
    )


def _cores(experiment: Experiment) -> Cores | None:
    """None where this machine cannot give what is asked for, which is an obstacle."""
    try:
        return cores_for(experiment)
    except LoadlabError:
        return None


def _obstacles(experiment: Experiment, request: Request, layout: Layout) -> tuple[Obstacle, ...]:
    found = _raised(lambda: check_targets(experiment, request.allowed_hosts))
    if request.target == "local":
        found += local_findings(experiment, layout.prices)
    else:
        found += _raised(lambda: reach(experiment, layout))
    return tuple(Obstacle(message=str(each), exit_code=each.exit_code) for each in found)


def _raised(check: Callable[[], object]) -> list[LoadlabError]:
    try:
        check()
    except LoadlabError as error:
        return [error]
    return []
