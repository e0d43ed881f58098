"""Settings of Locust that lie about in a shell change no run: they are refused, or told in the bundle."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from builders import make_experiment
from loadlab.errors import UsageError
from loadlab.execute.clock import SystemClock
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.preflight import check_local
from loadlab.pipeline.provenance import describe
from loadlab.pipeline.shell import CONFIG_FILES, SCENARIO_OPTIONS, check_shell, scenario_options

ROOT = Path(__file__).parents[3]
LOCUSTFILES = ROOT / "locustfiles"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A home and a current folder."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    return home, here


def test_a_shell_without_settings_of_locust_passes(folders: tuple[Path, Path]) -> None:
    home, here = folders
    (here / ".locust.conf").write_text("users = 3\n")
    (here / "pyproject.toml").write_text('[tool.ruff]\nsrc = ["locust"]\n')
    check_shell({"LAB_CPU_N": "7", "MY_LOCUST_TAGS": "slow", "HOME": str(home)}, here)
    check_shell({}, here)


def test_variables_of_locust_are_refused_with_what_to_type(folders: tuple[Path, Path]) -> None:
    said = r"environment: LOCUST_HEADLESS, LOCUST_TAGS would change .*; unset LOCUST_HEADLESS LOCUST_TAGS and run again"
    with pytest.raises(UsageError, match=said):
        check_shell({"LOCUST_TAGS": "slow", "PATH": "/bin", "LOCUST_HEADLESS": "true"}, folders[1])


@pytest.mark.parametrize(
    ("place", "name", "text"),
    [
        (0, ".locust.conf", "headless = true\n"),
        (1, "locust.conf", "headless = true\n"),
        (1, "pyproject.toml", "[tool.locust]\nheadless = true\n"),
    ],
)
def test_files_that_locust_reads_by_itself_are_refused(
    folders: tuple[Path, Path], place: int, name: str, text: str
) -> None:
    path = folders[place] / name
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"{re.escape(str(path))}: Locust reads its settings from it.*move it away"):
        check_shell({"HOME": str(folders[0])}, folders[1])


@pytest.mark.parametrize("text", ["[tool", "tool = 3\n", ""])
def test_a_project_file_that_tells_nothing_of_locust_is_left_alone(folders: tuple[Path, Path], text: str) -> None:
    (folders[1] / "pyproject.toml").write_text(text)
    check_shell({}, folders[1])


def test_a_run_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUST_WEB_LOGIN", "true")
    with pytest.raises(UsageError, match="unset LOCUST_WEB_LOGIN"):
        check_local(make_experiment(), ROOT / "scripts" / "prices")


def test_the_files_are_those_of_the_installed_locust() -> None:
    """Read and not imported: Locust would patch this process."""
    found = find_spec("locust")
    assert found is not None
    assert found.origin is not None
    text = Path(found.origin).with_name("argument_parser.py").read_text()
    (listed,) = re.findall(r"^DEFAULT_CONFIG_FILES = \((.*)\)$", text, re.MULTILINE)
    assert tuple(name.removeprefix("~/") for name in re.findall(r'"([^"]+)"', listed)) == CONFIG_FILES


def test_options_of_scenario_files_stand_in_the_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They have no place in an experiment, and secrets are none of them."""
    monkeypatch.setenv("LAB_CPU_N", "7")
    monkeypatch.setenv("LAB_API_KEY", "secret")
    layout = checkout(tmp_path)
    assert describe(make_experiment(), layout, SystemClock(), target="local").load == {"LAB_CPU_N": "7"}
    assert describe(make_experiment(), layout, SystemClock(), target="kubernetes").load is None
    assert scenario_options({"LAB_THINK_S": "3"}) == {}, "the experiment's own goes with every swarm"


def test_every_option_of_a_scenario_file_is_known() -> None:
    texts = [path.read_text() for path in LOCUSTFILES.glob("*.py") if not path.name.startswith("_")]
    assert {name for text in texts for name in re.findall(r'env_var="(LAB_\w+)"', text)} == set(SCENARIO_OPTIONS)
