"""What runs on this machine can be found by a Prometheus beside it, as long as it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadlab.execute.scrape_targets import OWNER, ScrapeTarget, ScrapeTargets, drop_dead


def told(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def test_stacks_and_what_is_around_them_have_the_labels_of_the_boards(tmp_path: Path) -> None:
    targets = ScrapeTargets(tmp_path / "lab" / "targets.json")
    targets.show("stacks", [ScrapeTarget(name="flask", url="http://127.0.0.1:9101/metrics", stack="flask")])
    targets.show("locust", [ScrapeTarget(name="locust-master", url="http://127.0.0.1:8089/metrics")])
    stack, locust = told(tmp_path / "lab" / "targets.json")
    assert stack["targets"] == ["127.0.0.1:9101"]
    assert stack["labels"].pop(OWNER).startswith(f"{os.getpid()} ")
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


SHOW = (
    "import sys, pathlib; from loadlab.execute.scrape_targets import ScrapeTarget, ScrapeTargets; "
    "other = ScrapeTarget(name='other', url='http://127.0.0.1:3/m'); "
    "ScrapeTargets(pathlib.Path(sys.argv[1])).show('stacks', [other]); "
    "print('shown', flush=True); input()"
)


def names(path: Path) -> list[str]:
    return [one["labels"]["pod"] for one in told(path)]


def test_what_a_killed_run_left_goes_and_what_another_living_one_shows_stays(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    mine = ScrapeTargets(path)
    with subprocess.Popen(
        [sys.executable, "-c", SHOW, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "shown\n"
        mine.show("upstream", [ScrapeTarget(name="mine", url="http://127.0.0.1:2/metrics")])
        drop_dead(path)
        assert names(path) == ["other", "mine"]
        other.kill()
    drop_dead(path)
    assert names(path) == ["mine"]
    mine.show("upstream", ())
    assert told(path) == []


def test_a_process_that_has_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    ScrapeTargets(path).show("upstream", [ScrapeTarget(name="mine", url="http://127.0.0.1:2/metrics")])
    before = path.read_text()
    path.write_text(before.replace(f'"{os.getpid()} ', f'"{os.getpid()} 1'))
    drop_dead(path)
    assert told(path) == []


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"labels": 3}]', '[{"labels": {}}]', "\0"])
def test_a_file_that_nobody_wrote_so_becomes_an_empty_list(tmp_path: Path, content: str) -> None:
    path = tmp_path / "targets.json"
    path.write_text(content)
    drop_dead(path)
    ScrapeTargets(path).show("upstream", ())
    assert told(path) == []


def test_where_there_is_no_file_there_is_an_empty_one(tmp_path: Path) -> None:
    drop_dead(tmp_path / "lab" / "targets.json")
    assert told(tmp_path / "lab" / "targets.json") == []
