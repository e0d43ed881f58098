"""What Locust's /metrics says: counts that never fall, by stack, and no sample for what is not known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from _arrival_tally import DROPPED, STARTED
from _exporter import Exporter, Now, Opened
from _ledger import Ledger
from _levels import LEVEL, Levels
from _phase import check_phase
from _refusal import Refusal
from _tally import FAILED, INTENDED, OK, ROW_WIDTH, START, UNJUDGED, Slice
from _totals import BOUNDS_S, Totals
from _web import add_routes
from flask import Flask, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from builders_locust import make_now
from loadlab.report.level_series import level_series

IDLE = make_now()
BEGAN_S = 1_790_000_000.0
NOBODY = np.empty((0, 2))


def _slice(
    lo_s: float, hi_s: float, *rows: tuple[float, float, float, float], flights: tuple[float, ...] = ()
) -> Slice:
    """rows: start, end, code, verdict; the latency is end less start."""
    table = np.zeros((len(rows), ROW_WIDTH))
    for place, (start_s, end_s, code, verdict) in enumerate(rows):
        table[place] = (start_s, start_s, end_s, (end_s - start_s) * 1e3, code, verdict)
    return Slice(lo_s, hi_s, table, np.array(flights), NOBODY, np.empty(0), NOBODY, NOBODY)


def _totals(good_within_s: float = 1.0) -> Totals:
    totals = Totals(good_within_s)
    totals.fold(
        _slice(
            0, 10, (1, 1.04, 200, OK), (2, 3.5, 200, OK), (3, 3.1, 500, FAILED), (8, 9, 200, UNJUDGED), flights=(9.5,)
        )
    )
    return totals


def _samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_a_worker_counts_what_was_sent_what_ended_and_what_was_good() -> None:
    said = _totals().message(str)
    assert said["sent"] == 5
    assert said["ended"] == {"200": 2, "500": 1}
    assert said["good"] == 1
    assert said["latency_sum_s"] == pytest.approx(1.54)
    assert sum(said["buckets"]) == 2


def test_a_request_judged_in_a_later_slice_was_sent_once_and_ended_once() -> None:
    totals = Totals(1.0)
    totals.fold(_slice(0, 10, (8, 8.5, 200, UNJUDGED)))
    judged = _slice(10, 20, (8, 8.5, 200, OK))
    judged.rows[:, [INTENDED, START]] = np.nan
    totals.fold(judged)
    said = totals.message(str)
    assert (said["sent"], said["ended"], said["good"], said["latency_sum_s"]) == (1, {"200": 1}, 1, 0.5)


def test_an_open_load_tells_what_it_dropped_and_judges_from_the_intended_start() -> None:
    """A request of 0.5 s that was sent 0.8 s late is not good within 1 s; workers that left keep their count."""
    totals, ledger = Totals(1.0), Ledger()
    ledger.note("closed", totals.message(str))
    assert ledger.dropped is None
    late = _slice(0, 10, (2, 2.5, 200, OK), (4, 4.5, 200, OK))
    late.rows[0, INTENDED] = 1.2
    arrivals = np.array([(1.2, STARTED), (3.0, DROPPED), (4.0, STARTED)])
    totals.fold(replace(late, arrivals=arrivals, planned=np.array([1.2, 3.0, 4.0])))
    ledger.note("one", totals.message(str))
    totals.fold(replace(_slice(10, 20), arrivals=np.array([(11.0, DROPPED)]), planned=np.array([11.0])))
    ledger.note("one", totals.message(str))
    assert totals.message(str)["good"] == 1
    assert totals.message(str)["latency_sum_s"] == 1.0
    assert ledger.dropped == 2


def test_a_request_is_counted_once_though_it_lasts_over_several_slices() -> None:
    totals = Totals(1.0)
    totals.fold(_slice(0, 10, flights=(9.0,)))
    totals.fold(_slice(10, 20, flights=(9.0,)))
    totals.fold(_slice(20, 30, (9.0, 25.0, 200, OK)))
    assert totals.message(str)["sent"] == 1
    assert totals.message(str)["ended"] == {"200": 1}


def test_a_latency_on_a_bound_is_in_the_bucket_that_ends_there() -> None:
    totals = Totals(1.0)
    totals.fold(_slice(0, 10, (1, 3, 200, OK), (1, 101, 200, OK)))
    buckets = totals.message(str)["buckets"]
    assert buckets[BOUNDS_S.index(2.0)] == 1
    assert buckets[-1] == 1


def test_the_ledger_gives_new_counts_to_the_stack_under_load_and_keeps_those_of_lost_workers() -> None:
    ledger, totals = Ledger(), _totals()
    ledger.stack = "flask"
    ledger.note("one", totals.message(str))
    ledger.note("one", totals.message(str))
    ledger.stack = "fastapi"
    totals.fold(_slice(10, 20, (12, 12.2, 200, OK)))
    ledger.note("one", totals.message(str))
    ledger.note("two", _totals().message(str))
    assert ledger.accounts["flask"].ended == {"200": 2, "500": 1}
    assert ledger.accounts["fastapi"].ended == {"200": 3, "500": 1}
    assert (ledger.accounts["flask"].sent, ledger.accounts["fastapi"].sent) == (5, 6)


def test_a_message_that_was_overtaken_changes_nothing() -> None:
    ledger, totals = Ledger(), Totals(1.0)
    early = totals.message(str)
    totals.fold(_slice(0, 10, (1, 2, 200, OK)))
    ledger.note("one", totals.message(str))
    ledger.note("one", early)
    ledger.note("one", totals.message(str))
    assert ledger.accounts[""].ended == {"200": 1}


def _arrivals(lo_s: float, *fates: float) -> Slice:
    """An open load's slice of 10 s in which arrivals were started or dropped, one a second."""
    due_s = lo_s + np.arange(float(len(fates)))
    return replace(_slice(lo_s, lo_s + 10), arrivals=np.column_stack((due_s, fates)), planned=due_s)


