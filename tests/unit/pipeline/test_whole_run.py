"""A whole simulated run, and what goes wrong in the middle of one."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builders import make_experiment, make_load_window, make_plan
from loadlab.analysis.assessment import count
from loadlab.analysis.summarise import judge
from loadlab.analysis.use import window_use
from loadlab.errors import AbortedByRule, DeployError, LoadError
from loadlab.execute.ports import LiveStatus
from loadlab.model.experiment import AbortRule, ClosedLoad
from loadlab.model.run import RunData, seconds_between
from loadlab.pipeline.block import timing
from loadlab.pipeline.session import run_session
from loadlab.report.live import PlainProgress
from simulated import SimulatedGenerator, Truth
from simulated_lab import Lab, make_lab


def _measured(lab: Lab) -> RunData:
    with lab.opened() as store:
        return store.load()


def _events(lab: Lab, kind: str) -> list[dict[str, object]]:
    return [dict(e) for e in _measured(lab).events if e["event"] == kind]


def test_a_whole_run_leaves_every_planned_window_once_and_says_what_the_truth_is(lab: Lab) -> None:
    lab.run()
    run = _measured(lab)
    assert run.complete
    assert run.ended_by is None
    assert run.interrupted_blocks == ()
    planned = {(b, u, s) for b in (1, 2) for u in (6, 8, 10, 12) for s in ("pool", "loop")}
    sweep = [(w.block, w.users, w.stack) for w in run.windows if w.role == "sweep"]
    assert len(sweep) == len(planned)
    assert set(sweep) == planned
    assert [w.role for w in run.windows].count("aa") == 2
    rate = {w.stack: w.load.ok / w.load.measure_s for w in run.windows if w.users == 12 and w.role == "sweep"}
    assert rate["pool"] == pytest.approx(40, rel=0.02)
    assert rate["loop"] == pytest.approx(60, rel=0.02)
    for window in run.windows:
        assert window.books is not None
        assert window.books.sent == window.books.served == window.books.upstream_arrivals


def test_a_window_is_shown_with_the_figures_that_the_results_have_of_it(lab: Lab) -> None:
    lab.world.during["b01-010-pool"] = lab.world.lose_worker
    lab.run()
    judged = {window.id: replace(window, used=False) for window in judge(_measured(lab), lab.experiment).windows}
    told = {window.id: window for _, window in lab.watcher.windows}
    assert told == judged
    assert [window.id for window in told.values() if "partial" in window.reasons] == ["b01-010-pool"]


def test_a_run_has_a_bound_from_its_start_and_its_time_left_never_rises(lab: Lab) -> None:
    stream, began_s = io.StringIO(), lab.world.clock.monotonic_s()
    with lab.opened() as store:
        told = PlainProgress(stream, lab.world.clock.monotonic_s)
        run_session(replace(lab.rig(store), progress=told), store.progress())
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("[00:00] 18 windows, at least ")
    left_s = [float(found.group(1)) for line in lines if (found := re.search(r"about ([\d.]+) s left", line))]
    assert len(left_s) == 17
    assert left_s == sorted(left_s, reverse=True)
    assert left_s[0] < lab.world.clock.monotonic_s() - began_s


def test_a_resumed_run_is_bounded_by_what_is_left_of_it(lab: Lab) -> None:
    lab.run()
    whole_s = lab.watcher.least_s
    with lab.opened() as store:
        known = store.progress()
        run_session(lab.rig(store), replace(known, finished=frozenset({1})))
    assert lab.watcher.least_s == pytest.approx(whole_s / 2)
    assert lab.watcher.total == len(lab.watcher.expected_s) == 9
    assert lab.watcher.least_s < sum(lab.watcher.expected_s)


def test_the_demands_are_the_truth_and_the_law_places_the_levels_around_its_prediction(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(users=None, measure_s=2.0), tmp_path / "unit-run")
    lab.run()
    run = _measured(lab)
    assert [d.service_s for d in run.demands] == [pytest.approx(0.2, rel=0.01)] * 2
    assert [d.cpu_s_per_request for d in run.demands] == [pytest.approx(0.001, rel=0.05)] * 2
    levels = sorted({w.users for w in run.windows})
    assert len(levels) == lab.experiment.blocks.levels
    assert levels[0] < 8.8 < levels[-1]
    assert any("8.8 users" in m for m in lab.watcher.messages)


def test_waits_of_the_users_own_are_measured_and_move_levels_warm_up_and_prediction(tmp_path: Path) -> None:
    """8 slots of 0.2 s, waits of 0.6 s: the law says 1.1 x 8 x (0.2 + 0.6) / 0.2 = 35.2 users, not 8.8."""
    truths = {"pool": Truth(slots=8, own_wait_s=0.6), "loop": Truth(own_wait_s=0.6)}
    lab = make_lab(make_experiment(users=None, measure_s=2.0), tmp_path / "unit-run", truths)
    lab.run()
    run = _measured(lab)
    assert [d.think_s for d in run.demands] == [pytest.approx(0.6, rel=0.02)] * 2
    assert {d.own_waits for d in run.demands} == {("Shopper",)}
    levels = sorted({w.users for w in run.windows})
    assert levels[0] < 35.2 < levels[-1]
    trial = make_plan(levels=(8,), stacks=("pool",)).blocks[0].trials[0]
    with lab.opened() as store:
        own = timing(lab.rig(store), trial, run.demands)
    assert own.phase_s == pytest.approx(0.8, rel=0.02)
    assert own.warmup_s == pytest.approx(5 * 0.8, rel=0.02)


def test_waits_too_long_to_be_known_predict_nothing_and_say_so(tmp_path: Path) -> None:
    truths = {"pool": Truth(slots=8, own_wait_s=20.0), "loop": Truth(own_wait_s=20.0)}
    lab = make_lab(make_experiment(users=None, measure_s=2.0), tmp_path / "unit-run", truths)
    lab.run()
    assert any("not predictable: how long the users of pool wait" in m for m in lab.watcher.messages)


def test_two_runs_of_one_seed_measure_the_same(tmp_path: Path) -> None:
    labs = [make_lab(make_experiment(), tmp_path / name) for name in ("a", "b")]
    for one in labs:
        one.run()
    first, second = (_measured(one).windows for one in labs)
    assert first == second


@pytest.mark.parametrize("away", [("pool",), ("pool", "loop")])
def test_a_window_whose_stack_was_out_of_reach_at_its_close_counts_and_has_no_resources(
    lab: Lab, away: tuple[str, ...]
) -> None:
    """Where an API server is away, the idle stack is out of reach too: nothing of it has ended."""
    lab.world.during["b01-010-pool"] = lambda: lab.world.away.update(away)
    for trial in ("b01-010-loop", "b01-012-pool", "b01-012-loop", "b01-008-pool", "b01-006-pool"):
        lab.world.on_swarm[trial] = lab.world.away.clear
    lab.run()
    judged = judge(_measured(lab), lab.experiment)
    (dark,) = [window for window in judged.windows if "resources" in window.not_available]
    assert (dark.id, dark.valid, dark.used) == ("b01-010-pool", True, True)
    assert (dark.cpu_s_per_request, dark.cpu_cores, dark.pss_bytes) == (None, None, None)
    assert dark.goodput_rps > 0
    (window,) = [window for window in _measured(lab).windows if window.id == dark.id]
    assert window.notes == ()
    assert (window_use(window).cpu_s, window_use(window).memory_bytes) == (None, None)


def test_a_look_that_hangs_past_the_close_is_followed_by_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plain, stalls = (
        make_lab(make_experiment(measure_s=3.0), tmp_path / "unit-run"),
        SimulatedGenerator.status,
        list[float](),
    )

    def slow(generator: SimulatedGenerator) -> LiveStatus:
        if stalls:
            lab.world.clock.sleep(stalls.pop())
        return plain(generator)

    monkeypatch.setattr(SimulatedGenerator, "status", slow)
    lab.world.during["b01-010-pool"] = lambda: stalls.append(4.0)
    lab.run()
    (window,) = [window for window in _measured(lab).windows if window.id == "b01-010-pool"]
    assert stalls == []
    assert seconds_between(window.resources[0], window.resources[-1]) >= 3.0


def test_a_lost_worker_makes_the_window_partial_and_its_pair_is_repeated(lab: Lab) -> None:
    lab.world.during["b01-010-pool"] = lab.world.lose_worker
    lab.run()
    windows = {w.id: w for w in _measured(lab).windows}
    assert windows["b01-010-pool"].load.state == "partial"
    assert windows["b01-010-pool"].load.holes == ("worker 0 disappeared",)
    assert {i for i, w in windows.items() if w.repeats} == {"b01-010-pool-r1", "b01-010-loop-r1"}
    assert [e["reason"] for e in _events(lab, "generator_healed")] == [
        "locust-worker-0 was killed by SIGKILL; its log is empty"
    ]
    assert len(windows) == lab.watcher.total + 2


def test_a_stack_that_falls_is_noted_started_again_and_its_pair_repeated_once(lab: Lab) -> None:
    lab.world.during["b01-008-loop"] = lambda: lab.world.kill("loop")
    lab.run()
    windows = {w.id: w for w in _measured(lab).windows}
    assert windows["b01-008-loop"].notes == ("loop was killed by SIGKILL; its log is empty",)
    assert windows["b01-008-loop-r1"].notes == ()
    assert [w.id for w in windows.values() if w.notes] == ["b01-008-loop"]
    assert lab.world.prepared == [0, 1, 1, 2]
    assert _events(lab, "stacks_restarted")[0]["reason"] == ["loop was killed by SIGKILL; its log is empty"]
    last_warm_up = len(lab.world.swarmed) - lab.world.swarmed[::-1].index("b01-warmup-pool-t1")
    both = ["b01-warmup-pool-t1", "b01-warmup-loop-t1"]
    assert [t for t in lab.world.swarmed if t.startswith("b01-warmup")] == both * 2, "restarted stacks are cold again"
    assert lab.world.swarmed[last_warm_up - 2] == "b01-008-loop"
    assert ("loop, 8 users", False) in [(label, window.valid) for label, window in lab.watcher.windows]


def test_a_stack_that_is_ending_is_noted_though_none_of_its_processes_has_ended(lab: Lab) -> None:
    """SIGTERM: it answers nobody any more, neither users nor whoever asks what it served; its process ends later."""

    def ends() -> None:
        lab.world.away.add("loop")
        lab.world.error_ratio = 0.5

    def is_back() -> None:
        lab.world.away.clear()
        lab.world.error_ratio = 0.0

    lab.world.during["b01-008-loop"] = ends
    for trial in ("b01-008-pool", "b01-006-loop", "b01-006-pool", "b01-010-loop", "b01-012-pool", "b01-012-loop"):
        lab.world.on_swarm[trial] = is_back
    lab.run()
    windows = {w.id: w for w in _measured(lab).windows}
    (note,) = windows["b01-008-loop"].notes
    assert note.startswith("loop: ")
    assert note.endswith(" requests had no answer, and what it served cannot be asked after the window")


def _vanish(lab: Lab, trial: str, stack: str) -> None:
    """A pod that is deleted: it is gone, and nobody tells those who wait for its answers."""
    lab.world.kill(stack)
    lab.world.hanging.add(trial)


def test_a_stack_that_vanishes_in_a_long_window_ends_the_window_and_not_the_patience(tmp_path: Path) -> None:
    rule = AbortRule(p99_s=30.0, error_ratio=0.5, after_s=5.0)
    lab = make_lab(make_experiment(measure_s=60.0, blocks=1, abort=rule), tmp_path / "unit-run")
    lab.world.during["b01-008-loop"] = lambda: _vanish(lab, "b01-008-loop", "loop")
    lab.run()
    run = _measured(lab)
    assert run.complete
    windows = {w.id: w for w in run.windows}
    assert windows["b01-008-loop"].notes == ("loop was killed by SIGKILL; its log is empty",)
    assert 30.0 <= windows["b01-008-loop"].load.measure_s < 35.0
    assert lab.world.closed_early == ["b01-008-loop"]
    assert lab.world.abandoned == ["b01-008-loop"]
    assert windows["b01-008-loop-r1"].notes == ()


@pytest.mark.parametrize("trial", ["demand-loop-cpu", "b01-warmup-loop-t1"])
def test_a_stack_that_vanishes_outside_of_a_window_is_waited_for_no_longer(tmp_path: Path, trial: str) -> None:
    lab = make_lab(make_experiment(blocks=1), tmp_path / "unit-run")
    lab.world.on_swarm[trial] = lambda: _vanish(lab, trial, "loop")
    lab.run()
    assert _measured(lab).complete
    assert lab.world.abandoned == [trial]


@pytest.mark.parametrize(("fallen", "abandoned"), [("pool", []), ("loop2", []), ("upstream", ["b01-008-loop"])])
def test_the_fall_of_an_idle_stack_cuts_no_request_and_that_of_the_upstream_does(
    tmp_path: Path, fallen: str, abandoned: list[str]
) -> None:
    lab = make_lab(make_experiment(blocks=1), tmp_path / "unit-run")

    def strike() -> None:
        lab.world.kill(fallen)
        lab.world.hanging.add("b01-008-loop")
        lab.world.clock.after(100.0, lab.world.hanging.clear)

    lab.world.during["b01-008-loop"] = strike
    lab.run()
    assert _measured(lab).complete
    assert lab.world.abandoned == abandoned


def test_what_a_living_stack_takes_long_to_answer_is_never_given_up(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(blocks=1), tmp_path / "unit-run")
    lab.world.hanging.add("b01-008-loop")
    lab.world.during["b01-008-loop"] = lambda: lab.world.clock.after(100.0, lab.world.hanging.clear)
    lab.run()
    assert _measured(lab).complete
    assert (lab.world.abandoned, lab.world.closed_early) == ([], [])


def test_repeats_are_counted_as_soon_as_they_are_owed(lab: Lab) -> None:
    lab.world.during["b01-008-loop"] = lambda: lab.world.kill("loop")
    lab.run()
    planned, failed_at = lab.watcher.total, [window.valid for _, window in lab.watcher.windows].index(False)
    grown = len(_measured(lab).windows)
    assert grown > planned
    assert lab.watcher.expected == [planned] * failed_at + [grown] * (grown - failed_at)


def test_a_window_that_fails_twice_is_not_repeated_again(lab: Lab) -> None:
    for trial in ("b01-008-loop", "b01-008-loop-r1"):
        lab.world.during[trial] = lambda: lab.world.kill("loop")
    lab.run()
    ids = [w.id for w in _measured(lab).windows if w.block == 1 and w.users == 8 and w.stack == "loop"]
    assert ids == ["b01-008-loop", "b01-008-loop-r1"]


@pytest.mark.parametrize(("stolen", "tries", "missing"), [(1, 2, 0), (3, 4, 0), (4, 4, 1)])
def test_a_pair_that_the_host_spoils_is_repeated_three_times_and_no_more(
    lab: Lab, stolen: int, tries: int, missing: int
) -> None:
    lab.world.stolen["b01-008-loop"] = stolen
    lab.run()
    windows = [w for w in _measured(lab).windows if (w.block, w.users) == (1, 8) and w.role != "aa"]
    rounds = ("", "-r1", "-r2", "-r3")[:tries]
    assert {w.id for w in windows} == {f"b01-008-{stack}{end}" for stack in ("pool", "loop") for end in rounds}
    assert {w.repeats for w in windows if w.role == "repeat"} == {"b01-008-pool", "b01-008-loop"}
    judged = judge(_measured(lab), lab.experiment)
    counted = {w.id for w in judged.windows if w.used and (w.block, w.users) == (1, 8)}
    assert counted == (set() if missing else {f"b01-008-{stack}{rounds[-1]}" for stack in ("pool", "loop")})
    counts = count(_measured(lab), judged)
    assert (counts.repeated, counts.missing_pairs) == (2 * (tries - 1), missing)
    assert sorted(set(lab.watcher.expected)) == [lab.watcher.total + 2 * number for number in range(1, tries)]


def test_what_failed_for_another_reason_in_between_is_not_tried_for_longer(lab: Lab) -> None:
    """One window of the repeat is stolen from, and the other one falls: that is not the host's doing alone."""
    lab.world.stolen["b01-008-loop"] = 4
    lab.world.during["b01-008-pool-r1"] = lambda: lab.world.kill("pool")
    lab.run()
    ids = [w.id for w in _measured(lab).windows if w.block == 1 and w.users == 8 and w.stack == "loop"]
    assert ids == ["b01-008-loop", "b01-008-loop-r1"]


