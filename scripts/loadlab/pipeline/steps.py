"""Steps of an open load's rate that no window would ever see, found once it is known how long a trial is."""

from __future__ import annotations

from loadlab.config.arrivals import step_times_s
from loadlab.design.warmup import OPEN_LEAD_S, open_settling_s
from loadlab.errors import UsageError
from loadlab.model.experiment import Experiment, OpenLoad
from loadlab.model.run import Demand
from loadlab.units import format_s


def check_steps(experiment: Experiment, demands: tuple[Demand, ...]) -> None:
    """Raises UsageError for a step after the end of every window: the report would name what was never sent."""
    if not isinstance(experiment.load, OpenLoad):
        return
    settling_s, measure_s = open_settling_s(demands) - OPEN_LEAD_S, experiment.window.measure_s
    late_s = [at_s for at_s in step_times_s(experiment.load.arrivals) if at_s >= settling_s + measure_s]
    if late_s:
        raise UsageError(
            f"load.arrivals is {experiment.load.arrivals}, and its step at {late_s[0]:g} s never comes: a trial ends "
            f"{format_s(settling_s + measure_s)} after its schedule began ({format_s(settling_s)} to settle, "
            f"{format_s(measure_s)} of window.measure_s); let it come earlier, or lengthen the window"
        )
