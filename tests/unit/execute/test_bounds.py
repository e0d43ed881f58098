"""What no record can hold is told by its key, and what a real run can hold is let through."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from builders import make_demand, make_health, make_load_window, make_plan, make_provenance, make_window
from loadlab.execute.bounds import MOST, first_fault

WINDOW = make_window()


@pytest.mark.parametrize("record", [WINDOW, make_demand(), make_plan(), make_provenance(), (make_demand(),)])
def test_a_whole_record_has_no_fault(record: object) -> None:
    assert first_fault(record) is None


@pytest.mark.parametrize(
    ("record", "key", "expected"),
    [
        (make_demand(service_s=0.0), "service_s", "above 0"),
        (make_demand(service_s=-0.2), "service_s", "above 0"),
        (make_demand(service_s=math.nan), "service_s", "above 0"),
        (make_demand(slots=0), "slots_per_worker", "above 0"),
        (make_demand(workers=0), "workers", "above 0"),
        ((make_demand(), make_demand(service_s=math.inf)), "1.service_s", "above 0"),
        (replace(make_demand(), good_requests=5, ended_requests=4), "good_requests", "some of those that ended"),
        (replace(make_demand(), good_requests=5), "good_requests", "or neither number"),
        (replace(make_demand(), cpu_s_per_request=-1e-9), "cpu_s_per_request", "from 0"),
        (replace(make_demand(), connection_shares=((0.5, 0.5), (1.2,))), "connection_shares.1.0", "from 0 to 1"),
        (replace(WINDOW, users=0), "users", "above 0"),
        (replace(WINDOW, idle_cpu_cores=2 * MOST), "idle_cpu_cores", "to 1e+15"),
        (replace(WINDOW, load=replace(WINDOW.load, measure_s=0.0)), "load.measure_s", "above 0"),
        (replace(WINDOW, load=replace(WINDOW.load, good=41)), "load.good", "at most ok, which is 40"),
        (replace(WINDOW, load=replace(WINDOW.load, sent=31)), "load.ok", "at most sent + health.in_flight_max"),
        (replace(WINDOW, load=replace(WINDOW.load, ends_read=41)), "load.ends_read", "ok + failed, which is 40"),
        (replace(WINDOW, load=replace(WINDOW.load, chores_s=99.0)), "load.chores_s", "at most user_time_s, which is 8"),
        (replace(WINDOW, load=replace(WINDOW.load, half_ok=(20, 19))), "load.half_ok", "ok, which is 40"),
        (replace(WINDOW, load=replace(WINDOW.load, outcomes={"200": 39})), "load.outcomes", "ok + failed, which is 40"),
        (replace(WINDOW, load=replace(WINDOW.load, outcomes={"200": -1})), "load.outcomes.200", "from 0"),
        (replace(WINDOW, load=replace(WINDOW.load, active_s=1.1)), "load.active_s", "at most measure_s, which is 1.0"),
        (
            replace(WINDOW, load=replace(WINDOW.load, health=replace(make_health(), steal_ratio=1.5))),
            "load.health.steal_ratio",
            "from 0 to 1",
        ),
        (
            replace(WINDOW, load=replace(WINDOW.load, health=make_health(workers_expected=0))),
            "load.health.cores",
            "above",
        ),
        (replace(make_plan(), levels=(8, 0)), "levels.1", "above 0"),
    ],
)
def test_what_cannot_be_is_named_by_its_key_with_what_was_expected(record: object, key: str, expected: str) -> None:
    fault = first_fault(record)
    assert fault is not None
    assert fault.key == key
    assert expected in fault.expected


def test_requests_in_flight_when_a_window_opens_may_end_in_it() -> None:
    load = make_load_window(ok=40)
    assert first_fault(replace(load, sent=40 - load.health.in_flight_max)) is None


def test_books_that_fell_with_a_restarted_service_are_for_the_gates_and_no_damage() -> None:
    assert WINDOW.books is not None
    assert first_fault(replace(WINDOW, books=replace(WINDOW.books, served=-12))) is None


def test_facts_of_a_machine_may_be_any_number() -> None:
    assert first_fault(replace(make_provenance(), machine={"nice": -5})) is None


def test_the_schedules_of_an_open_load_may_have_any_seed() -> None:
    load: dict[str, str | int] = {"kind": "open", "arrivals": "poisson", "seed": 2**63 - 1, "in_flight_max": 2000}
    assert first_fault(replace(make_provenance(), load=load)) is None
