"""FrozenLake as a world of ours is Gymnasium's, number for number."""

import gymnasium
import numpy as np
import pytest

from common.worlds import solve
from common.worlds.returns import episode_return
from common.worlds.solve import evaluate_policy, optimal_actions
from trainer.evaluation.frozenlake import frozenlake


@pytest.mark.parametrize("slippery", [False, True])
def test_the_dense_world_is_gymnasiums_table(slippery: bool) -> None:
    task = frozenlake(slippery)
    table = gymnasium.make("FrozenLake-v1", is_slippery=slippery).unwrapped.P
    plain, shown = task.scored.to_dense(), task.world.to_dense()
    ends = set(plain["terminal_states"].tolist())
    assert ends == {5, 7, 11, 12, 15}
    assert np.flatnonzero(task.goal).tolist() == [15]
    for s in range(16):
        for a in range(4):
            probability, reward = np.zeros(16), np.zeros(16)
            if s not in ends:
                for p, successor, paid, done in table[s][a]:
                    probability[successor] += p
                    reward[successor] = paid
                    assert done == (successor in ends)
            np.testing.assert_array_equal(plain["transition"][s, a], probability)
            np.testing.assert_array_equal(plain["reward"][s, a], reward)
            possible = probability > 0
            shaped = np.where(np.arange(16) == 15, 1.0, 0.0 if slippery else -0.05)
            shaped[[5, 7, 11, 12]] = -1.0
            np.testing.assert_array_equal(shown["reward"][s, a][possible], shaped[possible])
    assert plain["start_states"].tolist() == [0]
    assert task.world.episode_limit == task.scored.episode_limit == 200


def test_its_optimal_success_is_the_known_one() -> None:
    """Not slippery: 1, in 6 steps. Slippery, without a cut: 14 / 17; in Gymnasium's 100 steps about .74."""
    world = frozenlake(False).scored
    best = optimal_actions(solve(world)).astype(float)
    best[world.terminal] = 1.0
    assert episode_return(world, best / best.sum(axis=1, keepdims=True)) == pytest.approx((1.0, 6.0))
    slippery = frozenlake(True).scored
    best = optimal_actions(solve(slippery, 0.99999)).astype(float)
    best[slippery.terminal] = 1.0
    best /= best.sum(axis=1, keepdims=True)
    assert evaluate_policy(slippery, best, 1 - 1e-9)[0] == pytest.approx(14 / 17, abs=1e-4)
    assert episode_return(slippery, best, steps=100_000)[0] == pytest.approx(14 / 17, abs=1e-6)
    assert episode_return(slippery, best, steps=100)[0] == pytest.approx(0.74, abs=0.01)
    random = np.full((16, 4), 0.25)
    # the paper's normaliser of random play is 1.46 %
    assert episode_return(slippery, random)[0] == pytest.approx(0.0146, abs=0.002)
