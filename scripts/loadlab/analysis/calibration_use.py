"""Whether a calibration holds for a run, in one line, and what the run may believe because of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadlab.model.calibration import Calibration, Reach, TruthfulRange
from loadlab.units import counted, format_count, format_percent, format_s

UNCALIBRATED = "uncalibrated"
HOLDS_DAYS = 30
DAY_S = 86_400.0

IDLE_CORES = "idle_cores"
ASLEEP, KEPT_AWAKE = "asleep", "kept awake"
_BEFORE = {IDLE_CORES: ASLEEP}
"""What held for calibrations that do not name it."""
_NAMES = {
    "machine": "machine",
    "kernel": "kernel",
    "cores": "cores",
    "python": "Python",
    "generator": "locustfiles",
    IDLE_CORES: "idle cores",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a run says of its generator, and the range that its gates hold it to; None where uncalibrated."""

    text: str
    truthful: TruthfulRange | None


def standing(calibration: Calibration | None, identity: Mapping[str, str], now_unix_s: float) -> Standing:
    """Judge a calibration by its age (30 days), its result, and what it was made with."""
    if calibration is None:
        return Standing(text=UNCALIBRATED, truthful=None)
    reason = _reason(calibration, identity, now_unix_s)
    if reason is not None or calibration.rate is None or calibration.users is None:
        return Standing(text=f"{UNCALIBRATED}: {reason}", truthful=None)
    text = (
        f"calibrated {_ago(now_unix_s - calibration.made_unix_s)} on this machine: {bias_text(calibration)}; "
        f"truthful up to {_reach_text(calibration.rate, 'req/s')} and {_reach_text(calibration.users, 'users')}"
    )
    truthful = TruthfulRange(
        made_unix_s=calibration.made_unix_s,
        generators=calibration.generator_cores,
        rate_rps=calibration.rate,
        users=calibration.users,
    )
    return Standing(text=text, truthful=truthful)


def is_uncalibrated(text: str) -> bool:
    """Whether provenance says so."""
    return text.startswith(UNCALIBRATED)


def bias_text(calibration: Calibration) -> str:
    """The largest biases that were found."""
    p50 = format_percent(calibration.bias_p50_ratio, signed=True)
    p99 = format_percent(calibration.bias_p99_ratio, signed=True)
    return f"bias p50 {p50}, p99 {p99} from 10 ms up, {format_s(calibration.small_bias_s)} below"


def _reach_text(reach: Reach, unit: str) -> str:
    return f"{format_count(reach.most)} {unit}" + ("" if reach.beyond is not None else " (more was not tried)")


def _reason(calibration: Calibration, identity: Mapping[str, str], now_unix_s: float) -> str | None:
    """Why it does not hold."""
    made_with = {**_BEFORE, **calibration.identity}
    if made_with.get("machine") != identity.get("machine"):
        return "the calibration there is was made on another machine"
    changed = [name for name in identity if made_with.get(name) != identity[name]]
    if changed:
        was, now = made_with.get(changed[0], "unknown"), identity[changed[0]]
        return f"calibrated with {_NAMES.get(changed[0], changed[0])} {was}, now {now}"
    age_s = now_unix_s - calibration.made_unix_s
    if age_s > HOLDS_DAYS * DAY_S:
        return f"calibrated {_ago(age_s)}, which holds for {HOLDS_DAYS} days"
    if age_s < -DAY_S:
        return "the calibration there is was made in the future: the wall clock was or is wrong"
    if calibration.failures:
        return f"calibrated {_ago(age_s)}, and the generator was not truthful: {calibration.failures[0]}"
    return None


def _ago(age_s: float) -> str:
    days = max(0, int(age_s // DAY_S))
    return "today" if days == 0 else f"{counted(days, 'day')} ago"
