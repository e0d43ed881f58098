"""Minutes that a plan takes, by hand."""

from __future__ import annotations

import pytest

from builders_cost import experiment
from loadlab.design.plan import make_plan
from loadlab.design.replication import Overhead, estimated_duration_s, window_warmup_s


@pytest.mark.parametrize(("response_s", "think_s", "warmup_s"), [(0.1, 0.0, 1.0), (0.2, 0.3, 2.5)])
def test_a_window_warms_up_for_five_cycles_and_a_second_at_least(
    response_s: float, think_s: float, warmup_s: float
) -> None:
    assert window_warmup_s(response_s, think_s) == pytest.approx(warmup_s)


def test_the_quick_plan_takes_44_windows_and_4_starts() -> None:
    """44 x (1 + 3 + 1) + 4 x (2 x 3 + 8) = 276 s."""
    quick = experiment()
    plan = make_plan(quick, (40, 48, 58, 69, 83), seed=1)
    overhead = Overhead(per_window_s=1.0, per_block_s=8.0)
    assert estimated_duration_s(plan, quick.window, overhead, response_s=0.2, think_s=0.0) == pytest.approx(276.0)
