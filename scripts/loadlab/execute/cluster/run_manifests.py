"""The kustomization of a run, written into its bundle: base parts copied, the run's settings as patches on them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import yaml

from loadlab.errors import ClusterError
from loadlab.execute.cluster.state import NAMESPACE
from loadlab.model.experiment import Experiment, ImageService, OurService, Resources, SettingValue, Stack, Upstream

PARTS = {"flask_gunicorn": "flask", "fastapi_uvicorn": "fastapi"}
"""The base part of each of the lab's services."""
SECRET = "run-secrets"
OWN_LOCUSTFILE = "own-locustfile"
HEADERS = "LAB_HEADERS_JSON"
KIND_MILLICORES = 800
"""Of each core that is asked for, where every node sees the whole machine (docs/adr/0013)."""
KIND_WORKER_CPU = "500m"
"""What a Locust worker asks for there, as in the kind overlay; it may use a core."""
_CONTAINER = "/spec/template/spec/containers/0"
RUN = "loadlab.dev/run"
GRACE_S = 2
"""Nothing is in flight when a pod of a run is ended."""

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """What a run's manifests depend on beside the experiment.

    images: images.json. secrets: names of the values that stand in the Secret of the run, never the values.
    """

    run_id: str
    images: Mapping[str, Mapping[str, Any]]
    is_kind: bool
    workers: int
    secrets: frozenset[str]
    own_locustfile: str | None


def object_name(stack: str) -> str:
    """The Deployment and Service of a stack. Kubernetes knows no underscore in names."""
    return f"stack-{stack.replace('_', '-').rstrip('-')}"


def millicores(resources: Resources, *, is_kind: bool) -> int:
    """What one replica is given."""
    return int(resources.cpu * (KIND_MILLICORES if is_kind else 1000))