def test_a_wall_clock_that_jumps_is_noted(lab: Lab) -> None:
    lab.world.during["b02-006-pool"] = lambda: lab.world.clock.jump(-3600.0)
    lab.run()
    noted = {w.id: w.notes for w in _measured(lab).windows if w.notes}
    assert noted == {"b02-006-pool": ("the wall clock jumped by 3600.0 s",)}


def test_a_generator_that_breaks_once_is_mended_and_the_trial_done_again(lab: Lab) -> None:
    lab.world.refusals["b01-010-loop"] = 2
    lab.run()
    assert _measured(lab).complete
    assert len(_events(lab, "trial_lost")) == 2
    assert lab.world.swarmed.count("b01-010-loop") == 3


def test_a_generator_that_breaks_in_a_warm_up_is_mended_too(lab: Lab) -> None:
    lab.world.refusals["b02-warmup-pool-t1"] = 1
    lab.run()
    assert _measured(lab).complete


def test_a_generator_that_stays_broken_ends_the_run_which_can_be_resumed(lab: Lab) -> None:
    lab.world.refusals["b02-010-loop"] = 99
    with pytest.raises(LoadError, match="simulated for b02-010-loop"):
        lab.run()
    run = _measured(lab)
    assert not run.complete
    assert "simulated" in (run.ended_by or "")
    assert {w.block for w in run.windows} == {1}
    lab.world.refusals.clear()
    lab.run()
    again = _measured(lab)
    assert again.complete
    assert again.interrupted_blocks == (2,)
    assert {w.id.endswith("-t2") for w in again.windows if w.block == 2} == {True}


