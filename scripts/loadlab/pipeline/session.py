"""A run from its first event to its last: fresh or resumed, finished, interrupted or failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loadlab.analysis.analyse import first_bracket, predicted
from loadlab.analysis.stages import refinement_words
from loadlab.design.levels import levels_around, levels_without_prediction
from loadlab.design.plan import make_plan
from loadlab.design.refinement import refinement_of
from loadlab.errors import LoadlabError
from loadlab.execute.ports import BlockProgress
from loadlab.model.experiment import ClosedLoad, RefinePlan
from loadlab.model.plan import Block, Plan, Refinement
from loadlab.model.result import Prediction
from loadlab.model.run import Demand
from loadlab.pipeline.block import Counter, run_block
from loadlab.pipeline.demand import measure_demands
from loadlab.pipeline.duration import expected_s, least_s, plan_before_demands
from loadlab.pipeline.phase import tell
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.steps import check_steps
from loadlab.units import as_rates


def run_session(rig: Rig, progress: BlockProgress) -> None:
    """Do what is left to do. When this returns the run is complete.

    Raises:
        LoadlabError: the run could not go on; the bundle says why and where to resume.
        KeyboardInterrupt: the user asked to stop; the bundle says so.
    """
    rig.store.event("run_started", {"resumed": progress.plan is not None})
    try:
        progress = _decided(rig, progress)
        _say_bound(rig, progress)
        rig.generator.start()
        tell(rig)
        demands = progress.demands or _demands(rig)
        rig.levels.know(demands)
        plan = progress.plan or _plan(rig, demands)
        todo = (*progress.remaining(plan), *progress.remaining(_second_plan(progress.refinement)))
        counter = Counter(done=0, total=_windows(todo))
        rig.progress.run_started(expected_s(rig, todo, demands))
        _run_blocks(rig, todo, demands, progress, counter)
        if plan.refine is not None and progress.refinement is None:
            second = _second_plan(_refinement(rig, plan, plan.refine, demands))
            counter.total += _windows(progress.remaining(second))
            rig.progress.windows_expected(counter.expected)
            _run_blocks(rig, progress.remaining(second), demands, progress, counter)
    except (KeyboardInterrupt, LoadlabError) as error:
        rig.generator.tell({**rig.declared, "levels": rig.levels.rows})
        rig.store.event("run_ended_early", {"reason": _reason(error)})
        raise
    rig.store.event("run_finished", {})


def _decided(rig: Rig, progress: BlockProgress) -> BlockProgress:
    """Of a run that was stopped between its stages what follows the first, before it is said what is left."""
    plan = progress.plan
    if plan is None or plan.refine is None or not progress.demands:
        return progress
    if progress.refinement is not None or progress.remaining(plan):
        return progress
    return replace(progress, refinement=_refinement(rig, plan, plan.refine, progress.demands))


def _say_bound(rig: Rig, progress: BlockProgress) -> None:
    """Of a resumed run what is left of its plan."""
    plan = plan_before_demands(rig.experiment, rig.experiment.blocks.count)
    if progress.plan is not None:
        left = (*progress.remaining(progress.plan), *progress.remaining(_second_plan(progress.refinement)))
        plan = replace(progress.plan, blocks=left)
    rig.progress.run_bounded(_windows(plan.blocks), least_s(rig.experiment, plan))


def _run_blocks(
    rig: Rig, todo: Sequence[Block], demands: tuple[Demand, ...], progress: BlockProgress, counter: Counter
) -> None:
    for block in todo:
        try:
            run_block(rig, block, demands, progress.attempts.get(block.number, 0) + 1, counter)
        except (KeyboardInterrupt, LoadlabError) as error:
            rig.store.event("block_interrupted", {"block": block.number, "reason": _reason(error)})
            raise


def _reason(error: BaseException) -> str:
    return "interrupted by the user" if isinstance(error, KeyboardInterrupt) else str(error)


def _refinement(rig: Rig, plan: Plan, rule: RefinePlan, demands: tuple[Demand, ...]) -> Refinement:
    """What follows the first stage, by rules that the plan holds; out of the bundle alone, so that a resume agrees."""
    run, numbers = rig.store.load(), {block.number for block in plan.blocks}
    first = replace(run, windows=tuple(window for window in run.windows if window.block in numbers))
    bracket, invalid = first_bracket(rig.experiment, first, rig.prices)
    prediction = predicted(rig.experiment, demands)
    users = prediction.users if prediction else None
    found = refinement_of(rule, rig.experiment, plan, bracket, predicted_users=users, invalid_levels=invalid)
    rig.store.put_refinement(found)
    said = refinement_words(found, rule)
    rig.progress.message(said if isinstance(rig.load, ClosedLoad) else as_rates(said))
    return found


def _second_plan(refinement: Refinement | None) -> Plan | None:
    return refinement.plan if refinement is not None else None


def _windows(blocks: Sequence[Block]) -> int:
    return sum(len(block.trials) for block in blocks)


def _demands(rig: Rig) -> tuple[Demand, ...]:
    demands = measure_demands(rig)
    check_steps(rig.experiment, demands)
    rig.store.put_demands(demands)
    return demands


def _plan(rig: Rig, demands: tuple[Demand, ...]) -> Plan:
    experiment = rig.experiment
    prediction = predicted(experiment, demands)
    users = prediction.users if prediction else None
    levels = rig.load.levels or _levels(rig, demands, prediction)
    if prediction and prediction.users:
        rig.progress.message(f"the law predicts the threshold near {prediction.users:.1f} users")
    elif prediction and prediction.attribution == "unknown":
        rig.progress.message(f"the threshold is not predictable: {prediction.reason}")
    elif prediction:
        rig.progress.message(f"the law predicts no threshold: {prediction.reason}")
    plan = make_plan(experiment, levels, seed=experiment.blocks.seed, predicted_users=users)
    rig.store.put_plan(plan)
    return plan


def _levels(rig: Rig, demands: tuple[Demand, ...], prediction: Prediction | None) -> tuple[int, ...]:
    blocks = rig.experiment.blocks
    centre = (prediction.users or prediction.processor_users) if prediction else None
    if centre:
        return levels_around(centre, count=blocks.levels, step_ratio=blocks.level_step_ratio)
    pools = [d.workers * d.slots_per_worker for d in demands if d.slots_per_worker]
    return levels_without_prediction(min(pools, default=None), count=blocks.levels)
