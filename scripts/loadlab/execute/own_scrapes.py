"""The load generator's own expositions, read in the background so that nobody who measures waits for them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

import urllib3

from loadlab.execute.ports import Clock
from loadlab.execute.scrapes import MARK

TIMEOUT_S = 1.0


class OwnScrapes:
    """One reading at a time; one that fails or takes longer than a second leaves nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._http = urllib3.PoolManager(retries=False, timeout=TIMEOUT_S)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="own-scrapes")
        self._reading: Future[None] | None = None
        self._read: list[str] = []

    def begin(self, url: str) -> None:
        """Start a reading, unless the one before goes on."""
        if self._reading is None or self._reading.done():
            self._reading = self._pool.submit(self._scrape, url)

    def take(self) -> str:
        """What was read since the last call, oldest first.

        A reading under way is waited for, at most two seconds; one that takes longer is lost.
        """
        if self._reading is not None:
            wait([self._reading], timeout=2 * TIMEOUT_S)
        read, self._read = self._read, []
        return "".join(read)

    def _scrape(self, url: str) -> None:
        into, now_s = self._read, self._clock.unix_s()
        try:
            answer = self._http.request("GET", url)
        except urllib3.exceptions.HTTPError:
            return
        if answer.status == 200:
            into.append(f"{MARK}{now_s:.6f}\n{answer.data.decode(errors='replace')}")
