"""Tools: the one on PATH when it is good enough, else brought by checksum, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fake_programs import FakeProgram
from loadlab.errors import ClusterError, UsageError
from loadlab.execute.lab import toolbox
from loadlab.execute.lab.file_lock import held
from loadlab.execute.lab.tool_list import numbers, read_tools, version_in
from loadlab.execute.lab.toolbox import MACHINES, Toolbox

ROOT = Path(__file__).resolve().parents[4]
HERE = f"{platform.system().lower()}-{MACHINES.get(platform.machine().lower(), platform.machine())}"
NEW = b"#!/bin/sh\necho 'kubectl v1.36.3'\n"


class Bench:
    """A checkout with one tool, whose release is a file beside it, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.path = folder / "path"
        self.path.mkdir()
        self.said: list[str] = []
        self.release(NEW)

    def release(self, content: bytes, sha256: str | None = None) -> None:
        file = self.root.parent / "release"
        file.write_bytes(content)
        tools = self.root / "scripts" / "tools"
        tools.mkdir(parents=True, exist_ok=True)
        digest = sha256 or hashlib.sha256(content).hexdigest()
        (tools / "tools.toml").write_text(
            f"""[kubectl]
version = "1.36.3"
at_least = "1.30"
asks = ["version", "--client"]
[kubectl.go]
folder = "kubectl"
package = "."
ldflags = "-s"
[kubectl.release.{HERE}]
url = "{file.as_uri()}"
sha256 = "{digest}"
"""
        )
        (tools / "kubectl").mkdir(exist_ok=True)

    def on_path(self, version: str) -> Path:
        return FakeProgram(self.path, "kubectl").says("version*", f"Client Version: v{version}").path

    def box(self, monkeypatch: pytest.MonkeyPatch) -> Toolbox:
        monkeypatch.setattr("loadlab.execute.lab.toolbox.GO_PLACES", ())
        return Toolbox(self.root, environ={"PATH": str(self.path)}, say=self.said.append)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_program_on_path_that_is_new_enough_is_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    there = bench.on_path("1.30.0")
    assert bench.box(monkeypatch).ensure("kubectl") == there
    assert not (bench.root / ".tools" / "bin").exists()


