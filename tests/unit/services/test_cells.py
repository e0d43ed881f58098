"""Cells are exact between threads and processes, and become the samples Prometheus expects."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from svc_common.cells import CAPACITY, Block, CellStore, read_folder
from svc_common.metric_families import DURATION, QUEUE, REQUEST_BUCKETS_S, REQUESTS, summed
from svc_common.metrics import Distribution, Tally
from svc_common.multiprocess_dir import fresh_multiprocess_dir
from svc_common.worker_metrics import WorkerMetricsCollector

FORKING = """
import os, sys
from pathlib import Path
from svc_common.cells import CellStore
from svc_common.metric_families import UPSTREAM_IN_FLIGHT, UPSTREAM_REQUESTS
from svc_common.metrics import Tally

store = CellStore(Path(sys.argv[1]))
done, waiting = Tally(store, UPSTREAM_REQUESTS, ("ok",)), Tally(store, UPSTREAM_IN_FLIGHT)
pids = []
for number in (1, 2, 3):
    pid = os.fork()
    if pid == 0:
        for _ in range(100 * number):
            done.add(1.0)
        waiting.add(number)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    pids.append(pid)
print(*pids)
"""


def test_threads_lose_nothing() -> None:
    store = CellStore(None)
    tally = Tally(store, REQUESTS, ("GET", "/", "200"))

    def add_many(_: int) -> None:
        for _ in range(20_000):
            tally.add(1.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_many, range(4)))
    assert [values for _, values in store.blocks()] == [[80_000.0]]


def test_counts_of_forked_and_killed_children_remain_and_gauges_are_of_the_living(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]], services_env: dict[str, str]
) -> None:
    child = spawn("-c", FORKING, str(tmp_path), env=services_env)
    stdout, _ = child.communicate(timeout=20)
    pids = [int(pid) for pid in stdout.split()]
    registry = CollectorRegistry()
    registry.register(WorkerMetricsCollector(tmp_path, lambda: pids[1:]))
    assert registry.get_sample_value("upstream_requests_total", {"outcome": "ok"}) == 600
    assert registry.get_sample_value("upstream_requests_in_flight") == 5
    assert registry.get_sample_value("worker_slots_busy", {"pid": str(pids[1])}) == 0
    assert registry.get_sample_value("worker_slots_busy", {"pid": str(pids[0])}) is None


def test_a_folder_is_read_as_written_without_a_half_written_line(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    Tally(store, REQUESTS, ("GET", "/", "200")).add(3.0)
    Distribution(store, QUEUE).observe(0.0)
    index = next(tmp_path.glob("*.index"))
    with index.open("a") as file:
        file.write('["http_requests", ["GE')
    found = list(read_folder(tmp_path))
    assert [(pid, block) for pid, block, _ in found] == [
        (os.getpid(), Block("http_requests", ("GET", "/", "200"), 0, 1)),
        (os.getpid(), Block("request_queue_seconds", (), 1, QUEUE.cells)),
    ]
    assert found[0][2] == [3.0]
    assert found[1][2][:2] == [0.0, 1.0]


def test_the_same_name_and_labels_share_one_block() -> None:
    store = CellStore(None)
    assert store.block("a", ("x",), 2) == store.block("a", ("x",), 2) == 0
    assert store.block("a", ("y",), 2) == 2


def test_too_many_label_values_are_an_error_that_says_so() -> None:
    store = CellStore(None)
    store.block("big", (), CAPACITY)
    with pytest.raises(RuntimeError, match="too many label values of one_more"):
        store.block("one_more", (), 1)


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    store = CellStore(None)
    queue = Distribution(store, QUEUE)
    for value in (0.001, 0.0010001, 60.0, 61.0):
        queue.observe(value)
    rows = summed((block.name, block.labels, values) for block, values in store.blocks())
    samples = {(s.name, s.labels.get("le")): s.value for s in QUEUE.metric(rows[QUEUE.name]).samples}
    assert samples["request_queue_seconds_bucket", "0.001"] == 1
    assert samples["request_queue_seconds_bucket", "0.002"] == 2
    assert samples["request_queue_seconds_bucket", "30.0"] == 2
    assert samples["request_queue_seconds_bucket", "60.0"] == 3
    assert samples["request_queue_seconds_bucket", "+Inf"] == 4
    assert samples["request_queue_seconds_count", None] == 4
    assert samples["request_queue_seconds_sum", None] == pytest.approx(121.0020001)


def test_rows_of_several_processes_add_up_cell_by_cell() -> None:
    rows = [("a", ("x",), [1.0, 2.0]), ("a", ("y",), [5.0, 5.0]), ("a", ("x",), [10.0, 20.0])]
    assert summed(rows) == {"a": {("x",): [11.0, 22.0], ("y",): [5.0, 5.0]}}


def test_buckets_rise() -> None:
    assert list(REQUEST_BUCKETS_S) == sorted(set(REQUEST_BUCKETS_S))
    assert DURATION.cells == len(REQUEST_BUCKETS_S) + 2


HOLDING = """
import sys
from pathlib import Path
from svc_common.multiprocess_dir import fresh_multiprocess_dir
with fresh_multiprocess_dir(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    input()
"""


def test_a_killed_service_s_folder_is_removed_at_the_next_start_and_a_running_one_s_is_not(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]], services_env: dict[str, str]
) -> None:
    running, killed = (spawn("-c", HOLDING, str(tmp_path), env=services_env) for _ in range(2))
    folders = []
    for child in (running, killed):
        assert child.stdout is not None
        folders.append(Path(child.stdout.readline().strip()))
    killed.kill()
    killed.wait(20)
    with fresh_multiprocess_dir(tmp_path) as own:
        assert set(tmp_path.iterdir()) == {folders[0], own}
    assert set(tmp_path.iterdir()) == {folders[0]}
