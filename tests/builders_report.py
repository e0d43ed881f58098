"""A synthetic Analysis for tests of the report: every figure comes from a formula and a seed, none was measured."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product

from loadlab.analysis.explanation import explain
from loadlab.analysis.level_tallies import level_tallies
from loadlab.model.experiment import Billing, Statistic
from loadlab.model.result import (
    SCHEMA_VERSION,
    AaControl,
    Analysis,
    Bracket,
    Claim,
    ClaimAnswer,
    Comparison,
    CostEstimate,
    Counts,
    Estimate,
    ExperimentDescription,
    Finding,
    Interval,
    LevelAnswer,
    LevelSummary,
    Prediction,
    PricedBracket,
    PriceListDescription,
    StackDescription,
    Verdict,
    VerdictKind,
    WindowSummary,
)

SERVICE_S = 0.2
MARGIN_RATIO = 0.10
LIMITS: Mapping[str, float] = {"flask": 48 / SERVICE_S, "fastapi": 1400.0}
PRICES: tuple[tuple[str, Billing], ...] = (
    ("aws-fargate-x86", "provisioned"),
    ("cloud-run-request", "request_billed"),
    ("aws-lambda-x86", "per_request_memory"),
    ("opencost-default", "usage"),
)
USD_PER_HOUR = {
    "aws-fargate-x86": 0.04937,
    "cloud-run-request": 0.1044,
    "aws-lambda-x86": 0.1037,
    "opencost-default": 0.04,
}
TITLES = {
    "aws-fargate-x86": "AWS Fargate, Linux x86",
    "cloud-run-request": "Google Cloud Run",
    "aws-lambda-x86": "AWS Lambda, x86",
    "opencost-default": "OpenCost default prices",
}
PLAIN: tuple[Statistic, ...] = ("goodput", "p95")
"""Statistics without a price, whose curves the synthetic run has too."""
QUICK_LEVELS = (37, 44, 53, 64, 77)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the synthetic run looks like; ``names`` are the two stacks (dearer one first)."""

    levels: tuple[int, ...] = QUICK_LEVELS
    blocks: int = 4
    seed: int = 7
    noise_ratio: float = 0.006
    names: tuple[str, str] = ("flask", "fastapi")
    workers: int = 1


def build_analysis(shape: Shape | None = None) -> Analysis:
    """A whole results.json record of a run that diverges between two of its levels."""
    shape = shape or Shape()
    rng = random.Random(shape.seed)
    windows = tuple(_windows(shape, rng))
    bracket = _bracket(shape)
    stacks = tuple(_stack(shape, index) for index in (0, 1))
    levels = tuple(_level(shape, name, users, rng) for users, name in product(shape.levels, shape.names))
    return Analysis(
        schema=SCHEMA_VERSION,
        run_id=f"synthetic-{shape.seed}",
        experiment=_experiment(shape),
        verdict=_verdict(shape, bracket),
        bracket=bracket,
        claim=Claim(users=50, answer=_answer(bracket)),
        prediction=_prediction(shape),
        aa=_aa(shape),
        brackets=tuple(_priced(shape)),
        comparisons=tuple(_comparisons(shape, rng)),
        stacks=stacks,
        levels=levels,
        windows=windows,
        cost=tuple(_costs(shape, rng)),
        findings=_findings(windows),
        counts=_counts(shape, windows),
        provenance=_provenance(shape),
        reproduce=("make quick", "loadlab run runs/synthetic/experiment.toml"),
        price_lists=tuple(_price_list(price, billing) for price, billing in PRICES),
        explanation=explain(stacks, levels, {stack.name: 1.0 for stack in stacks}),
        tested=level_tallies(shape.levels, shape.names, windows, ()),
    )


def without_measures(analysis: Analysis) -> Analysis:
    """The same run on a target that cannot measure resources and where nothing was decided."""
    return replace(
        analysis,
        bracket=Bracket(lower_users=None, upper_users=None, kind="inconclusive", reason="two levels straddle"),
        claim=Claim(users=None, answer=None),
        prediction=None,
        aa=AaControl(fired=None, resolution_ratio=None, stack="flask", users=44, ratio=None, reason="one block only"),
        verdict=told("inconclusive", "Nothing was decided.", 5),
        levels=tuple(_bare_level(level) for level in analysis.levels),
        windows=tuple(_bare_window(window) for window in analysis.windows),
        cost=tuple(replace(cost, usd_per_million_good=None, users_per_replica=None) for cost in analysis.cost),
    )


