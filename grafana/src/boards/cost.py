"""Cost: what the stacks cost by the hour and by the million, now and at each level that was measured."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board, single
from boards.panels import THIRD_ROW, Panel, Query, against_users, figure, lines, rows

CHOSEN = 'list="$list", billing="$billing"'
VARIABLES = (
    single("list", "Price list", "label_values(loadlab_billed_cpu_cores, list)"),
    single("billing", "Billing", 'label_values(loadlab_billed_cpu_cores{list="$list"}, billing)'),
)
"""What the session bills: prices are series of every list there is, and the first of those may have no bill."""
LEVEL = f'loadlab:level_usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}'


def board() -> Dashboard:
    """The board."""
    now = (
        _what_does_the_deployment_cost_by_the_hour(),
        _what_does_a_million_good_requests_cost_now(),
        _and_a_million_requests_good_or_not(),
        _how_does_the_cost_of_a_good_request_move(),
        _how_much_dearer_is_the_first_stack(),
    )
    levels = (
        _where_do_the_costs_part(),
        _what_did_each_level_cost(),
        _billed_by_the_request_or_by_the_hour(),
        _which_prices_are_these(),
    )
    return make_board(
        "loadlab-cost",
        "What do the stacks cost, by the hour and by the million good requests, on whose price list?",
        (("Now", now), ("Levels that were measured", levels)),
        variables=VARIABLES,
    )


def _what_does_the_deployment_cost_by_the_hour() -> Panel:
    return figure(
        "What does the deployment cost by the hour?",
        "What the price list bills for the replicas that run, whatever they do. Absent for request-billed lists, "
        "whose bill follows the requests, and while no experiment says what is billed. Worry when the stacks differ: "
        "one of them was given more than the other.",
        "currencyUSD",
        [Query(f'loadlab:stack_usd_per_hour{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        width=THIRD_ROW,
        decimals=4,
    )


def _what_does_a_million_good_requests_cost_now() -> Panel:
    return figure(
        "What does a million good requests cost now?",
        "Dollars an hour over good requests an hour, of the stack under load. Worry when it stops falling while users "
        "rise: the stack is full, and further users are not answered in time.",
        "currencyUSD",
        [Query(f'loadlab:usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        width=THIRD_ROW,
        decimals=4,
    )


def _and_a_million_requests_good_or_not() -> Panel:
    return figure(
        "And a million requests, good or not?",
        "The same over all requests that ended. Worry when it is far below the cost of a good one: the objective is "
        "missed.",
        "currencyUSD",
        [Query(f'loadlab:usd_per_million_requests{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        width=THIRD_ROW,
        decimals=4,
    )


def _how_does_the_cost_of_a_good_request_move() -> Panel:
    return lines(
        "How does the cost of a good request move?",
        "Cost per million good requests over time, on a logarithmic axis. Only the stack under load has a value; it "
        "has none until its window has been the same for 20 s. Worry when it turns "
        "upwards within a level: good answers become fewer.",
        "currencyUSD",
        [Query(f'loadlab:usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        is_logarithmic=True,
    )


def _how_much_dearer_is_the_first_stack() -> Panel:
    return lines(
        "How much dearer is the first stack?",
        "Ratio of cost per million good requests at each level that both stacks were measured at, and 1 + the margin "
        "that the experiment declared. Worry about ratios near the margin: one window each decides nothing there, the "
        "report has the interval.",
        "none",
        [
            Query(f"loadlab:level_cost_ratio{{{CHOSEN}}}", "{{users}} users"),
            Query("1 + max(loadlab_margin_ratio)", "1 + margin"),
        ],
        least=None,
    )


def _where_do_the_costs_part() -> Panel:
    return against_users(
        "Where do the costs part?",
        "Cost per million good requests (vertical) against users (horizontal), from the last whole window at each "
        "level; both axes are logarithmic. Grafana 9 shows the table beside it instead. Worry where a stack's points "
        "turn upwards: from there on users cost more than they bring.",
        "currencyUSD",
        Query(LEVEL, "{{stack}}"),
    )


def _what_did_each_level_cost() -> Panel:
    return rows(
        "What did each level cost?",
        "The same as a table: stack, users, dollars per million good requests. Worry about levels that are missing: "
        "nothing good was answered there, so that they have no price.",
        "currencyUSD",
        [Query(LEVEL, "{{stack}} at {{users}}")],
    )


def _billed_by_the_request_or_by_the_hour() -> Panel:
    return rows(
        "Billed by the request or by the hour?",
        "Every billing model at every level. Prices cancel between stacks of equal size when pod-hours are billed; "
        "billing by the request breaks the tie. Worry when the cheaper stack changes with the billing: the answer "
        "then is the price list's.",
        "currencyUSD",
        [
            Query(
                'loadlab:level_usd_per_million_good{stack=~"$stack", stack!="", billing=~"provisioned|request_billed"}',
                "{{stack}} at {{users}}, {{list}}",
            )
        ],
    )


def _which_prices_are_these() -> Panel:
    return rows(
        "Which prices are these?",
        "The unit prices of the chosen list as its file has them; where they come from and how far they can be "
        "trusted stands there. Worry when one differs from your own bill: costs scale with it.",
        "currencyUSD",
        [Query(f"loadlab:price_usd{{{CHOSEN}}}", "{{unit}}")],
    )
