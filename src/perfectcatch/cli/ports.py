"""Ports of this machine: taken, or said in one sentence why not."""

import socket

from perfectcatch.errors import BadSetting


def listening(host: str, port: int) -> socket.socket:
    """Listen on ``host`` and ``port``, 0 for a free one. Raises ``BadSetting`` when that cannot be."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise BadSetting(
            f"Port {port} of {host} cannot be used ({error.strerror}): choose others with PORT and "
            "LISTEN_HOST."
        ) from error


def usable_port(host: str, port: int) -> int:
    """The port, or a free one for 0, that somebody else will listen on in a moment."""
    with listening(host, port) as probe:
        return int(probe.getsockname()[1])
