"""Programs of other makers: the one on PATH when it is good enough, else brought into ``.tools/bin`` without root."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from loadlab.errors import ClusterError
from loadlab.execute.lab.debian_package import unpack
from loadlab.execute.lab.file_lock import held
from loadlab.execute.lab.program import call
from loadlab.execute.lab.tool_list import Release, Tool, chosen, numbers, read_tools, version_in

ASK_S = 30.0
BUILD_S = 1800.0
ANSWER_S = 30.0
CHUNK_BYTES = 1 << 20
GO_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/snap/bin")
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

Say = Callable[[str], None]


class Toolbox:
    """Finds programs and brings them. root: the checkout; say: told what takes time."""

    def __init__(self, root: Path, *, environ: Mapping[str, str], say: Say) -> None:
        self._folder = root / ".tools"
        self._tools = read_tools(root / "scripts" / "tools")
        self._environ = environ
        self._say = say
        self._told: dict[Path, str | None] = {}

    def ensure(self, name: str) -> Path:
        """Where the program is, brought when need be.

        Raises:
            ClusterError: it is not there and cannot be brought.
            UsageError: no tool is called so.
        """
        tool = chosen(self._tools, name)
        found = self.find(name)
        if found is not None:
            return found
        with held(self._folder / "lock", busy=lambda by: self._say(f"{name}: waiting for {by}, which brings tools")):
            self._told.clear()
            return self._brought(tool) or self._bring(tool)

    def find(self, name: str) -> Path | None:
        """Where it is: good enough on PATH, or brought before. None when it is in neither place."""
        tool = chosen(self._tools, name)
        on_path = shutil.which(name, path=self._environ.get("PATH"))
        if on_path is not None and self._is_good_enough(tool, Path(on_path)):
            return Path(on_path)
        return self._brought(tool)

    def _brought(self, tool: Tool) -> Path | None:
        """Where it was brought before, by this process or another."""
        program = self._folder / "bin" / tool.name
        return program if tool.takes(self.version(tool, program)) else None

    def version(self, tool: Tool, program: Path) -> str | None:
        """What it says its version is, asked once; None when it is not there or says nothing of the kind."""
        if program not in self._told:
            said = call(program, *tool.asks, timeout_s=ASK_S) if os.access(program, os.X_OK) else None
            self._told[program] = version_in(said.out) if said is not None and said.is_good else None
        return self._told[program]

    def version_of(self, name: str) -> str | None:
        """The version of the program that is used under this name; None when there is none yet. Raises UsageError."""
        found = self.find(name)
        return None if found is None else self.version(chosen(self._tools, name), found)

    def _is_good_enough(self, tool: Tool, program: Path) -> bool:
        version = self.version(tool, program)
        good = version is not None and numbers(version) >= numbers(tool.at_least)
        if not good:
            got = f"version {version}" if version else "no version told"
            self._say(f"{tool.name}: {program} is passed over ({got}, expected {tool.at_least} or newer)")
        return good

    def _bring(self, tool: Tool) -> Path:
        """Build or fetch it beside its place, see that it runs, then put it there at once."""
        target = self._folder / "bin" / tool.name
        fresh = self._folder / f"{tool.name}.new"
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        reasons = []
        for way in (self._unpack, self._build):
            why_not = way(tool, fresh)
            if why_not is None:
                break
            reasons.append(why_not)
        else:
            self._fetch(tool, fresh, " and ".join(filter(None, reasons)))
        self._told.clear()
        version = self.version(tool, fresh)
        if not tool.takes(version):
            fresh.unlink(missing_ok=True)
            raise ClusterError(
                f"{tool.name}: what was brought says version {version}, expected {tool.version}; "
                f"put {tool.name} {tool.at_least} or newer on PATH"
            )
        fresh.replace(target)
        self._say(f"{tool.name}: {version} is in .tools/bin")
        return target

    def _unpack(self, tool: Tool, into: Path) -> str | None:
        """Take it out of its Debian package; None when done, else why not, empty when it is in none."""
        if tool.debian is None:
            return ""
        self._say(f"{tool.name}: unpacking the package {tool.debian.package}")
        why_not = unpack(tool.debian, folder=self._folder / "debian", into=into, environ=self._environ)
        if why_not is None and not tool.takes(self.version(tool, into)):
            why_not = f"the package {tool.debian.package} has {self.version(tool, into)}"
            into.unlink()
        return why_not

    def _build(self, tool: Tool, into: Path) -> str | None:
        """Build it from Go modules; None when done, else why not, empty when it is not built."""
        if tool.go is None:
            return ""
        path = os.pathsep.join([self._environ.get("PATH", os.defpath), *GO_PLACES])
        go = shutil.which("go", path=path)
        if go is None:
            return "no Go on this machine"
        self._say(f"{tool.name}: building {tool.version} from Go modules; the first time takes minutes")
        said = call(
            Path(go),
            *("build", "-buildvcs=false", "-trimpath", "-ldflags", tool.go.ldflags),
            *("-o", str(into.absolute()), tool.go.package),
            timeout_s=BUILD_S,
            cwd=tool.go.folder,
            env={**self._environ, "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"},
        )
        return None if said.is_good else f"go build failed: {said.last_lines(2)}"

    def _fetch(self, tool: Tool, into: Path, why_not_built: str) -> None:
        here = f"{platform.system().lower()}-{MACHINES.get(platform.machine().lower(), platform.machine())}"
        release = tool.releases.get(here)
        step = f"put {tool.name} {tool.at_least} or newer on PATH, then try again"
        if release is None:
            raise ClusterError(f"{tool.name}: {why_not_built}, and no release is listed for {here}; {step}")
        self._say(f"{tool.name}: fetching {tool.version} ({why_not_built})")
        try:
            _download(release, into)
        except (OSError, HTTPException, ValueError) as error:
            into.unlink(missing_ok=True)
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise ClusterError(f"{tool.name}: {why_not_built}; {release.url}: {reason}; {step}") from None


def _download(release: Release, into: Path) -> None:
    """Fetch a file whose checksum must be the pinned one. Raises OSError, ValueError."""
    with urllib.request.urlopen(release.url, timeout=ANSWER_S) as answer, into.open("wb") as file:
        got = _copy(answer, file)
    if got != release.sha256:
        raise ValueError(f"got a file with sha256 {got}, expected {release.sha256}")
    if release.member is not None:
        _take_out(release.member, into)
    into.chmod(0o755)


def _take_out(member: str, archive: Path) -> None:
    """Put one file of an archive in the archive's place. Raises ValueError."""
    taken = archive.with_suffix(".taken")
    try:
        with tarfile.open(archive) as opened:
            source = opened.extractfile(member)
            if source is None:
                raise ValueError(f"{member} is no file in it")
            with source, taken.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (KeyError, tarfile.TarError) as error:
        raise ValueError(f"{member} is not in it: {error}") from None
    taken.replace(archive)


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()