def told(kind: VerdictKind, answer: str, exit_code: int) -> Verdict:
    """A verdict of a few words."""
    return Verdict(kind=kind, sentence=answer, exit_code=exit_code, answer=answer, settings=(), doubts=())


def _bare_level(level: LevelSummary) -> LevelSummary:
    return replace(
        level,
        cpu_s_per_request=None,
        cpu_cores=None,
        pss_bytes=None,
        p99_s=None,
        p99_pooled_s=None,
        pooled_requests=640,
        loop_lag_mean_s=None,
        slots_busy_by_worker=(),
        connections_by_worker=(),
    )


def _bare_window(window: WindowSummary) -> WindowSummary:
    return replace(
        window,
        cpu_s_per_request=None,
        cpu_cores=None,
        pss_bytes=None,
        rss_bytes=None,
        p99_s=None,
        steal_ratio=None,
        loop_lag_mean_s=None,
        slots_busy_by_worker=(),
        connections_by_worker=(),
    )


def _rate_rps(kind: int, users: int, workers: int = 1) -> float:
    limit = (LIMITS["flask"], LIMITS["fastapi"])[kind]
    ceiling = limit * (0.82 if workers > 1 and kind == 0 else 1.0)
    return float((users**-12.0 * SERVICE_S**12 + ceiling**-12) ** (-1 / 12))


def _estimate(value: float, spread_ratio: float, blocks: int) -> Estimate:
    half = value * spread_ratio
    return Estimate(value=value, interval=Interval(lower=value - half, upper=value + half, level=0.95), n=blocks)


def _level(shape: Shape, name: str, users: int, rng: random.Random) -> LevelSummary:
    kind = shape.names.index(name)
    rate = _rate_rps(kind, users, shape.workers) * rng.gauss(1, shape.noise_ratio)
    wait_s = users / rate

    def figure(value: float, spread: float = 2.2) -> Estimate:
        return _estimate(value, shape.noise_ratio * spread, shape.blocks)

    busy = _busy(shape, kind, users)
    return LevelSummary(
        stack=name,
        users=users,
        blocks=shape.blocks,
        goodput_rps=figure(rate * 0.999),
        throughput_rps=figure(rate),
        p50_s=figure(wait_s * 0.995),
        p95_s=figure(wait_s * 1.04, 5),
        p99_s=figure(wait_s * (1.3 if kind == 0 else 1.08), 9),
        cpu_s_per_request=figure(0.0014 if kind == 0 else 0.00041),
        cpu_cores=figure(rate * (0.0014 if kind == 0 else 0.00041)),
        pss_bytes=figure(92e6 + 2.1e5 * users if kind == 0 else 71e6 + 6e4 * users, 1),
        slots_busy_by_worker=busy,
        connections_by_worker=_shares(users, shape.workers if kind == 0 else 1),
        loop_lag_mean_s=None if kind == 0 else 0.0002 + 3e-6 * users,
        objective_held=True,
        p99_pooled_s=wait_s * (1.31 if kind == 0 else 1.09),
        pooled_requests=round(rate * 3) * shape.blocks,
    )


def _shares(users: int, workers: int) -> tuple[float, ...]:
    weights = [workers - rank for rank in range(workers)]
    return tuple(users * weight / sum(weights) for weight in weights)


def _busy(shape: Shape, kind: int, users: int) -> tuple[float, ...]:
    if kind == 1:
        return ()
    cap = 48 / shape.workers
    return tuple(min(cap, share) for share in _shares(users, shape.workers))


def _windows(shape: Shape, rng: random.Random) -> list[WindowSummary]:
    found = []
    for block, users, name in product(range(1, shape.blocks + 1), shape.levels, shape.names):
        found.append(_window(shape, block, users, name, rng))
    found[3] = replace(found[3], valid=False, used=False, reasons=("lag",), generator_lag_p99_s=0.0131)
    return found


