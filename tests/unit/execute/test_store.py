"""The bundle: what is in it comes back as it was, what is damaged is named, what is unfinished is left out."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import make_demand, make_load_window, make_sample, make_window, make_worker
from loadlab.errors import BundleError
from loadlab.execute import durable
from loadlab.execute import store as store_module
from loadlab.execute.durable import StoreFull
from loadlab.execute.resource_table import from_rows, to_table
from loadlab.execute.store import BUNDLE_FORMAT, BundleStore, latest_link
from loadlab.model.run import ResourceSample, Window, WorkerSample
from simulated import FakeClock


def _finish_block(store: BundleStore, number: int, attempt: int = 1, mark: str = "") -> list[Window]:
    windows = [make_window(f"b{number:02d}-008-{s}{mark}", block=number, stack=s) for s in ("pool", "loop")]
    store.event("block_started", {"block": number, "attempt": attempt})
    for window in windows:
        store.put_window(window, "# scraped\n")
    store.event("block_finished", {"block": number, "attempt": attempt, "windows": [w.id for w in windows]})
    return windows


def test_what_was_put_in_comes_back(store: BundleStore) -> None:
    demands = (make_demand(), replace(make_demand("loop", slots=None), connection_shares=((0.7, 0.3),)))
    store.put_demands(demands)
    windows = _finish_block(store, 1)
    run = store.load()
    assert run.windows == tuple(windows)
    assert run.demands == demands
    assert run.run_id == "unit-run"
    assert not run.complete
    assert (store.folder / "scrapes" / f"{windows[0].id}.om").read_text() == "# scraped\n"


def test_a_run_is_complete_when_every_planned_block_is_finished(store: BundleStore) -> None:
    _finish_block(store, 1)
    store.event("run_ended_early", {"reason": "interrupted by the user"})
    assert store.load().ended_by == "interrupted by the user"
    _finish_block(store, 2)
    run = store.load()
    assert run.complete
    assert run.ended_by is None


def test_windows_of_an_interrupted_attempt_are_left_out_and_a_redone_block_counts_once(store: BundleStore) -> None:
    store.event("block_started", {"block": 1, "attempt": 1})
    store.put_window(make_window("b01-008-pool"), "")
    assert store.load().windows == ()
    assert store.load().interrupted_blocks == (1,)
    redone = _finish_block(store, 1, attempt=2, mark="-t2")
    run = store.load()
    assert run.windows == tuple(redone)
    assert run.interrupted_blocks == (1,)
    assert (store.folder / "windows" / "b01-008-pool.json").exists()


def test_progress_names_what_is_left_and_how_often_each_block_was_begun(store: BundleStore) -> None:
    store.event("block_started", {"block": 1, "attempt": 1})
    _finish_block(store, 1, attempt=2, mark="-t2")
    store.event("block_started", {"block": 2, "attempt": 1})
    progress = store.progress()
    assert progress.finished == frozenset({1})
    assert progress.attempts == {1: 2, 2: 1}
    assert [b.number for b in progress.remaining(progress.plan)] == [2]


def test_a_fresh_bundle_has_no_plan_and_no_demands(tmp_path: Path, clock: FakeClock) -> None:
    with BundleStore(tmp_path / "fresh", clock) as fresh:
        progress = fresh.progress()
    assert progress.plan is None
    assert progress.demands == ()
    assert progress.remaining(progress.plan) == ()


@pytest.mark.parametrize("step", range(4))
def test_a_window_whose_writing_was_cut_short_is_not_there(
    store: BundleStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    calls = 0
    real = durable.write_whole

    def cut(path: Path, content: bytes) -> None:
        nonlocal calls
        if calls == step:
            path.with_name(f".{path.name}.tmp").write_bytes(content[:10])
            raise SystemExit
        calls += 1
        real(path, content)

    monkeypatch.setattr(store_module, "write_whole", cut)
    with pytest.raises(SystemExit):
        store.put_window(make_window(), "# scraped\n")
    assert not (store.folder / "windows" / "b01-008-pool.json").exists()
    monkeypatch.setattr(store_module, "write_whole", real)
    assert _finish_block(store, 1) == list(store.load().windows)


def test_half_an_event_at_the_end_is_not_read_and_dropped_at_the_next_opening(
    store: BundleStore, clock: FakeClock
) -> None:
    windows = _finish_block(store, 1)
    path = store.folder / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "block_fin')
    assert store.load().windows == tuple(windows)
    store.__exit__(None, None, None)
    with BundleStore(store.folder, clock):
        assert path.read_bytes() == whole


def test_a_full_disk_in_the_middle_of_a_run_loses_nothing_finished(
    store: BundleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = _finish_block(store, 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreFull, match=r"the disk is full; every window finished before is safe\. Free some space"):
        store.put_window(make_window("b02-008-pool", block=2), "")
    monkeypatch.undo()
    assert store.load().windows == tuple(windows)


def test_a_bundle_that_is_being_written_is_not_opened_twice(store: BundleStore, clock: FakeClock) -> None:
    with pytest.raises(BundleError, match=rf"another loadlab \(process {os.getpid()}\) is writing this run"):
        BundleStore(store.folder, clock).__enter__()


def test_the_lock_goes_with_the_process_that_held_it(tmp_path: Path, clock: FakeClock) -> None:
    script = (
        "import os, sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from loadlab.execute.clock import SystemClock\n"
        "from loadlab.execute.store import BundleStore\n"
        "BundleStore(Path(sys.argv[1]), SystemClock()).__enter__()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "run"), *sys.path]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BundleError, match="wait for it or end it"):
            BundleStore(tmp_path / "run", clock).__enter__()
        holder.kill()
        holder.wait(10)
    with BundleStore(tmp_path / "run", clock) as mine:
        mine.event("run_started", {})


def test_a_newer_bundle_is_refused(store: BundleStore) -> None:
    path = store.folder / "provenance.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "bundle_format": BUNDLE_FORMAT + 1}))
    with pytest.raises(BundleError, match=r"written by a newer loadlab \(bundle format 2\).*Upgrade"):
        store.load()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("provenance.json", b"{", r"provenance.json: not JSON"),
        ("provenance.json", b"[]", r"provenance.json: not a run bundle: bundle_format is missing"),
        ("provenance.json", b'{"bundle_format": "1"}', r"bundle_format is missing"),
        ("provenance.json", b'{"bundle_format": 1}', r"provenance.json: started_unix_s: .*damaged"),
        ("plan.json", b"\xff\xfe", r"plan.json: not JSON"),
        ("plan.json", b'{"levels": "8"}', r"plan.json: levels: .*damaged"),
        ("demands.json", b'[{"stack": 1}]', r"demands.json: 0.*: .*damaged"),
        ("windows/b01-008-pool.json", b"", r"b01-008-pool.json: not JSON"),
        ("windows/b01-008-pool.json", b'{"id": "x"}', r"b01-008-pool.json: block: got nothing, expected a value"),
        ("resources/b01-008-pool.parquet", b"PAR1 and no more", r"b01-008-pool.parquet: not a parquet file"),
        ("events.jsonl", b'{"event": \n', r"events.jsonl: line 1 is not JSON"),
        (
            "events.jsonl",
            b'[1]\n{"event": "run_started"}\n',
            r"events.jsonl: line 1: got \[1\], expected an event of a run",
        ),
        (
            "events.jsonl",
            b'{"event": "block_finished"}\n',
            r"events.jsonl: line 1.block: got nothing, expected a field of this event",
        ),
    ],
)
def test_a_garbled_file_is_one_line_that_names_it(store: BundleStore, name: str, content: bytes, message: str) -> None:
    _finish_block(store, 1)
    (store.folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=message) as got:
        store.load()
    assert "\n" not in str(got.value)


@pytest.mark.parametrize("name", ["provenance.json", "windows/b01-008-pool.json", "windows/b01-008-pool.hdr"])
def test_a_missing_file_is_one_line_that_names_it(store: BundleStore, name: str) -> None:
    _finish_block(store, 1)
    (store.folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: cannot be read .*half-written or not a run"):
        store.load()


def test_a_parquet_file_of_other_columns_is_named(store: BundleStore) -> None:
    _finish_block(store, 1)
    path = store.folder / "resources" / "b01-008-pool.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), path)
    with pytest.raises(BundleError, match=r"b01-008-pool.parquet: no table of samples .*damaged"):
        store.load()


def test_the_latest_run_is_linked(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        latest_link(tmp_path, tmp_path / name)
    assert (tmp_path / "latest").resolve() == tmp_path / "second"
    assert {p.name for p in tmp_path.iterdir()} == {"first", "second", "latest"}


_figures = st.none() | st.floats(0, 1e14)
_counts = st.none() | st.integers(0, 10**14)
_workers = st.builds(
    WorkerSample,
    pid=st.integers(1, 2**22),
    role=st.sampled_from(["worker", "master"]),
    cpu_s=_figures,
    pss_bytes=_counts,
    rss_bytes=_counts,
    uss_bytes=_counts,
    slots_busy=_figures,
    connections=_counts,
)
_samples = st.builds(
    ResourceSample,
    unix_s=st.floats(0, 4e9),
    cpu_s=_figures,
    pss_bytes=_counts,
    rss_bytes=_counts,
    throttled_s=_figures,
    served=_counts,
    in_flight=_figures,
    slots=_figures,
    loop_lag_mean_s=_figures,
    workers=st.lists(_workers, max_size=3).map(tuple),
)


@given(samples=st.lists(_samples, max_size=4).map(tuple))
@settings(max_examples=60)
def test_any_samples_survive_their_table(samples: tuple[ResourceSample, ...]) -> None:
    assert from_rows(to_table(samples).to_pylist()) == samples


@given(
    samples=st.lists(_samples, max_size=3).map(tuple),
    ok=st.integers(0, 10**6),
    latency_s=st.floats(1e-6, 500.0),
    notes=st.lists(st.text(max_size=20), max_size=2).map(tuple),
    outcome=st.text(max_size=10),
    idle=_figures,
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_window_survives_the_bundle(
    store: BundleStore,
    samples: tuple[ResourceSample, ...],
    ok: int,
    latency_s: float,
    notes: tuple[str, ...],
    outcome: str,
    idle: float | None,
) -> None:
    load = replace(make_load_window(ok=ok, latency_s=latency_s), outcomes={outcome: ok})
    window = replace(make_window(load=load, resources=samples, notes=notes), idle_cpu_cores=idle)
    for old in (store.folder / "resources").iterdir():
        old.unlink()
    store.put_window(window, "")
    store.event("block_finished", {"block": 1, "windows": [window.id]})
    assert store.load().windows == (window,)


def test_absent_figures_stay_absent_in_the_table() -> None:
    bare = replace(make_sample(cpu_s=None, served=None), workers=(replace(make_worker(), connections=None),))
    (back,) = from_rows(to_table([bare]).to_pylist())
    assert back.cpu_s is None
    assert back.served is None
    assert back.workers[0].connections is None
