"""The queries of the boards as Grafana sends them, and a Prometheus of one's own to send them to."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlab.execute.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
BOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
HOST = "127.0.0.1"
BUILT_IN: Mapping[str, str] = {"__rate_interval": "20s", "__interval": "5s", "__range": "900s"}
ALL: Mapping[str, str] = {
    "stack": "(flask|fastapi)",
    "list": "aws-fargate-x86",
    "billing": "provisioned",
    "target_users": "1000",
    "good_ratio": "0.95",
}
"""Values as Grafana puts them in: several chosen ones become a regular expression."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardQuery:
    """One query. place: board, panel and number in it, for people."""

    place: str
    expr: str
    is_instant: bool

    def filled(self, values: Mapping[str, str] = ALL) -> str:
        """With values in the place of variables."""
        known = {**BUILT_IN, **values}
        return re.sub(r"\$\{?(\w+)\}?", lambda found: known[found.group(1)], self.expr)


def board_queries() -> list[BoardQuery]:
    """Every query of every panel, of annotations and of variables."""
    return [query for file in BOARDS for query in _of(json.loads(file.read_text(encoding="utf-8")))]


def _of(board: Any) -> Iterator[BoardQuery]:
    uid = board["uid"]
    for panel in board["panels"]:
        for number, target in enumerate(panel.get("targets", [])):
            place = f"{uid}: {panel['title']} {number}"
            yield BoardQuery(place=place, expr=target["expr"], is_instant=target.get("instant", False))
    for one in board["annotations"]["list"]:
        yield BoardQuery(place=f"{uid}: annotation {one['name']}", expr=one["expr"], is_instant=False)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            selector = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"])
            assert selector is not None, variable["query"]
            yield BoardQuery(place=f"{uid}: variable {variable['name']}", expr=selector.group(1), is_instant=True)


class Server:
    """A Prometheus on loopback."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer; an error of the API is an AssertionError with its words."""
        body = urllib.parse.urlencode(parameters).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data=body)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.code} {json.load(error)['error']}: {parameters}") from None


@contextmanager
def serving(prometheus: Path, folder: Path, config: str) -> Iterator[Server]:
    """One that lasts as long as this, over what is in folder/data."""
    port = free_port(HOST)
    (folder / "prometheus.yml").write_text(config)
    arguments = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--storage.tsdb.retention.time=100y",
        "--log.level=error",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([prometheus, *arguments], stdout=log, stderr=log)
    try:
        _until_ready(process, f"http://{HOST}:{port}/-/ready", folder / "log")
        yield Server(f"http://{HOST}:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"not ready: {log.read_text()}")
