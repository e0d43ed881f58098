"""The engine with real processes, and what breaks under it: one clear line, the exit code, nothing lost or left."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from engine_process import BRIEF, Engine

Start = Callable[..., Engine]
EXPERIMENT = """
id = "fault"
question = "What happens when it breaks?"
[[stack]]
{stack}
{upstream}
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = {users}
[window]
warmup_s = 0.2
measure_s = 0.6
[blocks]
count = {blocks}
seed = 7
[[price]]
list = "aws-fargate-x86"
billing = "provisioned"
[abort]
{abort}
"""
OURS = 'name = "fastapi"\nservice = "fastapi_uvicorn"'
UPSTREAM = '[upstream]\nlatency = "constant(20ms)"'
SERVER = """
import os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
print("connecting with", os.environ.get("DB_PASSWORD"), flush=True)
status, hangs_after, seen = int(sys.argv[2]), int(sys.argv[3]), []
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        seen.append(1)
        if len(seen) > hangs_after:
            time.sleep(600)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
BREAKAGE = """
import time
import psutil
from loadlab.execute.clock import SystemClock
from loadlab.pipeline.load_span import LoadSpan

jumped, broken = [], set()
SystemClock.unix_s = lambda self: time.time() + (3600.0 if jumped else 0.0)

def kill(word):
    for process in psutil.Process().children(recursive=True):
        if word in process.cmdline() and "guardian.py" not in " ".join(process.cmdline()):
            process.kill()
            return

settle = LoadSpan.sleep_until

def settle_and_break(self, until_s):
    settle(self, until_s)
    if self._trial.id in broken:
        return
    broken.add(self._trial.id)
    match self._trial.id:
        case "b01-002-fastapi":
            kill("--worker")
        case "b01-003-fastapi":
            kill("upstream")
        case "b01-004-fastapi":
            kill("fastapi_uvicorn")
        case "b01-005-fastapi":
            jumped.append(True)

LoadSpan.sleep_until = settle_and_break
"""
NEVER_FREE = """
import socket
from threading import Thread
import loadlab.execute.local as local
stranger = socket.create_server(("127.0.0.1", 0))
local.free_port = lambda: stranger.getsockname()[1]

def hang_up():
    while True:
        stranger.accept()[0].close()

Thread(target=hang_up, daemon=True).start()
"""
"""Somebody has every port, and answers nothing."""
IMPATIENT = (
    "from loadlab.execute.local import LocalDeployer as Local\nLocal.__init__.__kwdefaults__['ready_timeout_s'] = 2.0\n"
)


def _experiment(
    folder: Path, stack: str = OURS, *, upstream: str = UPSTREAM, users: str = "[2]", blocks: int = 1, abort: str = ""
) -> str:
    path = folder / "fault.toml"
    path.write_text(EXPERIMENT.format(stack=stack, upstream=upstream, users=users, blocks=blocks, abort=abort))
    return str(path)


def _server(folder: Path, status: int, hangs_after: int = 10**9) -> str:
    (folder / "server.py").write_text(SERVER)
    words = [sys.executable, "server.py", "{port}", str(status), str(hangs_after)]
    env = '{ DB_PASSWORD = "hunter22" }'
    return f'name = "mine"\ncommand = {words!r}\ncwd = "{folder}"\nenv = {env}\nready_path = "/ready"'


def test_a_run_in_which_everything_breaks_once_is_mended_told_and_carried_through(start: Start, tmp_path: Path) -> None:
    path = _experiment(tmp_path, users="[2, 3, 4, 5]")
    engine = start(path, prelude=f"{BRIEF}\n{BREAKAGE}")
    assert engine.ended() in (0, 4, 5), engine.output
    run = engine.measured()
    assert run.complete
    notes = {w.id: " ".join((*w.notes, *w.load.holes)) for w in run.windows if w.repeats is None}
    assert "upstream was killed by SIGKILL" in notes["b01-003-fastapi"]
    assert "fastapi was killed by SIGKILL" in notes["b01-004-fastapi"]
    assert "the wall clock jumped by 3600.0 s" in notes["b01-005-fastapi"]
    findings = {f["code"]: f for f in engine.results()["findings"]}
    assert "locust-worker-0 was killed by SIGKILL" in findings["generator_healed"]["message"]
    assert findings["stacks_restarted"]["got"] == "2 times"
    repeated = {w.repeats for w in run.windows if w.repeats}
    assert {"b01-003-fastapi", "b01-004-fastapi", "b01-005-fastapi"} <= repeated
    assert "Traceback" not in engine.output


