"""Where a server may listen: on this machine without a token, elsewhere only with one."""

import ipaddress

from common.errors import UsageError

SHORTEST_TOKEN = 16
"""Characters."""


def check_binding(host: str, token: str | None, variable: str) -> None:
    """Refuse to serve beyond loopback without a token.

    Args:
        host: What the server shall listen on.
        token: What callers must show; None: nothing.
        variable: The environment variable that holds the token, named in what is said.

    Raises:
        UsageError: The host is not loopback and there is no token, or the token is too short to be one.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"{variable} must have at least {SHORTEST_TOKEN} characters, has {len(token)}; "
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if token is None and not is_loopback(host):
        raise UsageError(
            f"a host beyond 127.0.0.1 needs a token, got --host {host} without one; set the environment variable "
            f"{variable}, or serve on 127.0.0.1 and forward the port"
        )


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
