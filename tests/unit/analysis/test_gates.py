"""Each gate lets a good window pass, fails a bad one with figures, and says when it cannot judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml

from builders import histogram, make_arrivals, make_experiment, make_open, make_provenance, make_window
from loadlab.analysis.codes import GATE_CODES, MEANING, RUN_CODES
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.analysis.gates import idle_stack
from loadlab.analysis.validity import bounds_of, is_valid, unjudged, window_findings
from loadlab.execute.prometheus import absent_sample
from loadlab.model.experiment import ClosedLoad, Experiment, OurService, Upstream, UrlService
from loadlab.model.result import Finding
from loadlab.model.run import ResourceSample, TrialBooks, Window
from loadlab.stats.histogram import decode

EXPERIMENT = make_experiment()
Change = Callable[[Window], Window]


def _health(**changes: object) -> Change:
    return lambda w: replace(w, load=replace(w.load, health=replace(w.load.health, **changes)))  # type: ignore[arg-type]


def _load(**changes: object) -> Change:
    return lambda w: replace(w, load=replace(w.load, **changes))  # type: ignore[arg-type]


def _books(
    answered: int, failed: int, served: int | None, calls: int | None = None, arrivals: int | None = None
) -> Change:
    books = TrialBooks(
        sent=60, answered=answered, failed=failed, served=served, upstream_calls=calls, upstream_arrivals=arrivals
    )
    return lambda w: replace(w, books=books)


def _looked_at(sample: ResourceSample, monotonic_s: float) -> ResourceSample:
    return replace(sample, monotonic_s=monotonic_s)


def _findings(change: Change) -> tuple[Finding, ...]:
    return window_findings(change(make_window()), EXPERIMENT)


def test_a_good_window_has_no_findings() -> None:
    assert _findings(lambda w: w) == ()


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("lag", _health(lag_p99_s=0.0101)),
        ("lag", _health(lag_p50_s=0.0011)),
        ("lag", _health(lag_p99_s=float("nan"))),
        ("idle_stack", lambda w: replace(w, idle_cpu_cores=0.01)),
        ("schedule", _load(user_time_s=8 * 0.979)),
        ("schedule", _load(user_time_s=8 * 1.021)),
        ("generator_cpu", _health(cpu_cores=0.70)),
        ("throttled", _health(throttled_s=0.001)),
        ("steal", _health(steal_ratio=0.01)),
        ("conservation", _books(59, 0, 60)),
        ("conservation", _books(60, 0, 61)),
        ("conservation", _books(60, 0, 60, 45, 44)),
        ("conservation", _books(59, 0, None)),
        ("partial", _load(state="partial", holes=("worker 1 lost after 0.4 s",))),
        ("workers", _health(workers=1, workers_expected=2)),
        ("empty", _load(ok=0, failed=0, half_ok=(0, 0), histogram=histogram(1, 0))),
        ("note", lambda w: replace(w, notes=("the service died",))),
    ],
)
def test_a_failed_gate_makes_the_window_invalid_and_shows_its_figures(code: str, change: Change) -> None:
    found = _findings(change)
    assert [(f.code, f.level, f.where) for f in found] == [(code, "invalid", "b01-008-pool")]
    assert found[0].got
    assert found[0].expected
    assert found[0].next_step
    assert not is_valid(found)


@pytest.mark.parametrize(
    "change",
    [
        _health(lag_p99_s=0.0099),
        _health(cpu_cores=0.699),
        _health(steal_ratio=0.0099),
        _load(user_time_s=8 * 1.0199),
        lambda w: replace(w, idle_cpu_cores=0.0099),
        _books(50, 10, 60, 45, 45),
    ],
)
def test_a_window_just_within_a_bound_passes(change: Change) -> None:
    """The measured p99 of 200 ms allows a lag of 10 ms; only some requests call the upstream."""
    assert _findings(change) == ()


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("idle_stack", lambda w: replace(w, idle_cpu_cores=None)),
        ("throttled", _health(throttled_s=None)),
        ("steal", _health(steal_ratio=None)),
        ("conservation", lambda w: replace(w, books=None)),
        ("conservation", _books(60, 0, None)),
        ("resources", lambda w: replace(w, resources=(absent_sample(0.0), *w.resources[1:]))),
        ("resources", lambda w: replace(w, resources=(*w.resources[:-1], absent_sample(9.0)))),
        ("resources", lambda w: replace(w, resources=())),
        ("resources", lambda w: replace(w, resources=tuple(map(_looked_at, w.resources, (0.0, 9.0))))),
    ],
)
def test_a_gate_that_cannot_be_judged_says_so_and_does_not_fail(code: str, change: Change) -> None:
    found = _findings(change)
    assert [(f.code, f.level) for f in found] == [(code, "not_available")]
    assert is_valid(found)


def test_what_a_worker_that_quit_had_under_way_is_told_and_still_fails() -> None:
    books = TrialBooks(sent=60, answered=57, failed=1, served=59, upstream_arrivals=None, abandoned=2)
    (found,) = _findings(lambda w: replace(w, books=books))
    assert (found.code, found.level) == ("conservation", "invalid")
    assert found.got is not None
    assert "abandoned by a worker that quit 2" in found.got


@pytest.mark.parametrize(
    ("halves", "users", "agree"),
    [
        ((5000, 5500), 8, True),
        ((5000, 5600), 8, False),
        ((300, 380), 8, True),
        ((300, 430), 8, False),
        ((96, 144), 48, True),
        ((10, 140), 48, False),
    ],
)
def test_halves_may_differ_by_noise_and_by_one_round_of_the_users(
    halves: tuple[int, int], users: int, agree: bool
) -> None:
    window = make_window(users=users)
    load = replace(window.load, half_ok=halves, ok=sum(halves), histogram=histogram(200_000, sum(halves)))
    found = window_findings(replace(window, load=load), EXPERIMENT)
    assert ("halves_disagree" in {f.code for f in found}) != agree


def test_latency_that_drifts_between_the_halves_is_seen_where_throughput_hides_it() -> None:
    assert _findings(_load(half_latency_mean_s=(0.18, 0.22))) == ()
    assert [f.code for f in _findings(_load(half_latency_mean_s=(0.15, 0.25)))] == ["halves_disagree"]


OPEN = make_open(make_experiment(), 40)


def _open(planned: int, started: int, dropped: int = 0, **changes: object) -> Change:
    def change(window: Window) -> Window:
        arrivals = make_arrivals(window.load, planned=planned, started=started, dropped=dropped)
        arrivals = replace(arrivals, **{k: v for k, v in changes.items() if k == "half_planned"})  # type: ignore[arg-type]
        rest = {k: v for k, v in changes.items() if k != "half_planned"}
        return replace(window, load=replace(window.load, arrivals=arrivals, **rest))  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (_open(40, 40), []),
        (_open(1000, 990), []),
        (_open(1000, 989), ["schedule"]),
        (_open(1000, 999, 1), ["schedule"]),
        (_open(40, 40, user_time_s=0.1), []),
        (_open(40, 40, half_ok=(320, 430), ok=750, half_planned=(300, 440)), []),
        (_open(40, 40, half_ok=(300, 430), ok=730), ["halves_disagree"]),
        (_open(40, 40, half_latency_mean_s=(0.15, 0.25)), []),
        (_open(40, 40, half_latency_mean_s=(0.25, 0.15)), ["halves_disagree"]),
    ],
)
def test_an_open_load_is_judged_by_its_arrivals_and_not_by_users(change: Change, failed: list[str]) -> None:
    """A slower second half says that the service cannot keep up; a faster one, that it had not settled."""
    found = window_findings(change(make_window()), OPEN)
    assert [f.code for f in found] == failed
    assert all(f.got and f.expected and f.next_step for f in found)


def test_latencies_of_the_halves_may_differ_where_the_rate_does() -> None:
    stepped = make_open(make_experiment(), 40, arrivals="steps(1@0s, 2@5s)")
    assert window_findings(_open(40, 40, half_latency_mean_s=(0.25, 0.15))(make_window()), stepped) == ()


@pytest.mark.parametrize(("latency", "codes"), [("steps(50ms@0s, 2s@30s)", []), ("constant(2s)", ["halves_disagree"])])
@pytest.mark.parametrize("asked", [make_experiment(), make_open(make_experiment(), 40)], ids=["closed", "open"])
def test_halves_on_both_sides_of_a_declared_step_of_the_upstream_may_differ(
    asked: Experiment, latency: str, codes: list[str]
) -> None:
    change: Callable[..., Change] = _load if isinstance(asked.load, ClosedLoad) else partial(_open, 40, 40)
    window = change(half_ok=(430, 300), ok=730)(make_window())
    found = window_findings(window, replace(asked, upstream=Upstream(latency=latency)))
    assert [f.code for f in found if f.code == "halves_disagree"] == codes


def test_an_open_load_without_books_of_its_arrivals_cannot_be_judged() -> None:
    found = window_findings(make_window(), OPEN)
    assert {f.code for f in found} == {"schedule", "dispatch_lag", "halves_disagree"}
    assert {f.level for f in found} == {"not_available"}


def test_a_look_that_fails_inside_a_window_takes_nothing_away() -> None:
    assert _findings(lambda w: replace(w, resources=(w.resources[0], absent_sample(1.0), w.resources[-1]))) == ()


def test_a_service_that_has_nothing_to_tell_is_not_asked_for_it() -> None:
    silent = [replace(s, service=UrlService(url="http://10.0.0.1")) for s in EXPERIMENT.stacks]
    window = replace(make_window(), resources=(absent_sample(0.0), absent_sample(1.0)))
    assert window_findings(window, replace(EXPERIMENT, stacks=tuple(silent))) == ()
    told_once = replace(window, resources=(window.resources[0], make_window().resources[1]))
    (found,) = window_findings(told_once, replace(EXPERIMENT, stacks=tuple(silent)))
    assert (found.code, found.got) == ("resources", "the service's figures at open: not known")


@pytest.mark.parametrize(("measure_s", "most_cores"), [(3.0, 0.01 + 0.012 / 3), (8.0, 0.01 + 2 * 0.012 / 8)])
def test_on_a_cluster_the_idle_stack_may_spend_what_the_labs_prometheus_costs_it(
    measure_s: float, most_cores: float
) -> None:
    """As many scrapes as may fall into the window, at what one of them cost; a pinned run has none."""
    window = make_window()
    window = replace(window, scrape_cpu_s=0.012, load=replace(window.load, measure_s=measure_s))
    here, cluster = (bounds_of(replace(make_provenance(), target=target)) for target in ("local", "kubernetes"))

    def passes(cores: float, bounds: GateBounds) -> bool:
        return idle_stack(replace(window, idle_cpu_cores=cores), decode(window.load.histogram), bounds) is None

    assert passes(most_cores - 1e-6, cluster)
    assert not passes(most_cores + 1e-6, cluster)
    assert not passes(most_cores - 1e-6, here)
    assert passes(0.0099, here)
    assert idle_stack(replace(window, idle_cpu_cores=0.011, scrape_cpu_s=None), decode(window.load.histogram), cluster)
    rules = yaml.safe_load((Path(__file__).parents[3] / "k8s/base/prometheus/prometheus.yml").read_text())
    assert rules["global"]["scrape_interval"] == f"{cluster.prometheus_every_s:g}s"


def test_one_stack_has_no_idle_stack_to_judge() -> None:
    alone = make_experiment(services={"pool": OurService(service="flask_gunicorn")})
    assert window_findings(replace(make_window(), idle_cpu_cores=None), alone) == ()


def test_gates_not_judged_are_told_once_for_the_run() -> None:
    windows = [replace(make_window(f"w{n}"), idle_cpu_cores=None) for n in range(3)]
    every = [found for window in windows for found in window_findings(window, EXPERIMENT)]
    told = unjudged(every, 4)
    assert [(f.code, f.level, f.got) for f in told] == [("idle_stack", "not_available", "not judged in 3 of 4 windows")]


def test_every_code_has_a_meaning_and_none_is_left_over() -> None:
    assert set(MEANING) == {*GATE_CODES, *RUN_CODES}
