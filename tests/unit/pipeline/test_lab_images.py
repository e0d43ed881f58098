"""`make images` builds what changed, records it, and pushes where it is told to."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from builders_images import BASE_ID, FakeDocker, fake_docker, make_checkout
from loadlab.errors import ImageError, UsageError
from loadlab.execute.lab.record import LabRecord
from loadlab.pipeline.lab_images import LabImages, make_images
from loadlab.pipeline.lab_versions import changed_sources
from loadlab.pipeline.layout import Layout
from loadlab.report.image_table import print_images

NAMES = ["flask", "fastapi", "upstream", "locust"]


@dataclass(frozen=True, slots=True)
class Lab:
    """A checkout, its docker, and the call."""

    root: Path
    docker: FakeDocker

    def make(self, registry: str | None = None, **environ: str) -> LabImages:
        return make_images(
            Layout(root=self.root, runs=self.root / "runs"),
            registry=registry,
            environ={"PATH": str(self.docker.program.parent), "LAB_BASE_IMAGE": "base:1"} | environ,
            say=lambda _: None,
            monotonic_s=_ticking(),
        )

    @property
    def ledger(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = orjson.loads((self.root / ".lab" / "images.json").read_bytes())
        return found


def _ticking() -> Callable[[], float]:
    ticks = count()
    return lambda: float(next(ticks))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(make_checkout(tmp_path / "checkout"), fake_docker(tmp_path / "bin"))


def test_everything_is_built_and_recorded_by_content(lab: Lab) -> None:
    made = lab.make()
    assert [row.name for row in made.rows if row.is_new] == NAMES
    entry = lab.ledger["flask"]
    assert entry["image"] == "loadlab/flask"
    assert str(entry["tag"]).startswith("c-")
    assert str(entry["id"]).startswith("sha256:")
    assert (entry["size_bytes"], entry["above_base_bytes"]) == (1500, 500)
    assert len({str(lab.ledger[name]["tag"]) for name in NAMES}) == 4


def test_a_second_call_builds_nothing(lab: Lab) -> None:
    lab.make()
    before = lab.ledger
    calls = len(lab.docker.calls)
    made = lab.make()
    assert not any(row.is_new for row in made.rows)
    assert "build" not in lab.docker.verbs()[calls:]
    assert "run" not in lab.docker.verbs()[calls:]
    assert lab.ledger == before


def test_only_the_image_whose_source_changed_is_built(lab: Lab) -> None:
    lab.make()
    (lab.root / "services/upstream/module.py").write_text("NAME = 'changed'\n")
    assert [row.name for row in lab.make().rows if row.is_new] == ["upstream"]


def test_sources_that_changed_since_their_image_was_built_are_told_until_it_is_built_anew(lab: Lab) -> None:
    record = LabRecord(target="kind", context="kind-loadlab")
    lab.make()
    assert list(changed_sources(lab.root, record, lab.ledger)) == []
    (lab.root / "services/common/svc_common/module.py").write_text("NAME = 'changed'\n")
    told = list(changed_sources(lab.root, record, lab.ledger))
    assert [line.split(":")[0] for line in told] == ["image flask", "image fastapi", "image upstream"]
    built = f"loadlab/flask:{lab.ledger['flask']['tag']}"
    assert told[0] == f"image flask: its sources have changed since {built} was built; `make lab-up`"
    lab.make()
    assert list(changed_sources(lab.root, record, lab.ledger)) == []


def test_where_images_are_pulled_from_a_registry_what_changed_has_to_be_pushed(lab: Lab) -> None:
    lab.make()
    (lab.root / "locustfiles/module.py").write_text("NAME = 'changed'\n")
    (told,) = changed_sources(lab.root, LabRecord(target="cluster", context="eks"), lab.ledger)
    assert told.startswith("image locust: its sources have changed")
    assert told.endswith("; `make lab-up REGISTRY=host/path`")


def test_an_image_of_which_nobody_knows_what_it_was_built_from_is_not_accused(lab: Lab) -> None:
    before = {"flask": {"image": "loadlab/flask", "tag": "c-1"}}
    assert list(changed_sources(lab.root, LabRecord(target="kind", context="kind-loadlab"), before)) == []


def test_an_image_that_carries_the_tag_but_not_the_content_is_built(lab: Lab) -> None:
    lab.make()
    file = lab.docker.program.parent / "images.json"
    images = orjson.loads(file.read_bytes())
    images[f"loadlab/flask:{lab.ledger['flask']['tag']}"]["Config"] = {}
    file.write_bytes(orjson.dumps(images))
    assert [row.name for row in lab.make().rows if row.is_new] == ["flask"]


def test_the_images_from_elsewhere_are_recorded_as_they_are_referred_to(lab: Lab) -> None:
    lab.make(LAB_PROMETHEUS_IMAGE="mirror:5000/prometheus:v3", LAB_GRAFANA_IMAGE="grafana@sha256:" + "a" * 64)
    expected = {"reference": "mirror:5000/prometheus:v3", "image": "mirror:5000/prometheus", "tag": "v3"}
    assert lab.ledger["prometheus"] == expected
    assert lab.ledger["grafana"]["digest"] == "sha256:" + "a" * 64
    with pytest.raises(ImageError, match="LAB_GRAFANA_IMAGE=grafana:latest: expected an image with a version"):
        lab.make(LAB_GRAFANA_IMAGE="grafana:latest")


def test_a_push_goes_below_the_registry_and_its_digest_is_kept(lab: Lab) -> None:
    lab.make(registry="host:5000/team")
    pushed = {"image": "host:5000/team/loadlab/flask", "digest": "sha256:" + "d" * 64}
    assert lab.ledger["flask"]["pushed"] == pushed
    assert lab.docker.verbs().count("push") == 4
    lab.make()
    assert lab.ledger["flask"]["pushed"] == pushed
    (lab.root / "services/flask_gunicorn/module.py").write_text("NAME = 'changed'\n")
    lab.make()
    assert "pushed" not in lab.ledger["flask"]


def test_what_a_new_image_replaces_is_remembered_for_its_removal(lab: Lab) -> None:
    lab.make(registry="host")
    module, tags = lab.root / "services/upstream/module.py", []
    first = module.read_text()
    for text in ("NAME = 'changed'\n", "NAME = 'again'\n", first):
        tags.append(lab.ledger["upstream"]["tag"])
        module.write_text(text)
        lab.make()
    before, *others = tags
    assert lab.ledger["upstream"]["tag"] == before
    assert lab.ledger["upstream"]["replaced"] == [
        *(f"loadlab/upstream:{tag}" for tag in reversed(others)),
        f"host/loadlab/upstream:{before}",
    ]
    assert "replaced" not in lab.ledger["flask"]


def test_names_for_two_registries_are_both_remembered(lab: Lab) -> None:
    for registry in ("one", "two", "two"):
        lab.make(registry=registry)
    flask = lab.ledger["flask"]
    assert flask["pushed"] == {"image": "two/loadlab/flask", "digest": "sha256:" + "d" * 64}
    assert flask["replaced"] == [f"one/loadlab/flask:{flask['tag']}"]


def test_what_was_built_is_recorded_when_the_push_fails(lab: Lab) -> None:
    lab.docker.tell(fails={"push": "denied"})
    with pytest.raises(ImageError, match="cannot be pushed: denied"):
        lab.make(registry="host")
    assert "pushed" not in lab.ledger["flask"]


@pytest.mark.parametrize("registry", ["https://host/x", "Host/x", "host/x/", "a b", ""])
def test_what_is_no_registry_is_refused_before_anything_is_built(lab: Lab, registry: str) -> None:
    with pytest.raises(UsageError, match=r"expected host\[:port\]\[/path\] in lower case, without https://"):
        lab.make(registry=registry)
    assert lab.docker.calls == []


def test_a_base_that_is_not_there_is_pulled_once(lab: Lab) -> None:
    base = {"Id": BASE_ID, "Size": 1000, "RootFS": {"Layers": ["base"]}, "Config": {}}
    lab.docker.tell(pullable={"python:3.12": base})
    lab.make(LAB_BASE_IMAGE="python:3.12")
    lab.make(LAB_BASE_IMAGE="python:3.12")
    assert lab.docker.verbs().count("pull") == 1


def test_a_build_that_fails_leaves_the_record_of_before(lab: Lab) -> None:
    lab.make()
    before = lab.ledger
    (lab.root / "services/upstream/module.py").write_text("NAME = 'changed'\n")
    lab.docker.tell(fails={"build": "SyntaxError"})
    with pytest.raises(ImageError, match=r"loadlab/upstream:c-.*: the build failed: SyntaxError"):
        lab.make()
    assert lab.ledger == before


def test_the_table_shows_what_is_above_the_base_and_shared(lab: Lab) -> None:
    made = lab.make()
    assert {row.shared_bytes for row in made.rows} == {200}
    out = io.StringIO()
    print_images(made.rows, base=made.base, python=made.python, console=Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert lines[0] == "base base:1 (cp312-glibc2.36-x86_64)"
    assert lines[1].split("  ")[0] == "image"
    assert lines[2].split()[-6:] == ["1.46", "KiB", "500", "B", "200", "B"]
    assert all(len(line.rstrip()) <= 80 for line in lines)
