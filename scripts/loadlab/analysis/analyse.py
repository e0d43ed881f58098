"""From what was measured to everything that a report shows: RunData in, Analysis out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from loadlab.analysis.assessment import Assessment, assess, decided_bracket
from loadlab.analysis.billing import Tariff, make_tariffs
from loadlab.analysis.bills import priced_figures
from loadlab.analysis.cluster import cluster_evidence
from loadlab.analysis.compare import Figures
from loadlab.analysis.cost import cost_estimates
from loadlab.analysis.description import describe_experiment, describe_stacks
from loadlab.analysis.explanation import explain
from loadlab.analysis.gaps import unknown_pools, with_own_waits
from loadlab.analysis.level_tallies import level_tallies
from loadlab.analysis.prediction import Conditions, predict, with_measurement
from loadlab.analysis.price_lists import describe_price_lists
from loadlab.analysis.rates import in_rates
from loadlab.analysis.replicas import tested_levels
from loadlab.analysis.reproduction import reproduction
from loadlab.analysis.stages import describe_refinement, planned_levels
from loadlab.analysis.summarise import Judged, judge
from loadlab.analysis.validity import bounds_of
from loadlab.model.experiment import ClosedLoad, Experiment
from loadlab.model.plan import Plan
from loadlab.model.price import PriceList
from loadlab.model.result import SCHEMA_VERSION, Analysis, Bracket, CostEstimate, LevelTally, Prediction
from loadlab.model.run import Demand, RunData, Window


def analyse(experiment: Experiment, plan: Plan, run: RunData, prices: Mapping[str, PriceList], toml: str) -> Analysis:
    """Judge a run.

    prices: lists by id. toml: the experiment as resolved, shown in the report.

    Raises:
        ConfigError: a price list lacks the billing model or the size that is asked for.
        BundleError: a latency histogram cannot be read.
    """
    run = replace(run, demands=with_own_waits(run.demands, run.windows))
    tariffs = make_tariffs(experiment.prices, prices, experiment.resources)
    judged, bills = _billed(experiment, run, tariffs)
    stacks = describe_stacks(experiment, run, counted := _counted(run, judged))
    parts = assess(experiment, plan, run, judged, bills, stacks)
    analysis = Analysis(
        schema=SCHEMA_VERSION,
        run_id=run.run_id,
        experiment=describe_experiment(experiment, plan, run, toml),
        verdict=parts.verdict,
        bracket=parts.bracket,
        claim=parts.claim,
        prediction=_prediction(experiment, run.demands, parts),
        aa=parts.aa,
        brackets=parts.brackets,
        comparisons=parts.comparisons,
        stacks=stacks,
        levels=parts.levels,
        windows=judged.windows,
        cost=_estimates(experiment, run, tariffs, counted),
        findings=parts.findings,
        counts=parts.counts,
        provenance=asdict(run.provenance),
        reproduce=reproduction(experiment, run),
        price_lists=describe_price_lists(tariffs, prices),
        explanation=explain(stacks, parts.levels, _cores(experiment, run.demands)),
        cluster=cluster_evidence(experiment, run),
        tested=_tallies(experiment, planned_levels(plan, run), judged, parts),
        refined=describe_refinement(experiment, run),
    )
    return _in_its_levels(experiment, analysis)


def _estimates(
    experiment: Experiment, run: RunData, tariffs: Sequence[Tariff], counted: Sequence[Window]
) -> tuple[CostEstimate, ...]:
    think_s, tested = think_s_of(experiment), tested_levels(run.windows)
    return cost_estimates(tariffs, counted, experiment.objective, run.demands, think_s, tested)


def first_bracket(
    experiment: Experiment, run: RunData, prices: Mapping[str, PriceList]
) -> tuple[Bracket, tuple[int, ...]]:
    """The bracket of the decided curve over the blocks so far, each stage at its share of alpha; its invalid levels."""
    run = replace(run, demands=with_own_waits(run.demands, run.windows))
    tariffs = make_tariffs(experiment.prices, prices, experiment.resources)
    return decided_bracket(experiment, *_billed(experiment, run, tariffs))


def _billed(experiment: Experiment, run: RunData, tariffs: Sequence[Tariff]) -> tuple[Judged, tuple[Figures, ...]]:
    judged = judge(run, experiment, bounds_of(run.provenance))
    return judged, priced_figures(tariffs, run, judged, experiment.objective, think_s_of(experiment))


def _in_its_levels(experiment: Experiment, analysis: Analysis) -> Analysis:
    """Levels of an open load are rates."""
    return analysis if isinstance(experiment.load, ClosedLoad) else in_rates(analysis)


def _tallies(
    experiment: Experiment, levels: tuple[int, ...], judged: Judged, parts: Assessment
) -> tuple[LevelTally, ...]:
    names = [stack.name for stack in experiment.stacks]
    return level_tallies(levels, names, judged.windows, parts.counts.invalid_levels)


def conditions_of(experiment: Experiment) -> Conditions:
    """What the law needs to know beside the demands."""
    return Conditions(
        margin_ratio=experiment.decision.margin_ratio,
        think_s=experiment.load.think_s,
        cores=float(experiment.resources.cpu),
        unknown_pools=unknown_pools(experiment.stacks),
    )


def think_s_of(experiment: Experiment) -> float | None:
    """How long a user thinks between an answer and the next request; None in an open load, whose levels are rates."""
    return experiment.load.think_s if isinstance(experiment.load, ClosedLoad) else None


def predicted(experiment: Experiment, demands: Sequence[Demand]) -> Prediction | None:
    """What the law says of these demands before anything is swept; None unless two stacks have users to part at."""
    if len(demands) != 2 or not isinstance(experiment.load, ClosedLoad):
        return None
    return predict(demands[0], demands[1], conditions_of(experiment))


def _prediction(experiment: Experiment, demands: Sequence[Demand], parts: Assessment) -> Prediction | None:
    before = predicted(experiment, demands)
    return None if before is None else with_measurement(before, parts.bracket)


def _counted(run: RunData, judged: Judged) -> list[Window]:
    used = {window.id for window in judged.windows if window.used}
    return [window for window in run.windows if window.id in used]


def _cores(experiment: Experiment, demands: Sequence[Demand]) -> Mapping[str, float]:
    """What each stack was given, all its replicas together."""
    given = {demand.stack: demand.cores for demand in demands}
    asked = float(experiment.resources.cpu)
    return {stack.name: (given.get(stack.name) or asked) * stack.replicas for stack in experiment.stacks}
