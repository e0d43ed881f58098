"""An early, clear word about an address that cannot be listened on."""

from __future__ import annotations

import errno
import socket

from svc_common.environment import SettingsError
from svc_common.settings import Settings

__all__ = ["check_address", "check_port", "dual_stack_sockets"]

_OF_THE_PORT = frozenset({errno.EADDRINUSE, errno.EACCES, errno.EPERM})


def check_port(settings: Settings) -> None:
    """Bind to the service's address and let go of it again, before the server tries in its own way.

    Raises:
        SettingsError: somebody listens there, or the address is not this machine's.
    """
    check_address(settings.host, settings.port, prefix="SVC_", reuse_port=settings.reuse_port)


def check_address(host: str, port: int, *, prefix: str, reuse_port: bool = False) -> None:
    """Bind to `host` and `port` and let go of them again; `prefix` is that of the variables which name them.

    Raises:
        SettingsError: somebody listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(_refusal(error, host, port, prefix)) from None


def _refusal(error: OSError, host: str, port: int, prefix: str) -> str:
    if error.errno in _OF_THE_PORT:
        return f"{prefix}PORT={port}: cannot listen on {host} ({error.strerror}): expected a free port"
    return f"{prefix}HOST={host}: cannot listen there ({error.strerror}): expected an address of this machine"


def dual_stack_sockets(settings: Settings) -> list[socket.socket] | None:
    """For the host `::` a socket that takes IPv4 too, as gunicorn's does; None for any other host.

    asyncio would make one for IPv6 alone.
    """
    if settings.host != "::" or not socket.has_dualstack_ipv6():
        return None
    address = (settings.host, settings.port)
    return [socket.create_server(address, family=socket.AF_INET6, backlog=settings.backlog, dualstack_ipv6=True)]
