"""What applying the lab's manifests changes, before and after it is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.namespace import claim, make_namespace, wait_until_gone, whose_namespace
from loadlab.execute.durable import write_whole
from loadlab.execute.lab import inventory
from loadlab.execute.lab.drift import drift
from loadlab.execute.lab.overlay import Rendered
from loadlab.execute.lab.record import LabRecord, write_record
from loadlab.pipeline.lab_site import Site


def expect_anything(site: Site, record: LabRecord, before: Path, rendered: Rendered) -> None:
    """Before anything is applied: a call that is cut off now leaves a lab that nobody has seen whole.

    The next one then starts the workers anew, and prunes what either of both had.
    """
    write_record(site.lab.record, record.but(is_up=False, policies=None))
    old = before.read_text(encoding="utf-8") if before.exists() else ""
    write_whole(before, "\n---\n".join(filter(None, (old, rendered.text))).encode())


def what_changes(
    kubectl: Kubectl, rendered: Rendered, mine: str, note: Callable[[str], None]
) -> tuple[str, ...] | None:
    """What applying would change, None when nothing is there yet. What a killed run has left is removed first.

    The namespace is this checkout's from here on, unless there is none. mine: what it is called in clusters.
    """
    state = whose_namespace(kubectl, mine)
    if state == "going":
        note("what is being removed is waited for")
        wait_until_gone(kubectl)
    if state in ("absent", "going"):
        return None
    if state != "ours":
        claim(kubectl, mine)
    left = inventory.of_a_run(kubectl)
    if left:
        inventory.remove_run(kubectl)
        note(f"removed what a run has left: {', '.join(left)}")
    return drift(kubectl, rendered)


def begin_namespace(kubectl: Kubectl, rendered: Rendered, mine: str) -> None:
    """Make the namespace and claim it before anything is in it: of two checkouts at once, one gets it.

    Raises:
        AnotherCheckoutError: the other one did.
        ClusterError: the cluster refuses.
    """
    make_namespace(kubectl, next(one for one in rendered.objects() if one["kind"] == "Namespace"))
    claim(kubectl, mine)


def told(changed: tuple[str, ...] | None, rendered: Rendered) -> str:
    """How many objects were made or changed, and the first of those that were changed."""
    if changed is None:
        return f"{len(rendered.objects())} objects made"
    return f"{len(changed)} objects changed: {', '.join(changed[:4])}{' ...' if len(changed) > 4 else ''}"


def prune(kubectl: Kubectl, before: Path, rendered: Rendered) -> int:
    """Remove what an earlier call applied and this one does not have any more; how many objects that was."""
    if not before.exists():
        return 0
    gone = Rendered(text=before.read_text(encoding="utf-8")).names() - rendered.names()
    for kind, name, namespace in sorted(gone):
        kubectl.run("delete", f"{kind}/{name}", "--ignore-not-found", "--wait=false", namespace=namespace or None)
    return len(gone)
