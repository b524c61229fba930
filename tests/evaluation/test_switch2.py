"""Switch2: walls, collisions, rewards and what each of two agents sees; the pair's oracle is exact."""

import numpy as np
import pytest

from trainer.evaluation.prepared import Request
from trainer.evaluation.suites import suite
from trainer.evaluation.suites.switch2 import CELLS, MOVES, SwitchArena, joint_world, seen

DOWN, LEFT, UP, RIGHT, STAY = range(5)
CELL = {cell: i for i, cell in enumerate(CELLS)}


def follow(first: tuple[int, int], second: tuple[int, int], a: int, b: int) -> tuple[tuple, tuple, float]:
    """Where a joint action leads from two cells, and what it pays."""
    dense = joint_world().to_dense()
    state = 15 * CELL[first] + CELL[second]
    (following,) = np.flatnonzero(dense["transition"][state, 5 * a + b])
    return CELLS[following // 15], CELLS[following % 15], float(dense["reward"][state, 5 * a + b, following])


def test_moves_and_rewards_by_hand() -> None:
    assert len(CELLS) == 15
    # the first agent's goal is (0, 6) and the second's (0, 0)
    assert follow((0, 1), (0, 5), DOWN, DOWN) == ((1, 1), (1, 5), pytest.approx(0.16))
    assert follow((1, 1), (1, 5), LEFT, STAY) == ((1, 0), (1, 5), pytest.approx(-0.16))
    assert follow((1, 2), (1, 3), RIGHT, STAY) == ((1, 2), (1, 3), pytest.approx(-0.08))
    # the first moves first: the second may follow into the cell it left
    assert follow((1, 3), (1, 2), RIGHT, RIGHT) == ((1, 4), (1, 3), pytest.approx(0.08 - 0.12))
    assert follow((1, 2), (1, 3), UP, LEFT) == ((1, 2), (1, 3), pytest.approx(-0.08))
    assert follow((1, 6), (0, 5), UP, STAY) == ((0, 6), (0, 5), pytest.approx(1.0 - 0.04))
    # one that has arrived stays and gets nothing more
    assert follow((0, 6), (0, 1), DOWN, LEFT) == ((0, 6), (0, 0), pytest.approx(1.0))


def test_each_sees_its_own_cell_and_the_others_column() -> None:
    state = np.array([15 * CELL[0, 1] + CELL[0, 5]])
    assert seen(state).tolist() == [[15 * 5 + CELL[0, 1], 15 * 1 + CELL[0, 5]]]


def test_the_oracle_passes_and_both_are_shown_the_sum() -> None:
    on = suite("switch2").prepare(Request(worlds=3, steps=60, vocabulary=120, actions=7))
    known = on.references[0]
    assert known.how == "exact"
    # both go the shortest way, twelve moves together without a wait where they can
    assert known.oracle_return == pytest.approx(2 + 0.08 * 14 - 0.04 * 7, abs=0.3)
    assert known.oracle_length <= 14
    arena = on.arena()
    assert isinstance(arena, SwitchArena)
    assert (arena.worlds, len(arena.n_actions)) == (3, 6)
    oracle, ends = on.oracle(arena), 0
    for _ in range(40):
        outcome = arena.step(oracle.act(arena.observation))
        np.testing.assert_array_equal(outcome.reward[::2], outcome.reward[1::2])
        ends += int(outcome.terminated[0])
        assert not outcome.truncated.any()
    assert ends == 40 // round(known.oracle_length)
    # every context has labels of its own
    shown = [on.arena().observation[c] for c in range(6)]
    assert len(set(shown)) > 2
    spread = arena.spread(np.array([5 * a + b for a, b in ((0, 1), (2, 3), (4, 4))]))
    assert [int(on.order[c][spread[c]]) for c in range(6)] == [0, 1, 2, 3, 4, 4]
    assert len(MOVES) == 5
