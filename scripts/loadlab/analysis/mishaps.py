"""What broke and was mended during a run, out of its events, and where the program itself came from."""

from __future__ import annotations

from collections.abc import Mapping

from loadlab.analysis.codes import RunCode, finding
from loadlab.analysis.description import own_waits
from loadlab.analysis.generator_part import read_findings, share_findings
from loadlab.errors import PROGRAM
from loadlab.model.result import Finding
from loadlab.model.run import RunData
from loadlab.units import counted, format_s

MISHAPS: Mapping[str, RunCode] = {
    "stacks_restarted": "stacks_restarted",
    "trial_lost": "trial_lost",
    "generator_healed": "generator_healed",
}
"""Event to code."""
_NEXT = "see events.jsonl and logs/ in the bundle; what was measured meanwhile is not counted"


def mishap_findings(run: RunData) -> tuple[Finding, ...]:
    """One finding for each kind of mishap, with how often it happened and why it did first."""
    found = []
    for event, code in MISHAPS.items():
        reasons = [_reason(each) for each in run.events if each.get("event") == event]
        if reasons:
            times = counted(len(reasons), "time")
            found.append(
                finding(code, "warning", "run", got=times, expected="none", next_step=_NEXT, detail=reasons[0])
            )
    return tuple(found)


def origin_findings(run: RunData) -> tuple[Finding, ...]:
    """A checkout that differs from its revision cannot be gone back to."""
    if not run.provenance.git_dirty:
        return ()
    revision = run.provenance.git_revision or "no revision"
    return (
        finding("dirty_tree", "info", "run", got=f"files differ from {revision[:12]}", expected="a clean checkout"),
    )


def load_findings(run: RunData) -> tuple[Finding, ...]:
    """What of the load was not as the experiment says, or not to be relied on."""
    return (*own_wait_findings(run), *demand_findings(run), *read_findings(run), *share_findings(run))


def demand_findings(run: RunData) -> tuple[Finding, ...]:
    """Demands whose windows failed gates twice: prediction and placing of levels rest on them, no bill does."""
    step = f"run again on a quiet machine (`{PROGRAM} doctor` names what disturbs), or give load.users by hand"
    return tuple(
        finding("demand_unsettled", "warning", d.stack, got=", ".join(d.doubts), expected="none", next_step=step)
        for d in run.demands
        if d.doubts
    )


def own_wait_findings(run: RunData) -> tuple[Finding, ...]:
    """Users whose own wait_time ruled, because the experiment's think_s is 0."""
    names = own_waits(run)
    if not names:
        return ()
    step = "set load.think_s to what they wait on average, or take wait_time out of the class"
    means = [f"{format_s(d.think_s)} on average for {d.stack}" for d in run.demands if d.think_s is not None]
    got = f"{', '.join(names)}; {', '.join(means) or 'how long was not measured'}"
    return (finding("own_wait", "warning", "load", got=got, expected="none", next_step=step),)


def _reason(event: Mapping[str, object]) -> str:
    reason = event.get("reason")
    told = "; ".join(map(str, reason)) if isinstance(reason, list | tuple) else str(reason)
    trial = event.get("trial")
    return told if trial is None else f"{trial}: {told}"
