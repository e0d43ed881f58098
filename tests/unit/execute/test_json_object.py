"""What is no JSON object is none, and no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlab.execute.json_object import object_of, read_object


@pytest.mark.parametrize(
    ("text", "found"), [('{"a": 1}', {"a": 1}), ("{}", {}), ("", {}), ("{", {}), ("[1]", {}), ("3", {}), (b"\xff", {})]
)
def test_an_object_is_read_and_anything_else_is_empty(tmp_path: Path, text: str | bytes, found: dict[str, int]) -> None:
    assert object_of(text) == found
    (tmp_path / "file").write_bytes(text.encode() if isinstance(text, str) else text)
    assert read_object(tmp_path / "file") == found


def test_a_file_that_is_not_there_is_empty_too(tmp_path: Path) -> None:
    assert read_object(tmp_path / "none") == {}
    assert read_object(tmp_path) == {}
