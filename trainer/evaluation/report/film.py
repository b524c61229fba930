"""Scenes of an episode in, an animated GIF out: maps, poles, hills, rooms, or the graph of any other finite world."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from common.worlds.grid_layout import CLIFF_WALKING, FROZEN_LAKE, GOAL, PIT, read_map
from trainer.evaluation.classic.dynamics import CartPole, MountainCar, Pendulum
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.suites.control import PreparedControl
from trainer.evaluation.suites.grids import DARKROOM_SIDES
from trainer.evaluation.suites.switch2 import CELLS, COLUMNS, GOALS, ROWS

Frame = Callable[[np.ndarray], Image.Image]
"""A scene in, its picture out."""
SIDE = 36
"""Pixels of a cell."""
WIDTH, HEIGHT = 260, 200
MOST_FRAMES = 120
MILLISECONDS = 160
WHITE, INK, BLUE, RED, GREEN, GREY = "#ffffff", "#222222", "#0072B2", "#D55E00", "#009E73", "#dddddd"
_TAXI_WALLS = ((0, 1), (1, 1), (3, 0), (4, 0), (3, 2), (4, 2))
"""(row, column) of cells with a wall on their right."""
_TAXI_PLACES = ((0, 0), (0, 4), (4, 0), (4, 3))


def write_film(scenes: Sequence[np.ndarray], frame: Frame, path: Path) -> Path:
    """Write scenes as a GIF that repeats; a long episode shows its first frames."""
    pictures = [frame(scene) for scene in scenes[:MOST_FRAMES]]
    lasting = [MILLISECONDS] * (len(pictures) - 1) + [8 * MILLISECONDS]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=lasting, loop=0, optimize=True)
    return path


def frame_of(on: Prepared) -> Frame | None:
    """Return what draws scenes of a suite; None where nothing does."""
    name = on.suite.name
    if name.startswith("frozenlake"):
        return grid(read_map(FROZEN_LAKE["8x8" if name.endswith("8x8") else "4x4"]))
    if name == "cliffwalking":
        return grid(read_map(CLIFF_WALKING))
    for side in DARKROOM_SIDES:
        if name == f"darkroom-{side}":
            cells = np.zeros((side, side), dtype=np.uint8)
            cells[-1, -1] = GOAL
            return grid(cells)
    if name in ("taxi", "switch2"):
        return {"taxi": taxi, "switch2": rooms}[name]
    if isinstance(on, PreparedControl):
        return {Pendulum: pole, MountainCar: hill, CartPole: cart}[type(on.rules.dynamics)]
    return ring(on.tasks[0].world.n_states, on.tasks[0].world.terminal) if on.tasks else None


def grid(cells: np.ndarray) -> Frame:
    """Return what draws a map (rows, columns) with the agent in a cell; every cell is a state."""

    def draw(scene: np.ndarray) -> Image.Image:
        picture, pen = _board(*cells.shape)
        for (row, column), kind in np.ndenumerate(cells):
            if kind in (PIT, GOAL):
                _fill(pen, row, column, RED if kind == PIT else GREEN)
        row, column = divmod(int(scene[0]), cells.shape[1])
        _disc(pen, row, column, BLUE)
        return picture

    return draw


def taxi(scene: np.ndarray) -> Image.Image:
    """Draw Taxi: the passenger's place in green, the destination in red, the taxi filled while it carries."""
    state = int(scene[0])
    row, column, waits, wanted = state // 100, state // 20 % 5, state // 4 % 5, state % 4
    picture, pen = _board(5, 5)
    for place in _TAXI_PLACES:
        _fill(pen, *place, GREY)
    _fill(pen, *_TAXI_PLACES[wanted], RED)
    if waits < 4:
        _fill(pen, *_TAXI_PLACES[waits], GREEN)
    for at, beside in _TAXI_WALLS:
        x = (beside + 1) * SIDE
        pen.line([(x, at * SIDE), (x, (at + 1) * SIDE)], fill=INK, width=4)
    _disc(pen, row, column, BLUE, filled=waits == 4)
    return picture


