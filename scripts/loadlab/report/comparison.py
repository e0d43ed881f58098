"""Two runs side by side: what both say, where their intervals meet, and how their settings differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loadlab.errors import UsageError
from loadlab.report.arrivals import is_open
from loadlab.report.results import Results
from loadlab.report.words import STATISTICS

_SETTINGS = (
    *("id", "statistic", "margin_ratio", "alpha", "objective_latency_s", "objective_good_ratio", "scenario", "think_s"),
    *("upstream_latency", "warmup_s", "measure_s", "blocks", "seed", "levels", "prices", "resources"),
    *("arrivals", "in_flight_max", "load_seed", "own_waits", "keep_awake"),
)

_PROVENANCE = ("loadlab_version", "git_revision", "target", "isolation", "isolation_detail", "calibration")


@dataclass(frozen=True, kw_only=True, slots=True)
class RatioPair:
    """One curve at one level in both runs; a side is None where that run has no such comparison."""

    users: int
    statistic: str
    list: str | None
    billing: str | None
    first: Results | None
    second: Results | None
    overlap: bool | None
    """Whether the two intervals meet; None where one of them is absent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One setting that is not the same in both runs."""

    name: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunComparison:
    """What two runs say of the same question. ``brackets_overlap`` is None unless both have both ends."""

    first: Results
    second: Results
    same_machine: bool
    brackets_overlap: bool | None
    pairs: tuple[RatioPair, ...]
    differences: tuple[Difference, ...]


def compare_runs(first: Results, second: Results, *, allow_different_machines: bool = False) -> RunComparison:
    """Put two parsed results.json side by side.

    Raises UsageError when their schemas, declared statistics or kinds of load differ, or when they come from different
    machines and ``allow_different_machines`` is not set; the result then says so in ``same_machine``.
    """
    _refuse_different_questions(first, second)
    machines = tuple(run["provenance"].get("machine_id") for run in (first, second))
    same_machine = machines[0] is not None and machines[0] == machines[1]
    if not same_machine and not allow_different_machines:
        raise UsageError(
            f"runs {first['run_id']} and {second['run_id']} come from different machines "
            f"({machines[0]} and {machines[1]}), so their figures cannot be told apart from the machines; "
            f"compare runs of one machine, or ask for it with --allow-different-machines"
        )
    return RunComparison(
        first=first,
        second=second,
        same_machine=same_machine,
        brackets_overlap=_brackets_overlap(first["bracket"], second["bracket"]),
        pairs=tuple(_pairs(first, second)),
        differences=tuple(_differences(first, second)),
    )


def _refuse_different_questions(first: Results, second: Results) -> None:
    if first["schema"] != second["schema"]:
        raise UsageError(
            f"runs {first['run_id']} and {second['run_id']} have different schemas ({first['schema']} and "
            f"{second['schema']}); analyse both again with one loadlab and compare then"
        )
    statistics = [run["experiment"]["statistic"] for run in (first, second)]
    if statistics[0] != statistics[1]:
        raise UsageError(
            f"runs {first['run_id']} and {second['run_id']} decide on different statistics "
            f"({STATISTICS[statistics[0]]} and {STATISTICS[statistics[1]]}); compare runs that declare the same one"
        )
    loads = ["open" if is_open(run) else "closed" for run in (first, second)]
    if loads[0] != loads[1]:
        raise UsageError(
            f"runs {first['run_id']} and {second['run_id']} have different loads ({loads[0]} and {loads[1]}): "
            "levels of the one are requests per second, of the other users; compare runs of one kind"
        )


def _brackets_overlap(first: Results, second: Results) -> bool | None:
    if "invalid" in (first["kind"], second["kind"]):
        return None
    ends = [bracket[end] for bracket in (first, second) for end in ("lower_users", "upper_users")]
    if None in ends:
        return None
    return bool(first["lower_users"] < second["upper_users"] and second["lower_users"] < first["upper_users"])


def _pairs(first: Results, second: Results) -> Iterator[RatioPair]:
    left, right = _by_key(first), _by_key(second)
    for key in sorted(left.keys() | right.keys(), key=lambda key: (key[1], key[2] or "", key[3] or "", key[0])):
        one, other = left.get(key), right.get(key)
        users, statistic, price, billing = key
        yield RatioPair(
            users=users,
            statistic=statistic,
            list=price,
            billing=billing,
            first=one,
            second=other,
            overlap=_intervals_overlap(one, other),
        )


def _by_key(run: Results) -> dict[tuple[int, str, str | None, str | None], Results]:
    return {(one["users"], one["statistic"], one["list"], one["billing"]): one for one in run["comparisons"]}


def _intervals_overlap(first: Results | None, second: Results | None) -> bool | None:
    if first is None or second is None:
        return None
    if any(side[end] is None for side in (first, second) for end in ("lower_ratio", "upper_ratio")):
        return None
    return bool(first["lower_ratio"] <= second["upper_ratio"] and second["lower_ratio"] <= first["upper_ratio"])


def _differences(first: Results, second: Results) -> Iterator[Difference]:
    left, right = _settings(first), _settings(second)
    for name in sorted(left.keys() | right.keys()):
        one, other = left.get(name, "absent"), right.get(name, "absent")
        if one != other:
            yield Difference(name=name, first=one, second=other)


def _settings(run: Results) -> Mapping[str, str]:
    found = {name: _plain(run["experiment"].get(name)) for name in _SETTINGS}
    for number, stack in enumerate(run["stacks"], start=1):
        found[f"stack {number}"] = stack["label"]
        found |= {f"stack {number} {key}": str(value) for key, value in stack["settings"].items()}
    provenance = run["provenance"]
    for name in (*_PROVENANCE, "machine_id"):
        found[name] = _plain(provenance.get(name))
    cluster = provenance.get("cluster") or {}
    for name in ("server_version", "cpu_limit_cores", "memory_limit"):
        found[f"cluster {name}"] = _plain(cluster.get(name))
    options = {name: str(value) for name, value in (provenance.get("load") or {}).items() if name.startswith("LAB_")}
    packages = provenance.get("packages") or {}
    return found | options | {f"package {name}": str(version) for name, version in packages.items()}


def _plain(value: object) -> str:
    if value is None:
        return "absent"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
