"""Capacity: the overview for the meeting."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board, typed
from boards.panels import (
    ORANGE,
    QUARTER_ROW,
    RED,
    WHOLE_ROW,
    Bound,
    Column,
    Panel,
    Query,
    against_users,
    figure,
    lines,
    rows,
)

GOOD = 'sum by (stack, users) (loadlab_level_good_requests{stack=~"$stack", stack!=""})'
ENDED = 'sum by (stack, users) (loadlab_level_ok_requests{stack=~"$stack", stack!=""} + loadlab_level_failed_requests)'
GOOD_SHARE = f"{GOOD} / {ENDED}"
LEVEL_USERS = 'max by (stack, users) (loadlab_level_users{stack=~"$stack", stack!=""})'
HOLDS = f"({LEVEL_USERS} and on (stack, users) ({GOOD_SHARE} >= $good_ratio))"
COUNTED = f"{LEVEL_USERS} and on (stack, users) loadlab_level_windows > 0"
"""Levels at which a window counts: one where all were refused is not known."""
BROKEN = f"min by (stack) ({COUNTED} unless on (stack, users) {HOLDS})"
HELD = f"max by (stack) ({HOLDS} < on (stack) group_left () {BROKEN} or {HOLDS} unless on (stack) {BROKEN})"
"""The largest level that holds as all below it do, as the report has it: one above a level that broke is luck."""
GOODPUT = 'loadlab:level_goodput_rps{stack=~"$stack", stack!=""}'
SLOTS_FREE = (
    '1 - sum by (stack) (worker_slots_busy{stack=~"$stack", stack!=""}) / '
    'sum by (stack) (worker_slots{stack=~"$stack", stack!=""})'
)
GIVEN = (
    '(sum by (stack) (loadlab_stack_cores{stack=~"$stack", stack!=""}) or '
    'sum by (stack) (cgroup_cpu_limit_cores{stack=~"$stack", stack!=""}))'
)
"""What the engine says that a stack has: its quota in a cluster, its own cores on one machine, where a control group
has no limit or one that is not the stack's alone. Without an engine, the limit.
"""
CORES_FREE = (
    '1 - sum by (stack) (rate(process_tree_cpu_seconds_total{stack=~"$stack", stack!=""}[$__rate_interval])) / '
    f"{GIVEN}"
)
KNEE = (
    f"min by (stack) ({LEVEL_USERS} and on (stack, users) "
    f"({GOODPUT} >= on (stack) group_left () (0.95 * max by (stack) ({GOODPUT}))))"
)


def board() -> Dashboard:
    """The board."""
    answers = (
        _how_many_users_does_one_deployment_hold(),
        _how_many_deployments_for_many_users(),
        _at_how_many_users_is_the_knee_so_far(),
        _how_much_head_room_is_left_now(),
        _head_room_of_the_processor(),
        _where_is_the_knee(),
        _what_did_each_level_answer(),
        _what_held_the_objective(),
        _what_is_fuller_slots_or_processor(),
    )
    return make_board(
        "loadlab-capacity",
        "How many users does a deployment hold, how much room is left, and how many deployments does a target need?",
        (("For the meeting", answers),),
        variables=(
            typed("target_users", "Target users", "1000"),
            typed("good_ratio", "Share of good requests", "0.95"),
        ),
    )


def _how_many_users_does_one_deployment_hold() -> Panel:
    return figure(
        "How many users does one deployment hold?",
        "The highest level at which the share of good requests is at least $good_ratio (type what the experiment's "
        "objective asks for above), as at all measured levels below it; no data where the lowest breaks it. A lower "
        "bound: the next level up broke it or was not measured. Worry when it is the highest level of all: the limit "
        "was not reached then, and is not known.",
        "short",
        [Query(HELD, "{{stack}}")],
        width=QUARTER_ROW,
    )


def _how_many_deployments_for_many_users() -> Panel:
    return figure(
        "How many deployments for $target_users users?",
        "The target over what one deployment holds, rounded up. Type the target above. Worry when it is more than you "
        "would pay for, and note that nothing is kept in reserve.",
        "short",
        [Query(f"ceil($target_users / {HELD})", "{{stack}}")],
        width=QUARTER_ROW,
    )


def _at_how_many_users_is_the_knee_so_far() -> Panel:
    return figure(
        "At how many users is the knee, so far?",
        "The lowest level that answers 95 % of the most that any level did: more users bring next to nothing from "
        "there on. Provisional: from the levels of which a window counts so far. Worry when it is the highest of them, "
        "which stands beside it: the knee was not reached then, and is not known.",
        "short",
        [Query(KNEE, "{{stack}} knee"), Query(f"max by (stack) ({COUNTED})", "{{stack}} highest level")],
        width=QUARTER_ROW,
    )


def _how_much_head_room_is_left_now() -> Panel:
    return figure(
        "How much head-room is left now?",
        "Share of slots that are free, and of the processor that is not used. An async stack has no slots: its "
        "head-room is the processor's. Worry near zero: every further user waits.",
        "percentunit",
        [Query(SLOTS_FREE, "{{stack}} slots"), Query(CORES_FREE, "{{stack}} processor")],
        width=QUARTER_ROW,
        bounds=(),
    )


def _head_room_of_the_processor() -> Panel:
    return lines(
        "Head-room of the processor",
        "Share of the stack's processors that is not used: of its quota in a cluster, of its own cores on one machine. "
        "Worry below a fifth: the processor then binds before the pool does.",
        "percentunit",
        [Query(CORES_FREE, "{{stack}}")],
    )


def _where_is_the_knee() -> Panel:
    return against_users(
        "Where is the knee?",
        "Good requests per second (vertical) against users (horizontal); both axes are logarithmic. The knee is where "
        "a stack's points stop rising; the report has the bracket. Grafana 9 shows the table below instead. Worry "
        "where points fall again: the stack does less the more is asked of it.",
        "reqps",
        Query(GOODPUT, "{{stack}}"),
    )


def _what_did_each_level_answer() -> Panel:
    return rows(
        "What did each level answer?",
        "Good requests per second of each stack at each level, in how many windows, and how many do not count: a gate "
        "refused them, or their pair. Worry where more users get fewer good answers.",
        ("stack", "users"),
        [
            Column(GOODPUT, "good", "reqps"),
            Column('loadlab_level_windows{stack=~"$stack", stack!=""}', "windows", "short"),
            Column('loadlab_level_windows_left_out{stack=~"$stack", stack!=""}', "left out", "short"),
        ],
    )


def _what_held_the_objective() -> Panel:
    return rows(
        "What held the objective?",
        "Share of good requests at each level. Worry below $good_ratio: the level broke the objective.",
        ("stack", "users"),
        [Column(GOOD_SHARE, "good", "percentunit")],
    )


def _what_is_fuller_slots_or_processor() -> Panel:
    return lines(
        "What is fuller, slots or processor?",
        "Both as shares of what there is; whatever reaches one first is the stack's limit. Worry when slots are full "
        "and the processor is idle: users wait for nothing.",
        "percentunit",
        [
            Query(f"1 - ({SLOTS_FREE})", "{{stack}} slots"),
            Query(f"1 - ({CORES_FREE})", "{{stack}} processor"),
        ],
        width=WHOLE_ROW,
        bounds=(Bound(0.8, ORANGE), Bound(1.0, RED)),
    )
