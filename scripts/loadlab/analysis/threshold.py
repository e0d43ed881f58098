"""From a curve to the bracket of its threshold, and from the bracket to what it says of a claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

from loadlab.analysis.alone import ConstantRatio
from loadlab.analysis.codes import finding
from loadlab.analysis.compare import INTERVAL_AT, WHY_ABSENT, Curve, Figures, comparisons
from loadlab.model.experiment import DecisionRule
from loadlab.model.result import (
    Bracket,
    Claim,
    ClaimAnswer,
    Comparison,
    Finding,
    PricedBracket,
    VerdictKind,
)
from loadlab.stats.bracket import BracketAnswer, find_bracket
from loadlab.stats.level_bounds import MIN_BLOCKS
from loadlab.stats.paired import sample
from loadlab.stats.spread import uneven_levels
from loadlab.units import format_percent, format_ratio, format_users

MAX_WIDTH_RATIO = 1.5
"""A claim inside a bracket wider than this is neither supported nor refuted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveResult:
    """Everything one curve says."""

    bracket: PricedBracket
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]
    invalid_levels: tuple[int, ...] = ()


def judge_curve(curve: Curve, rule: DecisionRule, stage_alpha: float | None = None) -> CurveResult:
    """Find the bracket of a curve at the declared margin and alpha, with its doubts.

    stage_alpha: of each stage, where alpha is shared by two. A bracket with an end on an invalid level (more than a
    quarter of its pairs missing) is invalid; such a level beyond all of the first stage's decides nothing, so that what
    that stage said stands.
    """
    if curve.figures.constant is not None:
        return _constant(curve.figures, curve.figures.constant, rule)
    answer = find_bracket(
        curve.users,
        curve.log_ratios,
        margin_ratio=rule.margin_ratio,
        alpha=rule.alpha if stage_alpha is None else stage_alpha,
        method=curve.figures.method,
        stages=curve.stages,
        endless=curve.open_sides(),
    )
    invalid = tuple(users for i, users in enumerate(curve.users) if not curve.valid(i))
    rests_on = [end for end in (answer.lower_users, answer.upper_users) if end in invalid]
    bracket = _bracket(curve, answer, rests_on)
    figures = curve.figures
    return CurveResult(
        bracket=PricedBracket(
            statistic=figures.statistic,
            list=figures.list,
            billing=figures.billing,
            bracket=bracket,
            is_inverse_throughput=figures.is_inverse_throughput,
            note=figures.note,
        ),
        comparisons=comparisons(curve, answer),
        findings=_findings(curve, answer, invalid, rests_on),
        invalid_levels=invalid,
    )


def _constant(figures: Figures, constant: ConstantRatio, rule: DecisionRule) -> CurveResult:
    """A ratio that no number of users can change has no threshold; whether it is within the margin is open to doubt."""
    ratio = constant.estimate(1 - 2 * rule.alpha)
    ends = ratio.interval and f"{format_ratio(ratio.interval.lower, 3)} to {format_ratio(ratio.interval.upper, 3)}"
    shown = f"{format_ratio(ratio.value, 3)} at any number of users ({ends or 'no interval'})"
    limit = 1 + rule.margin_ratio
    if ratio.interval is None:
        kind: VerdictKind = "inconclusive"
        reason = f"{shown}, but the scatter of the {ratio.n} requests behind it was not recorded"
    elif ratio.interval.upper < limit:
        kind = "no_divergence"
        reason = f"{shown}, because each request has an environment to itself"
    else:
        kind = "inconclusive"
        reason = f"{shown}: no number of users parts the curves, but they are not surely within the margin"
    bracket = Bracket(lower_users=None, upper_users=None, kind=kind, reason=reason)
    priced = PricedBracket(
        statistic=figures.statistic,
        list=figures.list,
        billing=figures.billing,
        bracket=bracket,
        is_inverse_throughput=False,
        note=figures.note,
        constant_ratio=constant.estimate(INTERVAL_AT),
    )
    return CurveResult(bracket=priced, comparisons=(), findings=())


