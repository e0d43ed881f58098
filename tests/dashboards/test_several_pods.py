"""What boards say of a stack of two pods with two workers each, beside another stack that is not chosen.

In containers every pod's processes have the same numbers: pids here do too.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
import yaml

from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files
from loadlab.report.board_queries import BoardQuery, board_queries, expanded

QUERIES = [query for path in board_files(checkout()) for query in board_queries(orjson.loads(path.read_bytes()))]
OF_PODS = re.compile(r"\b(process_tree|worker|cgroup|request_queue|event_loop|upstream)_\w+")
"""What pods expose themselves; all else comes from the one master, or out of rules."""
A, B = 'stack="flask", pod="flask-a"', 'stack="flask", pod="flask-b"'
OTHER = 'stack="fastapi", pod="fastapi-a"'
MIB = 1024**2


def _still(name: str, a: float, b: float) -> dict[str, str]:
    """A gauge of both pods, and a much larger one of the other stack."""
    return {f"{name}{{{A}}}": f"{a}x24", f"{name}{{{B}}}": f"{b}x24", f"{name}{{{OTHER}}}": f"{1000 * (a + b)}x24"}


def _workers(name: str, a: tuple[float, float], b: tuple[float, float]) -> dict[str, str]:
    """Of two workers in each pod, of the same numbers."""
    told = {f'{name}{{{A}, pid="{pid}"}}': f"{value}x24" for pid, value in zip((7, 8), a, strict=True)}
    told |= {f'{name}{{{B}, pid="{pid}"}}': f"{value}x24" for pid, value in zip((7, 8), b, strict=True)}
    return {**told, f'{name}{{{OTHER}, pid="7"}}': f"{1000 * sum(a + b)}x24"}


def _times(name: str) -> dict[str, str]:
    """100 in 5 s below 0.1 s in the one pod, 100 between 0.1 and 1 s in the other: together the p95 is 0.91 s, the p99
    0.982 s. The other stack's take 10 s.
    """
    fast, slow, none = "0+100x24", "0+100x24", "0x24"
    counts = {A: (fast, fast, fast, fast), B: (none, slow, slow, slow), OTHER: (none, none, slow, slow)}
    return {
        f'{name}_bucket{{{pod}, le="{le}"}}': told
        for pod, all_told in counts.items()
        for le, told in zip(("0.1", "1", "10", "+Inf"), all_told, strict=True)
    }


SERIES: Mapping[str, str] = {
    **_still("process_tree_pss_bytes", 100 * MIB, 60 * MIB),
    **_still("process_tree_rss_bytes", 120 * MIB, 90 * MIB),
    **_still("cgroup_memory_working_set_bytes", 130 * MIB, 140 * MIB),
    **_still("cgroup_memory_anon_bytes", 110 * MIB, 70 * MIB),
    # the second pod has no limit: its group is that of all that runs beside it
    f"cgroup_memory_limit_bytes{{{A}}}": f"{512 * MIB}x24",
    f"cgroup_memory_limit_bytes{{{OTHER}}}": f"{512 * MIB}x24",
    **_workers("worker_pss_bytes", (40 * MIB, 60 * MIB), (20 * MIB, 30 * MIB)),
    **_workers("worker_connections", (10, 6), (4, 12)),
    **_workers("worker_slots", (8, 8), (8, 8)),
    **_workers("worker_slots_busy", (8, 3), (1, 4)),
    **_still("upstream_requests_in_flight", 11, 5),
    **_times("request_queue_seconds"),
    **_times("event_loop_lag_seconds"),
    # 0.5 and 0.25 of a core; the second pod began anew once
    f"process_tree_cpu_seconds_total{{{A}}}": "0+2.5x24",
    f"process_tree_cpu_seconds_total{{{B}}}": "50+1.25x8 0+1.25x15",
    f"process_tree_cpu_seconds_total{{{OTHER}}}": "0+5x24",
    # Of several containers in one pod the kills are added up; the pod's own row has them once more
    'container_oom_events_total{namespace="loadlab", container="app", pod="flask-a"}': "0x12 1x12",
    'container_oom_events_total{namespace="loadlab", container="beside", pod="flask-a"}': "0x12 2x12",
    'container_oom_events_total{namespace="loadlab", container="", pod="flask-a"}': "0x12 3x12",
    'container_oom_events_total{namespace="other", container="app", pod="theirs"}': "0x12 1x12",
}
CORES = {'loadlab_stack_cores{stack="flask"}': "3x24", 'loadlab_stack_cores{stack="fastapi"}': "1x24"}
LIMITS = _still("cgroup_cpu_limit_cores", 0.5, 1)
FLASK = '{stack="flask"}'
PODS = (f"{{{A}}}", f"{{{B}}}")


@dataclass(frozen=True, slots=True)
class Case:
    """A query, and its series by hand: labels and value."""

    title: str
    ref: str
    values: Mapping[str, float]
    beside: Mapping[str, str] | None = None


CASES = [
    Case("How much memory does a stack hold?", "A", {FLASK: 160 * MIB}),
    Case("How much would RSS say?", "A", {FLASK: 210 * MIB}),
    Case("How close is the limit?", "A", {PODS[0]: 130 * MIB}),
    Case("How close is the limit?", "B", {PODS[0]: 512 * MIB}),
    Case("How much of it is the program's own?", "A", {PODS[0]: 110 * MIB}),
    Case(
        "What does each process hold?",
        "A",
        {f'{{{pod}, pid="{pid}"}}': size * MIB for pod, pid, size in ((A, 7, 40), (A, 8, 60), (B, 7, 20), (B, 8, 30))},
    ),
    # 160 MiB over 32
    Case("What does an open connection cost?", "A", {FLASK: 5 * MIB}),
    Case("Did anything restart or run out of memory?", "A", {PODS[0]: 0, PODS[1]: 1}),
    Case("Are all slots busy?", "A", {FLASK: 16}),
    Case("Are all slots busy?", "B", {FLASK: 32}),
    Case("How long do requests wait to be taken up?", "A", {FLASK: 0.91}),
    Case("Is the event loop late?", "A", {FLASK: 0.982}),
    Case("How many calls wait for the upstream?", "A", {FLASK: 16}),
    Case("How much head-room is left now?", "A", {FLASK: 0.5}),
    # 0.75 of 3 cores; without an engine, of the 1.5 that both pods may use
    Case("How much head-room is left now?", "B", {FLASK: 0.75}, CORES),
    Case("How much head-room is left now?", "B", {FLASK: 0.5}, LIMITS),
    Case("Head-room of the processor", "A", {FLASK: 0.75}, CORES),
    Case("Head-room of the processor", "A", {FLASK: 0.5}, LIMITS),
    Case("What is fuller, slots or processor?", "A", {FLASK: 0.5}),
    Case("What is fuller, slots or processor?", "B", {FLASK: 0.25}, {**CORES, **LIMITS}),
    Case("What is fuller, slots or processor?", "B", {FLASK: 0.5}, LIMITS),
]


def _query(case: Case) -> BoardQuery:
    (found,) = [query for query in QUERIES if (query.title, query.ref) == (case.title, case.ref)]
    return found


def _asked(promtool: Path, folder: Path, series: Mapping[str, str], expr: str, values: Mapping[str, float]) -> None:
    """Rounded to a millionth: sums of floats are not asked for to the last bit."""
    samples = [{"labels": labels, "value": value} for labels, value in values.items()]
    test = {
        "evaluation_interval": "5s",
        "tests": [
            {
                "interval": "5s",
                "input_series": [{"series": name, "values": told} for name, told in series.items()],
                "promql_expr_test": [{"expr": f"round({expr}, 1e-6)", "eval_time": "1m50s", "exp_samples": samples}],
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.title} {case.ref}")
def test_pods_and_workers_are_added_up_and_the_stack_that_is_not_chosen_is_not_among_them(
    promtool: Path, tmp_path: Path, case: Case
) -> None:
    expr = expanded(_query(case).expr, {"stack": "flask"})
    _asked(promtool, tmp_path, {**SERIES, **(case.beside or {})}, expr, case.values)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.title} {case.ref}")
def test_where_no_stack_is_chosen_what_belongs_to_none_is_not_shown(promtool: Path, tmp_path: Path, case: Case) -> None:
    series = {**SERIES, **(case.beside or {})}
    of_none = {re.sub(r'stack="fastapi"(, )?', "", name): told for name, told in series.items()}
    _asked(promtool, tmp_path, of_none, expanded(_query(case).expr, {"stack": []}), {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.title} {case.ref}")
def test_no_two_lines_of_a_panel_bear_one_name(case: Case) -> None:
    """Pods that follow each other, block by block, are lines of the same panel too."""
    shown = [_named(_query(case).legend, labels) for labels in case.values]
    assert len(set(shown)) == len(shown)


def _named(legend: str, labels: str) -> str:
    told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    return re.sub(r"\{\{(\w+)\}\}", lambda label: told.get(label[1], ""), legend)


def test_kills_are_those_of_the_labs_containers(promtool: Path, tmp_path: Path) -> None:
    query = _query(Case("Did anything restart or run out of memory?", "B", {}))
    _asked(promtool, tmp_path, SERIES, f"round({query.expr})", {'{pod="flask-a"}': 3})


def test_every_query_over_what_pods_expose_has_a_case() -> None:
    of_pods = {(one.title, one.ref) for one in QUERIES if OF_PODS.search(one.expr)}
    assert of_pods == {(case.title, case.ref) for case in CASES}


def _stack_told(query: BoardQuery) -> bool:
    """Whether its series can be told by their stack, in a legend or in a table's rows."""
    return "{{stack}}" in query.legend or bool(re.match(r"max by \([\w, ]*\bstack\b", query.expr))


@pytest.mark.parametrize("query", [q for q in QUERIES if _stack_told(q)], ids=lambda q: f"{q.board} {q.title} {q.ref}")
def test_what_is_told_by_stack_is_of_the_stacks_that_are_chosen(query: BoardQuery) -> None:
    assert 'stack=~"$stack", stack!=""' in query.expr
