"""Installs the lab into Locust: arguments, recorder, windows, routes. Importing it is all that a locustfile does.

Works in a plain `locust` process, which is its own worker, and with a master and workers. Methods of Locust's
classes are wrapped, so that a locustfile that knows nothing of the lab is led and recorded as the lab's own are.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Any

import gevent
from _arrivals import Arrivals, deal_starts
from _collector import calm_collector
from _cookies import SparingCookieJar
from _drain import forget_stop_timeout
from _fleet import Fleet
from _generator import Generator
from _graceful import Waits, wake_to_stop
from _headers import headers_from_environment, sent_by_fast_session, sent_by_session
from _life import Life
from _master_watch import MasterWatch
from _options import add_options
from _prompt import answer_at_once
from _recorder import Recorder
from _redirects import counted_sends, followed_by_fast_session, followed_by_session
from _request_log import RequestLog, log_from_environment
from _roster import Roster, deal_ranks
from _routes import Lab
from _transport import make_exact
from _trials import Trials
from _web import add_routes
from _windows import Windows
from geventhttpclient.useragent import CompatRequest
from locust import HttpUser, TaskSet, User, argument_parser, events
from locust.clients import HttpSession
from locust.clients import ResponseContextManager as Report
from locust.contrib import fasthttp
from locust.contrib.fasthttp import FastHttpSession, FastHttpUser, FastResponse
from locust.contrib.fasthttp import ResponseContextManager as FastReport
from locust.runners import STATE_CLEANUP, MasterRunner, WorkerRunner

RECORDER = Recorder()
WAITS = Waits(RECORDER)
ROSTER = Roster()
REQUEST_LOG = log_from_environment(RECORDER, os.environ)
ARRIVALS = Arrivals(RECORDER, ROSTER)


def wrap_classes() -> None:
    """Have every user, HTTP session and wait of this process led and recorded."""
    make_exact(RECORDER)
    setattr(fasthttp, "CookieJar", SparingCookieJar)  # noqa: B010 - Locust makes its jars of this name
    headers = headers_from_environment(os.environ)
    # Locust builds its argument parser anew for each of its options whenever a worker is told to spawn or stop
    # users, 0.1 to 0.4 s of processor time in which nothing else runs. The result never changes.
    argument_parser.default_args_dict = lru_cache(argument_parser.default_args_dict)
    User.lab_think_s = None  # type: ignore[attr-defined]
    wrapped: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (FastHttpSession, "request", lambda it: RECORDER.watch_requests(it, FastResponse)),
        (FastHttpSession, "__init__", lambda it: sent_by_fast_session(it, headers)),
        (HttpSession, "request", RECORDER.watch_requests),
        (HttpSession, "__init__", lambda it: sent_by_session(it, headers)),
        (HttpSession, "send", lambda it: counted_sends(it, RECORDER)),
        (HttpSession, "rebuild_auth", lambda it: followed_by_session(it, headers)),
        (CompatRequest, "redirect", lambda it: followed_by_fast_session(it, RECORDER, headers)),
        (FastReport, "_report_request", RECORDER.watch_reports),
        (Report, "_report_request", RECORDER.watch_reports),
        (TaskSet, "_sleep", lambda _: WAITS.between_tasks()),
        (User, "__init__", ROSTER.enrols),
        (User, "run", Life(WAITS, ROSTER, ARRIVALS).lived),
        (User, "stop", wake_to_stop),
    ]
    for owner, name, wrap in wrapped:
        setattr(owner, name, wrap(getattr(owner, name)))
    events.request.add_listener(RECORDER.watch_events())


def log_requests(log: RequestLog) -> None:
    """Have every request carry an id and be kept by it, until the test stops."""
    for session in (FastHttpSession, HttpSession):
        setattr(session, "request", log.logged(session.request))  # noqa: B010 - it is no method of ours
    events.init.add_listener(lambda environment, **_: environment.events.test_stop.add_listener(log.write))


def start_roles(environment: Any, runner: Any, web_ui: Any = None, **_: Any) -> None:
    """Listener of Locust's init event: this process is a master, a worker, or both."""
    if isinstance(runner, MasterRunner):
        environment.events.test_start.add_listener(deal_ranks)
    if not isinstance(runner, WorkerRunner):
        fleet = Fleet(runner)
        fleet.listen()
        if isinstance(runner, MasterRunner):
            environment.events.test_start.add_listener(
                lambda **_: deal_starts(environment, fleet.offsets_s, perf_counter())
            )
        trials = Trials(fleet, environment.parsed_options.good_within_s)
        windows = Windows(runner, fleet)
        fleet.on_join += [trials.greet, windows.greet]
        if web_ui is not None:
            answer_at_once()
            add_routes(web_ui, Lab(runner, fleet, trials, windows))
    if not isinstance(runner, MasterRunner):
        environment.events.test_start.add_listener(ROSTER.begin)
        environment.events.test_start.add_listener(ARRIVALS.begin)
        if not all(issubclass(kind, FastHttpUser | HttpUser) for kind in environment.user_classes):
            environment.events.request.add_listener(RECORDER.on_other_request)
        generator = Generator(runner, RECORDER, ROSTER)
        generator.start()
        environment.events.test_stop.add_listener(generator.end_open_load)
        environment.events.quitting.add_listener(lambda **_: generator.flush())
    if isinstance(runner, WorkerRunner):
        environment.events.test_stop.add_listener(forget_stop_timeout)
        watch = MasterWatch(lambda: runner.state == STATE_CLEANUP)
        environment.events.heartbeat_received.add_listener(watch.heard)
        gevent.spawn(watch.run)
    calm_collector()


wrap_classes()
if REQUEST_LOG is not None:
    log_requests(REQUEST_LOG)
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(start_roles)
