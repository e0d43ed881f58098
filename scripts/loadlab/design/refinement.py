"""Whether a run goes on to a second stage, and at which levels: rules that are fixed before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from loadlab.design.plan import make_plan
from loadlab.model.experiment import Experiment, RefinePlan
from loadlab.model.plan import Plan, Refinement, RefinementOutcome
from loadlab.model.result import Bracket


def refinement_of(
    rule: RefinePlan,
    experiment: Experiment,
    plan: Plan,
    bracket: Bracket,
    *,
    predicted_users: float | None = None,
    invalid_levels: Collection[int] = (),
) -> Refinement:
    """What follows the first stage by the rules of its plan. The same bracket gives the same refinement.

    bracket: of the decided curve, at the first stage's share of alpha. invalid_levels: where too many pairs are
    missing; nothing follows beyond one that could not be measured. The second stage draws its orders from the seed
    after that of the first, and numbers its blocks on.
    """
    outcome, levels = second_levels(rule, plan.levels, bracket.lower_users, bracket.upper_users)
    outermost = plan.levels[-1] if bracket.upper_users is None else plan.levels[0]
    if bracket.kind == "invalid" or (outcome == "extended" and outermost in invalid_levels):
        outcome, levels = "invalid_end", ()
    fewer = replace(experiment, blocks=replace(experiment.blocks, count=rule.count), refine=None)
    return Refinement(
        outcome=outcome,
        lower_users=bracket.lower_users,
        upper_users=bracket.upper_users,
        plan=make_plan(
            fewer, levels, seed=plan.seed + 1, predicted_users=predicted_users, first_block=len(plan.blocks) + 1
        )
        if levels
        else None,
    )


def second_levels(
    rule: RefinePlan, levels: Sequence[int], lower_users: int | None, upper_users: int | None
) -> tuple[RefinementOutcome, tuple[int, ...]]:
    """What comes of the first stage's bracket (lower, upper]: the outcome, and the levels to measure next.

    Refined where the bracket is closed and wider than the rule wants, as long as a whole number of users that was not
    tested lies in it. Extended where it is open at one end and the rule has levels for that. Otherwise the run ends,
    and there are no levels.
    """
    if lower_users is None or upper_users is None:
        further = levels_beyond(rule, levels, lower_users, upper_users)
        return ("extended", further) if further else ("no_bracket", ())
    if upper_users <= rule.width_ratio * lower_users:
        return "narrow", ()
    tested = [users for users in levels if lower_users <= users <= upper_users]
    found = levels_between(tested, count=rule.levels)
    return ("refined", found) if found else ("no_level_left", ())


def levels_beyond(
    rule: RefinePlan, levels: Sequence[int], lower_users: int | None, upper_users: int | None
) -> tuple[int, ...]:
    """The rule's levels on the open side of a bracket that has one end, ascending; none where both ends are open.

    The first is ``width_ratio`` from the end that there is, so that the bracket is narrow enough if it closes there.
    Where levels that did not decide reach as far, it is the cube root of that from the outermost of them. Each further
    one is ``width_ratio`` from the one before, all on whole numbers from 1 on, rounded towards the end that there is.
    """
    if lower_users is not None and upper_users is None:
        return _above(lower_users, levels[-1], rule)
    if upper_users is not None and lower_users is None:
        return _below(upper_users, levels[0], rule)
    return ()


def _above(lower: int, top: int, rule: RefinePlan) -> tuple[int, ...]:
    nearest, found = max(lower * rule.width_ratio, top * math.cbrt(rule.width_ratio)), [top]
    for step in range(rule.beyond):
        found.append(max(found[-1] + 1, int(nearest * rule.width_ratio**step)))
    return tuple(found[1:])


def _below(upper: int, bottom: int, rule: RefinePlan) -> tuple[int, ...]:
    nearest, found = min(upper / rule.width_ratio, bottom / math.cbrt(rule.width_ratio)), [bottom]
    for step in range(rule.beyond):
        found.append(min(found[-1] - 1, math.ceil(nearest / rule.width_ratio**step)))
    return tuple(users for users in found[:0:-1] if users >= 1)


def levels_between(tested: Sequence[int], *, count: int) -> tuple[int, ...]:
    """At most ``count`` whole levels between the first and the last of ``tested``, on none of them.

    With two or more, the lowest gap and then the highest get one first: a level that was tested and did not decide lies
    near the threshold, is not measured again, but straddled, and only a level below all of those can move the lower
    end up. Each further one goes where the steps are widest (in log users, the lowest of equals), and those of one gap
    stand at even steps.
    """
    gaps = list(pairwise(tested))
    placed: dict[tuple[int, int], tuple[int, ...]] = {gap: () for gap in gaps}
    ends = [gaps[0], gaps[-1]] if count > 1 and len(gaps) > 1 else []
    for turn in range(count):
        roomy = [gap for gap in gaps if len(placed[gap]) < gap[1] - gap[0] - 1]
        if not roomy:
            break
        widest = max(roomy, key=lambda gap: math.log(gap[1] / gap[0]) / (len(placed[gap]) + 1))
        chosen = ends[turn] if turn < len(ends) and ends[turn] in roomy else widest
        placed[chosen] = _even(*chosen, len(placed[chosen]) + 1)
    return tuple(users for gap in gaps for users in placed[gap])


def _even(lower: int, upper: int, count: int) -> tuple[int, ...]:
    """``count`` whole numbers strictly between both ends, in about even ratios; there is room for them."""
    found: list[int] = []
    for place in range(1, count + 1):
        wanted = round(lower * (upper / lower) ** (place / (count + 1)))
        least, most = (found[-1] if found else lower) + 1, upper - (count - place) - 1
        found.append(min(most, max(least, wanted)))
    return tuple(found)
