"""One whole sequence in one kernel: a world and a mixture of behaviours in, rows as the dataset stores them out."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.agents import kinds
from common.dataset.schema import Tag
from common.draw import draw_reals
from common.kernels import kernel
from common.random import choose, uniform
from common.synthesis.action_map import unfold
from common.worlds.emission import emit
from common.worlds.step import reset, take

u = np.uint64
_TERMINATED, _TRUNCATED = int(Tag.TERMINATED), int(Tag.TRUNCATED)
BREAK = 255
"""Marks a break row in ``taken``, where actions are the world's own."""
WORLD, ACT, FOLD, MIX = range(4)
"""Rows of ``rngs``: what the world draws, what behaviours draw, which id is recorded, which behaviour is next."""


@kernel(allocates=False)
def roll_out(rngs, world, limit, interface, folding, optimal, mixture, work, rows, begun):
    """Fill one sequence's rows; return (episodes ended, behaviours begun, sum of rewards as stored).

    Args:
        rngs: (4, 1) uint64, generator states by ``WORLD``, ``ACT``, ``FOLD``, ``MIX``.
        world: ``World.atomic().arrays()``.
        limit: Steps after which an episode is truncated.
        interface: ``World.interface()``: what states show, and how many actions a step takes.
        folding: The recorded ids of each action, as ``preimages`` gives them.
        optimal: (D, n) uint64, optimal actions per discount; read by behaviours that know them.
        mixture: (codes (B,), weights (B,), tables (B, PARAMETERS, ..), probability of a new draw at an episode's end).
        work: ``Mixture.room``: parameters (B, PARAMETERS) and memory (flat), float64; where the memory of each place
            begins (P + 1,), the place of each behaviour (B,), how far each place learned (P,).
        rows: (observation, action, reward, tag, state, taken), (L,) each, out: as the dataset has them (tokens flat),
            then the true state (uint16) and the world's own action (uint8, ``BREAK`` at breaks).
        begun: (L, 2) int32 out: first row and index of each behaviour that acted.
    """
    row_start, successor, cumulative, mean, noise, start_states, start_cumulative, terminal = world
    symbol, hidden, emit_row, emitted, emit_cumulative, n_atoms, tokens = interface
    observation, action, reward, tag, state, taken = rows
    codes, weights, tables, switch = mixture
    world_rng, act_rng, fold_rng, mix_rng = rngs[WORLD], rngs[ACT], rngs[FOLD], rngs[MIX]
    id_start, ids = folding
    all_parameters, all_memory, memory_start, places, learned = work
    length, n_actions, n_states = state.shape[0], id_start.shape[0] - 1, terminal.shape[0]
    learned[:] = -1
    row, steps, episodes, changes, slot, kind, place, at_once, total = 0, 0, 0, 0, -1, -1, 0, False, 0.0
    parameters, memory = all_parameters[0], all_memory[:0]
    while row < length:  # an episode
        if slot < 0 or (switch > 0.0 and uniform(mix_rng) < switch):
            drawn = choose(mix_rng, weights)
            if drawn != slot:
                slot, begun[changes, 0], begun[changes, 1] = drawn, row, drawn
                changes += 1
                kind, parameters = codes[slot], all_parameters[slot]
                place, at_once = places[slot], kinds.learns(kind) and not kinds.learns_at_ends(kind)
                memory = all_memory[memory_start[place] : memory_start[place + 1]]
                if learned[place] < 0:
                    learned[place] = 0
                    _start(act_rng, place, places, codes, tables, all_parameters, memory, symbol, n_actions, length)
        if kinds.learns(kind):
            _catch_up(kind, parameters, memory, learned[place], row, state, taken, reward, tag, n_actions)
        first, over, now = row, False, reset(world_rng, start_states, start_cumulative)
        if hidden > 0:
            emit(world_rng, now, n_states, hidden, emit_row, emitted, emit_cumulative, observation, row * hidden)
        while row < length and not over:
            state[u(row)] = now
            chosen, why = kinds.choose(kind, act_rng, parameters, memory, optimal, now, steps, n_actions)
            if hidden == 0:
                observation[u(row)] = symbol[u(now)]
            now, paid = take(
                world_rng, now, chosen, n_atoms, tokens, row_start, successor, cumulative, mean, noise, terminal
            )
            action[u(row)] = unfold(fold_rng, id_start, ids, chosen)
            reward[u(row)], tag[u(row)], taken[u(row)] = paid, why, chosen
            row, steps, total = row + 1, steps + 1, total + np.float64(np.float32(paid))
            over = terminal[u(now)] or row - first >= limit
            if row == length:
                break
            state[u(row)] = now
            if hidden > 0:
                emit(world_rng, now, n_states, hidden, emit_row, emitted, emit_cumulative, observation, row * hidden)
            if at_once:
                end = (_TERMINATED if terminal[now] else _TRUNCATED) if over else 0
                kinds.learn(kind, parameters, memory, state, taken, reward, row - 1, row, end, n_actions)
        if over and row < length:
            _break(rows, row, symbol[now], hidden, ids.shape[0], _TERMINATED if terminal[now] else _TRUNCATED)
            row, episodes = row + 1, episodes + 1
        learned[place] = row if at_once else first
    return episodes, changes, total


@kernel(inline=True)
def _break(rows, row, symbol, hidden, break_action, end):
    """Write the row of an episode's end, where nobody acts; its state, and a drawn observation, are there already."""
    observation, action, reward, tag, _, taken = rows
    if hidden == 0:
        observation[row] = symbol
    action[row], reward[row], tag[row], taken[row] = break_action, 0.0, end, BREAK


@kernel(allocates=False)
def _start(rng, place, places, codes, tables, parameters, memory, symbol, n_actions, length):
    """Begin the behaviours that share a place in memory: draw their parameters, fill the memory."""
    memory[0] = 0.0
    for other in range(codes.shape[0]):
        if places[other] == place:
            draw_reals(rng, tables[other], parameters[other])
            kinds.start(codes[other], rng, parameters[other], memory, symbol, n_actions, length)


@kernel(inline=True)
def _catch_up(kind, parameters, memory, first, row, state, taken, reward, tag, n_actions):
    """Learn from the episodes in rows ``first`` to ``row``, whoever acted."""
    for t in range(first, row):
        if taken[u(t)] == BREAK:
            kinds.learn(kind, parameters, memory, state, taken, reward, first, t, np.int64(tag[t]), n_actions)
            first = t + 1