def _slow(p99_s: float, trial: str) -> Callable[[Lab], None]:
    def script(lab: Lab) -> None:
        lab.world.live[trial] = LiveStatus(
            users=8, rps=40, p50_s=p99_s, p99_s=p99_s, workers=2, workers_expected=2, in_flight=8
        )

    return script


def _aborting(tmp_path: Path, rule: AbortRule) -> Lab:
    return make_lab(make_experiment(abort=rule, measure_s=8.0, blocks=1), tmp_path / "unit-run")


def test_latency_above_the_bound_for_long_ends_the_run_with_the_rule_as_its_reason(tmp_path: Path) -> None:
    lab = _aborting(tmp_path, AbortRule(p99_s=2.0, after_s=3.0))
    _slow(9.0, "b01-010-pool")(lab)
    with pytest.raises(AbortedByRule, match=r"p99 of 9.00 s is above p99_s = 2 for 3 s"):
        lab.run()
    assert "p99 of 9.00 s" in (_measured(lab).ended_by or "")
    assert lab.world.swarmed.count("b01-010-pool") == 1


def test_a_short_spike_of_latency_does_not_end_the_run(tmp_path: Path) -> None:
    lab = _aborting(tmp_path, AbortRule(p99_s=2.0, after_s=5.0))
    _slow(9.0, "b01-010-pool")(lab)
    lab.world.during["b01-010-pool"] = lab.world.live.clear
    lab.run()
    assert _measured(lab).complete


