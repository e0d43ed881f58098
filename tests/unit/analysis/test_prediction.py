"""The prediction follows the law while the pool binds, the connections where they land, and else says why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from builders import make_load_window, make_window
from builders_cost import demand
from loadlab.analysis.gaps import with_own_waits
from loadlab.analysis.prediction import Conditions, first_crossing, predict, with_measurement
from loadlab.model.result import Bracket, Prediction, VerdictKind
from loadlab.model.run import Demand

CONDITIONS = Conditions(margin_ratio=0.10)
ASYNC = demand(stack="fastapi", cpu_s=0.0004)
FREE_ASYNC = demand(stack="fastapi", cpu_s=0.0)


def pool(slots: int, workers: int = 1, cpu_s: float | None = 0.0, shares: tuple[tuple[float, ...], ...] = ()) -> Demand:
    return demand(stack="flask", slots=slots, workers=workers, cpu_s=cpu_s, shares=shares)


@pytest.mark.parametrize(("slots", "law"), [(48, 52.8), (16, 17.6)])
def test_a_free_processor_gives_the_law_exactly(slots: int, law: float) -> None:
    prediction = predict(pool(slots), FREE_ASYNC, CONDITIONS)
    assert prediction.users == pytest.approx(law)
    assert prediction.textbook_users == pytest.approx(law)
    assert prediction.attribution == "pool"


@pytest.mark.parametrize(("slots", "law"), [(48, 52.8), (16, 17.6)])
def test_measured_processor_time_moves_it_by_less_than_two_percent(slots: int, law: float) -> None:
    assert predict(pool(slots, cpu_s=0.0014), ASYNC, CONDITIONS).users == pytest.approx(law, rel=0.02)


@pytest.mark.parametrize(("think_s", "simulated"), [(0.0, 9), (0.1, 24), (0.5, 90)])
def test_think_time_moves_it_as_the_simulation_behind_the_method_found(think_s: float, simulated: int) -> None:
    """Published with the method: 8 slots of 52 ms part at 9, 24 and 90 users (the law: 8.8, 25.7 and 93.4)."""
    conditions = Conditions(margin_ratio=0.10, think_s=think_s)
    first = demand(stack="flask", service_s=0.052, cpu_s=0.0005, slots=8)
    second = demand(stack="fastapi", service_s=0.052, cpu_s=0.0002)
    assert predict(first, second, conditions).users == pytest.approx(simulated, rel=0.04)


def test_an_accept_race_moves_four_workers_to_33_users() -> None:
    """One worker with 45 % of the connections is what a threshold of 33 at 4 x 12 takes."""
    raced = pool(12, workers=4, cpu_s=0.001, shares=((0.45, 0.25, 0.18, 0.12), (0.46, 0.22, 0.18, 0.14)))
    prediction = predict(raced, ASYNC, CONDITIONS)
    assert prediction.users == pytest.approx(33, rel=0.05)
    assert prediction.textbook_users == pytest.approx(52.8)


def test_connections_hashed_over_four_workers_move_them_to_the_high_forties() -> None:
    """The kernel's hash under ``reuse_port``: each of 48 connections lands on a worker with equal odds."""
    landed = np.random.default_rng(1).multinomial(48, [0.25] * 4, size=64)
    shares = tuple(tuple(float(held) / 48 for held in probe) for probe in landed)
    prediction = predict(pool(12, workers=4, cpu_s=0.001, shares=shares), ASYNC, CONDITIONS)
    assert prediction.users is not None
    assert 46 < prediction.users < 50


@pytest.mark.parametrize(("first_s", "second_s"), [(0.025, 0.025), (0.025, 0.033), (0.033, 0.025)])
def test_a_client_per_request_has_no_threshold_by_the_law(first_s: float, second_s: float) -> None:
    prediction = predict(pool(48, cpu_s=first_s), demand(stack="fastapi", cpu_s=second_s), CONDITIONS)
    assert prediction.users is None
    assert "the processor binds before the pool does" in prediction.reason
    assert prediction.attribution == "processor"
    assert (prediction.processor_users is not None) == (first_s > 1.1 * second_s)


