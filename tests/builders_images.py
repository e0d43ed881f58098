"""Small real wheels, a checkout to make images from, and a docker that only remembers what it was told."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlab.execute.images.base import BasePython
from loadlab.execute.images.docker import Image
from loadlab.execute.images.recipe import RECIPES

BASE_ID = "sha256:" + "b" * 64
FAKE_DOCKER = """
import json, sys
home = __file__.rsplit("/", 1)[0]
words = sys.argv[1:]
with open(home + "/calls.jsonl", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
with open(home + "/told.json") as file:
    told = json.load(file)
with open(home + "/images.json") as file:
    images = json.load(file)
verb = words[0]
if verb in told["fails"]:
    print(told["fails"][verb], file=sys.stderr)
    sys.exit(1)
if verb == "version":
    print("20.10")
elif verb == "image":
    if words[2] not in images:
        sys.exit(1)
    print(json.dumps([images[words[2]]]))
elif verb == "pull":
    images[words[-1]] = told["pullable"][words[-1]]
elif verb == "run":
    print(told["python"])
elif verb == "build":
    labels = dict(word.split("=", 1) for before, word in zip(words, words[1:]) if before == "--label")
    tag = words[words.index("--tag") + 1]
    layers = ["base", "shared", "sources of " + tag]
    images[tag] = {"Id": tag.rsplit("-", 1)[-1] * 5, "Size": 1500, "RootFS": {"Layers": layers},
                   "Config": {"Labels": labels}}
    print("step 1 of 1")
elif verb == "history":
    print("300\\n0\\n200\\n1000")
elif verb == "tag":
    images[words[2]] = images[words[1]]
elif verb == "push":
    print("1.0: digest: sha256:" + "d" * 64 + " size: 12")
if verb in ("pull", "build", "tag"):
    with open(home + "/images.json", "w") as file:
        json.dump(images, file)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeDocker:
    """The program, and what it was called with."""

    program: Path

    @property
    def calls(self) -> list[list[str]]:
        log = self.program.parent / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def verbs(self) -> list[str]:
        return [words[0] for words in self.calls]

    def tell(self, **changes: Any) -> None:
        file = self.program.parent / "told.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def make_python(**changes: Any) -> BasePython:
    facts: dict[str, Any] = {
        "version": "3.12.4",
        "implementation": "cpython",
        "machine": "x86_64",
        "glibc": "2.36",
        "has_venv": True,
        "is_free_threaded": False,
    }
    return BasePython(**(facts | changes))


def make_base(**changes: Any) -> Image:
    facts: dict[str, Any] = {"reference": "base:1", "id": BASE_ID, "size_bytes": 1000, "layers": ("base",)}
    return Image(**(facts | changes))


def fake_docker(folder: Path, *, name: str = "docker", python: str | None = None) -> FakeDocker:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!{sys.executable} -IS\n{FAKE_DOCKER}")
    program.chmod(0o755)
    base = {"Id": BASE_ID, "Size": 1000, "RootFS": {"Layers": ["base"]}, "Config": {}}
    facts = python if python is not None else json.dumps(_facts(make_python()))
    (folder / "told.json").write_text(json.dumps({"fails": {}, "pullable": {}, "python": facts}))
    (folder / "images.json").write_text(json.dumps({"base:1": base}))
    return FakeDocker(program=program)


def make_wheel(folder: Path, name: str, version: str = "1.0", tag: str = "py3-none-any", text: str = "") -> Path:
    """A wheel that pip accepts, with one module."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in (
            (f"{name}.py", text),
            (f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
            (f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"),
            (f"{info}/RECORD", ""),
        ):
            archive.writestr(zipfile.ZipInfo(file), content)
    return path


def locked(*wheels: Path) -> str:
    """A requirements.lock of these wheels; several of one package become one line with all their hashes."""
    hashes: dict[str, list[str]] = {}
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        hashes.setdefault(f"{name}=={version}", []).append(hashlib.sha256(wheel.read_bytes()).hexdigest())
    return "".join(
        f"{pin} \\\n" + " \\\n".join(f"    --hash=sha256:{one}" for one in found) + "\n"
        for pin, found in hashes.items()
    )


def make_checkout(root: Path) -> Path:
    """All that the recipes name, small, with the wheelhouse of ``make_python()`` complete."""
    house = root / ".lab" / "wheelhouse" / make_python().label
    shared = make_wheel(house, "shared")
    _write(root / "services/common/requirements.lock", locked(shared))
    for recipe in RECIPES:
        own = make_wheel(house, f"needs_{recipe.name}")
        parts = (shared, own) if recipe.shared else (own,)
        _write(root / recipe.lock, locked(*parts))
        _write(root / recipe.dockerfile, f"FROM base\n# {recipe.name}\n")
        for source in recipe.sources:
            _write(root / source / "module.py", f"NAME = {source!r}\n")
    return root


def _facts(python: BasePython) -> Mapping[str, Any]:
    return {name: getattr(python, name) for name in python.__slots__}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
