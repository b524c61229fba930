"""Tallies and references in, numbers out: scores by step and episode, best, asymptote, success, regret.

Score = (x - random) / (oracle - random) on the same world, where x is the reward per step or an episode's return
(paper, "Evaluation": normalised score). Every mean is over worlds, with the half width of its 95 % interval.
"""

import itertools
from typing import Any

import numpy as np

from trainer.evaluation.tally import Bins, Episodes, Tally, even_bins, last_tenth, step_bins

NORMAL_95 = 1.959963984540054
EPISODE_EDGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
EPISODE_GAP = 1e-9
"""Smallest oracle - random per episode that makes a score by episode."""
BEST_SHARE = 0.99
"""A score counts as the best from this share of it on (paper, Table 1)."""
MOST_EPISODES = 10_000
"""The best average is looked for within so many episodes (paper, "Evaluation")."""
WINDOWS = 50
"""Averages over episodes there are at most: each is over 1/50 of them."""
CAUGHT_UP = 0.9
"""Share of worlds that must have come so far for an average over episodes to count."""


def scores(tally: Tally, counted: np.ndarray) -> dict[str, Any]:
    """Return all that results.json says about one player on one suite.

    Args:
        tally: What it did in W worlds.
        counted: (W,) bool, the worlds whose per-step gap is large enough to order (``reference.counted_worlds``).

    Returns:
        ``score_by_step``, ``action_score_by_step`` (empty where a model is unknown), ``score_by_episode``, ``curve``,
        ``episode_curve`` (of the episodes that ended in each bin of steps), ``regret_by_step`` and ``entropy_by_step``
        (empty where the player tells none): lists of ``{from, to, mean, ci95, median, worlds}`` over worlds; ``best``
        bin of ``score_by_step``, ``steps_to_best`` (the end of the first bin with 99 % of it), ``by_episode`` (the
        paper's: best average over episodes, steps and episodes to 99 % of it), ``asymptote`` (last tenth of the
        context) and its ``asymptote_ci95``, ``asymptote_by_episode`` (of the episodes that ended there),
        ``bottom_quintile`` (mean of the worst fifth of worlds over the whole context), ``regret`` (steps' worth of the
        oracle's advantage lost over the context), ``success`` (share of the episodes ended in the last tenth that
        succeeded; null where there is no such thing), ``episodes`` (finished, all worlds), ``return`` per episode in
        the last tenth and ``worlds`` (counted by step).
    """
    steps, episodes, tenth = tally.steps, tally.episodes(), last_tenth(tally.steps)
    bins = step_bins(steps)
    by_step = summaries(per_step(tally, bins)[counted], bins)
    last = summaries(per_step(tally, [tenth])[counted], [tenth])[0]
    whole = np.sort(per_step(tally, [(0, steps)])[counted, 0])
    lost = np.array([regret(tally, [(0, end)])[counted, 0] for _, end in bins]).T
    regrets = summaries(lost.reshape(-1, len(bins)), [(0, end) for _, end in bins])
    ended = episode_curve(tally, episodes, [tenth])[0]
    best = max((entry["mean"] for entry in by_step if entry["mean"] is not None), default=None)
    late = episodes.first + episodes.steps > tenth[0]
    return {
        "score_by_step": by_step,
        "action_score_by_step": action_scores(tally, bins),
        "score_by_episode": episode_scores(tally, episodes),
        "curve": summaries(per_step(tally, even_bins(steps))[counted], even_bins(steps)),
        "episode_curve": episode_curve(tally, episodes, even_bins(steps)),
        "entropy_by_step": entropies(tally, even_bins(steps)),
        "regret_by_step": regrets,
        "best": best,
        "steps_to_best": _steps_to(best, by_step),
        "by_episode": best_by_episode(tally, episodes),
        "asymptote": last["mean"],
        "asymptote_ci95": last["ci95"],
        "asymptote_by_episode": ended["mean"],
        "asymptote_by_episode_ci95": ended["ci95"],
        "bottom_quintile": float(whole[: max(1, len(whole) // 5)].mean()) if len(whole) else None,
        "regret": regrets[-1]["mean"],
        "regret_ci95": regrets[-1]["ci95"],
        "success": _mean(episodes.success[late]) if tally.has_success else None,
        "return": _mean(episodes.total[late]),
        "episodes": len(episodes.world),
        "worlds": int(counted.sum()),
    }


def per_step(tally: Tally, bins: Bins) -> np.ndarray:
    """Return (W, B) scores of the mean reward per step in each bin."""
    lengths = np.array([last - first for first, last in bins])
    random = np.array([reference.random_per_step for reference in tally.references])[:, None]
    gap = np.array([reference.gap_per_step for reference in tally.references])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return (tally.sums("paid", bins) / lengths - random) / gap


def regret(tally: Tally, bins: Bins) -> np.ndarray:
    """Return (W, B) what was lost against the oracle, in steps' worth of its advantage over random play."""
    return (1.0 - per_step(tally, bins)) * np.array([last - first for first, last in bins])


def action_scores(tally: Tally, bins: Bins) -> list[dict[str, Any]]:
    """Score the actions themselves: sum(Q*(s,a) - mean_a Q*) / sum(max_a Q* - mean_a Q*) per world and bin.

    Always ordered (random play 0, the .994 oracle 1), on all worlds; a world is left out of a bin in which it saw
    no state where actions differ.
    """
    if not tally.knows_model:
        return []
    taken, possible = tally.sums("taken", bins), tally.sums("possible", bins)
    ratio = np.full(taken.shape, np.nan)
    np.divide(taken, possible, out=ratio, where=possible > 1e-9)
    return summaries(ratio, bins)


def entropies(tally: Tally, bins: Bins) -> list[dict[str, Any]]:
    """Return the mean entropy of the distributions actions were drawn from, as a share of uniform play's."""
    total = tally.sums("entropy", bins)
    if np.isnan(total).all():
        return []
    lengths = np.array([last - first for first, last in bins])
    return summaries(total / lengths, bins)


def episode_scores(tally: Tally, episodes: Episodes, asked: Bins | None = None) -> list[dict[str, Any]]:
    """Score finished episodes by their number, on all worlds; each entry says how many worlds got that far.

    Bins are ``asked`` ones, or ``EPISODE_EDGES``, up to the last episode that any world finished.

    A world counts once in a bin, by its mean over the bin's episodes. A world whose oracle earns no more per episode
    than random play has no such score (it is left out here and named among the left out).
    """
    number, score = _numbered(tally, episodes)
    most = int(number.max(initial=-1)) + 1
    bins = [(a, b) for a, b in asked or itertools.pairwise(EPISODE_EDGES) if a < most]
    values = [_mean_by_world(tally, episodes, score, (number >= a) & (number < b)) for a, b in bins]
    shape = (len(tally.references), len(bins))
    return summaries(np.array(values).T.reshape(shape), [(a, min(b, most)) for a, b in bins])


def episode_curve(tally: Tally, episodes: Episodes, bins: Bins) -> list[dict[str, Any]]:
    """Score finished episodes by the bin of steps in which they ended, on all worlds.

    This orders also where every step pays the same and only an episode's length differs (MountainCar, CartPole).
    """
    _, score = _numbered(tally, episodes)
    end = episodes.first + episodes.steps
    values = [_mean_by_world(tally, episodes, score, (end > a) & (end <= b)) for a, b in bins]
    return summaries(np.array(values).T, bins)


def best_by_episode(tally: Tally, episodes: Episodes) -> dict[str, Any] | None:
    """Return the paper's figures: the best average over episodes, and steps and episodes until 99 % of it.

    Averages are over windows of as many episodes as make at most ``WINDOWS`` of those that nine tenths of the worlds
    finished (at most 10,000), over these worlds; ``steps`` is the mean number of steps taken by a window's end. None
    where worlds finished no episode.
    """
    number, score = _numbered(tally, episodes)
    valid = ~np.isnan(score)
    finished = np.bincount(episodes.world[valid], minlength=len(tally.references))
    able = np.array([reference.gap > EPISODE_GAP for reference in tally.references])
    common = int(np.quantile(finished[able], 1.0 - CAUGHT_UP, method="lower")) if able.any() else 0
    common = min(common, MOST_EPISODES)
    if common < 1:
        return None
    size = -(-common // WINDOWS)
    members = (finished >= common) & able
    kept = valid & members[episodes.world] & (number < common // size * size)
    window, after = number // size, episodes.first + episodes.steps
    values, steps = [], []
    for k in range(common // size):
        inside = kept & (window == k)
        values.append(_mean_by_world(tally, episodes, score, inside)[members])
        steps.append(float(after[inside & (number == (k + 1) * size - 1)].mean()))
    entries = summaries(np.array(values).T, [(k * size, (k + 1) * size) for k in range(len(values))])
    top = max(range(len(entries)), key=lambda k: entries[k]["mean"])
    best = entries[top]["mean"]
    reached = next(k for k, entry in enumerate(entries) if entry["mean"] >= best - abs(best) * (1.0 - BEST_SHARE))
    return {
        "best": best,
        "ci95": entries[top]["ci95"],
        "steps": round(steps[reached], 1),
        "episodes": (reached + 1) * size,
        "window": size,
        "episodes_played": common,
        "worlds": int(members.sum()),
    }


def summaries(values: np.ndarray, bins: Bins) -> list[dict[str, Any]]:
    """Return mean, its 95 % half width and median over worlds of each column of (W, B) values; nan is no value.

    The median stands beside the mean because tails are heavy: a world scores far over 1 where the discounted oracle
    earns little per step (it avoids an end after which play would begin anew at once).
    """
    told = []
    for column, (first, last) in zip(values.T, bins, strict=True):
        seen = column[~np.isnan(column)]
        mean = float(seen.mean()) if len(seen) else None
        ci95 = float(NORMAL_95 * seen.std(ddof=1) / np.sqrt(len(seen))) if len(seen) > 1 else None
        median = float(np.median(seen)) if len(seen) else None
        told.append({"from": first, "to": last, "mean": mean, "ci95": ci95, "median": median, "worlds": len(seen)})
    return told


def _numbered(tally: Tally, episodes: Episodes) -> tuple[np.ndarray, np.ndarray]:
    """Return each episode's number in its world and its score, nan where the world has none."""
    count = np.bincount(episodes.world, minlength=len(tally.references))
    number = np.arange(len(episodes.world)) - np.repeat(np.cumsum(count) - count, count)
    gap = np.array([reference.gap for reference in tally.references])
    random = np.array([reference.random_return for reference in tally.references])
    gap = np.where(gap > EPISODE_GAP, gap, np.nan)
    return number, (episodes.total - random[episodes.world]) / gap[episodes.world]


def _mean_by_world(tally: Tally, episodes: Episodes, values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return (W,) means of the values of some episodes in each world; nan where a world has none."""
    where = where & ~np.isnan(values)
    worlds = len(tally.references)
    count = np.bincount(episodes.world[where], minlength=worlds)
    total = np.bincount(episodes.world[where], weights=values[where], minlength=worlds)
    mean = np.full(worlds, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _steps_to(best: float | None, by_step: list[dict[str, Any]]) -> int | None:
    for entry in by_step:
        if best is not None and entry["mean"] is not None and entry["mean"] >= best - abs(best) * (1.0 - BEST_SHARE):
            return int(entry["to"])
    return None
