"""Where results are to go, looked at before anything is measured."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadlab.errors import UsageError
from loadlab.execute.durable import temporary_of

OUT_KINDS = (".md", ".json", ".xml")


def check_out(out: Sequence[Path], kinds: Sequence[str] = OUT_KINDS) -> None:
    """Raises UsageError for a file that could not be written in the end, or is of none of the kinds."""
    for path in out:
        if path.suffix not in kinds:
            raise UsageError(f"--out {path}: got the ending {path.suffix!r}, expected one of {', '.join(kinds)}")
        check_file("--out", path)


def check_file(option: str, path: Path) -> None:
    """Raises UsageError for a file that could not be written in the end."""
    said = f"{option} {path}"
    with _told(said):
        folder = path.absolute().parent
        if not _is_there(folder):
            raise UsageError(f"{said}: the folder {folder} does not exist; make it first")
        _check_folder(said, folder)
        if _is_there(path) and path.is_dir():
            raise UsageError(f"{said}: it is a folder; name a file")
        _is_there(temporary_of(path))
        _check_writable(said, folder)


def check_runs(runs: Path, *, written: bool) -> None:
    """Raises UsageError when runs is no folder, or, where it is written to, cannot be made or written."""
    _check_place(f"--runs {runs}", runs, written=written)


def check_state(state: Path) -> None:
    """Raises UsageError when a calibration could not be kept in this folder in the end."""
    _check_place(f"LOADLAB_STATE, the folder of calibrations, {state}", state, written=True)


def _check_place(said: str, folder: Path, *, written: bool) -> None:
    with _told(said):
        nearest = next(p for p in (folder.absolute(), *folder.absolute().parents) if _is_there(p))
        _check_folder(said, nearest)
        if written:
            _check_writable(said, nearest)


def _is_there(path: Path) -> bool:
    """Whether there is something, be it a link to nothing. Raises OSError for what no file system can hold."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _check_folder(option: str, folder: Path) -> None:
    if not folder.is_dir():
        is_link = folder.is_symlink() and not folder.exists()
        raise UsageError(f"{option}: {folder} is {'a link to nothing' if is_link else 'a file'}, expected a folder")


def _check_writable(option: str, folder: Path) -> None:
    """By writing: permissions do not tell of file systems that are read-only or are none."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{option}: {folder} cannot be written: {error.strerror}; name another folder") from None


@contextlib.contextmanager
def _told(option: str) -> Iterator[None]:
    """What no file system can even look at, such as a name that is too long."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{option}: cannot be used: {error.strerror}; name another") from None
