"""Writes `schemas/`: strict JSON schemas of the kinds that the manifests use, out of Kubernetes' own OpenAPI documents.

python tests/manifests/extract_schemas.py     needs Go, which fetches the two modules below

Run it when `KUBERNETES` or `KINDS` change. Descriptions and defaults are left out; a field that is not in the schema is
an error, as it is for `kubectl apply --server-side`, and so is null.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).with_name("schemas")
KUBERNETES = "k8s.io/kubernetes@v1.36.3"
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
OPERATOR_KINDS = {"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}
DEFINITION = "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml"
KINDS = {
    "api__v1": ("Namespace", "ServiceAccount", "ConfigMap", "Service"),
    "apis__apps__v1": ("Deployment",),
    "apis__policy__v1": ("PodDisruptionBudget",),
    "apis__networking.k8s.io__v1": ("NetworkPolicy",),
    "apis__rbac.authorization.k8s.io__v1": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
}
REFERENCE = "#/components/schemas/"
INT_OR_STRING = {"type": ["integer", "string"]}
KEPT = ("type", "enum", "required", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems")


def main() -> None:
    """Write both files."""
    _write("kubernetes", KUBERNETES, _kubernetes(_module(KUBERNETES)))
    operator = _module(OPERATOR)
    kinds = {f"monitoring.coreos.com/v1 {kind}": _custom(operator, plural) for kind, plural in OPERATOR_KINDS.items()}
    _write("prometheus-operator", OPERATOR, kinds)


def _custom(operator: Path, plural: str) -> Any:
    crd = yaml.safe_load((operator / DEFINITION.format(plural)).read_text())
    return _root(next(version for version in crd["spec"]["versions"] if version["name"] == "v1")["schema"])


def _module(version: str) -> Path:
    told = subprocess.run(["go", "mod", "download", "-json", version], check=True, capture_output=True, cwd="/")
    return Path(json.loads(told.stdout)["Dir"])


def _kubernetes(module: Path) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for document, names in KINDS.items():
        schemas = json.loads((module / f"api/openapi-spec/v3/{document}_openapi.json").read_text())["components"][
            "schemas"
        ]
        for name in names:
            full = next(key for key, schema in schemas.items() if _is_kind(schema, name))
            kinds[f"{_api_version(document)} {name}"] = {"$ref": f"#/$defs/{full}"}
            definitions |= {key: _strict(schemas[key]) for key in _reached(full, schemas)}
    return {**kinds, "$defs": dict(sorted(definitions.items()))}


def _is_kind(schema: Mapping[str, Any], name: str) -> bool:
    stated = schema.get("x-kubernetes-group-version-kind", [])
    return len(stated) == 1 and stated[0]["kind"] == name


def _api_version(document: str) -> str:
    return "/".join(document.split("__")[1:])


def _reached(name: str, schemas: Mapping[str, Any]) -> set[str]:
    found, open_names = set[str](), [name]
    while open_names:
        current = open_names.pop()
        if current not in found:
            found.add(current)
            open_names += _references(schemas[current])
    return found


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(REFERENCE)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _root(schema: Mapping[str, Any]) -> dict[str, Any]:
    strict = _strict(schema["openAPIV3Schema"])
    return {**strict, "properties": {**strict["properties"], "metadata": {"type": "object"}}}


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without prose, closed to unknown fields."""
    if "$ref" in schema:
        return {"$ref": "#/$defs/" + schema["$ref"].removeprefix(REFERENCE)}
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    if len(schema.get("allOf", ())) == 1:
        return _strict(schema["allOf"][0])
    kept = {key: schema[key] for key in KEPT if key in schema}
    if "oneOf" in schema:
        kept["type"] = sorted({one["type"] for one in schema["oneOf"]})
    if "items" in schema:
        kept["items"] = _strict(schema["items"])
    return {**kept, **_fields(schema)}


def _fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "properties" in schema:
        fields = {name: _strict(field) for name, field in schema["properties"].items()}
        return {"properties": fields, "additionalProperties": False}
    if isinstance(schema.get("additionalProperties"), dict):
        return {"additionalProperties": _strict(schema["additionalProperties"])}
    return {}


def _write(name: str, source: str, schemas: Mapping[str, Any]) -> None:
    text = json.dumps({"source": source, **schemas}, separators=(",", ":"), sort_keys=True)
    (SCHEMAS / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
