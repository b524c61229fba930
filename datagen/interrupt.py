"""Ctrl-C and SIGTERM end a run in order, also where the exception they raise is lost on its way.

A signal may arrive inside a finaliser or a callback of a library, where Python prints an exception and drops it. So it
is remembered as well, and the driver's loop asks.
"""

import signal
from typing import Any

_heard = False


def listen() -> None:
    """From now on SIGTERM is Ctrl-C, and neither can be lost. SIGINT stays ignored where it is (a background job)."""
    signal.signal(signal.SIGTERM, _hear)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _hear)


def check() -> None:
    """Raise ``KeyboardInterrupt`` where a signal was heard."""
    if _heard:
        raise KeyboardInterrupt


def _hear(*_: Any) -> None:
    global _heard
    _heard = True
    raise KeyboardInterrupt
