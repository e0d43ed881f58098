"""What a run brings into the namespace beside its stacks: a Secret, an own locustfile, a way out to a url."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from loadlab.errors import UsageError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.run_manifests import OWN_LOCUSTFILE, SECRET

MOST_BYTES = 1 << 20
"""What a ConfigMap holds."""
RUN_KINDS = "deployments,services,secrets,configmaps,networkpolicies"
"""What a run makes."""
OF_RUN = {"app.kubernetes.io/part-of": "loadlab", "app.kubernetes.io/instance": "run"}

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
"""A key of a ConfigMap."""

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInputs:
    """secrets go in by standard input and stand in no file. locustfile: somebody's own, None for the lab's."""

    kubectl: Kubectl
    secrets: Mapping[str, str]
    locustfile: Path | None
    policies: Sequence[Object]

    def put(self) -> None:
        """Make them what this run needs; what a killed run left is removed, its stacks too: they take room.

        Raises:
            UsageError: the locustfile cannot be read or is too large.
            ClusterError: the cluster refuses.
        """
        self.remove()
        if wanted := [*self._secret(), *self._config_map(), *self.policies]:
            self.kubectl.apply(orjson.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}).decode())

    def remove(self) -> None:
        """Remove them and every stack of a run; safe to call twice. Raises ClusterError."""
        selector = ",".join(f"{key}={value}" for key, value in OF_RUN.items())
        self.kubectl.run("delete", RUN_KINDS, "-l", selector, "--ignore-not-found", "--wait=false")

    def _secret(self) -> list[Object]:
        if not self.secrets:
            return []
        data = {name: base64.b64encode(value.encode()).decode() for name, value in self.secrets.items()}
        return [{"apiVersion": "v1", "kind": "Secret", "metadata": _named(SECRET), "type": "Opaque", "data": data}]

    def _config_map(self) -> list[Object]:
        if self.locustfile is None:
            return []
        data = {self.locustfile.name: read_locustfile(self.locustfile)}
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(OWN_LOCUSTFILE), "data": data}]


def read_locustfile(path: Path) -> str:
    """Its text. Raises UsageError when it cannot travel as a ConfigMap."""
    if not _KEY.fullmatch(path.name):
        raise UsageError(
            f"{path}: a locustfile travels by its name, which has letters, digits, ., - and _ alone there; rename it"
        )
    try:
        content = path.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}; expected a locustfile") from None
    if len(content) > MOST_BYTES:
        raise UsageError(
            f"{path}: got {len(content)} bytes, but a locustfile travels as a ConfigMap of at most {MOST_BYTES}; "
            "move its data out of it, or build an image of your own"
        )
    return text


def url_policy(stack: str, url: str) -> Object:
    """Lets the workers out to the port of a url, wherever it is: its host is what --allow-target allowed."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    anywhere = [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"namespaceSelector": {}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _named(f"run-url-{stack.replace('_', '-').rstrip('-')}"),
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "locust-worker"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": anywhere, "ports": [{"protocol": "TCP", "port": port}]}],
        },
    }


def _named(name: str) -> Object:
    return {"name": name, "labels": OF_RUN}
