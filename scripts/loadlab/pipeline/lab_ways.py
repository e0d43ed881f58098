"""How the parts of the lab are reached from this machine: published ports on kind, port-forwards elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.lab import listeners
from loadlab.execute.processes import Child, ChildProcesses, Command, free_port
from loadlab.pipeline.lab_site import Site

HOST = "127.0.0.1"
OPEN_S = 20.0
POLL_S = 0.05
SERVICES: Mapping[str, tuple[str, int]] = {
    "flask": ("flask", 8000),
    "fastapi": ("fastapi", 8000),
    "locust": ("locust-master", 8089),
    "prometheus": ("prometheus", 9090),
    "grafana": ("grafana", 3000),
}


@contextmanager
def ways(site: Site, kubectl: Kubectl, *, with_grafana: bool) -> Iterator[Mapping[str, str]]:
    """The address of each part as long as this lasts. Raises ClusterError: a port-forward does not open."""
    if site.target == "kind":
        yield site.urls(with_grafana=with_grafana)
        return
    parts = [part for part in SERVICES if with_grafana or part != "grafana"]
    with ChildProcesses() as children:
        ports = {part: free_port(HOST) for part in parts}
        forwards = {part: _forward(site, kubectl, children, part, port) for part, port in ports.items()}
        for part, child in forwards.items():
            _wait(site, part, ports[part], child)
        yield {part: f"http://{HOST}:{port}" for part, port in ports.items()}


def _forward(site: Site, kubectl: Kubectl, children: ChildProcesses, part: str, port: int) -> Child:
    service, remote = SERVICES[part]
    argv = kubectl.argv("port-forward", f"service/{service}", f"--address={HOST}", f"{port}:{remote}")
    log = site.lab.root / "logs" / f"forward-{part}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return children.start(Command(name=f"port-forward {part}", argv=argv, env={}, cpus=frozenset(), log=log))


def _wait(site: Site, part: str, port: int, child: Child) -> None:
    deadline_s = site.clock.monotonic_s() + OPEN_S
    while listeners.is_free(port):
        fell = child.fell()
        if fell or site.clock.monotonic_s() > deadline_s:
            raise ClusterError(f"port-forward to {part}: {fell or 'not open'}; `loadlab lab status` looks")
        site.clock.sleep(POLL_S)
