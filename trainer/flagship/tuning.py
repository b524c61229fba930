"""Fewer configurations for Triton to try: a leg of ten minutes cannot pay for all.

flash-linear-attention's kernels of one recurrence come with hundreds of configurations (274 for RWKV-7's, forward and
backward), each of them compiled before it is timed, at about half a second: minutes before the first step. Here the few
that usually win on Hopper are tried: for every tile size the one nearest to four warps and three stages, and of the
tile sizes a few, the larger ones first. What was found stays in Triton's own cache on disk.
"""

from collections.abc import Sequence
from typing import Any

WARPS, STAGES = 4, 3


def try_at_most(most: int) -> bool:
    """Let every kernel that is defined from now on try so many configurations; return whether Triton is there."""
    try:
        from triton.runtime.autotuner import Autotuner
    except ImportError:
        return False
    begin = Autotuner.__init__
    if getattr(begin, "tries_fewer", False):
        return True

    def init(self: Any, fn: Any, arg_names: Any, configs: Any, *rest: Any, **options: Any) -> None:
        begin(self, fn, arg_names, fewer(configs, most) if configs else configs, *rest, **options)

    init.tries_fewer = True  # type: ignore[attr-defined]
    Autotuner.__init__ = init
    return True


def fewer(configs: Sequence[Any], most: int) -> list[Any]:
    """Return at most ``most`` of the configurations: one for each of the larger tile sizes."""
    by_tile: dict[tuple[Any, ...], Any] = {}
    for config in configs:
        tile = tuple(sorted(config.kwargs.items()))
        known = by_tile.get(tile)
        if known is None or _apart(config) < _apart(known):
            by_tile[tile] = config
    ordered = sorted(by_tile.items(), key=lambda item: -_size(item[0]))
    return [config for _, config in ordered[:most]]


def _apart(config: Any) -> tuple[int, int]:
    return abs(config.num_warps - WARPS), abs(config.num_stages - STAGES)


def _size(tile: tuple[Any, ...]) -> int:
    """Return the product of a tile's sizes, those over 64 counted less: they seldom fit beside what else is held."""
    size = 1
    for _, value in tile:
        if isinstance(value, int) and not isinstance(value, bool):
            size *= value if value <= 64 else 16
    return size
