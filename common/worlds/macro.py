"""Several actions taken within one step: a world and a number of action tokens in, the world of its macro-actions out.

Macro-action m = sum_k a_k n_a**(d_a - 1 - k) takes a_0, a_1, ... one after another, adds their rewards and stops at a
terminal state. What can be known of it before it is taken - where it leads, and mean and spread of what it pays on the
way there - is composed exactly; playing takes the actions themselves, so rewards have their true distribution.
"""
# mypy: disable-error-code="no-untyped-def"

from dataclasses import replace

import numpy as np

from common.kernels import kernel
from common.maths import square_root
from common.worlds.rows import write_row
from common.worlds.world import World


def of_macro_actions(world: World, tokens: int) -> World:
    """Return the world whose actions are sequences of ``tokens`` actions of ``world``; itself for one token.

    Its ``noise`` is the standard deviation of the reward given (s, m, s'), the spread over ways included. Composing
    costs about n n_a**tokens band**2 operations: 5 ms at 64 states, 5 actions and 2 tokens.
    """
    if tokens == 1:
        return world
    atoms = (world.row_start, world.successor, world.probability, world.reward, world.noise)
    row_start, successor, probability, reward, noise = atoms
    for _ in range(tokens - 1):
        row_start, successor, probability, cumulative, reward, noise = append_action(
            row_start, successor, probability, reward, noise, *atoms, world.terminal, world.n_actions
        )
    return replace(
        world,
        n_actions=world.n_actions**tokens,
        row_start=row_start,
        successor=successor,
        probability=probability,
        cumulative=cumulative,
        reward=reward,
        noise=noise,
        reward_table=None,
        transition_table=None,
        atoms=world,
        action_tokens=tokens,
    )


@kernel
def append_action(
    row_start,
    successor,
    probability,
    reward,
    noise,
    atom_start,
    atom_successor,
    atom_probability,
    atom_reward,
    atom_noise,
    terminal,
    n_atoms,
):
    """Return the rows (row_start, successor, probability, cumulative, reward, noise) of one more action at the end.

    Row ``r * n_atoms + a`` takes row r and then action a of ``atom_*``. Both rewards are Gaussian and independent
    given the state between, so moments given (s, m, s') add along a way and mix over ways.
    """
    n, rows = terminal.shape[0], row_start.shape[0] - 1
    new_start = _count_entries(
        row_start, successor, probability, atom_start, atom_successor, atom_probability, terminal, n_atoms
    )
    total = new_start[-1]
    chance, paid, square = np.empty(n), np.empty(n), np.empty(n)
    new_successor = np.empty(total, dtype=np.uint16)
    new_probability, new_cumulative = np.empty(total), np.empty(total)
    new_reward, new_noise = np.empty(total), np.empty(total)
    outcomes, chances = np.empty(n, dtype=np.int64), np.empty(n)
    for row in range(rows):
        for a in range(n_atoms):
            new = row * n_atoms + a
            for s in range(n):
                chance[s], paid[s], square[s] = 0.0, 0.0, 0.0
            for k in range(row_start[row], row_start[row + 1]):
                reached = np.int64(successor[k])
                if terminal[reached]:
                    _add(chance, paid, square, reached, probability[k], reward[k], noise[k] * noise[k])
                else:
                    for j in range(atom_start[reached * n_atoms + a], atom_start[reached * n_atoms + a + 1]):
                        p, mean = probability[k] * atom_probability[j], reward[k] + atom_reward[j]
                        variance = noise[k] * noise[k] + atom_noise[j] * atom_noise[j]
                        _add(chance, paid, square, np.int64(atom_successor[j]), p, mean, variance)
            count, sum_ = 0, 0.0
            for s in range(n):
                if chance[s] > 0.0:
                    outcomes[count], chances[count] = s, chance[s]
                    sum_ += chance[s]
                    count += 1
            begin = new_start[new]
            if count > 0:
                for i in range(count):
                    chances[i] /= sum_
                write_row(outcomes, chances, count, begin, new_successor, new_probability, new_cumulative)
            for k in range(begin, new_start[new + 1]):
                following = np.int64(new_successor[k])
                new_reward[k], second = paid[following] / chance[following], square[following] / chance[following]
                variance = second - new_reward[k] * new_reward[k]
                # less than this is what rounding leaves of a reward without noise
                new_noise[k] = square_root(variance) if variance > 1e-12 * second else 0.0
    return new_start, new_successor, new_probability, new_cumulative, new_reward, new_noise


@kernel
def _count_entries(row_start, successor, probability, atom_start, atom_successor, atom_probability, terminal, n_atoms):
    """Return where each new row will start, int32 (rows * n_atoms + 1,)."""
    rows = row_start.shape[0] - 1
    seen = np.full(terminal.shape[0], -1)
    new_start = np.zeros(rows * n_atoms + 1, dtype=np.int32)
    total = 0
    for row in range(rows):
        for a in range(n_atoms):
            new = row * n_atoms + a
            for k in range(row_start[row], row_start[row + 1]):
                reached = np.int64(successor[k])
                if terminal[reached]:
                    if seen[reached] != new:
                        seen[reached] = new
                        total += 1
                else:
                    for j in range(atom_start[reached * n_atoms + a], atom_start[reached * n_atoms + a + 1]):
                        # a product of tiny probabilities may be 0
                        if seen[atom_successor[j]] != new and probability[k] * atom_probability[j] > 0.0:
                            seen[atom_successor[j]] = new
                            total += 1
            new_start[new + 1] = total
    return new_start


@kernel(inline=True)
def _add(chance, paid, square, s, p, mean, variance):
    """Add a way of probability p to s: to its probability, its first and its second moment."""
    chance[s] += p
    paid[s] += p * mean
    square[s] += p * (variance + mean * mean)
