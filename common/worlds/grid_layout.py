"""Layouts of grids: which cells are walls, and which layouts are kept for evaluation and never drawn."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.random import below, shuffle, uniform

FREE, WALL, PIT, GOAL = range(4)
LARGEST_MAP = 12
"""Rows and columns of the largest evaluation map."""
FROZEN_LAKE = {
    "4x4": ("....", ".O.O", "...O", "O..G"),
    "8x8": (
        "........",
        "........",
        "...O....",
        ".....O..",
        "...O....",
        ".OO...O.",
        ".O..O.O.",
        "...O...G",
    ),
}
"""Gymnasium's maps of FrozenLake, the start in the upper left corner."""
CLIFF_WALKING = ("............", "............", "............", ".OOOOOOOOOOG")
"""Gymnasium's map of CliffWalking, the start in the lower left corner."""
_DARKROOM_SIDES = (6, 8, 10)
_CELLS = {".": FREE, "#": WALL, "O": PIT, "G": GOAL}


def read_map(rows: tuple[str, ...]) -> np.ndarray:
    """Return a map written as strings (``.`` free, ``#`` wall, ``O`` pit, ``G`` goal) as uint8 (rows, columns)."""
    return np.array([[_CELLS[cell] for cell in row] for row in rows], dtype=np.uint8)


def evaluation_maps() -> list[np.ndarray]:
    """Return the maps no sampled grid may be: FrozenLake's two, CliffWalking's, Darkroom with its goal in any cell."""
    maps = [read_map(rows) for rows in (*FROZEN_LAKE.values(), CLIFF_WALKING)]
    for side in _DARKROOM_SIDES:
        for cell in range(side * side):
            darkroom = np.full(side * side, FREE, dtype=np.uint8)
            darkroom[cell] = GOAL
            maps.append(darkroom.reshape(side, side))
    return maps


def pack_maps(maps: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return every rotation and reflection of maps, once each, as (sizes (M, 2) int64, cells (M, 12, 12) uint8).

    Symbols and actions of a world carry no meaning, so a turned map is the same world.
    """
    turned = {}
    for one in maps:
        for quarter in range(4):
            for shown in (np.rot90(one, quarter), np.rot90(one, quarter).T):
                turned[shown.shape, shown.tobytes()] = shown
    cells = np.zeros((len(turned), LARGEST_MAP, LARGEST_MAP), dtype=np.uint8)
    for place, shown in zip(cells, turned.values(), strict=True):
        place[: shown.shape[0], : shown.shape[1]] = shown
    sizes = np.array([shown.shape for shown in turned.values()], dtype=np.int64).reshape(-1, 2)
    return sizes, cells


@kernel
def is_one_of(cells, rows, columns, sizes, maps):
    """Return whether the grid ``cells`` (rows * columns, flat) is one of the packed maps."""
    for m in range(sizes.shape[0]):
        if sizes[m, 0] == rows and sizes[m, 1] == columns:
            same = True
            for i in range(rows * columns):
                if cells[i] != maps[m, i // columns, i % columns]:
                    same = False
                    break
            if same:
                return True
    return False


@kernel
def draw_walls(rng, n, rows, wall_share):
    """Draw a grid with n connected free cells: (rows, columns, cells), ``cells`` uint8 (rows * columns,) flat.

    ``rows`` 0: a plane, of between two rows and as many as columns, then turned at random. About ``wall_share`` of the
    cells are walls, more where n does not fill its last row. One row has no walls.
    """
    area = n
    if rows != 1:
        area = int(np.ceil(n / (1.0 - wall_share)))
    height = rows
    if rows == 0:
        most = 2
        while (most + 1) * (most + 1) <= area:
            most += 1
        height = 2 + below(rng, most - 1)
    width = (area + height - 1) // height
    if rows == 0 and uniform(rng) < 0.5:
        height, width = width, height
    cells = np.zeros(height * width, dtype=np.uint8)
    order = np.arange(height * width)
    left = height * width - n
    while left > 0:
        # a connected grid always has a cell it can lose, though one passed over may become so only later
        shuffle(rng, order)
        for cell in order:
            if left > 0 and cells[cell] == FREE:
                cells[cell] = WALL
                if _connected(cells, height, width):
                    left -= 1
                else:
                    cells[cell] = FREE
    return height, width, cells


@kernel
def neighbour(cell, direction, rows, columns):
    """Return the cell next to ``cell`` (0 up, 1 right, 2 down, 3 left), or the cell itself at the border."""
    row, column = cell // columns, cell % columns
    if direction == 0 and row > 0:
        return cell - columns
    if direction == 1 and column < columns - 1:
        return cell + 1
    if direction == 2 and row < rows - 1:
        return cell + columns
    if direction == 3 and column > 0:
        return cell - 1
    return cell


@kernel
def _connected(cells, rows, columns):
    """Return whether all free cells hang together."""
    waiting = np.empty(cells.shape[0], dtype=np.int64)
    seen = cells.copy()
    free, count = 0, 0
    for cell in range(cells.shape[0]):
        if cells[cell] == FREE:
            free += 1
            if count == 0:
                waiting[0] = cell
                seen[cell] = WALL
                count = 1
    found = 0
    while count > 0:
        count -= 1
        cell = waiting[count]
        found += 1
        for direction in range(4):
            near = neighbour(cell, direction, rows, columns)
            if seen[near] == FREE:
                seen[near] = WALL
                waiting[count] = near
                count += 1
    return found == free