def distrusted(bracket: Bracket, why: str) -> Bracket:
    """The bracket of a run that may call none: inconclusive, without ends that anybody could take for a finding.

    One that calls nothing, or rests on no window (per-request bills), stays.
    """
    if bracket.kind in ("inconclusive", "invalid") or (bracket.lower_users is None and bracket.upper_users is None):
        return bracket
    ends = [format_users(end) for end in (bracket.lower_users, bracket.upper_users) if end is not None]
    where = {
        "diverges": f"above {ends[0]} and by {ends[-1]}",
        "diverged_at_first": f"at {ends[-1]} already",
        "no_divergence": f"not up to {ends[0]}",
    }[bracket.kind]
    reason = f"{why}; without that its levels would part {where}"
    return Bracket(lower_users=None, upper_users=None, kind="inconclusive", reason=reason)


def judge_claim(users: int | None, bracket: Bracket, *, trusted: bool = True) -> Claim:
    """What a bracket says of the claim "it starts at T users".

    supported: N_L < T <= N_U and N_U / N_L <= 1.5. refuted_earlier: N_U < T. refuted_later: N_L >= T, or curves
    that no number of users can part. Otherwise inconclusive; invalid with an invalid bracket. ``trusted`` False (the
    A/A control fired, the run is not complete): inconclusive whatever the bracket says.
    """
    if users is None:
        return Claim(users=None, answer=None)
    return Claim(users=users, answer=_claim_answer(users, bracket, trusted))


def _claim_answer(users: int, bracket: Bracket, trusted: bool) -> ClaimAnswer:
    low, high = bracket.lower_users, bracket.upper_users
    if bracket.kind == "invalid":
        return "invalid"
    if not trusted:
        return "inconclusive"
    if high is not None and high < users:
        return "refuted_earlier"
    if bracket.kind == "no_divergence" and low is None:
        return "refuted_later"
    if low is not None and low >= users:
        return "refuted_later"
    if low is None or high is None or high > MAX_WIDTH_RATIO * low:
        return "inconclusive"
    return "supported"


def _bracket(curve: Curve, answer: BracketAnswer, rests_on: Sequence[int]) -> Bracket:
    kind: VerdictKind = "invalid" if rests_on else answer.kind
    return Bracket(
        lower_users=answer.lower_users,
        upper_users=answer.upper_users,
        kind=kind,
        estimate_users=answer.estimate_users,
        straddling=answer.straddling,
        blocks_needed=answer.blocks_needed,
        reason=_reason(curve, answer, rests_on),
    )


def _reason(curve: Curve, answer: BracketAnswer, rests_on: Sequence[int]) -> str | None:
    if rests_on:
        return f"an end of the bracket rests on {_levels(rests_on)}, where more than a quarter of the pairs are missing"
    if answer.kind != "inconclusive":
        return None
    blocks = max((level.blocks for level in answer.levels), default=0)
    if blocks < MIN_BLOCKS:
        told = curve.figures.note if curve.figures.note and not curve.figures.is_inverse_throughput else None
        why = told or (WHY_ABSENT[curve.figures.statistic] if any(curve.absent) else None)
        note = f" ({why})" if why else ""
        most = {0: "no block has", 1: "no level has more than 1 block with"}[blocks]
        return f"{most} a figure for both stacks, and an interval needs {MIN_BLOCKS}{note}"
    known = [
        *([] if answer.upper_users is None else [f"it does by {format_users(answer.upper_users)}"]),
        *([] if answer.lower_users is None else [f"it does not up to {format_users(answer.lower_users)}"]),
    ]
    but = "but " if known else ""
    open_levels = f"{but}{_levels(answer.straddling)} decide neither way ({_needed(curve, answer)})"
    return ", ".join((*known, open_levels))


