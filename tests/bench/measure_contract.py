"""Requests drawn from the contract, hundreds for each operation: both stacks answer as it says, and alike."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Figure, at_most

EXAMPLES, SHORT_EXAMPLES = 400, 20
"""For each operation at most; schemathesis stops where it has no more to draw."""
TIMEOUT_S = 1800.0
COUNTS = re.compile(r"(\d+) (passed|failed|errors?)\b")


def measure_contract(arena: Arena) -> Iterator[Figure]:
    """Operations of which some answer was not declared, or not alike."""
    examples = arena.pick(EXAMPLES, SHORT_EXAMPLES)
    arena.say(f"contract: {examples} requests for each operation")
    argv = [sys.executable, "-m", "pytest", "tests/contract/test_contract_shape.py", "-k", "generated_requests"]
    env = {"CONTRACT_EXAMPLES": str(examples)}
    done = run([*argv, "-q", "-p", "no:randomly"], cwd=arena.root, timeout_s=TIMEOUT_S, env=env)
    yield contract_figure(done.stdout, examples)


def contract_figure(told: str, examples: int) -> Figure:
    """The figure out of what pytest printed. Raises MeasureError when it tried nothing."""
    closing = last_line(told)
    counts = {word.rstrip("s"): int(number) for number, word in COUNTS.findall(closing)}
    if not counts:
        raise MeasureError(f"contract: nothing was tried: {closing[:200]}")
    return Figure(
        name="operations with an answer that is not declared, or not alike",
        value=float(sum(counts.values()) - counts.get("passed", 0)),
        unit="operations",
        bar=at_most(0.0),
        how=f"up to {examples} requests for each of {sum(counts.values())} operations, drawn by schemathesis from "
        "services/contract/openapi.yaml, well-formed and others; both stacks validated and compared",
        note=closing.strip("= "),
    )
