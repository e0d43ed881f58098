"""SIGTERM as Ctrl-C, and both at moments that take nothing with them.

Python raises what a signal asks for between any two instructions, which does harm in three places. Inside of an import:
not every extension module can be loaded again by the same process. While pydantic builds a schema: what is raised comes
out of there as a SchemaError. Where nothing can be raised (some callbacks of extension modules and of weak references,
destructors): a traceback is shown and the request forgotten. Of 1,000 signals while a report was made, 6 came to that.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import main_thread
from types import FrameType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.02
MOST_TRIES = 250
"""Five seconds; then what is asked for is raised, wherever that is."""
HELD_IN = re.compile(rf"^<frozen importlib|[/\\]pydantic[/\\]|^{re.escape(__file__)}$")
"""Files whose calls are not stopped halfway: those of Python's importer, of pydantic, and this one."""

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM stops what is done in here as Ctrl-C does, instead of killing the process: by a KeyboardInterrupt.

    One that comes where it would do harm comes again until it does none; at the latest when this ends. For the main
    thread.
    """
    again = _Again()

    def stop(number: int, frame: FrameType | None) -> None:
        if _may_be_raised(frame) or again.tries >= MOST_TRIES:
            again.tries = 0
            raise KeyboardInterrupt
        again.later(number)

    def unraisable(what: UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            again.later(signal.SIGTERM)
        else:
            hook(what)

    hook = sys.unraisablehook
    with _handled_by(stop):
        try:
            sys.unraisablehook = unraisable
            yield
            if again.tries:
                raise KeyboardInterrupt
        finally:
            sys.unraisablehook = hook
            again.end()


@contextmanager
def held() -> Iterator[None]:
    """Inside of stoppable: what asks to stop waits until this is done, and stops what follows; a second one is heard.

    For what ends soon and would have to be done all over again.
    """
    asked: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1 and _may_be_raised(frame):
            raise KeyboardInterrupt

    with _handled_by(keep):
        yield
    if asked:
        raise KeyboardInterrupt


@contextmanager
def _handled_by(handler: Handler) -> Iterator[None]:
    """SIGTERM, and SIGINT where it is not ignored as a shell's background jobs have it, go to this handler."""
    with ExitStack() as stack:
        for number in (signal.SIGTERM, signal.SIGINT):
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                stack.callback(signal.signal, number, signal.signal(number, handler))
        yield


def _may_be_raised(frame: FrameType | None) -> bool:
    while frame is not None:
        if HELD_IN.search(frame.f_code.co_filename):
            return False
        frame = frame.f_back
    return True


class _Again:
    """A signal that comes again, in the main thread: it alone runs handlers, and what it waits in is interrupted.

    Takes no lock, since a handler may run while its own thread holds any.
    """

    def __init__(self) -> None:
        self.tries = 0
        self._begun: list[int] = []
        self._over: list[int] = []

    def later(self, number: int) -> None:
        """Once more in AGAIN_S, unless it was raised meanwhile; where no thread can be had, at the end."""
        self.tries += 1
        with suppress(RuntimeError):
            start_new_thread(self._send, (number,))
            self._begun.append(number)

    def end(self) -> None:
        """Nothing comes after this."""
        self.tries = 0
        while len(self._over) < len(self._begun):
            time.sleep(AGAIN_S)

    def _send(self, number: int) -> None:
        time.sleep(AGAIN_S)
        if self.tries:
            signal.pthread_kill(cast(int, main_thread().ident), number)
        self._over.append(number)
