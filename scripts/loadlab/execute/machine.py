"""The facts of this machine that go with every run, read from ``/proc``, ``/sys`` and ``/etc``.

What cannot be read is None. Nothing here names a person, a host or an address: ``machine_id`` is a salted hash.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import resource
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

Fact = str | int | float | None

GIT_TIMEOUT_S = 20.0
MEASURING = (
    "services/**/*",
    "locustfiles/**/*",
    "scripts/loadlab/design/*",
    "scripts/loadlab/execute/*",
    "scripts/loadlab/execute/cluster/*",
    *(
        f"scripts/loadlab/pipeline/{name}.py"
        for name in ("abort", "block", "demand", "insist", "kubernetes_rig", "load_span", "local_rig", "phase", "rig")
    ),
    *(f"scripts/loadlab/pipeline/{name}.py" for name in ("session", "shell", "span", "steps", "stopping", "trial")),
    *(f"k8s/base/{part}/*" for part in ("image", "service", "flask", "fastapi", "upstream", "locust")),
)
"""What windows are made with, as patterns seen from the checkout."""
SOURCES = frozenset({".py", ".yaml", ".toml", ".lock", ""})
"""Endings; a Dockerfile has none."""

_SALT = "loadlab-machine-1"
_CONTAINER_MARKS = (".dockerenv", "run/.containerenv")
_CONTAINER_WORDS = ("docker", "kubepods", "containerd", "lxc", "libpod")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine seen through its file system; ``root`` is another folder in tests."""

    root: Path = Path("/")

    def facts(self) -> Mapping[str, Fact]:
        """Everything that describes the machine in provenance, by name with its unit."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return {
            "cpu_model": self.cpu_model(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "cores_allowed": core_list(os.sched_getaffinity(0)),
            "cpu_quota_cores": self.cpu_quota_cores(),
            "memory_bytes": self.memory_bytes("MemTotal"),
            "governor": self.governor(),
            "clock_source": self.clock_source(),
            "virtualisation": self.virtualisation(),
            "cgroup": self.cgroup_version(),
            "kernel": platform.release(),
            "system": self.system(),
            "python": platform.python_version(),
            "open_files_soft": _limit(soft),
            "open_files_hard": _limit(hard),
        }

    def machine_id(self) -> str:
        """Sixteen hex digits: the same on one machine, other on another, and of no use to find it.

        A hash over the first identity that there is (machine id, product id, boot id) and the processor, because
        copies of one disk image share the first.
        """
        sources = ("etc/machine-id", "sys/class/dmi/id/product_uuid", "proc/sys/kernel/random/boot_id")
        identity = next((found for source in sources if (found := self.text(source))), "unknown")
        parts = (_SALT, identity, self.cpu_model() or "", str(self.cores_in_machine()))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def cpu_model(self) -> str | None:
        """The processor's own name."""
        match = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", self.text("proc/cpuinfo") or "", re.MULTILINE)
        return match.group(1).strip() if match else None

    def cores_in_machine(self) -> int | None:
        """Processors that the kernel runs, allowed to this process or not."""
        return len(re.findall(r"^processor\s*:", self.text("proc/cpuinfo") or "", re.MULTILINE)) or None

    def memory_bytes(self, name: str) -> int | None:
        """A line of ``/proc/meminfo``, such as ``MemTotal`` or ``MemAvailable``."""
        match = re.search(rf"^{name}:\s*(\d+) kB$", self.text("proc/meminfo") or "", re.MULTILINE)
        return int(match.group(1)) * 1024 if match else None

    def governor(self) -> str | None:
        """How the kernel sets the clock of the cores, all different ones; None where the host hides it."""
        paths = sorted((self.root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
        found = {text for path in paths if (text := self.text(str(path.relative_to(self.root))))}
        return ", ".join(sorted(found)) or None

    def clock_source(self) -> str | None:
        """What the kernel reads the time from."""
        return self.text("sys/devices/system/clocksource/clocksource0/current_clocksource")

    def cgroup_version(self) -> str | None:
        """``v2``, ``v1``, or None without control groups."""
        base = self.root / "sys/fs/cgroup"
        if (base / "cgroup.controllers").exists():
            return "v2"
        return "v1" if any((base / name).exists() for name in ("cpu", "cpu,cpuacct", "memory")) else None

    def cpu_quota_cores(self) -> float | None:
        """Cores that this process's control group may use; None where it has no quota, or none can be seen."""
        if quota := self.text("sys/fs/cgroup/cpu.max"):
            most, _, period = quota.partition(" ")
            return int(most) / int(period) if most.isdecimal() and period.isdecimal() else None
        most_us = self.text("sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period_us = self.text("sys/fs/cgroup/cpu/cpu.cfs_period_us")
        if most_us and period_us and most_us.isdecimal() and period_us.isdecimal():
            return int(most_us) / int(period_us)
        return None

    def virtualisation(self) -> str:
        """``bare metal`` or what stands between, such as ``virtual machine (KVM), container``."""
        layers = []
        if re.search(r"^flags\s*:.*\bhypervisor\b", self.text("proc/cpuinfo") or "", re.MULTILINE):
            vendor = self.text("sys/class/dmi/id/product_name") or self.text("sys/class/dmi/id/sys_vendor")
            layers.append(f"virtual machine ({vendor})" if vendor else "virtual machine")
        if self._in_container():
            layers.append("container")
        return ", ".join(layers) or "bare metal"

    def system(self) -> str | None:
        """The distribution's own name."""
        match = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', self.text("etc/os-release") or "", re.MULTILINE)
        return match.group(1) if match else None

    def text(self, path: str) -> str | None:
        """A file's text without blanks around it; None where it is empty or cannot be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip() or None
        except OSError:
            return None

    def _in_container(self) -> bool:
        groups = self.text("proc/1/cgroup") or ""
        marked = any((self.root / mark).exists() for mark in _CONTAINER_MARKS)
        return marked or any(word in groups for word in _CONTAINER_WORDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class GitState:
    """The checkout's revision, and whether files differ from it; None where that cannot be told."""

    revision: str | None
    is_dirty: bool | None


def git_state(root: Path) -> GitState:
    """The state of the git checkout at ``root``; all None without git, a repository or a commit."""
    revision = _git(root, "rev-parse", "--verify", "HEAD")
    changes = _git(root, "status", "--porcelain") if revision is not None else None
    return GitState(revision=revision, is_dirty=None if changes is None else bool(changes))


def measuring_sha256(root: Path) -> str:
    """Of the checkout's files that windows are made with, by name and content, committed or not.

    Services, locustfiles, the manifests of both, and of the engine what executes, orders and designs; what looks after
    the lab, judges and reports may change.
    """
    return files_sha256(root, MEASURING)


def files_sha256(root: Path, patterns: Iterable[str]) -> str:
    """Of the sources below ``root`` that the glob patterns name, by name and content."""
    digest = hashlib.sha256()
    found = {path for pattern in patterns for path in root.glob(pattern) if path.suffix in SOURCES and path.is_file()}
    for path in sorted(found):
        digest.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(root)}\n".encode())
    return digest.hexdigest()


def package_versions() -> Mapping[str, str]:
    """Version of every Python package of this environment, by its normalised name, sorted."""
    told = (each.metadata for each in distributions())  # parsed anew each time that it is asked for
    return dict(sorted((normalised(one["Name"]), _plain(one["Version"])) for one in told if one["Name"]))


def _plain(version: str) -> str:
    """Some wheels write a v before their version, which PEP 440 leaves out."""
    return version.removeprefix("v")


def normalised(name: str) -> str:
    """A package's name as lock files write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def core_list(cores: set[int]) -> str:
    """Core numbers as the kernel writes them: ``0-1,4``."""
    ordered, runs = sorted(cores), list[list[int]]()
    for core in ordered:
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _limit(value: int) -> int | None:
    return None if value == resource.RLIM_INFINITY else value


def _git(root: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
