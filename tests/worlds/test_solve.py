import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.worlds import World, sample_world, solve
from common.worlds.evaluate import expected_rewards
from common.worlds.solve import (
    evaluate_policy,
    optimal_actions,
    oracle_masks,
    policy_iteration,
    solve_all,
)

GAMMAS = (0.0, 0.5, 0.93, 0.994)


def value_iteration(world, discount, tolerance=1e-12):
    """Return Q* (n, a) by plain value iteration over the dense form."""
    dense = world.to_dense()
    p = dense["transition"]
    r = (p * dense["reward"]).sum(axis=2)
    q = np.zeros_like(r)
    for _ in range(200_000):
        new = r + discount * p @ q.max(axis=1)
        if np.abs(new - q).max() <= tolerance * (1.0 - discount) * max(1.0, np.abs(new).max()):
            return new
        q = new
    raise AssertionError("value iteration did not converge")


def random_world(seed, n, a, p_zero=0.5, terminal=0):
    """Return a world without structure: dense rows with zeros, rewards N(0,1)."""
    rng = np.random.default_rng(seed)
    p = rng.random((n, a, n)) * (rng.random((n, a, n)) > p_zero)
    p[..., 0] += 1e-3
    p /= p.sum(axis=2, keepdims=True)
    ends = np.arange(n - terminal, n)
    p[ends] = 0.0
    return World.from_dense(p, rng.normal(size=p.shape), np.zeros_like(p), [0], [1.0], ends, 50.0)


def test_reference_tasks_are_solved_exactly(tasks, reference_worlds):
    for task, world in zip(tasks, reference_worlds, strict=True):
        for gamma, exact in zip(task["gammas"], task["q_exact"], strict=True):
            q = solve(world, float(gamma))
            assert q.dtype == np.float64
            assert np.abs(q - exact).max() < 1e-10 * max(1.0, np.abs(exact).max())
            assert (q[world.terminal] == 0.0).all()
            chosen = np.take_along_axis(exact, q.argmax(axis=1)[:, None], axis=1)[:, 0]
            assert (exact.max(axis=1) - chosen).max() < 1e-9


def test_uniform_policy_of_reference_tasks(tasks, reference_worlds):
    for task, world in zip(tasks, reference_worlds, strict=True):
        everywhere = np.full((world.n_states, world.n_actions), 1.0 / world.n_actions)
        for gamma, exact in zip(task["gammas"], task["q_random_exact"], strict=True):
            value = evaluate_policy(world, everywhere, float(gamma))
            assert value == pytest.approx(exact.mean(axis=1), abs=1e-9)


