"""The demo's promise, checked: on unseen small worlds the agent plays well, and better than when it began."""

from typing import Any

SUITE = "small"
MIN_WORLDS = 256
MAX_LEFT_OUT = 0.1
WORLDS = 288
"""Worlds to evaluate so that enough count even if a tenth is left out."""
MIN_SCORE = 0.5
MIN_GAIN = 0.3
EARLY, LATE = (0, 50), (100, 200)


def failures(results: dict[str, Any]) -> list[str]:
    """Return what keeps results (of results.json) from passing, empty where they pass."""
    entry = results["suites"].get(SUITE)
    if entry is None:
        return [f"the gate is on suite {SUITE!r}, which was not evaluated; add --suite {SUITE}"]
    counted, left_out = entry["model"]["worlds"], entry["left_out"]["count"]
    missed = []
    if counted < MIN_WORLDS:
        missed.append(f"{MIN_WORLDS} worlds must count, got {counted}; raise --worlds")
    if left_out > MAX_LEFT_OUT * (counted + left_out):
        missed.append(f"at most {MAX_LEFT_OUT:.0%} of worlds may be left out, got {left_out} of {counted + left_out}")
    early, late = (_score(entry["model"], bounds) for bounds in (EARLY, LATE))
    if early is None or late is None:
        missed.append(f"scores at steps {EARLY} and {LATE} are needed; evaluate at least {LATE[1]} steps")
    else:
        if late <= MIN_SCORE:
            missed.append(f"the score at steps 100-200 must be over {MIN_SCORE}, got {late:.3f}")
        if late - early < MIN_GAIN:
            missed.append(f"it must be at least {MIN_GAIN} above steps 0-50 ({early:.3f}), got {late - early:+.3f}")
    return missed


def _score(player: dict[str, Any], bounds: tuple[int, int]) -> float | None:
    for entry in player["score_by_step"]:
        if (entry["from"], entry["to"]) == bounds:
            mean: float | None = entry["mean"]
            return mean
    return None
