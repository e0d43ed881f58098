"""The commands that make a run again."""

from __future__ import annotations

from loadlab.errors import PROGRAM
from loadlab.model.experiment import CommandService, Experiment, ImageService
from loadlab.model.run import RunData


def reproduction(experiment: Experiment, run: RunData) -> tuple[str, ...]:
    """Check the revision out, and run; what the bundle does not keep is to be filled in at the dots."""
    provenance = run.provenance
    revision = provenance.git_revision
    checkout = (f"git checkout {revision}",) if revision and not provenance.git_dirty else ()
    words = [f"{PROGRAM} run runs/{run.run_id}/experiment.toml --target {provenance.target}"]
    words += [f"--allow-target {host}" for host in provenance.allowed_hosts]
    for stack in experiment.stacks:
        if isinstance(stack.service, CommandService | ImageService):
            words += [f"--set stack.{stack.name}.env.{name}=..." for name in stack.service.env]
    return (*checkout, " ".join(words))
