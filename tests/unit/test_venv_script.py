"""`scripts/venv.sh` keeps an environment that fits, and makes one anew that is of other packages or another folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "venv.sh"
PYTHON = """#!/bin/sh
case "$1" in
  -c) exit 0 ;;
  --version) echo Python 3.99 ;;
  *) echo "$@" >&2; exit 7 ;;
esac
"""
"""Found fit, and then refuses to make an environment."""
KEPT, MADE_ANEW = (0, ""), (7, "venv: making .venv with Python 3.99 from requirements.lock\n-m venv --clear .venv\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment fits."""
    here = tmp_path / "the checkout"
    (here / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, here / "scripts")
    (here / "requirements.lock").write_text("a==1\n")
    (here / "pyproject.toml").write_text("[project]\n")
    (here / ".venv" / "bin").mkdir(parents=True)
    (here / ".venv" / "bin" / "python").symlink_to("/bin/sh")
    (here / ".venv" / "pyvenv.cfg").write_text(f"command = /usr/bin/python3 -m venv --clear {here.resolve()}/.venv\n")
    told = hashlib.sha256(b"a==1\n[project]\n").hexdigest()
    (here / ".venv" / ".lock.sha256").write_text(f"{told}  -\n")
    return here


def _made(checkout: Path) -> tuple[int, str]:
    """Its exit code and what it says, with a Python that makes nothing."""
    programs = checkout.parent / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "python3").write_text(PYTHON)
    (programs / "python3").chmod(0o755)
    env = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    script = checkout / "scripts" / "venv.sh"
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, env=env, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def test_an_environment_that_fits_is_kept(checkout: Path) -> None:
    assert _made(checkout) == KEPT


def test_a_lock_that_changed_makes_it_anew(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("a==2\n")
    assert _made(checkout) == MADE_ANEW


@pytest.mark.parametrize("stays", [True, False])
def test_a_checkout_that_was_copied_or_moved_gets_its_own(checkout: Path, stays: bool) -> None:
    elsewhere = checkout.parent / "elsewhere"
    shutil.copytree(checkout, elsewhere, symlinks=True)
    if not stays:
        shutil.rmtree(checkout)
    assert _made(elsewhere) == MADE_ANEW


def test_a_python_that_was_taken_away_makes_it_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").symlink_to("/gone/python3")
    assert _made(checkout) == MADE_ANEW


def test_a_checkout_behind_a_link_is_where_the_link_leads(checkout: Path) -> None:
    (checkout.parent / "link").symlink_to(checkout)
    assert _made(checkout.parent / "link") == KEPT