def _window(shape: Shape, block: int, users: int, name: str, rng: random.Random) -> WindowSummary:
    level = _level(shape, name, users, rng)
    rate = level.throughput_rps.value if level.throughput_rps else 0.0
    sent = round(rate * 3)
    return WindowSummary(
        id=f"b{block:02d}-{users:03d}-{name}",
        block=block,
        stack=name,
        users=users,
        role="sweep",
        valid=True,
        used=True,
        reasons=(),
        not_available=("throttled",),
        measure_s=3.0,
        sent=sent,
        ok=sent - 1,
        failed=1,
        good=sent - 2,
        p50_s=level.p50_s.value if level.p50_s else None,
        p95_s=level.p95_s.value if level.p95_s else None,
        p99_s=level.p99_s.value if level.p99_s and sent >= 1000 else None,
        mean_s=users / rate,
        throughput_rps=rate,
        goodput_rps=rate * 0.999,
        cpu_s_per_request=level.cpu_s_per_request.value if level.cpu_s_per_request else None,
        cpu_cores=level.cpu_cores.value if level.cpu_cores else None,
        pss_bytes=round(level.pss_bytes.value) if level.pss_bytes else None,
        rss_bytes=round(level.pss_bytes.value * 1.31) if level.pss_bytes else None,
        in_flight_mean=float(users),
        slots_busy_by_worker=level.slots_busy_by_worker,
        connections_by_worker=level.connections_by_worker,
        loop_lag_mean_s=level.loop_lag_mean_s,
        generator_lag_p99_s=0.0011 + rng.random() * 1e-3,
        generator_cpu_ratio=0.2 + rng.random() * 0.1,
        steal_ratio=0.001,
        idle_cpu_cores=0.002,
        objective_held=True,
        outcomes={"200": sent - 1, "error:ConnectionResetError": 1},
    )


def _true_ratio(shape: Shape, users: int, billing: Billing | None) -> float:
    inverse = _rate_rps(1, users, shape.workers) / _rate_rps(0, users, shape.workers)
    return inverse * 0.985 if billing == "request_billed" else inverse


def _comparisons(shape: Shape, rng: random.Random) -> list[Comparison]:
    found = []
    half = 2.6 * shape.noise_ratio
    priced: list[tuple[Statistic, str | None, Billing | None]] = [
        ("cost_per_million_good", price, billing) for price, billing in PRICES if billing != "per_request_memory"
    ]
    for (statistic, price, billing), users in product((*priced, *((name, None, None) for name in PLAIN)), shape.levels):
        ratio = _true_ratio(shape, users, billing) * math.exp(rng.gauss(0, shape.noise_ratio / 2))
        found.append(
            Comparison(
                users=users,
                statistic=statistic,
                list=price,
                billing=billing,
                ratio=ratio,
                lower_ratio=ratio * math.exp(-half),
                upper_ratio=ratio * math.exp(half),
                decision_lower_ratio=ratio * math.exp(-half * 1.2),
                decision_upper_ratio=ratio * math.exp(half * 0.9),
                blocks=shape.blocks,
                repeats=int(users == shape.levels[1]),
                missing=0,
                valid=True,
                answer=_level_answer(ratio, half),
            )
        )
    return found


def _level_answer(ratio: float, half: float) -> LevelAnswer:
    if ratio * math.exp(-half * 1.2) > 1 + MARGIN_RATIO:
        return "over"
    return "under" if ratio * math.exp(half * 0.9) < 1 + MARGIN_RATIO else "straddles"


def _bracket(shape: Shape) -> Bracket:
    limit = 1 + MARGIN_RATIO
    over = [users for users in shape.levels if _true_ratio(shape, users, "provisioned") > limit + 0.02]
    upper = over[0] if over else None
    lower = max((users for users in shape.levels if upper is None or users < upper), default=None)
    kind: VerdictKind = "diverges" if upper and lower else "diverged_at_first" if upper else "no_divergence"
    return Bracket(lower_users=lower, upper_users=upper, kind=kind, estimate_users=upper and (upper + (lower or 1)) / 2)


def _answer(bracket: Bracket) -> ClaimAnswer:
    if bracket.upper_users is not None and bracket.upper_users < 50:
        return "refuted_earlier"
    return "supported" if bracket.kind == "diverges" else "inconclusive"


def _priced(shape: Shape) -> list[PricedBracket]:
    requests = [_curve(shape, "cost_per_million_good", price, billing) for price, billing in PRICES]
    reason = "no tested level breaks the objective"
    absent = Bracket(lower_users=None, upper_users=None, kind="inconclusive", straddling=shape.levels, reason=reason)
    hours = [
        replace(_curve(shape, "usd_per_hour_at_users", price, billing), bracket=absent, note=reason)
        for price, billing in PRICES
        if billing != "per_request_memory"
    ]
    hours.append(_curve(shape, "usd_per_hour_at_users", "aws-lambda-x86", "per_request_memory"))
    return [*requests, *hours, *(_curve(shape, name, None, None) for name in PLAIN)]


