"""Wheels are those of the lock, and such as the base image's Python can use; the machine's own does not matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders_images import locked, make_python, make_wheel
from loadlab.errors import ImageError
from loadlab.execute.images.requirement import Requirement, read_lock
from loadlab.execute.images.wheelhouse import Wheelhouse, pinned_file

NATIVE = "cp312-cp312-manylinux_2_17_x86_64"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip is let at one folder only, and at no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    (tmp_path / "links").mkdir()


def _house(tmp_path: Path, **python: object) -> Wheelhouse:
    return Wheelhouse(folder=tmp_path / "house", python=make_python(**python))


def _requirements(tmp_path: Path, *wheels: Path) -> tuple[Requirement, ...]:
    lock = tmp_path / "requirements.lock"
    lock.write_text(locked(*wheels))
    return read_lock(lock)


def _program(path: Path, lines: str) -> Path:
    """What is run in place of pip."""
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("tag", "usable"),
    [
        ("py3-none-any", True),
        (NATIVE, True),
        ("cp312-cp312-manylinux2014_x86_64", True),
        ("cp312-cp312-manylinux1_x86_64.manylinux_2_5_x86_64", True),
        ("cp38-abi3-manylinux_2_36_x86_64", True),
        ("cp311-cp311-manylinux_2_17_x86_64", False),
        ("cp312-cp312-manylinux_2_37_x86_64", False),
        ("cp312-cp312-manylinux_2_17_aarch64", False),
        ("cp312-cp312-musllinux_1_2_x86_64", False),
        ("cp312-cp312t-manylinux_2_17_x86_64", False),
        ("cp312-cp312-win_amd64", False),
    ],
)
def test_a_wheel_is_taken_only_when_the_bases_python_can_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str, usable: bool
) -> None:
    wheel = make_wheel(tmp_path / "house", "thing", tag=tag)
    wanted = _requirements(tmp_path, wheel)
    if usable:
        assert [one.path for one in _house(tmp_path).choose(wanted)] == [wheel]
        return
    monkeypatch.setattr("sys.executable", str(_program(tmp_path / "pip", "echo 'no other one' >&2; exit 1")))
    with pytest.raises(ImageError, match=r"could not fetch thing==1\.0 for cp312-glibc2\.36-x86_64: no other one"):
        _house(tmp_path).choose(wanted)


def test_the_wheel_that_fits_best_is_taken(tmp_path: Path) -> None:
    tags = ("py3-none-any", "cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-manylinux_2_17_x86_64")
    wheels = [make_wheel(tmp_path / "house", "thing", tag=tag) for tag in tags]
    (chosen,) = _house(tmp_path).choose(_requirements(tmp_path, *wheels))
    assert chosen.path == wheels[1]


def test_a_wheel_with_another_hash_is_not_taken(tmp_path: Path) -> None:
    make_wheel(tmp_path / "house", "thing", text="TAMPERED = True\n")
    wanted = _requirements(tmp_path, make_wheel(tmp_path / "elsewhere", "thing"))
    with pytest.raises(ImageError, match=r"could not fetch thing==1\.0"):
        _house(tmp_path).choose(wanted)


def test_a_complete_wheelhouse_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = _requirements(tmp_path, make_wheel(tmp_path / "house", "thing"))
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    assert [one.name for one in _house(tmp_path).choose(wanted)] == ["thing"]


def test_what_is_missing_is_fetched_by_its_hash_for_the_bases_python(tmp_path: Path) -> None:
    own = make_wheel(tmp_path / "links", "thing", tag=NATIVE)
    make_wheel(tmp_path / "links", "thing", tag="cp311-cp311-manylinux_2_17_x86_64")
    (fetched,) = _house(tmp_path).choose(_requirements(tmp_path, own))
    assert fetched.path == tmp_path / "house" / own.name
    assert fetched.path.read_bytes() == own.read_bytes()
    assert [path.name for path in (tmp_path / "house").iterdir()] == [own.name]


def test_a_package_that_is_not_to_be_had_names_itself_the_python_and_the_next_step(tmp_path: Path) -> None:
    wanted = _requirements(tmp_path, make_wheel(tmp_path / "elsewhere", "thing"))
    message = (
        r"could not fetch thing==1\.0 for cp311-glibc2\.31-x86_64: No matching .*; give this machine a package index"
    )
    with pytest.raises(ImageError, match=message) as raised:
        _house(tmp_path, version="3.11.2", glibc="2.31").choose(wanted)
    assert "\n" not in str(raised.value)


def test_what_pip_brings_is_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = _requirements(tmp_path, make_wheel(tmp_path / "elsewhere", "thing"))
    make_wheel(tmp_path / "house", "thing", tag="cp311-cp311-manylinux_2_17_x86_64")
    monkeypatch.setattr("sys.executable", str(_program(tmp_path / "careless", "exit 0")))
    with pytest.raises(ImageError, match=r"got thing-1\.0-cp311-cp311-manylinux_2_17_x86_64\.whl, expected one with a"):
        _house(tmp_path).choose(wanted)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "house").write_text("in the way")
    wanted = _requirements(tmp_path, make_wheel(tmp_path / "links", "thing"))
    with pytest.raises(ImageError, match="cannot be written: File exists; mend that, then `make images` goes on"):
        _house(tmp_path).choose(wanted)


def test_the_pinned_file_allows_one_file_for_each_package(tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path / "house", "thing", tag=tag) for tag in ("py3-none-any", NATIVE)]
    wanted = _requirements(tmp_path, *wheels)
    text = pinned_file(wanted, _house(tmp_path).choose(wanted))
    assert text.count("--hash=sha256:") == 1
    assert text.startswith("thing==1.0 --hash=sha256:")
