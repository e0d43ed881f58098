"""The images themselves: built by the engine of this machine, run with nothing but /tmp to write to."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
MOST_ABOVE_BASE_BYTES = 200_000_000
START_S = 60.0
STRICT = (
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--user",
    "10001",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
)
TOOL = os.environ.get("LAB_CONTAINER_TOOL", "docker")

Images = dict[str, dict[str, object]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A running container and the addresses that its ports have on loopback."""

    name: str
    ports: dict[int, str]

    def get(self, path: str, port: int) -> tuple[int, str]:
        """Asked until it answers, because a container is not a service yet when it starts."""
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.ports[port]}{path}", timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()
            except OSError:
                if time.monotonic() > deadline_s:
                    pytest.fail(f"{self.name} does not answer: {_docker('logs', self.name)}")
                time.sleep(0.2)

    def stop(self) -> int:
        """SIGTERM, and its exit code; a container that has to be killed has 137."""
        _docker("stop", "-t", "30", self.name)
        return int(_docker("inspect", "--format", "{{.State.ExitCode}}", self.name))


def _docker(*words: str) -> str:
    done = subprocess.run([TOOL, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return (done.stdout + (done.stderr if words[0] == "logs" else "")).strip()


def _make_images() -> Images:
    command = [sys.executable, "-c", "from loadlab.cli.app import main; main()", "lab", "images", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1100, check=False)
    assert done.returncode == 0, done.stderr
    made: Images = json.loads(done.stdout)
    return made


@pytest.fixture(scope="module")
def images() -> Images:
    return _make_images()


@pytest.fixture
def network() -> Iterator[str]:
    name = f"loadlab-test-{secrets.token_hex(4)}"
    _docker("network", "create", name)
    yield name
    _docker("network", "rm", name)


@pytest.fixture
def start(images: Images, network: str) -> Iterator[object]:
    started: list[str] = []

    def run(image: str, *words: str, ports: tuple[int, ...], environ: dict[str, str] | None = None) -> Container:
        name = f"{network}-{image}"
        published = [word for port in ports for word in ("--publish", f"127.0.0.1::{port}")]
        variables = [word for key, value in (environ or {}).items() for word in ("--env", f"{key}={value}")]
        reference = f"{images[image]['image']}:{images[image]['tag']}"
        _docker(
            "run", "--detach", "--name", name, "--network", network, *STRICT, *published, *variables, reference, *words
        )
        started.append(name)
        return Container(name=name, ports={port: _docker("port", name, str(port)).split()[0] for port in ports})

    yield run
    for name in reversed(started):
        _docker("rm", "--force", name)


def test_every_image_is_less_than_200_mb_above_its_base(images: Images) -> None:
    above = {name: entry["above_base_bytes"] for name, entry in images.items() if "above_base_bytes" in entry}
    assert set(above) == {"flask", "fastapi", "upstream", "locust"}
    assert [name for name, size in above.items() if not isinstance(size, int) or size >= MOST_ABOVE_BASE_BYTES] == []


def test_a_second_call_finds_what_the_first_one_made(images: Images) -> None:
    assert _make_images() == images


def test_flask_and_fastapi_have_the_layer_of_their_common_packages_together(images: Images) -> None:
    layers = {}
    for name in ("flask", "fastapi"):
        reference = f"{images[name]['image']}:{images[name]['tag']}"
        layers[name] = json.loads(_docker("image", "inspect", reference))[0]["RootFS"]["Layers"]
    base = _base_layers()
    common = set(layers["flask"]) & set(layers["fastapi"]) - set(base)
    assert len(common) == 1


def _base_layers() -> list[str]:
    from loadlab.execute.images.reference import BASE

    layers: list[str] = json.loads(_docker("image", "inspect", BASE.chosen(os.environ)))[0]["RootFS"]["Layers"]
    return layers


@pytest.mark.parametrize("stack", ["flask", "fastapi"])
def test_a_stack_answers_and_measures_itself_and_leaves_in_order(start: object, network: str, stack: str) -> None:
    assert callable(start)
    upstream = start("upstream", ports=(8100,), environ={"UPSTREAM_LATENCY": "constant(5ms)"})
    service = start(
        stack, ports=(8000, 9100), environ={"SVC_UPSTREAM_URL": f"http://{network}-upstream:8100", "SVC_WORKERS": "1"}
    )
    assert upstream.get("/metrics", 8100)[0] == 200
    for path in ("/livez", "/readyz", "/data", "/items/3", "/items", "/cpu", "/openapi.json"):
        assert service.get(path, 8000)[0] == 200, path
    status, metrics = service.get("/metrics", 9100)
    assert status == 200
    for family in ("process_tree_cpu_seconds_total", "cgroup_cpu_usage_seconds_total", "cgroup_memory_usage_bytes"):
        assert float(_sample(metrics, family)) > 0
    assert float(_sample(metrics, "process_tree_pss_bytes")) > 0
    assert (service.stop(), upstream.stop()) == (0, 0)


def _sample(metrics: str, family: str) -> str:
    return next(line.rsplit(" ", 1)[1] for line in metrics.splitlines() if line.startswith(family))


def test_locust_has_the_labs_files_and_leaves_in_order(start: object) -> None:
    assert callable(start)
    words = ("-f", "/lab/locustfiles", "--class-picker", "--web-host", "0.0.0.0", "--host", "http://127.0.0.1:1")
    locust = start("locust", *words, ports=(8089,))
    status, body = locust.get("/lab/status", 8089)
    assert (status, json.loads(body)["state"]) == (200, "ready")
    assert locust.stop() == 0


@pytest.mark.parametrize("image", ["flask", "fastapi", "upstream", "locust"])
def test_the_last_stage_has_no_compiler_and_no_installer(images: Images, image: str) -> None:
    reference = f"{images[image]['image']}:{images[image]['tag']}"
    script = "id -u; for tool in gcc cc make; do command -v $tool; done; python -c 'import pip' 2>/dev/null && echo pip"
    words = ("--network", "none", *STRICT, "--entrypoint", "sh", reference, "-c", f"{script}; true")
    assert _docker("run", "--rm", *words) == "10001"


@pytest.mark.parametrize("image", ["flask", "fastapi", "upstream", "locust"])
def test_every_module_of_the_image_is_compiled(images: Images, image: str) -> None:
    reference = f"{images[image]['image']}:{images[image]['tag']}"
    script = (
        "import importlib.util as u, pathlib as p\n"
        "print([str(f) for top in ('/lab', '/opt/lab/lib') for f in p.Path(top).rglob('*.py')\n"
        "       if not p.Path(u.cache_from_source(str(f))).exists()])"
    )
    said = _docker("run", "--rm", "--network", "none", *STRICT, "--entrypoint", "python", reference, "-c", script)
    assert said == "[]"
