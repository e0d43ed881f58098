"""What the load generator would have told of a session's windows, out of their own records.

For windows whose generator was not scraped: bundles of before. The same names as on Locust's /metrics, and only what a
record holds: the phase, whether the window is open, what was declared, and the figures of each level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from loadlab.model.run import Window

EVERY_S = 1.0
SETTLED_S = 0.5
"""When after a close the level's figures were known."""
PHASE_LABELS = ("experiment", "run", "trial", "window", "stack", "users", "block", "role")
DECLARED = {
    "claimed_users": "loadlab_claimed_users",
    "margin_ratio": "loadlab_margin_ratio",
    "objective_latency_s": "loadlab_objective_latency_seconds",
}
Level = tuple[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One exposition (`openmetrics.Scraped`)."""

    unix_s: float
    labels: Mapping[str, str]
    text: str


def window_series(
    windows: Iterable[Window], declared: Mapping[str, Any], roles: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[Told]:
    """At open, every second, at close and once the level is known. roles: by window id."""
    levels: dict[Level, Window] = {}
    for window in sorted(windows, key=lambda one: one.load.opened_unix_s):
        opens_s, closes_s = window.load.opened_unix_s, window.load.opened_unix_s + window.load.measure_s
        role = roles[window.id]
        for at_s in _moments(opens_s, closes_s):
            yield Told(unix_s=at_s, labels=labels, text=_text(declared, levels, (window, role)))
        if role in ("sweep", "repeat") and not window.load.holes:
            levels[window.stack, window.users] = window
        yield Told(unix_s=closes_s + SETTLED_S, labels=labels, text=_text(declared, levels, None))


def _moments(opens_s: float, closes_s: float) -> Sequence[float]:
    whole = int((closes_s - opens_s) / EVERY_S)
    return [*(opens_s + number * EVERY_S for number in range(whole)), closes_s - 1e-3]


def _text(declared: Mapping[str, Any], levels: Mapping[Level, Window], now: tuple[Window, str] | None) -> str:
    registry = CollectorRegistry()
    info = _gauge(registry, "loadlab_phase_info", PHASE_LABELS)
    if now is not None:
        window, role = now
        mine = {"trial": window.id, "window": window.id, "stack": window.stack, "users": str(window.users)}
        phase = {**mine, "block": str(window.block), "role": role, **_names(declared)}
        info.labels(**phase).set(1)
        _gauge(registry, "loadlab_window_open", ("stack",)).labels(stack=window.stack).set(1)
        _gauge(registry, "loadlab_trial_users").set(window.users)
    else:
        info.labels(**dict.fromkeys(PHASE_LABELS, "") | _names(declared)).set(1)
    _declare(registry, declared)
    _levels(registry, levels)
    return generate_latest(registry).decode()


def _names(declared: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(declared[name]) for name in ("experiment", "run")}


def _declare(registry: CollectorRegistry, declared: Mapping[str, Any]) -> None:
    for key, name in DECLARED.items():
        if declared.get(key) is not None:
            _gauge(registry, name).set(declared[key])
    place = _gauge(registry, "loadlab_stack_place", ("stack",))
    for number, stack in enumerate(declared["stacks"], start=1):
        place.labels(stack=stack).set(number)
    cores = _gauge(registry, "loadlab_billed_cpu_cores", ("stack", "list", "billing"))
    memory = _gauge(registry, "loadlab_billed_memory_gib", ("stack", "list", "billing"))
    for row in declared["billed"]:
        where = {name: str(row[name]) for name in ("stack", "list", "billing")}
        cores.labels(**where).set(row["cpu_cores"])
        memory.labels(**where).set(row["memory_gib"])


def _levels(registry: CollectorRegistry, levels: Mapping[Level, Window]) -> None:
    families = {name: _gauge(registry, f"loadlab_level_{name}", ("stack", "users")) for name in LEVEL}
    for (stack, users), window in levels.items():
        for name, family in families.items():
            value = users if name == "users" else getattr(window.load, LEVEL[name])
            family.labels(stack=stack, users=str(users)).set(value)


LEVEL = {
    "users": "",
    "seconds": "measure_s",
    "ok_requests": "ok",
    "failed_requests": "failed",
    "good_requests": "good",
    "active_seconds": "active_s",
    "response_seconds": "latency_sum_s",
}
"""Ending of the series to the field of the window's load."""


def _gauge(registry: CollectorRegistry, name: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(name, f"As the load generator tells it: {name}.", labels, registry=registry)
