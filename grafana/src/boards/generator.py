"""Generator health: is it the load generator? Red where the gates would refuse the window."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board
from boards.panels import RED, THIRD_ROW, WHOLE_ROW, Bound, Panel, Query, figure, lines

THROTTLED = "locust_generator_throttled_seconds_total"


def board() -> Dashboard:
    """The board. Bounds are those of the gates (docs/method.md, "Is it the generator?")."""
    figures = (
        _are_all_workers_there(),
        _has_it_processors_to_spare(),
        _does_it_wake_in_time(),
        _is_it_kept_off_its_processors(),
    )
    courses = (
        _users_asked_for_and_there(),
        _requests_under_way(),
        _lag(),
        _processors_used(),
        _processor_time_taken_by_others(),
        _arrivals_dropped(),
    )
    return make_board(
        "loadlab-generator",
        "Is it the service that is slow, or the load generator?",
        (("Would the gates refuse this window?", figures), ("Course", courses)),
    )


def _are_all_workers_there() -> Panel:
    return figure(
        "Are all workers there?",
        "Workers missing of those asked for. Red from one on: windows are refused.",
        "short",
        [Query("max(locust_workers_expected) - max(locust_workers)", "missing")],
        bounds=(Bound(1, RED),),
    )


def _has_it_processors_to_spare() -> Panel:
    return figure(
        "Has it processors to spare?",
        "Share of its processors that the generator uses. Red from 70 % on: windows are refused.",
        "percentunit",
        [Query("max(locust_generator_cpu_cores) / max(locust_generator_cores)", "used")],
        bounds=(Bound(0.7, RED),),
    )


def _does_it_wake_in_time() -> Panel:
    return figure(
        "Does it wake in time?",
        "Median of how late a greenlet woke that asked for 10 ms. Red above 1 ms: windows are refused.",
        "s",
        [Query('max(locust_generator_lag_seconds{quantile="0.5"})', "median")],
        bounds=(Bound(0.001, RED),),
    )


def _is_it_kept_off_its_processors() -> Panel:
    return figure(
        "Is it kept off its processors?",
        "Seconds of throttling in the last minute. Red at anything: windows are refused. Absent without a limit.",
        "s",
        [
            Query(
                f"sum({THROTTLED}) - sum({THROTTLED} offset 1m)",
                "throttled",
            )
        ],
        bounds=(Bound(0.000001, RED),),
    )


def _users_asked_for_and_there() -> Panel:
    return lines(
        "Users asked for and there",
        "They differ while a level starts. Later it means that users died: see Locust's log.",
        "short",
        [Query("sum(locust_users)", "there"), Query("sum(locust_users_wanted)", "asked for")],
    )


def _requests_under_way() -> Panel:
    return lines(
        "Requests under way",
        "At most one for each user; the rest of the users think. More would be a fault of the lab.",
        "short",
        [Query("sum(locust_requests_in_flight)", "in flight")],
    )


def _lag() -> Panel:
    return lines(
        "Lag",
        "How late greenlets wake. The 99th percentile may reach 5 ms, or 5 % of the measured 99th percentile where "
        "that is more.",
        "s",
        [Query("max by (quantile) (locust_generator_lag_seconds)", "quantile {{quantile}}")],
        width=THIRD_ROW,
        bounds=(Bound(0.005, RED),),
    )


def _processors_used() -> Panel:
    return lines(
        "Processors used",
        "Processor seconds per second over all workers, and how many they may use.",
        "short",
        [
            Query("sum(locust_generator_cpu_cores)", "used"),
            Query("sum(locust_generator_cores)", "allowed"),
        ],
        width=THIRD_ROW,
    )


def _processor_time_taken_by_others() -> Panel:
    return lines(
        "Processor time taken by others",
        "Share of processor time that the hypervisor gave to somebody else. Windows are refused from 1 % on.",
        "percentunit",
        [Query("max(locust_generator_steal_ratio)", "stolen")],
        width=THIRD_ROW,
        bounds=(Bound(0.01, RED),),
    )


def _arrivals_dropped() -> Panel:
    return lines(
        "Arrivals dropped",
        "Due arrivals of an open load that were not sent because too many were in flight. Absent in closed loops, "
        "which have no schedule to fall behind.",
        "short",
        [Query("sum(locust_arrivals_dropped_total)", "dropped")],
        width=WHOLE_ROW,
    )
