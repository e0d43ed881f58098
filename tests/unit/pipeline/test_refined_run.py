"""A run of two stages: the second inside of the first one's bracket, by rules that stand in the bundle before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import make_experiment, make_open
from loadlab.errors import BundleError
from loadlab.execute import durable
from loadlab.execute import store as store_module
from loadlab.model.experiment import Experiment, RefinePlan
from loadlab.model.run import RunData
from loadlab.pipeline.finish import analyse_bundle
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.run import Request, run
from loadlab.report.render import render_files
from loadlab.report.results import from_json
from simulated_lab import Lab, Watcher, make_lab

RULE = RefinePlan(levels=2, count=4, width_ratio=1.3)
"""The pool of 8 slots parts at 8.8 users: the levels below bracket it widely."""


def _experiment(rule: RefinePlan = RULE, users: tuple[int, ...] = (4, 7, 11, 14)) -> Experiment:
    return replace(make_experiment(users=users, blocks=4, measure_s=8.0), refine=rule)


def _results(lab: Lab) -> dict[str, Any]:
    analyse_bundle(lab.folder, checkout(lab.folder.parent))
    found: dict[str, Any] = orjson.loads((lab.folder / "results.json").read_bytes())
    return found


def _load(lab: Lab) -> RunData:
    with lab.opened() as store:
        return store.load()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A run of both stages that nothing disturbed, to look at and not to change."""
    lab = make_lab(_experiment(), tmp_path_factory.mktemp("refined") / "unit-run")
    lab.run()
    return lab


@pytest.fixture
def copied(finished: Lab, tmp_path: Path) -> Lab:
    """The same, to change."""
    return replace(finished, folder=Path(shutil.copytree(finished.folder, tmp_path / "unit-run")))


def test_a_second_stage_narrows_the_bracket_and_the_report_says_how(copied: Lab) -> None:
    lab = copied
    results = _results(lab)
    refined = results["refined"]
    assert (refined["outcome"], refined["lower_users"], refined["upper_users"]) == ("refined", 7, 11)
    assert refined["levels"] == [8, 9]
    assert refined["blocks"] == [5, 6, 7, 8]
    assert refined["stage_alpha"] == 0.0125
    assert (results["bracket"]["lower_users"], results["bracket"]["upper_users"]) == (8, 9)
    assert results["verdict"]["kind"] == "diverges"
    assert results["counts"]["missing_pairs"] == 0
    assert {(c["users"], c["stage"]) for c in results["comparisons"] if c["statistic"] == "goodput"} == {
        *((users, 1) for users in (4, 7, 11, 14)),
        *((users, 2) for users in (8, 9)),
    }
    assert results["experiment"]["levels"] == [4, 7, 8, 9, 11, 14]
    assert results["aa"]["ratio"]["n"] == 8
    text = (lab.folder / "report.md").read_text()
    assert "stage 1 gave (7, 11\\], wider than 1.30x: stage 2 measures 8 and 9 users in 4 fresh blocks" in text
    assert "each stage at alpha 0.0125" in text


def test_a_bracket_that_is_narrow_enough_ends_the_run_with_its_first_stage(tmp_path: Path) -> None:
    lab = make_lab(_experiment(replace(RULE, width_ratio=1.6)), tmp_path / "unit-run")
    lab.run()
    run, results = _load(lab), _results(lab)
    assert run.complete
    assert {window.block for window in run.windows} == {1, 2, 3, 4}
    assert (results["refined"]["outcome"], results["refined"]["levels"]) == ("narrow", [])
    assert (results["bracket"]["lower_users"], results["bracket"]["upper_users"]) == (7, 11)
    assert any("narrow enough, so that the run ended with stage 1" in message for message in lab.watcher.messages)


def test_a_bracket_that_is_open_has_nothing_inside_to_measure(tmp_path: Path) -> None:
    lab = make_lab(_experiment(users=(4, 6, 7)), tmp_path / "unit-run")
    lab.run()
    results = _results(lab)
    assert results["refined"]["outcome"] == "no_bracket"
    assert results["verdict"]["kind"] == "no_divergence"


@pytest.mark.parametrize(
    ("users", "levels", "bracket", "open_end"),
    [((4, 6, 7), [10], (7, 10), "upper"), ((12, 14), [8], (8, 12), "lower")],
)
def test_a_prediction_that_was_far_off_costs_a_second_stage_and_not_the_answer(
    tmp_path: Path, users: tuple[int, ...], levels: list[int], bracket: tuple[int, int], open_end: str
) -> None:
    """The pool of 8 slots parts at 8.8 users, beyond all levels of the first stage."""
    lab = make_lab(_experiment(replace(RULE, beyond=1, width_ratio=1.5), users), tmp_path / "unit-run")
    lab.run()
    results = _results(lab)
    assert (results["refined"]["outcome"], results["refined"]["levels"]) == ("extended", levels)
    assert (results["bracket"]["lower_users"], results["bracket"]["upper_users"]) == bracket
    assert results["verdict"]["kind"] == "diverges"
    said = f"open at its {open_end} end: stage 2 measures {levels[0]} users in 4 fresh blocks"
    assert any(said in message for message in lab.watcher.messages)
    assert "where it is open at one end, up to 1 beyond" in (lab.folder / "report.html").read_text()