def test_curves_that_never_part_say_how_far_was_looked_and_why() -> None:
    prediction = predict(pool(48, cpu_s=0.001), demand(stack="fastapi", cpu_s=0.004), CONDITIONS, users_max=300)
    assert prediction.users is None
    assert prediction.attribution == "none"
    assert "never part up to 300 users" in prediction.reason
    assert "250/s" in prediction.reason


def test_a_stack_without_pool_has_no_law() -> None:
    prediction = predict(ASYNC, FREE_ASYNC, CONDITIONS)
    assert prediction.users is None
    assert prediction.textbook_users is None
    assert "no pool of slots" in prediction.reason


def test_slots_and_processor_together_are_called_both() -> None:
    prediction = predict(pool(48, cpu_s=0.0038), demand(stack="fastapi", cpu_s=0.0004), CONDITIONS)
    assert prediction.users is not None
    assert prediction.attribution == "both"


def test_processor_time_that_was_not_measured_is_left_out_and_said() -> None:
    prediction = predict(pool(48, cpu_s=None), ASYNC, CONDITIONS)
    assert prediction.users is not None
    assert "processor time of flask was not measured" in prediction.reason


@pytest.mark.parametrize("unknown", [("flask",), ("fastapi",), ("flask", "fastapi")])
def test_an_unknown_pool_is_no_threshold_that_is_denied_but_nothing_predicted(unknown: tuple[str, ...]) -> None:
    first = demand(stack="flask") if "flask" in unknown else pool(48)
    prediction = predict(first, ASYNC, replace(CONDITIONS, unknown_pools=frozenset(unknown)))
    assert (prediction.users, prediction.attribution, prediction.curve_users) == (None, "unknown", ())
    assert f"how many requests {' and '.join(unknown)} serve" in prediction.reason
    assert "no pool of slots" not in prediction.reason
    assert prediction.textbook_users == (None if "flask" in unknown else pytest.approx(52.8))


@pytest.mark.parametrize("absent", [("flask",), ("fastapi",), ("flask", "fastapi")])
def test_without_processor_time_nothing_denies_a_threshold(absent: tuple[str, ...]) -> None:
    first, second = (demand(stack=n, cpu_s=None if n in absent else 0.001) for n in ("flask", "fastapi"))
    prediction = predict(first, second, CONDITIONS)
    assert (prediction.users, prediction.attribution) == (None, "unknown")
    assert f"processor time of {' and '.join(absent)} was not measured" in prediction.reason
    assert predict(demand(stack="flask"), ASYNC, CONDITIONS).attribution != "unknown"


def waiting(one: Demand, think_s: float | None, requests: int = 40) -> Demand:
    return replace(one, own_waits=("Shopper",), think_s=think_s, think_requests=requests)


def test_users_that_wait_by_themselves_move_it_as_a_think_time_of_the_same_mean() -> None:
    asked = predict(pool(8), FREE_ASYNC, replace(CONDITIONS, think_s=0.5))
    own = predict(waiting(pool(8), 0.5), waiting(FREE_ASYNC, 0.5), CONDITIONS)
    assert (own.users, own.textbook_users) == (asked.users, asked.textbook_users)
    assert own.users is not None
    assert own.users > 2 * 8.8, "as if they did not wait"
    assert "as Shopper waited at low load: 500 ms on average for flask (40 requests)" in own.reason
    assert "waited" not in asked.reason


@pytest.mark.parametrize(("think_s", "requests", "why"), [(None, 0, "not measured"), (3.0, 19, "from 19 requests")])
def test_waits_that_are_not_known_predict_nothing(think_s: float | None, requests: int, why: str) -> None:
    prediction = predict(waiting(pool(8), think_s, requests), FREE_ASYNC, CONDITIONS)
    assert (prediction.users, prediction.attribution, prediction.textbook_users) == (None, "unknown", None)
    assert "how long the users of flask wait, by the wait_time of Shopper" in prediction.reason
    assert why in prediction.reason


