"""Where the time of ``GET /items/17`` goes inside each application, by package."""

from __future__ import annotations

from bench.arena import Arena

CALLS, SHORT_CALLS = 20_000, 3_000
SHOWN = 6


def profile_note(arena: Arena, stack: str) -> str:
    """One line: microseconds for each package, largest first, of one worker's application in process."""
    seen = arena.ask_child("profile_app.py", stack, str(arena.pick(CALLS, SHORT_CALLS)), timeout_s=120.0)
    by_package = sorted(seen["us_by_package"].items(), key=lambda item: -item[1])
    parts = ", ".join(f"{name} {us / seen['profiled_us']:.0%}" for name, us in by_package[:SHOWN])
    return f"the application alone takes {seen['plain_us']:.0f} us a request; of it under cProfile: {parts}"
