"""Who may open a connection to whom: NetworkPolicies as the specification reads them, for TCP.

A pod that any policy of a direction selects may do in that direction what some policy allows and nothing else. A
connection needs the leave of both its ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Labels = Mapping[str, str]
Direction = Literal["Ingress", "Egress"]
RULES = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a connection. labels is None outside of the cluster; ports by name, of a pod."""

    name: str
    address: str
    namespace: str | None = None
    labels: Labels | None = None
    ports: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Policies:
    """The NetworkPolicies of one namespace."""

    namespace: str
    objects: Sequence[Mapping[str, Any]]

    def allow(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection from source to this port of target comes about."""
        out = self._allow("Egress", source, target, target, port, protocol)
        return out and self._allow("Ingress", target, source, target, port, protocol)

    def _allow(self, direction: Direction, mine: End, peer: End, target: End, port: int, protocol: str) -> bool:
        governing = list(self._selecting(direction, mine))
        return not governing or any(
            self._is_peer(rule, RULES[direction][1], peer) and _is_port(rule, target, port, protocol)
            for policy in governing
            for rule in policy.get(RULES[direction][0], [])
        )

    def _selecting(self, direction: Direction, pod: End) -> Iterator[Mapping[str, Any]]:
        if pod.namespace != self.namespace or pod.labels is None:
            return
        for policy in self.objects:
            spec = policy["spec"]
            if direction in spec["policyTypes"] and selects(spec["podSelector"], pod.labels):
                yield spec

    def _is_peer(self, rule: Mapping[str, Any], key: str, peer: End) -> bool:
        return key not in rule or any(self._is_one(one, peer) for one in rule[key])

    def _is_one(self, stated: Mapping[str, Any], peer: End) -> bool:
        if "ipBlock" in stated:
            block = stated["ipBlock"]
            address = ip_address(peer.address)
            left_out = any(address in ip_network(one) for one in block.get("except", []))
            return address in ip_network(block["cidr"]) and not left_out
        if peer.labels is None or peer.namespace is None:
            return False
        if "namespaceSelector" in stated:
            is_there = selects(stated["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace})
        else:
            is_there = peer.namespace == self.namespace
        return is_there and selects(stated.get("podSelector", {}), peer.labels)


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector selects something with these labels."""
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(_holds(one, labels) for one in selector.get("matchExpressions", []))


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) is (operator == "Exists")
    return (value in expression["values"]) is (operator == "In")


def _is_port(rule: Mapping[str, Any], target: End, port: int, protocol: str) -> bool:
    named = dict(target.ports)
    return "ports" not in rule or any(
        one["protocol"] == protocol and port == named.get(one["port"], one["port"]) for one in rule["ports"]
    )
