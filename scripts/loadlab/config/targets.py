"""Whether an experiment may be aimed where it is aimed: load leaves this machine only when the user says so."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from loadlab.errors import UsageError
from loadlab.model.experiment import CommandService, Experiment, UrlService


def check_targets(experiment: Experiment, allowed_hosts: Collection[str]) -> None:
    """Refuse every address that is neither loopback nor among the hosts of ``--allow-target``.

    Raises:
        UsageError: an address that was not allowed (the message gives the option that allows it), or a value of
            ``--allow-target`` that is no plain host.
    """
    allowed = {_plain_host(host) for host in allowed_hosts}
    for stack, url in _addresses(experiment):
        host = (urlsplit(url).hostname or "").lower()
        if not is_loopback(host) and host not in allowed:
            raise UsageError(
                f"stack {stack}: {url} is not this machine; expected a loopback address, or "
                f"--allow-target {host} when you may put load on it"
            )


def is_loopback(host: str) -> bool:
    """Whether a host name or address always means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _addresses(experiment: Experiment) -> Iterator[tuple[str, str]]:
    for stack in experiment.stacks:
        if isinstance(stack.service, UrlService):
            yield stack.name, stack.service.url
        if isinstance(stack.service, UrlService | CommandService) and stack.service.metrics_url is not None:
            yield stack.name, stack.service.metrics_url.replace("{port}", "8000")


def _plain_host(value: str) -> str:
    host = value.strip().lower().removeprefix("[").removesuffix("]")
    if not host or "/" in host or (host.count(":") == 1):
        raise UsageError(f"--allow-target {value}: expected a host name or address alone, such as api.example.org")
    return host
