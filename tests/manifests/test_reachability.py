"""The table of every edge of the architecture; what is not in it must not come about."""

from __future__ import annotations

from manifests.reachability import End, Policies
from manifests.rendering import Combination, Kustomize, Rendered, pod, ports

PERSON = End(name="person", address="172.18.0.1")
INTERNET = End(name="internet", address="203.0.113.7")
NODE = End(name="node", address="172.18.0.3")
DNS = End(name="dns", address="10.244.0.2", namespace="kube-system", labels={"k8s-app": "kube-dns"})
STRANGER = End(name="stranger", address="10.244.0.77", namespace="default", labels={"app": "stranger"})
BESIDE = End(name="beside", address="10.244.1.78", namespace="loadlab", labels={"app": "beside"})
OPERATOR = End(
    name="operator",
    address="10.244.0.90",
    namespace="monitoring",
    labels={"app.kubernetes.io/name": "prometheus"},
    ports=(("http-web", 9090),),
)
OUTSIDE_PORTS = (22, 53, 80, 443, 6443, 8000, 9090, 10250)

Edge = tuple[str, str, int]
STACKS = ("flask", "fastapi", "stack-run")

BETWEEN: set[Edge] = {
    *(("locust-worker", stack, 8000) for stack in STACKS),
    ("locust-worker", "locust-master", 5557),
    *((stack, "upstream", 8100) for stack in STACKS),
}
NAMES: set[Edge] = {(name, "dns", 53) for name in (*STACKS, "locust-worker", "grafana", "beside")}
OWN_PROMETHEUS: set[Edge] = {
    *(("prometheus", stack, 9100) for stack in STACKS),
    ("prometheus", "upstream", 8100),
    ("prometheus", "locust-master", 8089),
    *(("prometheus", place, port) for place in ("node", "person", "internet") for port in (443, 6443, 10250)),
}
# Without the pods' range no policy can tell a node from a pod. Nothing of the lab listens on these ports.
CLUSTER_PROMETHEUS: set[Edge] = {
    ("prometheus", place, port) for place in ("dns", "stranger", "operator") for port in (443, 6443, 10250)
}
GRAFANA: set[Edge] = {("grafana", "prometheus", 9090)}
PEOPLE: set[Edge] = {
    (who, target, port)
    for who in ("person", "node", "internet")
    for target, port in (
        ("locust-master", 8089),
        ("grafana", 3000),
        ("prometheus", 9090),
        ("flask", 8000),
        ("fastapi", 8000),
    )
}
BY_OPERATOR: set[Edge] = {
    *(("operator", stack, 9100) for stack in STACKS),
    ("operator", "upstream", 8100),
    ("operator", "locust-master", 8089),
    ("grafana", "operator", 9090),
}


def _pods(lab: Rendered) -> list[End]:
    """A pod of each Deployment, one of a run's stack, and one that is nobody's, in the lab's namespace."""
    found = [
        End(
            name=name,
            address=f"10.244.1.{number}",
            namespace="loadlab",
            labels=pod(one)["metadata"]["labels"],
            ports=tuple(ports(one).items()),
        )
        for number, (name, one) in enumerate(lab.deployments.items(), start=10)
    ]
    flask = next(one for one in found if one.name == "flask")
    labels = {**(flask.labels or {}), "app.kubernetes.io/instance": "run"}
    run = End(name="stack-run", address="10.244.1.60", namespace="loadlab", labels=labels, ports=flask.ports)
    return [*found, run, BESIDE]


def _edges(lab: Rendered) -> set[Edge]:
    """Every connection that comes about and has an end in the lab."""
    policies = Policies("loadlab", lab.of("NetworkPolicy"))
    inside, outside = _pods(lab), [PERSON, INTERNET, NODE, DNS, STRANGER, OPERATOR]
    everything = sorted({port for one in inside for _, port in one.ports} | set(OUTSIDE_PORTS))
    pairs = [(source, target) for source in [*inside, *outside] for target in [*inside, *outside]]
    return {
        (source.name, target.name, port)
        for source, target in pairs
        if source is not target and (source in inside or target in inside)
        for port in everything
        if policies.allow(source, target, port)
    }


def _without(edges: set[Edge], *names: str) -> set[Edge]:
    return {edge for edge in edges if not {edge[0], edge[1]} & set(names)}


def test_on_kind_the_table_comes_about_and_nothing_else(kind_lab: Rendered) -> None:
    assert _edges(kind_lab) == BETWEEN | NAMES | OWN_PROMETHEUS | GRAFANA | PEOPLE


def test_on_another_cluster_nobody_from_outside_comes_in(cluster_lab: Rendered) -> None:
    found = _edges(cluster_lab)
    assert found - CLUSTER_PROMETHEUS == BETWEEN | NAMES | OWN_PROMETHEUS | GRAFANA
    assert not {source for source, _, _ in found} & {"person", "internet", "node", "stranger", "operator", "dns"}


def test_without_grafana_its_edges_are_gone(kustomize: Kustomize) -> None:
    lab = kustomize.combination(Combination(overlay="kind", components=("without-grafana",)))
    everything = BETWEEN | NAMES | OWN_PROMETHEUS | GRAFANA | PEOPLE
    assert _edges(lab) == _without(everything, "grafana")


def test_with_the_operator_its_prometheus_takes_the_place_of_the_labs(kustomize: Kustomize) -> None:
    lab = kustomize.combination(Combination(overlay="cluster", components=("prometheus-operator",)))
    assert _edges(lab) == BETWEEN | NAMES | BY_OPERATOR


def test_names_are_asked_over_udp_too_and_answered_by_the_clusters_dns_alone(kind_lab: Rendered) -> None:
    policies = Policies("loadlab", kind_lab.of("NetworkPolicy"))
    worker = next(one for one in _pods(kind_lab) if one.name == "locust-worker")
    assert policies.allow(worker, DNS, 53, "UDP")
    assert not policies.allow(worker, STRANGER, 53, "UDP")
    assert not policies.allow(worker, INTERNET, 53, "UDP")


def test_a_pod_of_another_namespace_with_a_workers_labels_puts_no_load_on_a_stack(kind_lab: Rendered) -> None:
    pods = {one.name: one for one in _pods(kind_lab)}
    worker = pods["locust-worker"]
    impostor = End(name="impostor", address="10.244.0.5", namespace="default", labels=worker.labels)
    policies = Policies("loadlab", kind_lab.of("NetworkPolicy"))
    assert policies.allow(worker, pods["flask"], 8000)
    assert not policies.allow(impostor, pods["flask"], 8000)


def test_the_matrix_sees_an_edge_too_many_and_one_too_few(kind_lab: Rendered) -> None:
    right = _edges(kind_lab)
    without_deny = Rendered(tuple(one for one in kind_lab.objects if one["metadata"]["name"] != "deny-all"))
    without_upstream = Rendered(
        tuple(
            one for one in kind_lab.objects if (one["kind"], one["metadata"]["name"]) != ("NetworkPolicy", "upstream")
        )
    )
    assert _edges(without_deny) > right
    assert _edges(without_upstream) == right - {(stack, "upstream", 8100) for stack in STACKS}
