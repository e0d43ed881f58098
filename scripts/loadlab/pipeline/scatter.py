"""How much a block's ratio scatters at a level, as the newest finished run like the one that is planned tells it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlab.config import dump_experiment, redacted
from loadlab.execute.json_object import read_object
from loadlab.execute.machine import Machine
from loadlab.model.experiment import Experiment
from loadlab.stats.student import t_quantile_of
from loadlab.units import format_percent

ASSUMED_SD_LOG = 0.05
"""Block scatter for which a plan is laid out where no run tells better (method.md, controls)."""
GROUND = ("stack", "upstream", "load", "window", "objective", "resources")
"""Tables of an experiment that scatter depends on. Its levels and how many blocks it has may differ."""
_INTERVAL_AT = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Scatter:
    """Standard deviation of one block's log ratio at a level, and the run that it is known from (None: assumed)."""

    sd_log: float
    run: str | None

    @property
    def words(self) -> str:
        """Such as "1.2 %, as in run quick-..."."""
        origin = (
            f"as in {self.run}"
            if self.run
            else "assumed: no finished run of it is here that had these stacks, this load and this machine"
        )
        return f"{format_percent(self.sd_log)} ({origin})"


def known_scatter(runs: Path, experiment: Experiment, target: str) -> Scatter:
    """The scatter pooled over the valid levels of the newest run that measured the same; assumed without one.

    The same is: the experiment's id, the decided statistic, the target, the tables of ``GROUND``, and, of local runs,
    the machine.
    """
    ground = _ground(dump_experiment(redacted(experiment)))
    finished = [path for path in runs.glob("*/results.json") if not path.parent.is_symlink()]
    for results in sorted(finished, key=lambda path: path.stat().st_mtime, reverse=True):
        told = read_object(results)
        if not _is_alike(told, experiment.id, target, ground):
            continue
        found = _scatter_of(told, experiment.decision.statistic)
        if found is not None:
            return Scatter(sd_log=found, run=results.parent.name)
    return Scatter(sd_log=ASSUMED_SD_LOG, run=None)


def _is_alike(results: Mapping[str, Any], experiment_id: str, target: str, ground: Mapping[str, Any] | None) -> bool:
    """Pods scatter otherwise than pinned processes do; a cluster's machine is asked when a run begins."""
    made, of = results.get("provenance"), results.get("experiment")
    if not isinstance(made, dict) or not isinstance(of, dict):
        return False
    if of.get("id") != experiment_id or made.get("target") != target:
        return False
    if target == "local" and made.get("machine_id") != Machine().machine_id():
        return False
    return ground is not None and _ground(of.get("toml")) == ground


def _ground(toml: object) -> Mapping[str, Any] | None:
    """The tables that scatter depends on, out of an experiment as bundles have it; None where that cannot be read."""
    try:
        told = tomllib.loads(toml) if isinstance(toml, str) else None
    except tomllib.TOMLDecodeError:
        return None
    if told is None:
        return None
    load = told.get("load")
    levels = ("users", "rate_rps", "seed")
    if isinstance(load, dict):
        told["load"] = {key: value for key, value in load.items() if key not in levels}
    if isinstance(window := told.get("window"), dict):
        told["window"] = {key: value for key, value in window.items() if key != "keep_awake"}  # decided when it begins
    return {name: told.get(name) for name in GROUND}


def _scatter_of(results: Mapping[str, Any], statistic: str) -> float | None:
    levels: Sequence[Any] = results.get("comparisons") or ()
    mine = [level for level in levels if isinstance(level, dict) and level.get("statistic") == statistic]
    decisive = [level for level in mine if _price(level) == _price(mine[0])]
    return _pooled([found for level in decisive if (found := _spread(level)) is not None])


def _pooled(spreads: Sequence[tuple[float, int]]) -> float | None:
    """One standard deviation out of several with their degrees of freedom.

    The median of those of a few blocks each lies below it (for four blocks by a tenth), and would promise too much.
    """
    df = sum(degrees for _, degrees in spreads)
    return math.sqrt(math.fsum(degrees * sd**2 for sd, degrees in spreads) / df) if df else None


def _price(level: Mapping[str, Any]) -> tuple[Any, Any]:
    """The curve of the first price list is the one that decides."""
    return level.get("list"), level.get("billing")


def _spread(level: Mapping[str, Any]) -> tuple[float, int] | None:
    """Standard deviation and degrees of freedom, out of the two-sided interval: half of its width is t sd / sqrt(n)."""
    if not level.get("valid"):
        return None
    lower, upper, blocks = (level.get(key) for key in ("lower_ratio", "upper_ratio", "blocks"))
    if not (isinstance(lower, float) and isinstance(upper, float) and isinstance(blocks, int)):
        return None
    if blocks < 2 or not 0 < lower < upper:
        return None
    half_log = math.log(upper / lower) / 2
    return half_log * math.sqrt(blocks) / t_quantile_of(blocks - 1, (1 + _INTERVAL_AT) / 2), blocks - 1
