"""Slow, broken and hostile clients on Locust's web application: the lab's routes go on answering the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from locust_rig import LOCUSTFILES, Cluster
from odd_clients import Door, spoilt, talks
from siege import besiege

SPOILT = 60
SEED = 20261126
OURS = re.compile(r'File ".*(locustfiles|flask|werkzeug)/')


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Cluster]:
    """One Locust process with the lab's routes."""
    locust = Cluster(str(LOCUSTFILES / "io_bound.py"), tmp_path, workers=0)
    yield locust
    locust.close()


def test_odd_clients_do_not_keep_the_engine_from_the_labs_routes(alone: Cluster) -> None:
    door = Door(port=int(alone.web.rsplit(":", 1)[1]), good="/lab/status", posts="/lab/windows")
    random = Random(SEED)
    seen = besiege(door, (*talks(door), *(spoilt(door, random) for _ in range(SPOILT))))
    assert seen.faults == ()
    assert seen.missed == ()
    assert seen.good_s
    log = (alone.folder / "master.log").read_text(encoding="utf-8", errors="replace")
    assert not OURS.search(log), "gevent tells by a traceback what it refuses itself; nothing of it reaches the routes"
    assert alone.status()["state"] == "ready"
