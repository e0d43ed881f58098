"""Which steps a calibration measures again, and which it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from builders_calibration import make_open_step, make_step
from loadlab.design.calibration import RATES_RPS
from loadlab.model.calibration import Order, Step
from loadlab.pipeline.calibrate import Bench, Climb


class ScriptedBench(Bench):
    """Measures nothing: every step holds, but for the ids that are to fail, and all report what they are told to.

    slower: by id, what is reported where it is not 10 ms.
    """

    def __init__(self, failing: tuple[str, ...] = (), slower: Mapping[str, float] | None = None) -> None:
        self.measured: list[str] = []
        self.orders: list[Order] = []
        self._failing = failing
        self._slower = slower or {}

    def measure(self, order: Order, program: Mapping[str, str] | None = None) -> Step:
        self.measured.append(order.id)
        self.orders.append(order)
        made = make_step() if order.rate_rps is None else make_open_step(rate_rps=order.rate_rps)
        recorded_s = self._slower.get(order.id, 0.01)
        recorded = replace(made.recorded, p50_s=recorded_s, p99_s=recorded_s)
        faults = ("2 requests failed",) if order.id in self._failing else ()
        return replace(made, order=order, recorded=recorded, faults=faults)

    def close(self) -> None:
        pass


def climbed(bench: ScriptedBench, generators: int = 1) -> tuple[Climb, list[str]]:
    climb = Climb(bench, lambda _: None, generators)
    return climb, [step.order.id for step in climb.all()]


def test_what_holds_is_measured_once_and_kept() -> None:
    bench = ScriptedBench()
    climb, kept = climbed(bench)
    assert kept == bench.measured
    assert len(set(kept)) == len(kept)
    assert climb.doubling is not None
    assert climb.doubling.agrees


@pytest.mark.parametrize("name", ["latency-10ms", "pace-1000"])
def test_a_step_that_fails_is_measured_once_more_and_its_second_try_counts(name: str) -> None:
    _, kept = climbed(ScriptedBench(failing=(name,)))
    assert name not in kept
    assert kept.count(f"{name}-again") == 1


def test_a_ladder_ends_at_the_first_rung_that_fails_twice() -> None:
    failing = f"rate-{RATES_RPS[1]}-1", f"rate-{RATES_RPS[1]}-2"
    _, kept = climbed(ScriptedBench(failing=failing))
    assert [name for name in kept if name.startswith("rate-")] == [f"rate-{RATES_RPS[0]}-1", *failing]


@pytest.mark.parametrize(
    ("failing", "slower"),
    [(("doubling-2",), {}), (("doubling-1",), {}), ((), {"doubling-2": 0.0112})],
)
def test_a_doubling_that_fails_or_does_not_agree_is_measured_once_more(
    failing: tuple[str, ...], slower: Mapping[str, float]
) -> None:
    climb, kept = climbed(ScriptedBench(failing, slower))
    assert kept[-2:] == ["doubling-1-again", "doubling-2-again"]
    assert climb.doubling is not None
    assert climb.doubling.agrees


def test_generators_that_do_not_agree_twice_do_not_agree() -> None:
    climb, _ = climbed(ScriptedBench(slower={"doubling-2": 0.0112, "doubling-2-again": 0.0112}))
    assert climb.doubling is not None
    assert not climb.doubling.agrees


@pytest.mark.parametrize("generators", [1, 7])
def test_one_generator_is_asked_alone_for_no_more_than_its_own_share_of_the_reach(generators: int) -> None:
    bench = ScriptedBench()
    climbed(bench, generators)
    alone = next(order for order in bench.orders if order.id == "doubling-1")
    assert alone.generators == 1
    assert alone.users / alone.delay_s <= 0.4 * RATES_RPS[-1]
    assert max(order.rate_rps or 0 for order in bench.orders) == generators * RATES_RPS[-1]
