"""Whether the cluster's network enforces policies: an allowed path is tried, and one that no policy allows."""

from __future__ import annotations

from typing import Literal

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl

Enforcement = Literal["enforced", "not enforced"]

CONNECT_S = 2.0
FROM = "deployment/locust-worker"
ALLOWED = ("locust-master", 5557)
DENIED = ("upstream", 8100)
_TRY = (
    "import socket, sys\n"
    "for host, port in zip(sys.argv[1::2], sys.argv[2::2]):\n"
    "    try:\n"
    f"        socket.create_connection((host, int(port)), {CONNECT_S}).close()\n"
    "        print('open')\n"
    "    except OSError:\n"
    "        print('closed')\n"
)


def enforcement(kubectl: Kubectl) -> Enforcement | None:
    """What the two tries came to; None where they tell nothing, because the allowed path is closed too."""
    try:
        words = [word for name, port in (ALLOWED, DENIED) for word in (_address(kubectl, name), str(port))]
        said = kubectl.run("exec", FROM, "--", "python", "-c", _TRY, *words).split()
    except ClusterError:
        return None
    if said[:1] != ["open"]:
        return None
    return "enforced" if said[1:2] == ["closed"] else "not enforced"


def _address(kubectl: Kubectl, service: str) -> str:
    return str(kubectl.json("get", "service", service)["spec"]["clusterIP"])
