"""What a request and a user cost each part of a lab that is up: processor time, memory, connections.

.venv/bin/python tests/bench/cluster_costs.py      LAB_KUBECONFIG and LAB_CONTEXT choose another cluster

The figures of docs/capacity-of-the-lab.md. Processor time is counted by the kernel and hardly depends on what else the
machine does; rates do, and are not printed. About two minutes; puts load on the standing stacks.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from loadlab.execute.cluster.kubectl import Kubectl, find_tool
from loadlab.execute.cluster.state import LabFolder

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("locust-worker", "locust-master", "flask", "fastapi", "upstream")
SETTLE_S = 6.0
DRAIN_S = 6.0
READ = """
import glob, json, os
cpu_ns = sum(int(open(f).read().split()[0]) for f in glob.glob("/proc/[0-9]*/task/*/schedstat"))
pss_kib = sum(int(l.split()[1]) for f in glob.glob("/proc/[0-9]*/smaps_rollup") for l in open(f) if l[:4] == "Pss:")
print(json.dumps({"cpu_ms": cpu_ns / 1e6, "pss_mib": pss_kib / 1024, "files": len(os.listdir("/proc/1/fd"))}))
"""
ASK = """
import json, sys, urllib.request
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
print(json.dumps(urllib.request.urlopen("http://127.0.0.1:8089" + sys.argv[1], body).read().decode()))
"""


class Lab:
    """The pods of a lab, asked from inside."""

    def __init__(self) -> None:
        cluster = LabFolder(root=ROOT / ".lab").cluster()
        self._kubectl = Kubectl(find_tool("kubectl", ROOT / ".tools"), cluster)

    def costs(self) -> dict[str, dict[str, float]]:
        """What each part has used so far, and holds now."""
        return {part: self._python(part, READ) for part in PARTS}

    def ask(self, path: str, *body: str) -> Any:
        """One of Locust's own routes."""
        return json.loads(self._python("locust-master", ASK, path, *body) or "null")

    def requests(self) -> int:
        """Answered since the swarm began."""
        count: int = self.ask("/stats/requests")["stats"][-1]["num_requests"]
        return count

    def _python(self, part: str, code: str, *args: str) -> Any:
        return json.loads(self._kubectl.run("exec", f"deploy/{part}", "--", "python", "-c", code, *args))


def measure(lab: Lab, stack: str, users: int, think_s: float, measure_s: float) -> dict[str, Any]:
    """Load one standing stack and say what each part paid."""
    form = {"user_count": users, "spawn_rate": users, "host": f"http://{stack}:8000", "user_classes": "IoBoundUser"}
    lab.ask("/swarm", urlencode({**form, "think_s": think_s, "phase_s": 1}))
    time.sleep(SETTLE_S)
    before, sent = lab.costs(), lab.requests()
    time.sleep(measure_s)
    after, answered = lab.costs(), lab.requests() - sent
    lab.ask("/lab/drain", "{}")
    time.sleep(DRAIN_S)
    paid = {part: (after[part]["cpu_ms"] - before[part]["cpu_ms"]) / answered for part in PARTS}
    return {"stack": stack, "users": users, "requests": answered, "cpu_ms_per_request": paid, "holds": after}


def main() -> None:
    """Print one JSON object a line."""
    lab = Lab()
    print(json.dumps({"idle": lab.costs()}), flush=True)
    for stack in ("fastapi", "flask"):
        print(json.dumps(measure(lab, stack, users=40, think_s=0, measure_s=15)), flush=True)
    print(json.dumps(measure(lab, "fastapi", users=1000, think_s=10, measure_s=25)), flush=True)


if __name__ == "__main__":
    main()
