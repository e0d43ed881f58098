"""Experiments on a real cluster: a verdict, and what is left when something breaks in the middle of a window.

The runs are short and their machine is shared, so their gates bear noise and nothing here asserts on what a verdict
says; books must balance to the last request, and whatever broke must stand in the bundle.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_process import BRIEF
from loadlab.execute.cluster.kubectl import Kubectl, find_tool
from loadlab.execute.cluster.lab import runs_on_kind
from loadlab.execute.cluster.state import LabFolder
from short_experiment import write_short

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
RUN_S = 600.0
POLL_S = 0.1
LOCUST = "http://127.0.0.1:8089"
CONTROL_PLANE = "loadlab-control-plane"
CONCLUDED = (0, 3, 4, 5)


READER = """
from locust import FastHttpUser, task
class Reader(FastHttpUser):
    @task
    def read(self):
        self.client.get("/items/1")
"""
OWN = """
id = "own"
question = "Do images of our own run here?"
[decision]
margin_ratio = 0.20
[[stack]]
name = "theirs"
image = "{flask}"
port = 8000
ready_path = "/readyz"
env = {{ SVC_WORKERS = "1", TOKEN = "s3cret-of-mine" }}
[[stack]]
name = "ours"
image = "{fastapi}"
port = 8000
ready_path = "/readyz"
[load]
kind = "closed"
locustfile = "reader.py"
users = [4]
think_s = 0.05
[window]
warmup_s = 1.0
measure_s = 4.0
[blocks]
count = 1
seed = 7
[[price]]
list = "aws-fargate-x86"
billing = "provisioned"
[resources]
cpu = 1.0
memory = "512Mi"
"""


class Run:
    """``loadlab run`` as a child, and its bundle as it grows."""

    def __init__(self, runs: Path, *words: str) -> None:
        self._runs = runs
        script = f"{BRIEF}\nfrom loadlab.cli import main\nmain()"
        command = [sys.executable, "-c", script, "run", *words, "--runs", str(runs)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @property
    def folder(self) -> Path:
        return next(path.parent for path in self._runs.glob("*/events.jsonl") if not path.parent.is_symlink())

    def events(self) -> list[dict[str, Any]]:
        try:
            lines = (self.folder / "events.jsonl").read_text().splitlines()
        except (StopIteration, OSError):
            return []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Until such an event is there; a run that ends before fails the test with what it said."""
        deadline_s = time.monotonic() + RUN_S
        while not any(wanted(event) for event in self.events()):
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline_s, f"no such event in {RUN_S:g} s: {self.events()[-3:]}"
            time.sleep(POLL_S)

    def wait_for_first_window(self) -> None:
        """Until the first window of the first block is open, as Locust tells on its published port."""
        self.wait_for(lambda event: event["event"] == "pods_ready" and event["block"] == 1)
        plan = json.loads((self.folder / "plan.json").read_text())
        url = f"{LOCUST}/lab/windows/{plan['blocks'][0]['trials'][0]['id']}"
        deadline_s = time.monotonic() + RUN_S
        while _state_of(url) != "open":
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline_s, f"{url} was not seen open in {RUN_S:g} s"
            time.sleep(POLL_S)

    def output(self) -> str:
        """Everything it said, when it has ended."""
        said, _ = self.process.communicate(timeout=RUN_S)
        return said

    def windows(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.folder / "windows").glob("b*.json"))]

    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "results.json").read_text())
        return found


def _state_of(url: str) -> object:
    """Of a window; None while Locust has none of that name."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read())["state"]
    except OSError:
        return None


@pytest.fixture
def kubectl(lab: Path) -> Kubectl:
    return Kubectl(find_tool("kubectl", ROOT / ".tools"), LabFolder(root=lab).cluster())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts runs of one folder; one that still runs at the end of a test is ended."""
    begun: list[Run] = []

    def begin(*words: str) -> Run:
        begun.append(Run(tmp_path / "runs", *words))
        return begun[-1]

    yield begin
    for run in begun:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            run.output()


def _experiment(folder: Path, *, users: str = "[8]", blocks: int = 1, measure_s: float = 4.0) -> list[str]:
    path = folder / "short.toml"
    write_short(path, users=users, blocks=blocks, measure_s=measure_s)
    return [str(path), "--target", "kubernetes"]


def _books_balance(run: Run) -> None:
    assert run.windows()
    for window in run.windows():
        books = window["books"]
        counts = {books["sent"], books["answered"] + books["failed"], books["served"], books["upstream_arrivals"]}
        assert counts == {books["sent"]}, window["id"]


