from __future__ import annotations

from dataclasses import replace

import pytest

from builders import UNIX_S, histogram, make_experiment, make_load_window, make_sample, make_window, make_worker
from builders_stats import goodput_experiment, level, make_run, make_windows
from loadlab.analysis.resources import window_resources
from loadlab.analysis.summarise import judge, level_summaries
from loadlab.execute.prometheus import absent_sample
from loadlab.model.run import ResourceSample, Window


def _with(*samples: ResourceSample) -> Window:
    return replace(make_window(), resources=samples)


def test_processor_time_is_shared_among_the_requests_that_the_service_counted_meanwhile() -> None:
    found = window_resources(
        _with(make_sample(cpu_s=1.0, served=100), make_sample(UNIX_S + 1.25, cpu_s=1.5, served=150))
    )
    assert found.cpu_cores == pytest.approx(0.4)
    assert found.cpu_s_per_request == pytest.approx(0.01)


def test_without_the_service_s_count_the_window_s_rate_stands_in() -> None:
    """40 requests in 1 s are 50 in the 1.25 s between the samples."""
    found = window_resources(
        _with(make_sample(cpu_s=1.0, served=None), make_sample(UNIX_S + 1.25, cpu_s=1.5, served=None))
    )
    assert found.cpu_s_per_request == pytest.approx(0.01)


@pytest.mark.parametrize(
    "samples",
    [
        (),
        (make_sample(),),
        (make_sample(cpu_s=None), make_sample(UNIX_S + 1, cpu_s=2.0)),
        (make_sample(cpu_s=2.0), make_sample(UNIX_S + 1, cpu_s=1.0)),
    ],
)
def test_processor_time_that_cannot_be_told_is_absent(samples: tuple[ResourceSample, ...]) -> None:
    found = window_resources(_with(*samples))
    assert (found.cpu_cores, found.cpu_s_per_request) == (None, None)


def test_a_clock_that_jumped_leaves_cores_absent_and_time_per_request_known() -> None:
    found = window_resources(_with(make_sample(cpu_s=1.0, served=0), make_sample(UNIX_S + 3600, cpu_s=1.5, served=50)))
    assert found.cpu_cores is None
    assert found.cpu_s_per_request == pytest.approx(0.01)


def test_spans_follow_the_clock_that_never_jumps() -> None:
    first, last = make_sample(cpu_s=1.0), make_sample(UNIX_S + 1.4, cpu_s=1.5)
    found = window_resources(_with(replace(first, monotonic_s=7.0), replace(last, monotonic_s=8.0)))
    assert found.cpu_cores == pytest.approx(0.5)


def test_what_the_lab_s_own_looks_cost_is_taken_off() -> None:
    samples = [make_sample(UNIX_S + at, cpu_s=1.0 + at / 4, served=100 + 50 * at) for at in (0, 1, 2)]
    window = replace(_with(*samples), load=make_load_window(measure_s=2.0), scrape_cpu_s=0.05)
    found = window_resources(window)
    assert found.cpu_cores == pytest.approx(0.2)
    assert found.cpu_s_per_request == pytest.approx(0.004)
    assert window_resources(replace(window, scrape_cpu_s=9.0)).cpu_cores == 0.0


def test_memory_is_the_peak_and_slots_are_means_by_worker_largest_first() -> None:
    one, two = make_worker(pid=1), make_worker(pid=2)
    first = replace(make_sample(), pss_bytes=5, workers=(one, replace(two, slots_busy=2.0)))
    second = replace(make_sample(UNIX_S + 1), pss_bytes=None, workers=(replace(one, slots_busy=10.0), two))
    found = window_resources(_with(first, second))
    assert found.pss_bytes == 5
    assert found.slots_busy_by_worker == (9.0, 5.0)


def test_a_window_that_was_not_seen_to_its_close_tells_nothing_of_what_the_service_used() -> None:
    first, middle = make_sample(), make_sample(UNIX_S + 0.5, cpu_s=1.05)
    found = window_resources(_with(first, middle, absent_sample(UNIX_S + 1)))
    assert (found.cpu_cores, found.cpu_s_per_request, found.pss_bytes, found.in_flight_mean) == (None,) * 4
    assert found.slots_busy_by_worker == ()
    told = window_resources(_with(first, absent_sample(UNIX_S + 0.5), make_sample(UNIX_S + 1, cpu_s=1.1)))
    assert told.pss_bytes == first.pss_bytes


