"""The stages one after another: each runs, is timed, and is remembered, so that a rerun goes on where it ended."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from common.config import Settings, digest
from common.dataset.reader import open_dataset
from common.errors import DataError, UsageError
from common.synthesis.recipe import identity_digest, load
from deploy.dashboard.tail import read_document
from deploy.demo.plan import ROOT, Commands, DemoSettings, stage_environment
from deploy.demo.processes import run_logged
from deploy.demo.ray_head import environment, ray_head

GATE_LINE = "gate: "
"""How evaluation begins the lines that say why its gate is missed."""


class Stage(Settings):
    """What is remembered of a stage."""

    seconds: float = 0.0
    """Wall time, all attempts together."""
    attempts: int = 0
    exit_code: int | None = None
    """Of the last attempt; None where it was interrupted."""
    key: str = ""
    """Digest of what the last attempt was asked and given."""


class StageFailed(DataError):
    """A stage ended with another exit code than 0."""


class Demo:
    """Runs the stages of one demo folder."""

    def __init__(self, settings: DemoSettings, columns: int = 140) -> None:
        """Take up what an earlier demo left in ``settings.out``."""
        self.settings = settings
        self.commands = Commands(settings)
        self._environment = stage_environment(os.environ, columns)
        self._memory = settings.out / "demo.json"
        self.stages = _remembered(self._memory)

    def run(self) -> list[str]:
        """Run all stages; return why the gate is missed, empty where it is passed.

        Raises:
            StageFailed: A stage failed; the message names it, its exit code and its log.
        """
        self.settings.out.mkdir(parents=True, exist_ok=True)
        self._data()
        self._stage("train", self.commands.train(), "train with torchrun")
        if not trained(self.settings):
            raise StageFailed(f"stage train left {self.settings.run} unfinished; the same command resumes it")
        return self._evaluate()

    def _data(self) -> None:
        title = "generate data as a Ray job"
        if complete(self.settings):
            _announce("data", title)
            print(f"{self.settings.data} is complete", flush=True)
            return
        values = environment(self._environment, Path(self._environment["PATH"].split(os.pathsep)[0]))

        def attempt() -> int:
            with ray_head(values, self.settings.log("ray")) as address:
                command = self.commands.data(address)
                return run_logged(command, self.settings.log("data"), ROOT, values)

        self._timed("data", title, attempt)
        if not complete(self.settings):
            raise StageFailed(f"stage data left {self.settings.data} incomplete; see {self.settings.log('data')}")

    def _evaluate(self) -> list[str]:
        log = self.settings.log("evaluation")
        key = digest({"command": self.commands.evaluate(), "model": _read(self.settings.run / "latest")})
        before = self.stages.get("evaluation", Stage())
        if before.key == key and before.exit_code in (0, 1) and (self.settings.evaluation / "results.json").exists():
            _announce("evaluation", "evaluate in context on unseen worlds")
            print(f"{self.settings.evaluation} holds the results of this very model", flush=True)
            return _gate_lines(log) if before.exit_code else []
        log.unlink(missing_ok=True)  # its lines say whether the gate was missed
        self._stage("evaluation", self.commands.evaluate(), "evaluate in context on unseen worlds", key, gated=True)
        return _gate_lines(log)

    def _stage(self, name: str, command: list[str], title: str, key: str = "", gated: bool = False) -> None:
        log = self.settings.log(name)
        self._timed(name, title, lambda: run_logged(command, log, ROOT, self._environment), key, gated)

    def _timed(self, name: str, title: str, attempt: Callable[[], int], key: str = "", gated: bool = False) -> None:
        """Run a stage and remember how it went, whatever happens."""
        _announce(name, title)
        before, begin = self.stages.get(name, Stage()), time.monotonic()
        code: int | None = None
        try:
            code = attempt()
        finally:
            seconds = before.seconds + time.monotonic() - begin
            self.stages[name] = Stage(seconds=seconds, attempts=before.attempts + 1, exit_code=code, key=key)
            self._remember()
        log = self.settings.log(name)
        if code and not (gated and code == 1 and _gate_lines(log)):
            raise StageFailed(f"stage {name} failed with exit code {code}; see {log}; the same command resumes")

    def _remember(self) -> None:
        values = {name: stage.model_dump(mode="json") for name, stage in self.stages.items()}
        unfinished = self._memory.with_suffix(".part")
        unfinished.write_text(json.dumps(values, indent=1), encoding="utf-8")
        os.replace(unfinished, self._memory)


def complete(settings: DemoSettings) -> bool:
    """Say whether the dataset is there, whole, and of the recipe that is asked for."""
    recipe = load(settings.recipe, settings.data_overrides)
    try:
        dataset = open_dataset(str(settings.data))
    except UsageError:
        return False
    same = dataset.identity == identity_digest(recipe) and len(dataset) == recipe.n_sequences
    return same and len(dataset.committed()) == dataset.n_shards


def trained(settings: DemoSettings) -> bool:
    """Say whether the run's newest checkpoint is its last; the trainer also ends well where it was told to stop."""
    description = read_document(settings.run / "run.json").value or {}
    step = _read(settings.run / "latest").strip().removeprefix("step-")
    return step.isdecimal() and int(step) >= description.get("steps", 0) > 0


def _remembered(path: Path) -> dict[str, Stage]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {name: Stage.model_validate(value) for name, value in values.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{path} is no demo's memory ({error}); remove it, or give another --out") from error


def _gate_lines(log: Path) -> list[str]:
    text = _read(log)
    return [line.removeprefix(GATE_LINE) for line in text.splitlines() if line.startswith(GATE_LINE)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _announce(name: str, title: str) -> None:
    print(f"\n=== {name}: {title}", flush=True)
