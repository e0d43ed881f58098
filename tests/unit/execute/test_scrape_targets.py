"""What runs on this machine can be found by a Prometheus beside it, as long as it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadlab.execute.scrape_targets import ScrapeTarget, ScrapeTargets


def told(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def test_stacks_and_what_is_around_them_have_the_labels_of_the_boards(tmp_path: Path) -> None:
    targets = ScrapeTargets(tmp_path / "lab" / "targets.json")
    targets.show("stacks", [ScrapeTarget(name="flask", url="http://127.0.0.1:9101/metrics", stack="flask")])
    targets.show("locust", [ScrapeTarget(name="locust-master", url="http://127.0.0.1:8089/metrics")])
    stack, locust = told(tmp_path / "lab" / "targets.json")
    assert stack["targets"] == ["127.0.0.1:9101"]
    assert stack["labels"] == {
        "namespace": "loadlab",
        "pod": "flask",
        "part": "flask",
        "stack": "flask",
        "__metrics_path__": "/metrics",
    }
    assert locust["targets"] == ["127.0.0.1:8089"]
    assert "stack" not in locust["labels"]


def test_what_ended_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    targets = ScrapeTargets(tmp_path / "targets.json")
    targets.show("stacks", [ScrapeTarget(name="flask", url="http://127.0.0.1:1/metrics", stack="flask")])
    targets.show("upstream", [ScrapeTarget(name="upstream", url="http://127.0.0.1:2/metrics")])
    targets.show("stacks", ())
    assert [one["labels"]["pod"] for one in told(tmp_path / "targets.json")] == ["upstream"]


def test_a_service_on_another_machine_is_left_out(tmp_path: Path) -> None:
    targets = ScrapeTargets(tmp_path / "targets.json")
    targets.show("stacks", [ScrapeTarget(name="theirs", url="http://example.org:9100/metrics", stack="theirs")])
    assert told(tmp_path / "targets.json") == []


def test_a_place_that_cannot_be_written_does_not_end_a_run(tmp_path: Path) -> None:
    (tmp_path / "lab").write_text("a file where a folder should be")
    ScrapeTargets(tmp_path / "lab" / "targets.json").show("stacks", ())
    assert (tmp_path / "lab").is_file()
