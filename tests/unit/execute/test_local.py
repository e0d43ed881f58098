"""Stacks as child processes: started, waited for, found again when they fall, ended."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import urllib3

from builders import make_experiment
from loadlab.errors import DeployError, LoadError
from loadlab.execute import local
from loadlab.execute.clock import SystemClock
from loadlab.execute.cores import split_cores
from loadlab.execute.local import LocalDeployer
from loadlab.execute.process_probe import ProcessProbe
from loadlab.execute.processes import ChildProcesses, free_port
from loadlab.execute.prometheus import MetricsProbe
from loadlab.execute.scrape_targets import ScrapeTargets
from loadlab.execute.wakefulness import KeptAwake
from loadlab.model.experiment import (
    CommandService,
    Experiment,
    ImageService,
    OurService,
    Service,
    Upstream,
    UrlService,
)

SERVICES = Path(__file__).parents[3] / "services"
SERVER = """
    import json, os, sys, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    print("listening on", sys.argv[1], flush=True)
    if len(sys.argv) > 2 and sys.argv[2].startswith("exit"):
        sys.exit(sys.argv[2])
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"env": dict(os.environ), "cpus": sorted(os.sched_getaffinity(0))}).encode()
            self.send_response(int(sys.argv[2]) if len(sys.argv) > 2 else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *args):
            print("asked for", self.path, flush=True)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
Deploy = Callable[..., LocalDeployer]


def _server(*args: str, **more: object) -> CommandService:
    command = (sys.executable, "-c", textwrap.dedent(SERVER), "{port}", *args)
    return replace(CommandService(command=command), **more)  # type: ignore[arg-type]


def _pair(**services: Service) -> Experiment:
    return make_experiment(services=services)


@pytest.fixture
def deploy(children: ChildProcesses, tmp_path: Path) -> Iterator[Deploy]:
    started: list[LocalDeployer] = []

    def make(experiment: Experiment, ready_timeout_s: float = 20.0, awake: KeptAwake | None = None) -> LocalDeployer:
        cores = split_cores(frozenset(os.sched_getaffinity(0)), 1)
        deployer = LocalDeployer(
            experiment,
            cores=cores,
            children=children,
            services=SERVICES,
            logs=tmp_path,
            targets=ScrapeTargets(tmp_path / "targets.json"),
            clock=SystemClock(),
            awake=awake,
            ready_timeout_s=ready_timeout_s,
        )
        started.append(deployer)
        return deployer

    yield make
    for one in started:
        one.close()


def _get(url: str) -> Mapping[str, object]:
    answer = urllib3.PoolManager(retries=False).request("GET", url, timeout=5.0)
    found: Mapping[str, object] = json.loads(answer.data)
    return found


@pytest.mark.parametrize(
    ("available", "asked", "sut", "rest"),
    [
        ({0, 1}, 1, {1}, {0}),
        ({0, 1, 2, 3}, 1, {3}, {0, 1, 2}),
        ({0, 1, 2, 3}, 2, {2, 3}, {0, 1}),
        ({4, 7, 9}, 2, {7, 9}, {4}),
        ({0}, 1, {0}, {0}),
        ({0, 1}, 2, {0, 1}, {0, 1}),
    ],
)
def test_the_last_cores_are_the_stacks(available: set[int], asked: int, sut: set[int], rest: set[int]) -> None:
    cores = split_cores(frozenset(available), asked)
    assert cores.sut == sut
    assert cores.rest == rest
    assert cores.shared == (sut == rest)


def test_more_cores_than_there_are_is_an_error() -> None:
    with pytest.raises(DeployError, match=r"resources.cpu: got 3, but this machine lets loadlab use 2 core"):
        split_cores(frozenset({0, 1}), 3)


def test_a_command_is_started_on_its_core_with_its_port_and_environment(deploy: Deploy) -> None:
    experiment = _pair(mine=_server(env={"WORD": "hello"}, metrics_url="http://127.0.0.1:{port}/metrics"))
    deployer = deploy(experiment)
    endpoint = deployer.prepare(1)["mine"]
    told = _get(endpoint.url)
    env = told["env"]
    assert isinstance(env, dict)
    assert endpoint.url.endswith(f":{env['PORT']}")
    assert endpoint.metrics_url == f"{endpoint.url}/metrics"
    assert env["WORD"] == "hello"
    assert told["cpus"] == [max(os.sched_getaffinity(0))]
    assert deployer.activate(experiment.stacks[0]) == endpoint
    assert deployer.fallen() == []
    assert (deployer.cpu_s("mine") or 0) > 0
    assert deployer.upstream_arrivals() is None


def test_every_block_gets_fresh_processes_and_release_ends_them(deploy: Deploy) -> None:
    deployer = deploy(_pair(mine=_server()))
    deployer.prepare(1)
    first = deployer.root_pid("mine")
    deployer.prepare(2)
    second = deployer.root_pid("mine")
    assert first != second
    deployer.release()
    deployer.release()
    assert deployer.root_pid("mine") is None
    assert deployer.cpu_s("mine") is None
    for pid in (first, second):
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_service_that_never_gets_ready_is_told_with_its_status_and_log(deploy: Deploy) -> None:
    deployer = deploy(_pair(mine=_server("503", ready_path="/ready")), ready_timeout_s=1.0)
    with pytest.raises(DeployError, match=r"mine: not ready at http://127.0.0.1:\d+/ready after 1 s") as got:
        deployer.prepare(1)
    assert "last: status 503" in str(got.value)
    assert "asked for /ready" in str(got.value)
    assert "\n" not in str(got.value)


