"""Memory: what each stack holds, per process and per connection, and how far its limit is."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board
from boards.panels import WHOLE_ROW, Panel, Query, lines

LIMIT = 'sum by (stack, pod) (cgroup_memory_limit_bytes{stack=~"$stack", stack!=""})'
"""A group with a limit is a pod's own. On one machine the group has none, and is that of all that runs beside, too."""


def board() -> Dashboard:
    """The board."""
    whole = (
        _how_much_memory_does_a_stack_hold(),
        _how_much_would_rss_say(),
        _how_close_is_the_limit(),
        _how_much_of_it_is_the_program_s_own(),
    )
    parts = (
        _what_does_each_process_hold(),
        _what_does_an_open_connection_cost(),
        _did_anything_restart_or_run_out_of_memory(),
    )
    return make_board(
        "loadlab-memory",
        "How much memory does each stack hold, what drives it, and how close is its limit?",
        (("Stacks", whole), ("Processes and connections", parts)),
    )


def _how_much_memory_does_a_stack_hold() -> Panel:
    return lines(
        "How much memory does a stack hold?",
        "Sum of PSS over its processes: shared pages are counted once. This is what the report compares. Absent where "
        "one process could not be read. Worry when it grows while users stay: that is a leak.",
        "bytes",
        [Query('sum by (stack) (process_tree_pss_bytes{stack=~"$stack", stack!=""})', "{{stack}} PSS")],
    )


def _how_much_would_rss_say() -> Panel:
    return lines(
        "How much would RSS say?",
        "Sum of RSS, which counts shared pages in every process. Beside PSS to see how far it misleads with several "
        "workers. Worry when somebody sizes a limit by it: it is too much by what workers share.",
        "bytes",
        [Query('sum by (stack) (process_tree_rss_bytes{stack=~"$stack", stack!=""})', "{{stack}} RSS")],
    )


def _how_close_is_the_limit() -> Panel:
    return lines(
        "How close is the limit?",
        "Working set of a pod's control group (what the kernel's out-of-memory killer looks at) and its limit. No "
        "data where there is no limit, as on one machine: the group then holds much more. Worry above nine tenths.",
        "bytes",
        [
            Query(
                'sum by (stack, pod) (cgroup_memory_working_set_bytes{stack=~"$stack", stack!=""}) '
                f"and on (stack, pod) {LIMIT}",
                "{{pod}} working set",
            ),
            Query(LIMIT, "{{pod}} limit"),
        ],
    )


def _how_much_of_it_is_the_program_s_own() -> Panel:
    return lines(
        "How much of it is the program's own?",
        "Anonymous memory of a pod's control group: heaps and stacks, no files. The kernel can take back the rest of "
        "the working set. No data where the group has no limit. Worry when this part comes near the limit: nothing "
        "can be taken back then.",
        "bytes",
        [
            Query(
                'sum by (stack, pod) (cgroup_memory_anon_bytes{stack=~"$stack", stack!=""}) '
                f"and on (stack, pod) {LIMIT}",
                "{{pod}} anon",
            )
        ],
    )


def _what_does_each_process_hold() -> Panel:
    return lines(
        "What does each process hold?",
        "PSS of every process of a stack, by its pod: in containers all have the same numbers. Worry about a worker "
        "that grows for ever, which leaks, and about workers far apart, which got other work.",
        "bytes",
        [Query('worker_pss_bytes{stack=~"$stack", stack!=""}', "{{pod}} {{role}} {{pid}}")],
    )


def _what_does_an_open_connection_cost() -> Panel:
    return lines(
        "What does an open connection cost?",
        "PSS over open connections. Falls as connections share the fixed part; where it stays level, each connection "
        "has its price. Worry when it rises with users: a connection then costs more the more there are.",
        "bytes",
        [
            Query(
                'sum by (stack) (process_tree_pss_bytes{stack=~"$stack", stack!=""}) / '
                '(sum by (stack) (worker_connections{stack=~"$stack", stack!=""}) > 0)',
                "{{stack}}",
            )
        ],
    )


def _did_anything_restart_or_run_out_of_memory() -> Panel:
    return lines(
        "Did anything restart or run out of memory?",
        "Restarts in place seen by processor time that fell back, and kills for want of memory as cAdvisor counts "
        "them (absent without cAdvisor). Worry at anything above zero: a window with either is refused.",
        "short",
        [
            Query(
                'sum by (stack, pod) (resets(process_tree_cpu_seconds_total{stack=~"$stack", stack!=""}[10m]))',
                "{{pod}} restarts in 10 min",
            ),
            Query(
                'sum by (pod) (increase(container_oom_events_total{namespace="loadlab", container!=""}[10m]))',
                "{{pod}} killed in 10 min",
            ),
        ],
        width=WHOLE_ROW,
    )
