"""Installs the lab into Locust: arguments, recorder, windows, routes. Importing it is all that a locustfile does.

Works in a plain `locust` process, which is its own worker, and with a master and workers. Wrapped at class level:
the request methods of FastHttpSession and HttpSession, their reports, TaskSet._sleep and User.stop.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from functools import lru_cache
from typing import Any

from _drain import forget_stop_timeout
from _fleet import Fleet
from _generator import Generator
from _graceful import recorded_sleep, wake_to_stop
from _options import add_options
from _recorder import Recorder
from _routes import Lab, add_routes
from _transport import make_exact
from _trials import Trials
from _windows import Windows
from locust import HttpUser, TaskSet, User, argument_parser, events
from locust.clients import HttpSession
from locust.clients import ResponseContextManager as Report
from locust.contrib.fasthttp import FastHttpSession, FastHttpUser, FastResponse
from locust.contrib.fasthttp import ResponseContextManager as FastReport
from locust.runners import MasterRunner, WorkerRunner

RECORDER = Recorder()


def wrap_classes(recorder: Recorder) -> None:
    """Have every HTTP session and every wait of this process recorded."""
    make_exact()
    # Locust builds its argument parser anew for each of its options whenever a worker is told to spawn or stop
    # users, 0.1 to 0.4 s of processor time in which nothing else runs. The result never changes.
    argument_parser.default_args_dict = lru_cache(argument_parser.default_args_dict)
    for owner, name, stand_in in (
        (FastHttpSession, "request", recorder.watch_requests(FastHttpSession.request, FastResponse)),
        (HttpSession, "request", recorder.watch_requests(HttpSession.request)),
        (FastReport, "_report_request", recorder.watch_reports(FastReport._report_request)),
        (Report, "_report_request", recorder.watch_reports(Report._report_request)),
        (TaskSet, "_sleep", recorded_sleep(recorder)),
        (User, "stop", wake_to_stop(User.stop)),
    ):
        setattr(owner, name, stand_in)
    events.request.add_listener(recorder.last_report.update)


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
        if not all(issubclass(kind, FastHttpUser | HttpUser) for kind in environment.user_classes):
            environment.events.request.add_listener(RECORDER.on_other_request)
        generator = Generator(runner, RECORDER)
        generator.start()
        environment.events.quitting.add_listener(lambda **_: generator.flush())
    if isinstance(runner, WorkerRunner):
        environment.events.test_stop.add_listener(forget_stop_timeout)


wrap_classes(RECORDER)
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(start_roles)
