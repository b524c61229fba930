import numpy as np
import pytest

from common.random import generator
from common.worlds import sample_world, solve
from common.worlds.grid_layout import evaluation_maps, is_one_of, pack_maps, read_map
from common.worlds.grid_moves import STAY, draw_moves, write_moves
from common.worlds.gridworld import draw_grid
from common.worlds.payoffs import CHECKS, KINDS


def transitions(text, moves, slip, terminal=()):
    """Return P (n, a, n) of a written map (``#`` wall) under moves and slip."""
    cells = read_map(text)
    n = int((cells == 0).sum())
    is_terminal = np.zeros(n, dtype=np.bool_)
    is_terminal[list(terminal)] = True
    row_start = np.zeros(n * len(moves) + 1, dtype=np.int32)
    successor = np.zeros(n * len(moves) * 3, dtype=np.uint16)
    probability, cumulative = np.zeros(successor.size), np.zeros(successor.size)
    write_moves(
        cells.reshape(-1), *cells.shape, np.array(moves), slip, is_terminal, row_start, successor, probability,
        cumulative,
    )  # fmt: skip
    dense = np.zeros((n * len(moves), n))
    for row in range(n * len(moves)):
        for k in range(row_start[row], row_start[row + 1]):
            dense[row, successor[k]] += probability[k]
    return dense.reshape(n, len(moves), n)


def test_moves_go_one_cell_and_stop_at_borders_and_walls():
    # states: 0 1 / # 2
    p = transitions(("..", "#."), [0, 1, 2, 3, STAY], 0.0)
    assert p[0].argmax(axis=1).tolist() == [0, 1, 0, 0, 0]
    assert p[1].argmax(axis=1).tolist() == [1, 1, 2, 0, 1]
    assert p[2].argmax(axis=1).tolist() == [1, 2, 2, 2, 2]
    assert (p.max(axis=2) == 1.0).all()


def test_a_slip_goes_to_either_side_as_on_the_frozen_lake():
    p = transitions(("...", "...", "..."), [0, STAY], 2.0 / 3.0)
    third = pytest.approx(1.0 / 3.0)
    assert (p[4, 0, 1], p[4, 0, 3], p[4, 0, 5]) == (third, third, third)
    assert (p[0, 0, 0], p[0, 0, 1]) == (pytest.approx(2.0 / 3.0), third)
    assert p[4, 1, 4] == 1.0


def test_frozen_lake_transitions_equal_gymnasium():
    gymnasium = pytest.importorskip("gymnasium")
    theirs = gymnasium.make("FrozenLake-v1", map_name="4x4", is_slippery=True).unwrapped.P
    ends = [5, 7, 11, 12, 15]
    ours = transitions(("....", "....", "....", "...."), [3, 2, 1, 0], 2.0 / 3.0, ends)
    for s in set(range(16)) - set(ends):
        for a in range(4):
            row = np.zeros(16)
            for chance, following, _, _ in theirs[s][a]:
                row[following] += chance
            assert ours[s, a] == pytest.approx(row)


def test_a_line_moves_several_cells_and_slips_short_or_too_far():
    p = transitions((".....",), [2, -1, 0], 0.5)
    assert p[1, 0].tolist() == [0.0, 0.0, 0.25, 0.5, 0.25]
    assert p[4, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert p[2, 1].tolist() == [0.25, 0.5, 0.25, 0.0, 0.0]
    assert p[2, 2].tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]


def test_action_ids_carry_no_meaning():
    seen = {tuple(draw_moves(generator(seed), 4, False, 1)) for seed in range(500)}
    assert len(seen) == 24
    pairs = {tuple(sorted(draw_moves(generator(seed), 2, False, 1))) for seed in range(100)}
    assert len(pairs) == 6


@pytest.mark.parametrize("n_actions", [2, 3, 5, 9])
def test_a_line_can_be_walked_both_ways(n_actions):
    for seed in range(50):
        moves = draw_moves(generator(seed), n_actions, True, 2)
        assert moves.min() < 0 < moves.max()
        assert np.abs(moves).max() <= 2
        different = len(set(moves.tolist()) - {0})
        assert different == min(n_actions, 4)


def draw_cells(seed, n, kept, kind="goal-with-pits", wall_share=0.0, rows=0, min_gap=0.0):
    """Return (cells (rows, columns) with goal and pits, dropped by check) of a draw that avoids the maps ``kept``."""
    dropped = np.zeros(len(CHECKS), dtype=np.int64)
    found, height, width, cells, *_ = draw_grid(
        generator(seed), n, 4, rows, wall_share, 0.0, 1, KINDS.index(kind), 0.3, False, False, 0.0, min_gap,
        *pack_maps(kept),
        20_000, dropped,
    )  # fmt: skip
    assert found
    return cells.reshape(height, width), dict(zip(CHECKS, dropped.tolist(), strict=True))


