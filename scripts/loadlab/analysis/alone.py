"""What a request costs where it has an environment to itself: the same at any number of users.

Under per-request memory billing nothing is shared, so nothing that users do to each other on a shared replica (a
queue in front of a pool, turns on the processor) is in the bill. What is billed is the time that a request takes
alone, which the demand at one user measured. Windows of many users say nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from loadlab.analysis.billing import Tariff
from loadlab.analysis.money import ceil_to, exact
from loadlab.analysis.use import Use
from loadlab.model.experiment import Objective, Statistic
from loadlab.model.price import PerRequestMemory
from loadlab.model.result import Estimate, Interval
from loadlab.model.run import Demand
from loadlab.stats.welch import Mean, difference_interval
from loadlab.units import format_percent

_HOUR_S = 3600
_MILLION = 10**6
CEILED_S = Fraction(1, 1000)
"""The step to which a window rounds each request up, the only one that price lists of this billing may have."""
NOT_MEASURED = "the time of a request alone was not measured in a window that passed its gates"


@dataclass(frozen=True, kw_only=True, slots=True)
class AloneBill:
    """One stack. usd_per_request: of the mean request, the time of each rounded up as the platform rounds.

    units_per_request: what is billed of it, before prices.
    requests_per_hour: what one user sends, each answered before the next, or one arrival per second in an open load;
    None where nobody knows how long users wait in between. service_error: relative standard error of the time of a
    request, over the ``n`` that were measured; None where their scatter is not known. time_share: the part of a
    request's cost that is its time; cycle_share: the part of a user's time that is it, none in an open load.
    good_ratio: of the requests alone, which are billed whether they are good or not; good_error: its relative standard
    error. within_objective: whether so many are good as a level has to have to hold.
    """

    stack: str
    usd_per_request: Fraction
    units_per_request: Mapping[str, Fraction]
    requests_per_hour: Fraction | None
    service_error: float | None
    n: int
    time_share: float
    cycle_share: float
    good_ratio: Fraction
    good_error: float
    within_objective: bool

    @property
    def usd_per_million_good(self) -> Fraction | None:
        """What is not good is paid for by what is; None where even alone no request is good."""
        return self.usd_per_request * _MILLION / self.good_ratio if self.good_ratio else None

    def usd_per_hour(self, users: int) -> Fraction | None:
        """What ``users`` in a closed loop cost an hour; None where the objective does not hold or waits are unknown."""
        if self.requests_per_hour is None or not self.within_objective:
            return None
        return self.usd_per_request * self.requests_per_hour * users


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstantRatio:
    """A cost ratio that cannot depend on the number of users. first and second: log cost, with its error."""

    first: Mean
    second: Mean
    has_errors: bool

    def estimate(self, level: float) -> Estimate:
        """The ratio with its two-sided interval over requests; none where their scatter is not known."""
        log = difference_interval(self.first, self.second, level)
        interval = Interval(lower=math.exp(log.lower), upper=math.exp(log.upper), level=level)
        ratio = math.exp(self.first.value - self.second.value)
        return Estimate(value=ratio, interval=interval if self.has_errors else None, n=min(self.first.n, self.second.n))


def is_alone(tariff: Tariff) -> bool:
    """Whether each request has an environment to itself under this tariff."""
    return isinstance(tariff.model, PerRequestMemory)


def alone_bills(
    tariff: Tariff, demands: Sequence[Demand], objective: Objective, think_s: float | None
) -> dict[str, AloneBill]:
    """The bill of each stack whose demand was measured without doubt, by stack; empty under any other billing model.

    think_s: None in an open load, where a level is a rate and not a number of users.
    """
    if not isinstance(tariff.model, PerRequestMemory):
        return {}
    model = tariff.model
    settled = (demand for demand in demands if not demand.doubts)
    return {demand.stack: _bill(tariff, model, demand, objective, think_s) for demand in settled}


def constant_ratio(
    bills: Mapping[str, AloneBill], stacks: tuple[str, str], statistic: Statistic
) -> ConstantRatio | None:
    """First over second stack; None where one of them has no such cost."""
    one, two = (bills.get(stack) for stack in stacks)
    if one is None or two is None:
        return None
    hourly = statistic == "usd_per_hour_at_users"
    if not all(bill.within_objective if hourly else bill.good_ratio for bill in (one, two)):
        return None
    if hourly and None in (one.requests_per_hour, two.requests_per_hour):
        return None
    known = one.service_error is not None and two.service_error is not None
    return ConstantRatio(first=_log_mean(one, hourly), second=_log_mean(two, hourly), has_errors=known)


def absence(bills: Mapping[str, AloneBill], stack: str) -> str | None:
    """Why a stack has no cost under this billing; None where it has one."""
    bill = bills.get(stack)
    if bill is None:
        return NOT_MEASURED
    if not bill.good_ratio:
        return "a request alone takes longer than the objective allows, or fails"
    return None if bill.within_objective else f"alone {format_percent(float(bill.good_ratio))} of requests are good"


def _bill(
    tariff: Tariff, model: PerRequestMemory, demand: Demand, objective: Objective, think_s: float | None
) -> AloneBill:
    service_s = exact(demand.service_s)
    held_s = _held_s(demand, exact(model.rounding_s))
    good_ratio = _good_ratio(demand, objective)
    usd = tariff.usd(_use(held_s))
    assert usd is not None
    return AloneBill(
        stack=demand.stack,
        usd_per_request=usd,
        units_per_request=tariff.units(_use(held_s)) or {},
        requests_per_hour=_requests_per_hour(demand, service_s, think_s),
        service_error=_relative_error(demand),
        n=demand.service_requests,
        time_share=1 - float((tariff.usd(_use(Fraction(0))) or 0) / usd),
        cycle_share=_cycle_share(demand, service_s, think_s),
        good_ratio=good_ratio,
        good_error=_good_error(good_ratio, demand),
        within_objective=good_ratio >= exact(objective.good_ratio),
    )


def _held_s(demand: Demand, rounding_s: Fraction) -> Fraction:
    """What is billed of a request on average: each is rounded up, or their mean where no more is known."""
    if demand.service_ceil_s is not None and rounding_s == CEILED_S:
        return exact(demand.service_ceil_s)
    return ceil_to(exact(demand.service_s), rounding_s)


def _good_ratio(demand: Demand, objective: Objective) -> Fraction:
    """Of the requests alone; in bundles of before all or none of them, by their mean."""
    if demand.good_requests is None or not demand.ended_requests:
        return Fraction(int(demand.service_s <= objective.latency_s))
    return Fraction(demand.good_requests, demand.ended_requests)


def _good_error(good_ratio: Fraction, demand: Demand) -> float:
    """Relative, binomial; none where all were good, or it is not known of how many."""
    if not good_ratio or not demand.ended_requests:
        return 0.0
    return math.sqrt((1 - good_ratio) / (good_ratio * demand.ended_requests))


def _requests_per_hour(demand: Demand, service_s: Fraction, think_s: float | None) -> Fraction | None:
    """Of one user; in an open load of one arrival per second."""
    if think_s is None:
        return Fraction(_HOUR_S)
    waited_s = demand.think_time_s(think_s)
    return None if waited_s is None else _HOUR_S / (service_s + exact(waited_s))


def _cycle_share(demand: Demand, service_s: Fraction, think_s: float | None) -> float:
    """The part of a user's time that is the time of its requests."""
    if think_s is None:
        return 0.0
    waited_s = demand.think_time_s(think_s)
    return 1.0 if waited_s is None else float(service_s / (service_s + exact(waited_s)))


def _relative_error(demand: Demand) -> float | None:
    if demand.service_sd_s is None or demand.service_requests < 2:
        return None
    return demand.service_sd_s / math.sqrt(demand.service_requests) / demand.service_s


def _use(held_s: Fraction) -> Use:
    """One request that holds its environment for so long."""
    return Use(span_s=Fraction(1), requests=Fraction(1), active_s=held_s, held_s=held_s, cpu_s=None, memory_bytes=None)


def _log_mean(bill: AloneBill, hourly: bool) -> Mean:
    """Log cost with its error to first order: a slower request costs more, and in an hour there are fewer of it."""
    usd = bill.usd_per_request * (bill.requests_per_hour or 1) if hourly else bill.usd_per_request / bill.good_ratio
    slope = abs(bill.time_share - (bill.cycle_share if hourly else 0.0))
    error = math.hypot(slope * (bill.service_error or 0.0), 0.0 if hourly else bill.good_error)
    return Mean(value=math.log(usd), error=error, n=max(2, bill.n))
