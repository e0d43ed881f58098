"""The password of Grafana's admin: drawn when the lab is raised, kept in a Secret of the cluster and nowhere else."""

from __future__ import annotations

import json
import secrets

from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.state import NAMESPACE

NAME, KEY = "grafana-admin", "password"
RANDOM_BYTES = 24


def ensure_admin(kubectl: Kubectl) -> bool:
    """Draw one where there is none; whether one was drawn. Raises ClusterError."""
    if kubectl.run("get", "secret", NAME, "--ignore-not-found", "-o", "name").strip():
        return False
    kubectl.apply(json.dumps(_secret(secrets.token_urlsafe(RANDOM_BYTES))))
    return True


def _secret(password: str) -> dict[str, object]:
    labels = {"app.kubernetes.io/name": "grafana", "app.kubernetes.io/part-of": "loadlab"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
        "type": "Opaque",
        "stringData": {KEY: password},
    }
