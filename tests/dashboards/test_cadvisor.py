"""What boards, alerts and the engine read of cAdvisor is there in a real kubelet's scrape, with the labels they use.

``cadvisor.json`` comes by ``cadvisor.py`` out of one scrape of a node of the lab on kind, of 2026-11-26.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import orjson
import pytest
import yaml

from dashboards.cadvisor import Filled, filled_labels
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files, rule_files
from loadlab.report.board_queries import board_queries

SCRAPED: Filled = json.loads(Path(__file__).with_name("cadvisor.json").read_text(encoding="utf-8"))
NAME = re.compile(r"\bcontainer_[a-z]\w+")
NOT_ON_EVERY_KERNEL = ("container_pressure_",)
"""Of kernels with pressure stall information only: nothing reads it."""


def _config() -> list[dict[str, str]]:
    text = (checkout().k8s / "base" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    (job,) = [job for job in yaml.safe_load(text)["scrape_configs"] if job["job_name"] == "cadvisor"]
    return list(job["metric_relabel_configs"])


def _kept(name: str) -> bool:
    (keep,) = [step for step in _config() if step.get("action") == "keep"]
    return re.fullmatch(keep["regex"], name) is not None


def _read() -> set[str]:
    """Every series of cAdvisor that a query, a rule or the engine's cross-check names."""
    queries = [q.expr for path in board_files(checkout()) for q in board_queries(orjson.loads(path.read_bytes()))]
    files = [
        *rule_files(checkout()),
        checkout().root / "scripts" / "loadlab" / "execute" / "cluster" / "cross_check.py",
    ]
    return set(NAME.findall(" ".join([*queries, *(path.read_text(encoding="utf-8") for path in files)])))


def test_every_series_of_cadvisor_that_is_read_is_scraped_of_containers_by_their_pod() -> None:
    assert {"container_oom_events_total", "container_start_time_seconds"} <= _read()
    for name in _read():
        assert {"container", "namespace", "pod"} <= set(SCRAPED[name]["container"]), name


@pytest.mark.parametrize("name", sorted(_read()))
def test_prometheus_keeps_what_is_read(name: str) -> None:
    assert _kept(name)


def test_every_name_that_prometheus_keeps_exists() -> None:
    (keep,) = [step for step in _config() if step.get("action") == "keep"]
    kept = {name for name in SCRAPED if _kept(name)}
    parts = keep["regex"].removeprefix("container_(").removesuffix(")")
    families = {
        part for part in ("cpu", "memory", "network", "oom", "start", "spec", "pressure") if f"{part}_" in parts
    }
    seen = {family for family in families if any(name.startswith(f"container_{family}_") for name in kept)}
    assert families - seen <= {one.removeprefix("container_").rstrip("_") for one in NOT_ON_EVERY_KERNEL}


def test_the_pause_container_has_an_image_and_no_name_and_tells_the_network_alone() -> None:
    (drop,) = [step for step in _config() if step.get("action") == "drop"]
    for name, kinds in SCRAPED.items():
        if not _kept(name) or "sandbox" not in kinds:
            continue
        assert "container" not in kinds["sandbox"]
        dropped = re.fullmatch(drop["regex"], f"{name};;an image") is not None
        assert dropped != name.startswith("container_network_"), name
        assert not re.fullmatch(drop["regex"], f"{name};service;an image"), "a container of the lab is kept"
        assert not re.fullmatch(drop["regex"], f"{name};;"), "and so is its pod"


def test_rows_of_the_lab_alone_are_told_apart() -> None:
    text = (
        'container_x{container="service",id="/a",image="i",name="n",namespace="loadlab",pod="p"} 1 1\n'
        'container_x{container="",id="/a",image="pause",name="n",namespace="loadlab",pod="p"} 1 1\n'
        'container_x{container="",id="/a",image="",name="",namespace="loadlab",pod="p"} 1 1\n'
        'container_x{container="c",id="/a",image="i",name="n",namespace="kube-system",pod="q"} 1 1\n'
    )
    assert filled_labels(text) == {
        "container_x": {
            "container": ["container", "id", "image", "name", "namespace", "pod"],
            "pod": ["id", "namespace", "pod"],
            "sandbox": ["id", "image", "name", "namespace", "pod"],
        }
    }
