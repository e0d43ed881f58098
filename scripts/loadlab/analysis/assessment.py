"""A judged run and its bills in, every statistical part of the result out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from loadlab.analysis.calibration_use import is_uncalibrated
from loadlab.analysis.cluster import cross_check_findings
from loadlab.analysis.codes import finding
from loadlab.analysis.compare import Figures, Value, make_curve, plain_figures
from loadlab.analysis.controls import aa_control, aa_findings
from loadlab.analysis.description import own_waits
from loadlab.analysis.mishaps import load_findings, mishap_findings, origin_findings
from loadlab.analysis.pairing import missing_by_level, too_many_missing
from loadlab.analysis.replicas import held_level_of, tested_levels
from loadlab.analysis.stages import UNDECIDED, is_undecided, planned_blocks
from loadlab.analysis.summarise import Judged, level_summaries
from loadlab.analysis.threshold import CurveResult, distrusted, judge_claim, judge_curve
from loadlab.analysis.validity import unjudged
from loadlab.analysis.verdict import Grounds, decide
from loadlab.errors import PROGRAM
from loadlab.model.experiment import Experiment
from loadlab.model.plan import Plan
from loadlab.model.result import (
    AaControl,
    Bracket,
    Claim,
    Comparison,
    Counts,
    Finding,
    LevelSummary,
    PricedBracket,
    StackDescription,
    Verdict,
)
from loadlab.model.run import Provenance, RunData


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """The parts of ``Analysis`` that come from windows and statistics."""

    verdict: Verdict
    bracket: Bracket
    claim: Claim
    aa: AaControl
    brackets: tuple[PricedBracket, ...]
    comparisons: tuple[Comparison, ...]
    levels: tuple[LevelSummary, ...]
    findings: tuple[Finding, ...]
    counts: Counts


def assess(
    experiment: Experiment,
    plan: Plan,
    run: RunData,
    judged: Judged,
    bills: Sequence[Figures],
    stacks: tuple[StackDescription, ...],
) -> Assessment:
    """Compare, bracket and decide. ``bills``: the priced statistics; the others are made here.

    The verdict rests on the first of the figures with the declared statistic. The A/A control judges the same
    figures, or goodput where they exist for whole blocks only. A run of one stack compares nothing.
    """
    plain = plain_figures(judged.windows)
    decided, others = _decided(experiment, bills, plain)
    result = None if decided is None else _judge(experiment, judged, decided)
    rest = [_judge(experiment, judged, figures) for figures in others]
    curves = [*([] if result is None else [result]), *(r for r in rest if r.comparisons or r.bracket.list)]
    aa = _control(plan, judged, _control_values(decided, plain))
    grounds = _grounds(experiment, run, judged, stacks, result, aa)
    return Assessment(
        verdict=decide(experiment, grounds),
        bracket=grounds.bracket,
        claim=grounds.claim,
        aa=aa,
        brackets=tuple(_believed(curve.bracket, grounds.why_untrusted) for curve in curves),
        comparisons=tuple(comparison for curve in curves for comparison in curve.comparisons),
        levels=level_summaries(judged, experiment),
        findings=(
            *run_findings(experiment, run, plan),
            *mishap_findings(run),
            *load_findings(run),
            *cross_check_findings(run),
            *origin_findings(run),
            *(result.findings if result is not None else ()),
            *aa_findings(aa),
            *window_doubts(judged),
        ),
        counts=grounds.counts,
    )


def _control(plan: Plan, judged: Judged, values: Mapping[str, Value]) -> AaControl:
    """The A/A control with the stacks of the pairs that count; where none does, with the one that is doubled first."""
    of = {window.id: window.stack for window in judged.windows}
    pairs = (pair.ids for pair in judged.pairs if pair.kind == "aa" and pair.ids)
    doubled = tuple(dict.fromkeys(of[ids[0]] for ids in pairs))
    return aa_control(judged.pairs, values, stacks=doubled or (plan.aa_stack,), users=plan.aa_users)


def untrusted(run: RunData, aa: AaControl) -> str | None:
    """Why this run may call no bracket; None where it may."""
    if not run.complete:
        return f"the run ended before its blocks were done ({run.ended_by or 'cause unknown'})"
    return "its A/A control found a difference between a stack and itself" if aa.fired else None


def _believed(priced: PricedBracket, why: str | None) -> PricedBracket:
    return priced if why is None else replace(priced, bracket=distrusted(priced.bracket, why))


def decided_bracket(
    experiment: Experiment, judged: Judged, bills: Sequence[Figures]
) -> tuple[Bracket, tuple[int, ...]]:
    """The bracket that the verdict rests on, by itself, and its invalid levels.

    Inconclusive where its statistic has no figures.
    """
    decided, _ = _decided(experiment, bills, plain_figures(judged.windows))
    if decided is None:
        return _absent_bracket(experiment), ()
    result = _judge(experiment, judged, decided)
    return result.bracket.bracket, result.invalid_levels


def _grounds(
    experiment: Experiment,
    run: RunData,
    judged: Judged,
    stacks: tuple[StackDescription, ...],
    result: CurveResult | None,
    aa: AaControl,
) -> Grounds:
    bracket = result.bracket.bracket if result is not None else _absent_bracket(experiment)
    why = untrusted(run, aa)
    return Grounds(
        statistic=experiment.decision.statistic,
        bracket=bracket if why is None else distrusted(bracket, why),
        bill=result.bracket if result is not None else None,
        effect=effect_of(bracket, result.comparisons) if result is not None else None,
        claim=judge_claim(experiment.decision.claimed_users, bracket, trusted=why is None),
        aa=aa,
        counts=count(run, judged),
        stacks=stacks,
        complete=run.complete,
        why_untrusted=why,
        calibrated=_calibrated(run),
        own_waits=own_waits(run),
        where=place(run.provenance),
        unheld=_unheld(experiment, run, judged),
    )


def place(provenance: Provenance) -> str:
    """What the stacks ran on, as the verdict's settings say it."""
    facts = provenance.cluster
    if facts is not None:
        what = "a kind cluster on this machine" if facts.kind == "kind" else "a Kubernetes cluster"
        return f"{what}, {round(facts.cpu_limit_cores * 1000)}m of processor a replica"
    return f"services on {', '.join(provenance.allowed_hosts)}" if provenance.allowed_hosts else "this machine"


