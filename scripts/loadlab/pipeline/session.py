"""A run from its first event to its last: fresh or resumed, finished, interrupted or failed."""

from __future__ import annotations

from dataclasses import replace

from loadlab.analysis.analyse import predicted
from loadlab.design.levels import levels_around, levels_without_prediction
from loadlab.design.plan import make_plan
from loadlab.errors import LoadlabError
from loadlab.execute.ports import BlockProgress
from loadlab.model.plan import Plan
from loadlab.model.result import Prediction
from loadlab.model.run import Demand
from loadlab.pipeline.block import Counter, run_block
from loadlab.pipeline.demand import measure_demands
from loadlab.pipeline.duration import expected_s, least_s, plan_before_demands
from loadlab.pipeline.phase import tell
from loadlab.pipeline.rig import Rig


def run_session(rig: Rig, progress: BlockProgress) -> None:
    """Do what is left to do. When this returns the run is complete.

    Raises:
        LoadlabError: the run could not go on; the bundle says why and where to resume.
        KeyboardInterrupt: the user asked to stop; the bundle says so.
    """
    rig.store.event("run_started", {"resumed": progress.plan is not None})
    block: int | None = None
    _say_bound(rig, progress)
    try:
        rig.generator.start()
        tell(rig)
        demands = progress.demands or _demands(rig)
        rig.levels.know(demands)
        plan = progress.plan or _plan(rig, demands)
        todo = replace(progress, plan=plan).remaining()
        counter = Counter(done=0, total=sum(len(b.trials) for b in todo))
        rig.progress.run_started(expected_s(rig, todo, demands))
        for one in todo:
            block = one.number
            run_block(rig, one, demands, progress.attempts.get(one.number, 0) + 1, counter)
            block = None
    except (KeyboardInterrupt, LoadlabError) as error:
        _say_why(rig, block, error)
        raise
    rig.store.event("run_finished", {})


def _say_bound(rig: Rig, progress: BlockProgress) -> None:
    """Of a resumed run what is left of its plan."""
    drawn = progress.plan and replace(progress.plan, blocks=progress.remaining())
    plan = drawn or plan_before_demands(rig.experiment, rig.experiment.blocks.count)
    windows = sum(len(block.trials) for block in plan.blocks)
    rig.progress.run_bounded(windows, least_s(rig.experiment, plan))


def _say_why(rig: Rig, block: int | None, error: BaseException) -> None:
    reason = "interrupted by the user" if isinstance(error, KeyboardInterrupt) else str(error)
    rig.generator.tell({**rig.declared, "levels": rig.levels.rows})
    if block is not None:
        rig.store.event("block_interrupted", {"block": block, "reason": reason})
    rig.store.event("run_ended_early", {"reason": reason})


def _demands(rig: Rig) -> tuple[Demand, ...]:
    demands = measure_demands(rig)
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
