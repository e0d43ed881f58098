"""The boards are what their source makes, and every panel asks, answers, names its series and its unit."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
NEWEST_SCHEMA = 42
PANEL_TYPES = {"timeseries", "stat", "table", "xychart"}
"""All of them are in Grafana 9 (xychart there as a preview) and later."""
UNITS = {
    "bytes": r"_bytes",
    "s": r"_seconds|_seconds_bucket",
    "reqps": r"_rps|rate\(|loadlab_trial_users\) and on \(\) locust_load_info\{kind=\"open\"\}",
    "currencyUSD": r"usd",
    "percentunit": r"/|_ratio",
}
"""Unit of a panel to what its queries must then contain."""
UNIT_OF_NAME = {
    r"_bytes$": {"bytes"},
    r"_seconds(_bucket|_total)?$": {"s"},
    r"_rps$": {"reqps"},
    r"usd": {"currencyUSD"},
    r"_ratio$": {"percentunit", "none"},
    r"_cores$": {"short"},
}
"""End of a metric's name to the units its panel may have, where the query keeps the metric's unit."""
CHANGES_UNIT = re.compile(r"\b(rate|increase|resets)\(")


def _boards() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in FILES]


def _panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for board in _boards():
        for panel in board["panels"]:
            if panel["type"] != "row":
                yield board["uid"], panel


def _unit(panel: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """Of the query's column in a table of several, else of the panel."""
    overrides = {one["matcher"]["options"]: one["properties"] for one in panel["fieldConfig"]["overrides"]}
    own = overrides.get(
        f"Value #{target['refId']}", [{"id": "unit", "value": panel["fieldConfig"]["defaults"]["unit"]}]
    )
    return next(str(one["value"]) for one in own if one["id"] == "unit")


PANELS = [pytest.param(panel, id=f"{uid}: {panel['title']}") for uid, panel in _panels()]


