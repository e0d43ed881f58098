"""``loadlab doctor``: what this machine can and cannot do for a result, and what to do about it."""

from __future__ import annotations

import math
import os
import re
import resource
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loadlab.analysis.calibration_use import UNCALIBRATED, Standing, is_uncalibrated, standing
from loadlab.errors import PROGRAM, DeployError
from loadlab.execute.activity import Activity, BusyProcess, left_over_processes, observe, timer_overshoot_s
from loadlab.execute.calibration_file import identity, read_calibration
from loadlab.execute.machine import Machine, core_list, normalised, package_versions
from loadlab.execute.strain import strained_steal_ratio
from loadlab.units import format_bytes, format_cores, format_count, format_percent, format_s

Status = Literal["ok", "warn", "fail"]

OBSERVE_S = 1.0
STRAIN_S = 2.0
STRAIN_TURNS = 2
CORES_NEEDED = 2
OPEN_FILES_WANTED = 8_192
OPEN_FILES_NEEDED = 1_024
PORTS_WANTED = 10_000
STEAL_MOST_RATIO = 0.01
OTHER_LOAD_MOST_CORES = 0.1
LATE_MOST_S = 0.005
MEMORY_WANTED_BYTES, MEMORY_NEEDED_BYTES = 2 * 2**30, 512 * 2**20
DISK_WANTED_BYTES, DISK_NEEDED_BYTES = 2**30, 100 * 2**20
STEADY_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen")

