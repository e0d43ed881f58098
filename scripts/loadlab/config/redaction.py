"""An experiment without what may be secret: environment values, and what stands for a secret in a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from loadlab.model.experiment import CommandService, Experiment, ImageService, Service, UrlService

NOT_KEPT = "(not kept)"
"""Stands where a value was."""

_SHORTEST_VALUE = 4
"""Values of the environment that are shorter are not looked for in commands: they would be found everywhere."""
_NAMES = r"(?:pass(?:word|wd)?|secret|token|credential|api[-_]?key)"
_ASSIGNED = re.compile(rf"(?i)({_NAMES}(?:[\w-]*=|:))[^&\s]+")
_OPTION = re.compile(rf"(?i)--?[\w-]*{_NAMES}[\w-]*")
_LOGIN = re.compile(r"(://)[^/@\s]+@")


def redacted(experiment: Experiment) -> Experiment:
    """The experiment as a bundle keeps it. Settings of the lab's own services hold no secret and stay as they are."""
    return replace(
        experiment, stacks=tuple(replace(stack, service=_service(stack.service)) for stack in experiment.stacks)
    )


def without_values(env: Mapping[str, str]) -> dict[str, str]:
    """The names of an environment."""
    return dict.fromkeys(env, NOT_KEPT)


def _service(service: Service) -> Service:
    match service:
        case CommandService(command=command, env=env, metrics_url=metrics_url):
            return replace(
                service, command=_words(command, env), env=without_values(env), metrics_url=_address(metrics_url)
            )
        case ImageService(env=env):
            return replace(service, env=without_values(env))
        case UrlService(metrics_url=metrics_url):
            return replace(service, metrics_url=_address(metrics_url))
        case _:
            return service


def _words(command: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    words: list[str] = []
    for word in command:
        if words and _OPTION.fullmatch(words[-1]) and not word.startswith("-"):
            words.append(NOT_KEPT)
            continue
        for value in env.values():
            if len(value) >= _SHORTEST_VALUE:
                word = word.replace(value, NOT_KEPT)
        words.append(_masked(word))
    return tuple(words)


def _address(url: str | None) -> str | None:
    return None if url is None else _masked(url)


def _masked(text: str) -> str:
    return _LOGIN.sub(rf"\1{NOT_KEPT}@", _ASSIGNED.sub(rf"\1{NOT_KEPT}", text))
