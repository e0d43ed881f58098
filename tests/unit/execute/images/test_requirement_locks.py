"""What an image installs is a part of requirements.lock, whole in itself, and nothing more."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement as Parsed
from packaging.utils import canonicalize_name

from builders_images import locked, make_python, make_wheel
from loadlab.errors import ImageError
from loadlab.execute.images.recipe import COMMON
from loadlab.execute.images.requirement import needed, read_lock

ROOT = Path(__file__).resolve().parents[4]
FOLDERS = (COMMON, "services/flask_gunicorn", "services/fastapi_uvicorn", "services/upstream", "locustfiles")

by_folder = pytest.mark.parametrize("folder", FOLDERS)


def _asked(folder: str, extras: Iterable[str] = ()) -> list[Parsed]:
    """The requirements of a pyproject.toml, the lab's own svc_common resolved to what it asks for."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    lines += [line for extra in extras for line in project["optional-dependencies"][extra]]
    own = [Parsed(line) for line in lines]
    common = [more for one in own if one.name == "svc_common" for more in _asked(COMMON, one.extras)]
    return [one for one in own if one.name != "svc_common"] + common


def _closure(asked: Iterable[Parsed], environment: dict[str, str]) -> set[str]:
    """All packages that these need, by what the installed ones say of themselves."""
    seen: set[tuple[str, str]] = set()
    todo = [(one.name, extra) for one in asked for extra in ("", *one.extras)]
    while todo:
        name, extra = todo.pop()
        if (canonicalize_name(name), extra) in seen:
            continue
        seen.add((canonicalize_name(name), extra))
        for one in map(Parsed, requires(name) or ()):
            if one.marker is None or one.marker.evaluate(environment | {"extra": extra}):
                todo += [(one.name, more) for more in ("", *one.extras)]
    return {name for name, _ in seen}


@by_folder
def test_every_version_and_hash_is_one_of_the_checkouts_lock(folder: str) -> None:
    whole = {(one.name, one.version): one.sha256s for one in read_lock(ROOT / "requirements.lock")}
    part = read_lock(ROOT / folder / "requirements.lock")
    assert part
    assert [one for one in part if not one.sha256s <= whole.get((one.name, one.version), frozenset())] == []


@by_folder
def test_nothing_that_is_needed_is_missing_and_nothing_else_is_there(folder: str) -> None:
    environment = make_python(version=platform.python_version()).marker_environment
    there = {one.name for one in needed(read_lock(ROOT / folder / "requirements.lock"), environment)}
    assert there == _closure(_asked(folder), environment)


@pytest.mark.parametrize("folder", ["services/flask_gunicorn", "services/fastapi_uvicorn"])
@pytest.mark.parametrize("python", ["3.11.2", "3.12.4", "3.13.1"])
def test_what_is_shared_is_part_of_both_stacks(folder: str, python: str) -> None:
    environment = make_python(version=python).marker_environment
    shared, own = (needed(read_lock(ROOT / one / "requirements.lock"), environment) for one in (COMMON, folder))
    assert {(one.name, one.version) for one in shared} <= {(one.name, one.version) for one in own}


@by_folder
@pytest.mark.parametrize("python", ["3.11.2", "3.12.4", "3.13.1"])
def test_a_python_is_given_each_package_once(folder: str, python: str) -> None:
    names = [
        one.name
        for one in needed(
            read_lock(ROOT / folder / "requirements.lock"), make_python(version=python).marker_environment
        )
    ]
    assert sorted(names) == sorted(set(names))


def test_a_marker_decides_what_a_python_needs(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    wheel = make_wheel(tmp_path, "thing")
    lock.write_text(locked(wheel).replace("thing==1.0", "thing==1.0 ; python_full_version < '3.12'"))
    assert [one.name for one in needed(read_lock(lock), make_python(version="3.11.9").marker_environment)] == ["thing"]
    assert needed(read_lock(lock), make_python(version="3.12.0").marker_environment) == ()


@pytest.mark.parametrize("line", ["thing>=1", "thing==1.*", "thing==1.0", "-r other.txt"])
def test_a_line_that_is_not_locked_is_named(tmp_path: Path, line: str) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"{line}\n")
    with pytest.raises(ImageError, match="expected name==version with sha256 hashes; `make lock` writes the file"):
        read_lock(lock)


def test_a_missing_lock_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"requirements\.lock: No such file or directory; `make lock` writes it"):
        read_lock(tmp_path / "requirements.lock")
