"""Which pairs must be measured again: any that a gate refused once, and for longer what the host spoilt.

Steal is what the host took, whatever the stacks did, so trying again picks no result: it waits for the host.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from loadlab.analysis.gate_bounds import GateBounds
from loadlab.analysis.pairing import Tries, Unit, tries_of, units
from loadlab.analysis.validity import DEFAULT_BOUNDS, window_findings
from loadlab.model.experiment import Experiment
from loadlab.model.run import Window

REPEATS = 1
REPEATS_OF_STOLEN = 3
"""How often a pair is repeated at most while the host's steal is among the reasons of every refused window."""
STOLEN = "steal"


def may_repeat(reasons: Collection[str], repeats: int) -> bool:
    """Whether a window that was refused for these reasons is worth another try after so many repeats."""
    return repeats < (REPEATS_OF_STOLEN if STOLEN in reasons else REPEATS)


def needs_repeat(
    windows: Sequence[Window], experiment: Experiment, bounds: GateBounds = DEFAULT_BOUNDS
) -> frozenset[str]:
    """Return the ids of one block's planned windows to repeat now; empty when there is nothing left.

    ``windows``: all of the block so far, repeats included. A pair with a failed window is repeated whole: both stacks
    of the level, or the A/A window with its twin; once, or ``REPEATS_OF_STOLEN`` times as long as it is the host's
    doing.
    """
    reasons = {w.id: _reasons(w, experiment, bounds) for w in windows}
    tries = tries_of(windows)
    stacks = tuple(stack.name for stack in experiment.stacks)
    again = (unit for unit in units(windows, stacks) if _is_owed(unit, tries, reasons))
    return frozenset(member.id for unit in again for member in unit.members)


def _is_owed(unit: Unit, tries: Tries, reasons: Mapping[str, Collection[str]]) -> bool:
    rounds = unit.rounds(tries)
    if not rounds or any(not any(reasons[i] for i in ids) for ids in rounds):
        return False
    return all(may_repeat(reasons[i], len(rounds) - 1) for i in rounds[-1] if reasons[i])


def _reasons(window: Window, experiment: Experiment, bounds: GateBounds) -> frozenset[str]:
    found = window_findings(window, experiment, bounds)
    return frozenset(one.code for one in found if one.level == "invalid")