def _curve(shape: Shape, statistic: Statistic, price: str | None, billing: Billing | None) -> PricedBracket:
    alone = billing == "per_request_memory"
    reason = "1.004x at any number of users (0.998x to 1.010x), because each request has an environment to itself"
    constant = Bracket(lower_users=None, upper_users=None, kind="no_divergence", reason=reason)
    return PricedBracket(
        statistic=statistic,
        list=price,
        billing=billing,
        bracket=constant if alone else _bracket(shape),
        is_inverse_throughput=billing == "provisioned" and statistic == "cost_per_million_good",
        note="each request has an environment to itself" if alone else None,
        constant_ratio=_estimate(1.004, 0.006, 24) if alone else None,
    )


def _price_list(price: str, billing: Billing) -> PriceListDescription:
    return PriceListDescription(
        id=price,
        title=TITLES[price],
        region="none" if billing == "usage" else "us-east-1",
        as_of="undated" if billing == "usage" else "2026-09-30",
        source="an example offer",
        confidence="medium",
        billing=billing,
        billed_size="1 vCPU + 2 GiB",
        unit_prices=(f"${USD_PER_HOUR[price]} per hour",),
        notes=("starts are left out",) if billing == "per_request_memory" else (),
    )


def _costs(shape: Shape, rng: random.Random) -> list[CostEstimate]:
    found = []
    for (price, billing), users, kind in product(PRICES, shape.levels, (0, 1)):
        alone = billing == "per_request_memory"
        factor = (1.004 if alone else _true_ratio(shape, users, billing)) if kind == 0 else 1.0
        usd = Decimal(str(USD_PER_HOUR[price] / 3600 / _rate_rps(1, users) * 1e6 * factor * rng.gauss(1, 0.004)))
        held = 53 if kind == 0 and not alone else None
        replicas = math.ceil(users / held) if held else None
        found.append(
            CostEstimate(
                stack=shape.names[kind],
                users=users,
                list=price,
                billing=billing,
                usd_per_million_good=usd,
                usd_per_million_good_lower=None if alone else usd * Decimal("0.985"),
                usd_per_million_good_upper=None if alone else usd * Decimal("1.016"),
                usd_per_hour_at_users=Decimal(str(USD_PER_HOUR[price])) * replicas if replicas else None,
                replicas_at_users=replicas,
                users_per_replica=held,
                billed_size="1 vCPU + 2 GiB",
                notes=() if held else ("no tested level breaks the objective",),
                is_inverse_throughput=billing == "provisioned",
            )
        )
    return found


def _stack(shape: Shape, kind: int) -> StackDescription:
    threads = 48 // shape.workers
    return StackDescription(
        name=shape.names[kind],
        service=("flask_gunicorn", "fastapi_uvicorn")[kind],
        settings={"client": "pooled_urllib3", "threads": str(threads)} if kind == 0 else {"client": "pooled_aiohttp"},
        label=f"flask_gunicorn, {shape.workers} worker x {threads} threads, pooled_urllib3"
        if kind == 0
        else "fastapi_uvicorn, 1 worker, pooled_aiohttp",
        slots=48 if kind == 0 else None,
        demand_service_s=0.2031 if kind == 0 else 0.2019,
        demand_cpu_s_per_request=0.00138 if kind == 0 else 0.00041,
        users_per_replica=53 if kind == 0 else None,
        slots_per_worker=threads if kind == 0 else None,
    )


