"""What nobody means to type or to write is one clear line, never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from loadlab.pipeline.layout import Layout
from loadlab.pipeline.run import Request, run
from simulated_lab import Watcher

Type = Callable[..., tuple[int, str, str]]
MAIN = "from loadlab.cli import main; main()"
QUICK = Path(__file__).parents[3] / "scripts" / "experiments" / "quick.toml"
STACK = """
id = "mine"
question = "Does it run?"
[[stack]]
name = "mine"
{stack}
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = [2]
{load}
[decision]
statistic = "goodput"
"""


def _refused(err: str) -> str:
    assert "Traceback" not in err
    assert err.startswith("loadlab: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a = " + "[" * 100_000 + "]" * 100_000, "not valid TOML: .*nested too deeply"),
        (f"[{'.'.join('a' * 5000)}]\nx = 1", "nested too deeply"),
        ("a = " + "9" * 5000, "not valid TOML: it holds a number of too many digits"),
        ("a = 1.0e99999999999999999999", "not valid TOML: it holds a number that is too large"),
        ("a = 0x" + "f" * 5000, "a is not a known key"),
        (
            STACK.format(stack='command = ["sh"]', load="") + "[blocks]\ncount = 0x" + "f" * 5000,
            "a number of very many digits",
        ),
        ("\0", "not valid TOML"),
        ("", r"lacks the table \[load\]"),
        (b"\xff\xfe", "cannot be read"),
        (STACK.format(stack='command = ["sh\\u0000"]', load=""), "holds no NUL|a list of words"),
        (STACK.format(stack='command = ["sh"]\nenv = { A = "\\u0000" }', load=""), "names with texts"),
        (STACK.format(stack='command = ["sh"]\ncwd = "a\\u0000"', load=""), r'cwd is "a\\x00"; .*holds no NUL'),
        (
            STACK.format(stack='command = ["sh"]', load='headers_from_env = { X-Key = "LAB_TEST_LINES" }'),
            "LAB_TEST_LINES holds line ends",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    type_: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes, said: str
) -> None:
    monkeypatch.setenv("LAB_TEST_LINES", "secret\n")
    (tmp_path / "mine.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, _, err = type_("run", "mine.toml", "--dry-run")
    assert code == 2
    assert re.search(said, _refused(err))
    assert "secret" not in err


def test_a_file_with_a_byte_order_mark_or_dos_line_ends_is_read(type_: Type, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + QUICK.read_bytes().replace(b"\n", b"\r\n"))
    assert type_("run", "mine.toml", "--dry-run")[0] == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./", "./: a folder; expected an experiment file"),
        ("/dev/null", "no file to read from"),
        ("/" + "x" * 5000, "no such file .File name too long."),
        ("\udcff", "there is no experiment"),
    ],
)
def test_what_is_no_experiment_file_is_told_for_what_it_is(type_: Type, name: str, said: str) -> None:
    code, out, err = type_("run", name)
    assert (code, out) == (2, "")
    assert re.search(said, _refused(err))


@pytest.mark.parametrize("value", ["[" * 50_000, "9" * 5000, "1.0e99999999999999999999", "nan", "inf", "1e999"])
def test_a_value_that_is_no_count_is_refused(type_: Type, value: str) -> None:
    code, _, err = type_("run", "quick", "--dry-run", "--set", f"blocks.count={value}")
    assert code == 2
    assert "a whole number from 1 to 200" in _refused(err)


@pytest.mark.parametrize(
    "results",
    ['{"verdict": {}, "findings": 5}', '{"verdict": {}, "experiment": "x"}', '{"verdict": {}, "bracket": [1]}'],
)
def test_a_damaged_run_is_listed_as_such(type_: Type, bundle: Path, results: str) -> None:
    (bundle / "results.json").write_text(results)
    code, out, err = type_("list", "--json")
    assert (code, err) == (0, "")
    assert [run["state"] for run in orjson.loads(out)["runs"]] == ["unreadable"]


@pytest.mark.parametrize("name", ["events.jsonl", "results.json", "plan.json", "provenance.json"])
def test_a_file_of_a_bundle_that_is_a_folder_is_named(type_: Type, bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    (bundle / name).mkdir()
    code, _, err = type_("report", "unit-run", *(("--analyse",) if name != "results.json" else ()))
    assert code == 2
    assert f"{name}: cannot be read" in _refused(err)


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); {MAIN}"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, "list"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert _refused(done.stderr).startswith("loadlab: the current folder is not there any more")


@pytest.mark.parametrize("words", [("list",), ("list", "--json")])
@pytest.mark.parametrize("ending", [">&-", "| head -c1", ">/dev/full"])
def test_an_output_that_takes_nothing_is_no_traceback(tmp_path: Path, words: tuple[str, ...], ending: str) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii"}
    line = f"{sys.executable} main.py {' '.join(words)} {ending}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("question", ["two\nlines", "\x1b[2J", "\u202eback"])
def test_a_question_is_shown_in_one_line_that_leaves_the_terminal_alone(type_: Type, question: str) -> None:
    code, out, _ = type_("run", "quick", "--dry-run", "--set", f"question={question}")
    assert code == 0
    assert out.splitlines()[0].startswith("quick: ")
    assert question not in out
    assert "?" in out.splitlines()[0]


def test_a_run_whose_name_would_colour_the_terminal_is_listed_without(type_: Type, bundle: Path) -> None:
    bundle.rename(bundle.with_name("\x1b[31mred"))
    assert "\n?[31mred  " in type_("list")[1]


def test_two_runs_that_begin_in_the_same_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def stop(store: object, *_: object) -> None:
        begun.append(store.folder)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr("loadlab.pipeline.run._begin", stop)
    monkeypatch.setattr("loadlab.pipeline.run.datetime", _Stopped)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(Request(experiment="quick"), Layout(QUICK.parents[2], tmp_path), Watcher(), lambda _: None)
    assert [path.name for path in begun] == [f"quick-20260101-000000{ending}" for ending in ("", "-2", "-3")]


class _Stopped:
    """A clock that stands."""

    @staticmethod
    def now(_zone: object) -> _Stopped:
        return _Stopped()

    def strftime(self, _format: str) -> str:
        return "20260101-000000"
