"""The words of a report: what codes in results.json are called when people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from loadlab.report.results import Results
from loadlab.units import ABSENT, format_ratio

STATISTICS = {
    "cost_per_million_good": "cost per million good requests",
    "usd_per_hour_at_users": "US dollars per hour at N users",
    "goodput": "good requests per second",
    "p95": "95th percentile of latency, closed loop",
    "memory": "peak memory (sum of PSS)",
    "cpu_per_request": "processor time per request",
}
BILLINGS = {
    "provisioned": "provisioned",
    "request_billed": "request-billed",
    "per_request_memory": "per-request memory",
    "usage": "usage",
}
FINDING_LEVELS = {
    "invalid": "Invalid",
    "warning": "Warnings",
    "not_available": "Could not be judged",
    "info": "Notes",
}
CLAIM_ANSWERS = {
    "supported": "supported",
    "refuted_earlier": "refuted: it diverges earlier",
    "refuted_later": "refuted: it diverges later",
    "inconclusive": "not settled",
    "invalid": "invalid run",
}
ATTRIBUTIONS = {
    "pool": "the pool of slots",
    "processor": "processor time",
    "both": "the pool of slots and processor time",
    "none": "nothing: no threshold",
    "unknown": "not known",
}
ANSWERS = {
    "over": "above the margin",
    "under": "within the margin",
    "straddles": "undecided",
    "unknown": "too few pairs",
}
INVERSE_THROUGHPUT = (
    "Both stacks ran on the same fixed deployment, so the prices cancel: "
    "this cost ratio is the inverse ratio of good requests per second and nothing else."
)
SAME_AS_THROUGHPUT = "Prices cancel here too: the inverse ratio of good requests per second."
NO_PSS = "this target cannot measure PSS"
NO_CPU = "the service exports no process accounting"
NO_P99 = "p99 needs at least 1000 requests in a window"
NO_POOLED_P99 = "p99 needs at least 1000 requests in all windows of a level"
CLOSED_LOOP = (
    "Closed loop: each user waits for its answer before it sends again, so that a slow service is asked less often. "
    "Percentiles are of what was sent; arrivals that do not wait would see longer ones (coordinated omission)."
)
OPEN_LOOP = (
    "Open loop: arrivals come on a schedule and wait for no answer. Response times count from the intended start, so "
    "that a stall is charged to everybody who would have waited; service times count from the send."
)
NO_SLOTS = "this stack has no pool of slots"
UNKNOWN_SLOTS = "how many requests this stack serves at once is not known"
NOT_PREDICTABLE = "not predictable"
NO_THRESHOLD = "no threshold"
NO_INTERVAL = "no interval"
NO_ESTIMATE = "no window counts"


@dataclass(frozen=True, kw_only=True, slots=True)
class Badge:
    """A verdict at a glance: a word and a sign, so that colour is never the only carrier."""

    word: str
    sign: str
    tone: str
    """CSS class: good, quiet, doubt or bad."""


BADGES = {
    "diverges": Badge(word="Diverges", sign="▲", tone="found"),
    "diverged_at_first": Badge(word="Diverged at the first level", sign="▲", tone="found"),
    "no_divergence": Badge(word="No divergence", sign="=", tone="quiet"),
    "inconclusive": Badge(word="Inconclusive", sign="?", tone="doubt"),
    "invalid": Badge(word="Invalid", sign="✕", tone="bad"),
    "capacity": Badge(word="Capacity", sign="●", tone="quiet"),
}


def plain_users(users: float | None) -> str:
    """Users without their unit: ``53`` or ``52.8``; absent as a dash."""
    if users is None:
        return ABSENT
    return f"{users:.0f}" if float(users).is_integer() else f"{users:.1f}"


def users_text(users: float | None) -> str:
    """Users with their unit; absent as a dash."""
    return ABSENT if users is None else f"{plain_users(users)} users"


def bracket_text(bracket: Results) -> str:
    """Where N* lies, as interval notation with its unit; a dash where no bracket was found."""
    lower, upper, kind = bracket["lower_users"], bracket["upper_users"], bracket["kind"]
    if kind == "diverged_at_first" and upper is not None:
        return f"at or below {plain_users(upper)} users"
    if kind == "no_divergence":
        return "at no number of users" if lower is None else f"above {plain_users(lower)} users"
    if lower is None or upper is None:
        return ABSENT
    return f"({plain_users(lower)}, {plain_users(upper)}] users"


def beyond_text(bracket: Results) -> str:
    """Levels beyond an answer with one end that did not decide; empty where there are none."""
    if bracket["kind"] not in ("diverged_at_first", "no_divergence") or not bracket["straddling"]:
        return ""
    return f"undecided at {', '.join(map(str, bracket['straddling']))} users"


def undecided_text(bracket: Results) -> str:
    """What an open bracket leaves open, short: where it does, where it does not, where it is undecided."""
    over, under, straddling = (bracket[name] for name in ("upper_users", "lower_users", "straddling"))
    parts = [
        f"parted by {plain_users(over)} users" if over is not None else "",
        f"not up to {plain_users(under)}" if under is not None else "",
        f"undecided at {', '.join(map(str, straddling))} users" if straddling else "",
    ]
    return "; ".join(part for part in parts if part)


def no_slots(stack: Results) -> str:
    """Why a stack has no number of slots."""
    return UNKNOWN_SLOTS if stack["pool"] == "unknown" else NO_SLOTS


def no_number(prediction: Results) -> str:
    """What the law says instead of a number of users."""
    return NOT_PREDICTABLE if prediction["attribution"] == "unknown" else NO_THRESHOLD


def miss_text(prediction: Results) -> str:
    """Measured over predicted as the data support it: the ends of the bracket; a dash without one."""
    lower, upper = prediction["lower_ratio"], prediction["upper_ratio"]
    if lower is None and upper is None:
        return ABSENT
    if upper is None:
        return f"above {format_ratio(lower)}"
    return f"at most {format_ratio(upper)}" if lower is None else f"({format_ratio(lower)}, {format_ratio(upper)}]"


def point_text(prediction: Results) -> str:
    """The approximate point inside of it, in words; empty without one."""
    miss = prediction["miss_ratio"]
    return "" if miss is None else f"about {format_ratio(miss)}"


def price_text(record: Results) -> str:
    """The price list and billing model of a record, or the words for having none."""
    if record["list"] is None:
        return "no price list"
    return f"{record['list']}, {BILLINGS[record['billing']]}"


def margin_text(margin_ratio: float) -> str:
    """The declared margin as the ratio that a threshold must exceed."""
    return format_ratio(1 + margin_ratio)


def range_text(lower: str, upper: str) -> str:
    """An interval between two formatted figures; the unit of the first is dropped when both share it."""
    first, _, first_unit = lower.rpartition(" ")
    if first and first_unit == upper.rpartition(" ")[2]:
        lower = first
    return f"{lower} – {upper}" if lower != upper else upper


def utc_text(unix_s: object) -> str:
    """A moment in UTC, to the second, the same under every locale and time zone."""
    if not isinstance(unix_s, int | float):
        return ABSENT
    return datetime.fromtimestamp(unix_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def doubled_stacks(control: Results) -> str:
    """What the A/A control measured against what."""
    stacks = control["stacks"] or [control["stack"]]
    return f"{' and '.join(stacks)} by turns, each against itself" if len(stacks) > 1 else f"{stacks[0]} against itself"