def rooms(scene: np.ndarray) -> Image.Image:
    """Draw Switch2: two rooms, the corridor, both agents and their goals' outlines."""
    picture, pen = _board(ROWS, COLUMNS)
    for row in range(ROWS):
        for column in range(COLUMNS):
            if (row, column) not in CELLS:
                _fill(pen, row, column, INK)
    for who, place in enumerate(divmod(int(scene[0]), len(CELLS))):
        colour = (BLUE, RED)[who]
        row, column = GOALS[who]
        corner = (column * SIDE + 3, row * SIDE + 3)
        pen.rectangle([corner, (corner[0] + SIDE - 6, corner[1] + SIDE - 6)], outline=colour, width=3)
        _disc(pen, *CELLS[place], colour)
    return picture


def pole(scene: np.ndarray) -> Image.Image:
    """Draw Pendulum: upright is angle 0."""
    picture, pen = _canvas()
    centre = np.array([WIDTH / 2, HEIGHT / 2])
    tip = centre + 80 * np.array([-np.sin(scene[0]), -np.cos(scene[0])])
    pen.line([tuple(centre), tuple(tip)], fill=RED, width=12)
    _dot(pen, centre, 6, INK)
    return picture


def hill(scene: np.ndarray) -> Image.Image:
    """Draw MountainCar: the hill, its flag and the car."""
    picture, pen = _canvas()

    def place(x: float) -> np.ndarray:
        return np.array([(x + 1.2) / 1.8 * WIDTH, HEIGHT - 30 - (np.sin(3 * x) * 0.45 + 0.55) * 140])

    pen.line([tuple(place(x)) for x in np.linspace(-1.2, 0.6, 90)], fill=INK, width=3)
    flag = place(0.5)
    pen.line([tuple(flag), (flag[0], flag[1] - 24)], fill=GREEN, width=3)
    _dot(pen, place(float(scene[0])) - np.array([0, 8]), 8, BLUE)
    return picture


def cart(scene: np.ndarray) -> Image.Image:
    """Draw CartPole: 4.8 metres of track."""
    picture, pen = _canvas()
    x, y = WIDTH / 2 + float(scene[0]) / 2.4 * WIDTH / 2, HEIGHT - 50
    pen.line([(0, y + 10), (WIDTH, y + 10)], fill=GREY, width=3)
    pen.rectangle([(x - 22, y - 9), (x + 22, y + 9)], fill=INK)
    pen.line([(x, y - 9), (x + 100 * np.sin(scene[2]), y - 9 - 100 * np.cos(scene[2]))], fill=RED, width=7)
    return picture


def ring(states: int, terminal: np.ndarray) -> Frame:
    """Return what draws a world of few hundred states as points on a ring, terminal ones in red."""
    angle = 2 * np.pi * np.arange(states) / states - np.pi / 2
    points = np.stack([WIDTH / 2 + 85 * np.cos(angle), HEIGHT / 2 + 85 * np.sin(angle)], axis=1)

    def draw(scene: np.ndarray) -> Image.Image:
        picture, pen = _canvas()
        for s in range(states):
            _dot(pen, points[s], 4, RED if terminal[s] else GREY)
        _dot(pen, points[int(scene[0])], 9, BLUE)
        return picture

    return draw


def _board(rows: int, columns: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (columns * SIDE + 1, rows * SIDE + 1), WHITE)
    pen = ImageDraw.Draw(picture)
    for row in range(rows + 1):
        pen.line([(0, row * SIDE), (columns * SIDE, row * SIDE)], fill=GREY)
    for column in range(columns + 1):
        pen.line([(column * SIDE, 0), (column * SIDE, rows * SIDE)], fill=GREY)
    return picture, pen


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (WIDTH, HEIGHT), WHITE)
    return picture, ImageDraw.Draw(picture)


def _fill(pen: ImageDraw.ImageDraw, row: int, column: int, colour: str) -> None:
    pen.rectangle([(column * SIDE + 1, row * SIDE + 1), ((column + 1) * SIDE - 1, (row + 1) * SIDE - 1)], fill=colour)


def _disc(pen: ImageDraw.ImageDraw, row: int, column: int, colour: str, filled: bool = True) -> None:
    box = [(column * SIDE + 7, row * SIDE + 7), ((column + 1) * SIDE - 7, (row + 1) * SIDE - 7)]
    pen.ellipse(box, fill=colour if filled else WHITE, outline=colour, width=4)


def _dot(pen: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, colour: str) -> None:
    x, y = float(centre[0]), float(centre[1])
    pen.ellipse([(x - radius, y - radius), (x + radius, y + radius)], fill=colour)