def test_errors_above_the_bound_end_the_run(tmp_path: Path) -> None:
    lab = _aborting(tmp_path, AbortRule(error_ratio=0.5, after_s=2.0))

    def break_everything() -> None:
        lab.world.error_ratio = 0.9

    lab.world.during["b01-010-pool"] = break_everything
    with pytest.raises(AbortedByRule, match=r"of the requests failed, above error_ratio = 0.5"):
        lab.run()


def test_an_abort_ends_the_generator_at_once_and_waits_for_no_drain(tmp_path: Path) -> None:
    lab = _aborting(tmp_path, AbortRule(p99_s=2.0, after_s=1.0))
    _slow(9.0, "b01-010-pool")(lab)
    with pytest.raises(AbortedByRule, match="p99"):
        lab.run()
    assert lab.world.closed_generators == 1


@pytest.mark.parametrize("measure_s", [1.0, 3.0])
def test_a_bound_passed_in_windows_shorter_than_after_s_ends_the_run(tmp_path: Path, measure_s: float) -> None:
    rule = AbortRule(p99_s=2.0, after_s=6.0)
    lab = make_lab(make_experiment(abort=rule, measure_s=measure_s, blocks=2), tmp_path / "unit-run")
    for users in (6, 8, 10, 12):
        for role in ("", "-aa"):
            _slow(9.0, f"b01-{users:03d}-pool{role}")(lab)
    with pytest.raises(AbortedByRule, match=r"\[abort\]: pool: p99 of 9.00 s .* for 6 s of load"):
        lab.run()
    assert _measured(lab).ended_by