def test_a_disk_that_fills_up_loses_nothing_and_the_run_goes_on_when_there_is_space(
    start: Start, tmp_path: Path
) -> None:
    engine = start(_experiment(tmp_path, blocks=2), prelude=BRIEF)
    engine.until_event("block_finished")
    # the kernel refuses every further byte of the engine, whichever file it is for, as a full disk does
    psutil.Process(engine.process.pid).rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
    assert engine.ended() == 4, engine.output
    assert "Traceback" not in engine.output
    told = re.sub(r"\s+", " ", engine.output)
    assert "the limit on the size of files is reached (ulimit -f); every window finished before is safe" in told
    assert f"go on with: .venv/bin/loadlab run --resume {engine.bundle}" in told
    before = engine.measured()
    assert len(before.windows) >= 1
    resumed = start("--resume", str(engine.bundle), prelude=BRIEF)
    assert resumed.ended() in (0, 4, 5), resumed.output
    after = resumed.measured()
    assert after.complete
    assert after.windows[: len(before.windows)] == before.windows
    assert resumed.results()["counts"]["blocks"] == 2


def test_an_upstream_that_does_not_start_ends_the_run_with_its_last_log_lines(start: Start, tmp_path: Path) -> None:
    engine = start(_experiment(tmp_path), prelude=NEVER_FREE)
    assert engine.ended() == 4, engine.output
    assert re.match(r"loadlab: upstream ended with exit code \d+; last log lines: .*in use", engine.last_line)
    assert "is taken by another process. End that, or run again; nothing was measured yet" in engine.last_line
    assert engine.events()[-1]["event"] == "run_ended_early"


def test_a_mistake_in_the_set_up_is_to_be_corrected_and_not_resumed(start: Start, tmp_path: Path) -> None:
    stack = 'name = "mine"\ncommand = ["sh", "-c", "echo DB_URL is not set; exit 3"]'
    path = _experiment(tmp_path, stack, upstream="")
    engine = start(path)
    assert engine.ended() == 4, engine.output
    assert "mine ended with exit code 3; last log lines: DB_URL is not set; it never got ready" in engine.last_line
    assert f"correct the experiment ({path}), or what else it is, and start anew" in engine.last_line
    assert "--resume" not in engine.last_line
    again = start("--resume", str(engine.bundle))
    assert again.ended() == 4, again.output
    assert "correct your experiment file, or what else it is, and start anew" in again.last_line
    assert "--resume" not in again.last_line


def test_a_service_that_never_gets_ready_is_told_with_its_log_and_its_secrets_stay_out_of_the_bundle(
    start: Start, tmp_path: Path
) -> None:
    engine = start(_experiment(tmp_path, _server(tmp_path, 503), upstream=""), prelude=IMPATIENT)
    assert engine.ended() == 4, engine.output
    assert re.match(r"loadlab: mine: not ready at http://127.0.0.1:\d+/ready after 2 s \(last: status 503\)", (
        engine.last_line
    ))  # fmt: skip
    assert "last log lines: connecting with hunter22. Start it by hand" in engine.last_line
    assert engine.events()[-1]["reason"].endswith("(last: status 503); see its log")
    files = [p for p in engine.bundle.rglob("*") if p.is_file() and "logs" not in p.parts]
    holding = {p.name for p in files if b"hunter22" in p.read_bytes()}
    assert holding == {".resume.toml"}, "what a resume needs stands apart until the run is complete"
    assert (engine.bundle / ".resume.toml").stat().st_mode & 0o077 == 0


def test_a_service_that_hangs_ends_the_run_by_the_abort_rule(start: Start, tmp_path: Path) -> None:
    stack = _server(tmp_path, 200, hangs_after=40)
    path = _experiment(tmp_path, stack, upstream="", users="[2]", abort="p99_s = 1.0\nafter_s = 1.0")
    engine = start(path, prelude=BRIEF)
    assert engine.ended() == 4, engine.output
    assert re.search(r"\[abort\]: mine: no answer to any of \d+ requests in flight", engine.last_line)
    assert "the load was stopped" in engine.last_line
    assert re.search(
        r"(start anew; a run that is resumed keeps|to change anything, correct .*start anew)", engine.last_line
    )
    assert "no answer" in engine.events()[-1]["reason"]
