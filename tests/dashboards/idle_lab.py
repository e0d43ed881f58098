"""A Prometheus on loopback that has the lab's rules and nothing to scrape."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadlab.execute.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"


class Server:
    """A Prometheus on loopback."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer; an error of the API is an AssertionError with its words."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.code} {json.load(error)['error']}: {parameters}") from None


@contextmanager
def idle_lab(prometheus: Path, folder: Path) -> Iterator[Server]:
    """One that lasts as long as this."""
    port = free_port(HOST)
    rules = ROOT / "k8s" / "base" / "prometheus" / "rules" / "*.yaml"
    (folder / "prometheus.yml").write_text(f"global: {{evaluation_interval: 1s}}\nrule_files: ['{rules}']\n")
    arguments = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
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
