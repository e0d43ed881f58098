"""A kubectl for tests, run as a program: a cluster in a folder, with a real proxy socket and real port-forwards.

The folder is that of the kubeconfig it is given. ``calls`` has every command line; ``pods.json`` and
``deployments.json`` are the cluster, which a test may change while children run.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

METRICS = """process_tree_cpu_seconds_total 1.5
process_tree_pss_bytes 1000
http_requests_total{route="/data"} 10
worker_rss_bytes{pid="7",role="worker"} 5
worker_connections{pid="7"} 3
cgroup_cpu_throttled_seconds_total 0.25
cgroup_cpu_throttled_periods_total 2
"""


class Cluster:
    """The files of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> Any:
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def write(self, name: str, content: object) -> None:
        path = self.folder / f"{name}.json"
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(content))
        fresh.replace(path)

    def apply(self, item: dict[str, Any]) -> None:
        """A Deployment that is up at once, with new pods when its template changed; evicted ones stay listed."""
        if item["kind"] != "Deployment":
            return
        deployments, pods = self.read("deployments"), self.read("pods")
        name, spec = item["metadata"]["name"], item["spec"]
        known = deployments.get(name, {"generation": 0, "spec": None})
        if known["spec"] != spec:
            pods = {key: pod for key, pod in pods.items() if pod["owner"] != name or pod["status"]["phase"] == "Failed"}
            for number in range(spec["replicas"]):
                pod = new_pod(f"{name}-{known['generation'] + 1}-{number}", name, spec["template"])
                if (self.folder / "unready").exists():
                    pod["status"]["conditions"][1]["status"] = "False"
                pods[pod["metadata"]["name"]] = pod
            deployments[name] = {"generation": known["generation"] + 1, "spec": spec}
        self.write("pods", pods)
        self.write("deployments", deployments)

    def evict(self, name: str) -> None:
        """The kubelet ends a pod for want of something; its record stays."""
        pods = self.read("pods")
        status = pods[name]["status"]
        status |= {"phase": "Failed", "reason": "Evicted", "containerStatuses": []}
        status["conditions"][1]["status"] = "False"
        self.write("pods", pods)


def new_pod(name: str, owner: str, template: dict[str, Any]) -> dict[str, Any]:
    """A pod that took three seconds from scheduled to ready."""
    container = template["spec"]["containers"][0]
    return {
        "owner": owner,
        "metadata": {"name": name, "uid": f"uid-{name}-{time.time_ns()}", **template["metadata"]},
        "spec": {"nodeName": "node-a", "containers": [{"image": container["image"]}]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-25T23:00:00Z"},
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-25T23:00:03Z"},
            ],
            "containerStatuses": [{"restartCount": 0, "imageID": "sha256:1", "state": {"running": {}}}],
        },
    }


def answer(cluster: Cluster, target: str) -> tuple[int, Any]:
    """The API server."""
    parts = urlsplit(target)
    if (away := cluster.folder / "away").exists():
        return int(away.read_text() or 503), {"message": "away"}
    if parts.path.endswith("/pods"):
        selector = parse_qs(parts.query).get("labelSelector", [""])[0]
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if pair)
        pods = cluster.read("pods").values()
        listed = [pod for pod in pods if wanted.items() <= pod["metadata"].get("labels", {}).items()]
        return 200, {"items": listed}
    if found := re.search(r"/deployments/([^/]+)$", parts.path):
        known = cluster.read("deployments").get(found[1])
        if known is None:
            return 404, {"message": f"deployments {found[1]} not found"}
        count, generation = known["spec"]["replicas"], known["generation"]
        status = dict.fromkeys(("updatedReplicas", "readyReplicas", "replicas"), count)
        return 200, {"metadata": {"generation": generation}, "status": {**status, "observedGeneration": generation}}
    if parts.path.endswith("/events"):
        return 200, {"items": [{"type": "Warning", "reason": "Failed", "message": "no such image"}]}
    return 404, {"message": f"{parts.path} not found"}


def patched(cluster: Cluster, target: str, item: dict[str, Any]) -> tuple[int, Any]:
    """Server-side apply; each is a line of ``calls``."""
    if (away := cluster.folder / "away").exists():
        return int(away.read_text() or 503), {"message": "away"}
    with (cluster.folder / "calls").open("a") as calls:
        calls.write(f"apply {target}\n")
    cluster.apply(item)
    return 200, item


def handler(respond: Any) -> type[BaseHTTPRequestHandler]:
    """Answers GET and POST by ``respond(path)`` and PATCH by that with its body, which give status and bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*respond(self.path))

        def do_POST(self) -> None:
            self._answer(*respond(self.path))

        def do_PATCH(self) -> None:
            self._answer(*respond(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "test"

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class UnixServer(UnixStreamServer, HTTPServer):
    """HTTP on a Unix socket."""

    def server_bind(self) -> None:
        UnixStreamServer.server_bind(self)


def proxy(cluster: Cluster, socket_path: str) -> None:
    """kubectl proxy --unix-socket."""

    def respond(path: str, item: dict[str, Any] | None = None) -> tuple[int, bytes]:
        status, body = answer(cluster, path) if item is None else patched(cluster, path, item)
        return status, json.dumps(body).encode()

    UnixServer(socket_path, handler(respond)).serve_forever()


def port_forward(port: int) -> None:
    """kubectl port-forward to a pod whose every port answers metrics and counters."""
    bodies = {"/metrics": METRICS.encode(), "/counters": b'{"arrivals": 42}'}

    def respond(path: str) -> tuple[int, bytes]:
        return (200, bodies[path]) if path in bodies else (404, b"")

    ThreadingHTTPServer(("127.0.0.1", port), handler(respond)).serve_forever()


def main(words: list[str]) -> None:
    """The command line, as far as the engine uses it."""
    cluster = Cluster(Path(words[words.index("--kubeconfig") + 1]).parent)
    verb = next(word for word in words if word in VERBS)
    with (cluster.folder / "calls").open("a") as calls:
        calls.write(" ".join(words[words.index(verb) :]) + "\n")
    if verb == "proxy":
        proxy(cluster, words[-1].partition("=")[2])
    elif verb == "port-forward" and (cluster.folder / "closed").exists():
        sys.exit("error: unable to forward port because pod is not running")
    elif verb == "port-forward":
        port_forward(int(words[-1].partition(":")[0]))
    elif verb == "logs":
        print("SVC_THREADS=0: expected 1 to 10000")


VERBS = ("proxy", "port-forward", "logs", "delete", "scale", "annotate")
if __name__ == "__main__":
    main(sys.argv[1:])
