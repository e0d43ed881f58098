"""What holds for every test: how they are spread over the workers of a session, and what they know of the machine."""

# mypy: disable-error-code="misc, import-untyped"
# (xdist has no types)

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# An example that took long says something of the machine alone.
hypothesis.settings.register_profile("loadlab", deadline=None)
hypothesis.settings.load_profile("loadlab")

EACH_ALONE = "tests/faults/"
ONE_AT_A_TIME = {
    "tests/integration/test_engine_real_locust": "locust",
    "tests/integration/test_engine_": "engine",
    "tests/integration/test_locust_": "locust",
    "tests/dashboards/test_replay": "replay",
    "tests/integration/test_calibration_bench": "calibration",
    "tests/contract/": "contract",
    "tests/e2e/": "cluster",
}
"""The beginnings of node ids, and the group of each; the longest groups come first, for one that began late would keep
one worker busy when the others have ended.

Runs of the engine pin what they start, so that two of them would crowd one core; Locust's clusters come beside.

The services of the contract are set up once for a session, which is once for each worker; what is set up once for a
module needs no group, for a file stays on one worker, but for the cases of ``EACH_ALONE``.
What needs Docker has one engine and one cluster, which files raise, break and remove: never two at a time.
"""


class Spread(LoadScopeScheduling):
    """Each group on one worker, the longest first; every other file, with what it sets up once, on any that is free.

    The mark xdist_group does not do it: xdist 3.8 writes it into an attribute that pytest 9.2 no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(EACH_ALONE) else group_of(nodeid) or nodeid.partition("::")[0]


def group_of(nodeid: str) -> str | None:
    """The group that a test belongs to; None for one whose file is its group."""
    return next((group for start, group in ONE_AT_A_TIME.items() if nodeid.startswith(start)), None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups first, in their order."""
    places = {group: place for place, group in enumerate(dict.fromkeys(ONE_AT_A_TIME.values()))}
    items.sort(key=lambda item: places.get(group_of(item.nodeid) or "", len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread:
    """Xdist asks for the scheduler, which is to leave the order as it was collected."""
    config.option.loadscopereorder = False
    return Spread(config, log)


@pytest.fixture(autouse=True, scope="session")
def _no_state_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A calibration of whoever runs the tests must not change what they see; their children see none either."""
    before = os.environ.get("LOADLAB_STATE")
    folder = tmp_path_factory.mktemp("state")
    os.environ["LOADLAB_STATE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["LOADLAB_STATE"]
    else:
        os.environ["LOADLAB_STATE"] = before
