"""One dial for size: the number of layers in, width, heads, inner width and learning rate out, each with its reason."""

from typing import Any

LAYERS = 3
"""Of a model that says nothing."""
WIDTH_PER_LAYER = 28
"""The paper's 18 layers are 512 wide."""


NAMES = ("layers", "width", "heads", "inner", "head_size", "slots")
"""Settings that are sizes."""


def width_of(layers: int) -> int:
    """Return the multiple of 64 nearest to 28 channels a layer, at least 64."""
    return max(64, 64 * int(WIDTH_PER_LAYER * layers / 64 + 0.5))


def heads_of(width: int) -> int:
    """Return how many heads a width is cut into: of 64 channels from 256 on, of 32 below."""
    size = 64 if width >= 256 else 32
    return next(heads for heads in range(max(1, width // size), 0, -1) if width % heads == 0)


def adamw_learning_rate(width: int) -> float:
    """Return AdamW's peak rate: .003 at width 64, falling as 1 / width (Yang et al., Tensor Programs V)."""
    return 3e-3 * 64 / width


def derived(values: dict[str, Any]) -> dict[str, Any]:
    """Return a model's settings with what they leave out filled in; ill-typed ones are left to the checks."""
    filled = dict(values)
    if filled.get("backbone") == "rwkv7":
        filled.setdefault("feed_forward", "shifted")
    if not all(isinstance(filled.get(name, 1), int) for name in NAMES):
        return filled
    layers = filled.get("layers", LAYERS)
    width = filled.setdefault("width", width_of(max(1, layers)))
    heads = filled.setdefault("heads", heads_of(max(2, width)))
    filled.setdefault("inner", 2 * width)
    if heads >= 1 and "head_size" not in filled:
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got width {width}, heads {heads}; or set head_size")
        filled["head_size"] = width // heads
    if "head_size" in filled:
        filled.setdefault("slots", filled["head_size"] * (2 if filled.get("backbone") == "mamba2" else 1))
    return filled


def reasons(layers: int, width: int, heads: int, head_size: int, inner: int) -> list[str]:
    """Return one line for each size: its value, and whether it follows from the dial."""
    rows = (
        ("layers", layers, "the dial"),
        ("width", width, _because(width, width_of(layers), "28 a layer, in multiples of 64")),
        ("heads", heads, _because(heads, heads_of(width), "64 channels each from width 256 on, 32 below")),
        ("head size", head_size, _because(head_size, width // heads, "width / heads")),
        ("inner width", inner, _because(inner, 2 * width, "twice the width")),
    )
    lines = [f"{name:12s} {value:>6,}  {reason}" for name, value, reason in rows]
    return [*lines, f"{'AdamW rate':12s} {adamw_learning_rate(width):>6.2g}  .003 at width 64, falling as 1 / width"]


def _because(value: int, rule: int, reason: str) -> str:
    return reason if value == rule else f"set (the dial gives {rule:,}: {reason})"
