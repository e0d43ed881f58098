"""What a run says. ``Analysis`` written as JSON is results.json: field names are its keys, and an interface.

Everything a report shows stands here; renderers format and never compute.
Money is Decimal, rounded to micro-dollars when written. None is written as null and means absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from loadlab.model.cluster import ClusterEvidence as ClusterEvidence
from loadlab.model.description import ExperimentDescription as ExperimentDescription
from loadlab.model.evidence import PriceListDescription as PriceListDescription
from loadlab.model.evidence import Refined as Refined
from loadlab.model.evidence import StackExplanation as StackExplanation
from loadlab.model.experiment import Billing, PoolKind, Statistic
from loadlab.model.summary import Estimate as Estimate
from loadlab.model.summary import Interval as Interval
from loadlab.model.summary import LevelSummary as LevelSummary
from loadlab.model.summary import LevelTally as LevelTally
from loadlab.model.summary import WindowSummary as WindowSummary

SCHEMA_VERSION = 1

VerdictKind = Literal["diverges", "diverged_at_first", "no_divergence", "inconclusive", "invalid", "capacity"]
ClaimAnswer = Literal["supported", "refuted_earlier", "refuted_later", "inconclusive", "invalid"]
FindingLevel = Literal["invalid", "warning", "not_available", "info"]
LevelAnswer = Literal["under", "over", "straddles", "unknown"]
"""One level against the margin: under it, over it, undecided, or without bounds to decide by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One doubt, from a closed set of codes (analysis/codes.py lists them).

    where: window id, level ("users=58"), "run" or "machine". got and expected are short texts with units.
    """

    code: str
    level: FindingLevel
    where: str
    message: str
    got: str | None = None
    expected: str | None = None
    next_step: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Stack one over stack two at one level: ratio with its two-sided interval (95 %), and the bracket's bounds.

    Above 1 stack one is always the dearer: goodput is turned over (seconds per good request). A level without any
    pair has no comparison. list and billing are None for statistics without a price. repeats counts windows that
    were measured twice. decision_lower_ratio: simultaneous one-sided lower bound; decision_upper_ratio: one-sided
    upper bound.
    """

    users: int
    statistic: Statistic
    list: str | None
    billing: Billing | None
    ratio: float
    lower_ratio: float | None
    upper_ratio: float | None
    decision_lower_ratio: float | None
    decision_upper_ratio: float | None
    blocks: int
    repeats: int
    missing: int
    valid: bool
    answer: LevelAnswer = "unknown"
    stage: int | None = None
    """Which stage measured the level; its bounds hold at that stage's share of alpha. None in files of before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bracket:
    """N* lies in (lower_users, upper_users]; an absent end is None. no_divergence without ends: at no number.

    estimate_users: isotonic point estimate, approximate. straddling: levels below upper_users that decide neither
    way; blocks_needed: to settle them at the noise seen.
    """

    lower_users: int | None
    upper_users: int | None
    kind: VerdictKind
    estimate_users: float | None = None
    straddling: tuple[int, ...] = ()
    blocks_needed: int | None = None
    reason: str | None = None
    """Why it is absent, inconclusive or invalid, or why the curves cannot part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedBracket:
    """The bracket of one curve: a statistic under one price list and billing model (None without a price)."""

    statistic: Statistic
    list: str | None
    billing: Billing | None
    bracket: Bracket
    is_inverse_throughput: bool
    """The prices cancel: the ratio is nothing but the inverse ratio of goodput."""
    note: str | None = None
    constant_ratio: Estimate | None = None
    """The ratio where no number of users can change it (per-request memory), with its interval over requests; the
    curve then has no comparisons. None where levels are compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The claimed threshold and what the run says of it; users None when the experiment claims nothing."""

    users: int | None
    answer: ClaimAnswer | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What the law said before the sweep. users None: it predicts no threshold, or nothing at all (reason says why).

    miss_ratio: measured point estimate over predicted, approximate: the data support only what lies in
    (lower_ratio, upper_ratio], the ends of the bracket over the prediction (an absent end is None).
    inside: whether the bracket contains the prediction.
    attribution: what parts the curves (pool, processor, both); processor wherever it binds before the pool; unknown
    where it predicts nothing, because something that it needs was neither measured nor told.
    """

    users: float | None
    miss_ratio: float | None
    inside: bool | None
    attribution: Literal["pool", "processor", "both", "none", "unknown"]
    reason: str
    textbook_users: float | None
    """(1 + delta) c (S + Z) / S with all slots in one pool, whatever the spread of connections."""
    curve_users: tuple[int, ...] = ()
    curve_ratio: tuple[float, ...] = ()
    processor_users: float | None = None
    """Where the law predicts none: users from which processor time alone would part the curves."""
    lower_ratio: float | None = None
    upper_ratio: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AaControl:
    """Each stack against itself, by turns from block to block. fired: the 99 % interval of all of them excludes 1.

    resolution_ratio: the larger of half_width_ratio (half of the 95 % interval: noise) and bias_ratio (how far off 1),
    what the run could just see here. stacks: the doubled ones; None in files of before, of which stack alone is."""

    fired: bool | None
    resolution_ratio: float | None
    stack: str
    users: int
    ratio: Estimate | None
    reason: str | None = None
    half_width_ratio: float | None = None
    bias_ratio: float | None = None
    stacks: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CostEstimate:
    """One stack at one level under one price list and billing model."""

    stack: str
    users: int
    list: str
    billing: Billing
    usd_per_million_good: Decimal | None
    usd_per_million_good_lower: Decimal | None
    usd_per_million_good_upper: Decimal | None
    usd_per_hour_at_users: Decimal | None
    replicas_at_users: int | None
    users_per_replica: int | None
    billed_size: str
    """Such as "1 vCPU + 2 GiB"."""
    notes: tuple[str, ...] = ()
    is_inverse_throughput: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StackDescription:
    """How a stack was run, for the sentence and the report."""

    name: str
    service: str
    settings: Mapping[str, str]
    label: str
    """Such as "flask_gunicorn, 1 worker x 48 threads, pooled_urllib3"."""
    slots: int | None
    demand_service_s: float | None
    demand_cpu_s_per_request: float | None
    users_per_replica: int | None
    slots_per_worker: int | None = None
    """What each worker process can serve at once; None where a stack has no pool, or it is not known."""
    pool: PoolKind | None = None
    """Which of these it is; None in files of before."""
    demand_think_s: float | None = None
    """How long users think between requests, as asked or as their own wait_time gave; None where it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The answer. ``sentence`` is answer, settings and doubts in one: it carries whatever limits it.

    answer: from how many users on and by how much, and what that says of the claim. settings: a stack or the load
    in each.
    """

    kind: VerdictKind
    sentence: str
    exit_code: int
    answer: str
    settings: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How the windows fared; published with every run. requests: that ended in a window, whatever their outcome."""

    windows: int
    valid: int
    invalid: int
    repeated: int
    missing_pairs: int
    invalid_levels: tuple[int, ...]
    interrupted_blocks: int
    blocks: int
    requests: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """results.json."""

    schema: int
    run_id: str
    experiment: ExperimentDescription
    verdict: Verdict
    bracket: Bracket
    """The declared statistic under the first price list."""
    claim: Claim
    prediction: Prediction | None
    aa: AaControl
    brackets: tuple[PricedBracket, ...]
    comparisons: tuple[Comparison, ...]
    stacks: tuple[StackDescription, ...]
    levels: tuple[LevelSummary, ...]
    windows: tuple[WindowSummary, ...]
    cost: tuple[CostEstimate, ...]
    findings: tuple[Finding, ...]
    counts: Counts
    provenance: Mapping[str, object]
    reproduce: tuple[str, ...]
    """Commands that make this run again."""
    price_lists: tuple[PriceListDescription, ...] = ()
    explanation: tuple[StackExplanation, ...] = ()
    cluster: ClusterEvidence | None = None
    """Of a run on a cluster; files of before have no such key."""
    tested: tuple[LevelTally, ...] | None = None
    """Every level with what became of its windows; files of before have no such key."""
    refined: Refined | None = None
    """Of an experiment with a second stage."""