def test_dropped_arrivals_are_told_from_the_first_open_load_on_and_outlive_their_worker() -> None:
    ledger, one, two = Ledger(), Totals(1.0), Totals(1.0)
    one.fold(_slice(0, 10, (1, 2, 200, OK)))
    ledger.note("one", one.message(str))
    assert ledger.dropped is None, "a closed loop has no schedule"
    one.fold(_arrivals(10, STARTED, STARTED))
    ledger.note("one", one.message(str))
    assert ledger.dropped == 0
    one.fold(_arrivals(20, DROPPED, STARTED, DROPPED))
    two.fold(_arrivals(20, DROPPED))
    for worker, totals in (("one", one), ("two", two), ("two", two)):
        ledger.note(worker, totals.message(str))
    assert ledger.dropped == 3
    one.fold(_slice(30, 40))
    ledger.note("one", one.message(str))
    assert ledger.dropped == 3, "a counter does not go away when a closed loop follows"


def _told(phase: Mapping[str, Any], now: Now = IDLE) -> Exporter:
    """After this phase."""
    exporter = Exporter(lambda: now, Ledger(), BEGAN_S)
    exporter.levels.tell(phase["levels"])
    return exporter


def test_what_is_not_known_has_no_sample() -> None:
    samples = _samples(Exporter(lambda: IDLE, Ledger(), BEGAN_S).text())
    names = {name for name, _ in samples}
    assert ("locust_users", ()) in samples
    assert names.isdisjoint(
        {
            "locust_generator_lag_seconds",
            "locust_generator_cpu_cores",
            "locust_generator_throttled_seconds_total",
            "locust_arrivals_dropped_total",
            "loadlab_phase_info",
            "loadlab_window_open",
            "loadlab_margin_ratio",
        }
    )


@pytest.mark.parametrize(("is_open", "kind"), [(True, "open"), (False, "closed")])
def test_it_is_told_whether_users_are_a_load_or_only_lead_its_arrivals(is_open: bool, kind: str) -> None:
    samples = _samples(Exporter(lambda: replace(IDLE, is_open=is_open), Ledger(), BEGAN_S).text())
    assert [labels for name, labels in samples if name == "locust_load_info"] == [(("kind", kind),)]


