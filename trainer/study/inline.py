"""Settings in, one line of TOML out, as ``--set`` and ``--data-set`` read it."""

import json
from typing import Any


def inline(value: Any) -> str:
    """Return a value as inline TOML; keys that are None are left out.

    Raises:
        TypeError: It holds what TOML has no word for.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))} = {inline(one)}" for key, one in value.items() if one is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(inline(one) for one in value) + "]"
    raise TypeError(f"TOML has no word for {type(value).__name__}")
