"""Every key of a TOML text is found on the line where a reader sees it, however the text is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab.config.toml_lines import Path, key_lines

TEXT = '''\
id = "x"   # [not.a.table]
notes = """
[looks.like] = "a table"
fake = 1
"""
raw = \'\'\'
also = "text\'\'\'
[decision]
margin_ratio = 0.1
"quoted key" = { inner = [1, { deep = "]" }], 'a.b' = 2 }
[[stack]]
name = "flask"
settings.threads = 48
settings.client = "a # b"
[[stack]]
name = "fastapi"
[stack.settings]
client = "c"
[load . "headers"]
X-Key = "V"
[abort]
list = [
  1,   # one
  [2,
   3],
  { a = 1, b = 2 },
]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("id",), 1),
        (("notes",), 2),
        (("raw",), 6),
        (("decision",), 8),
        (("decision", "margin_ratio"), 9),
        (("decision", "quoted key", "inner", 1, "deep"), 10),
        (("decision", "quoted key", "a.b"), 10),
        (("stack",), 11),
        (("stack", 0), 11),
        (("stack", 0, "settings"), 13),
        (("stack", 0, "settings", "client"), 14),
        (("stack", 1), 15),
        (("stack", 1, "name"), 16),
        (("stack", 1, "settings"), 17),
        (("stack", 1, "settings", "client"), 18),
        (("load",), 19),
        (("load", "headers", "X-Key"), 20),
        (("abort", "list", 0), 23),
        (("abort", "list", 1, 1), 25),
        (("abort", "list", 2, "b"), 26),
    ],
)
def test_each_key_is_found_on_its_line(path: Path, line: int) -> None:
    assert key_lines(TEXT)[path] == line


def test_every_path_of_the_parsed_text_has_a_line_and_no_other() -> None:
    assert set(key_lines(TEXT)) == set(_paths(tomllib.loads(TEXT), ()))


def test_windows_line_ends_count_once() -> None:
    assert key_lines("a = 1\r\n\r\nb = 2\r\n") == {("a",): 1, ("b",): 3}


def test_strings_that_end_in_their_own_quote_sign_end_there() -> None:
    text = 'a = """x"""""\nb = 1\nc = "\\""\nd = 1\n'
    assert key_lines(text) == {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4}


@given(st.lists(st.text(alphabet="abc\"'\\#[]{}=.\n é", max_size=12), min_size=1, max_size=5, unique=True))
def test_keys_stay_on_their_line_whatever_the_text_around_them(values: list[str]) -> None:
    text, expected = "", {}
    for number, value in enumerate(values):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        expected[(f"k{number}",)] = text.count("\n") + 1
        text += f'k{number} = "{escaped}" # {escaped}\n\n'
    assert key_lines(text) == expected


def _paths(value: object, path: Path) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _paths(inner, (*path, position))