def test_a_command_has_a_time_of_its_own_to_get_ready(deploy: Deploy) -> None:
    slow = _server("503", ready_path="/ready", ready_timeout_s=1.0)
    deployer = deploy(_pair(mine=slow), ready_timeout_s=20.0)
    expected = r"mine: not ready at \S+ after 1 s .* or give it longer: ready_timeout_s of its \[\[stack\]\]"
    with pytest.raises(DeployError, match=expected):
        deployer.prepare(1)
    theirs = UrlService(url="http://127.0.0.1:1")
    with pytest.raises(DeployError, match=r"to see why$"):
        deploy(_pair(theirs=theirs), ready_timeout_s=0.2).prepare(1)


def test_a_service_that_dies_before_it_is_ready_is_told_at_once(deploy: Deploy) -> None:
    deployer = deploy(_pair(mine=_server("exit: the database is missing")))
    with pytest.raises(DeployError, match=r"mine ended with exit code 1; last log lines: .* \| exit: the"):
        deployer.prepare(1)


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port that somebody else answers on."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, stranger: int) -> Callable[[int], None]:
    """The first so many ports that are found free are taken by the stranger the moment after."""

    def first(count: int) -> None:
        ports = itertools.chain([stranger] * count, iter(free_port, None))
        monkeypatch.setattr(local, "free_port", lambda: next(ports))

    return first


@pytest.mark.parametrize(
    "service",
    [_server(), OurService(service="fastapi_uvicorn"), OurService(service="flask_gunicorn")],
    ids=["command", "uvicorn", "gunicorn"],
)
def test_a_port_that_is_taken_in_the_last_moment_is_given_up_for_another(
    deploy: Deploy, taken: Callable[[int], None], stranger: int, service: Service
) -> None:
    deployer = deploy(replace(_pair(mine=service), upstream=None))
    taken(1)
    endpoint = deployer.prepare(1)["mine"]
    assert f":{stranger}" not in endpoint.url
    assert deployer.fallen() == []


def test_ports_that_are_always_taken_are_told_after_a_few_tries(
    deploy: Deploy, taken: Callable[[int], None], stranger: int
) -> None:
    deployer = deploy(replace(_pair(mine=OurService(service="fastapi_uvicorn")), upstream=Upstream()))
    taken(99)
    with pytest.raises(DeployError, match=rf"upstream.* port {stranger}.*(end|End) that, or run again"):
        deployer.prepare(1)


def test_a_service_that_dies_later_is_found(deploy: Deploy) -> None:
    deployer = deploy(_pair(mine=_server(), other=_server()))
    deployer.prepare(1)
    pid = deployer.root_pid("mine")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not deployer.fallen() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [line.split(";")[0] for line in deployer.fallen()] == ["mine was killed by SIGKILL"]
    deployer.prepare(1)
    assert deployer.fallen() == []


def test_a_service_that_runs_elsewhere_is_not_started_and_not_ended(deploy: Deploy) -> None:
    first = deploy(_pair(mine=_server()))
    url = first.prepare(1)["mine"].url
    second = deploy(_pair(theirs=UrlService(url=url + "/", metrics_url=None)))
    assert second.prepare(1)["theirs"].url == url
    assert second.root_pid("theirs") is None
    assert second.cpu_s("theirs") is None
    assert second.isolation().level == "shared"
    second.close()
    assert _get(url)["cpus"]


def test_what_keeps_cores_awake_is_told_of_and_started_again_with_the_stacks(
    deploy: Deploy, children: ChildProcesses, tmp_path: Path
) -> None:
    core = min(os.sched_getaffinity(0))
    awake = KeptAwake(children, frozenset({core}), tmp_path)
    deployer = deploy(_pair(mine=_server()), awake=awake)
    assert deployer.isolation().detail.endswith("; idle cores kept awake")
    deployer.prepare(1)
    assert deployer.fallen() == []
    (pid,) = awake.pids().values()
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not deployer.fallen() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert deployer.fallen() == [f"awake-{core} was killed by SIGKILL; its log is empty"]
    deployer.prepare(1)
    assert deployer.fallen() == []
    assert awake.pids()[core] != pid


def test_a_service_elsewhere_that_has_no_page_at_its_root_is_ready(deploy: Deploy) -> None:
    mine = deploy(_pair(mine=_server("404", ready_path="/")), ready_timeout_s=3.0)
    with pytest.raises(DeployError, match="last: status 404"):
        mine.prepare(1)
    deploy(_pair(theirs=UrlService(url=mine.endpoint("mine").url))).prepare(1)