def test_what_hurts_in_one_window_and_not_in_the_next_of_the_same_stack_does_not_add_up(tmp_path: Path) -> None:
    rule = AbortRule(p99_s=2.0, after_s=4.0)
    lab = make_lab(make_experiment(abort=rule, measure_s=2.0, blocks=4), tmp_path / "unit-run")
    for block in range(1, 5):
        _slow(9.0, f"b{block:02d}-006-pool")(lab)
    lab.run()
    assert _measured(lab).complete


@pytest.mark.parametrize(
    "trial", ["demand-pool-peek", "demand-loop-cpu", "b01-warmup-loop-t1", "b01-010-pool", "b02-006-loop"]
)
def test_a_hang_ends_the_run_wherever_load_is_on(tmp_path: Path, trial: str) -> None:
    rule = AbortRule(p99_s=6.0, after_s=5.0)
    lab = make_lab(make_experiment(abort=rule), tmp_path / "unit-run")
    lab.world.hanging.add(trial)
    before_s = lab.world.clock.monotonic_s()
    match = r"no answer to any of \d+ requests in flight, which is beyond p99_s = 6 s, for 5 s of load"
    with pytest.raises(AbortedByRule, match=match):
        lab.run()
    assert lab.world.swarmed[-1] == trial
    assert lab.world.clock.monotonic_s() - before_s < 300
    assert "no answer" in (_measured(lab).ended_by or "")
    assert lab.world.closed_generators == 1


