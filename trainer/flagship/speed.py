"""Phase ``speed``: training steps a second of every cell of the table, with its share of this card's own peak.

A cell that takes the process down with it is named by the journal's ``cell-begun``; the phase goes on with the next.
"""

from typing import Any

from trainer import config as configs
from trainer.bench.device import pace
from trainer.flagship.scale import Cell
from trainer.flagship.worker import Work


def run(work: Work) -> None:
    """Time all cells that were not begun before, what matters most first."""
    settings = work.state.settings()
    begun = {line["cell"] for line in work.state.lines("cell-begun")}
    slowest = 0.0
    for cell in work.scale.cells:
        name = name_of(cell)
        if name in begun:
            continue
        if work.left < max(3.0, 1.5 * slowest):
            work.state.note(
                "skipped", what=f"speed of {name}", why="the phase's seconds are over; a later leg measures it"
            )
            break
        before = work.left
        work.state.note("cell-begun", cell=name)
        line = timed(work, cell, settings)
        work.state.note("speed", cell=name, **line)
        work.say(
            f"  {name}: {line.get('steps_per_second', 0):,.0f} steps/s, {line.get('share_of_peak', 0):.1%} of peak"
        )
        slowest = max(slowest, before - work.left)


def name_of(cell: Cell) -> str:
    """Return what a cell is called."""
    return " ".join((cell.size, cell.backbone, cell.layout, str(cell.context), *cell.settings))


def timed(work: Work, cell: Cell, picked: dict[str, Any]) -> dict[str, Any]:
    """Return what ``pace`` measures of a cell, and its size."""
    changes = (f"model.backbone={cell.backbone}", f"model.layout={cell.layout}", *cell.settings)
    config = configs.load(cell.size, changes)
    if work.device.type == "cpu":
        config = config.model_copy(update={"precision": "fp32"})
    compiled = work.scale.compiles and bool(picked.get("compile"))
    # four positions a step: as many positions in a pass, not steps
    rows = max(1, work.scale.rows // config.model.positions)
    peak = picked.get("peak", float("inf"))
    return {"size": cell.size} | pace(config, cell.context, rows, work.scale.timed, work.device, compiled, peak)