def test_phase_window_levels_and_bills_are_told_with_their_labels() -> None:
    phase = {"experiment": "quick", "stack": "flask", "users": 48, "margin_ratio": 0.1, "trial": "b01-flask-0048"}
    billed = [{"stack": "flask", "list": "gke", "billing": "provisioned", "cpu_cores": 2.0, "memory_gib": 4.0}]
    amount = {"list": "gke", "billing": "provisioned", "unit": "vcpu_hour", "amount": 0.25}
    level = {
        "stack": "flask",
        "users": 48,
        "windows": 2,
        "left_out": 1,
        "seconds": 16.0,
        "good": 80,
        "billed": [amount],
    }
    given = {"levels": [level], "billed": billed, "cores": {"flask": 2.0}, "prices": [{"list": "gke", "billing": "x"}]}
    opened = [Opened("b01", BEGAN_S + 5, "flask", "48"), Opened("b02", BEGAN_S + 9, "flask", "48")]
    now = replace(IDLE, phase={**phase, **given}, open_stack="flask", opened=opened)
    samples = _samples(_told(given, now).text())
    assert samples["loadlab_window_open", (("stack", "flask"),)] == 1
    at = (("stack", "flask"), ("users", "48"))
    for window, opened_s in (("b01", BEGAN_S + 5), ("b02", BEGAN_S + 9)):
        assert samples["loadlab_window_opened_seconds", (*at, ("window", window))] == opened_s
    assert samples["loadlab_level_good_requests", at] == 80
    assert (samples["loadlab_level_windows", at], samples["loadlab_level_windows_left_out", at]) == (2, 1)
    assert ("loadlab_level_ok_requests", at) not in samples, "what the engine does not say is not zero"
    unit = (("billing", "provisioned"), ("list", "gke"), ("stack", "flask"), ("unit", "vcpu_hour"), ("users", "48"))
    assert samples["loadlab_level_billed", unit] == 0.25
    assert samples["loadlab_stack_cores", (("stack", "flask"),)] == 2
    assert samples["loadlab_price_named", (("billing", "x"), ("list", "gke"))] == 1
    assert samples["locust_start_time_seconds", ()] == BEGAN_S
    labels = (("billing", "provisioned"), ("list", "gke"), ("stack", "flask"))
    assert samples["loadlab_billed_memory_gib", labels] == 4.0
    assert samples["loadlab_margin_ratio", ()] == 0.1
    (info,) = [dict(labels) for name, labels in samples if name == "loadlab_phase_info"]
    assert (info["experiment"], info["users"], info["window"]) == ("quick", "48", "")


def test_a_replay_tells_of_levels_what_the_generator_told() -> None:
    amount = {"list": "gke", "billing": "provisioned", "unit": "vcpu_hour", "amount": 0.25}
    row = {**dict.fromkeys(LEVEL, 7), "stack": "flask", "billed": [amount]}
    (replayed,) = level_series([(BEGAN_S, [row])], {}, BEGAN_S + 1)
    levels = Levels()
    levels.tell([row])
    assert _samples(replayed.text.encode()) == _samples(levels.text)


def test_levels_are_rendered_once_and_left_out_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def noted(registry: CollectorRegistry) -> bytes:
        made.append(registry)
        return generate_latest(registry)

    monkeypatch.setattr("_levels.generate_latest", noted)
    exporter = _told({"levels": [{"stack": "flask", "users": 8, "windows": 1}]})
    before = len(made)
    whole, rest = _samples(exporter.text()), _samples(exporter.text(with_levels=False))
    assert {name for name, _ in whole.keys() - rest.keys()} == {"loadlab_level_users", "loadlab_level_windows"}
    exporter.levels.tell([{"stack": "flask", "users": 8, "windows": 1}])
    assert len(made) == before, "neither a scrape nor a phase with the same levels"
    exporter.levels.tell([])
    assert _samples(exporter.text()) == rest, "levels of a run that is over are gone"


def test_ten_workers_make_no_more_series_than_one() -> None:
    many = replace(IDLE, workers=10, workers_expected=10, cpu_cores=4.0, lag_p50_s=0.001, lag_p99_s=0.002)
    one = replace(many, workers=1, workers_expected=1)
    ledgers = {now.workers: Ledger() for now in (one, many)}
    for count, ledger in ledgers.items():
        ledger.turn_to("flask", ["flask", "fastapi"])
        for worker in range(count):
            ledger.note(str(worker), _totals().message(str))
    texts = [Exporter(lambda now=now: now, ledgers[now.workers], BEGAN_S).text() for now in (one, many)]  # type: ignore[misc]
    assert _samples(texts[0]).keys() == _samples(texts[1]).keys()


