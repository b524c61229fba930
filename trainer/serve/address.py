"""Who may call: this machine without a token, anyone else with one."""

from common import binding
from common.errors import UsageError

TOKEN_VARIABLE = "OMNIRL_SERVE_TOKEN"


def check_binding(host: str, token: str | None) -> None:
    """Refuse to serve beyond loopback without a token, and a token that no header could carry.

    Raises:
        UsageError: The host is not loopback and there is no token, or the token is too short or not ASCII.
    """
    if token is not None and not token.isascii():
        raise UsageError(
            f"{TOKEN_VARIABLE} must be all ASCII, and is not; "
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    binding.check_binding(host, token, TOKEN_VARIABLE)