@pytest.mark.parametrize("discount", GAMMAS)
def test_families_agree_with_value_iteration(easy_worlds, discount):
    for world in easy_worlds[:2]:
        expected = value_iteration(world, discount, 1e-11)
        assert solve(world, discount) == pytest.approx(expected, abs=1e-9 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("discount", [0.9999, 0.999999])
def test_long_horizons_leave_no_residual(easy_worlds, discount):
    for world in easy_worlds:
        dense = world.to_dense()
        q = solve(world, discount)
        backed_up = (dense["transition"] * dense["reward"]).sum(axis=2) + discount * dense["transition"] @ q.max(axis=1)
        assert backed_up == pytest.approx(q, rel=0.0, abs=1e-13 * max(1.0, np.abs(q).max()))


@given(st.integers(0, 10**6), st.integers(1, 24), st.integers(1, 5), st.sampled_from(GAMMAS), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_worlds_without_structure_agree_with_value_iteration(seed, n, a, discount, terminal):
    world = random_world(seed, n + terminal, a, terminal=terminal)
    assert solve(world, discount) == pytest.approx(value_iteration(world, discount), abs=1e-9)


@pytest.mark.parametrize("discount", [*GAMMAS, 0.999999])
def test_ties_end_and_are_all_found(discount):
    # every action is a copy of the first, up to the order of its row
    world = random_world(3, 12, 1)
    dense = world.to_dense()
    for name in ("transition", "reward", "reward_noise"):
        dense[name] = np.repeat(dense[name], 4, axis=1)
    q = solve(World.from_dense(**dense), discount)
    assert optimal_actions(q).all()


def test_a_world_that_pays_nothing_is_solved():
    dense = random_world(5, 8, 3).to_dense()
    q = solve(World.from_dense(**{**dense, "reward": np.zeros((8, 3, 8))}))
    assert (q == 0.0).all()


def test_symmetric_grid_has_symmetric_ties():
    # an open line with a goal at both ends: the middle ties exactly
    p = np.zeros((5, 2, 5))
    for s in (1, 2, 3):
        p[s, 0, s - 1] = p[s, 1, s + 1] = 1.0
    reward = np.zeros_like(p)
    reward[1, 0, 0] = reward[3, 1, 4] = 0.1
    world = World.from_dense(p, reward, np.zeros_like(p), [2], [1.0], [0, 4], 10.0)
    masks = oracle_masks(world, (0.93, 0.994))
    assert masks.dtype == np.uint64
    assert masks.tolist() == [[0, 1, 3, 2, 0]] * 2


def test_masks_are_the_optimal_actions_at_every_discount(reference_worlds):
    for world in reference_worlds:
        masks = oracle_masks(world, GAMMAS)
        bits = (masks[:, :, None] >> np.arange(world.n_actions, dtype=np.uint64)) & np.uint64(1)
        for d, gamma in enumerate(GAMMAS):
            expected = optimal_actions(solve(world, gamma)) & ~world.terminal[:, None]
            assert np.array_equal(bits[d].astype(bool), expected)


def test_tie_rule_is_relative_above_one():
    q = np.array([[1000.0, 1000.0 - 0.5e-6, 1000.0 - 2e-6], [0.1, 0.1 - 0.5e-9, 0.1 - 2e-9]])
    assert optimal_actions(q).tolist() == [[True, True, False]] * 2


def test_several_discounts_at_once_equal_one_by_one(easy_worlds):
    for world in easy_worlds[:3]:
        together = solve_all(world, GAMMAS)
        for d, gamma in enumerate(GAMMAS):
            assert together[d] == pytest.approx(solve(world, gamma), abs=1e-11)


def test_warm_start_from_the_solution_evaluates_once():
    world = sample_world("garnet", seed=4, n_states=32)
    n, a = world.n_states, world.n_actions
    expected = expected_rewards(world.row_start, world.probability, world.reward)
    rows = (world.row_start, world.successor, world.probability, expected, world.terminal)
    policy, value, q = np.zeros(n, dtype=np.int64), np.zeros(n), np.empty(n * a)
    cold = policy_iteration(*rows, a, 0.994, 0, policy, value, q)
    first = q.copy()
    assert cold > 1
    assert policy_iteration(*rows, a, 0.994, 0, policy, value, q) == 1
    assert np.array_equal(q, first)
    assert value == pytest.approx(q.reshape(n, a).max(axis=1), abs=0.0)


@pytest.mark.parametrize("discount", [-0.1, 1.0, 1.5, float("nan")])
def test_discount_must_be_under_one(discount):
    world = sample_world("bandit", seed=0)
    with pytest.raises(ValueError, match=r"discount lies in \[0, 1\), got"):
        solve(world, discount)
    with pytest.raises(ValueError, match=r"discount lies in \[0, 1\), got"):
        evaluate_policy(world, np.full((2, 5), 0.2), discount)


def test_masks_hold_64_actions_at_most():
    assert oracle_masks(random_world(0, 3, 64), (0.5,)).shape == (1, 3)
    with pytest.raises(ValueError, match="at most 64 actions, the world has 65"):
        oracle_masks(random_world(0, 3, 65), (0.5,))


@pytest.mark.parametrize(
    ("policy", "message"),
    [(np.ones((5, 2)), "has shape"), (np.ones((2, 5)), "sum to 1"), (np.full((2, 5), np.nan), "sum to 1")],
)
def test_a_policy_is_checked(policy, message):
    with pytest.raises(ValueError, match=message):
        evaluate_policy(sample_world("bandit", seed=0), policy, 0.5)
