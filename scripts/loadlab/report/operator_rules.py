"""Rule files as objects of the Prometheus operator: the same rules for a cluster whose Prometheus is its own."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

HEAD = "# Generated from k8s/base/prometheus/rules by `make dashboards`; a test fails when they differ. Do not edit.\n"


def operator_rules(files: Mapping[str, str]) -> str:
    """One PrometheusRule a file, in the order of their names. files: the text of each by its name."""
    objects = [_object(name, text) for name, text in sorted(files.items())]
    return HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=1000)


def _object(name: str, text: str) -> Mapping[str, object]:
    metadata = {"name": f"loadlab-{name}", "namespace": "loadlab", "labels": {"app.kubernetes.io/part-of": "loadlab"}}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata,
        "spec": {"groups": yaml.safe_load(text)["groups"]},
    }
