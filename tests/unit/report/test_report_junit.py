"""junit.xml has one case for each gate of the decision, and fails exactly where the run does."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from loadlab.report.junit import render_junit


def cases(results: dict[str, Any]) -> dict[str, str]:
    """Name of each case and what it came to."""
    suite = ElementTree.fromstring(render_junit(results).encode()).find("testsuite")
    assert suite is not None
    found = {}
    for case in suite.findall("testcase"):
        outcomes = [tag for tag in ("failure", "skipped") if case.find(tag) is not None]
        found[case.attrib["name"]] = outcomes[0] if outcomes else "passed"
    assert suite.attrib["tests"] == str(len(suite.findall("testcase"))) == str(len(found))
    assert suite.attrib["failures"] == str(list(found.values()).count("failure"))
    assert suite.attrib["skipped"] == str(list(found.values()).count("skipped"))
    return found


def test_a_conclusive_run_passes_and_its_invalid_window_is_shown_as_left_out(results: dict[str, Any]) -> None:
    found = cases(results)
    assert found["verdict is as expected"] == "passed"
    assert found["claim of 50 users is answered"] == "passed"
    assert found["A/A control is quiet"] == "passed"
    assert found["gate lag (b01-044-fastapi (got p99 13.1 ms))"] == "skipped"
    assert "failure" not in found.values()


@pytest.mark.parametrize("exit_code", [3, 4, 5])
def test_any_exit_code_but_zero_fails_the_expectation(results: dict[str, Any], exit_code: int) -> None:
    results["verdict"]["exit_code"] = exit_code
    assert cases(results)["verdict is as expected"] == "failure"


def test_a_control_that_fired_fails_and_one_that_could_not_be_judged_is_skipped(results: dict[str, Any]) -> None:
    results["aa"]["fired"] = True
    assert cases(results)["A/A control is quiet"] == "failure"
    results["aa"]["fired"] = None
    assert cases(results)["A/A control is quiet"] == "skipped"


def test_an_invalid_level_and_an_invalid_machine_fail(results: dict[str, Any]) -> None:
    results["counts"]["invalid_levels"] = [53]
    results["findings"][1] |= {"where": "users=53", "got": None}
    found = cases(results)
    assert found["no level is invalid"] == "failure"
    assert found["gate lag (users=53)"] == "failure"


def test_an_undecided_curve_is_skipped_with_its_reason(results: dict[str, Any]) -> None:
    results["brackets"][1]["bracket"] |= {"kind": "inconclusive", "reason": "58 users straddle"}
    assert cases(results)["cost_per_million_good on cloud-run-request, request-billed is decided"] == "skipped"
    assert "58 users straddle" in render_junit(results)


def test_signs_that_xml_forbids_are_replaced(results: dict[str, Any]) -> None:
    results["verdict"]["sentence"] = 'bell \x07 <&"'
    assert "bell \ufffd &lt;&amp;" in render_junit(results)
    assert cases(results)