@pytest.fixture(scope="module")
def rendered() -> Mapping[str, str]:
    """The boards as their source makes them now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from boards.render import render_all

        return render_all()


def test_committed_boards_are_what_their_source_makes(rendered: Mapping[str, str]) -> None:
    committed = {file.name: file.read_text() for file in FILES}
    assert committed.keys() == rendered.keys()
    assert [name for name in rendered if committed[name] != rendered[name]] == [], "run `make dashboards`"


def test_boards_are_classic_json_of_a_schema_that_old_servers_read() -> None:
    assert len(FILES) == 5
    for file, board in zip(FILES, _boards(), strict=True):
        assert board["schemaVersion"] <= NEWEST_SCHEMA
        assert file.stem == board["uid"]
        assert re.fullmatch(r"[a-z-]{8,40}", board["uid"])
        assert "loadlab" in board["tags"]


def test_boards_are_what_the_sdks_types_take_and_nothing_is_lost_in_them() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models.dashboard import Dashboard

        for file in FILES:
            read = Dashboard.from_json(json.loads(file.read_text()))
            assert json.loads(json.dumps(read, cls=JSONEncoder)) == json.loads(file.read_text()), file.name


def test_every_board_links_to_all_others() -> None:
    uids = {board["uid"] for board in _boards()}
    for board in _boards():
        assert {link["url"].removeprefix("/d/") for link in board["links"]} == uids - {board["uid"]}


def test_ids_are_unique_and_no_panel_lies_on_another() -> None:
    for board in _boards():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        for one, other in combinations([panel["gridPos"] for panel in board["panels"]], 2):
            apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert apart_x or apart_y, f"{board['uid']}: {one} lies on {other}"
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])


def test_every_board_asks_for_its_data_source_and_its_stacks() -> None:
    for board in _boards():
        variables = {variable["name"]: variable for variable in board["templating"]["list"]}
        assert variables["datasource"]["type"] == "datasource"
        assert variables["stack"]["multi"]
        assert variables["stack"]["includeAll"]
        names = {query["name"] for query in board["annotations"]["list"]}
        assert names == {"Windows", "Openings of windows", "Trials", "Alerts"}


def test_a_moment_is_its_value_in_milliseconds_and_a_span_is_where_there_are_values() -> None:
    for board in _boards():
        for query in board["annotations"]["list"]:
            is_moment = query["expr"].startswith("1000 * ") and "_seconds" in query["expr"]
            assert query["useValueForTime"] == is_moment, query["name"]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_answers_and_in_what_unit(panel: dict[str, Any]) -> None:
    assert panel["type"] in PANEL_TYPES
    assert len(panel["description"]) > 40
    assert panel["fieldConfig"]["defaults"]["noValue"] == "no data"
    assert panel["targets"]
    for target in panel["targets"]:
        unit = _unit(panel, target)
        if unit in UNITS:
            assert re.search(UNITS[unit], target["expr"]), f"{unit}: {target['expr']}"


@pytest.mark.parametrize("panel", PANELS)
def test_units_agree_with_the_names_of_metrics(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        unit, expr = _unit(panel, target), target["expr"]
        if "/" in expr or (CHANGES_UNIT.search(expr) and "bucket" not in expr):
            continue
        left = expr.partition(" and on ")[0]  # what it is compared with has its own unit
        names = re.findall(r"\b(?:loadlab[_:]|locust_|worker_|process_|cgroup_|event_|request_|upstream_)[\w:]+", left)
        wanted = [units for end, units in UNIT_OF_NAME.items() if any(re.search(end, name) for name in names)]
        assert all(unit in units for units in wanted), f"{unit}: {target['expr']}"


@pytest.mark.parametrize("panel", PANELS)
def test_every_query_names_its_data_source_and_its_series(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert target["legendFormat"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


@pytest.mark.parametrize("panel", PANELS)
def test_what_is_no_line_is_of_this_moment_and_not_the_last_that_there_was(panel: dict[str, Any]) -> None:
    """A range would show a price of a load that is over, and a green of a generator that is gone."""
    is_course = panel["type"] == "timeseries"
    assert {(one.get("instant", False), one.get("range", False)) for one in panel["targets"]} == {
        (not is_course, is_course)
    }


@pytest.mark.parametrize("panel", PANELS)
def test_variables_in_queries_are_declared(panel: dict[str, Any]) -> None:
    board = next(b for b in _boards() if any(p == panel for p in b["panels"]))
    declared = {variable["name"] for variable in board["templating"]["list"]}
    for target in panel["targets"]:
        used = set(re.findall(r"\$\{?(\w+)", target["expr"])) - {"__rate_interval"}
        assert used <= declared, target["expr"]


PRICED = re.compile(r"\bloadlab:(?:price_usd|\w*usd_per_\w+|level_cost_ratio)(\{[^}]*\})?")
OF_ALL_LISTS = "What does each price list say?"


def test_what_costs_is_of_the_list_and_the_billing_that_are_chosen() -> None:
    """Two lists may bill alike, and one list in two ways."""
    selectors = [
        (panel["title"], selector)
        for _, panel in _panels()
        for target in panel["targets"]
        for selector in PRICED.findall(target["expr"])
    ]
    assert len(selectors) > 10
    unchosen = {title for title, selector in selectors if 'list="$list", billing="$billing"' not in selector}
    assert unchosen == {OF_ALL_LISTS}


XYCHARTS = [pytest.param(panel, id=panel["title"]) for _, panel in _panels() if panel["type"] == "xychart"]


def test_there_are_points_against_users() -> None:
    assert len(XYCHARTS) == 2


@pytest.mark.parametrize("panel", XYCHARTS)
def test_an_xychart_says_the_version_of_its_options_or_grafana_blanks_it(panel: dict[str, Any]) -> None:
    """Without one, or with one before 11.1, Grafana migrates mapping to manual, and there are no series then."""
    major, minor = (int(part) for part in panel["pluginVersion"].split(".")[:2])
    assert (major, minor) >= (11, 1)
    assert panel["options"]["mapping"] == "auto"


@pytest.mark.parametrize("panel", XYCHARTS)
def test_an_xychart_gets_one_frame_of_numbers_with_a_column_for_each_stack(panel: dict[str, Any]) -> None:
    """As Grafana's transformations do it, over a stack measured at a level that the other was not."""
    table = [("6", "pool", 4.0), ("6", "loop", 5.0), ("12", "loop", 9.0)]
    steps = [(step["id"], step["options"]) for step in panel["transformations"]]
    assert [name for name, _ in steps] == ["groupingToMatrix", "convertFieldType"]
    frame = _matrix(table, steps[0][1])
    (conversion,) = steps[1][1]["conversions"]
    assert conversion["destinationType"] == "number"
    frame[conversion["targetField"]] = [float(value) for value in frame[conversion["targetField"]]]
    assert frame == {"users\\stack": [6.0, 12.0], "pool": [4.0, None], "loop": [5.0, 9.0]}
    custom = panel["fieldConfig"]["defaults"]["custom"]
    assert custom["scaleDistribution"]["type"] == "log", "empty cells would be drawn as zeros"
    (override,) = panel["fieldConfig"]["overrides"]
    assert override["matcher"]["options"] == "users\\stack"
    assert {"id": "unit", "value": "short"} in override["properties"], "users are no requests, and no dollars"


def _matrix(table: list[tuple[str, str, float]], options: Mapping[str, str]) -> dict[str, list[Any]]:
    rows = [{"users": users, "stack": stack, "Value": value} for users, stack, value in table]
    row, column, value = options["rowField"], options["columnField"], options["valueField"]
    assert options["emptyValue"] == "null"
    frame: dict[str, list[Any]] = {f"{row}\\{column}": list(dict.fromkeys(one[row] for one in rows))}
    for name in dict.fromkeys(one[column] for one in rows):
        cells = {one[row]: one[value] for one in rows if one[column] == name}
        frame[str(name)] = [cells.get(at) for at in frame[f"{row}\\{column}"]]
    return frame


