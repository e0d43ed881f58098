"""Programs for tests: small shell scripts that answer by what they are asked and keep what was asked."""

from __future__ import annotations

from pathlib import Path

BLANK = "\\ "


class FakeProgram:
    """A program in a folder. Each answer is a shell pattern over its words and the shell lines that answer it."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / name
        self._asked = folder / f"{name}.asked"
        self._answers: list[tuple[str, str]] = []
        self._write()

    def answer(self, pattern: str, lines: str) -> FakeProgram:
        """Answer in this way from now on; later answers are looked at first."""
        self._answers.insert(0, (pattern, lines))
        self._write()
        return self

    def says(self, pattern: str, text: str, *, code: int = 0, to: str = "out") -> FakeProgram:
        """Print a text and end with a code. to: out or err."""
        stream = "" if to == "out" else " >&2"
        return self.answer(pattern, f"cat{stream} <<'END_OF_ANSWER'\n{text}\nEND_OF_ANSWER\nexit {code}")

    @property
    def asked(self) -> list[str]:
        """The words of every call so far."""
        return self._asked.read_text().splitlines() if self._asked.exists() else []

    def _write(self) -> None:
        cases = "".join(f"{pattern.replace(' ', BLANK)})\n{lines}\n;;\n" for pattern, lines in self._answers)
        head = f'#!/bin/bash\nPATH=/usr/bin:/bin\necho "$*" >>"{self._asked}"\n'
        self.path.write_text(f'{head}case "$*" in\n{cases}*) echo "unexpected: $*" >&2; exit 99;;\nesac\n')
        self.path.chmod(0o755)
