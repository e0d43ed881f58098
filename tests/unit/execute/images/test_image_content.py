"""A tag follows from everything that goes into an image, and from nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builders_images import locked, make_base, make_checkout, make_python, make_wheel
from loadlab.errors import ImageError
from loadlab.execute.images.content import gather, sources_sha256
from loadlab.execute.images.context import lay_out
from loadlab.execute.images.recipe import RECIPES
from loadlab.execute.images.wheelhouse import Wheelhouse

FLASK = RECIPES[0]


def _house(root: Path) -> Wheelhouse:
    return Wheelhouse(folder=root / ".lab" / "wheelhouse" / make_python().label, python=make_python())


def _tag(root: Path, base_id: str = make_base().id) -> str:
    return gather(root, FLASK, _house(root), make_base(id=base_id)).tag


def _other_wheel(root: Path) -> None:
    house = _house(root).folder
    newer = make_wheel(house, "needs_flask", text="CHANGED = True\n")
    (root / FLASK.lock).write_text(locked(house / "shared-1.0-py3-none-any.whl", newer))


def _other_shared_wheel(root: Path) -> None:
    house = _house(root).folder
    newer = make_wheel(house, "shared", version="1.1")
    (root / "services/common/requirements.lock").write_text(locked(newer))


INPUTS: dict[str, Callable[[Path], object]] = {
    "dockerfile": lambda root: (root / FLASK.dockerfile).write_text("FROM other\n"),
    "source": lambda root: (root / FLASK.folder / "module.py").write_text("NAME = 'other'\n"),
    "common source": lambda root: (root / "services/common/svc_common/module.py").write_text("NAME = 'other'\n"),
    "contract": lambda root: (root / "services/contract/openapi.yaml").write_text("openapi: 3.1.0\n"),
    "new source": lambda root: _add(root / FLASK.folder / "deeper/new.py"),
    "renamed source": lambda root: (root / FLASK.folder / "module.py").rename(root / FLASK.folder / "named.py"),
    "wheel": _other_wheel,
    "shared wheel": _other_shared_wheel,
}

NO_INPUTS: dict[str, Callable[[Path], object]] = {
    "time of a file": lambda root: os.utime(root / FLASK.folder / "module.py", (1, 1)),
    "notes": lambda root: (root / FLASK.folder / "README.md").write_text("hello\n"),
    "bytecode": lambda root: _add(root / FLASK.folder / "__pycache__/x.py"),
    "another service": lambda root: (root / "services/upstream/module.py").write_text("NAME = 'other'\n"),
    "a wheel nobody asked for": lambda root: make_wheel(_house(root).folder, "stranger"),
    "an older wheel left over": lambda root: make_wheel(_house(root).folder, "needs_flask", version="0.9"),
    "mode of a file": lambda root: (root / FLASK.folder / "module.py").chmod(0o600),
}


def _add(path: Path) -> int:
    path.parent.mkdir()
    return path.write_text("")


def test_a_source_that_changes_after_the_tag_was_made_of_it_is_not_built_under_that_tag(tmp_path: Path) -> None:
    root = make_checkout(tmp_path)
    content = gather(root, FLASK, _house(root), make_base())
    lay_out(content, tmp_path / "context")
    (root / FLASK.folder / "module.py").write_text("NAME = 'other'\n")
    with pytest.raises(ImageError, match=r"module\.py: changed while the image was made of it; .* run the same again"):
        lay_out(content, tmp_path / "context")


@pytest.mark.parametrize("change", INPUTS)
def test_the_tag_changes_with_every_input(tmp_path: Path, change: str) -> None:
    root = make_checkout(tmp_path)
    before = _tag(root)
    INPUTS[change](root)
    assert _tag(root) != before


@pytest.mark.parametrize("change", NO_INPUTS)
def test_the_tag_stays_when_nothing_that_goes_in_changes(tmp_path: Path, change: str) -> None:
    root = make_checkout(tmp_path)
    before = _tag(root)
    NO_INPUTS[change](root)
    assert _tag(root) == before


@pytest.mark.parametrize("change", INPUTS)
def test_what_the_checkout_gives_is_told_apart_without_wheels_and_base(tmp_path: Path, change: str) -> None:
    root = make_checkout(tmp_path)
    before = sources_sha256(root, FLASK)
    INPUTS[change](root)
    assert sources_sha256(root, FLASK) != before


@pytest.mark.parametrize("change", NO_INPUTS)
def test_what_the_checkout_gives_is_the_same_when_nothing_that_goes_in_changes(tmp_path: Path, change: str) -> None:
    root = make_checkout(tmp_path)
    before = sources_sha256(root, FLASK)
    NO_INPUTS[change](root)
    assert sources_sha256(root, FLASK) == before


def test_the_tag_changes_with_the_base_image(tmp_path: Path) -> None:
    root = make_checkout(tmp_path)
    assert _tag(root) != _tag(root, base_id="sha256:" + "c" * 64)


def test_the_tag_is_the_same_in_another_checkout(tmp_path: Path) -> None:
    first = make_checkout(tmp_path / "one")
    shutil.copytree(first, tmp_path / "two")
    assert _tag(first) == _tag(tmp_path / "two")


def test_a_tag_is_c_and_twelve_hex_digits(tmp_path: Path) -> None:
    tag = _tag(make_checkout(tmp_path))
    assert tag.startswith("c-")
    assert len(bytes.fromhex(tag[2:])) == 6


def test_the_context_has_the_content_and_nothing_left_over(tmp_path: Path) -> None:
    root = make_checkout(tmp_path)
    folder = root / ".lab" / "build" / "flask"
    folder.mkdir(parents=True)
    (folder / "stale.py").write_text("")
    content = gather(root, FLASK, _house(root), make_base())
    lay_out(content, folder)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == set(content.files)
    assert "src/services/contract/module.py" not in {name for name in there if name.startswith("wheels")}
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o644"}


def test_what_is_shared_is_not_installed_twice(tmp_path: Path) -> None:
    root = make_checkout(tmp_path)
    names = set(gather(root, FLASK, _house(root), make_base()).files)
    assert "wheels/shared/shared-1.0-py3-none-any.whl" in names
    assert "wheels/own/shared-1.0-py3-none-any.whl" not in names
    assert "wheels/own/needs_flask-1.0-py3-none-any.whl" in names
