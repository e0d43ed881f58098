"""Installs the lab into Locust: arguments, recorder, windows, routes. Importing it is all that a locustfile does.

Works in a plain `locust` process, which is its own worker, and with a master and workers. Wrapped at class level:
FastHttpSession.request, HttpSession.request, TaskSet.wait and User.stop. Silent retries of geventhttpclient are switched off,
because a request that is sent twice and counted once breaks the books.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from functools import lru_cache
from typing import Any

import geventhttpclient.client
from _drain import forget_stop_timeout
from _fleet import Fleet
from _generator import Generator
from _graceful import sleep_awake, wake_to_stop
from _options import add_options
from _recorder import Recorder
from _routes import Lab, add_routes
from _trials import Trials
from _windows import Windows
from locust import TaskSet, User, argument_parser, events
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.runners import MasterRunner, WorkerRunner

RECORDER = Recorder()
RETRY_RULE = "_may_retry_after_send_error"


def never_retry(method: str) -> bool:  # noqa: ARG001
    """Stands in for geventhttpclient's rule, which resends idempotent requests on a broken connection."""
    return False


def wrap_classes(recorder: Recorder) -> None:
    """Have every HTTP session and every wait of this process recorded."""
    if not hasattr(geventhttpclient.client, RETRY_RULE):
        raise SystemExit(
            f"geventhttpclient {geventhttpclient.__version__}: {RETRY_RULE} is not there, so its silent retries"
            " cannot be switched off; install the version that requirements.lock names"
        )
    setattr(geventhttpclient.client, RETRY_RULE, never_retry)
    # Locust builds its argument parser anew for each of its options whenever a worker is told to spawn or stop
    # users, 0.1 to 0.4 s of processor time in which nothing else runs. The result never changes.
    argument_parser.default_args_dict = lru_cache(argument_parser.default_args_dict)
    for session_class in (FastHttpSession, HttpSession):
        setattr(session_class, "request", recorder.watch_requests(session_class.request))  # noqa: B010
    setattr(TaskSet, "wait", recorder.watch_waits(TaskSet.wait))  # noqa: B010
    setattr(TaskSet, "_sleep", sleep_awake)  # noqa: B010
    setattr(User, "stop", wake_to_stop(User.stop))  # noqa: B010
    events.request.add_listener(recorder.on_request)


def start_roles(environment: Any, runner: Any, web_ui: Any = None, **_: Any) -> None:
    """Listener of Locust's init event: this process is a master, a worker, or both."""
    if not isinstance(runner, WorkerRunner):
        fleet = Fleet(runner)
        fleet.listen()
        trials = Trials(fleet, environment.parsed_options.good_within_s)
        windows = Windows(runner, fleet)
        fleet.on_join += [trials.greet, windows.greet]
        if web_ui is not None:
            add_routes(web_ui, Lab(runner, fleet, trials, windows))
    if not isinstance(runner, MasterRunner):
        generator = Generator(runner, RECORDER)
        generator.start()
        environment.events.quitting.add_listener(lambda **_: generator.flush())
    if isinstance(runner, WorkerRunner):
        environment.events.test_stop.add_listener(forget_stop_timeout)


wrap_classes(RECORDER)
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(start_roles)