_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)\s*(;)?", re.MULTILINE)
_NOT_NEEDED = "not needed"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One look at the machine. ``fail``: no run can be trusted here; ``warn``: results suffer, or may."""

    name: str
    status: Status
    got: str
    expected: str
    next_step: str | None
    """What to do; None where nothing is to be done."""


def run_checks(
    root: Path,
    *,
    state: Path | None = None,
    machine: Machine | None = None,
    observe_s: float = OBSERVE_S,
    strain_s: float = STRAIN_S,
) -> list[Check]:
    """Look at the machine as it is for ``observe_s`` seconds, then let all its cores work for ``strain_s``.

    root: the checkout, where runs are kept too. state: where a calibration would be. strain_s: 0 where something runs
    that must not be disturbed; by turns with idle cores kept awake where the host takes too much.
    """
    seen = Machine() if machine is None else machine
    activity = observe(observe_s)
    steal_ratio, awake_ratio = (
        steal_ratios(strain_s, seen.cpu_quota_cores()) if strain_s else (activity.steal_ratio, None)
    )
    return [
        check_cores(os.sched_getaffinity(0), seen.cpu_quota_cores()),
        check_steal(steal_ratio, awake_ratio),
        check_other_load(activity),
        check_left_over(left_over_processes()),
        check_timer(timer_overshoot_s()),
        check_governor(seen.governor()),
        check_clock(seen.clock_source()),
        check_cgroup(seen.cgroup_version()),
        check_memory(seen.memory_bytes("MemAvailable")),
        check_disk(shutil.disk_usage(root).free),
        check_open_files(*resource.getrlimit(resource.RLIMIT_NOFILE)),
        check_ports(seen),
        check_packages(root / "requirements.lock", package_versions()),
        check_calibration(*(_standing(seen, root, state, keep_awake=kept) for kept in (False, True))),
    ]


def check_cores(allowed: set[int], quota_cores: float | None) -> Check:
    """A core for the stack under test, and at least one for everything else."""
    got = f"{len(allowed)} ({core_list(allowed)})"
    usable = float(len(allowed))
    if quota_cores is not None and quota_cores < usable:
        usable = quota_cores
        got += f", of which a control group lets {format_cores(quota_cores)} be used"
    step = "give this machine or container at least two cores: generator and stack on one core disturb each other"
    return _check("cores", usable >= CORES_NEEDED, "fail", got, f"at least {CORES_NEEDED}", step)


def steal_ratios(strain_s: float, quota_cores: float | None) -> tuple[float | None, float | None]:
    """What the host takes of cores that work and nap: as they are, and kept awake where that is too much as they are.

    By turns, for what a busy host takes comes and goes. None: the kernel does not say; not looked at, because it is
    little as they are, keeping them awake would use up a quota, or it could not be done.
    """
    asleep = [strained_steal_ratio(strain_s)]
    if asleep[0] is None or asleep[0] < STEAL_MOST_RATIO or (quota_cores or math.inf) < len(os.sched_getaffinity(0)):
        return asleep[0], None
    awake = []
    try:
        for _ in range(STRAIN_TURNS):
            awake.append(strained_steal_ratio(strain_s, is_kept_awake=True))
            asleep.append(strained_steal_ratio(strain_s))
    except (DeployError, OSError):
        return asleep[0], None
    return _mean(asleep), _mean(awake)


def awake_helps(ratio: float | None, awake_ratio: float | None) -> bool:
    """Of such looks: it is little with idle cores kept awake, and less than half of what it is as they are."""
    return ratio is not None and awake_ratio is not None and awake_ratio < min(STEAL_MOST_RATIO, ratio / 2)


def _mean(ratios: Sequence[float | None]) -> float | None:
    return None if None in ratios else sum(ratio or 0.0 for ratio in ratios) / len(ratios)


def check_steal(ratio: float | None, awake_ratio: float | None = None) -> Check:
    """Time that the host gave to others while this machine wanted it, or took to wake a core.

    awake_ratio: the same with idle cores kept awake; None where that was not, or could not be, looked at.
    """
    expected = f"below {format_percent(STEAL_MOST_RATIO)}"
    if ratio is None:
        return _unseen("stolen processor time", expected)
    got, step = format_percent(ratio), "the host is shared and busy now: runs repeat what it spoils; a quieter time or "
    step += "host is better"
    if awake_ratio is not None:
        got += f"; {format_percent(awake_ratio)} with idle cores kept awake"
        if awake_helps(ratio, awake_ratio):
            step = "the host is slow to wake an idle core: --set window.keep_awake=true, or set it in the experiment; "
            step += f"such runs have a calibration of their own: {PROGRAM} calibrate --keep-awake"
    return _check("stolen processor time", ratio < STEAL_MOST_RATIO, "warn", got, expected, step)


def check_other_load(activity: Activity) -> Check:
    """Processes that have nothing to do with the lab."""
    total_cores = sum(each.cpu_cores for each in activity.busy)
    names = ", ".join(f"{each.name} {each.cpu_cores:.2f}" for each in activity.busy[:_SHOWN])
    got = format_cores(total_cores) + (f" ({names})" if total_cores >= OTHER_LOAD_MOST_CORES else "")
    expected = f"below {format_cores(OTHER_LOAD_MOST_CORES)}"
    step = "end or pause what else is running, else windows are refused or noisy"
    return _check("other load", total_cores < OTHER_LOAD_MOST_CORES, "warn", got, expected, step)


def check_left_over(found: Sequence[BusyProcess]) -> Check:
    """Services and generators of another run, or of a lab on Kubernetes that is up."""
    got = ", ".join(_left_over_name(each) for each in found[:_SHOWN]) or "none"
    pids = " ".join(str(each.pid) for each in found if not each.contained)
    steps = [f"wait for the other run to end; if there is none, end them: kill {pids}"] if pids else []
    if any(each.contained for each in found):
        steps.append("in containers they are a lab's, which would start them again: measure there, or make lab-down")
    return _check("processes of another run", not found, "warn", got, "none", "; ".join(steps))


def _left_over_name(process: BusyProcess) -> str:
    return f"{process.name} (pid {process.pid}{', in a container' if process.contained else ''})"


def check_timer(late_s: Sequence[float]) -> Check:
    """Whether a sleep of a millisecond ends when it should."""
    worst_s = late_s[int(0.99 * (len(late_s) - 1))]
    step = "something keeps the processor busy, or power saving is on: see the lines on other load and governor"
    got = f"{format_s(worst_s)} late in 99 of 100 at most"
    return _check("timer", worst_s < LATE_MOST_S, "warn", got, f"below {format_s(LATE_MOST_S)}", step)


def check_governor(governor: str | None) -> Check:
    """Whether the cores keep one clock rate."""
    if governor is None:
        return _unseen("frequency governor", "performance", "the host decides")
    step = "as root: cpupower frequency-set -g performance"
    return _check("frequency governor", governor == "performance", "warn", governor, "performance", step)


def check_clock(source: str | None) -> Check:
    """Whether reading the time is cheap and steady."""
    expected = f"one of {', '.join(STEADY_CLOCKS)}"
    if source is None:
        return _unseen("clock source", expected)
    step = "the kernel distrusts the processor's clock, each reading costs microseconds: use another machine"
    return _check("clock source", source in STEADY_CLOCKS, "warn", source, expected, step)


def check_cgroup(version: str | None) -> Check:
    """Whether throttling and memory of containers can be seen."""
    step = "mount /sys/fs/cgroup; without it throttling cannot be judged"
    return _check("control groups", version is not None, "warn", version or "none", "v1 or v2", step)


def check_memory(available_bytes: int | None) -> Check:
    """Memory for both stacks, the generator and the analysis."""
    if available_bytes is None:
        return _unseen("free memory", f"at least {format_bytes(MEMORY_WANTED_BYTES)}")
    return _amount("free memory", available_bytes, MEMORY_WANTED_BYTES, MEMORY_NEEDED_BYTES, "end other programs")


def check_disk(free_bytes: int) -> Check:
    """Room for run bundles."""
    step = "remove old folders from runs/, or choose another disk with --runs"
    return _amount("free disk", free_bytes, DISK_WANTED_BYTES, DISK_NEEDED_BYTES, step)


def check_open_files(soft: int, hard: int) -> Check:
    """Files that a process may have open: a connection is one."""
    unlimited = resource.RLIM_INFINITY
    got = "unlimited" if soft == unlimited else format_count(soft)
    enough = soft == unlimited or soft >= OPEN_FILES_WANTED
    can_raise = hard == unlimited or hard >= OPEN_FILES_WANTED
    step = f"ulimit -n {OPEN_FILES_WANTED}" if can_raise else "raise the hard limit (limits.conf, or --ulimit nofile)"
    worst: Status = "warn" if soft >= OPEN_FILES_NEEDED else "fail"
    return _check("open files", enough, worst, got, f"at least {format_count(OPEN_FILES_WANTED)}", step)


def check_ports(machine: Machine) -> Check:
    """Ports left for new outgoing connections."""
    expected = f"at least {format_count(PORTS_WANTED)} free"
    limits = (machine.text("proc/sys/net/ipv4/ip_local_port_range") or "").split()
    waiting = re.search(r"^TCP:.* tw (\d+)", machine.text("proc/net/sockstat") or "", re.MULTILINE)
    if len(limits) != 2 or waiting is None:
        return _unseen("outgoing ports", expected)
    closing = int(waiting.group(1))
    free = int(limits[1]) - int(limits[0]) + 1 - closing
    got = f"{format_count(free)} free, {format_count(closing)} closing (TIME_WAIT)"
    step = "wait a minute for closed connections to go, or widen net.ipv4.ip_local_port_range"
    return _check("outgoing ports", free >= PORTS_WANTED, "warn", got, expected, step)


def check_packages(lock: Path, installed: Mapping[str, str]) -> Check:
    """Whether this environment is the one that the lock describes."""
    expected = "the versions of requirements.lock"
    try:
        content = lock.read_text(encoding="utf-8")
    except OSError:
        return _check("packages", False, "warn", f"no {lock.name}", expected, "run from a checkout of the repository")
    different = [
        f"{name} {installed.get(name, 'missing')} (locked {' or '.join(sorted(versions))})"
        for name, versions in _locked_versions(content).items()
        if installed.get(name, _NOT_NEEDED) not in versions
    ]
    got = ", ".join(different[:_SHOWN]) + (f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else "")
    return _check("packages", not different, "warn", got or "as locked", expected, "make venv")


def _standing(machine: Machine, root: Path, state: Path | None, *, keep_awake: bool) -> Standing:
    made_with = identity(machine, root, keep_awake=keep_awake)
    return standing(read_calibration(state, keep_awake=keep_awake), made_with, time.time())


def check_calibration(held: Standing, awake: Standing) -> Check:
    """Whether the load generator was shown to be truthful here, and up to what.

    awake: the same for runs that keep idle cores awake, told where there is such a calibration; one of both is enough.
    """
    expected = "a calibration of this machine that holds"
    step = f"{PROGRAM} calibrate, about two minutes; without it runs work, by the gates alone, and say uncalibrated"
    of_awake = "" if awake.text == UNCALIBRATED else f"; of runs with window.keep_awake = true: {awake.text}"
    is_good = not all(map(is_uncalibrated, (held.text, awake.text)))
    return _check("calibration", is_good, "warn", held.text + of_awake, expected, step)


def _locked_versions(content: str) -> Mapping[str, set[str]]:
    """The versions that a lock allows each package: several, or none at all, where markers choose between them."""
    versions: dict[str, set[str]] = {}
    for name, version, marker in _LOCKED.findall(content):
        versions.setdefault(normalised(name), set()).update({version, _NOT_NEEDED} if marker else {version})
    return versions


def _amount(name: str, got_bytes: int, wanted_bytes: int, needed_bytes: int, step: str) -> Check:
    worst: Status = "warn" if got_bytes >= needed_bytes else "fail"
    expected = f"at least {format_bytes(wanted_bytes)}"
    return _check(name, got_bytes >= wanted_bytes, worst, format_bytes(got_bytes), expected, step)


def _check(name: str, is_good: bool, otherwise: Status, got: str, expected: str, next_step: str) -> Check:
    status: Status = "ok" if is_good else otherwise
    return Check(name=name, status=status, got=got, expected=expected, next_step=None if is_good else next_step)


def _unseen(name: str, expected: str, why: str = "this machine does not show it") -> Check:
    """A check that cannot be judged: no fault of the machine, and no proof of its health."""
    return Check(name=name, status="ok", got=f"not readable ({why})", expected=expected, next_step=None)
