"""Whoever types what a page says gets what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer.main

from loadlab.cli.app import app

FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(make|loadlab) (\S.*)$")

Pages = dict[Path, str]


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The words after the program's name, of every command line on a page; what is "not there yet" left out."""
    text = "\n\n".join(part for part in text.split("\n\n") if not re.search(r"not\s+there\s+yet", part))
    blocks = [line for block in FENCE.findall(text) for line in block.splitlines()]
    for line in [*CODE.findall(re.sub(FENCE, "", text)), *blocks]:
        found = COMMAND.match(line.strip())
        if found and found.group(1) == program:
            yield re.split(r"\s+#", found.group(2))[0].split()


def make_targets(root: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def verbs_and_options(group: object, before: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command with its options; one of a group of commands as `lab images`."""
    for name, verb in getattr(group, "commands").items():  # noqa: B009 - click's Group, typer returns it as a Command
        if hasattr(verb, "commands"):
            yield from verbs_and_options(verb, f"{before}{name} ")
        else:
            yield f"{before}{name}", {opt for param in verb.params for opt in param.opts}


def test_every_make_target_that_is_named_is_in_the_makefile(pages: Pages, root: Path) -> None:
    targets = make_targets(root)
    named = [(page, words) for page, text in pages.items() for words in commands(text, "make")]
    unknown = [
        f"{page.relative_to(root)}: make {' '.join(words)}"
        for page, words in named
        if any("=" not in word and word not in targets for word in words)
    ]
    assert named
    assert unknown == []


def test_the_table_of_targets_lists_all_of_them(pages: Pages, root: Path) -> None:
    told = {words[0] for words in commands(pages[root / "CONTRIBUTING.md"], "make")}
    assert told == make_targets(root)


def test_every_loadlab_command_and_option_that_is_named_exists(pages: Pages, root: Path) -> None:
    options = dict(verbs_and_options(typer.main.get_command(app)))
    named = [(page, words) for page, text in pages.items() for words in commands(text, "loadlab")]
    unknown = []
    for page, words in named:
        verb = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in options), words[0])
        given = {word.split("=")[0] for word in words if word.startswith("--")}
        wrong = given - options.get(verb, set()) - {"--help"}
        if (verb not in options and verb != "--help") or wrong:
            unknown.append(f"{page.relative_to(root)}: loadlab {verb} {' '.join(sorted(wrong))}")
    assert named
    assert unknown == []