def write_manifests(folder: Path, base: Path, experiment: Experiment, settings: RunSettings) -> None:
    """Write the whole kustomization; what an earlier attempt left is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    names = []
    for stack in experiment.stacks:
        if isinstance(stack.service, OurService | ImageService):
            name = object_name(stack.name)
            _write(folder / name, *stack_kustomization(stack, experiment, settings))
            names.append(name)
    if experiment.upstream is not None:
        _write(folder / "upstream", *upstream_kustomization(experiment.upstream, experiment.blocks.seed, settings))
        names.append("upstream")
    _write(folder / "locust", *locust_kustomization(settings))
    for part in ("image", "service", "flask", "fastapi", "upstream", "locust"):
        shutil.copytree(base / part, folder / "base" / part)
    top = _kustomization(resources=[*names, "locust"], namespace=NAMESPACE)
    (folder / "kustomization.yaml").write_text(_yaml(top))


def stack_kustomization(stack: Stack, experiment: Experiment, settings: RunSettings) -> tuple[Document, Document]:
    """Kustomization and patch of one stack, of the lab's own services or of anybody's image."""
    service = stack.service
    part = PARTS[service.service] if isinstance(service, OurService) else "image"
    rename = [{"op": "replace", "path": "/metadata/name", "value": object_name(stack.name)}]
    target = {"kind": "(Deployment|Service)"}
    patches: list[Document] = [
        {"target": target, "options": {"allowNameChange": True}, "patch": _json(rename)},
        {"target": {"kind": "Deployment"}, "path": "patch.yaml"},
    ]
    if isinstance(service, ImageService):
        port = [{"op": "replace", "path": f"{_CONTAINER}/ports/0/containerPort", "value": service.port}]
        patches.append({"target": {"kind": "Deployment"}, "patch": _json(port)})
    kustomization = _kustomization(
        resources=[f"../base/{part}"],
        images=list(_images(settings, (part,))) if part != "image" else [],
        labels=[
            {
                "pairs": {"app.kubernetes.io/instance": "run", "loadlab.dev/stack": stack.name.rstrip("-_")},
                "includeSelectors": True,
            }
        ],
        patches=patches,
    )
    return kustomization, _stack_patch(stack, experiment, settings)


def _stack_patch(stack: Stack, experiment: Experiment, settings: RunSettings) -> Document:
    size = {
        "cpu": f"{millicores(experiment.resources, is_kind=settings.is_kind)}m",
        "memory": _mebibytes(experiment.resources.memory_gib),
    }
    container: Document = {
        "name": "service",
        "env": list(_stack_env(stack, experiment, settings)),
        "resources": {"requests": size, "limits": size},
        "lifecycle": None,
    }
    if isinstance(stack.service, ImageService):
        container["image"] = stack.service.image
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            container[probe] = {"httpGet": {"path": stack.service.ready_path}}
        if stack.service.ready_timeout_s is not None:
            container["startupProbe"]["failureThreshold"] = math.ceil(stack.service.ready_timeout_s)
    return _patch(container, replicas=stack.replicas, run_id=settings.run_id)


def _stack_env(stack: Stack, experiment: Experiment, settings: RunSettings) -> Iterator[Document]:
    match stack.service:
        case OurService(settings=chosen):
            for key, value in chosen.items():
                yield {"name": f"SVC_{key.upper()}", "value": _text(value)}
            for name in sorted(n for n in settings.secrets if n.startswith("SVC_")):
                yield _from_secret(name)
        case ImageService(env=env, port=port):
            if "PORT" not in env:
                yield {"name": "PORT", "value": str(port)}
            for name in env:
                yield _from_secret(name, key=env_key(stack.name, name))
            if experiment.upstream is not None and "UPSTREAM_URL" not in env:
                yield {"name": "UPSTREAM_URL", "value": "http://upstream:8100"}


def upstream_kustomization(upstream: Upstream, seed: int, settings: RunSettings) -> tuple[Document, Document]:
    """Kustomization and patch of the upstream."""
    chosen: dict[str, object] = {
        "UPSTREAM_LATENCY": upstream.latency,
        "UPSTREAM_ERROR_RATIO": upstream.error_ratio,
        "UPSTREAM_SEED": seed,
        "UPSTREAM_QUOTA_RPS": upstream.quota_rps,
        "UPSTREAM_QUOTA_BURST": upstream.quota_burst,
    }
    env = [{"name": name, "value": str(value)} for name, value in chosen.items() if value is not None]
    kustomization = _kustomization(
        resources=["../base/upstream"],
        images=list(_images(settings, ("upstream",))),
        patches=[{"target": {"kind": "Deployment"}, "path": "patch.yaml"}],
    )
    return kustomization, _patch(
        {"name": "upstream", "env": env, "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}, run_id=settings.run_id
    )


def locust_kustomization(settings: RunSettings) -> tuple[Document, Document]:
    """Kustomization of the load generator; its patch is for master and workers, which differ by two more."""
    env: list[Document] = [{"name": "LOCUST_EXPECT_WORKERS", "value": str(settings.workers)}]
    if settings.own_locustfile is not None:
        files = f"/own/{settings.own_locustfile},/lab/locustfiles/lab_plugin.py"
        env.append({"name": "LOCUST_LOCUSTFILE", "value": files})
    if HEADERS in settings.secrets:
        env.append(_from_secret(HEADERS))
    replicas: list[Document] = [{"op": "replace", "path": "/spec/replicas", "value": settings.workers}]
    if settings.is_kind:
        replicas.append({"op": "replace", "path": f"{_CONTAINER}/resources/requests/cpu", "value": KIND_WORKER_CPU})
    kustomization = _kustomization(
        resources=["../base/locust"],
        images=list(_images(settings, ("locust",))),
        patches=[
            {"target": {"kind": "Deployment"}, "path": "patch.yaml"},
            {"target": {"kind": "Deployment", "name": "locust-worker"}, "patch": _json(replicas)},
        ],
    )
    return kustomization, _patch({"name": "locust", "env": env}, run_id=settings.run_id)


def _images(settings: RunSettings, names: tuple[str, ...]) -> Iterator[Document]:
    for name in names:
        known = settings.images.get(name)
        if known is None:
            raise ClusterError(f"images.json: {name} was not built; run `make lab-up`, which builds and loads it")
        yield {"name": f"loadlab/{name}", "newName": known["image"], "newTag": known["tag"]}


def _patch(container: Document, *, run_id: str, replicas: int | None = None) -> Document:
    spec: Document = {
        "template": {
            "metadata": {"annotations": {RUN: run_id}},
            "spec": {"terminationGracePeriodSeconds": GRACE_S, "containers": [container]},
        }
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"}, "spec": spec}


def env_key(stack: str, name: str) -> str:
    """Where a value of somebody's own environment stands in the Secret: it may be one, and a bundle travels."""
    return f"{object_name(stack)}.{name}"


def _from_secret(name: str, *, key: str | None = None) -> Document:
    return {"name": name, "value": "", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key or name}}}


def _kustomization(**fields: object) -> Document:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **fields}


def _mebibytes(gib: Decimal) -> str:
    return f"{int(gib * 1024)}Mi"


def _text(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(record: object) -> str:
    return orjson.dumps(record).decode()


def _yaml(document: Document) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def _write(folder: Path, kustomization: Document, patch: Document) -> None:
    folder.mkdir(parents=True)
    (folder / "kustomization.yaml").write_text(_yaml(kustomization))
    (folder / "patch.yaml").write_text(_yaml(patch))
