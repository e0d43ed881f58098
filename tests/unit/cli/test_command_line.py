"""What people type: exit codes, one clear line for a mistake, JSON and nothing else where JSON is asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadlab.errors import Interrupted
from loadlab.execute.doctor import Check
from loadlab.pipeline.finish import Report
from loadlab.pipeline.layout import Layout

Type = Callable[..., tuple[int, str, str]]


def _one_line(err: str) -> str:
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1, err
    assert lines[0].startswith("loadlab: ")
    return lines[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "threshhold-50"), "there is no experiment 'threshhold-50'"),
        (("run", "no/such/file.toml"), "no/such/file.toml: no such file"),
        (("run",), "name an experiment, or a run to go on with by --resume RUN"),
        (("run", "quick", "--target", "mars"), "--target"),
        (
            ("run", "quick", "--out", "result.pdf"),
            "got the ending '.pdf', expected one of .md, .json",
        ),
        (("run", "quick", "--out", "gone/result.md"), "the folder .*gone does not exist; make it first"),
        (("run", "quick", "--set", "blocks.cuont=3"), "blocks.cuont"),
        (("run", "quick", "--resume", "x"), "--resume goes on with the experiment that is in the run"),
        (("run", "--resume", "x"), "x: no run bundle there"),
        (("dashboards", "--run", "x"), "x: no run bundle there"),
        (("run", "--resume", "x", "--set", "blocks.count=2"), "no --set"),
        (("run", "--dry-run"), "name an experiment"),
        (("run", "quick", "--dry-run", "--resume", "x"), "--dry-run: name an experiment; a run that is resumed has"),
        (("run", "quick", "--dry-run", "--target", "mars"), "--target: got mars, expected local or kubernetes"),
        (("run", "quick", "--dry-run", "--out", "plan.json"), "--out: a dry run has no result to write"),
        (("report", "runs/latest"), "runs/latest: no run bundle there"),
        (("report", "/"), "no run bundle there"),
        (("compare", "a", "b"), "a: no run bundle there"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(type_: Type, words: tuple[str, ...], message: str) -> None:
    code, out, err = type_(*words)
    assert code == 2
    assert out == ""
    assert re.search(message, _one_line(err))


def _no_lab(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Whether the checkout of these tests has one or not."""
    for name in ("LAB_KUBECONFIG", "LAB_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Layout, "lab", property(lambda _: folder / ".lab"))


def test_a_run_on_kubernetes_without_a_lab_says_how_to_raise_one(
    type_: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _no_lab(monkeypatch, tmp_path)
    code, out, err = type_("run", "quick", "--target", "kubernetes")
    assert (code, out) == (4, "")
    assert re.search("the lab is not up; run `make lab-up`", _one_line(err))


def test_a_mistake_leaves_no_bundle_behind(type_: Type, tmp_path: Path) -> None:
    type_("run", "quick", "--target", "mars")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_exit_code_two(type_: Type) -> None:
    assert type_("run", "--frobnicate")[0] == 2


def test_a_report_is_shown_and_written(type_: Type, bundle: Path, tmp_path: Path) -> None:
    code, out, err = type_("report", "unit-run", "--out", "r.md", "--out", "r.json", "--out", "r.xml")
    assert (code, err) == (0, "")
    assert "report.html" in out.replace("\n", "")
    assert orjson.loads((tmp_path / "r.json").read_bytes())["verdict"]["kind"] == "diverges"
    assert (tmp_path / "r.md").read_text().startswith("#")
    assert (tmp_path / "r.xml").read_text().startswith("<?xml")


def test_the_report_is_named_from_the_current_folder_where_it_lies_under_it(
    type_: Type, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = type_("report", "unit-run")
    assert out.splitlines()[-1] == "report: runs/unit-run/report.html"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    _, out, _ = type_("report", str(bundle))
    assert out.splitlines()[-1] == f"report: {bundle / 'report.html'}"


def test_json_on_standard_output_is_json_alone(type_: Type, bundle: Path) -> None:
    code, out, _ = type_("report", str(bundle), "--json")
    assert code == 0
    assert orjson.loads(out) == orjson.loads((bundle / "results.json").read_bytes())


@pytest.mark.parametrize("words", [("list", "--json"), ("doctor", "--json")])
def test_every_json_is_json(type_: Type, bundle: Path, words: tuple[str, ...]) -> None:
    _, out, err = type_(*words)
    found: Any = orjson.loads(out)
    assert found
    assert err == ""


def test_a_check_of_the_doctor_is_one_line_however_long(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    long = ", ".join(f"flask_gunicorn (pid {number})" for number in range(20))
    check = Check(name="processes of another run", status="warn", got=long, expected="none", next_step="kill them")
    monkeypatch.setattr("loadlab.cli.commands.run_checks", lambda *_, **__: [check])
    monkeypatch.setattr("loadlab.cli.commands.shutil.which", lambda _: None)
    _, out, _ = type_("doctor")
    assert out.splitlines() == [f"warn {check.name}: {long}", "       expected none", "       next: kill them"]


def test_the_list_names_experiments_and_runs(type_: Type, bundle: Path) -> None:
    code, out, _ = type_("list")
    assert code == 0
    assert "quick" in out
    assert "unit-run" in out


def test_a_comparison_is_shown_and_written(type_: Type, bundle: Path, tmp_path: Path) -> None:
    code, out, err = type_("compare", "unit-run", str(bundle), "--out", "c.md", "--out", "c.json")
    assert (code, err) == (0, "")
    assert "The brackets overlap." in out
    markdown = (tmp_path / "c.md").read_text()
    assert markdown.startswith("# unit-run and unit-run\n")
    assert "The brackets overlap." in markdown
    assert "| N\\* lies in |" in markdown
    _, as_json, _ = type_("compare", "unit-run", str(bundle), "--json")
    assert (tmp_path / "c.json").read_text() == as_json


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("c.xml", r"--out c.xml: got the ending '.xml', expected one of .md, .json"),
        ("gone/c.md", "the folder .*gone does not exist; make it first"),
        ("runs.md", "--out runs.md: it is a folder; name a file"),
    ],
)
def test_a_comparison_that_could_not_be_written_is_refused(
    type_: Type, bundle: Path, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "runs.md").mkdir()
    code, out, err = type_("compare", "unit-run", str(bundle), "--out", name)
    assert (code, out) == (2, "")
    assert re.search(said, _one_line(err))


def test_a_run_compared_with_itself_is_the_same(type_: Type, bundle: Path) -> None:
    code, out, err = type_("compare", "unit-run", str(bundle), "--json")
    assert (code, err) == (0, "")
    assert orjson.loads(out)


def test_a_complete_run_is_not_resumed(type_: Type, bundle: Path) -> None:
    code, _, err = type_("run", "--resume", "unit-run")
    assert code == 2
    assert f"this run is complete; show it with: .venv/bin/loadlab report {bundle}" in _one_line(err)


def test_a_bundle_of_a_newer_loadlab_is_refused(type_: Type, bundle: Path) -> None:
    path = bundle / "provenance.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "bundle_format": 99}))
    code, _, err = type_("report", "unit-run", "--analyse")
    assert code == 2
    assert "written by a newer loadlab (bundle format 99)" in _one_line(err)


@pytest.mark.parametrize(
    ("name", "content"), [("results.json", b"{"), ("results.json", b"[]"), ("results.json", b'{"schema": 99}')]
)
def test_damaged_results_are_one_line(type_: Type, bundle: Path, name: str, content: bytes) -> None:
    (bundle / name).write_bytes(content)
    code, _, err = type_("report", "unit-run")
    assert code == 2
    assert name in _one_line(err)


def test_a_bundle_that_cannot_be_written_is_one_line(type_: Type, bundle: Path) -> None:
    (bundle / ".results.json.tmp").mkdir()
    code, _, err = type_("report", "unit-run", "--analyse")
    assert code == 4
    assert "results.json: cannot be written" in _one_line(err)


@pytest.mark.parametrize("other", [("--json",), ("--analyse",), ("--out", "x.md")])
def test_a_sessions_metrics_are_not_mixed_with_a_report(type_: Type, bundle: Path, other: tuple[str, ...]) -> None:
    code, _, err = type_("report", "unit-run", "--openmetrics", "-", *other)
    assert code == 2
    assert "--openmetrics and --queries take no" in _one_line(err)


def test_a_plan_of_one_stack_promises_no_ratio(type_: Type, tmp_path: Path) -> None:
    alone = tmp_path / "alone.toml"
    alone.write_text(
        'id = "alone"\nquestion = "What does it carry?"\n[[stack]]\nname = "flask"\nservice = "flask_gunicorn"\n'
        '[load]\nkind = "closed"\nscenario = "io_bound.IoBoundUser"\nusers = [2, 4]\n'
        '[[price]]\nlist = "aws-fargate-x86"\nbilling = "provisioned"\n'
    )
    code, out, _ = type_("run", str(alone), "--dry-run")
    assert code == 0
    assert "ratio" not in out


def test_dry_run_shows_the_plan_and_starts_nothing(type_: Type, tmp_path: Path) -> None:
    code, out, _ = type_("run", "quick", "--dry-run", "--set", "blocks.count=6")
    assert code == 0
    assert "6 blocks, 66 windows of 3 s" in out
    assert re.search(r"; core no\. [\d, ]+ for the stack, no\. [\d, ]+ for the rest\n", out), "numbers, not how many"
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_in_one_line_that_stack_and_load_generator_share_cores(type_: Type) -> None:
    cores = len(os.sched_getaffinity(0))
    for asked, told in ((cores, 1), (cores - 1, 0)):
        _, out, _ = type_("run", "quick", "--dry-run", "--set", f"resources.cpu={asked}")
        lines = [line for line in out.splitlines() if line.startswith("load generator and stack share core")]
        assert len(lines) == told
        assert all(f"set resources.cpu = {asked - 1} or lower" in line for line in lines)


def test_a_dry_run_as_json_is_the_plan_with_its_documented_keys(type_: Type) -> None:
    code, out, err = type_("run", "quick", "--dry-run", "--json", "--set", "blocks.count=6")
    assert (code, err) == (0, "")
    plan = orjson.loads(out)
    assert (plan["blocks"], plan["windows"], plan["measure_s"], plan["target"]) == (6, 66, 3.0, "local")
    assert (plan["levels"], plan["level_count"], plan["obstacles"]) == (None, 5, [])
    page = (Path(__file__).parents[3] / "docs" / "interfaces.md").read_text()
    section = page.split("## The plan of a dry run")[1].split("\n## ")[0]
    told = {word for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}
    assert told == set(plan)


def test_levels_that_no_law_can_place_are_told_before_anything_is_loaded_with_them(type_: Type) -> None:
    """Of a service that runs elsewhere nobody knows the slots; 200 users on it shall be no surprise."""
    asked = ("own-service-url", "--dry-run", "--set", "load.users=auto")
    assert "levels 1, 4, 14, 53, 200\n" in type_("run", *asked)[1]
    pools = ("--set", "stack.0.slots_per_worker=150", "--set", 'stack.1.slots_per_worker="unlimited"')
    assert "5 levels, placed by the law after the demands are measured" in type_("run", *asked, *pools)[1]
    (one,) = [line for line in type_("run", *asked, *pools[:2])[1].splitlines() if line.startswith("levels ")]
    assert one.endswith(", 300")


def test_a_dry_run_of_two_stages_says_the_time_of_both(type_: Type) -> None:
    """The bars: 20 minutes at full strength, and half of what the grid of 14 levels takes."""
    code, out, _ = type_("run", "threshold-50-placed", "--dry-run")
    assert code == 0
    assert "5 blocks, 45 windows of 8 s, idle cores kept awake where that helps: at least 8 min 2 s" in out
    said = (
        "stage 2, 5 fresh blocks: if their bracket is closed and wider than 1.5, up to 2 levels inside of it; if it is "
        "open at one end, up to 1 beyond, none above 1.5 times theirs; at most 25 windows, at least "
        "4 min 48 s; both stages 12 min 49 s, each at alpha 0.0125"
    )
    assert said in out
    _, known, _ = type_("run", "threshold-50-placed", "--dry-run", "--set", "load.users=[20,30,40]")
    assert "up to 1 beyond, none above 60 users;" in known
    placed, grid = (
        orjson.loads(type_("run", name, "--dry-run", "--json")[1]) for name in ("threshold-50-placed", "threshold-50")
    )
    assert grid["refine"] is None
    assert placed["refine"]["both_least_s"] == placed["least_s"] + placed["refine"]["least_s"]
    assert placed["refine"]["both_least_s"] <= min(20 * 60, grid["least_s"] / 2)
    assert placed["refine"]["width_ratio"] <= 1.5
    beyond = ("--set", "refine.levels=1")
    shorter = orjson.loads(type_("run", "threshold-50-placed", "--dry-run", "--json", *beyond)[1])
    assert placed["refine"]["beyond"] == shorter["refine"]["levels"] == 1
    one, two, three = (
        round(took_s / 60)
        for took_s in (placed["least_s"], shorter["refine"]["both_least_s"], placed["refine"]["both_least_s"])
    )
    root = Path(__file__).parents[3]
    for page in ("scripts/experiments/threshold-50-placed.toml", "README.md"):
        text = (root / page).read_text().replace("\n# ", " ")
        assert f"{one} minutes, {two} or {three} with both" in text, page


FAULTY = """
id = "faulty"
question = "What is wrong with it?"
[[stack]]
name = "one"
command = ["no-such-program"]
[[stack]]
name = "two"
command = ["sh"]
cwd = "/no/such/folder"
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = [2]
headers_from_env = { X-Key = "LAB_TEST_UNSET" }
[[price]]
list = "aws-fargate-x86"
billing = "provisioned"
[resources]
cpu = 1024
"""


def test_a_dry_run_shows_the_plan_and_everything_that_a_run_would_stumble_over(type_: Type, tmp_path: Path) -> None:
    (tmp_path / "faulty.toml").write_text(FAULTY)
    code, out, err = type_("run", "faulty.toml", "--dry-run")
    assert code == 2
    assert "8 blocks, 24 windows of 8 s" in out
    told = err.splitlines()
    for said in ("X-Key: environment variable", "got 1024, but this machine", "no program no-such-program", "cwd: /no"):
        assert len([line for line in told if said in line]) == 1
    assert all(line.startswith("loadlab: ") for line in told)
    code, out, err = type_("run", "faulty.toml", "--dry-run", "--json")
    assert (code, err) == (2, "")
    assert ["loadlab: " + each["message"] for each in orjson.loads(out)["obstacles"]] == told


def test_a_dry_run_for_kubernetes_asks_the_cluster_and_not_this_machine(
    type_: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _no_lab(monkeypatch, tmp_path)
    code, out, err = type_("run", "quick", "--dry-run", "--target", "kubernetes", "--set", "resources.cpu=0.5")
    assert code == 4
    assert "44 windows" in out
    assert "the lab is not up" in _one_line(err)


@pytest.mark.parametrize(
    ("name", "said"),
    [("file", "is a file, expected a folder"), ("file/runs", "is a file, expected a folder"), ("x" * 300, "too long"),
     ("link", "link is a link to nothing, expected a folder"), ("/proc/runs", "/proc cannot be written: ")],
)  # fmt: skip
def test_a_place_for_runs_that_cannot_be_is_told_before_anything_is_measured(
    type_: Type, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    code, out, err = type_("run", "quick", "--runs", name)
    assert (code, out) == (2, "")
    assert _one_line(err).startswith(f"loadlab: --runs {name}: ")
    assert said in err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("words", [("list",), ("report", "x"), ("compare", "x", "y"), ("doctor",)])
def test_a_file_is_no_folder_of_runs(type_: Type, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    code, out, err = type_(*words, "--runs", "file")
    assert (code, out) == (2, "")
    assert "is a file, expected a folder" in _one_line(err)


@pytest.mark.parametrize(
    ("name", "said"),
    [("file/r.json", "file is a file, expected a folder"), ("/proc/r.json", "/proc cannot be written: "),
     ("x" * 300 + ".json", "too long"), ("x" * 250 + ".json", "too long"), ("folder.json", "it is a folder")],
)  # fmt: skip
def test_a_result_that_could_not_be_written_is_told_before_anything_is_measured(
    type_: Type, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    code, out, err = type_("run", "quick", "--out", name)
    assert (code, out) == (2, "")
    assert _one_line(err).startswith(f"loadlab: --out {name}: ")
    assert said in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("code", "said"), [(0, ""), (3, "contrary to"), (4, "invalid"), (5, "inconclusive")])
def test_a_verdict_that_make_would_call_an_error_says_what_its_exit_code_means(
    type_: Type, monkeypatch: pytest.MonkeyPatch, bundle: Path, code: int, said: str
) -> None:
    results = orjson.loads((bundle / "results.json").read_bytes())
    results["verdict"]["exit_code"] = code

    def ended(_request: object, _layout: object, _progress: object, tell: Callable[[Report], None]) -> Report:
        report = Report(folder=bundle, results=results)
        tell(report)
        return report

    monkeypatch.setattr("loadlab.cli.commands.run", ended)
    got, out, err = type_("run", "quick", "--json", "--no-queries")
    assert got == code
    assert orjson.loads(out)
    assert (f"loadlab: exit code {code}: {said}" in err and f'(make says "Error {code}")' in err) == bool(code)
    assert len(err.splitlines()) == bool(code)


@pytest.mark.parametrize("asked", [False, True])
def test_a_run_that_was_asked_to_stop_after_its_report_leaves_out_the_boards(
    type_: Type, monkeypatch: pytest.MonkeyPatch, bundle: Path, tmp_path: Path, asked: bool
) -> None:
    report = Report(folder=bundle, results=orjson.loads((bundle / "results.json").read_bytes()), asked_to_stop=asked)
    kept: list[Path] = []
    monkeypatch.setattr("loadlab.cli.commands.run", lambda *_: report)
    monkeypatch.setattr("loadlab.pipeline.replay.keep_replayed_queries", lambda folder, *_: kept.append(folder))
    code, _, _ = type_("run", "quick", "--out", "told.json")
    assert code == report.results["verdict"]["exit_code"]
    assert (tmp_path / "told.json").exists()
    assert len(kept) == (not asked)


def test_the_list_is_cut_off_nowhere_and_names_what_can_be_typed(type_: Type, bundle: Path) -> None:
    bundle.rename(long := bundle.with_name("threshold-4x12-accept-race-" + "20261126-022345" * 4))
    (long / "results.json").unlink()
    code, out, _ = type_("list")
    assert code == 0
    assert f"{long.name}  unfinished; next: .venv/bin/loadlab run --resume {long}\n" in out
    assert "\u2026" not in out
    listed = orjson.loads(type_("list", "--json")[1])
    for one in listed["experiments"]:
        assert f"\n{one['name']} " in out
        assert one["question"] in out
        assert type_("run", one["name"], "--dry-run")[1].startswith(f"{one['id']}: ")


def test_an_interrupted_run_ends_with_130_and_how_to_go_on(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise Interrupted("interrupted; go on with: loadlab run --resume runs/x")

    monkeypatch.setattr("loadlab.cli.commands.run", interrupted)
    code, _, err = type_("run", "quick")
    assert code == 130
    assert _one_line(err) == "loadlab: interrupted; go on with: loadlab run --resume runs/x"


@pytest.mark.parametrize("module", ["numpy", "scipy", "locust", "pyarrow", "pydantic"])
def test_help_imports_nothing_heavy(module: str) -> None:
    script = f"import sys, loadlab.cli.app; sys.exit({module!r} in sys.modules)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=env, timeout=60, check=False).returncode == 0


def test_a_session_goes_into_a_file_or_to_standard_output_as_openmetrics(
    type_: Type, bundle: Path, tmp_path: Path
) -> None:
    for path in (bundle / "scrapes").glob("*.generator.om"):
        path.unlink()
    code, out, err = type_("report", "unit-run", "--openmetrics", "session.om")
    assert (code, err) == (0, "")
    assert "session.om" in out.replace("\n", "")
    written = (tmp_path / "session.om").read_text()
    assert written.endswith("# EOF\n")
    assert 'loadlab_phase_info{block="1"' in written
    assert type_("report", "unit-run", "--openmetrics", "-") == (0, written, "")


@pytest.mark.parametrize(
    ("file", "message"),
    [("runs", "--openmetrics runs: it is a folder; name a file"), ("no/such/file", "the folder .* does not exist")],
)
def test_a_place_for_openmetrics_that_cannot_be_is_one_line(type_: Type, bundle: Path, file: str, message: str) -> None:
    code, out, err = type_("report", "unit-run", "--openmetrics", file)
    assert (code, out) == (2, "")
    assert re.search(message, _one_line(err))


def test_queries_without_a_prometheus_say_what_is_missing(
    type_: Type, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadlab.execute.cluster.kubectl.shutil.which", lambda *_, **__: None)
    code, out, err = type_("report", "unit-run", "--queries")
    assert (code, out) == (4, "")
    assert "prometheus: not on PATH and not in .tools/bin; run `make tools`, which brings it" in _one_line(err)
    assert not (bundle / "queries").exists()
