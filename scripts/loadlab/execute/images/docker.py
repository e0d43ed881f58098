"""Runs docker, or podman; what goes wrong becomes one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from loadlab.errors import ImageError

CHOICE = "LAB_CONTAINER_TOOL"
ANSWER_S = 60.0
TRANSFER_S = 1800.0
SHOWN_LINES = 6
SHOWN_CHARACTERS = 600

# The build log in plain lines, no image index around the image, and the engine's own builder: another one that a user
# made the default sees no local base image.
_BUILD_ENVIRONMENT = {"BUILDKIT_PROGRESS": "plain", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDX_BUILDER": "default"}
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that the engine has. layers: their digests from the base up."""

    reference: str
    id: str
    size_bytes: int
    layers: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


class ContainerTool:
    """docker or podman. program: the executable."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self.name = program.name

    @property
    def is_podman(self) -> bool:
        """Whether it is podman, by its name."""
        return self.name.startswith("podman")

    def check(self) -> None:
        """Ask the engine whether it is there. Raises ImageError."""
        template = "{{.Version}}" if self.is_podman else "{{.Server.Version}}"
        done = self._call("version", "--format", template)
        if done.returncode != 0:
            step = "try `podman info`" if self.is_podman else "start Docker, and see that this user may use it"
            raise ImageError(f"{self.name}: the engine does not answer: {_last_lines(done.stderr, 1)}; {step}")

    def find(self, reference: str) -> Image | None:
        """The image of that name, None when the engine has none."""
        done = self._call("image", "inspect", reference)
        if done.returncode != 0:
            return None
        (found,) = orjson.loads(done.stdout)
        return Image(
            reference=reference,
            id=f"sha256:{found['Id'].removeprefix('sha256:')}",
            size_bytes=int(found["Size"]),
            layers=tuple(found.get("RootFS", {}).get("Layers") or ()),
            labels=(found.get("Config") or {}).get("Labels") or {},
        )

    def layer_sizes(self, image: Image) -> tuple[int, ...] | None:
        """The sizes in bytes of its layers from the base up; None when the history does not match the layers."""
        done = self._call("history", "--human=false", "--format", "{{.Size}}", image.reference)
        words = done.stdout.decode(errors="replace").split() if done.returncode == 0 else []
        sizes = tuple(int(word) for word in reversed(words) if word.isdigit() and int(word) > 0)
        return sizes if len(sizes) == len(image.layers) else None

    def pull(self, reference: str) -> Image:
        """Fetch an image. Raises ImageError."""
        done = self._call("pull", "--quiet", reference, timeout_s=TRANSFER_S)
        found = self.find(reference) if done.returncode == 0 else None
        if found is None:
            raise ImageError(
                f"base image {reference}: not on this machine and cannot be pulled: {_last_lines(done.stderr, 1)}; "
                "see to the registry, or set LAB_BASE_IMAGE to an image that is here"
            )
        return found

    def run_once(self, image: Image, command: Sequence[str]) -> str | None:
        """What a command in a fresh container prints, None when it fails; without network."""
        entry, *words = command
        done = self._call("run", "--rm", "--network", "none", "--entrypoint", entry, image.reference, *words)
        return done.stdout.decode(errors="replace") if done.returncode == 0 else None

    def build(self, context: Path, *, tag: str, arguments: Mapping[str, str], labels: Mapping[str, str]) -> str:
        """Build without network; the log. Raises ImageError with its last lines."""
        words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        words += [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        done = self._call(
            *("build", "--network", "none", "--tag", tag, *words, str(context)),
            timeout_s=TRANSFER_S,
            environment=_BUILD_ENVIRONMENT,
        )
        log = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != 0 and _FULL.search(log):
            raise ImageError(f"{tag}: the disk is full while building; `{self.name} system prune` frees some space")
        if done.returncode != 0:
            raise ImageError(
                f"{tag}: the build failed: {_last_lines(log.encode(), SHOWN_LINES)}; the context is {context}"
            )
        return log

    def push(self, tag: str, remote: str) -> str:
        """Give a local image a registry's name and push it; its digest there. Raises ImageError."""
        self._checked("tag", tag, remote, problem=f"{remote}: cannot be tagged")
        problem = f"{remote}: cannot be pushed"
        step = f"; `{self.name} login` to that registry, or give another REGISTRY=host/path"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "digest"
            words = ("push", "--digestfile", str(file), remote) if self.is_podman else ("push", remote)
            done = self._checked(*words, timeout_s=TRANSFER_S, problem=problem, step=step)
            said = file.read_text() if file.exists() else done.stdout.decode(errors="replace")
        found = _DIGEST.search(said)
        if found is None:
            raise ImageError(f"{remote}: pushed, but {self.name} named no digest; push it by hand to see why")
        return found.group()

    def remove(self, references: Sequence[str]) -> tuple[str, ...]:
        """Remove these names, with the image where it was its last one and nothing uses it; which went."""
        return tuple(one for one in references if self._call("image", "rm", one).returncode == 0)

    def _checked(
        self, *words: str, problem: str, step: str = "", timeout_s: float = ANSWER_S
    ) -> subprocess.CompletedProcess[bytes]:
        done = self._call(*words, timeout_s=timeout_s)
        if done.returncode != 0:
            raise ImageError(f"{problem}: {_last_lines(done.stderr, 1)}{step}")
        return done

    def _call(
        self, *words: str, timeout_s: float = ANSWER_S, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        shown = f"{self.name} {' '.join(words[:2])}"
        try:
            return subprocess.run(
                [str(self._program), *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise ImageError(
                f"{shown}: {self._program} cannot be run: {error.strerror}; mend it or set {CHOICE}"
            ) from None
        except subprocess.TimeoutExpired:
            raise ImageError(
                f"{shown}: no end after {timeout_s:g} s; is the engine well? `{self.name} info` asks it"
            ) from None


def find_container_tool(environ: Mapping[str, str]) -> ContainerTool:
    """What LAB_CONTAINER_TOOL names, else docker, else podman.

    Raises:
        ImageError: there is none on PATH.
    """
    asked = environ.get(CHOICE)
    for name in (asked,) if asked else ("docker", "podman"):
        found = shutil.which(name, path=environ.get("PATH"))
        if found is not None:
            return ContainerTool(Path(found))
    if asked:
        raise ImageError(f"{CHOICE}={asked}: no such program on PATH; expected docker or podman, or leave it unset")
    raise ImageError(
        "no docker and no podman on PATH; install Docker (or podman), or set LAB_CONTAINER_TOOL to where it is"
    )


def _last_lines(said: bytes, count: int) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines[-count:])[-SHOWN_CHARACTERS:] or "it said nothing"
