"""The process tree, on real children: sums that never fall, roles, memory, connections."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from svc_common import process_reading
from svc_common.connections import accepted_inodes, connections_by_pid, listed_inodes
from svc_common.process_tree import Member, ProcessTree, ProcessTreeCollector

Spawn = Callable[..., subprocess.Popen[str]]
Eventually = Callable[[Callable[[], bool], str], None]

PARENT = r"""
import os, subprocess, sys
burn = "sum(i for i in range(3_000_000)); import os; os.write(1, bytes([*b'burnt', 10])); input()"
children = [subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE) for _ in range(2)]
for line in sys.stdin:
    child = children.pop()
    child.kill()
    child.wait()
    print('gone', flush=True)
"""


@pytest.fixture
def parent(spawn: Spawn) -> subprocess.Popen[str]:
    """A process with two children that have worked; each line written to it ends one child."""
    child = spawn("-c", PARENT)
    assert child.stdout is not None
    assert [child.stdout.readline() for _ in range(2)] == ["burnt\n"] * 2
    return child


def end_one(parent: subprocess.Popen[str]) -> None:
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write("\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "gone\n"


def test_the_master_and_its_workers_are_found(parent: subprocess.Popen[str]) -> None:
    members = ProcessTree(parent.pid, root_role="master").members()
    assert [member.role for member in members] == ["master", "worker", "worker"]
    assert members[0].pid == parent.pid
    for member in members:
        assert member.cpu_s > 0.0
        assert member.memory is not None
        assert member.memory.pss_bytes is not None
        assert 0 < member.memory.pss_bytes <= member.memory.rss_bytes


def test_children_of_a_single_process_service_are_helpers(parent: subprocess.Popen[str]) -> None:
    tree = ProcessTree(parent.pid, root_role="worker")
    assert [member.role for member in tree.members()] == ["worker", "helper", "helper"]
    assert tree.worker_pids() == [parent.pid]


def cpu_seconds(tree: ProcessTree) -> float:
    """As the collector reads it."""
    waited_for_s = tree.waited_for_s()
    return tree.cpu_seconds(tree.members(), waited_for_s)


def test_a_worker_that_dies_while_the_tree_is_read_is_not_counted_twice(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is among the members, and has been waited for by the time they are added up."""
    tree = ProcessTree(os.getpid(), root_role="master")
    child = spawn("-c", "sum(i for i in range(5_000_000)); print('done', flush=True); input()")
    assert child.stdout is not None
    assert child.stdout.readline() == "done\n"
    list_members = tree.members

    def members_then_death() -> list[Member]:
        found = list_members()
        child.communicate("\n", timeout=20)
        return found

    alive_s = cpu_seconds(tree)
    monkeypatch.setattr(tree, "members", members_then_death)
    assert cpu_seconds(tree) < alive_s + 0.1


def test_processor_time_never_falls_when_a_worker_dies(parent: subprocess.Popen[str]) -> None:
    tree = ProcessTree(parent.pid, root_role="master")
    seen_s = [cpu_seconds(tree)]
    for left in (2, 1):
        end_one(parent)
        members = tree.members()
        assert len(members) == left
        seen_s.append(cpu_seconds(tree))
    assert seen_s == sorted(seen_s)
    alone_s = process_reading.cpu_seconds(parent.pid)
    assert alone_s is not None
    assert seen_s[-1] > alone_s


def test_work_between_the_last_look_and_death_counts_when_the_root_is_this_process(spawn: Spawn) -> None:
    tree = ProcessTree(os.getpid(), root_role="master")
    before_s = cpu_seconds(tree)
    own_before_s = process_reading.cpu_seconds(os.getpid())
    child = spawn("-c", "sum(i for i in range(3_000_000)); import time; print(time.process_time())")
    stdout, _ = child.communicate(timeout=20)
    own_after_s = process_reading.cpu_seconds(os.getpid())
    after_s = cpu_seconds(tree)
    assert own_before_s is not None
    assert own_after_s is not None
    assert after_s - before_s >= float(stdout) + (own_after_s - own_before_s) - 0.02


def test_the_clock_agrees_with_the_process_itself(spawn: Spawn) -> None:
    child = spawn(
        "-c", "sum(i for i in range(3_000_000)); import time; print(time.process_time(), flush=True); input()"
    )
    assert child.stdout is not None
    own_s = float(child.stdout.readline())
    read_s = process_reading.cpu_seconds(child.pid)
    assert read_s is not None
    assert own_s <= read_s <= own_s + 0.05


def test_a_process_that_is_gone_reads_as_absent(spawn: Spawn) -> None:
    child = spawn("-c", "")
    child.communicate(timeout=20)
    assert process_reading.cpu_seconds(child.pid) is None
    assert process_reading.memory(child.pid) is None
    assert process_reading.started_ticks(child.pid) is None
    assert process_reading.children(child.pid) == []