def _needed(curve: Curve, answer: BracketAnswer) -> str:
    thin = [level.users for level in answer.levels if level.answer == "unknown"]
    if thin:
        absent = [n for users, n in zip(curve.users, curve.absent, strict=False) if users in thin]
        why = f": {WHY_ABSENT[curve.figures.statistic]}" if any(absent) else ""
        return f"fewer than {MIN_BLOCKS} pairs count at {_levels(thin)}{why}"
    failed = [users for users, one in zip(curve.users, curve.endless, strict=False) if one.first or one.second]
    if open_ones := [users for users in failed if users in answer.straddling]:
        return f"in some blocks at {_levels(open_ones)} no request of one stack was good, which has no price"
    invalid = [users for i, users in enumerate(curve.users) if not curve.valid(i) and users in answer.straddling]
    if invalid and answer.blocks_needed is None:
        return f"more than a quarter of the pairs are missing at {_levels(invalid)}"
    if answer.blocks_needed is not None:
        measured = max(n for users, n in zip(curve.users, curve.planned, strict=True) if users in answer.straddling)
        return f"about {answer.blocks_needed} blocks would settle them, {measured} were measured"
    return "too close to the margin for this noise: a quieter machine or other levels would help, more blocks not"


def _findings(
    curve: Curve, answer: BracketAnswer, invalid: Sequence[int], rests_on: Sequence[int]
) -> tuple[Finding, ...]:
    found = [_level_invalid(curve, users) for users in invalid]
    found += [
        finding(
            "bracket_end_invalid",
            "invalid",
            _where(users),
            detail=_name(curve),
            next_step="see which gate the level's windows failed, then measure again",
        )
        for users in rests_on
    ]
    if answer.back_under:
        found.append(
            finding(
                "not_rising",
                "warning",
                _where(answer.back_under[0]),
                got=f"within the margin at {_levels(answer.back_under)}",
                expected=f"above it from {format_users(answer.upper_users)} on",
                detail=_name(curve),
            )
        )
    return (*found, *_noise_findings(curve))


def _noise_findings(curve: Curve) -> tuple[Finding, ...]:
    columns = [curve.column(i) for i in range(len(curve.users))]
    if all(len(column) < MIN_BLOCKS for column in columns):
        return (finding("few_blocks", "warning", "run", detail=_name(curve), expected=f"{MIN_BLOCKS} or more"),)
    if curve.figures.method == "sign":
        return ()
    if all(_alike(column) for column in columns):
        return (finding("no_spread", "warning", "run", detail=_name(curve)),)
    return tuple(
        finding(
            "uneven_noise",
            "info",
            _where(curve.users[i]),
            got=f"block SD {format_percent(stdev(columns[i]))}",
            expected="about that of the neighbouring levels",
            next_step="more blocks would narrow them",
            detail=_name(curve),
        )
        for i in uneven_levels(columns)
    )


def _level_invalid(curve: Curve, users: int) -> Finding:
    index = curve.users.index(users)
    planned, absent = curve.planned[index], curve.absent[index] if curve.absent else 0
    missing = planned - len(curve.column(index))
    why = f", {absent} for want of a figure in windows that count ({WHY_ABSENT[curve.figures.statistic]})"
    see = (
        "which gate the level's windows failed"
        if absent < missing
        else "what was answered there, and objective.latency_s"
    )
    return finding(
        "level_invalid",
        "warning",
        _where(users),
        got=f"{missing} of {planned} pairs missing{why if absent else ''}",
        expected="at most a quarter",
        next_step=f"see {see}, or leave the level out",
        detail=_name(curve),
    )


def _alike(column: Sequence[float]) -> bool:
    got = sample(column)
    return got is not None and got.n >= MIN_BLOCKS and not got.spread


def _name(curve: Curve) -> str:
    priced = [part for part in (curve.figures.list, curve.figures.billing) if part is not None]
    return f"{curve.figures.statistic}" + (f" ({', '.join(priced)})" if priced else "")


def _where(users: int) -> str:
    return f"users={users}"


def _levels(users: Sequence[int]) -> str:
    return f"{', '.join(str(n) for n in users)} users"
