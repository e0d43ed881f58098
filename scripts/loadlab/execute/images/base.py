"""The base image's Python: found out by running it, because it is not the Python of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from packaging import tags

from loadlab.errors import ImageError
from loadlab.execute.images.docker import ContainerTool, Image
from loadlab.execute.images.ledger import save

LEAST = (3, 11)
OLDEST_GLIBC_MINOR = 5
LEGACY_MINOR = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

PROBE = """
import json, os, platform, sys, sysconfig
try:
    glibc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (ValueError, OSError):
    glibc = ""
try:
    import ensurepip, venv
    has_venv = True
except ImportError:
    has_venv = False
print(json.dumps({
    "version": platform.python_version(), "implementation": sys.implementation.name, "machine": platform.machine(),
    "glibc": glibc.removeprefix("glibc "), "has_venv": has_venv,
    "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BasePython:
    """The Python of a base image. glibc: its version, empty for another C library."""

    version: str
    implementation: str
    machine: str
    glibc: str
    has_venv: bool
    is_free_threaded: bool

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def abi(self) -> str:
        """Of extension modules built for exactly this Python."""
        return f"cp{self.release[0]}{self.release[1]}{'t' if self.is_free_threaded else ''}"

    @property
    def label(self) -> str:
        """What it is, as a folder name: cp312-glibc2.36-x86_64."""
        return f"{self.abi}-glibc{self.glibc}-{self.machine}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags of the wheels that it can load, best first."""
        newest = int(self.glibc.split(".")[1])
        found: list[str] = []
        for minor in range(newest, OLDEST_GLIBC_MINOR - 1, -1):
            found.append(f"manylinux_2_{minor}_{self.machine}")
            found += [f"{LEGACY_MINOR[minor]}_{self.machine}"] if minor in LEGACY_MINOR else []
        return (*found, f"linux_{self.machine}")

    @property
    def tags(self) -> dict[tags.Tag, int]:
        """Every tag of a wheel that it can use, with its rank: the lower, the better the wheel fits."""
        own = tags.cpython_tags(self.release, abis=[self.abi], platforms=self.platforms)
        any_python = tags.compatible_tags(self.release, interpreter=self.abi, platforms=self.platforms)
        return {tag: rank for rank, tag in enumerate([*own, *any_python])}

    @property
    def marker_environment(self) -> dict[str, str]:
        """What the markers of requirements ask for."""
        return {
            "implementation_name": self.implementation,
            "implementation_version": self.version,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.version,
            "python_version": f"{self.release[0]}.{self.release[1]}",
            "sys_platform": "linux",
            "extra": "",
        }


def base_python(tool: ContainerTool, base: Image, folder: Path) -> BasePython:
    """What the base's Python is; found out once per base image and kept in ``folder``.

    Raises:
        ImageError: there is none, or none that the images can be made with.
    """
    kept = folder / f"{base.id.removeprefix('sha256:')[:16]}.json"
    if kept.exists():
        return BasePython(**orjson.loads(kept.read_bytes()))
    said = tool.run_once(base, ("python3", "-c", PROBE))
    if said is None:
        raise _unusable(base, "no python3 that runs")
    python = _read(said, base)
    _check(python, base)
    save(kept, orjson.dumps(asdict(python)))
    return python


def _read(said: str, base: Image) -> BasePython:
    try:
        facts: Mapping[str, Any] = orjson.loads(said)
        return BasePython(**facts)
    except (orjson.JSONDecodeError, TypeError):
        raise _unusable(base, f"a python3 that answers {said[:80]!r}") from None


def _check(python: BasePython, base: Image) -> None:
    if python.implementation != "cpython" or python.release < LEAST:
        raise _unusable(base, f"{python.implementation} {python.version}")
    if not re.fullmatch(r"2\.\d+", python.glibc):
        raise _unusable(base, f"Python {python.version} without glibc")
    if not python.has_venv:
        raise _unusable(base, f"Python {python.version} without venv and ensurepip")


def _unusable(base: Image, got: str) -> ImageError:
    return ImageError(
        f"base image {base.reference}: got {got}, expected CPython {LEAST[0]}.{LEAST[1]} or newer on glibc, with venv; "
        "set LAB_BASE_IMAGE to another, such as python:3.12-slim-bookworm"
    )