def test_a_short_experiment_comes_to_a_verdict_and_its_books_balance(
    start: Callable[..., Run], tmp_path: Path, kubectl: Kubectl
) -> None:
    run = start(*_experiment(tmp_path, users="[4, 8, 12, 16]", blocks=2, measure_s=3.0))
    said = run.output()
    assert run.process.returncode in CONCLUDED, said
    results = run.results()
    _books_balance(run)
    assert {window["stack"] for window in results["windows"]} == {"flask", "fastapi"}
    assert results["provenance"]["isolation"] == "quota"
    assert {start["stack"] for start in results["cluster"]["starts"]} == {"flask", "fastapi", "upstream"}
    assert all(start["image_id"].startswith("sha256:") for start in results["cluster"]["starts"])
    assert all(window["load"]["health"]["throttled_s"] is not None for window in run.windows())
    assert "On Kubernetes" in (run.folder / "report.html").read_text()
    left = kubectl.json("get", "deployments", "-l", "app.kubernetes.io/instance=run")["items"]
    assert left == []
    standing = kubectl.json("get", "deployments", "-l", "app.kubernetes.io/instance=standing")["items"]
    assert all(one["spec"]["replicas"] > 0 for one in standing if one["metadata"]["name"] in ("flask", "fastapi"))


def test_a_worker_that_is_deleted_in_a_window_makes_it_invalid_and_the_run_finishes(
    start: Callable[..., Run], tmp_path: Path, kubectl: Kubectl
) -> None:
    run = start(*_experiment(tmp_path, measure_s=8.0))
    run.wait_for_first_window()
    kubectl.run("delete", "pod", "-l", "app.kubernetes.io/name=locust-worker", "--grace-period=0", "--force")
    said = run.output()
    assert run.process.returncode in CONCLUDED, said
    events = run.events()
    assert any(event["event"] == "run_finished" for event in events)
    assert any(event["event"] == "generator_healed" for event in events)
    lost = [e for e in events if e["event"] == "trial_lost"]
    invalid = [e for e in events if e["event"] == "window_finished" and {"partial", "workers"} & set(e["invalid"])]
    assert lost or invalid, "the window in which the worker went must not count"


def test_arrivals_of_an_open_load_come_as_planned_and_its_books_balance(start: Callable[..., Run], lab: Path) -> None:
    """The experiment that is shipped, shorter; each rate is one schedule over however many workers there are."""
    changes = ("load.rate_rps=[20, 40]", 'load.arrivals="constant"', "blocks.count=1", "window.measure_s=4.0")
    run = start("open-objective", "--target", "kubernetes", *(word for one in changes for word in ("--set", one)))
    said = run.output()
    assert run.process.returncode in CONCLUDED, said
    _books_balance(run)
    assert {(window["stack"], window["users"]) for window in run.windows()} == {
        (stack, rate) for stack in ("flask", "fastapi") for rate in (20, 40)
    }
    for window in run.windows():
        arrivals = window["load"]["arrivals"]
        assert abs(arrivals["planned"] - window["users"] * window["load"]["measure_s"]) <= 1, window["id"]
        assert arrivals["dropped"] == 0
        assert arrivals["started"] > 0
    # where other machines take processor time no window may count, and `levels` is empty
    assert {level["users"] for level in run.results()["tested"]} == {20, 40}


def test_a_stack_that_refuses_what_is_beyond_its_limit_stays_ready(
    start: Callable[..., Run], tmp_path: Path, lab: Path
) -> None:
    """Refusals are what is measured. Probes come every 5 s and give up after three, so that the window is longer."""
    limit = "stack.fastapi.settings.limit_concurrency=4"
    run = start(*_experiment(tmp_path, users="[16]", measure_s=20.0), "--set", limit)
    said = run.output()
    assert run.process.returncode in CONCLUDED, said
    refused = [window["load"]["outcomes"].get("503", 0) for window in run.windows() if window["stack"] == "fastapi"]
    assert refused
    assert min(refused) > 0
    assert not [note for window in run.windows() for note in window["notes"] if "unready" in note]
    assert not any(event["event"] == "stacks_restarted" for event in run.events())


def test_images_and_a_locustfile_of_ones_own_need_nothing_of_the_lab_in_them(
    start: Callable[..., Run], tmp_path: Path, lab: Path
) -> None:
    """The lab's images as if they were somebody's: by their references, with a variable of their own."""
    images = json.loads((lab / "images.json").read_text())
    references = {name: f"{images[name]['image']}:{images[name]['tag']}" for name in ("flask", "fastapi")}
    (tmp_path / "reader.py").write_text(READER)
    (tmp_path / "own.toml").write_text(OWN.format(**references))
    run = start(str(tmp_path / "own.toml"), "--target", "kubernetes")
    said = run.output()
    assert run.process.returncode in CONCLUDED, said
    assert {window["stack"] for window in run.windows()} == {"theirs", "ours"}
    for window in run.windows():
        books = window["books"]
        assert books["sent"] == books["answered"] > 0, window["id"]
        assert (books["served"], books["upstream_arrivals"]) == (None, None), "nobody tells, and that is not zero"
    assert {window["cpu_s_per_request"] for window in run.results()["windows"]} == {None}
    rows = [row for event in run.events() if event["event"] == "cross_check" for row in event["stacks"]]
    assert {row["stack"] for row in rows} == {"theirs", "ours"}
    assert "s3cret-of-mine" not in "".join(
        path.read_text(errors="replace") for path in run.folder.rglob("*") if path.is_file()
    ), "what is given in env stays out of the bundle"


