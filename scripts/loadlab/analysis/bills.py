"""The priced statistics of a run: one curve for each tariff and statistic, all out of the same windows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from loadlab.analysis.alone import absence, alone_bills, constant_ratio, is_alone
from loadlab.analysis.billing import Tariff
from loadlab.analysis.compare import Figures
from loadlab.analysis.cost import is_inverse_throughput, usd_per_million_good_by_window
from loadlab.analysis.replicas import held_level_of, tested_levels, usd_per_hour_by_block
from loadlab.analysis.stages import stages
from loadlab.analysis.summarise import Judged
from loadlab.model.experiment import Objective, Statistic
from loadlab.model.run import RunData, Window

ONE_EACH = (
    "each request has an environment to itself: it costs the same at any number of users, and the curves cannot part"
)
FIRST_STAGE_ALONE = (
    "at the levels of stage 1 alone: a replica is filled to a level of its own block, and stage 2 has others"
)


def priced_figures(
    tariffs: Sequence[Tariff], run: RunData, judged: Judged, objective: Objective, think_s: float | None = 0.0
) -> tuple[Figures, ...]:
    """Bill every window under every tariff: cost per million good requests, then dollars per hour at N users.

    The A/A windows are billed too, for the control; dollars per hour come from the windows that count alone, of a run
    of two stages from those of the first. Under per-request memory billing the demands are billed and no window is.
    """
    used = {window.id for window in judged.windows if window.used}
    counted = [window for window in run.windows if window.id in used]
    (_, first), *later = stages(run)
    hourly, planned = [window for window in first if window.id in used], tested_levels(first)
    note = FIRST_STAGE_ALONE if later else None
    return tuple(
        figures
        for tariff in tariffs
        for figures in (
            _alone(tariff, run, objective, think_s)
            if is_alone(tariff)
            else (_per_request(tariff, run.windows, counted), _per_hour(tariff, hourly, planned, objective, note))
        )
    )


def _alone(tariff: Tariff, run: RunData, objective: Objective, think_s: float | None) -> tuple[Figures, ...]:
    bills = alone_bills(tariff, run.demands, objective, think_s)
    stacks = tuple(demand.stack for demand in run.demands)
    measured = dict.fromkeys(window.stack for window in run.windows)
    reasons = [f"{stack}: {reason}" for stack in measured if (reason := absence(bills, stack)) is not None]
    statistics: tuple[Statistic, ...] = ("cost_per_million_good", "usd_per_hour_at_users")
    return tuple(
        Figures(
            statistic=statistic,
            list=tariff.list_id,
            billing=tariff.billing,
            constant=constant_ratio(bills, (stacks[0], stacks[1]), statistic) if len(stacks) == 2 else None,
            note="; ".join(reasons) or ONE_EACH,
        )
        for statistic in statistics
    )


def _per_request(tariff: Tariff, windows: Sequence[Window], counted: Sequence[Window]) -> Figures:
    cancels = is_inverse_throughput(tariff, counted)
    return Figures(
        statistic="cost_per_million_good",
        list=tariff.list_id,
        billing=tariff.billing,
        by_window=usd_per_million_good_by_window(tariff, windows),
        is_inverse_throughput=cancels,
        note="prices cancel: the ratio is the inverse ratio of goodput" if cancels else None,
    )


def _per_hour(
    tariff: Tariff, counted: Sequence[Window], planned: Collection[int], objective: Objective, note: str | None
) -> Figures:
    stacks = list(dict.fromkeys(window.stack for window in counted))
    reasons = {s: held_level_of([w for w in counted if w.stack == s], objective, planned).reason for s in stacks}
    absent = [f"{stack}: {reason}" for stack, reason in reasons.items() if reason is not None]
    if len(absent) > 1 and len(set(reasons.values())) == 1:
        absent = [f"{' and '.join(reasons)}: {next(iter(reasons.values()))}"]
    return Figures(
        statistic="usd_per_hour_at_users",
        list=tariff.list_id,
        billing=tariff.billing,
        by_block=usd_per_hour_by_block(tariff, counted, objective, planned),
        note="; ".join([*([note] if note else []), *absent]) or None,
    )
