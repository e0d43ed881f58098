"""What `loadlab lab status` prints of what it found."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from loadlab.report.lab_table import print_status

FOUND: dict[str, Any] = {
    "context": "kind-loadlab",
    "workers": 1,
    "policies": None,
    "with_grafana": True,
    "versions": {"kind": "0.33.0"},
    "problems": [],
}


def _printed(**changes: object) -> str:
    page = StringIO()
    print_status(FOUND | changes, Console(file=page, width=80))
    return page.getvalue()


def test_a_lab_in_which_nothing_is_amiss_says_so() -> None:
    said = _printed()
    assert said.splitlines() == [
        "kind-loadlab: kind 0.33.0; 1 Locust workers; network policies not tried",
        "all is as it was applied",
    ]


def test_a_lab_without_grafana_says_that_nobody_can_look_at_boards() -> None:
    assert "Grafana is left out: its image was not to be had; LAB_GRAFANA_IMAGE names another" in _printed(
        with_grafana=False
    )


def test_during_a_run_nobody_claims_that_all_is_as_it_was_applied() -> None:
    said = _printed(run={"is_on": True, "stacks": ["stack-flask"]}).splitlines()
    assert said[-1] == "nothing is amiss; drift is looked for after the run"
    assert any(line.startswith("a run is on (stack-flask)") for line in said)


def test_what_is_amiss_stands_last_and_nothing_is_called_well() -> None:
    said = _printed(problems=["pod x[1] is not ready"])
    assert said.splitlines()[-1] == "! pod x[1] is not ready"
    assert "all is as it was applied" not in said
