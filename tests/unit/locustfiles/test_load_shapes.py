"""The users that each shape asks for, second by second, with the options that are named at the top of its file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHAPES = Path(__file__).parents[3] / "locustfiles" / "shapes"
TICKS = """
import importlib.util, json, sys
from types import SimpleNamespace
import locust

asked = {}
for case in json.load(sys.stdin):
    spec = importlib.util.spec_from_file_location(case["file"], case["path"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shape = getattr(module, case["shape"])()
    options = SimpleNamespace(**case["options"])
    shape.runner = SimpleNamespace(environment=SimpleNamespace(parsed_options=options))
    asked[case["file"]] = ticks = []
    for now_s in case["at_s"]:
        shape.get_run_time = lambda: now_s
        try:
            ticks.append(shape.tick())
        except SystemExit as refused:
            ticks.append(str(refused))
print(json.dumps(asked))
"""
"""In a process of its own: Locust changes the standard library of whoever imports it."""
SPIKE = {"spike_base": 10, "spike_peak": 200, "spike_at_s": 30.0, "spike_for_s": 20.0, "spike_after_s": 60.0}
SOAK = {"soak_users": 50, "soak_ramp_s": 10.0, "soak_for_s": 100.0}
CASES: dict[str, tuple[str, dict[str, Any], tuple[tuple[float, list[float] | str | None], ...]]] = {
    "steps": (
        "StepsShape",
        {"steps_users": "10,40,20", "step_s": 30.0},
        ((0, [10, 40]), (29.9, [10, 40]), (30, [40, 40]), (60, [20, 40]), (89.9, [20, 40]), (90, None)),
    ),
    "spike": (
        "SpikeShape",
        SPIKE,
        ((0, [10, 200]), (29.9, [10, 200]), (30, [200, 200]), (49.9, [200, 200]), (50, [10, 200]), (110, None)),
    ),
    "soak": ("SoakShape", SOAK, ((0, [50, 5]), (9.9, [50, 5]), (109.9, [50, 5]), (110, None))),
    "steps of no length": (
        "StepsShape",
        {"steps_users": "10", "step_s": 0.0},
        ((0, "--step-s: got 0, expected seconds above 0, as in 30"),),
    ),
    "steps of no users": (
        "StepsShape",
        {"steps_users": "10,,20", "step_s": 1.0},
        ((0, "--steps-users: got '10,,20', expected whole numbers from 1 on, as in 10,20,40"),),
    ),
}
"""File, shape, options, and what is asked for when: users and how many may start per second; None ends the test."""


@pytest.fixture(scope="module")
def asked() -> dict[str, list[Any]]:
    """What each shape asks for at each of its times."""
    orders = [
        {
            "file": name,
            "path": str(SHAPES / f"{name.split()[0]}.py"),
            "shape": shape,
            "options": options,
            "at_s": [at_s for at_s, _ in ticks],
        }
        for name, (shape, options, ticks) in CASES.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", TICKS], input=json.dumps(orders), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_shape_asks_for_its_users_at_its_times_and_ends_by_itself(asked: dict[str, list[Any]], name: str) -> None:
    assert asked[name] == [users for _, users in CASES[name][2]]
