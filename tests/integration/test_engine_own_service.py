"""Services and locustfiles that are nobody's of the lab: the worked example, and one that runs elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import orjson
import pytest

from engine_process import BRIEF, Engine

Start = Callable[..., Engine]
EXAMPLE = Path(__file__).parents[2] / "scripts" / "experiments" / "examples" / "own-service.toml"
SHORTER = ("blocks.count=1", "load.users=[2]", "window.measure_s=0.5", "window.warmup_s=0.2")
ELSEWHERE = """
id = "elsewhere"
question = "Does it answer?"
[decision]
statistic = "goodput"
[[stack]]
name = "theirs"
url = "http://127.1:{port}"
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
headers_from_env = {{ Authorization = "LAB_TEST_TOKEN" }}
users = [2]
[window]
warmup_s = 0.2
measure_s = 0.5
[blocks]
count = 1
"""
TOKEN = "Bearer s3cret-of-the-test"


def test_the_worked_example_runs_as_it_stands_but_shorter(start: Start, tmp_path: Path) -> None:
    changes = [word for change in SHORTER for word in ("--set", change)]
    files = [tmp_path / name for name in ("r.md", "r.json", "r.xml")]
    outs = [word for path in files for word in ("--out", str(path))]
    engine = start(str(EXAMPLE), *changes, *outs, prelude=BRIEF)
    assert engine.ended() in (0, 3, 4, 5), engine.output
    run = engine.measured()
    assert run.complete
    assert {w.stack for w in run.windows} == {"threads", "event-loop"}
    for window in run.windows:
        assert window.load.failed == 0
        assert window.load.ok > 0
        assert window.books is not None
        assert window.books.served is None, "a service that does not count is absent and not zero"
        assert window.resources[0].cpu_s is not None, "read from outside"
    assert "\x1b" not in engine.output, "plain lines when not a terminal"
    assert "window 1/" in engine.output
    results = engine.results()
    assert orjson.loads(files[1].read_bytes()) == results
    assert files[0].read_text().startswith("#")
    assert files[2].read_text().startswith("<?xml")
    assert (engine.bundle / "prices" / "aws-fargate-x86.toml").is_file()
    assert not (engine.bundle / ".resume.toml").exists()


class _Elsewhere(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    told: set[str | None]


@pytest.fixture
def elsewhere() -> Iterator[_Elsewhere]:
    """A service that runs already and remembers which tokens it was given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/data":
                server.told.add(self.headers["Authorization"])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with _Elsewhere(("127.0.0.1", 0), Handler) as server:
        server.told = set()
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def test_a_url_is_loaded_with_its_headers_once_its_host_is_allowed(
    start: Start, tmp_path: Path, elsewhere: _Elsewhere
) -> None:
    # 127.1 is this machine, written so that only whoever resolves it can know
    path = tmp_path / "elsewhere.toml"
    path.write_text(ELSEWHERE.format(port=elsewhere.server_port))
    env = {"LAB_TEST_TOKEN": TOKEN}
    refused = start(str(path), env=env)
    assert refused.ended() == 2
    assert "127.1" in refused.output
    assert "--allow-target 127.1 when you may put load on it" in refused.output
    assert not refused.runs.exists()
    assert elsewhere.told == set()
    engine = start(str(path), "--allow-target", "127.1", "--json", env=env, prelude=BRIEF)
    assert engine.ended() in (0, 4, 5), engine.output
    assert elsewhere.told == {TOKEN}
    run = engine.measured()
    assert run.complete
    assert {s.cpu_s for w in run.windows for s in w.resources} == {None}
    results = engine.results()
    _, result, after = engine.output.partition((engine.bundle / "results.json").read_text())
    assert result, "--json prints the result"
    assert after.startswith("loadlab: exit code ") == (after != "") == (results["verdict"]["exit_code"] != 0)
    assert any("--allow-target 127.1" in command for command in results["reproduce"])
    files = [p for p in engine.bundle.rglob("*") if p.is_file()]
    assert [p.name for p in files if TOKEN.encode() in p.read_bytes()] == []
