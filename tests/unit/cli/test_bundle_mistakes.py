"""Mistakes that are found late would leave a bundle; bundles that are out of date, half-written or newer are told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import histogram, make_experiment
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


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 0}'])
def test_results_that_cannot_be_read_are_made_anew_by_what_the_message_says(
    type_: Type, lab: Lab, content: bytes
) -> None:
    lab.run()
    assert type_("report", "unit-run")[0] == 0
    whole = (lab.folder / "results.json").read_bytes()
    (lab.folder / "results.json").write_bytes(content)
    code, out, err = type_("report", "unit-run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "`.venv/bin/loadlab report RUN --analyse` makes it anew" in err
    assert type_("report", "unit-run", "--analyse")[0] == 0
    assert (lab.folder / "results.json").read_bytes() == whole


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


def _set(path: Path, value: object, *place: str | int) -> None:
    parsed = inner = orjson.loads(path.read_bytes())
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    path.write_bytes(orjson.dumps(parsed))


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("demands.json", (0, "service_s"), 0, "demands.json: 0.service_s: got 0.0, expected a number above 0"),
        ("demands.json", (1, "workers"), "1", "demands.json: 1.workers: got '1', expected integer"),
        (
            "demands.json",
            (1, "stack"),
            "pool",
            "demands.json: stack: got pool, pool, expected each stack of the plan once",
        ),
        ("plan.json", ("aa_stack",), "wsgi", "plan.json: aa_stack: got wsgi, expected one of loop, pool"),
        ("windows/b01-008-pool.json", ("load", "good"), 10**6, "load.good: got 1000000, expected at most ok"),
        ("windows/b01-008-pool.json", ("load", "half_ok", 0), 0, "load.half_ok: got"),
        ("windows/b01-008-pool.json", ("load", "measure_s"), 0.0, "load.measure_s: got 0.0, expected a number above 0"),
        ("windows/b01-008-pool.json", ("users",), -8, "users: got -8, expected a number above 0"),
        ("windows/b01-008-pool.json", ("load", "health", "steal_ratio"), 7, "steal_ratio: got 7.0, expected a number"),
        (
            "windows/b01-008-pool.json",
            ("block",),
            2,
            "b01-008-pool.json: block: got 2, expected 1, as events.jsonl says",
        ),
        ("windows/b01-008-pool.json", ("stack",), "wsgi", "stack: got wsgi, expected one of loop, pool"),
        ("windows/b01-008-pool.json", ("id",), "b01-008-loop", "id: got b01-008-loop, expected b01-008-pool"),
    ],
)
def test_an_impossible_value_is_one_line_with_file_and_key_and_nothing_else_is_touched(
    type_: Type, lab: Lab, name: str, place: tuple[str | int, ...], value: object, said: str
) -> None:
    lab.run()
    assert type_("report", "unit-run")[0] == 0
    _set(lab.folder / name, value, *place)
    before = {p: p.read_bytes() for p in lab.folder.rglob("*") if p.is_file()}
    code, out, err = type_("report", "unit-run", "--analyse")
    assert (code, out) == (2, "")
    assert said in err
    assert "take this file from another copy" in err
    assert err.count("\n") == 1
    assert {p: p.read_bytes() for p in lab.folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("content", ["", "HISTFAAAA", histogram(200_000, 3)])
def test_a_damaged_histogram_names_its_file(type_: Type, lab: Lab, content: str) -> None:
    lab.run()
    (lab.folder / "windows" / "b01-008-pool.hdr").write_text(content)
    code, _, err = type_("report", "unit-run", "--analyse")
    assert code == 2
    assert "windows/b01-008-pool.hdr" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plan.json", "got no such file, expected the plan of the blocks that were finished"),
        ("events.jsonl", "got no such file, expected what happened while windows were measured"),
        ("resources/b01-008-pool.parquet", "got no samples, expected the samples of this window"),
    ],
)
def test_a_file_that_is_gone_is_neither_absent_nor_a_run_without_a_block(
    type_: Type, lab: Lab, name: str, said: str
) -> None:
    lab.run()
    (lab.folder / name).unlink()
    code, _, err = type_("report", "unit-run", "--analyse")
    assert (code, err.count("\n")) == (2, 1)
    assert f"{name}: {said}" in err
