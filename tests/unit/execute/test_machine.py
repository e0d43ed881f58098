"""A machine's facts are read where they stand, absent where they do not, and its id gives nobody away."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from loadlab.execute.machine import Machine, core_list, git_state, measuring_sha256, normalised, package_versions

FILES = {
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nflags\t\t: fpu hypervisor sse\n\n"
    "processor\t: 1\nmodel name\t: Fast CPU @ 3 GHz\nflags\t\t: fpu hypervisor sse\n",
    "proc/meminfo": "MemTotal:        4000 kB\nMemAvailable:    1000 kB\n",
    "proc/1/cgroup": "0::/system.slice\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "sys/class/dmi/id/product_name": "KVM\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
}


def _machine(root: Path, **changed: str | None) -> Machine:
    """A machine of small files; a changed path is written with ``__`` for ``/``, None leaves it out."""
    files: dict[str, str | None] = {**FILES, **{path.replace("__", "/"): text for path, text in changed.items()}}
    for path, text in files.items():
        if text is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    return Machine(root)


def test_facts_are_read_where_they_stand(tmp_path: Path) -> None:
    machine = _machine(tmp_path)
    facts = machine.facts()
    expected = {
        "cpu_model": "Fast CPU @ 3 GHz",
        "cpu_quota_cores": 1.5,
        "memory_bytes": 4_096_000,
        "governor": "performance, powersave",
        "clock_source": "tsc",
        "virtualisation": "virtual machine (KVM)",
        "cgroup": "v2",
        "system": "Debian GNU/Linux 12 (bookworm)",
    }
    assert {name: facts[name] for name in expected} == expected
    assert machine.cores_in_machine() == 2
    assert machine.memory_bytes("MemAvailable") == 1_024_000


def test_what_is_not_there_is_absent_and_not_zero(tmp_path: Path) -> None:
    facts = Machine(tmp_path).facts()
    absent = ("cpu_model", "cpu_quota_cores", "memory_bytes", "governor", "clock_source", "cgroup", "system")
    assert {name: facts[name] for name in absent} == dict.fromkeys(absent)
    assert facts["virtualisation"] == "bare metal"
    assert facts["python"]


def test_a_quota_without_bound_is_absent(tmp_path: Path) -> None:
    assert _machine(tmp_path, **{"sys__fs__cgroup__cpu.max": "max 100000"}).cpu_quota_cores() is None


@pytest.mark.parametrize(("most_us", "cores"), [("80000", 0.8), ("-1", None)])
def test_the_quota_of_cgroup_v1_is_read(tmp_path: Path, most_us: str, cores: float | None) -> None:
    folder = "sys__fs__cgroup__cpu__cpu"
    machine = _machine(
        tmp_path,
        **{"sys__fs__cgroup__cpu.max": None, "sys__fs__cgroup__cgroup.controllers": None},
        **{f"{folder}.cfs_quota_us": most_us, f"{folder}.cfs_period_us": "100000"},
    )
    assert machine.cgroup_version() == "v1"
    assert machine.cpu_quota_cores() == cores


def test_a_container_is_told_from_its_mark_or_its_control_group(tmp_path: Path) -> None:
    marked = _machine(tmp_path / "a", **{".dockerenv": ""})
    grouped = _machine(tmp_path / "b", proc__1__cgroup="3:cpu:/kubepods/pod1\n")
    assert marked.virtualisation() == grouped.virtualisation() == "virtual machine (KVM), container"


def test_the_id_is_stable_and_hides_what_it_is_made_of(tmp_path: Path) -> None:
    machine = _machine(tmp_path)
    assert machine.machine_id() == machine.machine_id()
    assert len(machine.machine_id()) == 16
    assert machine.machine_id() not in FILES["etc/machine-id"]


@pytest.mark.parametrize(
    "changed", [{"etc__machine-id": "ffff"}, {"proc__cpuinfo": "processor: 0\nmodel name: Fast CPU @ 3 GHz\n"}]
)
def test_another_machine_has_another_id(tmp_path: Path, changed: dict[str, str]) -> None:
    assert _machine(tmp_path / "a").machine_id() != _machine(tmp_path / "b", **changed).machine_id()


def test_a_machine_without_an_id_of_its_own_uses_the_next_identity(tmp_path: Path) -> None:
    first = _machine(tmp_path / "a", **{"etc__machine-id": ""}, sys__class__dmi__id__product_uuid="one")
    other = _machine(tmp_path / "b", **{"etc__machine-id": ""}, sys__class__dmi__id__product_uuid="two")
    assert first.machine_id() != other.machine_id()


def test_this_very_machine_is_described() -> None:
    facts = Machine().facts()
    assert facts["cores_allowed"]
    assert isinstance(facts["memory_bytes"], int)


@pytest.mark.parametrize(("cores", "text"), [({0}, "0"), ({0, 1, 2, 5}, "0-2,5"), (set[int](), "")])
def test_cores_are_written_as_the_kernel_does(cores: set[int], text: str) -> None:
    assert core_list(cores) == text


def test_packages_are_named_as_locks_name_them() -> None:
    assert package_versions()["prometheus-client"] == version("prometheus-client")
    assert normalised("Ruamel.YAML__x") == "ruamel-yaml-x"


def test_a_checkout_tells_its_revision_and_whether_it_differs(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=30).stdout

    git("init", "--quiet")
    assert git_state(tmp_path).revision is None
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--quiet", "-m", "a")
    assert (git_state(tmp_path).revision, git_state(tmp_path).is_dirty) == (git("rev-parse", "HEAD").strip(), False)
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path).is_dirty is True


def test_a_folder_without_git_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    state = git_state(tmp_path)
    assert (state.revision, state.is_dirty) == (None, None)


def test_the_sources_that_windows_are_made_with_are_told_apart_and_others_do_not_matter(tmp_path: Path) -> None:
    others = (
        "scripts/loadlab/report/d.py",
        "scripts/loadlab/pipeline/lab_status.py",
        "scripts/loadlab/execute/lab/e.py",
    )
    for name in ("services/flask/a.py", "locustfiles/b.py", "scripts/loadlab/execute/c.py", *others):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    seen = [measuring_sha256(tmp_path)]

    def changed(name: str, text: str) -> bool:
        (tmp_path / name).write_text(text)
        seen.append(measuring_sha256(tmp_path))
        return seen[-1] != seen[-2]

    for name in (*others, "services/flask/a.pyc"):
        assert not changed(name, "x = 2\n"), name
    for name in (
        "services/flask/a.py",
        "locustfiles/b.py",
        "scripts/loadlab/execute/c.py",
        "services/flask/Dockerfile",
    ):
        assert changed(name, "x = 3\n"), name
    (tmp_path / "services/flask/a.py").rename(tmp_path / "services/flask/z.py")
    assert measuring_sha256(tmp_path) not in seen
