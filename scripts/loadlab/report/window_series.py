"""What the load generator would have told of a session's windows, out of their own records.

For windows whose generator was not scraped: bundles of before. The same names as on Locust's /metrics, and only what a
record holds: the phase, whether the window is open, when it opened, and what was declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from loadlab.model.run import Window
from loadlab.report.told import Told, gauge

EVERY_S = 1.0
GIVEN_EVERY_S = 5.0
PRICE_NAMED = "loadlab_price_named"
SETTLED_S = 0.5
"""After a close, when no window was open any more."""
PHASE_LABELS = ("experiment", "run", "trial", "window", "stack", "users", "block", "role")
DECLARED = {
    "claimed_users": "loadlab_claimed_users",
    "margin_ratio": "loadlab_margin_ratio",
    "objective_latency_s": "loadlab_objective_latency_seconds",
}


def window_series(
    windows: Iterable[Window], declared: Mapping[str, Any], roles: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[Told]:
    """At open, every second, at close and a little later. roles: by window id."""
    for window in sorted(windows, key=lambda one: one.load.opened_unix_s):
        opens_s, closes_s = window.load.opened_unix_s, window.load.opened_unix_s + window.load.measure_s
        role = roles[window.id]
        for at_s in _moments(opens_s, closes_s):
            yield Told(unix_s=at_s, labels=labels, text=_text(declared, window, role))
        yield Told(unix_s=closes_s + SETTLED_S, labels=labels, text=_text(declared, window, None))


def given_series(declared: Mapping[str, Any], labels: Mapping[str, str], span: tuple[float, float]) -> Iterator[Told]:
    """What stacks are given and which prices there are, every five seconds of a session: bundles of before lack it."""
    registry = CollectorRegistry()
    _give(registry, declared)
    yield from _throughout(registry, labels, span)


def declared_series(
    declared: Mapping[str, Any], labels: Mapping[str, str], span: tuple[float, float]
) -> Iterator[Told]:
    """What was declared, every five seconds of a session: levels say something only beside their margin and stacks."""
    registry = CollectorRegistry()
    _declare(registry, declared)
    yield from _throughout(registry, labels, span)


def _throughout(registry: CollectorRegistry, labels: Mapping[str, str], span: tuple[float, float]) -> Iterator[Told]:
    text, at_s = generate_latest(registry).decode(), span[0]
    while at_s <= span[1]:
        yield Told(unix_s=at_s, labels=labels, text=text)
        at_s += GIVEN_EVERY_S


def _moments(opens_s: float, closes_s: float) -> Sequence[float]:
    whole = int((closes_s - opens_s) / EVERY_S)
    return [*(opens_s + number * EVERY_S for number in range(whole)), closes_s - 1e-3]


def _text(declared: Mapping[str, Any], window: Window, role: str | None) -> str:
    """role None: the window is over."""
    registry = CollectorRegistry()
    info = gauge(registry, "loadlab_phase_info", PHASE_LABELS)
    if role is not None:
        mine = {"trial": window.id, "window": window.id, "stack": window.stack, "users": str(window.users)}
        phase = {**mine, "block": str(window.block), "role": role, **_names(declared)}
        info.labels(**phase).set(1)
        gauge(registry, "loadlab_window_open", ("stack",)).labels(stack=window.stack).set(1)
        gauge(registry, "loadlab_trial_users").set(window.users)
    else:
        info.labels(**dict.fromkeys(PHASE_LABELS, "") | _names(declared)).set(1)
    opened = gauge(registry, "loadlab_window_opened_seconds", ("window", "stack", "users"))
    opened.labels(window=window.id, stack=window.stack, users=str(window.users)).set(window.load.opened_unix_s)
    _declare(registry, declared)
    return generate_latest(registry).decode()


def _names(declared: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(declared[name]) for name in ("experiment", "run")}


def _declare(registry: CollectorRegistry, declared: Mapping[str, Any]) -> None:
    for key, name in DECLARED.items():
        if declared.get(key) is not None:
            gauge(registry, name).set(declared[key])
    place = gauge(registry, "loadlab_stack_place", ("stack",))
    for number, stack in enumerate(declared["stacks"], start=1):
        place.labels(stack=stack).set(number)
    cores = gauge(registry, "loadlab_billed_cpu_cores", ("stack", "list", "billing"))
    memory = gauge(registry, "loadlab_billed_memory_gib", ("stack", "list", "billing"))
    for row in declared["billed"]:
        where = {name: str(row[name]) for name in ("stack", "list", "billing")}
        cores.labels(**where).set(row["cpu_cores"])
        memory.labels(**where).set(row["memory_gib"])


def _give(registry: CollectorRegistry, declared: Mapping[str, Any]) -> None:
    given = gauge(registry, "loadlab_stack_cores", ("stack",))
    for stack, value in declared["cores"].items():
        given.labels(stack=stack).set(value)
    named = gauge(registry, PRICE_NAMED, ("list", "billing"))
    for row in declared["prices"]:
        named.labels(**row).set(1)
