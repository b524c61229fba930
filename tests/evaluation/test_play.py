"""Records: what really happened, break rows left out, the same for everyone and for the same seed."""

import numpy as np
import pytest

from common.agents.kinds import behaviour
from trainer.evaluation.arena import WorldArena, world_seeds
from trainer.evaluation.baselines import learner, tuned
from trainer.evaluation.play import play, play_behaviour
from trainer.evaluation.policies import RandomPlayer
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.record import Record
from trainer.evaluation.suites import suite
from trainer.evaluation.task import Task

STEPS = 240


def prepared(name: str, worlds: int, vocabulary: int = 20, seed: int = 0) -> Prepared:
    return suite(name).prepare(Request(worlds=worlds, steps=STEPS, vocabulary=vocabulary, actions=5, seed=seed))


def played(player: str, on: Prepared, steps: int = STEPS) -> Record:
    """The record of a baseline, by name."""
    if player.startswith("q-"):
        return play_behaviour(learner(player, tuned(on.suite.name, player)), on.tasks, steps, on.seed)
    arena = on.arena()
    return play(RandomPlayer(arena, on.seed) if player == "random" else on.oracle(arena), arena, steps)


def check(record: Record, tasks: list[Task]) -> None:
    """Every step is possible in its world, and episodes follow each other as the world has them."""
    for w, task in enumerate(tasks):
        dense = task.world.to_dense()
        s, a, n = record.state[w], record.action[w], record.next_state[w]
        assert (dense["transition"][s, a, n] > 0).all()
        mean, noise = dense["reward"][s, a, n], dense["reward_noise"][s, a, n]
        quiet = noise == 0
        np.testing.assert_array_equal(record.reward[w][quiet], mean[quiet].astype(np.float32))
        assert (np.abs(record.reward[w] - mean) <= 6 * noise + 1e-6).all()
        ended = record.ended[w]
        assert (record.terminated[w] == task.world.terminal[n]).all()
        assert not (record.terminated[w] & record.truncated[w]).any()
        assert (s[1:] == n[:-1])[~ended[:-1]].all()
        assert np.isin(s[np.flatnonzero(ended[:-1]) + 1], task.world.start_states).all()
        lengths = np.diff(np.flatnonzero(ended), prepend=-1)
        assert (lengths[record.truncated[w][ended]] == task.world.episode_limit).all()
        assert lengths.max(initial=0) <= task.world.episode_limit


@pytest.mark.parametrize("name", ["garnet-16", "anymdp-1", "frozenlake"])
def test_records_of_policies_and_of_learners_hold_what_happened(name: str) -> None:
    on = prepared(name, 6)
    for player in ("random", "oracle", "q-epsilon-greedy", "q-count-bonus"):
        record = played(player, on)
        assert record.state.shape == (6, STEPS)
        check(record, on.tasks)
        assert record.ended.any()


def test_records_are_functions_of_the_seed() -> None:
    for player in ("random", "q-count-bonus"):
        one, same, other = (played(player, prepared("garnet-16", 4, seed=seed), 80) for seed in (5, 5, 6))
        assert one.reward.tobytes() == same.reward.tobytes()
        assert one.action.tobytes() == same.action.tobytes()
        assert one.action.tobytes() != other.action.tobytes()


def test_a_world_moves_alike_for_a_batch_and_for_a_behaviour() -> None:
    """Who takes the same actions under the same seed meets the same states and rewards."""
    tasks = suite("anymdp-1").tasks(3, vocabulary=16) + suite("garnet-16").tasks(3, vocabulary=16)
    learned = play_behaviour(behaviour("random"), tasks, STEPS, seed=2)

    class Copy(RandomPlayer):
        def __init__(self) -> None:
            self.t = 0

        def act(self, observation: np.ndarray) -> np.ndarray:
            self.t += 1
            return learned.action[:, self.t - 1]

    copied = play(Copy(), WorldArena(tasks, world_seeds(len(tasks), 2)), STEPS)
    for name in Record.__dataclass_fields__:
        assert getattr(copied, name).tobytes() == getattr(learned, name).tobytes(), name
