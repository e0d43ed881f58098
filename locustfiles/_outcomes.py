"""What came of requests, as numbers for numpy and as names for people."""

from __future__ import annotations

FIRST_FAILURE = 400
FIRST_ERROR = 1000
"""Codes below are HTTP statuses; 0 is a success of something that is not HTTP; from here on they are errors."""
UNJUDGED_NAME = "error:unjudged"


def error_name(error: BaseException | None) -> str:
    """The class of an error, looking through geventhttpclient's RetriesExceeded to its cause."""
    original = getattr(error, "original", None)
    return f"error:{type(original if isinstance(original, BaseException) else error).__name__}"


class Outcomes:
    """Gives each name of an error its code."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def name_of(self, code: int) -> str:
        """The outcome of a code: "200", "ok" for what is not HTTP, "error:TimeoutError" and so on."""
        if code >= FIRST_ERROR:
            return self._names[code - FIRST_ERROR]
        return str(code) if code else "ok"

    def code_of(self, name: str) -> int:
        """The code of an outcome that is not an HTTP status."""
        if name not in self._names:
            self._names.append(name)
        return FIRST_ERROR + self._names.index(name)

    def code_of_error(self, error: BaseException | None) -> int:
        """The code of an error."""
        return self.code_of(error_name(error))
