"""The command's arguments, and what they ask for."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import cli
from common.config import parse
from common.errors import UsageError
from trainer import agents
from trainer.agent import AgentSettings
from trainer.evaluation import gate
from trainer.evaluation.baselines import ALL, BASELINES, DEEP
from trainer.evaluation.baselines import named as named_baselines
from trainer.evaluation.protocol import PRESETS, Protocol, acting_of
from trainer.evaluation.subject import Subject, subject
from trainer.evaluation.suites import GROUPS, SUITES, Suite, named
from trainer.evaluation.suites.environment import environment_suite

WORLDS = 256


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m trainer.evaluation``."""
    made = cli.parser(
        "python -m trainer.evaluation",
        "Evaluate an agent in context, with frozen weights, on worlds it has never seen, beside tuned baselines.",
        [
            "python -m trainer.evaluation --run runs/tiny --suite small --suite frozenlake --out runs/tiny/evaluation",
            "python -m trainer.evaluation --agent tiny --suite anymdp-16 --baseline all --out evaluation",
            "python -m trainer.evaluation --run runs/tiny --env CartPole-v1 --bins 1,1,4,4 --out cartpole",
            "python -m trainer.evaluation --run runs/large --suite paper --protocol paper --steps 12000 --out table1",
        ],
    )
    who = made.add_mutually_exclusive_group(required=True)
    who.add_argument("--run", help="a run's folder: its latest checkpoint")
    who.add_argument("--agent", help="an exported model's file, or a bundled agent: " + ", ".join(agents.names()))
    made.add_argument("--out", required=True, help="folder for results.json, report.html, tables, pictures, episodes")
    _add_worlds(made.add_argument_group("worlds"))
    _add_acting(made.add_argument_group("how the agent acts"))
    made.add_argument("--device", help="cpu, cuda; where the model is loaded to unless given")
    made.add_argument("--threads", type=int, default=1, help="CPU threads of the model (1: best for small ones)")
    made.add_argument("--gate", action="store_true", help="exit 1 unless suite small passes the demo's gate")
    made.add_argument("--json", action="store_true", help="print results.json instead of tables")
    return made


def _add_worlds(group: Any) -> None:
    names = f"{', '.join(SUITES)}; or a group: {', '.join(GROUPS)}"
    group.add_argument("--suite", action="append", default=[], metavar="NAME", help=names)
    group.add_argument("--env", action="append", default=[], metavar="ID", help="any Gymnasium environment")
    group.add_argument("--bins", help="of continuous observations of --env: one number or one for each, as 12,5 (6)")
    group.add_argument("--levels", type=int, help="values of a continuous action of --env (5)")
    group.add_argument("--oracle-return", type=float, help="what scores of --env count as 1, per episode")
    group.add_argument("--worlds", type=int, help=f"worlds of each suite ({WORLDS}, with --gate {gate.WORLDS})")
    group.add_argument("--steps", type=int, help="environment steps in each world (the context it was trained at)")
    group.add_argument("--seed", type=int, default=0, help="of worlds, labels and transitions (0)")
    names = (
        f"{', '.join(ALL)}, or all of these; {' and '.join(DEEP)} (slow, an extra); unless given {', '.join(BASELINES)}"
    )
    group.add_argument("--baseline", action="append", default=[], metavar="NAME", help=f"who else plays: {names}")
    group.add_argument("--shaping", help="rewards shown: paper (its shaped ones, where it has some) or none")
    group.add_argument("--episode-cap", type=int, help="cut every episode after so many steps (each suite's own)")


def _add_acting(group: Any) -> None:
    group.add_argument("--protocol", default="default", help=f"settings to begin with: {', '.join(PRESETS)}")
    group.add_argument("--temperature", type=float, help="softmax temperature at the first step")
    group.add_argument("--temperature-floor", type=float, help="the lowest temperature")
    group.add_argument("--temperature-steps", type=int, help="steps over which it falls; 0: it does not")
    group.add_argument("--tag", dest="own_tag", type=int, help="tag shown beside the agent's own actions, 0..7")
    group.add_argument("--discount", type=float, help="wanted discount")
    group.add_argument("--views", type=int, help="sets of names under which it reads each sequence at once")
    group.add_argument("--folding", help="random or modulo: how action ids stand for fewer actions")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a command line asks for, checked."""

    who: Subject
    suites: list[Suite]
    out: Path
    worlds: int
    steps: int | None
    seed: int
    acting: AgentSettings
    protocol: Protocol
    baselines: tuple[str, ...] = BASELINES


def asked(options: argparse.Namespace) -> Asked:
    """Check a command line.

    Raises:
        UsageError: A name is unknown or a value out of range.
    """
    suites = named(options.suite) + _environments(options)
    if not suites:
        raise UsageError("say what to evaluate on: --suite NAME (--help lists them) or --env ID")
    at_least_1 = [n for n in (options.worlds, options.steps, options.threads) if n is not None]
    if min(at_least_1) < 1 or options.seed < 0:
        raise UsageError("--worlds, --steps and --threads must be at least 1 and --seed at least 0")
    given = {name: getattr(options, name) for name in AgentSettings.model_fields if name in options}
    given = {name: value for name, value in given.items() if value is not None}
    chosen = Path(options.run or options.agent)
    how = {name: getattr(options, name) for name in Protocol.model_fields if getattr(options, name) is not None}
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out must be a folder, and {out} is a file; give another path")
    baselines = named_baselines(options.baseline) or BASELINES
    return Asked(
        who=subject(chosen),
        suites=suites,
        out=out,
        worlds=options.worlds or (gate.WORLDS if options.gate else WORLDS),
        steps=options.steps,
        seed=options.seed,
        acting=acting_of(chosen, options.protocol, given),
        protocol=parse(Protocol, how, "the protocol"),
        baselines=baselines,
    )


def _environments(options: argparse.Namespace) -> list[Suite]:
    """Return a suite for each --env."""
    if not options.env and (options.bins or options.levels or options.oracle_return is not None):
        raise UsageError("--bins, --levels and --oracle-return are for --env; give one")
    try:
        bins = tuple(int(word) for word in options.bins.split(",")) if options.bins else None
    except ValueError:
        raise UsageError(f"--bins are whole numbers with commas between them, as 12,5; got {options.bins!r}") from None
    return [environment_suite(name, bins, options.levels, options.oracle_return) for name in options.env]
