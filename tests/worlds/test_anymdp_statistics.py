"""Our AnyMDP worlds against the original's: every statistic recomputed with numpy from dense arrays, and compared."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from common.worlds import sample_world

DATA = Path(__file__).parents[1] / "data"
SEED = 1_000_000


def statistics(worlds):
    """Return {name: (worlds,) array}, one value a world, by the definitions of tests/data; all worlds of one size."""
    dense = [world.to_dense() for world in worlds]
    p, mu, noise = (np.stack([d[name] for d in dense]) for name in ("transition", "reward", "reward_noise"))
    count, n, _, _ = p.shape
    start, live = np.zeros((count, n)), np.ones((count, n), dtype=bool)
    for i, d in enumerate(dense):
        start[i, d["start_states"]] = d["start_probabilities"]
        live[i, d["terminal_states"]] = False
    cap = np.array([d["max_steps"] for d in dense])
    starts = start > 0.0
    rejections = {name: np.array([world.rejections[name] for world in worlds]) for name in worlds[0].rejections}
    dropped, tries = rejections["bonus_not_ascending"], 1 + sum(rejections.values())
    expected, discount = (p * mu).sum(axis=3), 2.0 ** (-1.0 / n)
    best, blind, policy = solve_all(p, expected, live, discount)
    gain = (best - blind) * (1.0 - discount) * cap[:, None]
    gini, entropy = visits(p, policy, live, start, cap)

    def over_live(x):
        return np.array([row[alive].mean() for row, alive in zip(x, live, strict=True)])

    return {
        "frac_pit": (~live[:, : n - 1]).sum(axis=1) / n,
        "final_term": (~live[:, n - 1]).astype(float),
        "max_steps": cap,
        "n_s0": starts.sum(axis=1),
        "nnz0": over_live((p > 0.0).sum(axis=3).mean(axis=2)),
        "nnz3": over_live((p > 1e-3).sum(axis=3).mean(axis=2)),
        "neff": over_live((1.0 / np.maximum((p * p).sum(axis=3), 1e-300)).mean(axis=2)),
        "r_mean": over_live(mu.mean(axis=(2, 3))),
        "r_std": np.array([m[alive].std() for m, alive in zip(mu, live, strict=True)]),
        "rT_mean": over_live(expected.mean(axis=2)),
        "noise_mean": over_live(noise.mean(axis=(2, 3))),
        "vdiff": np.where(starts, gain, 0.0).sum(axis=1) / starts.sum(axis=1),
        "least_gain": np.where(starts, gain, np.inf).min(axis=1),
        "gini": np.where(starts, gini, np.inf).min(axis=1),
        "ent": np.where(starts, entropy, np.inf).min(axis=1),
        "vopt_s0": np.where(starts, best, 0.0).sum(axis=1) / starts.sum(axis=1),
        "tries": tries,
        "none": dropped,
        "rej": tries - 1 - dropped,
    }


def solve_all(p, expected, live, discount):
    """Return max Q*, max Q of the uniform policy, both (worlds, n), and the greedy policy, by policy iteration."""
    count, n, n_actions, _ = p.shape

    def q_of(weight):
        chain = np.einsum("wsa,wsat->wst", weight, p)
        paid = (weight * expected).sum(axis=2)
        value = np.linalg.solve(np.eye(n) - discount * chain, paid[..., None])[..., 0]
        return expected + discount * np.einsum("wsat,wt->wsa", p, value)

    blind = q_of(np.full((count, n, n_actions), 1.0 / n_actions) * live[..., None])
    policy = blind.argmax(axis=2)
    for _ in range(100):
        q = q_of(np.eye(n_actions)[policy])
        better = q.max(axis=2) > np.take_along_axis(q, policy[..., None], axis=2)[..., 0] + 1e-9
        if not better.any():
            return q.max(axis=2), blind.max(axis=2), policy
        policy = np.where(better, q.argmax(axis=2), policy)
    raise AssertionError("policy iteration did not end")


def visits(p, policy, live, start, cap):
    """Return Gini impurity and entropy / ln n, (worlds, n), of the state 2^(floor(log2 T_E) + 1) steps after each."""
    chain = np.take_along_axis(p, policy[..., None, None], axis=2)[:, :, 0]
    power = np.where(live[..., None], chain, start[:, None, :])
    squarings = np.floor(np.log2(cap)).astype(int) + 1
    for k in range(squarings.max()):
        power = np.where((k < squarings)[:, None, None], power @ power, power)
    logarithm = np.log(np.where(power > 0.0, power, 1.0))
    return 1.0 - (power**2).sum(axis=2), -(power * logarithm).sum(axis=2) / np.log(p.shape[1])


@pytest.mark.parametrize(
    ("n_states", "worlds", "distance", "acceptance", "tolerance"),
    [(16, 4000, 0.10, 0.231, 0.03), (32, 1200, 0.15, 0.491, 0.06)],
)
def test_statistics_are_those_of_the_original(n_states, worlds, distance, acceptance, tolerance):
    ours = statistics(
        [sample_world("anymdp", seed=SEED + i, n_states=n_states, n_actions=5) for i in range(worlds)],
    )
    reference = np.load(DATA / f"anymdp_statistics_n{n_states}_a5.npz")
    names = [name for name in reference.files if name != "sec"]
    assert len(names) == 18
    results = {name: ks_2samp(ours[name], reference[name]) for name in names}
    rows = [f"| {name:10s} | {r.pvalue:.3f} | {r.statistic:.3f} |" for name, r in results.items()]
    rate = worlds / ours["tries"].sum()
    head = [f"{worlds} worlds of {n_states} states; acceptance {rate:.3f}, the original's {acceptance}"]
    table = "\n".join([*head, "| statistic  | p     | distance |", "|---|---|---|", *rows])
    print(f"\n{table}")
    assert all(r.pvalue > 0.001 and r.statistic < distance for r in results.values()), table
    assert abs(rate - acceptance) <= tolerance
    # every accepted world passes the tests, worked out anew
    assert ours["least_gain"].min() > 2.0 - 1e-7
    assert ours["gini"].min() > 0.70 - 1e-9
    assert ours["ent"].min() > 0.35 - 1e-9
