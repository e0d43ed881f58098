"""Every level of a run with what became of its windows, so that none vanishes because nothing of it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from loadlab.model.result import LevelTally, WindowSummary


def level_tallies(
    levels: Collection[int], stacks: Sequence[str], windows: Sequence[WindowSummary], invalid: Collection[int]
) -> tuple[LevelTally, ...]:
    """Each stack at each level, ascending. ``levels``: those asked for; ``invalid``: those with too few pairs.

    Windows of the A/A control belong to no level's comparison and are left out.
    """
    return tuple(_tested(levels, stacks, windows, invalid))


def _tested(
    levels: Collection[int], stacks: Sequence[str], windows: Sequence[WindowSummary], invalid: Collection[int]
) -> Iterator[LevelTally]:
    sweep = [window for window in windows if window.role != "aa"]
    for users in sorted({*levels, *(window.users for window in sweep)}):
        for stack in stacks:
            own = [window for window in sweep if (window.users, window.stack) == (users, stack)]
            yield LevelTally(
                stack=stack,
                users=users,
                windows=len(own),
                used=sum(window.used for window in own),
                reasons=dict(sorted(Counter(code for window in own for code in window.reasons).items())),
                invalid=users in invalid,
            )
