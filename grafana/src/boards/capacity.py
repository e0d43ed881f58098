"""Capacity: the overview for the meeting."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board, typed
from boards.panels import ORANGE, RED, THIRD_ROW, WHOLE_ROW, Bound, Panel, Query, against_users, figure, lines, rows

GOOD = 'sum by (stack, users) (loadlab_level_good_requests{stack=~"$stack", stack!=""})'
ENDED = 'sum by (stack, users) (loadlab_level_ok_requests{stack=~"$stack", stack!=""} + loadlab_level_failed_requests)'
GOOD_SHARE = f"{GOOD} / {ENDED}"
HELD = (
    f"max by (stack) (max by (stack, users) (loadlab_level_users) and on (stack, users) ({GOOD_SHARE} >= $good_ratio))"
)
GOODPUT = 'loadlab:level_goodput_rps{stack=~"$stack", stack!=""}'
SLOTS_FREE = (
    '1 - sum by (stack) (worker_slots_busy{stack=~"$stack", stack!=""}) / '
    'sum by (stack) (worker_slots{stack=~"$stack", stack!=""})'
)
CORES_FREE = (
    '1 - sum by (stack) (rate(process_tree_cpu_seconds_total{stack=~"$stack", stack!=""}[$__rate_interval])) / '
    'sum by (stack) (cgroup_cpu_limit_cores{stack=~"$stack", stack!=""})'
)


def board() -> Dashboard:
    """The board."""
    answers = (
        _how_many_users_does_one_deployment_hold(),
        _how_many_deployments_for_many_users(),
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
        "The highest level measured at which the share of good requests is at least $good_ratio. A lower bound: the "
        "next level up broke it or was not measured. Worry when it is the highest level of all: the limit was not "
        "reached then, and is not known.",
        "short",
        [Query(HELD, "{{stack}}")],
        width=THIRD_ROW,
    )


def _how_many_deployments_for_many_users() -> Panel:
    return figure(
        "How many deployments for $target_users users?",
        "The target over what one deployment holds, rounded up. Type the target above. Worry when it is more than you "
        "would pay for, and note that nothing is kept in reserve.",
        "short",
        [Query(f"ceil($target_users / {HELD})", "{{stack}}")],
        width=THIRD_ROW,
    )


def _how_much_head_room_is_left_now() -> Panel:
    return figure(
        "How much head-room is left now?",
        "Share of slots that are free (sync stacks). Worry near zero: every further user waits.",
        "percentunit",
        [Query(SLOTS_FREE, "{{stack}} slots")],
        width=THIRD_ROW,
        bounds=(),
    )


def _head_room_of_the_processor() -> Panel:
    return lines(
        "Head-room of the processor",
        "Share of the processor limit that is not used. Absent where no limit is set. Worry below a fifth: the "
        "processor then binds before the pool does.",
        "percentunit",
        [Query(CORES_FREE, "{{stack}}")],
    )


def _where_is_the_knee() -> Panel:
    return against_users(
        "Where is the knee?",
        "Good requests per second (vertical) against users (horizontal), from the last whole window at each level; "
        "both axes are logarithmic. The knee is where a stack's points stop rising; the report has the bracket. "
        "Grafana 9 shows the table below instead. Worry where points fall again: the stack does less the more is "
        "asked of it.",
        "reqps",
        Query(GOODPUT, "{{stack}}"),
    )


def _what_did_each_level_answer() -> Panel:
    return rows(
        "What did each level answer?",
        "The same as a table: stack, users, good requests per second. Worry where more users get fewer good answers.",
        "reqps",
        [Query(GOODPUT, "{{stack}} at {{users}}")],
    )


def _what_held_the_objective() -> Panel:
    return rows(
        "What held the objective?",
        "Share of good requests at each level. Worry below $good_ratio: the level broke the objective.",
        "percentunit",
        [Query(GOOD_SHARE, "{{stack}} at {{users}}")],
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
