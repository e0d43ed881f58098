"""Experiment files that nobody means to write, drawn by hypothesis, and what has to come of any garbage."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from builders_config import SMALL_TOML
from loadlab.config import list_experiments
from loadlab.errors import LoadlabError
from loadlab.pipeline.dry_run import dry_run, plan_text
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.run import Request

ODD_LITERALS = (
    *("-1", "0", "1", "3", "0x10", "-0.0", "1e308", "5e-324", "nan", "-inf", "9" * 400, "1.0e99999999", "true", "+1"),
    *(
        '""',
        '" "',
        '"x"',
        '"auto"',
        '"\\u0000"',
        '"\\u202e\\u001b[2J"',
        '"two\\nlines"',
        f'"{"x" * 3000}"',
        "'''\n\n'''",
    ),
    *(
        "[]",
        "[[]]",
        "[0]",
        "[1, 1]",
        "[9, 8]",
        '[1, "a", true]',
        "[1e9]",
        "{}",
        "{ a = 1 }",
        '{ workers = "x" }',
        "[{}]",
    ),
    *(
        "1979-05-27T07:32:00Z",
        "12:00:00",
        '"constant(-1s)"',
        '"steps(1s@0s, 2s)"',
        '"lognormal(1e999s, 9)"',
        '"1e999Gi"',
    ),
    *('"../../../etc/passwd"', '"/dev/null"', '"http://[::1"', '"http://10.0.0.1:99999/"', '"io_bound.NoSuchUser"', ""),
)
"""What is put where a value was; the last is no value at all."""
HEADINGS = (
    "[load]",
    "[[stack]]",
    "[decision]",
    "[[price]]",
    "[a.b.c]",
    "[[load]]",
    "[stack]",
    "[]",
    "[[",
    "[upstream]",
)

_random_literals = st.one_of(
    st.integers().map(str), st.floats().map(repr), st.text(max_size=12).map(json.dumps), st.text(max_size=6)
)
_literals = st.one_of(st.sampled_from(ODD_LITERALS), st.sampled_from(ODD_LITERALS), _random_literals)


def _sources() -> tuple[str, ...]:
    """The small experiment, and every one of the repository."""
    return (SMALL_TOML, *(entry.path.read_text(encoding="utf-8") for entry in list_experiments()))


SOURCES = _sources()


@st.composite
def experiment_files(draw: st.DrawFn) -> bytes:
    """An experiment to whose lines one to four things have happened, and then perhaps one to its bytes."""
    lines = draw(st.sampled_from(SOURCES)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        _happens(draw, lines)
    content = "\n".join(lines).encode("utf-8", errors="surrogatepass")
    if draw(st.integers(0, 9)):
        return content
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.binary(max_size=6)) + content[at + draw(st.integers(0, 6)) :]


def _happens(draw: st.DrawFn, lines: list[str]) -> None:
    at = draw(st.integers(0, len(lines) - 1))
    key, equals, _ = lines[at].partition("=")
    match draw(st.sampled_from(("value", "value", "value", "value", "key", "gone", "twice", "moved", "added", "line"))):
        case "value" if equals:
            lines[at] = f"{key}= {draw(_literals)}"
        case "key" if equals:
            place = draw(st.integers(0, len(key)))
            lines[at] = key[:place] + draw(st.text(max_size=2)) + key[place + 1 :] + lines[at][len(key) :]
        case "gone" if len(lines) > 1:
            del lines[at]
        case "moved":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        case "twice":
            lines.insert(at, lines[at])
        case "added":
            lines.insert(at, draw(st.sampled_from(HEADINGS)))
        case _:
            lines[at] = draw(st.text(max_size=30))


def plan(path: Path, content: bytes, layout: Layout) -> None:
    """What `loadlab run FILE --dry-run` does with a file of this content."""
    path.write_bytes(content)
    assert plan_text(dry_run(Request(experiment=str(path)), layout))


def wrong(act: Callable[[], object]) -> str | None:
    """What is wrong with how it ends, in one line; None where it is done, or refused as the lab refuses."""
    try:
        act()
    except LoadlabError as error:
        told = str(error)
        return None if told.strip() and len(told.splitlines()) == 1 else f"refused in other than one line: {told!r}"
    except Exception as error:  # noqa: BLE001 - whatever is raised instead of a refusal is what is looked for
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:200]!r}"
    return None
