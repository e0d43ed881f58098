"""What can be found wrong beforehand is found before a bundle is made."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from builders import make_experiment
from loadlab.config import NOT_KEPT
from loadlab.errors import ConfigError, UsageError
from loadlab.model.experiment import (
    ClosedLoad,
    CommandService,
    Experiment,
    ImageService,
    OurService,
    Resources,
    Service,
)
from loadlab.pipeline.preflight import check_local

PRICES = Path(__file__).parents[3] / "scripts" / "prices"


def _with(service: Service) -> Experiment:
    return make_experiment(services={"mine": service, "loop": OurService(service="fastapi_uvicorn")})


def test_what_can_run_here_passes() -> None:
    check_local(_with(CommandService(command=(sys.executable, "-V"))), PRICES)
    check_local(_with(CommandService(command=("bin/sh",), cwd=Path("/"))), PRICES)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (ImageService(image="mine:1", port=80), "stack mine: a container image cannot run on the local target"),
        (CommandService(command=("no-such-program",)), "there is no program no-such-program in PATH"),
        (CommandService(command=("./gone",), cwd=Path("/")), r"there is no program ./gone from /; mend"),
        (CommandService(command=("sh",), env={"PATH": "/nowhere"}), "there is no program sh in PATH"),
        (CommandService(command=("sh",), cwd=Path("/nowhere")), "cwd: /nowhere is no folder"),
        (CommandService(command=("sh",), env={"KEY": NOT_KEPT}), "env KEY: .*--set stack.mine.env.KEY=VALUE"),
        (CommandService(command=("sh", f"--token={NOT_KEPT}")), "a part is not kept in a bundle"),
        (OurService(service="flask_gunicorn", settings={"auth": "api_key"}), "auth asks for SVC_API_KEY"),
        (OurService(service="flask_gunicorn", settings={"auth": "jwt"}), "auth asks for SVC_JWT_SECRET"),
    ],
)
def test_a_stack_that_cannot_be_started_is_refused(
    monkeypatch: pytest.MonkeyPatch, service: Service, said: str
) -> None:
    for variable in ("SVC_API_KEY", "SVC_JWT_SECRET"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UsageError, match=said):
        check_local(_with(service), PRICES)


def test_a_header_that_is_not_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_TEST_KEY", raising=False)
    experiment = make_experiment()
    assert isinstance(experiment.load, ClosedLoad)
    scenario = replace(experiment.load.scenario, headers_from_env={"X-Key": "LAB_TEST_KEY"})
    with pytest.raises(UsageError, match="header X-Key: environment variable LAB_TEST_KEY is not set"):
        check_local(replace(experiment, load=replace(experiment.load, scenario=scenario)), PRICES)


def test_a_size_that_no_price_list_has_is_refused() -> None:
    experiment = replace(make_experiment(), resources=Resources(cpu=Decimal(1), memory_gib=Decimal(4000)))
    with pytest.raises(ConfigError, match="4000"):
        check_local(experiment, PRICES)