def test_own_waits_that_only_the_windows_tell_of_are_known_to_the_demands_too() -> None:
    """Bundles of before: their demands say nothing of waits."""
    seen = make_window(stack="flask", load=replace(make_load_window(), own_waits=("Shopper",)))
    first, second = with_own_waits((pool(8), ASYNC), (seen,))
    assert (first.own_waits, second.own_waits) == (("Shopper",), ())
    assert predict(first, second, CONDITIONS).attribution == "unknown"


def test_the_curve_spans_the_prediction_and_starts_at_one() -> None:
    prediction = predict(pool(48), FREE_ASYNC, CONDITIONS)
    assert prediction.curve_users[0] == 1
    assert prediction.curve_users[-1] == 117
    assert prediction.curve_ratio[0] == pytest.approx(1.0)
    assert prediction.curve_ratio[-1] == pytest.approx(117 / 48)
    assert len(prediction.curve_ratio) == len(prediction.curve_users)


@pytest.mark.parametrize(
    ("level", "limit", "expected"), [(0.5, 100, 1.0), (30.5, 100, 30.5), (700.25, 2000, 700.25), (50, 20, None)]
)
def test_the_first_crossing_is_interpolated(level: float, limit: int, expected: float | None) -> None:
    assert first_crossing(float, level, limit) == expected


def predicted(users: float | None) -> Prediction:
    return Prediction(users=users, miss_ratio=None, inside=None, attribution="pool", reason="", textbook_users=52.8)


def bracket(kind: VerdictKind, lower: int | None, upper: int | None, estimate: float | None = None) -> Bracket:
    return Bracket(lower_users=lower, upper_users=upper, kind=kind, estimate_users=estimate)


@pytest.mark.parametrize(
    ("users", "measured", "miss", "inside"),
    [
        (52.8, bracket("diverges", 48, 58, 50.16), 0.95, True),
        (48.0, bracket("diverges", 36, 49), 0.875, True),
        (48.0, bracket("diverges", 48, 58, 48.0), 1.0, False),
        (60.0, bracket("diverges", 48, 58, 54.0), 0.9, False),
        (33.0, bracket("diverged_at_first", None, 40), None, True),
        (99.0, bracket("no_divergence", 83, None), None, True),
        (52.8, bracket("no_divergence", 83, None), None, False),
        (52.8, bracket("inconclusive", 48, None), None, None),
        (None, bracket("no_divergence", 83, None), None, True),
        (None, bracket("diverges", 48, 58, 50.0), None, False),
        (None, bracket("invalid", 48, 58, 50.0), None, None),
    ],
)
def test_the_miss_is_measured_over_predicted(
    users: float | None, measured: Bracket, miss: float | None, inside: bool | None
) -> None:
    judged = with_measurement(predicted(users), measured)
    assert judged.inside is inside
    assert judged.miss_ratio == (None if miss is None else pytest.approx(miss))


def test_what_was_not_predicted_is_neither_hit_nor_missed() -> None:
    nothing = replace(predicted(None), attribution="unknown")
    assert with_measurement(nothing, bracket("no_divergence", 83, None)) == nothing


@pytest.mark.parametrize(
    ("measured", "ends"),
    [
        (bracket("diverges", 48, 58, 50.16), (48 / 52.8, 58 / 52.8)),
        (bracket("diverged_at_first", None, 40), (None, 40 / 52.8)),
        (bracket("no_divergence", 83, None), (83 / 52.8, None)),
        (bracket("inconclusive", 48, None), (None, None)),
        (bracket("no_divergence", None, None), (None, None)),
    ],
)
def test_what_the_data_support_of_the_miss_is_the_bracket_over_the_prediction(
    measured: Bracket, ends: tuple[float | None, float | None]
) -> None:
    """A point of 0.95 is interpolated inside one step: anything from 0.91 to 1.10 gives the same bracket."""
    judged = with_measurement(predicted(52.8), measured)
    assert (judged.lower_ratio, judged.upper_ratio) == ends


def test_a_bill_that_no_number_of_users_can_part_does_not_judge_the_law() -> None:
    judged = with_measurement(predicted(52.8), bracket("no_divergence", None, None))
    assert judged.inside is None
