"""The two stages of a refined run: whose windows are whose, and what the first one's bracket was."""

from __future__ import annotations

from collections.abc import Sequence

from loadlab.model.experiment import Experiment, RefinePlan
from loadlab.model.plan import Plan, Refinement
from loadlab.model.result import Refined
from loadlab.model.run import RunData, Window
from loadlab.units import format_ratio, format_users

UNDECIDED = "the second stage is not decided yet"
_WHY_ENDED = {
    "narrow": "it is narrow enough, so that the run ended with stage 1",
    "no_bracket": "it is open, so that the run ended with stage 1",
    "no_level_left": "every whole number of users in it was tested, so that the run ended with stage 1",
    "invalid_end": "an end of it, or the level before its open side, is invalid, so that the run ended with stage 1",
}


def second_plan(run: RunData) -> Plan | None:
    """The plan of the second stage, where there is one."""
    return run.refinement.plan if run.refinement is not None else None


def stages(run: RunData) -> tuple[tuple[int, tuple[Window, ...]], ...]:
    """The windows of each stage by its number; every run has a first."""
    second = second_plan(run)
    if second is None:
        return ((1, run.windows),)
    numbers = {block.number for block in second.blocks}
    return (
        (1, tuple(window for window in run.windows if window.block not in numbers)),
        (2, tuple(window for window in run.windows if window.block in numbers)),
    )


def planned_levels(plan: Plan, run: RunData) -> tuple[int, ...]:
    """The levels of both stages, ascending."""
    second = second_plan(run)
    return tuple(sorted({*plan.levels, *(second.levels if second else ())}))


def planned_blocks(plan: Plan, run: RunData) -> int:
    """How many blocks the run was to have, as far as that is decided."""
    second = second_plan(run)
    return len(plan.blocks) + (len(second.blocks) if second else 0)


def is_undecided(plan: Plan, run: RunData) -> bool:
    """Whether a second stage may follow, and nothing says yet if it does."""
    return plan.refine is not None and run.refinement is None


def describe_refinement(experiment: Experiment, run: RunData) -> Refined | None:
    """What was asked of a second stage and what came of it; None for a run of one stage."""
    asked, got, second = experiment.refine, run.refinement, second_plan(run)
    if asked is None:
        return None
    return Refined(
        levels_asked=asked.levels,
        beyond_asked=asked.beyond,
        blocks_asked=asked.count,
        width_ratio=asked.width_ratio,
        stage_alpha=experiment.stage_alpha,
        outcome=got.outcome if got else None,
        reason=refinement_words(got, asked) if got else UNDECIDED,
        lower_users=got.lower_users if got else None,
        upper_users=got.upper_users if got else None,
        levels=second.levels if second else (),
        blocks=tuple(block.number for block in second.blocks) if second else (),
        aa_users=second.aa_users if second else None,
    )


def refinement_words(refinement: Refinement, asked: RefinePlan) -> str:
    """What the first stage's bracket was, and what follows it."""
    bracket = f"stage 1 gave ({_end(refinement.lower_users)}, {_end(refinement.upper_users)}]"
    if refinement.plan is None:
        return f"{bracket}: {_WHY_ENDED[refinement.outcome]}"
    levels = _list(refinement.plan.levels)
    why = {
        "refined": f"wider than {format_ratio(asked.width_ratio, 2)}",
        "extended": f"open at its {'upper' if refinement.upper_users is None else 'lower'} end",
    }[refinement.outcome]
    return f"{bracket}, {why}: stage 2 measures {levels} in {len(refinement.plan.blocks)} fresh blocks"


def _end(users: int | None) -> str:
    return "open" if users is None else str(users)


def _list(levels: Sequence[int]) -> str:
    *rest, last = levels
    return f"{', '.join(map(str, rest))} and {format_users(last)}" if rest else format_users(last)