def test_a_window_summary_carries_rates_reasons_and_absences() -> None:
    window = replace(make_window(), notes=("the service died",), idle_cpu_cores=None)
    found = judge(make_run([window]), make_experiment()).windows[0]
    assert (found.throughput_rps, found.goodput_rps) == (40.0, 40.0)
    assert found.p50_s == pytest.approx(0.2, rel=1e-3)
    assert found.p99_s is None
    assert (found.valid, found.used) == (False, False)
    assert (found.reasons, found.not_available) == (("note",), ("idle_stack",))
    assert found.objective_held


def test_only_windows_of_whole_valid_pairs_are_used() -> None:
    windows = make_windows(level(1.0), levels=(30, 36), blocks=2)
    spoilt = [replace(w, notes=("spoilt",)) if w.id == "b02-036-loop" else w for w in windows]
    used = {w.id for w in judge(make_run(spoilt), goodput_experiment()).windows if w.used}
    assert used == {"b01-030-pool", "b01-030-loop", "b01-036-pool", "b01-036-loop", "b02-030-pool", "b02-030-loop"}


def test_levels_are_estimates_over_blocks_with_absent_figures_left_out() -> None:
    windows = make_windows(level(1.0), levels=(30,), blocks=4, sd_log=0.05)
    judged = judge(make_run(windows), goodput_experiment())
    pool, loop = level_summaries(judged, goodput_experiment())
    assert (pool.stack, pool.users, pool.blocks) == ("pool", 30, 4)
    assert pool.goodput_rps is not None
    own = [w.goodput_rps for w in judged.windows if w.stack == "pool" and w.role == "sweep"]
    assert pool.goodput_rps.value == pytest.approx(sum(own) / 4)
    assert pool.goodput_rps.interval is not None
    assert loop.goodput_rps is not None
    assert loop.goodput_rps.interval is None


def test_few_blocks_that_scatter_give_no_figure_an_interval_below_nothing() -> None:
    """Two blocks of 0.1 and 0.4 cores: Student's interval alone would begin at -1.66."""
    windows = make_windows(level(1.0), levels=(30,), blocks=2)
    used_s = {1: 1.0, 2: 4.0}
    spent = tuple(
        replace(w, resources=(make_sample(cpu_s=1.0), make_sample(UNIX_S + 10, cpu_s=1.0 + used_s[w.block])))
        for w in windows
    )
    pool, _ = level_summaries(judge(make_run(spent), goodput_experiment()), goodput_experiment())
    assert pool.cpu_cores is not None
    assert pool.cpu_cores.value == pytest.approx(0.25)
    assert pool.cpu_cores.interval is not None
    assert pool.cpu_cores.interval.lower == 0.0
    assert pool.cpu_cores.interval.upper == pytest.approx(0.25 + 12.7062 * 0.15, rel=1e-3)


def test_windows_too_short_for_a_p99_have_one_together() -> None:
    """Four blocks of 400 requests at 200 ms; the fourth's take 900 ms: 25 % of all, so that p99 is theirs."""
    windows = tuple(
        replace(w, load=replace(w.load, ok=400, histogram=histogram(900_000 if w.block == 4 else 200_000, 400)))
        for w in make_windows(level(1.0), levels=(30,), blocks=4)
    )
    pool, _ = level_summaries(judge(make_run(windows), goodput_experiment()), goodput_experiment())
    assert pool.p99_s is None
    assert pool.pooled_requests == 1600
    assert pool.p99_pooled_s == pytest.approx(0.9, rel=1e-3)


def test_fewer_than_a_thousand_requests_together_have_no_p99() -> None:
    windows = tuple(
        replace(w, load=replace(w.load, ok=249, histogram=histogram(200_000, 249)))
        for w in make_windows(level(1.0), levels=(30,), blocks=4)
    )
    pool, _ = level_summaries(judge(make_run(windows), goodput_experiment()), goodput_experiment())
    assert (pool.p99_pooled_s, pool.pooled_requests) == (None, 996)
