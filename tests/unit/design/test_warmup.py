"""How long a window's level settles before it is measured."""

from __future__ import annotations

import pytest
from _schedule import START_LEAD_S

from builders import make_demand
from loadlab.design.warmup import LONGEST_S, OPEN_LEAD_S, open_settling_s, settling_s


@pytest.mark.parametrize(
    ("services_s", "loaded_s"), [((0.01, 0.02), 1.0), ((0.2, 0.6), 3.0), ((0.6, 0.2), 3.0), ((0.1, 60.0), LONGEST_S)]
)
def test_an_open_load_runs_for_five_answers_of_the_slower_stack_before_it_is_measured(
    services_s: tuple[float, float], loaded_s: float
) -> None:
    """What is waited beforehand is longer by what the schedule waits for."""
    demands = [make_demand(str(service_s), service_s=service_s) for service_s in services_s]
    assert open_settling_s(demands) == pytest.approx(START_LEAD_S + loaded_s)


def test_engine_and_locust_know_of_the_same_lead() -> None:
    assert OPEN_LEAD_S == START_LEAD_S


def test_a_closed_load_settles_for_five_turns_through_the_longest_queue() -> None:
    demand = make_demand(slots=8, service_s=0.2)
    assert settling_s(demand, users=4, think_s=0.0) == 1.0
    assert settling_s(demand, users=16, think_s=0.0) == pytest.approx(2.0)
    assert settling_s(demand, users=16, think_s=0.5) == pytest.approx(3.5)
