"""The smallest experiment that real processes on one machine carry out: what it decides is not looked at."""

from __future__ import annotations

from pathlib import Path

EXPERIMENT = """
id = "tiny"
question = "Does the engine work?"
{stacks}
[upstream]
latency = "constant(20ms)"
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = [2]
[window]
warmup_s = 0.2
measure_s = {measure_s}
[blocks]
count = {blocks}
seed = 7
[[price]]
list = "aws-fargate-x86"
billing = "provisioned"
"""
FLASK = '[[stack]]\nname = "flask"\nservice = "flask_gunicorn"\nsettings = { threads = 4 }\n'
FASTAPI = '[[stack]]\nname = "fastapi"\nservice = "fastapi_uvicorn"\n'


def write_tiny(folder: Path, stacks: str, *, measure_s: float, blocks: int) -> str:
    """Write it for these stacks, and return its path."""
    path = folder / "tiny.toml"
    path.write_text(EXPERIMENT.format(stacks=stacks, measure_s=measure_s, blocks=blocks))
    return str(path)
