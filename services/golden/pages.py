"""What the server says of itself: readiness, counts and its own scheduling error. In no log, at once, uncounted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from golden.accuracy import QUANTILES, Accuracy
from golden.answers import whole_answer
from golden.record_log import RecordLog
from golden.wire import Request


@dataclass(slots=True)
class Counts:
    """Requests of the program since the start: arrivals = answered + unanswered + those that wait.

    ``unanswered``: their client left first. ``refused``: what was no request; these are no arrivals.
    """

    arrivals: int = 0
    answered: int = 0
    unanswered: int = 0
    refused: int = 0


def summary(counts: Counts, accuracy: Accuracy, log: RecordLog) -> Mapping[str, object]:
    """All of it; quantiles of the scheduling error are None before the first answer."""
    error_s = {f"p{share * 100:g}": accuracy.quantile_s(share) for share in QUANTILES} | {"max": accuracy.max_s}
    return {**asdict(counts), "schedule_error_s": error_s, "log_written_busy": log.written_busy}


def own_page(request: Request, counts: Counts, accuracy: Accuracy, log: RecordLog) -> bytes | None:
    """The answer to a request for a page of the server's own; None for all others."""
    page = _PAGES.get(request.path) if request.method == b"GET" else None
    if page is None:
        return None
    content_type, body = page(counts, accuracy, log)
    return whole_answer(200, body, content_type, close=not request.keep_alive)


def _counters(counts: Counts, accuracy: Accuracy, log: RecordLog) -> tuple[bytes, bytes]:
    return b"application/json", json.dumps(summary(counts, accuracy, log)).encode()


def _ready(*_: object) -> tuple[bytes, bytes]:
    return b"application/json", b'{"status":"ready"}'


def _alive(*_: object) -> tuple[bytes, bytes]:
    return b"application/json", b'{"status":"alive"}'


def _metrics(counts: Counts, accuracy: Accuracy, _log: RecordLog) -> tuple[bytes, bytes]:
    lines = []
    for name, value in asdict(counts).items():
        lines += [f"# TYPE golden_{name}_total counter", f"golden_{name}_total {value}"]
    lines.append("# TYPE golden_schedule_error_seconds summary")
    for share in QUANTILES:
        value = accuracy.quantile_s(share)
        lines.append(f'golden_schedule_error_seconds{{quantile="{share}"}} {"NaN" if value is None else value}')
    lines.append(f"golden_schedule_error_seconds_count {accuracy.total}")
    return b"text/plain; version=0.0.4; charset=utf-8", ("\n".join(lines) + "\n").encode()


_PAGES: dict[bytes, Callable[[Counts, Accuracy, RecordLog], tuple[bytes, bytes]]] = {
    b"/counters": _counters,
    b"/livez": _alive,
    b"/metrics": _metrics,
    b"/readyz": _ready,
}
