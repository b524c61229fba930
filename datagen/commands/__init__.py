"""The commands of ``python -m datagen``, one module each.

A command's module has ``WHAT`` (one line of help), ``EXAMPLES`` (command lines), ``add_arguments(parser)`` and
``run(options)``, which returns the exit code, or None for 0. It imports what it needs inside ``run``, so help is quick.
"""

from types import ModuleType

COMMANDS = {
    "run": "run",
    "extend": "extend",
    "plan": "plan",
    "status": "status",
    "verify": "verify",
    "gc": "gc",
    "describe": "describe",
    "export": "export",
    "import": "importing",
    "bench": "bench",
    "scaling": "scaling",
}
"""Name of a command -> its module here, in the order of the help."""


def load(name: str) -> ModuleType:
    """Return a command's module."""
    from importlib import import_module

    return import_module(f"{__name__}.{COMMANDS[name]}")