def _prediction(shape: Shape) -> Prediction:
    users = tuple(range(min(shape.levels), max(shape.levels) + 1, max(1, max(shape.levels) // 40)))
    return Prediction(
        users=52.8,
        miss_ratio=1.04,
        inside=True,
        attribution="pool",
        reason="the pool of 48 slots fills before the processor does",
        textbook_users=52.8,
        curve_users=users,
        curve_ratio=tuple(max(1.0, count / 48) for count in users),
        lower_ratio=0.83,
        upper_ratio=1.02,
    )


def _aa(shape: Shape) -> AaControl:
    ratio = _estimate(1.0021, 0.0079, shape.blocks)
    return AaControl(
        fired=False,
        resolution_ratio=0.0079,
        stack=shape.names[0],
        users=shape.levels[1],
        ratio=ratio,
        reason=None,
        half_width_ratio=0.0079,
        bias_ratio=0.0021,
    )


def _findings(windows: tuple[WindowSummary, ...]) -> tuple[Finding, ...]:
    bad = [window for window in windows if not window.valid]
    lag = [
        Finding(
            code="lag",
            level="invalid",
            where=window.id,
            message="the load generator woke up late",
            got="p99 13.1 ms",
            expected="at most 10.2 ms",
            next_step="give the generator another core",
        )
        for window in bad
    ]
    throttled = [
        Finding(code="throttled", level="not_available", where=window.id, message="no cgroup quota to read")
        for window in windows
    ]
    machine = Finding(
        code="uncalibrated",
        level="warning",
        where="machine",
        message="golden server and doubling were not run on this machine",
        next_step="read small differences with care",
    )
    return (machine, *lag, *throttled, Finding(code="aa_quiet", level="info", where="run", message="A/A is quiet"))


def _counts(shape: Shape, windows: tuple[WindowSummary, ...]) -> Counts:
    invalid = sum(not window.valid for window in windows)
    return Counts(
        windows=len(windows),
        valid=len(windows) - invalid,
        invalid=invalid,
        repeated=1,
        missing_pairs=0,
        invalid_levels=(),
        interrupted_blocks=0,
        blocks=shape.blocks,
        requests=sum(window.ok + window.failed for window in windows),
        reasons={"lag": invalid},
    )


def _experiment(shape: Shape) -> ExperimentDescription:
    return ExperimentDescription(
        id="threshold-50",
        question="From how many concurrent users on does the synchronous stack cost more?",
        statistic="cost_per_million_good",
        margin_ratio=MARGIN_RATIO,
        alpha=0.025,
        objective_latency_s=1.0,
        objective_good_ratio=0.95,
        scenario="io_bound.IoBoundUser",
        think_s=0.0,
        upstream_latency="constant(200ms)",
        warmup_s=1.0,
        measure_s=3.0,
        blocks=shape.blocks,
        seed=20261123,
        levels=shape.levels,
        levels_from="law",
        prices=tuple(f"{price} {billing}" for price, billing in PRICES),
        resources="1 vCPU + 2 GiB",
        toml='id = "threshold-50"\n[decision]\nstatistic = "cost_per_million_good"\nmargin_ratio = 0.10\n',
    )


def _verdict(shape: Shape, bracket: Bracket) -> Verdict:
    first, second = shape.names
    answer = (
        f"Above {bracket.lower_users} and by {bracket.upper_users} concurrent users {first} starts to cost more than "
        f"1.10x what {second} costs per million good requests on aws-fargate-x86 (provisioned, prices cancel): 1.104x "
        f"at {bracket.upper_users} users (1.087x to 1.122x); the claim of 50 users is supported"
    )
    settings = (
        f"{first}: flask_gunicorn, 1 worker x 48 threads, pooled_urllib3",
        f"{second}: fastapi_uvicorn, pooled_aiohttp",
        "IoBoundUser, think time 0 s, upstream constant(200ms)",
        "this machine",
    )
    doubts = ("the load generator is uncalibrated",)
    return Verdict(
        kind=bracket.kind,
        sentence=f"{answer} ({'; '.join(settings)}); doubts: {', '.join(doubts)}.",
        exit_code=0,
        answer=f"{answer}.",
        settings=settings,
        doubts=doubts,
    )


def _provenance(shape: Shape) -> dict[str, object]:
    return {
        "started_unix_s": 1_795_000_000.25,
        "loadlab_version": "0.1.0",
        "git_revision": "0123456789abcdef",
        "git_dirty": False,
        "machine_id": f"synthetic-{shape.seed}",
        "machine": {"cpu": "Example CPU", "cores": 2, "kernel": "6.1", "governor": None},
        "packages": {"flask": "3.1.3", "fastapi": "0.165.0"},
        "target": "local",
        "isolation": "pinned",
        "isolation_detail": "stack alone on core 1",
        "calibration": "uncalibrated",
        "stack_settings": {"flask": {"threads": "48"}},
        "resumed": [],
    }
