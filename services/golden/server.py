"""The golden server's loop: one thread, epoll, a timer of the kernel, and the clock looked at in the last millisecond.

An answer is due at a moment that the program fixes when its request has arrived. The loop sleeps until ``spin_ms``
before the next such moment, then only looks at clock and sockets, and hands the answer over when its time has come.
For ``watch_ms`` after a request, and after an answer, it does not sleep at all.
"""

from __future__ import annotations

import gc
import heapq
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from golden.accuracy import Accuracy
from golden.answers import programmed, whole_answer
from golden.arrival import ArrivalClock, ask_for_stamps
from golden.connection import Connection
from golden.pages import Counts, own_page, summary
from golden.program import Draws
from golden.record_log import RecordLog
from golden.settings import GoldenSettings
from golden.timer import Timer
from golden.wire import BadRequest, Request

BACKLOG = 4_096
BATCH = 64
IDLE_S = 0.2
"""A pause so long, with nothing waiting, is used to write the log."""
HALF_REQUEST_NS = 30_000_000_000
"""A request that is not all there after so long ends its connection."""
READ, WRITE = select.EPOLLIN, select.EPOLLOUT

Entry = tuple[int, int, Connection, bytes, int, int, int]
"""due_ns, number, connection, answer, arrival_ns, id, status (-1: a page of the server's own, in no log)."""
OWN_PAGE = -1


