"""Sharing a model: `python -m trainer.export --run RUN --out FILE.safetensors` writes the weights and a card beside.

The card, FILE.json (and a copy inside the file), says what the model is: recipe, families of worlds, digest of the
data, validation and evaluation scores. Whoever loads the file executes nothing of it.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.config import changed
from common.errors import DataError, UsageError
from trainer.acting import AgentSettings
from trainer.telemetry import METRICS

EXAMPLES = (
    "python -m trainer.export --run runs/tiny --out tiny.safetensors",
    "python -m trainer.export --run runs/tiny --checkpoint best --out tiny.safetensors",
    "python -m trainer.evaluation --agent tiny.safetensors --suite small --out results    # use it",
)
SCORES = ("best", "asymptote", "score_by_step", "score_by_episode", "worlds")
"""What the card keeps of a suite's results."""


def card_of(run: Path, folder: Path, progress: dict[str, Any]) -> dict[str, Any]:
    """Return what is worth knowing of a checkpoint: run.json, and how it was validated and evaluated.

    Raises:
        DataError: A file of the run is damaged.
    """
    try:
        facts = json.loads((run / "run.json").read_text())
        lines = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
        validation = [line for line in lines if line["kind"] == "validation" and line["step"] <= progress["step"]]
        results = {path: json.loads(path.read_text()) for path in sorted(run.glob("**/results.json"))}
        families = [
            family["family"]
            for data in facts["datasets"]
            for family in data["recipe"].get("families", ())
            if family.get("weight", 1) > 0
        ]
        return {
            **facts,
            "families": list(dict.fromkeys(families)),
            "data_digests": [data["digest"] for data in facts["datasets"]],
            "checkpoint": {"name": folder.name, "step": progress["step"], "samples": progress["sample"]},
            "validation": {line["set"]: line for line in validation if line["step"] == validation[-1]["step"]},
            "scores": {str(path.parent.relative_to(run)): _scores(found) for path, found in results.items()},
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"a file of {run} is missing or damaged: {error!r}") from error


def _scores(results: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: suite["model"][key] for key in SCORES if key in suite["model"]}
        for name, suite in results.get("suites", {}).items()
    }


def export(arguments: argparse.Namespace) -> int:
    """Write the file and its card.

    Raises:
        UsageError: There is no such run or checkpoint, or the name is no ``.safetensors`` file's, or exists.
        DataError: What is there is damaged.
    """
    from trainer.checkpoints.folder import chosen
    from trainer.checkpoints.model import export_model, load_model

    run, out = arguments.run, arguments.out
    if out.suffix != ".safetensors":
        raise UsageError(f"--out is a file ending in .safetensors, got {out}")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out} lies in no folder; make {out.parent} first")
    if out.exists() and not arguments.force:
        raise UsageError(f"{out} exists; give another --out, or --force to replace it")
    if not (run / "run.json").is_file():
        raise UsageError(f"{run} is no run's directory (no run.json)")
    found = chosen(run, arguments.checkpoint, print)
    if found is None:
        raise UsageError(f"{run} has no checkpoint yet; wait until its training has saved one")
    model = load_model(run, str(int(found[0].name.removeprefix("step-"))))
    card = card_of(run, *found)
    if arguments.acting:
        card["acting"] = changed(AgentSettings.of(card), arguments.acting, "how the agent acts").model_dump()
    export_model(model, out, card)
    card |= {"parameters": model.parameter_count(), "sha256": hashlib.sha256(out.read_bytes()).hexdigest()}
    beside = out.with_suffix(".json")
    beside.write_text(json.dumps(card, indent=2) + "\n")
    if arguments.json:
        step = card["checkpoint"]["step"]
        cli.print_json({"file": str(out), "card": str(beside), "step": step, "sha256": card["sha256"]})
    else:
        print(f"{out}: {card['parameters']:,} parameters of step {card['checkpoint']['step']:,}; card: {beside}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser("python -m trainer.export", "Write a run's model as one shareable file and its card.", EXAMPLES)
    parser.add_argument("--run", type=Path, required=True, help="the run's directory")
    parser.add_argument("--out", type=Path, required=True, help="the file to write, ending in .safetensors")
    parser.add_argument("--checkpoint", default="latest", help="latest (the default), best, or an optimiser step")
    parser.add_argument(
        "--acting",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="how it is best played, where that is not as its recipe says: own_tag, temperature, temperature_floor, ..",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return cli.run(export, parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
