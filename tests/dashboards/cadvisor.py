"""Out of a kubelet's /metrics/cadvisor: which series there are and which labels are filled, nothing of whose it was.

python tests/dashboards/cadvisor.py SCRAPE > tests/dashboards/cadvisor.json     SCRAPE: the raw text of a lab's node
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

LINE = re.compile(r"^(?P<name>container_\w+)\{(?P<labels>.*)\} ")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
NAMESPACE = "loadlab"
Filled = dict[str, dict[str, list[str]]]


def filled_labels(text: str) -> Filled:
    """Name, then kind of row (container, sandbox, pod), to the labels that are not empty, of the lab's pods alone."""
    found: Filled = {}
    for line in text.splitlines():
        match = LINE.match(line)
        labels = dict(LABEL.findall(match["labels"])) if match else {}
        if match and labels.get("namespace") == NAMESPACE:
            filled = sorted(name for name, value in labels.items() if value)
            kinds = found.setdefault(match["name"], {})
            kinds[_kind(labels)] = sorted({*kinds.get(_kind(labels), ()), *filled})
    return {name: dict(sorted(kinds.items())) for name, kinds in sorted(found.items())}


def _kind(labels: Mapping[str, str]) -> str:
    if labels.get("container"):
        return "container"
    return "sandbox" if labels.get("image") else "pod"


if __name__ == "__main__":
    told = filled_labels(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(kinds)}" for name, kinds in told.items()) + "\n}")
