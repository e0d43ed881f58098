"""Recording rules in the order in which they rest on each other, so that each stage finds what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Rule = Mapping[str, Any]
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def recording_rules(files: Iterable[Path]) -> list[Rule]:
    """All rules that record a series; alerts are none."""
    return [
        rule
        for path in files
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]


def stages(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that need no other, then those that need only these, and so on.

    Raises:
        ValueError: some need each other.
    """
    left, done, result = list(rules), set[str](), list[list[Rule]]()
    while left:
        waiting = {rule["record"] for rule in left}
        ready = [rule for rule in left if not (set(NAME.findall(rule["expr"])) & waiting)]
        if not ready:
            raise ValueError(f"recording rules need each other: {', '.join(sorted(waiting))}")
        done |= {rule["record"] for rule in ready}
        left = [rule for rule in left if rule not in ready]
        result.append(ready)
    return result


def rule_file(rules: Sequence[Rule], every_s: float) -> str:
    """A rule file with one group of these."""
    group = {"name": "replay", "interval": f"{every_s:g}s", "rules": [dict(rule) for rule in rules]}
    return str(yaml.safe_dump({"groups": [group]}, sort_keys=False, width=10000))
