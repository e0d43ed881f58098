"""The commands that make a run again."""

from __future__ import annotations

import shlex

from loadlab.errors import PROGRAM
from loadlab.model.experiment import CommandService, Experiment, ImageService
from loadlab.model.run import RunData

OPTION = "LAB_"
"""Begins the names of a scenario's options among what the load was made of."""


def reproduction(experiment: Experiment, run: RunData) -> tuple[str, ...]:
    """Check the revision out, and run with the scenario's options (``LAB_...``) as they were in the environment.

    What the bundle does not keep is to be filled in at the dots.
    """
    provenance = run.provenance
    revision = provenance.git_revision
    checkout = (f"git checkout {revision}",) if revision and not provenance.git_dirty else ()
    options = {name: value for name, value in (provenance.load or {}).items() if name.startswith(OPTION)}
    words = [f"{name}={shlex.quote(str(value))}" for name, value in sorted(options.items())]
    words += [f"{PROGRAM} run runs/{run.run_id}/experiment.toml --target {provenance.target}"]
    words += [f"--allow-target {host}" for host in provenance.allowed_hosts]
    for stack in experiment.stacks:
        if isinstance(stack.service, CommandService | ImageService):
            words += [f"--set stack.{stack.name}.env.{name}=..." for name in stack.service.env]
    return (*checkout, " ".join(words))
