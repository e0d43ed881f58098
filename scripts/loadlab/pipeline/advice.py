"""What a run does and says about a host that is slow to wake idle cores (`execute.wakefulness`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from loadlab.analysis.summarise import summarise_window
from loadlab.errors import PROGRAM, Interrupted
from loadlab.execute.doctor import STRAIN_S, awake_helps, steal_ratios
from loadlab.execute.machine import Machine
from loadlab.model.experiment import Experiment
from loadlab.model.run import Window
from loadlab.pipeline.rig import Rig
from loadlab.report.live import Progress
from loadlab.units import format_percent

MANY_RATIO = 0.25
"""Of a block's windows, repeats included; one in four makes it a quarter longer."""


def decided(experiment: Experiment, target: str, progress: Progress) -> Experiment:
    """Where the experiment leaves it to the run whether idle cores are kept awake: what a look at the cores says.

    By the doctor's rule, before anything is measured: nothing that a stack does has a say in it. Never on a cluster.
    """
    if experiment.window.keep_awake != "auto":
        return experiment
    ratio, awake_ratio = None, None
    if target == "local":
        progress.stage(f"looking what the host takes of {len(os.sched_getaffinity(0))} cores that work and nap")
        try:
            ratio, awake_ratio = steal_ratios(STRAIN_S, Machine().cpu_quota_cores())
        except KeyboardInterrupt:
            raise Interrupted("interrupted; nothing was measured yet, and there is no run to go on with") from None
    helps = awake_helps(ratio, awake_ratio)
    if helps:
        progress.message(
            f"the host takes {format_percent(ratio)} of the processor time, and {format_percent(awake_ratio)} with "
            "idle cores kept awake: they are, in this run (window.keep_awake)"
        )
    return replace(experiment, window=replace(experiment.window, keep_awake=helps))


def advise_on_steal(rig: Rig, block: int, windows: Sequence[Window]) -> None:
    """After the first block: the host took too much in many windows, and idle cores are not kept awake.

    Whether that would help is for the doctor to say. Not on a cluster, where it cannot be had.
    """
    if block != 1 or rig.experiment.window.is_kept_awake or rig.deployer.isolation().level == "quota":
        return
    refused = sum("steal" in summarise_window(one, rig.experiment, rig.bounds).reasons for one in windows)
    if refused >= MANY_RATIO * len(windows):
        rig.progress.message(
            f"the host took too much processor time in {refused} of {len(windows)} windows of the first block, and "
            f"their pairs are tried again; where `{PROGRAM} doctor` says that it is slow to wake idle cores, a run "
            "with --set window.keep_awake=true is over sooner"
        )
