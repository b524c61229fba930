"""Where metrics go beside the run's own file: TensorBoard, Weights & Biases, MLflow; each only where asked for."""

import importlib
import secrets
import warnings
from pathlib import Path
from typing import Any, Protocol

from common.errors import DataError, UsageError
from trainer.config import TrainConfig


class Sink(Protocol):
    """Takes numbers."""

    def write(self, numbers: dict[str, float], step: int) -> None:
        """Take the numbers of an optimiser step, by names like ``train/loss``."""

    def close(self) -> None:
        """Flush."""


class TensorBoard:
    """Events in RUN/tensorboard."""

    def __init__(self, run: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._board = SummaryWriter(str(run / "tensorboard"))

    def write(self, numbers: dict[str, float], step: int) -> None:
        """Add scalars."""
        for name, value in numbers.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush."""
        self._board.close()


class WeightsAndBiases:
    """A run of a W&B project; one that goes on keeps its id, kept in RUN/wandb-id."""

    def __init__(self, run: Path, project: str, config: TrainConfig) -> None:
        wandb = _needed("wandb")
        known = run / "wandb-id"
        name = known.read_text().strip() if known.exists() else secrets.token_hex(4)
        known.write_text(name + "\n")
        self._run = wandb.init(
            project=project, id=name, resume="allow", dir=str(run), name=run.name, config=config.model_dump(mode="json")
        )

    def write(self, numbers: dict[str, float], step: int) -> None:
        """Log; the optimiser step is a number among them, for W&B takes no step twice."""
        self._run.log({**numbers, "step": step})

    def close(self) -> None:
        """Flush."""
        self._run.finish()


class MLflow:
    """A run of an MLflow experiment; one that goes on keeps its id, kept in RUN/mlflow-id."""

    def __init__(self, run: Path, experiment: str, config: TrainConfig) -> None:
        self._mlflow = _needed("mlflow")
        self._mlflow.set_experiment(experiment)
        known = run / "mlflow-id"
        if known.exists():
            self._mlflow.start_run(run_id=known.read_text().strip())
            return
        begun = self._mlflow.start_run(run_name=run.name)
        known.write_text(begun.info.run_id + "\n")
        self._mlflow.log_params({"recipe": config.name, "steps": config.steps, "batch": config.batch})
        self._mlflow.log_dict(config.model_dump(mode="json"), "recipe.json")

    def write(self, numbers: dict[str, float], step: int) -> None:
        """Log."""
        self._mlflow.log_metrics(numbers, step=step)

    def close(self) -> None:
        """End the run."""
        self._mlflow.end_run()


def _needed(package: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            f"telemetry.{package} needs the package {package}, which is not installed; pip install 'omnirl[{package}]'"
        ) from error


def check_sinks(config: TrainConfig) -> None:
    """Refuse settings whose package is missing.

    Raises:
        UsageError: Names the extra to install.
    """
    for package in ("wandb", "mlflow"):
        if getattr(config.telemetry, package):
            _needed(package)


def open_sinks(run: Path, config: TrainConfig) -> list[Sink]:
    """Return what the settings ask for.

    Raises:
        UsageError: As of ``check_sinks``.
        DataError: A service does not answer.
    """
    check_sinks(config)
    wanted, sinks = config.telemetry, list[Sink]()
    if wanted.tensorboard:
        sinks.append(TensorBoard(run))
    try:
        if wanted.wandb:
            sinks.append(WeightsAndBiases(run, wanted.wandb, config))
        if wanted.mlflow:
            sinks.append(MLflow(run, wanted.mlflow, config))
    except Exception as error:
        raise DataError(f"a service that telemetry names does not answer: {error}; mend it or leave it out") from error
    return sinks
