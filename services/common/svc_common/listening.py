"""An early, clear word about a port that cannot be listened on."""

from __future__ import annotations

import socket

from svc_common.settings import Settings, SettingsError

__all__ = ["check_port", "dual_stack_sockets"]


def check_port(settings: Settings) -> None:
    """Bind to the service's address and let go of it again, before the server tries in its own way.

    Raises:
        SettingsError: somebody listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.reuse_port:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"SVC_PORT={settings.port}: cannot listen on {settings.host} ({error.strerror}): expected a free port"
            ) from None


def dual_stack_sockets(settings: Settings) -> list[socket.socket] | None:
    """For the host `::` a socket that takes IPv4 too, as gunicorn's does; None for any other host.

    asyncio would make one for IPv6 alone.
    """
    if settings.host != "::" or not socket.has_dualstack_ipv6():
        return None
    address = (settings.host, settings.port)
    return [socket.create_server(address, family=socket.AF_INET6, backlog=settings.backlog, dualstack_ipv6=True)]
