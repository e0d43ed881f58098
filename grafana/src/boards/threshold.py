"""Threshold: where the stacks part, and why."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board
from boards.panels import (
    OPEN_LOAD,
    ORANGE,
    THIRD_ROW,
    USERS_ASKED_FOR,
    USERS_THERE,
    Bound,
    Panel,
    Query,
    lines,
)

FAILED = 'sum by (stack) (rate(locust_requests_failed_total{stack=~"$stack", stack!=""}[$__rate_interval]))'
WELL = 'sum by (stack) (rate(locust_response_seconds_count{stack=~"$stack", stack!=""}[$__rate_interval]))'


def _response(share: str) -> str:
    buckets = 'sum by (stack, le) (rate(locust_response_seconds_bucket{stack=~"$stack", stack!=""}[$__rate_interval]))'
    return f"histogram_quantile({share}, {buckets})"


def board() -> Dashboard:
    """The board."""
    load = (
        _how_many_users_are_there(),
        _how_much_is_sent(),
        _how_much_is_answered(),
    )
    times = (
        _how_long_do_answers_take_median(),
        _how_long_do_answers_take_p95(),
        _how_long_do_answers_take_p99(),
    )
    reasons = (
        _are_all_slots_busy(),
        _how_long_do_requests_wait_to_be_taken_up(),
        _is_the_event_loop_late(),
        _how_many_requests_fail(),
        _how_many_calls_wait_for_the_upstream(),
    )
    return make_board(
        "loadlab-threshold",
        "At how many users does the synchronous stack start to fall behind, and what fills up first?",
        (("Load", load), ("Response times as users see them", times), ("Why", reasons)),
    )


def _how_many_users_are_there() -> Panel:
    return lines(
        "How many users are there?",
        "Users that run and users that were asked for. No data in an open load, which has arrivals and no users. Worry "
        "when they differ for longer than a start takes: the level is then not the one that is written beside it.",
        "short",
        [Query(USERS_THERE, "running"), Query(USERS_ASKED_FOR, "asked for")],
        width=THIRD_ROW,
    )


def _how_much_is_sent() -> Panel:
    return lines(
        "How much is sent?",
        "Requests sent per second; and in an open load the arrivals that its level asks for, before the steps of its "
        "schedule. A closed load has no schedule, and no such line. Worry when less is sent than asked for: arrivals "
        "were dropped, or the load generator is late.",
        "reqps",
        [
            Query(
                'sum by (stack) (rate(locust_requests_sent_total{stack=~"$stack", stack!=""}[$__rate_interval]))',
                "{{stack}}",
            ),
            Query(f"max(loadlab_trial_users) and on () {OPEN_LOAD}", "asked for"),
        ],
        width=THIRD_ROW,
    )


def _how_much_is_answered() -> Panel:
    return lines(
        "How much is answered?",
        "Requests that ended per second, as the load generator saw them, and the good ones among them (as expected, "
        "within the objective). Worry when a stack's line goes flat while users rise: it has met its limit.",
        "reqps",
        [
            Query('loadlab:stack_requests_rps{stack=~"$stack", stack!=""}', "{{stack}}"),
            Query('loadlab:stack_goodput_rps{stack=~"$stack", stack!=""}', "{{stack}} good"),
        ],
        width=THIRD_ROW,
    )


def _how_long_do_answers_take_median() -> Panel:
    return lines(
        "How long do answers take? (median)",
        "What half of the users waited at least. Closed loop: users wait for their answer, so that a stall hides the "
        "requests it kept from being sent. Worry when it leaves the upstream's latency: requests then wait inside the "
        "stack.",
        "s",
        [Query(_response("0.5"), "{{stack}} p50")],
        width=THIRD_ROW,
    )


def _how_long_do_answers_take_p95() -> Panel:
    return lines(
        "How long do answers take? (95 %)",
        "95th percentile of the same. From bucket bounds, so up to a third too coarse; the report has exact ones. "
        "Worry when it passes the objective: one request in twenty then misses it.",
        "s",
        [Query(_response("0.95"), "{{stack}} p95")],
        width=THIRD_ROW,
    )


def _how_long_do_answers_take_p99() -> Panel:
    return lines(
        "How long do answers take? (99 %)",
        "99th percentile of the same. Means little below some 1000 requests in the interval. Worry when it rises "
        "while the median stays: a few requests queue, and soon all of them will.",
        "s",
        [Query(_response("0.99"), "{{stack}} p99")],
        width=THIRD_ROW,
    )


def _are_all_slots_busy() -> Panel:
    return lines(
        "Are all slots busy?",
        "Request slots of the sync stack at work, and how many there are. An async stack has no slots and no line "
        "here. Worry when all are busy: every further user waits.",
        "short",
        [
            Query('sum by (stack) (worker_slots_busy{stack=~"$stack", stack!=""})', "{{stack}} busy"),
            Query('sum by (stack) (worker_slots{stack=~"$stack", stack!=""})', "{{stack}} slots"),
        ],
        width=THIRD_ROW,
    )


def _how_long_do_requests_wait_to_be_taken_up() -> Panel:
    return lines(
        "How long do requests wait to be taken up?",
        "95th percentile from being sent to being taken up by the application. Worry when it grows: the pool is full, "
        "or the event loop late.",
        "s",
        [
            Query(
                "histogram_quantile(0.95, sum by (stack, le) "
                '(rate(request_queue_seconds_bucket{stack=~"$stack", stack!=""}[$__rate_interval])))',
                "{{stack}} p95",
            )
        ],
        width=THIRD_ROW,
    )


def _is_the_event_loop_late() -> Panel:
    return lines(
        "Is the event loop late?",
        "99th percentile of how late the async stack's event loop woke a sleeping task. A sync stack has no loop and "
        "no line here. Worry above 10 ms: something works inside the loop.",
        "s",
        [
            Query(
                "histogram_quantile(0.99, sum by (stack, le) "
                '(rate(event_loop_lag_seconds_bucket{stack=~"$stack", stack!=""}[$__rate_interval])))',
                "{{stack}} p99",
            )
        ],
        width=THIRD_ROW,
        bounds=(Bound(0.01, ORANGE),),
    )


def _how_many_requests_fail() -> Panel:
    return lines(
        "How many requests fail?",
        "Share of requests that ended otherwise than expected. Worry at anything above zero: a stack "
        "that refuses is not cheaper.",
        "percentunit",
        [
            Query(
                f"{FAILED} / ({FAILED} + {WELL} > 0)",
                "{{stack}}",
            )
        ],
    )


def _how_many_calls_wait_for_the_upstream() -> Panel:
    return lines(
        "How many calls wait for the upstream?",
        "Outbound calls under way; by Little's law throughput times the upstream's latency. Worry where it stays at "
        "the number of slots: a sync stack cannot have more calls than slots.",
        "short",
        [Query('sum by (stack) (upstream_requests_in_flight{stack=~"$stack", stack!=""})', "{{stack}}")],
    )