def test_a_service_pod_that_is_killed_in_a_window_ends_the_window_and_the_run_finishes(
    start: Callable[..., Run], tmp_path: Path, kubectl: Kubectl
) -> None:
    measure_s = 20.0
    run = start(*_experiment(tmp_path, measure_s=measure_s))
    run.wait_for_first_window()
    kubectl.run("delete", "pod", "-l", "app.kubernetes.io/instance=run", "--grace-period=0", "--force")
    said = run.output()
    assert run.process.returncode in CONCLUDED, said
    events = run.events()
    assert any(event["event"] == "run_finished" for event in events)
    restarted = [event for event in events if event["event"] == "stacks_restarted"]
    assert restarted
    assert "was deleted" in str(restarted[0]["reason"])
    (struck,) = [window for window in run.windows() if any("was deleted" in note for note in window["notes"])]
    assert struck["load"]["measure_s"] < measure_s, "nobody waits for the end of a window that is lost"
    assert struck["books"]["sent"] == struck["books"]["answered"] + struck["books"]["failed"]
    reported = run.results()["findings"]
    assert any(finding["code"] == "stacks_restarted" for finding in reported)


def test_a_window_in_which_the_api_server_was_away_counts_and_has_no_resources(
    start: Callable[..., Run], tmp_path: Path, kubectl: Kubectl
) -> None:
    """The engine reads what a service uses through the API server; the load does not go through it."""
    if not runs_on_kind(kubectl):
        pytest.skip("only kind's control plane can be halted from here")
    run = start(*_experiment(tmp_path, measure_s=8.0))
    run.wait_for_first_window()
    halt = subprocess.run(["docker", "pause", CONTROL_PLANE], capture_output=True, text=True, check=True)
    try:
        assert run.process.poll() is None, halt.stdout
        time.sleep(14.0)
    finally:
        subprocess.run(["docker", "unpause", CONTROL_PLANE], capture_output=True, check=True)
    said = run.output()
    assert run.process.returncode in CONCLUDED, said
    assert any(event["event"] == "run_finished" for event in run.events())
    results = run.results()
    dark = [window for window in results["windows"] if "resources" in window["not_available"]]
    assert dark, "nobody could look at the service when the window closed"
    assert {(window["cpu_s_per_request"], window["pss_bytes"]) for window in dark} == {(None, None)}
    assert all(window["goodput_rps"] > 0 for window in dark)
    assert not [note for window in run.windows() for note in window["notes"] if "was to be idle" in note]
    assert any(found["code"] == "resources" and found["level"] == "not_available" for found in results["findings"])


def test_an_engine_that_is_killed_leaves_no_children_and_its_run_is_resumed(
    start: Callable[..., Run], tmp_path: Path, kubectl: Kubectl
) -> None:
    run = start(*_experiment(tmp_path, blocks=2))
    run.wait_for(lambda event: event["event"] == "block_finished")
    run.process.send_signal(signal.SIGKILL)
    run.output()
    assert _children_of(kubectl) == []
    again = start("--resume", run.folder.name)
    said = again.output()
    assert again.process.returncode in CONCLUDED, said
    assert run.results()["counts"]["blocks"] == 2
    assert any(finding["code"] == "resumed" for finding in run.results()["findings"])
    _books_balance(run)
    standing = kubectl.json("get", "deployments", "-l", "app.kubernetes.io/instance=standing")["items"]
    assert all(one["spec"]["replicas"] > 0 for one in standing if one["metadata"]["name"] in ("flask", "fastapi"))


def test_a_path_that_no_policy_allows_is_denied(lab: Path, kubectl: Kubectl) -> None:
    """Locust's master may not call the upstream; its workers, which may call services, may not either."""
    if json.loads((lab / "lab.json").read_text())["policies"] == "not enforced":
        pytest.skip("NOT ENFORCED: this cluster's network lets everything through, as `lab status` says")
    kubectl.run("rollout", "status", "deployment/locust-worker", "--timeout=120s", timeout_s=130.0)
    code = (
        "import socket\n"
        "try:\n    socket.create_connection(('{host}', {port}), timeout=4).close()\n    print('open')\n"
        "except OSError as error:\n    print('denied', type(error).__name__)"
    )
    upstream = kubectl.json("get", "service", "upstream")["spec"]["clusterIP"]
    master = kubectl.json("get", "service", "locust-master")["spec"]["clusterIP"]
    for host, port, expected in ((upstream, 8100, "denied"), (master, 5557, "open")):
        words = ("exec", "deployment/locust-worker", "--", "python", "-c", code.format(host=host, port=port))
        assert kubectl.run(*words).startswith(expected), (host, port)


def _children_of(kubectl: Kubectl) -> list[str]:
    """Command lines of kubectl children that lead to this cluster, a moment after their engine ended."""
    mine = str(kubectl.cluster.kubeconfig)
    deadline_s = time.monotonic() + 10.0
    while True:
        found = [
            line
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if mine in (line := _text(path)) and ("port-forward" in line or "proxy" in line)
        ]
        if not found or time.monotonic() > deadline_s:
            return found
        time.sleep(POLL_S)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
