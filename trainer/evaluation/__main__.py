"""``python -m trainer.evaluation``: an agent and suites in; results.json, a table and learning curves out."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from common import cli
from common.config import parse
from common.errors import UsageError
from trainer.agent import Agent, AgentSettings
from trainer.evaluation import gate, report
from trainer.evaluation.run import Prepared, evaluate, prepare
from trainer.evaluation.subject import Subject, subject
from trainer.evaluation.suites import SUITES, suite

RESULTS = "results.json"
WORLDS = 256


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(
        "python -m trainer.evaluation",
        "Evaluate an agent in context, with frozen weights, on worlds it has never seen, beside tuned baselines.",
        [
            "python -m trainer.evaluation --run runs/tiny --suite small --suite frozenlake --out runs/tiny/evaluation",
            "python -m trainer.evaluation --agent model.safetensors --suite anymdp-16 --steps 1024 --out evaluation",
        ],
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--run", help="a run's folder: its latest checkpoint")
    who.add_argument("--agent", help="an exported model's file")
    parser.add_argument("--suite", action="append", required=True, metavar="NAME", help=", ".join(SUITES))
    parser.add_argument("--out", required=True, help="folder for results.json, table.txt and curves-<suite>.png")
    parser.add_argument("--worlds", type=int, help=f"worlds of each suite ({WORLDS}, with --gate {gate.WORLDS})")
    parser.add_argument("--steps", type=int, help="environment steps in each world (the context it was trained at)")
    parser.add_argument("--seed", type=int, default=0, help="of worlds and transitions (0)")
    parser.add_argument("--temperature", type=float, help="softmax temperature at the first step")
    parser.add_argument("--temperature-floor", type=float, help="the lowest temperature")
    parser.add_argument("--temperature-steps", type=int, help="steps over which it falls; 0: it does not")
    parser.add_argument("--tag", dest="own_tag", type=int, help="tag shown beside the agent's own actions, 0..7")
    parser.add_argument("--discount", type=float, help="wanted discount")
    parser.add_argument("--folding", help="random or modulo: how action ids stand for fewer actions")
    parser.add_argument("--device", help="cpu, cuda; where the model is loaded to unless given")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the model (1: best for small ones)")
    parser.add_argument("--gate", action="store_true", help="exit 1 unless suite small passes the demo's gate")
    parser.add_argument("--json", action="store_true", help="print results.json instead of tables")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return cli.run(_command, _parser().parse_args(arguments))


def _command(options: argparse.Namespace) -> int:
    for name in options.suite:
        suite(name)
    at_least_1 = [n for n in (options.worlds, options.steps, options.threads) if n is not None]
    if min(at_least_1) < 1 or options.seed < 0:
        raise UsageError("--worlds, --steps and --threads must be at least 1 and --seed at least 0")
    chosen = {name: getattr(options, name) for name in AgentSettings.model_fields if name in options}
    settings = parse(AgentSettings, {k: v for k, v in chosen.items() if v is not None}, "how the agent acts")
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out must be a folder, and {out} is a file; give another path")
    who = subject(Path(options.run or options.agent))
    torch.set_num_threads(options.threads)
    agent = Agent.load(who.path, settings, options.device)
    steps = options.steps or who.context
    if steps is None:
        raise UsageError(f"{who.path} does not say at which context it was trained; give --steps")
    worlds = options.worlds or (gate.WORLDS if options.gate else WORLDS)
    prepared = [prepare(agent, name, worlds, steps, options.seed) for name in dict.fromkeys(options.suite)]
    out.mkdir(parents=True, exist_ok=True)
    results = _evaluate(agent, who, prepared, out)
    report.write_tables(results, out / "table.txt")
    pictures = report.draw_curves(results, out)
    if options.json:
        cli.print_json(results)
    else:
        report.print_tables(results)
        print("\n".join(f"wrote {path}" for path in (out / RESULTS, out / "table.txt", *pictures)))
    return _gate(results) if options.gate else 0


def _evaluate(agent: Agent, who: Subject, prepared: list[Prepared], out: Path) -> dict[str, Any]:
    """Evaluate suite after suite; results.json is whole after each of them."""
    results: dict[str, Any] = {"families": list(who.families), "agent": who.facts(), "suites": {}}
    for on in prepared:
        results["suites"][on.suite.name] = evaluate(agent, on, say=_say)
        write_json(results, out / RESULTS)
    return results


def write_json(results: dict[str, Any], path: Path) -> None:
    """Write results so that a reader sees the old file or the new one, never half of it."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(results, indent=1, allow_nan=False), encoding="utf-8")
    os.replace(unfinished, path)


def _gate(results: dict[str, Any]) -> int:
    missed = gate.failures(results)
    for line in missed:
        print(f"gate: {line}", file=sys.stderr)
    return 1 if missed else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
