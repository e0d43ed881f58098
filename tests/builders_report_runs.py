"""Synthetic runs that went otherwise than planned, made from the one in builders_report."""

from __future__ import annotations

from dataclasses import replace

from builders_report import QUICK_LEVELS, Shape, build_analysis, told
from loadlab.analysis.level_tallies import level_tallies
from loadlab.model.result import AaControl, Analysis, Bracket, Claim, Finding, Prediction, PricedBracket

_OPEN = Bracket(lower_users=None, upper_users=None, kind="invalid", reason="no window passed its gates")
_CONTROL = AaControl(
    fired=None,
    resolution_ratio=None,
    stack="flask",
    users=44,
    ratio=None,
    reason="0 A/A pairs count, 2 are needed",
)


def all_invalid() -> Analysis:
    """Every window failed a gate: no level, no comparison, no cost."""
    run = build_analysis()
    windows = tuple(replace(window, valid=False, used=False, reasons=("lag",)) for window in run.windows)
    lag = tuple(
        Finding(
            code="lag",
            level="invalid",
            where=window.id,
            message="the load generator woke up late",
            got=f"p99 {window.generator_lag_p99_s * 1e3:.2f} ms",
            expected=f"at most {5 + window.users / 10:.1f} ms",
            next_step="give the generator another core",
        )
        for window in windows
    )
    return replace(
        run,
        verdict=told("invalid", "This run is invalid: no window passed its gates.", 4),
        bracket=_OPEN,
        claim=Claim(users=50, answer="invalid"),
        prediction=_unmeasured(run),
        aa=_CONTROL,
        brackets=tuple(_without_points(curve) for curve in run.brackets),
        comparisons=(),
        levels=(),
        tested=level_tallies(QUICK_LEVELS, ("flask", "fastapi"), windows, QUICK_LEVELS),
        windows=windows,
        cost=(),
        findings=lag,
        counts=replace(run.counts, valid=0, invalid=len(windows), reasons={"lag": len(windows)}),
        explanation=tuple(
            replace(
                one,
                sentence=f"{one.stack}: no window counts.",
                slots_peak=None,
                slots_full_from_users=None,
                cores_peak=None,
                cores_full_from_users=None,
            )
            for one in run.explanation
        ),
    )


def _unmeasured(run: Analysis) -> Prediction | None:
    return run.prediction and replace(run.prediction, miss_ratio=None, inside=None, lower_ratio=None, upper_ratio=None)


def _without_points(curve: PricedBracket) -> PricedBracket:
    return replace(curve, bracket=_OPEN, is_inverse_throughput=False, note=None, constant_ratio=None)


def capacity_run() -> Analysis:
    """One stack alone: nothing is compared."""
    run = build_analysis()
    name = run.stacks[0].name
    return replace(
        run,
        verdict=told("capacity", "flask holds 95 % within 1.00 s up to 53 users.", 0),
        bracket=Bracket(lower_users=None, upper_users=None, kind="capacity", reason="one stack compares nothing"),
        claim=Claim(users=None, answer=None),
        prediction=None,
        brackets=(),
        comparisons=(),
        stacks=run.stacks[:1],
        levels=tuple(level for level in run.levels if level.stack == name),
        windows=tuple(window for window in run.windows if window.stack == name),
        cost=tuple(cost for cost in run.cost if cost.stack == name),
        explanation=run.explanation[:1],
        tested=tuple(row for row in run.tested or () if row.stack == name),
    )


def one_level_lost(users: int = 53) -> Analysis:
    """No window of one level passed its gates: it has no figures, no pairs and no cost."""
    run = build_analysis()
    lost = tuple(
        replace(row, used=0, reasons={"steal": row.windows}, invalid=True) if row.users == users else row
        for row in run.tested or ()
    )
    return replace(
        run,
        levels=tuple(level for level in run.levels if level.users != users),
        comparisons=tuple(pair for pair in run.comparisons if pair.users != users),
        cost=tuple(cost for cost in run.cost if cost.users != users),
        tested=lost,
    )


def incomplete_run() -> Analysis:
    """Ended after its first block: estimates without intervals, levels without bounds."""
    run = build_analysis(Shape(blocks=1))
    reason = "no level has more than 1 block with a figure for both stacks, and an interval needs 2"
    bracket = Bracket(
        lower_users=None, upper_users=None, kind="inconclusive", straddling=run.experiment.levels, reason=reason
    )
    stopped = Finding(
        code="run_incomplete",
        level="warning",
        where="run",
        message="the run ended before all of its blocks were measured: interrupted by the user",
        got="1 of 4 blocks",
        expected="4 blocks, fixed before the run",
        next_step="loadlab run --resume goes on where it stopped",
    )
    return replace(
        run,
        verdict=told("inconclusive", "It stays open: the run ended early.", 5),
        bracket=bracket,
        claim=Claim(users=50, answer="inconclusive"),
        prediction=_unmeasured(run),
        aa=_CONTROL,
        brackets=tuple(replace(curve, bracket=bracket) for curve in run.brackets),
        comparisons=tuple(
            replace(
                pair,
                lower_ratio=None,
                upper_ratio=None,
                decision_lower_ratio=None,
                decision_upper_ratio=None,
                answer="unknown",
            )
            for pair in run.comparisons
        ),
        findings=(stopped, *run.findings),
    )
