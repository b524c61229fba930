"""Phase ``train``: the curriculum's stages as training runs, each begun with the weights of the one before.

A stage's steps follow from its share of the minutes and the measured rate, once, when it begins: the schedule's end is
then fixed, and later legs go on with the very settings (and resume exactly). Where time is up the run is told to stop,
saves, and is whole.
"""

import os
import shutil
import signal
import threading
import traceback
from pathlib import Path
from typing import Any

from common import cli
from common.errors import DataError
from trainer import config as configs
from trainer.checkpoints.folder import LATEST, chosen, step_of
from trainer.checkpoints.sharded import is_index, read_index
from trainer.flagship.scale import Scale, Stage
from trainer.flagship.state import State
from trainer.flagship.worker import Work

SURE = 0.85
"""Of the measured rate: validation, checkpoints and the loader take the rest."""
SAVING = 0.12
"""Share of the phase's seconds kept for saving, at most ``MOST_SAVING``."""
MOST_SAVING = 20.0


def run(work: Work) -> None:
    """Go on with the first stage that is not finished, and with those after it while there is time.

    Raises:
        DataError: Training failed; its message is on the console.
    """
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    timer = threading.Timer(max(0.0, work.left - min(MOST_SAVING, SAVING * work.left)), _time_is_up, (stop,))
    timer.daemon = True
    timer.start()
    try:
        for place in range(first_stage(work.state, work.scale), len(work.scale.stages)):
            if not stop.is_set():
                _go_on(work, place)
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, before)


def _go_on(work: Work, place: int) -> None:
    """Train a stage from where it is to its end, or until told to stop."""
    stage, settings = work.scale.stages[place], settings_of(work, place)
    done = steps_done(work.state, stage)
    if done >= settings["steps"]:
        return
    work.state.note("training", stage=stage.name, from_step=done, steps=settings["steps"])
    work.say(f"  {stage.name}: {done} of {settings['steps']} steps")
    why = _train(settings["arguments"])
    work.state.note("trained", stage=stage.name, step=steps_done(work.state, stage), why=why)
    if why:
        _simplify(work, stage)
        raise DataError(f"training of stage {stage.name} failed: {why}")


def _time_is_up(stop: threading.Event) -> None:
    stop.set()
    os.kill(os.getpid(), signal.SIGTERM)


def _train(arguments: list[str]) -> str:
    """Run the trainer's command in this process; return why it failed, nothing where it did not."""
    from trainer.main import parse, train

    try:
        code = cli.run(train, parse(arguments))
    except Exception as error:  # whatever it is: it is told, and the phase begins again without what may have been it
        traceback.print_exc()
        return f"{type(error).__name__}: {str(error)[:500]}"
    return f"exit code {code}" if code else ""


def _simplify(work: Work, stage: Stage) -> None:
    """After a failure before the first checkpoint: take compiled blocks out, where they were in, and begin anew."""
    if steps_done(work.state, stage):
        return
    shutil.rmtree(work.state.runs / stage.name, ignore_errors=True)
    made = work.state.settings()["stages"]
    plain = ["compile=false" if word == "compile=true" else word for word in made[stage.name]["arguments"]]
    if plain != made[stage.name]["arguments"]:
        work.state.note("without-compile", stage=stage.name)
        work.say(f"  {stage.name}: it failed with compiled blocks before its first checkpoint; once more without")
    work.state.keep(stages=made | {stage.name: made[stage.name] | {"arguments": plain}})


def settings_of(work: Work, place: int) -> dict[str, Any]:
    """Return a stage's steps and command line: those it was begun with, or new ones that are kept from now on."""
    stage, known = work.scale.stages[place], work.state.settings()
    stages: dict[str, Any] = known.get("stages", {})
    if stage.name in stages:
        return dict(stages[stage.name])
    sets = work.sets
    config = configs.load(stage.recipe, sets)
    batch = max(1, round(config.batch * known.get("batch_share", 1.0)))
    sets += [f"batch={batch}", f"compile={'true' if known.get('compile', False) else 'false'}"]
    if known.get("segment"):
        sets.append(f"segment={min(known['segment'], config.segment or known['segment'])}")
    sets += [f"data.workers={max(1, min(work.scale.workers, (os.cpu_count() or 2) - 1))}", "telemetry.report=false"]
    rows = batch * _length(work, stage)
    seconds = 60.0 * known["training_minutes"] * stage.share
    steps = max(stage.updates_at_least, round(SURE * seconds * known.get("rate", 0.0) / rows))
    warmup = min(config.optimiser.warmup_steps, steps // 10)
    sets += [f"steps={steps}", f"optimiser.warmup_steps={warmup}"]
    arguments = ["--recipe", stage.recipe, "--data", f"recipe:{stage.data}", "--run", str(work.state.runs / stage.name)]
    arguments += [word for one in sets for word in ("--set", one)]
    arguments += [word for one in work.scale.data_overrides for word in ("--data-set", one)]
    begin = _begin_with(work.state, work.scale, place)
    arguments += ["--init", begin] if begin else []
    made = {"steps": steps, "arguments": arguments}
    work.state.keep(stages=stages | {stage.name: made})
    return made


def _length(work: Work, stage: Stage) -> int:
    from trainer.flagship.pick import length_of

    return length_of(work.scale, stage.data)


def _begin_with(state: State, scale: Scale, place: int) -> str | None:
    """Return what a stage begins with: the run of the stage before, or what the command was given."""
    if place > 0 and steps_done(state, scale.stages[place - 1]):
        return str(state.runs / scale.stages[place - 1].name)
    init = state.settings().get("init")
    return str(init) if init else None


def first_stage(state: State, scale: Scale) -> int:
    """Return which stage a run begins at: the one whose weights it was given, else the first."""
    init = state.settings().get("init")
    if not init or not is_index(Path(init)):
        return 0
    name = read_index(Path(init))["metadata"].get("card", {}).get("stage")
    names = [stage.name for stage in scale.stages]
    return names.index(name) if name in names else 0


def steps_done(state: State, stage: Stage) -> int:
    """Return the optimiser step of a stage's newest checkpoint, 0 where there is none."""
    pointer = state.runs / stage.name / LATEST
    return step_of(Path(pointer.read_text().strip())) if pointer.is_file() else 0


def newest_run(state: State) -> Path | None:
    """Return the run of the latest stage that has a checkpoint."""
    found = sorted(path.parent for path in state.runs.glob(f"*/{LATEST}"))
    return found[-1] if found else None


def trained(state: State) -> Path | None:
    """Return where the newest weights are: a run, what the command was given to begin with, or None."""
    run = newest_run(state)
    if run is not None and chosen(run, LATEST, print) is not None:
        return run
    init = state.settings().get("init")
    return Path(init) if init else None
