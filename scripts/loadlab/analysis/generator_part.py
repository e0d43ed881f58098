"""What of the load generator is in the figures of the stacks: answers that it timed itself, and time that it took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from loadlab.analysis.codes import finding
from loadlab.model.result import Finding
from loadlab.model.run import RunData
from loadlab.units import format_percent

LEAST_READ_SHARE = 0.01
"""Of the answers that end when they are read: fewer move no percentile up to p99."""
LEAST_UNLIKE = 0.05
"""Shares of two stacks that differ by less are taken for alike."""
LEAST_SHARE = 0.02
"""Of the time of all users that the generator takes: as much as the gate ``schedule`` lets users be missing."""


def read_findings(run: RunData) -> tuple[Finding, ...]:
    """Latencies with the generator's own delay in them, which is worse where one stack has more of them.

    A calibration vouches for answers that the kernel stamped, as those of FastHttpUser are, and not for these.
    """
    shares = _read_shares(run)
    if not shares or max(shares.values()) < LEAST_READ_SHARE:
        return ()
    is_alike = max(shares.values()) - min(shares.values()) < LEAST_UNLIKE
    is_vouched = run.provenance.truthful is not None and max(shares.values()) >= LEAST_UNLIKE
    got = ", ".join(f"{share:.0%} of the answers of {stack}" for stack, share in shares.items())
    step = "serve all stacks alike: plain HTTP, kept connections, FastHttpUser (docs/method.md, Latency)"
    return (
        finding(
            "ends_read",
            "info" if is_alike and not is_vouched else "warning",
            "latency",
            got=got,
            expected=_expected(is_alike=is_alike, is_vouched=is_vouched),
            next_step=None if is_alike and not is_vouched else step,
        ),
    )


def _expected(*, is_alike: bool, is_vouched: bool) -> str:
    if not is_alike:
        return "the same share for all stacks"
    return "none, since the calibration of this machine is not of such answers" if is_vouched else "none"


def _read_shares(run: RunData) -> Mapping[str, float]:
    """By stack, of all that ended in its windows; stacks whose windows do not tell are left out."""
    read: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for window in run.windows:
        if window.load.ends_read is not None:
            read[window.stack] += window.load.ends_read
            ended[window.stack] += window.load.ok + window.load.failed
    return {stack: read[stack] / count for stack, count in ended.items() if count}


def share_findings(run: RunData) -> tuple[Finding, ...]:
    """Closed loads in which the generator itself was a good part of what a user waited for, at the worst level.

    Neither a latency nor a bill has it in it, but throughput per user has: users of another generator ask more often.
    """
    shares = _shares(run)
    if not shares:
        return ()
    (stack, users), share = max(shares.items(), key=lambda item: item[1])
    if share < LEAST_SHARE:
        return ()
    got = f"{format_percent(share)} of the time of {users} users of {stack}"
    step = "give the load generator more cores or workers, or ask for fewer users or slower answers"
    expected = f"below {format_percent(LEAST_SHARE)}"
    return (finding("generator_share", "warning", "load", got=got, expected=expected, next_step=step),)


def _shares(run: RunData) -> Mapping[tuple[str, int], float]:
    """Of each stack and number of users, the generator's part of the users' time; without windows that do not tell."""
    taken: dict[tuple[str, int], float] = defaultdict(float)
    all_s: dict[tuple[str, int], float] = defaultdict(float)
    for window in run.windows:
        if window.load.chores_s is not None and window.load.arrivals is None:
            taken[window.stack, window.users] += window.load.chores_s
            all_s[window.stack, window.users] += window.load.user_time_s
    return {level: taken[level] / seconds for level, seconds in all_s.items() if seconds}
