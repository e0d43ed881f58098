"""The verdict: one sentence with the answer, its settings and every doubt that limits it, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.analysis.codes import GATE_CODES, MEANING
from loadlab.errors import EXIT_CONCLUSIVE, EXIT_CONTRARY, EXIT_INCONCLUSIVE, EXIT_INVALID
from loadlab.model.experiment import ClosedLoad, Expectation, Experiment, Statistic
from loadlab.model.result import (
    AaControl,
    Bracket,
    Claim,
    Comparison,
    Counts,
    PricedBracket,
    StackDescription,
    Verdict,
    VerdictKind,
)
from loadlab.units import format_percent, format_ratio, format_s, format_users

_DEARER: dict[Statistic, tuple[str, str, str]] = {
    "cost_per_million_good": ("costs", "cost", "more than {times} what {second} costs per million good requests"),
    "usd_per_hour_at_users": ("costs", "cost", "more than {times} what {second} costs per hour within the objective"),
    "goodput": ("takes", "take", "more than {times} the time of {second} for a good request"),
    "p95": ("has", "have", "more than {times} the 95th percentile latency of {second}"),
    "memory": ("needs", "need", "more than {times} the peak memory of {second}"),
    "cpu_per_request": ("spends", "spend", "more than {times} the processor time of {second} on a request"),
}
_CONCLUSIVE: frozenset[VerdictKind] = frozenset({"diverges", "diverged_at_first", "no_divergence", "capacity"})
_DIVERGING: frozenset[VerdictKind] = frozenset({"diverges", "diverged_at_first"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Grounds:
    """What a verdict rests on. bill: the decided curve, None where there is none. why_untrusted: why
    the bracket may not be called (the run is not whole, or its control fired); None where it may.

    effect: the level at which the sentence says by how much: the bracket's upper end, where the costs do not part its
    lower one, else the highest that counts.
    """

    statistic: Statistic
    bracket: Bracket
    bill: PricedBracket | None
    effect: Comparison | None
    claim: Claim
    aa: AaControl
    counts: Counts
    stacks: tuple[StackDescription, ...]
    complete: bool
    why_untrusted: str | None
    calibrated: bool
    own_waits: tuple[str, ...] = ()
    """User classes that waited as their own wait_time says."""
    where: str = "this machine"
    """What the stacks ran on."""
    unheld: str | None = None
    """Of one stack alone: why it is not known how many users a replica holds; None where it is."""


def decide(experiment: Experiment, grounds: Grounds) -> Verdict:
    """Give the verdict of a run.

    The bracket's kind stands unless the run is not complete or its A/A control fired (inconclusive), or no
    window is valid (invalid). One stack makes a capacity run, which compares nothing; it is inconclusive where no level
    says how many users a replica holds.
    """
    kind = _kind(grounds)
    answer = _answer(experiment, grounds, kind) + _effect_words(grounds, kind) + _claim_words(grounds)
    settings, doubts = (*_settings(experiment, grounds), grounds.where), _doubts(grounds)
    limits = f"; doubts: {', '.join(doubts)}" if doubts else ""
    return Verdict(
        kind=kind,
        sentence=f"{answer} ({'; '.join(settings)}){limits}.",
        exit_code=exit_code(kind, experiment.decision.expect),
        answer=f"{answer}.",
        settings=settings,
        doubts=doubts,
    )


def exit_code(kind: VerdictKind, expect: Expectation) -> int:
    """Map a verdict to what the command ends with: 0 as expected, 3 contrary, 4 invalid, 5 inconclusive."""
    if kind == "invalid":
        return EXIT_INVALID
    if kind not in _CONCLUSIVE:
        return EXIT_INCONCLUSIVE
    if expect == "conclusive" or kind == "capacity":
        return EXIT_CONCLUSIVE
    return EXIT_CONCLUSIVE if (kind in _DIVERGING) == (expect == "diverges") else EXIT_CONTRARY


def _kind(grounds: Grounds) -> VerdictKind:
    if grounds.counts.valid == 0:
        return "invalid"
    kind = grounds.bracket.kind
    if kind == "capacity" and grounds.stacks[0].users_per_replica is None:
        return "inconclusive"
    return kind if grounds.why_untrusted is None or kind == "invalid" else "inconclusive"


def _answer(experiment: Experiment, grounds: Grounds, kind: VerdictKind) -> str:
    if len(experiment.stacks) == 1:
        return _capacity_words(experiment, grounds)
    verb, base, rest = _words(experiment, grounds)
    first, low, high = grounds.stacks[0].name, grounds.bracket.lower_users, grounds.bracket.upper_users
    if kind == "diverges":
        return f"Above {low} and by {high} concurrent users {first} starts to {base} {rest}"
    if kind == "diverged_at_first":
        return f"Already at {high} concurrent users{_and_beyond(grounds, 'lowest')}, {first} {verb} {rest}"
    if kind == "no_divergence" and low is None:
        return f"At no number of concurrent users does {first} {base} {rest}: {grounds.bracket.reason}"
    if kind == "no_divergence":
        return f"Up to {low} concurrent users{_and_beyond(grounds, 'highest')}, {first} does not {base} {rest}"
    if kind == "invalid":
        reason = grounds.bracket.reason if grounds.bracket.kind == "invalid" else "no window passed its gates"
        return f"This run is invalid and does not tell from how many users on {first} {verb} {rest}: {reason}"
    return f"From how many concurrent users on {first} {verb} {rest} stays open: {_why_open(grounds)}"


def _and_beyond(grounds: Grounds, outermost: str) -> str:
    """Whether that was the end of what was tested; a second stage may have tested levels beyond that did not decide."""
    undecided = grounds.bracket.straddling
    return f" (undecided at {', '.join(map(str, undecided))})" if undecided else f", the {outermost} level tested"


def _why_open(grounds: Grounds) -> str:
    return grounds.why_untrusted or grounds.bracket.reason or "the levels decide neither way"


def _words(experiment: Experiment, grounds: Grounds) -> tuple[str, str, str]:
    verb, base, rest = _DEARER[grounds.statistic]
    times = format_ratio(1 + experiment.decision.margin_ratio)
    return verb, base, rest.format(times=times, second=grounds.stacks[1].name) + _bill_words(grounds.bill)


def _bill_words(bill: PricedBracket | None) -> str:
    if bill is None or bill.list is None:
        return ""
    billing = (bill.billing or "").replace("_", " ")
    return f" on {bill.list} ({billing}{', prices cancel' if bill.is_inverse_throughput else ''})"


def _effect_words(grounds: Grounds, kind: VerdictKind) -> str:
    """By how much: the ratio with its interval at the end of the bracket, or at the highest level that counts."""
    if kind in ("invalid", "capacity"):
        return ""
    if grounds.effect is None:
        return ""
    ratio, lower, upper = grounds.effect.ratio, grounds.effect.lower_ratio, grounds.effect.upper_ratio
    absent = lower is None or upper is None
    interval = "no interval" if absent else f"{format_ratio(lower, 3)} to {format_ratio(upper, 3)}"
    before = ": " if kind in _CONCLUSIVE else "; measured: "
    return f"{before}{format_ratio(ratio, 3)} at {format_users(grounds.effect.users)} ({interval})"


def _settings(experiment: Experiment, grounds: Grounds) -> tuple[str, ...]:
    load = experiment.load
    parts = [*(f"{stack.name}: {stack.label}" for stack in grounds.stacks), load.scenario.user_class]
    if grounds.own_waits:
        parts[-1] += f", think time as the wait_time of {', '.join(grounds.own_waits)} says"
    elif isinstance(load, ClosedLoad):
        parts[-1] += f", think time {format_s(load.think_s)}"
    else:
        parts[-1] += f", open loop, {load.arrivals} arrivals"
    if experiment.upstream is not None:
        parts[-1] += f", upstream {experiment.upstream.latency}"
    return tuple(parts)


def _capacity_words(experiment: Experiment, grounds: Grounds) -> str:
    stack, goal = grounds.stacks[0], experiment.objective
    objective = f"{format_percent(goal.good_ratio)} of requests within {format_s(goal.latency_s)}"
    if grounds.counts.valid == 0:
        return f"This run is invalid: no window of {stack.name} passed its gates"
    if stack.users_per_replica is None:
        return f"What {stack.name} holds stays open: {grounds.unheld or 'no level counts'} ({objective})"
    return f"{stack.name} holds {objective} up to {format_users(stack.users_per_replica)} among the tested levels"


def _claim_words(grounds: Grounds) -> str:
    claim = grounds.claim
    if claim.users is None or claim.answer is None or len(grounds.stacks) == 1:
        return ""
    words = {
        "supported": "; the claim of {users} is supported",
        "refuted_earlier": "; the claim of {users} is refuted: it starts earlier",
        "refuted_later": "; the claim of {users} is refuted: it starts later, if at all",
        "inconclusive": "; the claim of {users} is neither supported nor refuted",
        "invalid": "; the claim of {users} cannot be judged",
    }
    return words[claim.answer].format(users=format_users(claim.users))


def _doubts(grounds: Grounds) -> tuple[str, ...]:
    found: list[str] = []
    if grounds.aa.fired and not grounds.complete:
        found.append("the A/A control found a difference between a stack and itself")
    if grounds.aa.fired is None:
        found.append("the A/A control could not be judged")
    if grounds.counts.missing_pairs:
        found.append(_missing_words(grounds.counts))
    if grounds.counts.interrupted_blocks:
        left_out = _number(grounds.counts.interrupted_blocks, "interrupted block is", "interrupted blocks are")
        found.append(f"{left_out} left out")
    if not grounds.calibrated:
        found.append("the load generator is uncalibrated")
    return tuple(found)


def _missing_words(counts: Counts) -> str:
    """How many pairs are missing, and what refused most of the windows that failed."""
    missing = f"{_number(counts.missing_pairs, 'pair of windows is', 'pairs of windows are')} missing"
    if not counts.reasons:
        return missing
    most = max(GATE_CODES, key=lambda code: counts.reasons.get(code, 0))
    times = _number(counts.reasons.get(most, 0), "time", "times")
    return f"{missing} (windows were refused most often for {most}, {times}: {MEANING[most]})"


def _number(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
