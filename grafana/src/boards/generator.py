"""Generator health: is it the load generator? Red where the gates would refuse the window."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board
from boards.panels import (
    OPEN_LOAD,
    RED,
    THIRD_ROW,
    USERS_ASKED_FOR,
    USERS_THERE,
    WHOLE_ROW,
    Bound,
    Panel,
    Query,
    figure,
    lines,
)

MEASURED_P99 = "histogram_quantile(0.99, sum by (le) (rate(locust_response_seconds_bucket[$__rate_interval])))"
LAG_ALLOWED = f"(clamp_min(0.05 * ({MEASURED_P99} > 0), 0.005) or on () vector(0.005))"
"""For the lag's p99: 5 ms, or 5 % of the measured p99 where that is more; 5 ms while nothing is answered."""
ABOVE = 1e-6
"""A bound that may be reached is passed from a little more on: a threshold of Grafana includes its value."""


def board() -> Dashboard:
    """The board. Bounds are those of the gates (docs/method.md, "Is it the generator?")."""
    figures = (
        _are_all_workers_there(),
        _has_it_processors_to_spare(),
        _does_its_median_wake_up_come_in_time(),
        _do_its_latest_wake_ups_come_in_time(),
        _is_it_kept_off_its_processors(),
        _is_its_time_given_to_others(),
        _are_all_users_there(),
        _does_it_drop_arrivals(),
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
        "Is it the service that is slow, or the load generator? Two gates stand in the report alone: the dispatch lag "
        "of an open load, and what this machine was calibrated for.",
        (("Would the gates refuse this window?", figures), ("Course", courses)),
    )


def _are_all_workers_there() -> Panel:
    return figure(
        "Are all workers there?",
        "Workers missing of those asked for. Worry when it is red, from one on: windows are refused.",
        "short",
        [Query("max(locust_workers_expected) - max(locust_workers)", "missing")],
        bounds=(Bound(1, RED),),
    )


def _has_it_processors_to_spare() -> Panel:
    return figure(
        "Has it processors to spare?",
        "Share of its processors that the generator uses. Worry when it is red, from 70 % on: windows are refused.",
        "percentunit",
        [Query("max(locust_generator_cpu_cores) / max(locust_generator_cores)", "used")],
        bounds=(Bound(0.7, RED),),
    )


def _does_its_median_wake_up_come_in_time() -> Panel:
    return figure(
        "Does it wake in time?",
        "Median of how late a greenlet woke that asked for 10 ms. Worry when it is red, above 1 ms: windows are "
        "refused.",
        "s",
        [Query('max(locust_generator_lag_seconds{quantile="0.5"})', "median")],
        bounds=(Bound(0.001 + ABOVE / 1000, RED),),
    )


def _do_its_latest_wake_ups_come_in_time() -> Panel:
    return figure(
        "Do its latest wake-ups come in time?",
        "99th percentile of how late greenlets woke, as a share of what the gate allows: 5 ms, or 5 % of the measured "
        "99th percentile where that is more. Worry when it is red, above all of it: windows are refused.",
        "percentunit",
        [Query(f'max(locust_generator_lag_seconds{{quantile="0.99"}}) / on () {LAG_ALLOWED}', "of what is allowed")],
        bounds=(Bound(1 + ABOVE, RED),),
    )


def _is_it_kept_off_its_processors() -> Panel:
    return figure(
        "Is it kept off its processors?",
        "Seconds of throttling in the last minute. Absent without a limit. Worry when it is red, at anything: windows "
        "are refused.",
        "s",
        [Query("sum(increase(locust_generator_throttled_seconds_total[1m]))", "throttled")],
        bounds=(Bound(ABOVE, RED),),
    )


def _is_its_time_given_to_others() -> Panel:
    return figure(
        "Is its time given to others?",
        "Share of processor time that the hypervisor took, for somebody else or to wake an idle core. Worry when it is "
        "red, from 1 % on: windows are refused.",
        "percentunit",
        [Query("max(locust_generator_steal_ratio)", "stolen")],
        bounds=(Bound(0.01, RED),),
    )


def _are_all_users_there() -> Panel:
    return figure(
        "Are all users there?",
        "How far the users that run are from those asked for, as a share. Between levels it is red while users start "
        "and stop. No data in an open load, which has no users. Worry when it stays red, above 2 %: windows are "
        "refused.",
        "percentunit",
        [Query(f"abs(sum(locust_users) / (sum(locust_users_wanted) > 0) - 1) unless on () {OPEN_LOAD}", "off")],
        bounds=(Bound(0.02 + ABOVE, RED),),
    )


def _does_it_drop_arrivals() -> Panel:
    return figure(
        "Does it drop arrivals?",
        "Due arrivals of an open load that were not sent in the last minute. Absent in closed loops. Worry when it is "
        "red, from a single one on: windows are refused.",
        "short",
        [Query("sum(increase(locust_arrivals_dropped_total[1m]))", "dropped")],
        bounds=(Bound(ABOVE, RED),),
    )


def _users_asked_for_and_there() -> Panel:
    return lines(
        "Users asked for and there",
        "They differ while a level starts. No data in an open load, which has no users. Worry when they differ later: "
        "users died, see Locust's log.",
        "short",
        [Query(USERS_THERE, "there"), Query(USERS_ASKED_FOR, "asked for")],
    )


def _requests_under_way() -> Panel:
    return lines(
        "Requests under way",
        "In a closed load at most one for each user; the rest of the users think. In an open one all that arrived and "
        "are not answered. Worry when there are more than the users of a closed load, which is a fault of the lab, or "
        "when those of an open one grow without end: more arrive than are answered.",
        "short",
        [Query("sum(locust_requests_in_flight)", "in flight")],
    )


def _lag() -> Panel:
    return lines(
        "Lag",
        "How late greenlets wake. The 99th percentile may reach 5 ms, or 5 % of the measured 99th percentile where "
        "that is more. Worry when it grows with the load: the generator then measures itself.",
        "s",
        [Query("max by (quantile) (locust_generator_lag_seconds)", "quantile {{quantile}}")],
        width=THIRD_ROW,
        bounds=(Bound(0.005, RED),),
    )


def _processors_used() -> Panel:
    return lines(
        "Processors used",
        "Processor seconds per second over all workers, and how many they may use. Worry when the first comes near "
        "the second: it needs more workers.",
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
        "Share of processor time that the hypervisor took, for somebody else or to wake an idle core. Worry from "
        "1 % on: windows are refused.",
        "percentunit",
        [Query("max(locust_generator_steal_ratio)", "stolen")],
        width=THIRD_ROW,
        bounds=(Bound(0.01, RED),),
    )


def _arrivals_dropped() -> Panel:
    return lines(
        "Arrivals dropped",
        "Due arrivals of an open load that were not sent because too many were in flight. Absent in closed loops, "
        "which have no schedule to fall behind. Worry when it rises: latencies leave out what was not sent.",
        "short",
        [Query("sum(locust_arrivals_dropped_total)", "dropped")],
        width=WHOLE_ROW,
    )
