"""A study in, its folder out: every arm trained and measured; what is there already is not done again.

OUT/<arm>/speed.json     what a training step costs, where arms get equal time
OUT/<arm>/run            the training run; the trainer resumes it
OUT/<arm>/measured.json  what it can do
OUT/results.json, table.txt, <study>.png
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common.errors import DataError, UsageError
from trainer import config as configs
from trainer.bench.cells import measured as speed_of
from trainer.checkpoints.folder import folders, step_of
from trainer.study.arm import Arm, Result, Say, Scale, Study

MEASURED = "measured.json"
RENDEZVOUS = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0")
"""On this machine, at a port that is free."""


def run(study: Study, scale: Scale, out: Path, say: Say, only: Sequence[str] = (), ranks: int = 1) -> dict[str, Any]:
    """Train and measure the arms that are not there yet; return results.json, which is whole after each of them.

    Args:
        study: The question.
        scale: How large.
        out: Its folder; the same call again goes on.
        say: Called with lines of progress.
        only: Names of arms, all unless given; the others' results stay if they are there.
        ranks: Processes that train together.

    Raises:
        UsageError: There is no such arm, or the folder holds another study's results.
        DataError: An arm's training failed.
    """
    arms = study.arms(scale)
    unknown = [name for name in only if name not in {arm.name for arm in arms}]
    if unknown:
        raise UsageError(f"--arm takes {', '.join(arm.name for arm in arms)}; got {', '.join(unknown)}")
    told: dict[str, Any] = {"study": study.name, "title": study.title, "about": study.about, "scale": scale.name}
    results = out / "results.json"
    if results.exists():
        before = json.loads(results.read_text(encoding="utf-8"))
        if (before["study"], before["scale"]) != (study.name, scale.name):
            raise UsageError(f"{out} holds study {before['study']} at scale {before['scale']}; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    wanted = [arm for arm in arms if not only or arm.name in only]
    kept_ones = ((arm.name, out / arm.name / MEASURED) for arm in arms if arm not in wanted)
    found = {name: json.loads(path.read_text(encoding="utf-8"))["value"] for name, path in kept_ones if path.exists()}
    for arm in wanted:
        found[arm.name] = _arm(study, arm, scale, out / arm.name, say, ranks)
        told["arms"] = {one.name: {"about": one.about, **found[one.name]} for one in arms if one.name in found}
        write(results, told)
        (out / "table.txt").write_text(study.table(told["arms"]) + "\n", encoding="utf-8")
        study.draw(told["arms"], out / f"{study.name}.png")
    return told


def _arm(study: Study, arm: Arm, scale: Scale, folder: Path, say: Say, ranks: int) -> Result:
    """Return what an arm can do, trained and measured unless that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    speed = None
    if arm.minutes is not None:
        asked = {"recipe": arm.recipe, "settings": list(arm.settings), "length": length_of(arm)}
        speed = kept(folder / "speed.json", asked, lambda: _speed(arm))
        steps = round(60 * arm.minutes * speed["steps_per_cpu_second"] / rows_of_a_step(arm))
        arm = arm._replace(settings=(*arm.settings, f"steps={max(1, steps)}"))
    train(arm, folder / "run", say, ranks)
    asked = {"arm": list(arm[2:]), "scale": list(scale)}

    def measure() -> Result:
        say(f"{arm.name}: measuring")
        return {"speed": speed, **study.measure(arm, folder / "run", scale, say)}

    return kept(folder / MEASURED, asked, measure)


def train(arm: Arm, run_folder: Path, say: Say, ranks: int = 1) -> None:
    """Train an arm, or go on where it stopped; a run that has ended is left alone.

    Raises:
        DataError: Training failed, or was told to stop; its last lines say why.
    """
    words = ["--recipe", arm.recipe, "--data", f"recipe:{arm.data}", "--run", str(run_folder)]
    words += [word for setting in arm.settings for word in ("--set", setting)]
    words += [word for setting in arm.data_settings for word in ("--data-set", setting)]
    start = ["-m", "trainer.launch", "--nproc-per-node", str(ranks), *RENDEZVOUS, "-m"] if ranks > 1 else ["-m"]
    say(f"{arm.name}: python {shlex.join([*start, 'trainer.main', *words])}")
    log = run_folder.parent / "train.log"
    with log.open("a", encoding="utf-8") as file:
        done = subprocess.run([sys.executable, *start, "trainer.main", *words], stdout=file, stderr=subprocess.STDOUT)
    wanted, reached = configs.load(arm.recipe, arm.settings).steps, max(map(step_of, folders(run_folder)), default=0)
    if done.returncode == 0 and reached < wanted:
        raise DataError(
            f"{arm.name} was told to stop at step {reached} of {wanted}; the same command goes on from there"
        )
    if done.returncode != 0:
        last = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
        raise DataError(f"training {arm.name} failed, see {log}:\n{last}")


def length_of(arm: Arm) -> int:
    """Return the rows of a sequence that an arm trains on."""
    from common.synthesis.recipe import load

    return load(arm.data, arm.data_settings).length


def rows_of_a_step(arm: Arm) -> int:
    """Return the rows of an optimiser step of an arm."""
    return configs.load(arm.recipe, arm.settings).batch * length_of(arm)


def _speed(arm: Arm) -> Result:
    length = length_of(arm)
    return speed_of(configs.load(arm.recipe, arm.settings), length, length)


def kept(path: Path, asked: Any, make: Callable[[], Result]) -> Result:
    """Return the value kept at ``path`` if it answers ``asked``; else make it and keep it."""
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["asked"] == json.loads(json.dumps(asked)):
            return dict(before["value"])
    value = make()
    write(path, {"asked": asked, "value": value})
    return value


def write(path: Path, value: Any) -> None:
    """Write JSON in full or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    new.replace(path)