def test_free_cells_hang_together_and_walls_are_as_asked():
    walls = []
    for seed in range(100):
        cells, _ = draw_cells(seed, 14, [], wall_share=0.4)
        assert (cells != 1).sum() == 14
        walls.append((cells == 1).mean())
        reached = np.zeros(cells.shape, dtype=bool)
        reached[tuple(np.argwhere(cells != 1)[0])] = True
        for _ in range(cells.size):
            grown = np.pad(reached, 1)
            grown = grown[1:-1, 1:-1] | grown[:-2, 1:-1] | grown[2:, 1:-1] | grown[1:-1, :-2] | grown[1:-1, 2:]
            reached = grown & (cells != 1)
        assert reached.sum() == 14
    assert 0.38 < np.mean(walls) < 0.5


def test_every_form_of_a_plane_is_drawn():
    shapes = {draw_cells(seed, 16, [])[0].shape for seed in range(100)}
    assert shapes == {(2, 8), (8, 2), (3, 6), (6, 3), (4, 4)}
    assert {draw_cells(seed, 7, [], rows=1)[0].shape for seed in range(10)} == {(1, 7)}


def test_a_map_kept_for_evaluation_is_never_drawn_however_turned():
    kept = read_map(("O.", ".G"))
    sizes, maps = pack_maps([kept])
    assert sizes.shape == (4, 2)
    drawn = [draw_cells(seed, 4, [])[0] for seed in range(200)]
    assert {cells.tobytes() for cells in drawn if is_one_of(cells.reshape(-1), 2, 2, sizes, maps)} == {
        np.rot90(kept, quarter).tobytes() for quarter in range(4)
    }
    dropped = 0
    for seed in range(200):
        cells, counts = draw_cells(seed, 4, [kept])
        assert not is_one_of(cells.reshape(-1), 2, 2, sizes, maps)
        dropped += counts["evaluation_map"]
    assert dropped > 0


def test_the_evaluation_maps_are_those_of_the_benchmarks():
    gymnasium = pytest.importorskip("gymnasium")
    sizes, maps = pack_maps(evaluation_maps())
    for name in ("4x4", "8x8"):
        desc = gymnasium.make("FrozenLake-v1", map_name=name).unwrapped.desc
        text = ["".join(c.decode() for c in row).replace("S", ".").replace("F", ".").replace("H", "O") for row in desc]
        cells = read_map(tuple(text))
        for turned in (cells, cells.T, np.rot90(cells), np.fliplr(cells)):
            assert is_one_of(np.ascontiguousarray(turned).reshape(-1), *turned.shape, sizes, maps)
    cliff = gymnasium.make("CliffWalking-v1").unwrapped
    cells = np.where(cliff._cliff, 2, 0).astype(np.uint8)
    cells[3, 11] = 3
    assert is_one_of(cells.reshape(-1), 4, 12, sizes, maps)
    for side in (6, 8, 10):
        darkroom = np.zeros((side, side), dtype=np.uint8)
        darkroom[-1, -1] = 3
        assert is_one_of(darkroom.reshape(-1), side, side, sizes, maps)


@pytest.mark.parametrize("side", [6, 8, 10])
def test_darkroom_is_never_drawn(side):
    square = {"n_states": side * side, "rows": side, "reward_kind": "sparse-goal"}
    with pytest.raises(ValueError, match="evaluation_map 20000"):
        sample_world("gridworld", seed=0, **square)
    assert sample_world("gridworld", seed=0, **{**square, "reward_kind": "goal-with-pits"}).n_states == side * side


@pytest.mark.parametrize("form", [{"rows": 1, "reach": 2}, {"wall_share": 0.2}])
def test_a_slip_too_small_to_be_worth_a_value_is_none(form):
    for seed in range(50):
        worlds = [
            sample_world("gridworld", seed=seed, n_states=6, n_actions=3, reward_kind="sparse-goal", slip=slip, **form)
            for slip in (0.0, 1e-308)
        ]
        dense = [world.to_dense() for world in worlds]
        assert all(np.array_equal(dense[0][name], dense[1][name]) for name in dense[0])
        assert (solve(worlds[1]).max(axis=1)[worlds[1].start_states] > 0.0).all()