def _unheld(experiment: Experiment, run: RunData, judged: Judged) -> str | None:
    """Why it is not known how many users a replica of the first stack holds; None where it is."""
    used = {window.id for window in judged.windows if window.used}
    own = [window for window in run.windows if window.id in used and window.stack == experiment.stacks[0].name]
    return held_level_of(own, experiment.objective, tested_levels(run.windows)).reason


def effect_of(bracket: Bracket, comparisons: Sequence[Comparison]) -> Comparison | None:
    """The level that says by how much: the bracket's upper end, its lower one where the costs do not part, or else the
    highest level that has pairs."""
    end = bracket.lower_users if bracket.kind == "no_divergence" else bracket.upper_users
    at_end = next((one for one in comparisons if one.users == end), None)
    return at_end or max(comparisons, key=lambda one: one.users, default=None)


def count(run: RunData, judged: Judged) -> Counts:
    """Count how the windows fared; reasons counts each failed gate once per window."""
    windows = judged.windows
    missing = missing_by_level(judged.pairs)
    return Counts(
        windows=len(windows),
        valid=sum(w.valid for w in windows),
        invalid=sum(not w.valid for w in windows),
        repeated=sum(w.role == "repeat" for w in windows),
        missing_pairs=sum(lost for lost, _ in missing.values()),
        invalid_levels=tuple(n for n, (lost, planned) in missing.items() if too_many_missing(lost, planned)),
        interrupted_blocks=len(run.interrupted_blocks),
        blocks=len({w.block for w in windows}),
        requests=sum(w.ok + w.failed for w in windows),
        reasons=dict(sorted(Counter(code for w in windows for code in w.reasons).items())),
    )