def test_a_hang_is_seen_by_a_rule_about_errors_alone(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(abort=AbortRule(error_ratio=0.5, after_s=2.0)), tmp_path / "unit-run")
    lab.world.hanging.add("b01-warmup-pool-t1")
    with pytest.raises(AbortedByRule, match="beyond 30 s, for 2 s of load"):
        lab.run()


def test_answers_that_take_their_time_are_no_hang(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(abort=AbortRule(p99_s=6.0, after_s=1.0)), tmp_path / "unit-run")
    lab.world.hanging.add("b01-006-pool")
    lab.world.during["b01-006-pool"] = lambda: lab.world.clock.after(5.0, lab.world.hanging.clear)
    lab.run()
    assert _measured(lab).complete


def test_what_a_foreign_stack_does_not_tell_is_absent_and_not_zero(tmp_path: Path) -> None:
    truths = {"pool": Truth(slots=8), "loop": Truth(has_metrics=False)}
    lab = make_lab(make_experiment(), tmp_path / "unit-run", truths)
    lab.world.has_upstream = False
    lab.run()
    run = _measured(lab)
    foreign = [w for w in run.windows if w.stack == "loop"]
    assert {s.cpu_s for w in foreign for s in w.resources} == {None}
    assert {s.pss_bytes for w in foreign for s in w.resources} == {None}
    assert {w.books.served for w in foreign if w.books} == {None}
    assert {w.books.upstream_arrivals for w in run.windows if w.books} == {None}
    assert {w.idle_cpu_cores for w in run.windows if w.stack == "pool"} == {None}
    assert run.demands[1].cpu_s_per_request is None
    assert run.demands[1].idle_cpu_cores is None


