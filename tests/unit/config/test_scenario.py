"""The user class that sends the load is found without running its file, and a missing one names the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders_config import ReadSmall
from loadlab.config import Catalogue
from loadlab.config.scenario import lab_scenarios, user_classes
from loadlab.errors import ConfigError
from loadlab.model.experiment import Scenario

OURS = 'scenario = "io_bound.IoBoundUser"'
LOCUSTFILE = """\
raise SystemExit("this file must be read, never run")
import locust
from elsewhere import ImportedUser
class Base(locust.FastHttpUser):
    abstract = True
class Browser(Base): ...
class Buyer(ImportedUser): ...
class Helper: ...
"""


def test_every_scenario_of_the_lab_is_found(catalogue: Catalogue) -> None:
    assert {"io_bound.IoBoundUser", "mixed.MixedUser", "quota.QuotaUser"} <= set(lab_scenarios(catalogue.locustfiles))


def test_user_classes_are_those_that_locust_would_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(LOCUSTFILE)
    assert user_classes(path) == ("Browser", "Buyer")


def test_a_locustfile_of_ones_own_is_seen_from_the_experiment(read: ReadSmall, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOCUSTFILE)
    own = 'locustfile = "mine.py"\nuser_class = "Buyer"\nheaders_from_env = { Authorization = "API_TOKEN" }'
    assert read((OURS, own)).load.scenario == Scenario(
        user_class="Buyer",
        locustfile=tmp_path / "mine.py",
        headers_from_env={"Authorization": "API_TOKEN"},
    )


def test_the_only_user_class_of_a_locustfile_needs_no_name(read: ReadSmall, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from locust import HttpUser\nclass Only(HttpUser): ...\n")
    assert read((OURS, 'locustfile = "mine.py"')).load.scenario.user_class == "Only"


def test_a_class_that_is_imported_counts_when_it_is_named(read: ReadSmall, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOCUSTFILE)
    own = 'locustfile = "mine.py"\nuser_class = "ImportedUser"'
    assert read((OURS, own)).load.scenario.user_class == "ImportedUser"


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ('scenario = "io_bound.IoUser"', "small.toml:14: .* the nearest known scenario is io_bound.IoBoundUser"),
        ('scenario = "io_bond.IoBoundUser"', "the nearest known scenario is io_bound.IoBoundUser"),
        ('scenario = "io_bound"', "expected a module of locustfiles/ and its class, such as io_bound.IoBoundUser"),
        (OURS + '\nlocustfile = "mine.py"', "load.locustfile stands beside scenario; keep one of them"),
        (OURS + '\nuser_class = "X"', "load.user_class belongs to a locustfile of your own"),
        ("", r"small.toml:12: load lacks scenario; expected a module of locustfiles/ and its class"),
        ('locustfile = "none.py"', r"load.locustfile is \"none.py\"; expected a file; there is none at /"),
        ('locustfile = "mine.py"', r"load.locustfile has 2 user classes \(Browser, Buyer\); name one with user_class"),
        ('locustfile = "mine.py"\nuser_class = "Byer"', "a user class of mine.py; the nearest known class is Buyer"),
        ('locustfile = "bad.py"', r"bad.py:2: not valid Python: .*; expected a locustfile"),
        (OURS + '\nheaders_from_env = { A = "Bearer abc" }', "never their values"),
        (OURS + '\nheaders_from_env = { "A:" = "B" }', "header names with names of environment variables"),
    ],
)
def test_a_scenario_that_is_off_says_how(read: ReadSmall, tmp_path: Path, new: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(LOCUSTFILE)
    (tmp_path / "bad.py").write_text("x = 1\ndef:\n")
    with pytest.raises(ConfigError, match=said):
        read((OURS, new))


def test_files_of_another_machine_are_not_looked_for_when_told_so(read: ReadSmall) -> None:
    own = 'locustfile = "/elsewhere/mine.py"\nuser_class = "Buyer"'
    assert read((OURS, own), check_files=False).load.scenario.locustfile == Path("/elsewhere/mine.py")
