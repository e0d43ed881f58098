"""Mistakes that are found late would leave a bundle; bundles that are out of date, half-written or newer are told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import make_experiment
from loadlab.errors import LoadError
from simulated_lab import Lab, make_lab

Type = Callable[..., tuple[int, str, str]]
MISTAKES = {
    "header": ('headers_from_env = { X-Key = "LAB_TEST_UNSET" }', "", "", "LAB_TEST_UNSET is not set"),
    "fraction": ("", "cpu = 0.5", "", "resources.cpu: got 0.5"),
    "cores": ("", "cpu = 1024", "", "resources.cpu: got 1024"),
    "size": ("", 'memory = "4000Gi"', "", "4000"),
    "image": ("", "", 'image = "mine:1"\nport = 80', "a container image cannot run on the local target"),
    "program": ("", "", 'command = ["no-such-program"]', "there is no program no-such-program in PATH"),
    "metrics": (
        "",
        "",
        'command = ["sh"]\nmetrics_url = "http://example.org:{port}/metrics"',
        "--allow-target example.org when you may",
    ),
}


def _experiment(folder: Path, *, load: str, resources: str, stack: str) -> str:
    path = folder / "mine.toml"
    path.write_text(
        f"""
id = "mine"
question = "Does it run?"
[[stack]]
name = "mine"
{stack or 'service = "flask_gunicorn"'}
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = [2]
{load}
[[price]]
list = "aws-fargate-x86"
billing = "provisioned"
[resources]
{resources}
"""
    )
    return str(path)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_can_be_found_beforehand_leaves_no_bundle(type_: Type, tmp_path: Path, mistake: str) -> None:
    load, resources, stack, said = MISTAKES[mistake]
    path = _experiment(tmp_path, load=load, resources=resources, stack=stack)
    code, out, err = type_("run", path)
    assert (code, out) == (2 if mistake != "cores" else 4, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "runs").mkdir()
    return make_lab(make_experiment(blocks=2, users=(8,)), tmp_path / "runs" / "unit-run")


def _results(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((lab.folder / "results.json").read_bytes())
    return found


def _stop_in_block_two(lab: Lab) -> None:
    lab.world.refusals["b02-008-pool"] = 99
    with pytest.raises(LoadError):
        lab.run()
    lab.world.refusals.clear()


def test_a_report_that_is_older_than_the_data_is_made_again(type_: Type, lab: Lab) -> None:
    _stop_in_block_two(lab)
    assert type_("report", "unit-run")[0] == 0
    assert _results(lab)["counts"]["blocks"] == 1
    lab.run()
    code, out, err = type_("report", "unit-run", "--json")
    assert (code, err) == (0, "")
    assert orjson.loads(out)["counts"]["blocks"] == 2
    assert not [f for f in _results(lab)["findings"] if f["code"] == "run_incomplete"]


def test_resuming_a_complete_run_without_a_report_makes_it(type_: Type, lab: Lab) -> None:
    lab.run()
    (lab.folder / ".resume.toml").write_text("secrets")
    code, out, _ = type_("run", "--resume", "unit-run")
    assert code == _results(lab)["verdict"]["exit_code"]
    assert "report.html" in out.replace("\n", "")
    assert not (lab.folder / ".resume.toml").exists()
    code, _, err = type_("run", "--resume", "unit-run")
    assert code == 2
    assert "this run is complete" in err


def test_a_report_of_a_complete_run_is_made_when_there_is_none(type_: Type, lab: Lab) -> None:
    lab.run()
    assert type_("report", "unit-run")[0] == 0
    assert _results(lab)["counts"]["blocks"] == 2


def test_a_newer_bundle_is_refused_by_its_format_before_anything_else_of_it_is_read(type_: Type, lab: Lab) -> None:
    _stop_in_block_two(lab)
    path = lab.folder / "provenance.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "bundle_format": 99, "machine_id": 7}))
    (lab.folder / "experiment.toml").write_text("[of the future]")
    (lab.folder / "events.jsonl").write_text('{"kind": 1}\n')
    before = sorted(p.name for p in lab.folder.iterdir())
    code, out, err = type_("run", "--resume", "unit-run")
    assert (code, out) == (2, "")
    assert "written by a newer loadlab (bundle format 99)" in err
    assert sorted(p.name for p in lab.folder.iterdir()) == before


@pytest.mark.parametrize("words", [("run", "--resume", "unit-run"), ("report", "unit-run")])
def test_a_half_written_bundle_says_that_nothing_is_lost(type_: Type, lab: Lab, words: tuple[str, ...]) -> None:
    with lab.opened():
        (lab.folder / "provenance.json").unlink()
    code, out, err = type_(*words)
    assert (code, out) == (2, "")
    assert "half-written: it was stopped before anything was measured" in err
    assert err.endswith("Remove it and start the run again\n")


def test_a_bundle_that_lost_a_window_names_it(type_: Type, lab: Lab) -> None:
    lab.run()
    (lab.folder / "windows" / "b01-008-pool.json").unlink()
    code, _, err = type_("report", "unit-run")
    assert code == 2
    assert "b01-008-pool.json: cannot be read" in err


def test_prices_come_out_of_the_bundle(type_: Type, lab: Lab) -> None:
    lab.run()
    prices = lab.folder / "prices"
    prices.mkdir(exist_ok=True)
    repository = Path(__file__).parents[3] / "scripts" / "prices" / "aws-fargate-x86.toml"
    mended = repository.read_text().replace('region = "', 'region = "as it was in ')
    (prices / "aws-fargate-x86.toml").write_text(mended)
    assert type_("report", "unit-run")[0] == 0
    assert _results(lab)["price_lists"][0]["region"].startswith("as it was in ")