def test_a_stack_whose_first_requests_all_fail_is_told_before_the_sweep(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedGenerator, "collect", lambda *_: make_load_window(ok=0, failed=5, users=1))
    with pytest.raises(DeployError, match=r"pool: none of 5 requests at one user was answered as expected"):
        lab.run()


@pytest.mark.parametrize(("own", "waits"), [((), "think_s = 200"), (("Shopper",), "a wait_time of Shopper")])
def test_users_that_wait_longer_than_a_demand_is_measured_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: tuple[str, ...], waits: str
) -> None:
    experiment = make_experiment()
    assert isinstance(experiment.load, ClosedLoad)
    lab = make_lab(replace(experiment, load=replace(experiment.load, think_s=200.0)), tmp_path / "unit-run")
    silent = replace(make_load_window(ok=0, failed=0, users=1, measure_s=60.0), own_waits=own)
    monkeypatch.setattr(SimulatedGenerator, "collect", lambda *_: silent)
    with pytest.raises(LoadError, match=f"pool: no request of one user ended within 60 s, with {waits} between two"):
        lab.run()


def test_one_stack_alone_runs_without_law_and_idle_figures(tmp_path: Path) -> None:
    experiment = make_experiment()
    single = replace(experiment, stacks=experiment.stacks[:1])
    lab = make_lab(single, tmp_path / "unit-run", {"pool": Truth(slots=8)})
    lab.run()
    run = _measured(lab)
    assert run.complete
    assert {w.idle_cpu_cores for w in run.windows} == {None}


def test_a_stack_that_falls_in_its_warm_up_is_warmed_up_again_before_it_is_measured(lab: Lab) -> None:
    lab.world.on_swarm["b02-warmup-loop-t1"] = lambda: lab.world.kill("loop")
    lab.run()
    started = [t for t in lab.world.swarmed if t.startswith("b02-")]
    both = ["b02-warmup-pool-t1", "b02-warmup-loop-t1"]
    assert started[:4] == both * 2
    assert not [w.id for w in _measured(lab).windows if w.notes]


def test_a_process_of_the_idle_stack_that_ends_is_noted_and_its_processor_time_is_unknown(lab: Lab) -> None:
    def lose() -> None:
        lab.world.served["loop"] -= 5

    lab.world.during["b01-010-pool"] = lose
    lab.run()
    windows = {w.id: w for w in _measured(lab).windows}
    lost = windows["b01-010-pool"]
    assert lost.notes == ("loop: a process of this stack, which was to be idle, ended",)
    assert lost.idle_cpu_cores is None, "a sum that fell says nothing of how busy the stack was"
    assert [w.id for w in windows.values() if w.notes] == ["b01-010-pool"]


def test_what_a_scrape_costs_is_measured_and_goes_with_every_window(lab: Lab) -> None:
    lab.world.scrape_cpu_s = 0.004
    lab.run()
    run = _measured(lab)
    assert [d.scrape_cpu_s for d in run.demands] == [pytest.approx(0.004)] * 2
    assert {w.scrape_cpu_s for w in run.windows} == {run.demands[0].scrape_cpu_s}
    assert [d.cpu_s_per_request for d in run.demands] == [pytest.approx(0.001, rel=0.05)] * 2


def test_a_wall_clock_that_jumps_a_little_does_not_stretch_the_spans(lab: Lab) -> None:
    lab.world.during["b01-008-pool"] = lambda: lab.world.clock.jump(0.4)
    lab.run()
    window = next(w for w in _measured(lab).windows if w.id == "b01-008-pool")
    first, last = window.resources[0], window.resources[-1]
    assert last.unix_s - first.unix_s == pytest.approx(1.4)
    assert seconds_between(first, last) == pytest.approx(1.0)
