"""Slow, broken and hostile clients on Locust's web application: the lab's routes go on answering the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from locust_rig import LOCUSTFILES, Cluster
from odd_clients import OK, Door, Talk, spoilt, talks
from siege import besiege

SPOILT = 60
SEED = 20261126
OURS = re.compile(r'File ".*(locustfiles|flask|werkzeug)/')


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One Locust process with the lab's routes, which outlives every siege."""
    locust = Cluster(str(LOCUSTFILES / "io_bound.py"), tmp_path_factory.mktemp("alone"), workers=0)
    yield locust
    locust.close()


def _allowed(door: Door, more: frozenset[int]) -> Iterator[Talk]:
    return (replace(talk, may=talk.may | more) for talk in talks(door))


@pytest.mark.parametrize(
    ("good", "posts", "taken"),
    [("/lab/status", "/lab/windows", frozenset()), ("/metrics", "/lab/phase", OK)],
    ids=["engine", "prometheus"],
)
def test_odd_clients_keep_nobody_from_the_labs_routes(
    alone: Cluster, good: str, posts: str, taken: frozenset[int]
) -> None:
    """Neither the engine nor Prometheus, also where a phase is known of which parts are missing.

    taken: how their {} is answered beyond what it may be anywhere; to a phase nothing has to belong.
    """
    assert alone.post("phase", {"levels": [{"stack": "flask", "users": 8}]})[0] == 200
    door = Door(port=int(alone.web.rsplit(":", 1)[1]), good=good, posts=posts)
    random = Random(SEED)
    seen = besiege(door, (*_allowed(door, taken), *(spoilt(door, random) for _ in range(SPOILT))))
    assert seen.faults == ()
    assert seen.missed == ()
    assert seen.good_s
    log = (alone.folder / "master.log").read_text(encoding="utf-8", errors="replace")
    assert not OURS.search(log), "gevent tells by a traceback what it refuses itself; nothing of it reaches the routes"
    assert alone.status()["state"] == "ready"