def test_a_service_elsewhere_that_does_not_answer_is_told(deploy: Deploy) -> None:
    deployer = deploy(_pair(theirs=UrlService(url="http://127.0.0.1:1")), ready_timeout_s=0.2)
    with pytest.raises(DeployError, match=r"theirs: not ready at http://127.0.0.1:1 after 0.2 s \(last: NewConn"):
        deployer.prepare(1)


def test_an_image_cannot_run_here(deploy: Deploy) -> None:
    with pytest.raises(DeployError, match="--target kubernetes"):
        deploy(_pair(mine=ImageService(image="mine:1", port=80))).prepare(1)


def test_the_lab_s_own_service_and_upstream_work_together(deploy: Deploy) -> None:
    experiment = make_experiment(
        services={"loop": OurService(service="fastapi_uvicorn", settings={"client": "pooled_aiohttp"})},
        upstream=Upstream(latency="constant(1ms)"),
    )
    deployer = deploy(experiment)
    endpoint = deployer.prepare(1)["loop"]
    probe = ProcessProbe(MetricsProbe(deployer.endpoint, SystemClock()), deployer.root_pid)
    before = probe.sample("loop")
    for _ in range(3):
        _get(f"{endpoint.url}/data")
    after = probe.sample("loop")
    assert before.served is not None
    assert after.served == before.served + 3
    assert deployer.upstream_arrivals() == 3
    assert (after.cpu_s or 0) >= (before.cpu_s or 0) > 0
    assert (after.pss_bytes or 0) > 10_000_000


def test_a_bad_setting_of_the_lab_s_own_service_is_told_by_its_name(deploy: Deploy) -> None:
    deployer = deploy(_pair(loop=OurService(service="fastapi_uvicorn", settings={"client": "carrier_pigeon"})))
    with pytest.raises(DeployError, match=r"loop ended with exit code 2; .*SVC_CLIENT.*carrier_pigeon"):
        deployer.prepare(1)


def test_the_upstream_is_started_again_when_it_fell_and_kept_when_not(deploy: Deploy) -> None:
    deployer = deploy(replace(_pair(mine=_server()), upstream=Upstream(latency="constant(1ms)")))
    first = deployer.prepare(1)["mine"]
    env = _get(first.url)["env"]
    assert isinstance(env, dict)
    upstream = deployer._upstream
    assert upstream is not None
    assert env["UPSTREAM_URL"] == upstream.endpoint.url
    deployer.prepare(2)
    assert deployer._upstream is upstream
    assert upstream.child is not None
    os.kill(upstream.child.pid, signal.SIGKILL)
    while upstream.child.fell() is None:
        time.sleep(0.01)
    assert deployer.upstream_arrivals() is None
    assert deployer.fallen()[0].startswith("upstream was killed by SIGKILL")
    deployer.prepare(2)
    assert deployer.fallen() == []
    assert deployer.upstream_arrivals() == 0


@pytest.mark.parametrize(("latency", "resets"), [("steps(1ms@0s, 2ms@30s)", 2), ("constant(1ms)", 0)])
def test_the_steps_of_the_upstream_begin_whenever_a_stack_is_made_the_measured_one(
    deploy: Deploy, latency: str, resets: int
) -> None:
    deployer = deploy(replace(_pair(mine=_server()), upstream=Upstream(latency=latency)))
    endpoint = deployer.prepare(1)["mine"]
    (stack, *_) = deployer._experiment.stacks
    assert [deployer.activate(stack) for _ in range(2)] == [endpoint] * 2
    upstream = deployer._upstream
    assert upstream is not None
    assert upstream.endpoint.metrics_url is not None
    told = urllib3.PoolManager(retries=False).request("GET", upstream.endpoint.metrics_url).data.decode()
    assert f"upstream_schedule_resets_total {resets}\n" in told
    assert deployer.upstream_arrivals() == 0


def test_an_upstream_whose_steps_cannot_begin_loses_the_trial_and_not_the_run(deploy: Deploy) -> None:
    deployer = deploy(replace(_pair(mine=_server()), upstream=Upstream(latency="steps(1ms@0s, 2ms@30s)")))
    deployer.prepare(1)
    upstream = deployer._upstream
    assert upstream is not None
    assert upstream.child is not None
    os.kill(upstream.child.pid, signal.SIGKILL)
    while upstream.child.fell() is None:
        time.sleep(0.01)
    (stack, *_) = deployer._experiment.stacks
    with pytest.raises(LoadError, match=r"upstream: http\S+/schedule/reset: got NewConnectionError, expected 200"):
        deployer.activate(stack)
    deployer.prepare(1)
    deployer.activate(stack)


def test_the_process_tree_fills_in_for_a_service_without_metrics(deploy: Deploy) -> None:
    deployer = deploy(_pair(mine=_server()))
    deployer.prepare(1)
    probe = ProcessProbe(MetricsProbe(deployer.endpoint, SystemClock()), deployer.root_pid)
    sample = probe.sample("mine")
    assert (sample.cpu_s or 0) > 0
    assert (sample.rss_bytes or 0) >= (sample.pss_bytes or 0) > 1_000_000
    assert [w.role for w in sample.workers] == ["master"]
    assert sample.served is None
    assert probe.take_scrapes("mine") == ""
