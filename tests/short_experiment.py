"""An experiment that takes a minute or two on a cluster: pools of 8 slots against none, windows of seconds."""

from __future__ import annotations

from pathlib import Path

EXPERIMENT = """
id = "short"
question = "Where do the curves part in the cluster?"
[decision]
margin_ratio = 0.20
[[stack]]
name = "flask"
service = "flask_gunicorn"
settings = {{ threads = 8 }}
[[stack]]
name = "fastapi"
service = "fastapi_uvicorn"
[upstream]
latency = "constant(200ms)"
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = {users}
[window]
warmup_s = 1.0
measure_s = {measure_s}
[blocks]
count = {blocks}
seed = 7
[[price]]
list = "aws-fargate-x86"
billing = "provisioned"
[resources]
cpu = 1.0
memory = "512Mi"
"""


def write_short(path: Path, *, users: str, blocks: int, measure_s: float) -> None:
    """Write it as a file. users: as TOML has them, such as ``[8]``."""
    path.write_text(EXPERIMENT.format(users=users, blocks=blocks, measure_s=measure_s), encoding="utf-8")