def run_findings(experiment: Experiment, run: RunData, plan: Plan) -> tuple[Finding, ...]:
    """Doubts about the run as a whole."""
    found = [] if run.complete else [_incomplete(run, plan)]
    if run.interrupted_blocks:
        numbers = ", ".join(str(number) for number in run.interrupted_blocks)
        found.append(finding("interrupted_blocks", "info", "run", got=f"blocks {numbers}", expected="none"))
    if run.provenance.resumed:
        found.append(finding("resumed", "info", "run", got=f"{len(run.provenance.resumed)} times"))
    if not _calibrated(run):
        found.append(_uncalibrated(run.provenance, keep_awake=experiment.window.is_kept_awake))
    if run.provenance.isolation == "shared":
        found.append(
            finding(
                "shared_machine",
                "warning",
                "machine",
                got=run.provenance.isolation_detail,
                expected="cores of its own for the service under test",
                next_step=f"{PROGRAM} doctor says what this machine allows",
            )
        )
    return tuple(found)


def _incomplete(run: RunData, plan: Plan) -> Finding:
    done, planned = len({window.block for window in run.windows}), planned_blocks(plan, run)
    undecided = is_undecided(plan, run)
    return finding(
        "run_incomplete",
        "warning",
        "run",
        got=f"{done} of {planned} blocks" + (f", and {UNDECIDED}" if undecided else ""),
        expected=f"{planned} blocks, fixed before the run" + (", and what follows them" if undecided else ""),
        next_step=f"{PROGRAM} run --resume RUN goes on where it stopped",
        detail=run.ended_by,
    )


def window_doubts(judged: Judged) -> tuple[Finding, ...]:
    """Every failed gate of every window, then one line for each gate that could not be judged."""
    every = [found for findings in judged.findings.values() for found in findings]
    failed = [found for found in every if found.level == "invalid"]
    return (*failed, *unjudged(every, len(judged.windows)))


def _decided(
    experiment: Experiment, bills: Sequence[Figures], plain: Sequence[Figures]
) -> tuple[Figures | None, tuple[Figures, ...]]:
    if len(experiment.stacks) != 2:
        return None, ()
    figures = (*bills, *plain)
    first = next((i for i, f in enumerate(figures) if f.statistic == experiment.decision.statistic), None)
    if first is None:
        return None, figures
    return figures[first], (*figures[:first], *figures[first + 1 :])


def _judge(experiment: Experiment, judged: Judged, figures: Figures) -> CurveResult:
    names = (experiment.stacks[0].name, experiment.stacks[1].name)
    curve = make_curve(figures, judged.pairs, names, judged.windows)
    return judge_curve(curve, experiment.decision, experiment.stage_alpha)


def _control_values(decided: Figures | None, plain: Sequence[Figures]) -> Mapping[str, Value]:
    if decided is not None and decided.by_window is not None:
        return decided.by_window
    return next(f.by_window for f in plain if f.statistic == "goodput" and f.by_window is not None)


def _absent_bracket(experiment: Experiment) -> Bracket:
    if len(experiment.stacks) == 1:
        return Bracket(lower_users=None, upper_users=None, kind="capacity", reason="one stack compares nothing")
    reason = f"no figures for {experiment.decision.statistic}: the experiment names no price list that gives it"
    return Bracket(lower_users=None, upper_users=None, kind="inconclusive", reason=reason)


def _uncalibrated(provenance: Provenance, *, keep_awake: bool) -> Finding:
    typed = f"{PROGRAM} calibrate --keep-awake" if keep_awake else f"{PROGRAM} calibrate"
    step = None if provenance.cluster is not None else f"{typed}, about two minutes on a quiet machine"
    return finding("uncalibrated", "warning", "machine", got=provenance.calibration, next_step=step)


def _calibrated(run: RunData) -> bool:
    return not is_uncalibrated(run.provenance.calibration)
