from __future__ import annotations

from typing import Any

from manifests.rendering import Object, Rendered, container, environment, pod

WITHOUT_PROBES = {"locust-worker"}
"""It listens nowhere; the master says in /lab/status whether it is there."""
COMPONENTS = {"sut", "upstream", "loadgen", "observability"}
ROLES = {"sut": "sut", "upstream": "loadgen", "loadgen": "loadgen", "observability": "loadgen"}
MEMORY_UNITS = {"Mi": 1, "Gi": 1024}


def _label(deployment: Object, name: str) -> str | None:
    found: str | None = pod(deployment)["metadata"]["labels"].get(name)
    return found


def _component(deployment: Object) -> str:
    return _label(deployment, "app.kubernetes.io/component") or ""


def _is_measured(deployment: Object) -> bool:
    return _component(deployment) == "sut"


def test_every_pod_meets_the_restricted_standard_with_a_read_only_root(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        spec, own = pod(one)["spec"], container(one)["securityContext"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert own == wanted, name


def test_no_pod_reaches_into_its_node(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        spec = pod(one)["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys(), name
        assert {kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}} <= {"emptyDir", "configMap"}
        assert all("hostPort" not in port for port in container(one).get("ports", [])), name
        assert all("sizeLimit" in volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume), name


def test_the_namespace_enforces_the_restricted_standard_and_is_marked_as_the_labs(rendered: Rendered) -> None:
    labels = rendered.named("Namespace", "loadlab")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
    assert labels["app.kubernetes.io/managed-by"] == "loadlab"


def test_only_prometheus_has_a_token(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        assert pod(one)["spec"]["automountServiceAccountToken"] is (name == "prometheus"), name
    assert all(one["automountServiceAccountToken"] is False for one in rendered.of("ServiceAccount"))


def test_prometheus_may_look_at_its_own_pods_and_at_kubelets_metrics_and_no_more(kind_lab: Rendered) -> None:
    rules = {one["metadata"]["name"]: one["rules"] for one in kind_lab.of("Role", "ClusterRole")}
    assert rules == {
        "prometheus": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
        "loadlab-prometheus": [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}],
    }


def test_no_service_gets_variables_from_other_services(rendered: Rendered) -> None:
    """The lab's services refuse UPSTREAM_PORT=tcp://..., which Kubernetes would set."""
    assert all(pod(one)["spec"]["enableServiceLinks"] is False for one in rendered.deployments.values())


def test_systems_under_test_are_guaranteed_what_they_may_use(rendered: Rendered) -> None:
    for one in filter(_is_measured, rendered.deployments.values()):
        resources = container(one)["resources"]
        assert resources["requests"] == resources["limits"]
        assert resources["limits"].keys() == {"cpu", "memory"}


def test_everything_has_requests_and_limits(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        resources = container(one)["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}, name


def test_all_of_the_lab_fits_on_two_nodes_of_two_cores(kind_lab: Rendered) -> None:
    """100m of each node are kept for what the cluster itself puts there."""
    for role in ("sut", "loadgen"):
        mine = [one for one in kind_lab.deployments.values() if ROLES[_component(one)] == role]
        assert sum(_cores(container(one)["resources"]["requests"]["cpu"]) for one in mine) <= 1.9, role


def _cores(text: str) -> float:
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def test_a_stack_on_kind_gets_800m_and_a_whole_core_elsewhere(kind_lab: Rendered, cluster_lab: Rendered) -> None:
    for lab, cpu in ((kind_lab, "800m"), (cluster_lab, "1")):
        stacks = [one for one in lab.deployments.values() if _is_measured(one)]
        assert {container(one)["resources"]["limits"]["cpu"] for one in stacks} == {cpu}


def test_a_locust_worker_may_use_a_whole_core(rendered: Rendered) -> None:
    assert container(rendered.deployments["locust-worker"])["resources"]["limits"]["cpu"] == "1"


def test_every_port_is_named_and_every_probe_asks_one_over_http(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        named = {port["name"] for port in container(one).get("ports", [])}
        probes = {kind: container(one).get(kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
        if name in WITHOUT_PROBES:
            assert not named
            assert set(probes.values()) == {None}
            continue
        for probe in probes.values():
            assert probe is not None, name
            assert probe["httpGet"]["port"] in named, name


def test_saturation_alone_never_restarts_a_system_under_test(rendered: Rendered) -> None:
    for one in filter(_is_measured, rendered.deployments.values()):
        liveness = container(one)["livenessProbe"]
        assert liveness["timeoutSeconds"] >= 30
        assert liveness["timeoutSeconds"] * liveness["failureThreshold"] >= 180


def test_probes_take_no_slot_of_a_stack_once_it_has_answered_where_people_ask(rendered: Rendered) -> None:
    for one in filter(_is_measured, rendered.deployments.values()):
        probes = {kind: container(one)[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert probes == {
            "startupProbe": {"path": "/readyz", "port": "http"},
            "readinessProbe": {"path": "/readyz", "port": "metrics"},
            "livenessProbe": {"path": "/livez", "port": "metrics"},
        }


def test_pods_carry_the_labels_that_say_what_they_are(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        assert _label(one, "app.kubernetes.io/name") == name
        assert _label(one, "app.kubernetes.io/part-of") == "loadlab"
        assert _component(one) in COMPONENTS
        is_standing = _label(one, "app.kubernetes.io/instance") == "standing"
        assert (_label(one, "loadlab.dev/stack") == name) is is_standing is _is_measured(one)


def test_each_pod_goes_where_its_kind_belongs_and_nowhere_else(rendered: Rendered) -> None:
    for one in rendered.deployments.values():
        role = ROLES[_component(one)]
        spec = pod(one)["spec"]
        assert spec["nodeSelector"] == {"loadlab.dev/role": role}
        wanted = {"key": "loadlab.dev/role", "operator": "Equal", "value": role, "effect": "NoSchedule"}
        assert spec["tolerations"] == [wanted]


def test_replicas_of_a_stack_and_workers_spread_over_their_own_nodes_only(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        if not _is_measured(one) and name != "locust-worker":
            continue
        (spread,) = pod(one)["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"] == one["spec"]["selector"]
        assert spread["maxSkew"] == 1
        assert (spread["nodeAffinityPolicy"], spread["nodeTaintsPolicy"]) == ("Honor", "Honor")
        assert spread["whenUnsatisfiable"] == ("DoNotSchedule" if _is_measured(one) else "ScheduleAnyway")


def test_what_is_measured_and_what_measures_is_never_evicted(rendered: Rendered) -> None:
    budgets = rendered.of("PodDisruptionBudget")
    assert all(one["spec"]["maxUnavailable"] == 0 for one in budgets)
    guarded: set[str] = set()
    for one in budgets:
        selector: Any = one["spec"]["selector"]
        guarded |= set(selector.get("matchLabels", {}).values())
        guarded |= {value for term in selector.get("matchExpressions", []) for value in term["values"]}
    assert guarded == {"sut", "upstream", "loadgen"}


def test_grace_is_longer_than_the_way_out(rendered: Rendered) -> None:
    """5 s in which Services forget the pod, 30 s for requests under way, and some more."""
    for one in filter(_is_measured, rendered.deployments.values()):
        pause_s = container(one)["lifecycle"]["preStop"]["sleep"]["seconds"]
        graceful_s = int(environment(one)["SVC_GRACEFUL_TIMEOUT_S"])
        assert (pause_s, graceful_s, pod(one)["spec"]["terminationGracePeriodSeconds"]) == (5, 30, 45)


def test_nothing_new_starts_beside_what_it_replaces(rendered: Rendered) -> None:
    assert {one["spec"]["strategy"]["type"] for one in rendered.deployments.values()} == {"Recreate"}


def test_images_are_never_latest_and_only_pulled_when_absent(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        image, _, tag = container(one)["image"].rpartition(":")
        assert image, name
        assert tag not in ("", "latest"), name
        assert (tag == "unbuilt") is image.startswith("loadlab/"), name
        assert container(one)["imagePullPolicy"] == "IfNotPresent", name


def test_memory_in_folders_of_the_pod_fits_in_its_limit(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        folders = [volume["emptyDir"] for volume in pod(one)["spec"]["volumes"] if "emptyDir" in volume]
        in_memory = sum(_mebibytes(one["sizeLimit"]) for one in folders if one.get("medium") == "Memory")
        assert in_memory <= _mebibytes(container(one)["resources"]["limits"]["memory"]) / 4, name


def _mebibytes(text: str) -> int:
    return int(text[:-2]) * MEMORY_UNITS[text[-2:]]


def test_every_pod_can_write_to_tmp(rendered: Rendered) -> None:
    for name, one in rendered.deployments.items():
        mounts = {mount["mountPath"]: mount["name"] for mount in container(one)["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod(one)["spec"]["volumes"]}
        assert volumes[mounts["/tmp"]]["emptyDir"]["medium"] == "Memory", name