def test_a_bundle_from_before_levels_beyond_is_read_as_having_none(copied: Lab) -> None:
    for name in ("plan.json", "refinement.json"):
        whole = orjson.loads((copied.folder / name).read_bytes())
        for part in (whole, whole.get("plan")):
            if part and part.get("refine"):
                del part["refine"]["beyond"]
        (copied.folder / name).write_bytes(orjson.dumps(whole))
    experiment = copied.folder / "experiment.toml"
    experiment.write_text(experiment.read_text().replace("beyond = 0\n", ""))
    assert "beyond" not in experiment.read_text() + (copied.folder / "plan.json").read_text()
    assert _results(copied)["refined"]["outcome"] == "refined"
    results = orjson.loads((copied.folder / "results.json").read_bytes())
    del results["refined"]["beyond_asked"]
    page = render_files(from_json(orjson.dumps(results)))["report.html"]
    assert b"up to 2 levels inside of it; alpha" in page


def test_a_second_stage_beyond_is_said_in_rates_and_goes_on_after_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool gives up beyond 40 arrivals a second."""
    rule = replace(RULE, beyond=1, width_ratio=1.5)
    experiment = replace(make_open(make_experiment(blocks=4, measure_s=8.0), 20, 25, 30), refine=rule)
    lab = make_lab(experiment, tmp_path / "unit-run")
    with monkeypatch.context() as patched:
        _kill_before(patched, lambda text: '"block_started","block":5' in text)
        with pytest.raises(Killed):
            lab.run()
    (said,) = (message for message in lab.watcher.messages if message.startswith("stage 1 gave (30, open]"))
    assert "open at its upper end: stage 2 measures 45 req/s in 4 fresh blocks" in said
    lab.run()
    results = _results(lab)
    assert (results["refined"]["outcome"], results["refined"]["levels"]) == ("extended", [45])
    assert (results["bracket"]["lower_users"], results["bracket"]["upper_users"]) == (30, 45)


def test_the_rules_stand_in_the_bundle_before_the_first_window(tmp_path: Path) -> None:
    lab = make_lab(_experiment(), tmp_path / "unit-run")
    for users in (4, 7, 11, 14):
        for stack in ("pool", "pool-aa", "loop"):
            lab.world.during[f"b01-{users:03d}-{stack}"] = _interrupt
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    assert not list((lab.folder / "windows").glob("b01-*.json"))
    plan = orjson.loads((lab.folder / "plan.json").read_bytes())
    assert plan["refine"] == {"levels": 2, "count": 4, "width_ratio": 1.3, "beyond": 0}


def test_the_plan_of_one_stage_has_no_rules_and_its_alpha_is_whole(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(users=(8,)), tmp_path / "unit-run")
    lab.run()
    results = _results(lab)
    assert results["refined"] is None
    assert results["experiment"]["alpha"] == 0.025
    assert not (lab.folder / "refinement.json").exists()


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the program handles it."""


def _kill_before(monkeypatch: pytest.MonkeyPatch, matches: Callable[[str], bool]) -> None:
    """Stop the program before the first whole file, or line of events, of which this is true."""

    def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
        if matches(path.name):
            raise Killed
        durable.write_whole(path, content, private=private)

    def append_line(path: Path, line: bytes) -> None:
        if matches(line.decode()):
            raise Killed
        durable.append_line(path, line)

    monkeypatch.setattr(store_module, "write_whole", write_whole)
    monkeypatch.setattr(store_module, "append_line", append_line)


@pytest.mark.parametrize(
    "moment", ["refinement.json", '"block_started","block":5', "b06-009-pool.json", "run_finished"]
)
def test_stopped_around_the_second_stage_a_resumed_run_comes_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Lab, moment: str
) -> None:
    stopped = make_lab(_experiment(), tmp_path / "stopped")
    with monkeypatch.context() as patched:
        _kill_before(patched, lambda text: moment in text)
        with pytest.raises(Killed):
            stopped.run()
    decided = (stopped.folder / "refinement.json").exists()
    assert _load(stopped).complete == (moment == "run_finished")
    assert decided == (moment != "refinement.json")
    stopped.run()
    one, two = _load(finished), _load(stopped)
    assert two.complete
    assert two.refinement == one.refinement
    assert [(w.block, w.stack, w.users, w.role) for w in two.windows] == [
        (w.block, w.stack, w.users, w.role) for w in one.windows
    ]
    bracket = _results(stopped)["bracket"]
    assert (bracket["lower_users"], bracket["upper_users"]) == (8, 9)


