"""One request through every path of the lab, each tried again until it is answered or its time is over."""

from __future__ import annotations

import http.client
import urllib.error
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.direct import open_direct
from loadlab.execute.ports import Clock

ANSWER_S = 5.0
PATIENCE_S = 60.0
POLL_S = 0.3

Judge = Callable[[Any], str | None]
"""None when the answer is as expected, else what is amiss."""


def smoke_requests(
    urls: Mapping[str, str], *, workers: int, clock: Clock, patience_s: float = PATIENCE_S
) -> tuple[str, ...]:
    """What was seen, one phrase a path. urls: of each part that people can reach.

    Raises:
        ClusterError: a path is not answered as it should be.
    """
    paths: dict[str, tuple[str, Judge]] = {
        "flask": ("/data", _anything),
        "fastapi": ("/data", _anything),
        "locust": ("/stats/requests", lambda found: _workers(found, workers)),
        "prometheus": ("/api/v1/targets?state=active", _targets),
        "grafana": ("/api/health", _anything),
    }
    deadline_s = clock.monotonic_s() + patience_s
    for part, url in urls.items():
        path, judge = paths[part]
        _until_good(part, f"{url}{path}", judge, clock, deadline_s, patience_s)
    seen = {
        "flask": "flask and upstream",
        "fastapi": "fastapi and upstream",
        "locust": f"Locust with {workers} workers",
    }
    return tuple(seen.get(part, part.capitalize()) for part in urls)


def ask(url: str) -> tuple[Any, str | None]:
    """The decoded answer of a loopback address, or what was wrong."""
    try:
        with open_direct(url, timeout=ANSWER_S) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        return None, f"got status {error.code} {error.read(200).decode(errors='replace')}".strip()
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return None, str(reason) or type(error).__name__
    try:
        return orjson.loads(body), None
    except orjson.JSONDecodeError:
        return None, "got no JSON"


def _until_good(part: str, url: str, judge: Judge, clock: Clock, deadline_s: float, patience_s: float) -> None:
    while True:
        found, problem = ask(url)
        problem = problem or judge(found)
        if problem is None:
            return
        if clock.monotonic_s() > deadline_s:
            name = "Prometheus not answering" if part == "prometheus" and found is None else f"smoke request to {part}"
            raise ClusterError(
                f"{name}: {url}: {problem} for {patience_s:g} s; `make lab-status` shows its pods, `make lab-logs` "
                "collects everything"
            )
        clock.sleep(POLL_S)


def _anything(found: Any) -> str | None:
    return None if isinstance(found, dict) else "got another answer than an object"


def _workers(found: Any, wanted: int) -> str | None:
    joined = [one for one in found.get("workers", ()) if one.get("state") in ("ready", "running", "spawning")]
    return None if len(joined) == wanted else f"{len(joined)} workers joined, expected {wanted}"


def _targets(found: Any) -> str | None:
    targets = found.get("data", {}).get("activeTargets", [])
    down = [one for one in targets if one.get("health") != "up"]
    if not targets:
        return "it has no targets"
    first = down[0] if down else {}
    return (
        f"{len(down)} of {len(targets)} targets down: {first.get('scrapeUrl')} {first.get('lastError')}"
        if down
        else None
    )
