"""The service's own control group, from small copies of the kernel's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from svc_common.cgroup import CgroupCollector, CgroupReading, read_cgroup

Tree = Callable[[dict[str, str]], Path]

V1 = {
    "sys/cpu/svc/cpu.stat": "nr_periods 900\nnr_throttled 7\nthrottled_time 1500000000\n",
    "sys/cpu/svc/cpu.cfs_quota_us": "80000\n",
    "sys/cpu/svc/cpu.cfs_period_us": "100000\n",
    "sys/cpuacct/svc/cpuacct.usage": "12345678901\n",
    "sys/memory/svc/memory.usage_in_bytes": "1000\n",
    "sys/memory/svc/memory.limit_in_bytes": "4096\n",
    "sys/memory/svc/memory.stat": "rss 1\ntotal_rss 600\ntotal_inactive_file 300\n",
    "self": "4:memory:/svc\n2:cpuacct:/svc\n1:cpu:/svc\n0::/\n",
}
V2 = {
    "sys/cgroup.controllers": "cpu memory\n",
    "sys/pod/cpu.stat": "usage_usec 2500000\nnr_throttled 3\nthrottled_usec 40000\n",
    "sys/pod/cpu.max": "150000 100000\n",
    "sys/pod/memory.current": "5000\n",
    "sys/pod/memory.max": "8192\n",
    "sys/pod/memory.stat": "anon 3000\nfile 2000\ninactive_file 1500\n",
    "self": "0::/pod\n",
}
NOTHING = CgroupReading(
    cpu_usage_s=None,
    cpu_throttled_s=None,
    cpu_throttled_periods=None,
    cpu_limit_cores=None,
    memory_usage_bytes=None,
    memory_anon_bytes=None,
    memory_working_set_bytes=None,
    memory_limit_bytes=None,
)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def read(top: Path) -> CgroupReading:
    return read_cgroup(mount=top / "sys", membership=top / "self")


def test_version_1(tree: Tree) -> None:
    assert read(tree(V1)) == CgroupReading(
        cpu_usage_s=12.345678901,
        cpu_throttled_s=1.5,
        cpu_throttled_periods=7,
        cpu_limit_cores=0.8,
        memory_usage_bytes=1000,
        memory_anon_bytes=600,
        memory_working_set_bytes=700,
        memory_limit_bytes=4096,
    )


def test_version_2(tree: Tree) -> None:
    assert read(tree(V2)) == CgroupReading(
        cpu_usage_s=2.5,
        cpu_throttled_s=0.04,
        cpu_throttled_periods=3,
        cpu_limit_cores=1.5,
        memory_usage_bytes=5000,
        memory_anon_bytes=3000,
        memory_working_set_bytes=3500,
        memory_limit_bytes=8192,
    )


@pytest.mark.parametrize(
    "unlimited",
    [
        V1
        | {
            "sys/cpu/svc/cpu.cfs_quota_us": "-1\n",
            "sys/memory/svc/memory.limit_in_bytes": "9223372036854771712\n",
        },
        V2 | {"sys/pod/cpu.max": "max 100000\n", "sys/pod/memory.max": "max\n"},
    ],
)
def test_no_limit_is_absent(tree: Tree, unlimited: dict[str, str]) -> None:
    reading = read(tree(unlimited))
    assert (reading.cpu_limit_cores, reading.memory_limit_bytes) == (None, None)
    assert reading.memory_usage_bytes is not None


def test_a_path_of_the_host_falls_back_to_the_mount(tree: Tree) -> None:
    inside = {name.replace("/pod/", "/"): text for name, text in V2.items()} | {"self": "0::/kubepods/x\n"}
    assert read(tree(inside)).memory_usage_bytes == 5000


def test_version_1_in_a_container_without_links_to_the_shared_mount(tree: Tree) -> None:
    inside = {
        name.replace("sys/cpu/svc/", "sys/cpu,cpuacct/").replace("sys/cpuacct/svc/", "sys/cpu,cpuacct/"): text
        for name, text in V1.items()
    }
    host = "4:memory:/svc\n2:cpu,cpuacct:/kubepods/burstable/pod1/abc\n0::/\n"
    reading = read(tree(inside | {"self": host}))
    assert (reading.cpu_usage_s, reading.cpu_limit_cores, reading.cpu_throttled_periods) == (12.345678901, 0.8, 7)


def test_a_path_outside_of_the_namespace_falls_back_to_the_mount(tree: Tree) -> None:
    inside = {name.replace("/pod/", "/"): text for name, text in V2.items()} | {"self": "0::/../other\n"}
    assert read(tree(inside | {"other/memory.current": "1\n"})).memory_usage_bytes == 5000


def test_what_is_not_there_is_absent(tree: Tree) -> None:
    assert read(tree({"other": ""})) == NOTHING
    top = tree({"sys/cgroup.controllers": "", "self": "0::/\n"})
    assert read(top) == NOTHING


def test_the_working_set_is_never_negative(tree: Tree) -> None:
    top = tree(V2 | {"sys/pod/memory.stat": "inactive_file 9000\n"})
    assert read(top).memory_working_set_bytes == 0


def test_export_has_a_sample_for_each_known_value_and_none_for_the_rest(tree: Tree) -> None:
    top = tree(V2 | {"sys/pod/memory.max": "max\n"})
    registry = CollectorRegistry()
    registry.register(CgroupCollector(mount=top / "sys", membership=top / "self"))
    lines = generate_latest(registry).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "cgroup_cpu_usage_seconds_total 2.5",
        "cgroup_cpu_throttled_seconds_total 0.04",
        "cgroup_cpu_throttled_periods_total 3.0",
        "cgroup_cpu_limit_cores 1.5",
        "cgroup_memory_usage_bytes 5000.0",
        "cgroup_memory_anon_bytes 3000.0",
        "cgroup_memory_working_set_bytes 3500.0",
    ]