WORRY = re.compile(
    r"(?P<answer>.{20,}[.;)]) Worry (when|where|above|below|at|from|near|about) (?P<when>\S+( \S+){1,}.*)"
)
RATED = re.compile(r"\$__rate_interval|\[20s\]")
OF_SERVICES = re.compile(r"\b(process_tree|worker|cgroup|request_queue|event_loop|upstream)_\w+")
ON_LEVELS = re.compile(r"\bloadlab[_:]level_")


def _rated() -> set[str]:
    """Names of the lab's series that are made of rates over 20 s, by whatever way."""
    rules = [
        rule
        for file in (ROOT / "k8s" / "base" / "prometheus" / "rules").glob("*.yaml")
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule and rule.get("labels", {}).get("billing") != "usage"
    ]
    rated: set[str] = set()
    for _ in rules:
        rated |= {one["record"] for one in rules if "20s" in one["expr"] or any(name in one["expr"] for name in rated)}
    return rated


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_when_to_worry(panel: dict[str, Any]) -> None:
    assert WORRY.fullmatch(panel["description"]), panel["description"]


@pytest.mark.parametrize(
    "description",
    [
        "Seconds of throttling in the last minute. Absent without a limit.",
        "Worry when it is red: windows are refused.",
        "Seconds of throttling in the last minute. Worry when.",
    ],
)
def test_a_description_without_an_answer_or_a_worry_is_found(description: str) -> None:
    assert not WORRY.fullmatch(description)


def test_no_two_panels_of_a_board_have_the_same_worry() -> None:
    """A worry is of its panel; the same words everywhere would say nothing."""
    for board in _boards():
        found = [WORRY.fullmatch(p["description"]) for p in board["panels"] if p["type"] != "row"]
        worries = [one["when"] for one in found if one is not None]
        assert len(set(worries)) == len(worries)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_of_rates_says_that_short_windows_show_less(panel: dict[str, Any]) -> None:
    is_rated = any(RATED.search(one["expr"]) or any(r in one["expr"] for r in _rated()) for one in panel["targets"])
    assert ("windows shorter than that show less" in panel["description"]) == is_rated


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_of_what_services_expose_says_that_others_have_no_data(panel: dict[str, Any]) -> None:
    is_exposed = any(OF_SERVICES.search(target["expr"]) for target in panel["targets"])
    assert ("No data for a service that exports no metrics of the lab." in panel["description"]) == is_exposed


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_of_levels_says_which_windows_are_in_it(panel: dict[str, Any]) -> None:
    is_of_levels = any(ON_LEVELS.search(target["expr"]) for target in panel["targets"])
    assert ("all windows that passed their gates so far" in panel["description"]) == is_of_levels


TABLES = [pytest.param(panel, id=panel["title"]) for _, panel in _panels() if panel["type"] == "table"]
LABELS_OF_ROWS = re.compile(r"max by \(([\w, ]+)\) \(.+\)")


@pytest.mark.parametrize("panel", TABLES)
def test_every_column_of_a_table_has_a_name_and_figures_have_a_unit(panel: dict[str, Any]) -> None:
    """As Grafana names them: the labels, then "Value", or "Value #A" and so on where there are several queries."""
    references = [target["refId"] for target in panel["targets"]]
    values = ["Value"] if len(references) == 1 else [f"Value #{ref}" for ref in references]
    shown = {
        one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]}
        for one in panel["fieldConfig"]["overrides"]
    }
    assert list(shown) == values
    names = [one["displayName"] for one in shown.values()]
    assert len(set(names)) == len(names)
    assert all(one["unit"] for one in shown.values())


@pytest.mark.parametrize("panel", TABLES)
def test_rows_of_a_table_meet_have_no_moment_and_are_sorted_by_users_as_numbers(panel: dict[str, Any]) -> None:
    found = [LABELS_OF_ROWS.fullmatch(target["expr"]) for target in panel["targets"]]
    labels = {one[1] for one in found if one is not None}
    assert None not in found
    assert len(labels) == 1, "series of other labels would make rows of their own"
    steps = {step["id"]: step["options"] for step in panel["transformations"]}
    order = labels.pop().split(", ")
    assert ("merge" in steps) == (len(panel["targets"]) > 1)
    assert steps["organize"]["excludeByName"] == {"Time": True}
    assert sorted(steps["organize"]["indexByName"], key=steps["organize"]["indexByName"].get) == order
    if "users" in order:
        (number,) = steps["convertFieldType"]["conversions"]
        assert number == {"targetField": "users", "destinationType": "number"}
        assert panel["options"]["sortBy"] == [{"displayName": "users", "desc": False}]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_of_cost_now_says_why_lists_that_bill_requests_are_not_in_it(panel: dict[str, Any]) -> None:
    is_now = any(re.search(r"loadlab:(stack_usd_per_hour|usd_per_million_)", one["expr"]) for one in panel["targets"])
    said = "No data for lists that bill requests (request_billed, per_request_memory)" in panel["description"]
    assert said == is_now