class GoldenServer:
    """``run`` serves until ``stop``, or a SIGTERM or SIGINT that ``stop_at_signals`` listens to."""

    def __init__(self, settings: GoldenSettings, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._listener = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
        self._listener.setblocking(False)
        ask_for_stamps(self._listener)
        self._arrivals = ArrivalClock(clock_ns)
        self.port: int = self._listener.getsockname()[1]
        self._spin_ns = round(settings.spin_ms * 1e6)
        self._watch_ns = round(settings.watch_ms * 1e6)
        self._awake_until_ns = 0
        self._draws = Draws(settings.program, settings.seed)
        self._started_ns = clock_ns()
        about = {"started_ns": self._started_ns, "program": repr(settings.program), "seed": settings.seed}
        self._log = RecordLog(settings.log, settings.log_rows, about)
        self._timer = Timer()
        self._epoll = select.epoll()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._connections: dict[int, Connection] = {}
        self._due: list[Entry] = []
        self._number = 0
        self._swept_ns = self._started_ns
        self._is_accepting = False
        self._is_stopping = False
        self.counts = Counts()
        self.accuracy = Accuracy()

    def stop(self) -> None:
        """End ``run``; for other threads."""
        os.write(self._wake_write, b".")
        self._is_stopping = True  # only now: the loop closes the pipe when it ends

    def stop_at_signals(self) -> None:
        """SIGTERM and SIGINT end ``run``."""
        signal.set_wakeup_fd(self._wake_write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def summary(self) -> Mapping[str, object]:
        """Counts and the server's own scheduling error."""
        return summary(self.counts, self.accuracy, self._log)

    def run(self) -> None:
        """Serve. At the end the log is whole, with a row for each request that was left without an answer."""
        self._epoll.register(self._timer.fd, READ | select.EPOLLET)
        self._epoll.register(self._wake_read, READ)
        self._accept_again()
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            while not self._is_stopping:
                for fd, events in self._wait():
                    self._attend(fd, events)
                    self._answer_due()
                self._answer_due()
        finally:
            gc.unfreeze()
            gc.enable()
            self._close()

    def _on_signal(self, *_: object) -> None:
        self._is_stopping = True

    def _wait(self) -> list[tuple[int, int]]:
        """Whatever is ready; sleeps only as long as nothing becomes due."""
        if self._watch_ns and self._clock_ns() < self._awake_until_ns:
            return self._epoll.poll(0, BATCH)
        if not self._due:
            found = self._epoll.poll(IDLE_S, BATCH)
            if not found:
                self._rest()
            return found
        wake_ns = self._due[0][0] - self._spin_ns
        if wake_ns <= self._clock_ns():
            return self._epoll.poll(0, BATCH)
        self._timer.arm(wake_ns)
        return self._epoll.poll(-1, BATCH)

    def _attend(self, fd: int, events: int) -> None:
        connection = self._connections.get(fd)
        if connection is None:
            if fd == self._listener.fileno():
                self._accept()
            return
        if events & WRITE:
            if not connection.send_rest():
                self._lose(connection)
                return
            self._after(connection)
            arrival_ns = self._clock_ns()
        elif not connection.read():
            self._lose(connection)
            return
        else:
            arrival_ns = connection.arrived_ns
        if connection.is_open:
            self._take_up(connection, arrival_ns)

    def _take_up(self, connection: Connection, arrival_ns: int) -> None:
        """Every request that is all there gets its moment."""
        self._awake_until_ns = arrival_ns + self._watch_ns
        try:
            for request in connection.requests():
                self._plan(connection, request, arrival_ns)
        except BadRequest as refused:
            self.counts.refused += 1
            connection.is_ending = True
            body = b'{"error":"not understood"}'
            self._push(
                connection, arrival_ns, (whole_answer(refused.status, body, close=True), arrival_ns, 0, OWN_PAGE)
            )
        self._watch(connection)

    def _plan(self, connection: Connection, request: Request, arrival_ns: int) -> None:
        connection.is_ending = not request.keep_alive
        page = own_page(request, self.counts, self.accuracy, self._log)
        if page is not None:
            self._push(connection, arrival_ns, (page, arrival_ns, 0, OWN_PAGE))
            return
        self.counts.arrivals += 1
        elapsed_ns, fails = self._draws.next(arrival_ns - self._started_ns)
        status, answer = programmed(request.method, request.path, fails=fails, keep_alive=request.keep_alive)
        self._push(connection, self._started_ns + elapsed_ns, (answer, arrival_ns, request.id, status))

    def _push(self, connection: Connection, due_ns: int, rest: tuple[bytes, int, int, int]) -> None:
        """Answers of one connection leave in the order of its requests."""
        due_ns = connection.last_due_ns = max(due_ns, connection.last_due_ns)
        connection.waiting += 1
        self._number += 1
        heapq.heappush(self._due, (due_ns, self._number, connection, *rest))

    def _answer_due(self) -> None:
        due, clock_ns = self._due, self._clock_ns
        while due and due[0][0] <= clock_ns():
            self._answer(heapq.heappop(due))

    def _answer(self, entry: Entry) -> None:
        due_ns, _, connection, answer, arrival_ns, request_id, status = entry
        connection.waiting -= 1
        departure_ns = self._clock_ns()
        self._awake_until_ns = departure_ns + self._watch_ns
        if connection.is_open and not connection.send(answer):
            self._lose(connection)
        elif connection.is_open:
            if status != OWN_PAGE:
                self._log.add(request_id, arrival_ns, due_ns, departure_ns, status)
                self.accuracy.record(departure_ns - due_ns)
                self.counts.answered += 1
            self._after(connection)
            return
        if status != OWN_PAGE:
            self._log.add(request_id, arrival_ns, due_ns, 0, 0)
            self.counts.unanswered += 1

    def _after(self, connection: Connection) -> None:
        """Something has gone out: the connection may be over, or go on with what it had to keep back."""
        if connection.is_ending and not connection.waiting and not connection.wants_to_write:
            self._lose(connection)
        elif connection.wants_to_write:
            self._watch(connection)
        elif not connection.watched & READ and connection.wants_to_read:
            self._take_up(connection, self._clock_ns())

    def _watch(self, connection: Connection) -> None:
        """Ask epoll for what can be done with this connection now, where that has changed."""
        events = (READ if connection.wants_to_read else 0) | (WRITE if connection.wants_to_write else 0)
        if events != connection.watched:
            connection.watched = events
            self._epoll.modify(connection.fd, events)

    def _accept(self) -> None:
        for _ in range(BATCH):
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # no descriptor is left: the others wait until a connection is closed
                self._epoll.unregister(self._listener.fileno())
                self._is_accepting = False
                return
            connection = Connection(sock, self._arrivals)
            self._connections[connection.fd] = connection
            connection.watched = READ
            self._epoll.register(connection.fd, READ)

    def _accept_again(self) -> None:
        if not self._is_accepting:
            self._epoll.register(self._listener.fileno(), READ)
            self._is_accepting = True

    def _lose(self, connection: Connection) -> None:
        if self._connections.pop(connection.fd, None) is not None:
            self._epoll.unregister(connection.fd)
            connection.close()
            self._accept_again()

    def _rest(self) -> None:
        """Nothing waits and nobody has asked for a while: time for what would disturb."""
        self._log.write()
        now_ns = self._clock_ns()
        if now_ns - self._swept_ns > HALF_REQUEST_NS // 10:
            self._swept_ns = now_ns
            for connection in [*self._connections.values()]:
                if connection.begun_ns and now_ns - connection.begun_ns > HALF_REQUEST_NS:
                    self._lose(connection)

    def _close(self) -> None:
        for entry in self._due:
            if entry[6] != OWN_PAGE:
                self._log.add(entry[5], entry[4], entry[0], 0, 0)
                self.counts.unanswered += 1
        self._due.clear()
        self._log.close()
        for connection in self._connections.values():
            connection.close()
        self._listener.close()
        self._timer.close()
        self._epoll.close()
        with suppress(ValueError):  # not the main thread
            signal.set_wakeup_fd(-1)
        os.close(self._wake_read)
        os.close(self._wake_write)