def test_memory_without_smaps_rollup_is_rss_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "statm").write_text("900 50 20 1 0 30 0\n")
    monkeypatch.setattr(process_reading, "PROC", tmp_path)
    found = process_reading.memory(7)
    assert found is not None
    assert found.rss_bytes == 50 * os.sysconf("SC_PAGE_SIZE")
    assert (found.pss_bytes, found.uss_bytes) == (None, None)


def test_export(parent: subprocess.Popen[str], free_port: int) -> None:
    collector = ProcessTreeCollector(ProcessTree(parent.pid, root_role="master"), port=free_port, slots_per_worker=12)
    registry = CollectorRegistry()
    registry.register(collector)
    families = {family.name: family.samples for family in registry.collect()}
    assert set(families) == {
        *("process_tree_cpu_seconds", "process_tree_rss_bytes", "process_tree_pss_bytes"),
        *("worker_cpu_seconds", "worker_pss_bytes", "worker_uss_bytes", "worker_rss_bytes"),
        *("worker_connections", "worker_slots"),
    }
    assert [sample.value for sample in families["worker_slots"]] == [12, 12]
    assert [sample.labels["role"] for sample in families["worker_rss_bytes"]] == ["master", "worker", "worker"]
    total = sum(sample.value for sample in families["worker_pss_bytes"])
    assert families["process_tree_pss_bytes"][0].value == total
    assert [sample.value for sample in families["worker_connections"]] == [0, 0]


def test_the_pss_sum_is_absent_when_one_process_cannot_be_read(
    parent: subprocess.Popen[str], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable = process_reading.memory

    def unreadable_root(pid: int) -> process_reading.Memory | None:
        rss_only = process_reading.Memory(rss_bytes=1, pss_bytes=None, uss_bytes=None)
        return rss_only if pid == parent.pid else readable(pid)

    monkeypatch.setattr(process_reading, "memory", unreadable_root)
    tree = ProcessTree(parent.pid, root_role="master")
    registry = CollectorRegistry()
    registry.register(ProcessTreeCollector(tree, port=free_port, slots_per_worker=None))
    families = {family.name: family.samples for family in registry.collect()}
    assert "process_tree_pss_bytes" not in families
    assert "worker_slots" not in families
    assert len(families["worker_pss_bytes"]) == 2
    assert len(families["worker_rss_bytes"]) == 3


ACCEPTOR = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
print("ready", flush=True)
held = []
while len(held) < 3:
    held.append(listener.accept())
print("three", flush=True)
input()
"""


def test_accepted_connections_are_counted_by_owner(spawn: Spawn, free_port: int) -> None:
    """Of five connections three are accepted; clients' ends and waiting ones do not count."""
    child = spawn("-c", ACCEPTOR, str(free_port))
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    clients = [socket.create_connection(("127.0.0.1", free_port), timeout=20) for _ in range(5)]
    assert child.stdout.readline() == "three\n"
    assert connections_by_pid([os.getpid(), child.pid], free_port) == {os.getpid(): 0, child.pid: 3}
    assert connections_by_pid([child.pid], free_port) == {child.pid: 3}
    accepted, listed = accepted_inodes(free_port), listed_inodes(free_port)
    assert accepted is not None
    assert listed is not None
    assert len(accepted) == 3
    assert listed - {0} == accepted
    for client in clients:
        client.close()


def test_the_tables_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 ff\n"
        "   1: 0100007F:1F40 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 22 1 ff\n"
        "   2: 0100007F:C350 0100007F:1F40 01 00000000:00000000 00:00000000 00000000     0        0 33 1 ff\n"
        "   3: 0100007F:1F40 0100007F:C351 08 00000000:00000000 00:00000000 00000000     0        0 44 1 ff\n"
        "   4: 0100007F:1F40 0100007F:C352 01 00000000:00000000 00:00000000 00000000     0        0 0 1 ff\n"
    )
    assert listed_inodes(8000, proc=tmp_path) == {22, 0}
    assert listed_inodes(8001, proc=tmp_path) == set()
    assert listed_inodes(8000, proc=tmp_path / "none") is None


def test_a_killed_child_that_nobody_waited_for_does_not_break_a_reading(spawn: Spawn, eventually: Eventually) -> None:
    child = spawn("-c", "input()")
    child.send_signal(signal.SIGKILL)
    state = Path(f"/proc/{child.pid}/stat")
    eventually(lambda: state.read_text().rpartition(")")[2].split()[0] == "Z", "a zombie")
    members = ProcessTree(child.pid, root_role="worker").members()
    assert [member.memory for member in members] == [None]
