"""Where the live objects are not what would be applied."""

from __future__ import annotations

import os
import re

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import FIELD_MANAGER, Kubectl
from loadlab.execute.lab.overlay import Rendered
from loadlab.execute.lab.program import call

DIFF_S = 120.0

_CHANGED = re.compile(r"^diff \S+(?: \S+)*? \S*/LIVE-\d+/(\S+) ", re.MULTILINE)


def drift(kubectl: Kubectl, rendered: Rendered) -> tuple[str, ...]:
    """The objects that applying would change, as kind/name; none when all is as rendered.

    Raises:
        ClusterError: the cluster does not answer.
    """
    words = kubectl.argv("diff", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-f", "-")
    environment = {**os.environ, "KUBECTL_EXTERNAL_DIFF": "diff -u -N"}
    said = call(kubectl.program, *words[1:], timeout_s=DIFF_S, stdin=rendered.text, env=environment)
    if said.code == 0:
        return ()
    if said.code != 1 or not said.out.startswith("diff "):
        raise ClusterError(f"kubectl diff: {said.last_lines(2)}; `loadlab lab status` looks")
    return tuple(_shown(name) for name in _CHANGED.findall(said.out))


def _shown(name: str) -> str:
    """From apps.v1.Deployment.loadlab.flask to Deployment/flask."""
    found = re.fullmatch(r"(?:.*\.)?v\d\w*\.([A-Z]\w*)\.[^.]*\.(.+)", name)
    return f"{found.group(1)}/{found.group(2)}" if found else name
