"""What a stack costs at each level, under each price list and billing model, out of the same windows.

Every function takes the windows that count (one per block, stack and level; no controls).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from loadlab.analysis.alone import AloneBill, absence, alone_bills, is_alone
from loadlab.analysis.billing import Tariff, prices_cancel
from loadlab.analysis.money import exact, round_usd
from loadlab.analysis.replicas import HeldLevel, held_level_of, replicas_needed, usd_per_hour_by_level
from loadlab.analysis.use import window_use
from loadlab.model.experiment import Objective
from loadlab.model.result import CostEstimate
from loadlab.model.run import Demand, Window
from loadlab.stats.paired import t_interval

_MILLION = 10**6


def usd_per_million_good(tariff: Tariff, windows: Sequence[Window]) -> Fraction | None:
    """Dollars for all these windows over their good requests, times a million.

    None where no request was good or the bill depends on what was not measured.
    """
    bills = [tariff.usd(window_use(window)) for window in windows]
    known = [usd for usd in bills if usd is not None]
    good = sum(window.load.good for window in windows)
    if len(known) < len(bills) or good == 0:
        return None
    return sum(known, Fraction(0)) * _MILLION / good


def usd_per_million_good_by_window(tariff: Tariff, windows: Sequence[Window]) -> Mapping[str, float | None]:
    """The cost of each window on its own, by window id, for the comparisons."""
    costs = {window.id: usd_per_million_good(tariff, [window]) for window in windows}
    return {window: None if usd is None else float(usd) for window, usd in costs.items()}


def is_inverse_throughput(tariff: Tariff, windows: Sequence[Window]) -> bool:
    """Whether the prices cancel: every window of both stacks costs the same per second under this tariff."""
    stacks = {window.stack for window in windows}
    return len(stacks) > 1 and prices_cancel(tariff, [window_use(window) for window in windows])


def cost_estimates(
    tariffs: Sequence[Tariff],
    windows: Sequence[Window],
    objective: Objective,
    demands: Sequence[Demand] = (),
    think_s: float | None = 0.0,
    planned: Collection[int] = (),
) -> tuple[CostEstimate, ...]:
    """One estimate for each tariff, stack and level, in this order; stacks as they first appear.

    ``demands`` and ``think_s`` are what per-request memory is billed by; ``planned`` as in `replicas.held_level`.
    """
    stacks = list(dict.fromkeys(window.stack for window in windows))
    by_stack = [[window for window in windows if window.stack == stack] for stack in stacks]
    estimates: list[CostEstimate] = []
    for tariff in tariffs:
        if is_alone(tariff):
            bills = alone_bills(tariff, demands, objective, think_s)
            for own in by_stack:
                estimates += _alone_estimates(tariff, own, bills)
            continue
        cancels = is_inverse_throughput(tariff, windows)
        for own in by_stack:
            estimates += _stack_estimates(tariff, own, objective, cancels, planned)
    return tuple(estimates)


def _alone_estimates(tariff: Tariff, own: Sequence[Window], bills: Mapping[str, AloneBill]) -> list[CostEstimate]:
    """The same cost of a request at every level; there are no replicas to fill."""
    stack = own[0].stack
    bill, reason = bills.get(stack), absence(bills, stack)
    return [
        CostEstimate(
            stack=stack,
            users=users,
            list=tariff.list_id,
            billing=tariff.billing,
            usd_per_million_good=_rounded(bill.usd_per_million_good if bill else None),
            usd_per_million_good_lower=None,
            usd_per_million_good_upper=None,
            usd_per_hour_at_users=_rounded(bill.usd_per_hour(users) if bill else None),
            replicas_at_users=None,
            users_per_replica=None,
            billed_size=tariff.size.label,
            notes=(*tariff.notes, *([] if reason is None else [f"no cost: {reason}"])),
        )
        for users in sorted({window.users for window in own})
    ]


def _rounded(usd: Fraction | None) -> Decimal | None:
    return None if usd is None else round_usd(usd)


def _stack_estimates(
    tariff: Tariff, own: Sequence[Window], objective: Objective, cancels: bool, planned: Collection[int]
) -> list[CostEstimate]:
    held = held_level_of(own, objective, planned)
    return [
        _estimate(tariff, held, [window for window in own if window.users == users], hourly, cancels)
        for users, hourly in usd_per_hour_by_level(tariff, own, objective, planned).items()
    ]


def _estimate(
    tariff: Tariff, held: HeldLevel, windows: Sequence[Window], hourly: Fraction | None, cancels: bool
) -> CostEstimate:
    users, ran = windows[0].users, windows[0].replicas
    usd = usd_per_million_good(tariff, windows)
    lower, upper = _interval(tariff, windows, usd)
    return CostEstimate(
        stack=windows[0].stack,
        users=users,
        list=tariff.list_id,
        billing=tariff.billing,
        usd_per_million_good=_rounded(usd),
        usd_per_million_good_lower=lower,
        usd_per_million_good_upper=upper,
        usd_per_hour_at_users=_rounded(hourly),
        replicas_at_users=None if held.users is None else replicas_needed(users, held.users, ran),
        users_per_replica=None if held.users is None else held.users // ran,
        billed_size=tariff.size.label,
        notes=(*tariff.notes, *_absences(usd, held, hourly)),
        is_inverse_throughput=cancels,
    )


def _absences(usd: Fraction | None, held: HeldLevel, hourly: Fraction | None) -> list[str]:
    notes = []
    if usd is None:
        notes.append("no cost per million good: no request was good, or the use that is billed was not measured")
    if held.reason is not None:
        notes.append(f"no cost per hour: {held.reason}")
    elif hourly is None:
        notes.append("no cost per hour: the use that is billed was not measured")
    return notes


def _interval(tariff: Tariff, windows: Sequence[Window], usd: Fraction | None) -> tuple[Decimal | None, Decimal | None]:
    """95 % t interval of the log cost between blocks, laid around the cost of all windows together."""
    costs = [cost for cost in usd_per_million_good_by_window(tariff, windows).values() if cost]
    if usd is None or len(costs) < len(windows):
        return None, None
    logs = [math.log(cost) for cost in costs]
    found = t_interval(logs)
    if found is None:
        return None, None
    centre = math.fsum(logs) / len(logs)
    lower, upper = (exact(math.exp(bound - centre)) for bound in (found.lower, found.upper))
    return round_usd(usd * lower), round_usd(usd * upper)
