"""Which windows belong together, and which of them count: the originals, their repeats, or neither."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Literal

from loadlab.model.run import Window

UnitKind = Literal["sweep", "aa"]
Tries = Mapping[tuple[str, int], str]
"""Ids by the planned window's id and the round: 0 for the planned window itself, then its repeats from 1."""
_ROUND = re.compile(r"-r(\d+)$")
MAX_MISSING_RATIO = 0.25
"""A level with a larger share of its pairs missing is invalid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Windows that are worth something only together, as planned: the stacks of a level, or the A/A twins.

    members: in the order of the experiment's stacks; for A/A the sweep window, then its twin.
    complete: every member was measured at all.
    """

    kind: UnitKind
    block: int
    users: int
    members: tuple[Window, ...]
    complete: bool

    def rounds(self, tries: Tries) -> list[tuple[str, ...]]:
        """The ids of each round in which all members were measured, up to the first in which one was not."""
        rounds = (tuple(tries[m.id, n] for m in self.members if (m.id, n) in tries) for n in count())
        return list(takewhile(lambda ids: ids and len(ids) == len(self.members), rounds))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """What is left of a unit: the ids that count (None: missing), and whether they are repeats of its windows."""

    kind: UnitKind
    block: int
    users: int
    ids: tuple[str, ...] | None
    planned_ids: tuple[str, ...]
    repeated: bool
    stage: int = 1
    """Of a refined run: whether its block belongs to the first or the second stage."""


def units(windows: Sequence[Window], stacks: Sequence[str]) -> tuple[Unit, ...]:
    """Group the planned windows (not the repeats): one unit for each block and level, one for each A/A twin.

    A (block, level) without any window is a unit without members: its pair is missing.
    """
    sweep = {(w.block, w.users, w.stack): w for w in windows if w.role == "sweep"}
    twins = {(w.block, w.users): w for w in windows if w.role == "aa"}
    levels = sorted({w.users for w in sweep.values()})
    found: list[Unit] = []
    for block in sorted({w.block for w in windows}):
        for users in levels:
            members = tuple(sweep[block, users, s] for s in stacks if (block, users, s) in sweep)
            found.append(_unit("sweep", block, users, members, len(stacks)))
            if (twin := twins.get((block, users))) is not None:
                single = sweep.get((block, users, twin.stack))
                both = (twin,) if single is None else (single, twin)
                found.append(_unit("aa", block, users, both, 2))
    return tuple(found)


def resolve(
    windows: Sequence[Window], valid_ids: Collection[str], stacks: Sequence[str], stage: int = 1
) -> tuple[Pair, ...]:
    """Say for each unit what counts: the first round in which all of its windows are valid, or none.

    ``windows``: of one stage, all of whose blocks visit the same levels.

    Windows of two rounds are never paired: they were not measured next to each other.
    """
    tries = tries_of(windows)
    return tuple(_resolve(unit, valid_ids, tries, stage) for unit in units(windows, stacks))


def tries_of(windows: Sequence[Window]) -> Tries:
    """Every window by what it is a try of."""
    return {(w.repeats or w.id, _round(w)): w.id for w in windows}


def _round(window: Window) -> int:
    if window.repeats is None:
        return 0
    found = _ROUND.search(window.id)
    return int(found[1]) if found else 1


def missing_by_level(pairs: Sequence[Pair]) -> dict[int, tuple[int, int]]:
    """Levels to (missing pairs, planned pairs) of the sweep."""
    table: dict[int, tuple[int, int]] = {}
    for pair in pairs:
        if pair.kind == "sweep":
            missing, planned = table.get(pair.users, (0, 0))
            table[pair.users] = (missing + (pair.ids is None), planned + 1)
    return table


def too_many_missing(missing: int, planned: int) -> bool:
    """Whether a level is invalid: more than a quarter of its pairs are missing, or it has none."""
    return planned == 0 or missing > MAX_MISSING_RATIO * planned


def _unit(kind: UnitKind, block: int, users: int, members: tuple[Window, ...], size: int) -> Unit:
    return Unit(kind=kind, block=block, users=users, members=members, complete=len(members) == size)


def _resolve(unit: Unit, valid_ids: Collection[str], tries: Tries, stage: int) -> Pair:
    planned = tuple(member.id for member in unit.members)
    rounds = unit.rounds(tries) if unit.complete else []
    chosen = next((ids for ids in rounds if all(i in valid_ids for i in ids)), None)
    return Pair(
        kind=unit.kind,
        block=unit.block,
        users=unit.users,
        ids=chosen,
        planned_ids=planned,
        repeated=chosen is not None and chosen != planned,
        stage=stage,
    )