def test_an_old_one_is_passed_over_with_a_word_and_a_release_is_brought(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.on_path("1.29.14")
    brought = bench.box(monkeypatch).ensure("kubectl")
    assert brought == bench.root / ".tools" / "bin" / "kubectl"
    assert brought.read_bytes() == NEW
    assert "is passed over (version 1.29.14, expected 1.30 or newer)" in bench.said[0]
    assert any("fetching 1.36.3 (no Go on this machine)" in line for line in bench.said)


def test_what_was_brought_is_not_brought_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.box(monkeypatch).ensure("kubectl")
    (bench.root.parent / "release").unlink()
    assert bench.box(monkeypatch).ensure("kubectl").is_file()


def test_what_another_brings_meanwhile_is_not_brought_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looked, found nothing, and waited for the other: what it saw before does not count any more."""
    bench.on_path("1.29.14")
    waits, brings = bench.box(monkeypatch), bench.box(monkeypatch)

    @contextmanager
    def other_first(*_: object, **__: object) -> Iterator[None]:
        with monkeypatch.context() as undone:
            undone.setattr(toolbox, "held", held)
            brings.ensure("kubectl")
        (bench.root.parent / "release").unlink()
        yield

    monkeypatch.setattr(toolbox, "held", other_first)
    assert waits.ensure("kubectl").read_bytes() == NEW
    assert len([line for line in bench.said if "is passed over" in line]) == 2, "each says it once"


def test_a_file_of_another_checksum_is_refused_and_nothing_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.release(NEW, sha256="0" * 64)
    with pytest.raises(ClusterError, match=r"sha256 .*, expected 0{64}; put kubectl 1\.30 or newer on PATH"):
        bench.box(monkeypatch).ensure("kubectl")
    assert [path.name for path in (bench.root / ".tools").iterdir() if path.name.startswith("kubectl")] == []
    assert list((bench.root / ".tools" / "bin").iterdir()) == []


def test_no_way_to_bring_it_is_one_line_with_the_next_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.root.parent / "release").unlink()
    with pytest.raises(ClusterError, match=r"^kubectl: no Go .*; put kubectl 1\.30 or newer on PATH, then try again$"):
        bench.box(monkeypatch).ensure("kubectl")


def test_go_builds_it_where_there_is_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    go = FakeProgram(bench.path, "go")
    go.answer("build*", 'while [ "$1" != -o ]; do shift; done\ncp "$(dirname "$PWD")/made" "$2"\nchmod 755 "$2"')
    (bench.root / "scripts" / "tools" / "made").write_bytes(NEW)
    (bench.root.parent / "release").unlink()
    assert bench.box(monkeypatch).ensure("kubectl").read_bytes() == NEW
    assert "-trimpath -ldflags -s" in go.asked[0]


def test_a_build_that_fails_is_made_up_for_by_the_release(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeProgram(bench.path, "go").says("build*", "no such module", code=1, to="err")
    bench.box(monkeypatch).ensure("kubectl")
    assert any("go build failed: no such module" in line for line in bench.said)


def _packaged(bench: Bench, version: str) -> FakeProgram:
    """The tool comes from a package with this version of it, or from a release in an archive; never from Go."""
    archive = bench.root.parent / "release"
    with tarfile.open(archive, "w:gz") as packed:
        entry = tarfile.TarInfo("promtool-2.54.0/promtool")
        content = b"#!/bin/sh\necho 'promtool, version 2.54.0'\n"
        entry.size = len(content)
        packed.addfile(entry, io.BytesIO(content))
    (bench.root / "scripts" / "tools" / "tools.toml").write_text(
        f"""[promtool]
version = "2.54.0"
at_least = "2.42"
asks = ["--version"]
[promtool.debian]
package = "prometheus"
member = "usr/bin/promtool"
[promtool.release.{HERE}]
url = "{archive.as_uri()}"
sha256 = "{hashlib.sha256(archive.read_bytes()).hexdigest()}"
member = "promtool-2.54.0/promtool"
"""
    )
    program = f"printf '#!/bin/sh\\necho promtool, version {version}\\n' >\"$3/usr/bin/promtool\""
    unpacked = f'mkdir -p "$3/usr/bin"\n{program}\nchmod 755 "$3/usr/bin/promtool"'
    FakeProgram(bench.path, "dpkg-deb").answer("-x*", unpacked)
    return FakeProgram(bench.path, "apt-get").answer("*", ": >prometheus_1_all.deb")


def test_a_package_of_the_system_is_unpacked_once_for_all_its_programs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = _packaged(bench, "2.45.3+ds")
    brought = bench.box(monkeypatch).ensure("promtool")
    assert "2.45.3" in brought.read_text()
    assert bench.box(monkeypatch).find("promtool") == brought
    brought.unlink()
    bench.box(monkeypatch).ensure("promtool")
    assert len(apt.asked) == 1


def test_without_lists_of_packages_own_ones_are_fetched(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = _packaged(bench, "2.42.0")
    apt.says("*", "Unable to locate package", code=100, to="err")
    apt.answer("*Dir::State=* update", "exit 0").answer("*Dir::State=* download *", ": >prometheus_1_all.deb")
    assert bench.box(monkeypatch).ensure("promtool").is_file()
    assert [line.split()[-2:] for line in apt.asked][1][-1] == "update"
    assert not (bench.root / ".tools" / "debian" / "apt").exists()


@pytest.mark.parametrize(
    ("is_package", "said"), [(True, "the package prometheus has 2.31.2"), (False, "apt-get download prometheus failed")]
)
def test_a_package_too_old_or_absent_is_made_up_for_by_the_release_in_its_archive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_package: bool, said: str
) -> None:
    apt = _packaged(bench, "2.31.2")
    if not is_package:
        apt.says("*", "no network", code=100, to="err")
    assert "2.54.0" in bench.box(monkeypatch).ensure("promtool").read_text()
    assert any(said in line for line in bench.said)


def test_an_archive_without_the_program_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _packaged(bench, "2.31.2")
    listing = bench.root / "scripts" / "tools" / "tools.toml"
    listing.write_text(listing.read_text().replace("2.54.0/promtool", "2.54.0/other"))
    with pytest.raises(ClusterError, match=r"other is not in it.*; put promtool 2\.42 or newer on PATH"):
        bench.box(monkeypatch).ensure("promtool")
    assert list((bench.root / ".tools" / "bin").iterdir()) == []


def test_a_tool_that_nobody_lists_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="there is no tool 'helm'; expected one of kubectl"):
        bench.box(monkeypatch).ensure("helm")


def test_every_tool_of_this_repository_is_pinned_on_every_platform() -> None:
    tools = read_tools(ROOT / "scripts" / "tools")
    assert set(tools) == {"kubectl", "kind", "promtool", "prometheus"}
    for tool in tools.values():
        assert set(tool.releases) == {"linux-amd64", "linux-arm64"}
        for release in tool.releases.values():
            assert tool.version in release.url
            assert release.url.startswith("https://")
            assert len(release.sha256) == 64
            assert tool.go is not None or f"{tool.version}." in str(release.member)
        assert tool.go is None or (tool.go.folder / "go.sum").is_file()
        assert tool.go is not None or tool.debian is not None
        assert numbers(tool.version) >= numbers(tool.at_least)


def test_versions_are_found_in_what_programs_say() -> None:
    assert version_in("kind v0.33.0 go1.26.8 linux/amd64") == "0.33.0"
    assert version_in("Client Version: v1.36.3\nKustomize Version: v5.8.1") == "1.36.3"
    assert version_in("no version") is None
    assert numbers("1.9") < numbers("1.30.1")
