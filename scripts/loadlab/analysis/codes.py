"""The closed set of doubts a run can carry: every Finding has one of these codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from loadlab.model.result import Finding, FindingLevel

GateCode = Literal[
    "lag",
    "idle_stack",
    "schedule",
    "dispatch_lag",
    "generator_cpu",
    "throttled",
    "steal",
    "conservation",
    "resources",
    "partial",
    "halves_disagree",
    "workers",
    "empty",
    "note",
    "beyond_calibration",
]
RunCode = Literal[
    "level_invalid",
    "bracket_end_invalid",
    "aa_fired",
    "aa_not_judged",
    "not_rising",
    "no_spread",
    "uneven_noise",
    "few_blocks",
    "run_incomplete",
    "interrupted_blocks",
    "resumed",
    "uncalibrated",
    "shared_machine",
    "cross_check_missing",
    "stacks_restarted",
    "trial_lost",
    "generator_healed",
    "dirty_tree",
    "own_wait",
    "ends_read",
    "generator_share",
    "demand_unsettled",
]
Code = GateCode | RunCode

GATE_CODES: tuple[GateCode, ...] = get_args(GateCode)
RUN_CODES: tuple[RunCode, ...] = get_args(RunCode)

MEANING: Mapping[Code, str] = {
    "lag": "the load generator woke up too late to time requests well",
    "idle_stack": "the stack that was to be idle was busy",
    "schedule": "the planned load was not all there for the whole window",
    "dispatch_lag": "the load generator sent its requests too long after their arrivals were due",
    "generator_cpu": "the load generator came close to the limit of its processors",
    "throttled": "the load generator was throttled by its processor quota",
    "steal": "the host took processor time from this machine",
    "conservation": "the books of the trial do not balance: a request was lost or counted twice",
    "resources": "the service did not tell what it used: the window has no processor time, memory, or cost by use",
    "partial": "a part of the window is unknown",
    "halves_disagree": "the first and the second half of the window differ: it was not settled",
    "workers": "a worker of the load generator was missing",
    "empty": "no request ended in the window",
    "note": "something went wrong during the window",
    "beyond_calibration": "the load was beyond what the load generator was found truthful at on this machine",
    "level_invalid": "more than a quarter of the pairs of this level are missing",
    "bracket_end_invalid": "an end of the bracket rests on a level with too many missing pairs",
    "aa_fired": "the A/A control found a difference between a stack and itself",
    "aa_not_judged": "the A/A control could not be judged",
    "not_rising": "the ratio is within the margin again above the bracket: the curve does not just rise",
    "no_spread": "the blocks do not differ at all: bounds come from their number, not from a variance",
    "uneven_noise": "the blocks scatter more at one level than at its neighbours: it is judged by its own blocks alone",
    "few_blocks": "there are too few blocks for any interval",
    "run_incomplete": "the run ended before all of its blocks were measured",
    "interrupted_blocks": "blocks were interrupted; they are kept, left out, and redone whole",
    "resumed": "the run was interrupted and resumed",
    "uncalibrated": "no calibration shows that the load generator is truthful on this machine",
    "cross_check_missing": "the cluster's own figures were not there to check the services' by",
    "shared_machine": "the service and the load generator shared processor cores",
    "stacks_restarted": "a stack or the upstream ended by itself; all were started again and warmed up anew",
    "trial_lost": "the load generator broke in a trial, which was done again",
    "generator_healed": "a process of the load generator ended by itself and was replaced",
    "own_wait": "users waited as their own wait_time says; what that is was measured at low load, and not declared",
    "ends_read": "nothing told when some answers arrived: they end when they were read, with the generator's own delay",
    "generator_share": "users waited for the load generator itself: they ask so much less often than they could",
    "demand_unsettled": "what a stack asks of the machine was measured while the machine or generator was disturbed",
    "dirty_tree": "the lab's own files were not those of a revision, so that nobody can go back to them",
}
"""What each code says, in one sentence."""


def finding(
    code: Code,
    level: FindingLevel,
    where: str,
    *,
    got: str | None = None,
    expected: str | None = None,
    next_step: str | None = None,
    detail: str | None = None,
) -> Finding:
    """Make a Finding whose message is the code's meaning, with ``detail`` after a colon."""
    message = MEANING[code] if detail is None else f"{MEANING[code]}: {detail}"
    return Finding(
        code=code, level=level, where=where, message=message, got=got, expected=expected, next_step=next_step
    )
