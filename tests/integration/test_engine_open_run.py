"""The engine with real stacks and an open load: arrivals, requests and the services' own counts agree exactly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from engine_process import BRIEF, Engine
from loadlab.execute.scrapes import GENERATOR_SUFFIX
from loadlab.stats.histogram import decode

Start = Callable[..., Engine]
EXPERIMENT = Path(__file__).parents[2] / "scripts" / "experiments" / "open-objective.toml"
LATER = f"{BRIEF}\nreplication._WARMUP_LEAST_S = 0.8\n"
"""A schedule begins half a second after it is asked for, and has to be there when a window opens."""
SHORTER = (
    *("blocks.count=1", "load.rate_rps=[30, 60]", "window.measure_s=1.0", "window.warmup_s=0.3"),
    *("stack.flask.settings.threads=16", "load.arrivals=constant", "objective.latency_s=1.0"),
    "upstream.latency=constant(50ms)",
)


def test_an_open_load_runs_to_its_report_with_exact_books(start: Start) -> None:
    """Of each window the planned arrivals are known to one: rate times length, whenever it opens."""
    engine = start(str(EXPERIMENT), *(word for change in SHORTER for word in ("--set", change)), prelude=LATER)
    assert engine.ended() in (0, 3, 4, 5), engine.output
    run = engine.measured()
    assert run.complete
    assert run.provenance.load == {"kind": "open", "arrivals": "constant", "seed": 20261126, "in_flight_max": 2000}
    for window in run.windows:
        arrivals, books = window.load.arrivals, window.books
        assert arrivals is not None
        assert abs(arrivals.planned - window.users) <= 1
        assert arrivals.dropped == 0
        told = (engine.bundle / "scrapes" / f"{window.id}{GENERATOR_SUFFIX}").read_text()
        assert set(re.findall(r"^locust_arrivals_dropped_total (\S+)$", told, re.MULTILINE)) == {"0.0"}
        assert arrivals.started <= arrivals.planned
        assert decode(arrivals.response_histogram).total == window.load.ok
        assert decode(arrivals.dispatch_histogram).total == window.load.ok + window.load.failed
        assert books is not None
        assert {books.answered + books.failed, books.served, books.upstream_arrivals} == {books.sent}
    assert any(window.load.ok for window in run.windows), "a stack may be kept off its core for one, not for all"
    results = engine.results()
    assert results["experiment"]["load_kind"] == "open"
    assert {row["users"] for row in results["levels"]} <= {30, 60}
    assert "req/s" in engine.output
    assert " 30 users" not in engine.output