def test_counts_before_any_phase_are_shown_only_when_there_are_some() -> None:
    ledger = Ledger()
    ledger.note("one", Totals(1.0).message(str))
    assert not any(
        name.startswith("locust_requests_sent") for name, _ in _samples(Exporter(lambda: IDLE, ledger, BEGAN_S).text())
    )
    ledger.note("one", _totals().message(str))
    assert _samples(Exporter(lambda: IDLE, ledger, BEGAN_S).text())["locust_requests_sent_total", (("stack", ""),)] == 5


def test_a_stack_has_its_counters_at_zero_once_it_is_named_so_that_a_rate_sees_its_first_requests() -> None:
    ledger = Ledger()
    ledger.turn_to("", ["flask", "fastapi"])
    samples = _samples(Exporter(lambda: IDLE, ledger, BEGAN_S).text())
    for stack in (("stack", "flask"), ("stack", "fastapi")):
        for name in ("sent", "good", "failed"):
            assert samples[f"locust_requests_{name}_total", (stack,)] == 0
        assert samples["locust_requests_ended_total", (("outcome", "200"), stack)] == 0
        assert samples["locust_response_seconds_count", (stack,)] == 0
    ledger.turn_to("flask")
    ledger.note("one", _totals().message(str))
    samples = _samples(Exporter(lambda: IDLE, ledger, BEGAN_S).text())
    assert samples["locust_requests_failed_total", (("stack", "flask"),)] == 1
    assert samples["locust_requests_failed_total", (("stack", "fastapi"),)] == 0


def test_metrics_and_all_routes_of_the_lab_ask_for_the_login() -> None:
    app = Flask("guarded")

    def guarded(view: object) -> Callable[..., Response]:
        return lambda **_: Response("log in first", status=401)

    nobody: Any = None
    add_routes(SimpleNamespace(app=app, auth_required_if_enabled=guarded), nobody)
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    assert "/metrics" in {str(rule) for rule in rules}
    client = app.test_client()
    for rule in rules:
        (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        assert client.open(str(rule).replace("<path:key>", "x"), method=method).status_code == 401


def test_accounts_become_counters_and_a_cumulative_histogram() -> None:
    ledger = Ledger()
    ledger.stack = "flask"
    ledger.note("one", _totals().message(str))
    samples = _samples(Exporter(lambda: IDLE, ledger, BEGAN_S).text())
    stack = ("stack", "flask")
    assert samples["locust_requests_ended_total", (("outcome", "500"), stack)] == 1
    assert samples["locust_requests_good_total", (stack,)] == 1
    assert samples["locust_response_seconds_bucket", (("le", "0.05"), stack)] == 1
    assert samples["locust_response_seconds_bucket", (("le", "2.0"), stack)] == 2
    assert samples["locust_response_seconds_count", (stack,)] == 2
    assert samples["locust_response_seconds_sum", (stack,)] == pytest.approx(1.54)


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ({"stack": 1}, "stack: got 1, expected a text"),
        ({"users": "48"}, "users: got '48', expected a number"),
        ({"billed": {}}, "billed: got {}, expected a list"),
        ({"billed": [{"stack": "flask"}]}, "list"),
        ({"cores": [1]}, "cores: got [1], expected a number for each stack"),
        ({"cores": {"flask": "1"}}, "flask: got '1', expected a number"),
        ({"prices": [{"list": "gke"}]}, "billing"),
        ({"levels": [{"stack": "flask"}]}, "users"),
        ({"levels": [{"stack": "flask", "users": 8, "good": "80"}]}, "good: got '80', expected a number"),
        ({"levels": [{"stack": "flask", "users": 8, "billed": [{"list": "gke"}]}]}, "billing"),
    ],
)
def test_a_phase_that_cannot_be_is_refused_in_one_line(phase: dict[str, object], message: str) -> None:
    with pytest.raises(Refusal, match=re.escape(message)):
        check_phase(phase)


def test_any_part_of_a_phase_may_be_missing() -> None:
    check_phase({})
    check_phase({"stack": "flask", "claimed_users": None, "something": [1]})


def test_a_level_that_says_nothing_of_bills_has_none_and_hinders_no_scrape() -> None:
    phase = {"levels": [{"stack": "flask", "users": 8, "windows": 1}]}
    check_phase(phase)
    samples = _samples(_told(phase).text())
    assert samples["loadlab_level_windows", (("stack", "flask"), ("users", "8"))] == 1
    assert "loadlab_level_billed" not in {name for name, _ in samples}
