"""Steal and throttling, read from the texts that kernels write."""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
from pathlib import Path

import gevent
import pytest
from _health import MOST_TICKS, CpuMeter, probe_lag, read_steal, read_throttled_s, throttle_files
from _recorder import Recorder

STAT = """cpu  400 0 200 2000 10 0 5 99 0 0
cpu0 100 0 50 500 5 1 2 30 7 0
cpu1 300 0 150 1500 5 0 3 69 0 0
intr 1 2 3
"""


def test_steal_is_that_of_the_processors_we_may_use() -> None:
    assert read_steal(STAT, [0]) == (30, 100 + 50 + 500 + 5 + 1 + 2 + 30)
    assert read_steal(STAT, [0, 1]) == (99, 688 + 2027)


def test_steal_is_absent_where_the_kernel_does_not_tell() -> None:
    assert read_steal("", [0]) is None
    assert read_steal("cpu0 1 2 3 4", [0]) is None


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("nr_periods 10\nnr_throttled 3\nthrottled_usec 2500000\n", 2.5),
        ("nr_periods 10\nnr_throttled 3\nthrottled_time 2500000000\n", 2.5),
        ("usage_usec 10\n", None),
        ("", None),
    ],
)
def test_throttling_of_both_versions_of_cgroups(text: str, expected_s: float | None) -> None:
    assert read_throttled_s(text) == expected_s


def test_cpu_stat_is_looked_for_below_the_process_group_first() -> None:
    root = Path("/groups")
    v1 = throttle_files("4:memory:/m\n2:cpu,cpuacct:/a/b\n", root)
    assert v1[0] == root / "cpu,cpuacct" / "a" / "b" / "cpu.stat"
    v2 = throttle_files("0::/x/y\n", root)
    assert v2[0] == root / "x" / "y" / "cpu.stat"
    assert root / "cpu.stat" in v2


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    own = tmp_path / "groups" / "pod"
    own.mkdir(parents=True)
    (own / "cpu.stat").write_text("throttled_usec 1000000\n")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/pod\n")
    cpu = min(os.sched_getaffinity(0))
    (tmp_path / "proc" / "stat").write_text(f"cpu{cpu} 100 0 0 900 0 0 0 0 0 0\n")
    return tmp_path


def test_rates_between_two_readings(machine: Path) -> None:
    meter = CpuMeter(machine / "proc", machine / "groups")
    first = meter.read()
    cpu = min(os.sched_getaffinity(0))
    (machine / "proc" / "stat").write_text(f"cpu{cpu} 150 0 0 930 0 0 0 20 0 0\n")
    (machine / "groups" / "pod" / "cpu.stat").write_text("throttled_usec 1250000\n")
    rates = meter.between(first, meter.read())
    assert rates["steal_ratio"] == pytest.approx(0.2)
    assert rates["throttled_s"] == pytest.approx(0.25)
    assert rates["cpu_cores"] >= 0.0


def test_stolen_time_that_ran_backwards_is_not_known(machine: Path) -> None:
    """Some hypervisors take some of it back; a share below nothing would be no share."""
    meter = CpuMeter(machine / "proc", machine / "groups")
    cpu = min(os.sched_getaffinity(0))
    (machine / "proc" / "stat").write_text(f"cpu{cpu} 100 0 0 900 0 0 0 20 0 0\n")
    first = meter.read()
    (machine / "proc" / "stat").write_text(f"cpu{cpu} 150 0 0 980 0 0 0 10 0 0\n")
    assert meter.between(first, meter.read())["steal_ratio"] is None


def test_without_files_steal_and_throttling_are_absent(tmp_path: Path) -> None:
    meter = CpuMeter(tmp_path / "proc", tmp_path / "groups")
    rates = meter.between(meter.read(), meter.read())
    assert (rates["steal_ratio"], rates["throttled_s"]) == (None, None)


def test_the_probe_notes_when_it_woke_and_how_late() -> None:
    recorder = Recorder()
    began_s = recorder.clock()
    probe = gevent.spawn(probe_lag, recorder)
    while len(recorder.lags) < 6:
        gevent.sleep(0.005)
    probe.kill()
    lags = recorder.cut().lags
    assert (lags[:, 0] > began_s).all()
    assert (lags[:, 1] >= 0).all()


class Halted(Exception):
    """The probe has slept often enough."""


def probed(monkeypatch: pytest.MonkeyPatch, *late_s: float) -> list[tuple[float, float]]:
    """Due and late, in ms, of every sample while its wake-ups are so late, from 0 on a clock of its own."""
    now_s, lateness = [0.0], iter(late_s)

    def sleep(seconds: float) -> None:
        late = next(lateness, None)
        if late is None:
            raise Halted
        now_s[0] += seconds + late

    monkeypatch.setattr(gevent, "sleep", sleep)
    recorder = Recorder(lambda: now_s[0])
    with pytest.raises(Halted):
        probe_lag(recorder)
    samples: list[list[float]] = (recorder.cut().lags * 1e3).round(3).tolist()
    return [(due_ms, late_ms) for due_ms, late_ms in samples]


def test_a_stall_is_charged_to_every_tick_that_it_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = probed(monkeypatch, 0.0004, 0.0352, 0.0)
    assert samples == [(10, 0.4), (20, 35.2), (30, 25.2), (40, 15.2), (50, 5.2), (60, 0)]


def test_a_process_that_was_halted_for_hours_is_no_flood_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = probed(monkeypatch, 3600.0, 0.0)
    assert MOST_TICKS <= len(samples) <= MOST_TICKS + 2
    assert samples[0] == (3_590_010, 10_000)
