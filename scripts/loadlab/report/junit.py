"""junit.xml: each gate of the decision as one test case, for systems that show such files."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from loadlab.errors import EXIT_CONCLUSIVE
from loadlab.report.arrivals import is_open
from loadlab.report.doubts import Doubt, doubt_groups
from loadlab.report.results import Results
from loadlab.report.words import BADGES, CLAIM_ANSWERS, bracket_text, doubled_stacks, price_text
from loadlab.units import as_rates, counted, format_percent

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """One thing that can pass, fail or be left open (skipped)."""

    name: str
    outcome: Literal["passed", "failure", "skipped"]
    message: str


def render_junit(results: Results) -> str:
    """The test suite of parsed results.json as XML text; the same results give the same bytes."""
    gates = list(decision_gates(results))
    failures = sum(gate.outcome == "failure" for gate in gates)
    skipped = sum(gate.outcome == "skipped" for gate in gates)
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": f"loadlab.{_clean(results['experiment']['id'])}",
            "tests": str(len(gates)),
            "failures": str(failures),
            "errors": "0",
            "skipped": str(skipped),
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", {"name": "run", "value": _clean(results["run_id"])})
    for gate in gates:
        case = ElementTree.SubElement(suite, "testcase", {"classname": suite.attrib["name"], "name": _clean(gate.name)})
        if gate.outcome == "passed":
            ElementTree.SubElement(case, "system-out").text = _clean(gate.message)
        else:
            ElementTree.SubElement(case, gate.outcome, {"message": _clean(gate.message)})
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def decision_gates(results: Results) -> Iterator[Gate]:
    """Expectation, claim, A/A control, validity of windows and levels, and each curve, in this order."""
    verdict = results["verdict"]
    met = verdict["exit_code"] == EXIT_CONCLUSIVE
    word = BADGES[verdict["kind"]].word
    yield Gate(name="verdict is as expected", outcome=_pass(met), message=f"{word}: {verdict['sentence']}")
    yield from _claim(results)
    yield _control(results)
    counts = results["counts"]
    levels = ", ".join(map(str, counts["invalid_levels"])) or "none"
    yield Gate(
        name="no level is invalid",
        outcome=_pass(not counts["invalid_levels"]),
        message=f"invalid levels: {levels}; {counts['valid']} of {counts['windows']} windows valid, "
        f"{counted(counts['missing_pairs'], 'pair')} missing",
    )
    yield from _invalid_findings(results)
    for curve in results["brackets"]:
        gate = _curve(curve)
        yield replace(gate, message=as_rates(gate.message)) if is_open(results) else gate


def _pass(good: bool) -> Literal["passed", "failure"]:
    return "passed" if good else "failure"


def _claim(results: Results) -> Iterator[Gate]:
    claim = results["claim"]
    if claim["users"] is None or claim["answer"] is None:
        return
    open_answer = claim["answer"] in ("inconclusive", "invalid")
    outcome: Literal["passed", "skipped"] = "skipped" if open_answer else "passed"
    yield Gate(
        name=f"claim of {claim['users']} users is answered", outcome=outcome, message=CLAIM_ANSWERS[claim["answer"]]
    )


def _control(results: Results) -> Gate:
    control = results["aa"]
    name = "A/A control is quiet"
    if control["fired"] is None:
        return Gate(name=name, outcome="skipped", message=control["reason"] or "could not be judged")
    resolution = format_percent(control["resolution_ratio"])
    unit = "req/s" if is_open(results) else "users"
    message = f"{doubled_stacks(control)} at {control['users']} {unit}; resolution {resolution}"
    return Gate(name=name, outcome=_pass(not control["fired"]), message=message)


def _invalid_findings(results: Results) -> Iterator[Gate]:
    doubts = [doubt for group in doubt_groups(results) if group.level == "invalid" for doubt in group.doubts]
    for doubt in doubts:
        name = f"gate {doubt.code} ({doubt.places[0]})"
        yield Gate(name=name, outcome=_weight(doubt), message=f"{doubt.message}: {', '.join(doubt.places)}")


def _weight(doubt: Doubt) -> Literal["failure", "skipped"]:
    """An invalid window is repeated and left out; an invalid level, run or machine is what a system must see."""
    wide = any(place.split(" ")[0].split("=")[0] in ("run", "machine", "users") for place in doubt.places)
    return "failure" if wide else "skipped"


def _curve(curve: Results) -> Gate:
    bracket = curve["bracket"]
    name = f"{curve['statistic']} on {price_text(curve)} is decided"
    word = BADGES[bracket["kind"]].word
    if bracket["kind"] in ("inconclusive", "invalid"):
        return Gate(name=name, outcome="skipped", message=f"{word}: {bracket['reason'] or 'no reason was recorded'}")
    return Gate(name=name, outcome="passed", message=f"{word}: {bracket_text(bracket)}")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
