"""Where the CPU-bound burst runs: on the caller's thread, on another thread, or in another process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Final

from svc_common.settings import CpuMode

__all__ = ["POOL_SIZE", "open_cpu_pool"]

POOL_SIZE: Final = 1
"""Threads or processes of a pool, per service process: bursts queue there instead of sharing one core."""

PARENT_CHECK_S: Final = 1.0


def open_cpu_pool(mode: CpuMode) -> Executor | None:
    """The pool of this process; None when bursts run inline. Call it after the fork.

    The pool's threads and processes start with the first burst. Its processes are spawned, because
    forking a process with threads is unsafe, and they leave when their parent is gone, however it ended.
    """
    if mode == "inline":
        return None
    if mode == "thread":
        return ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="cpu")
    return ProcessPoolExecutor(
        POOL_SIZE,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_follow_parent,
        initargs=(os.getpid(),),
    )


def _follow_parent(parent_pid: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_exit_with, args=(parent_pid,), daemon=True, name="follow-parent").start()


def _exit_with(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(PARENT_CHECK_S)
    os._exit(0)
