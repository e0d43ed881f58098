"""Cost: what the stacks cost by the hour and by the million, now and at each level that was measured."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board, single
from boards.panels import THIRD_ROW, WHOLE_ROW, Column, Panel, Query, against_users, figure, lines, rows

CHOSEN = 'list="$list", billing="$billing"'
VARIABLES = (
    single("list", "Price list", "label_values(loadlab_price_named, list)"),
    single("billing", "Billing", 'label_values(loadlab_price_named{list="$list"}, billing)'),
)
"""What the session bills: prices are series of every list there is, and the first of those may have no bill."""
BY_REQUEST = (
    "No data for lists that bill requests (request_billed, per_request_memory): what they bill is known once a window "
    "is over, and is in the levels below."
)
RATIO = f"loadlab:level_cost_ratio{{{CHOSEN}}}"
MARGIN = "(1 + scalar(max(loadlab_margin_ratio)))"
USERS = "max by (users) (loadlab_level_users)"
DEARER_FROM = f"min({USERS} and on (users) ({RATIO} > {MARGIN}))"
WITHIN_UP_TO = f"max(({USERS} and on (users) ({RATIO} <= {MARGIN})) < scalar({DEARER_FROM} or vector(Inf)))"
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
        _where_do_they_part_so_far(),
        _where_do_the_costs_part(),
        _what_did_each_level_cost(),
        _what_does_each_price_list_say(),
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
        "What the price list bills for the replicas that run, whatever they do; under usage billing for what they use "
        f"where that is more. {BY_REQUEST} Worry when the stacks differ: "
        "one of them was given more than the other.",
        "currencyUSD",
        [Query(f'loadlab:stack_usd_per_hour{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        width=THIRD_ROW,
        decimals=4,
    )


def _what_does_a_million_good_requests_cost_now() -> Panel:
    return figure(
        "What does a million good requests cost now?",
        f"Dollars an hour over good requests an hour, of the stack under load. {BY_REQUEST} Worry when it "
        "stops falling while users rise: the stack is full, and further users are not answered in time.",
        "currencyUSD",
        [Query(f'loadlab:usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        width=THIRD_ROW,
        decimals=4,
    )


def _and_a_million_requests_good_or_not() -> Panel:
    return figure(
        "And a million requests, good or not?",
        f"The same over all requests that ended. {BY_REQUEST} Worry when it is far below the cost of a "
        "good one: the objective is missed.",
        "currencyUSD",
        [Query(f'loadlab:usd_per_million_requests{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        width=THIRD_ROW,
        decimals=4,
    )


def _how_does_the_cost_of_a_good_request_move() -> Panel:
    return lines(
        "How does the cost of a good request move?",
        "Cost per million good requests over time, on a logarithmic axis. Only the stack under load has a value; it "
        f"has none until its window has been the same for 20 s. {BY_REQUEST} Worry when it turns "
        "upwards within a level: good answers become fewer.",
        "currencyUSD",
        [Query(f'loadlab:usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
        is_logarithmic=True,
    )


def _how_much_dearer_is_the_first_stack() -> Panel:
    return lines(
        "How much dearer is the first stack?",
        "Ratio of cost per million good requests at each level that both stacks were measured at, and 1 + the margin "
        "that the experiment declared. Worry about ratios near the margin: few windows decide nothing there, the "
        "report has the interval.",
        "none",
        [
            Query(RATIO, "{{users}} users"),
            Query("1 + max(loadlab_margin_ratio)", "1 + margin"),
        ],
        least=None,
    )


def _where_do_the_costs_part() -> Panel:
    return against_users(
        "Where do the costs part?",
        "Cost per million good requests (vertical) against users (horizontal); both axes are logarithmic. Grafana 9 "
        "shows the table beside it instead. Worry where a stack's points turn upwards: from there on users cost more "
        "than they bring.",
        "currencyUSD",
        Query(LEVEL, "{{stack}}"),
    )


def _where_do_they_part_so_far() -> Panel:
    return figure(
        "Between how many users do they part, so far?",
        "Users from which on the first stack is dearer by more than the margin, and the highest level below that it "
        "still is not. Provisional: from the levels measured so far, without intervals. The report has the bracket. "
        "While no level is dearer there is no first figure, while the lowest already is no second. Worry when the two "
        "are far apart: a level between them would tell more.",
        "short",
        [Query(WITHIN_UP_TO, "not yet at"), Query(DEARER_FROM, "dearer from")],
        width=WHOLE_ROW,
    )


def _what_did_each_level_cost() -> Panel:
    return rows(
        "What did each level cost?",
        "Dollars per million good requests of each stack at each level. Worry about levels that are missing: "
        "nothing good was answered there, no window of it counts, or what is billed was not measured.",
        ("stack", "users"),
        [Column(LEVEL, "per million good", "currencyUSD")],
    )


def _what_does_each_price_list_say() -> Panel:
    return rows(
        "What does each price list say?",
        "Every price that the experiment names, at every level. Prices cancel between stacks of equal size when "
        "pod-hours are billed; billing by the request or by use breaks the tie. Worry when the cheaper stack changes "
        "with the billing: the answer then is the price list's.",
        ("stack", "users", "list", "billing"),
        [
            Column(
                'loadlab:level_usd_per_million_good{stack=~"$stack", stack!=""}',
                "per million good",
                "currencyUSD",
            )
        ],
    )


def _which_prices_are_these() -> Panel:
    return rows(
        "Which prices are these?",
        "The unit prices of the chosen list as its file has them; where they come from and how far they can be "
        "trusted stands there. Worry when one differs from your own bill: costs scale with it.",
        ("unit",),
        [Column(f"loadlab:price_usd{{{CHOSEN}}}", "price", "currencyUSD")],
    )
