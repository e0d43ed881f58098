"""Cost: what the stacks cost by the hour and by the million, now and at each level that was measured."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.board import make_board, single
from boards.panels import THIRD_ROW, Query, against_users, figure, lines, rows

CHOSEN = 'list="$list", billing="$billing"'
VARIABLES = (
    single("list", "Price list", "label_values(loadlab:price_usd, list)"),
    single("billing", "Billing", 'label_values(loadlab:price_usd{list="$list"}, billing)'),
)


def board() -> Dashboard:
    """The board."""
    now = (
        figure(
            "What does the deployment cost by the hour?",
            "What the price list bills for the replicas that run, whatever they do. Absent for request-billed lists, "
            "whose bill follows the requests, and while no experiment says what is billed.",
            "currencyUSD",
            [Query(f'loadlab:stack_usd_per_hour{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
            width=THIRD_ROW,
            decimals=4,
        ),
        figure(
            "What does a million good requests cost now?",
            "Dollars an hour over good requests an hour, of the stack under load. Blocking shows here as a line that "
            "stops falling while users rise.",
            "currencyUSD",
            [Query(f'loadlab:usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
            width=THIRD_ROW,
            decimals=4,
        ),
        figure(
            "And a million requests, good or not?",
            "The same over all requests that ended. Far below the cost of a good one: the objective is missed.",
            "currencyUSD",
            [Query(f'loadlab:usd_per_million_requests{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
            width=THIRD_ROW,
            decimals=4,
        ),
        lines(
            "How does the cost of a good request move?",
            "Cost per million good requests over time, on a logarithmic axis. Only the stack under load has a value; "
            "it is high while a level starts, for the deployment is paid for and little is answered yet.",
            "currencyUSD",
            [Query(f'loadlab:usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}', "{{stack}}")],
            is_logarithmic=True,
        ),
        lines(
            "How much dearer is the first stack?",
            "Ratio of cost per million good requests at each level that both stacks were measured at, and 1 + the "
            "margin that the experiment declared. One window each: the report has the interval.",
            "none",
            [
                Query(f"loadlab:level_cost_ratio{{{CHOSEN}}}", "{{users}} users"),
                Query("1 + max(loadlab_margin_ratio)", "1 + margin"),
            ],
            least=None,
        ),
    )
    level = f'loadlab:level_usd_per_million_good{{stack=~"$stack", stack!="", {CHOSEN}}}'
    levels = (
        against_users(
            "Where do the costs part?",
            "Cost per million good requests (vertical) against users (horizontal), from the last whole window at each "
            "level. Grafana 9 shows the table beside it instead.",
            "currencyUSD",
            Query(level, "{{stack}}"),
        ),
        rows(
            "What did each level cost?",
            "The same as a table: stack, users, dollars per million good requests.",
            "currencyUSD",
            [Query(level, "{{stack}} at {{users}}")],
        ),
        rows(
            "Billed by the request or by the hour?",
            "Every billing model at every level. Prices cancel between stacks of equal size when pod-hours are "
            "billed; billing by the request breaks the tie.",
            "currencyUSD",
            [
                Query(
                    'loadlab:level_usd_per_million_good{stack=~"$stack", stack!="", '
                    'billing=~"provisioned|request_billed"}',
                    "{{stack}} at {{users}}, {{list}}",
                )
            ],
        ),
        rows(
            "Which prices are these?",
            "The unit prices of the chosen list as its file has them; where they come from and how far they can be "
            "trusted stands there.",
            "currencyUSD",
            [Query(f"loadlab:price_usd{{{CHOSEN}}}", "{{unit}}")],
        ),
    )
    return make_board(
        "loadlab-cost",
        "What do the stacks cost, by the hour and by the million good requests, on whose price list?",
        (("Now", now), ("Levels that were measured", levels)),
        variables=VARIABLES,
    )