def test_stopped_between_its_stages_a_run_says_so_and_a_resume_knows_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = make_lab(_experiment(), tmp_path / "stopped")
    with monkeypatch.context() as patched:
        _kill_before(patched, lambda text: "refinement.json" in text)
        with pytest.raises(Killed):
            stopped.run()
    results = _results(stopped)
    (told,) = (one for one in results["findings"] if one["code"] == "run_incomplete")
    assert told["got"] == "4 of 4 blocks, and the second stage is not decided yet"
    assert told["expected"] == "4 blocks, fixed before the run, and what follows them"
    assert results["refined"]["reason"] == "the second stage is not decided yet"
    resumed = replace(stopped, watcher=Watcher())
    with monkeypatch.context() as patched:
        _kill_before(patched, lambda text: '"block_started","block":5' in text)
        with pytest.raises(Killed):
            resumed.run()
    decided = orjson.loads((stopped.folder / "refinement.json").read_bytes())
    windows = sum(len(block["trials"]) for block in decided["plan"]["blocks"])
    assert resumed.watcher.bounded == windows > 0
    assert len(resumed.watcher.expected_s) == windows


def test_what_follows_the_first_stage_of_an_open_load_is_said_in_rates(tmp_path: Path) -> None:
    experiment = replace(make_open(make_experiment(blocks=4, measure_s=8.0), 20, 30, 60, 80), refine=RULE)
    lab = make_lab(experiment, tmp_path / "unit-run")
    lab.run()
    (said,) = (message for message in lab.watcher.messages if message.startswith("stage 1 gave (30, 60]"))
    assert "stage 2 measures 38 and 48 req/s in 4 fresh blocks" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"plan": None}, "plan"),
        ({"outcome": "narrow"}, "plan"),
        ({"outcome": "extended", "plan": None}, "plan"),
    ],
)
def test_a_second_stage_that_contradicts_itself_is_refused(copied: Lab, change: dict[str, object], said: str) -> None:
    path = copied.folder / "refinement.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), **change}))
    with pytest.raises(BundleError, match=rf"refinement.json.*{said}"):
        _load(copied)


def test_blocks_of_a_second_stage_whose_plan_is_lost_are_refused(copied: Lab) -> None:
    (copied.folder / "refinement.json").unlink()
    said = r"refinement.json: got no such file, expected the plan of the finished blocks 5, 6, 7, 8, .*another copy"
    with pytest.raises(BundleError, match=said):
        _load(copied)
    with pytest.raises(BundleError, match=said):
        analyse_bundle(copied.folder, checkout(copied.folder.parent))
    with pytest.raises(BundleError, match=said):
        copied.run()


def test_a_block_that_neither_plan_has_is_refused(copied: Lab) -> None:
    path = copied.folder / "refinement.json"
    known = orjson.loads(path.read_bytes())
    known["plan"]["blocks"].pop()
    path.write_bytes(orjson.dumps(known))
    with pytest.raises(BundleError, match=r"refinement.json: got .*the finished blocks 8, which plan.json has not"):
        _load(copied)


@pytest.mark.parametrize(
    ("rules", "got"),
    [
        (None, "no second stage"),
        ({"levels": 3, "count": 4, "width_ratio": 1.3}, "levels 3, count 4, width_ratio 1.3, beyond 0"),
        ({"levels": 2, "count": 4, "width_ratio": 1.6, "beyond": 2}, "levels 2, count 4, width_ratio 1.6, beyond 2"),
    ],
)
def test_a_plan_with_other_rules_than_the_experiment_is_refused(
    tmp_path: Path, rules: dict[str, object] | None, got: str
) -> None:
    """Without a second stage nothing in the bundle but the experiment knows of the rules."""
    lab = make_lab(_experiment(replace(RULE, width_ratio=1.6)), tmp_path / "unit-run")
    lab.run()
    (lab.folder / "refinement.json").unlink()
    path = lab.folder / "plan.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "refine": rules}))
    wanted = "levels 2, count 4, width_ratio 1.6, beyond 0"
    expected = rf"plan.json: refine: got {got}, expected {wanted}, as experiment.toml says"
    with pytest.raises(BundleError, match=expected):
        analyse_bundle(lab.folder, checkout(lab.folder.parent))
    with pytest.raises(BundleError, match=expected):
        run(Request(experiment=None, resume=lab.folder), checkout(lab.folder.parent), lab.watcher, lambda _report: None)


def test_a_second_stage_beside_a_plan_without_rules_is_refused(copied: Lab) -> None:
    path = copied.folder / "plan.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "refine": None}))
    with pytest.raises(BundleError, match=r"refinement.json.*none, as plan.json says"):
        _load(copied)


def _interrupt() -> None:
    raise KeyboardInterrupt
