"""``python -m trainer.evaluation.demonstrations``: the three beginnings, and the paper's Table 2.

Empty context, imperfect demonstrations (random, noisy oracle, a Q-learner's history) and expert ones, each with several
numbers of demonstration episodes; the agent reads them into its context, conservative Q-learning learns from them.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from common import cli
from common.errors import UsageError
from trainer.agent import Agent
from trainer.evaluation.baselines.shown import KINDS, Shown, demonstrations
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.protocol import PRESETS, acting_of
from trainer.evaluation.report import offline
from trainer.evaluation.run import Begin, Say, evaluate
from trainer.evaluation.several import heading, ready, say
from trainer.evaluation.subject import subject
from trainer.evaluation.suites import SUITES, named

PLAYERS = ("conservative-q",)
TABLE_2 = tuple(offline.PAPER)


def begin_with(shown: Shown) -> Begin:
    """Return what gives an agent, just reset, demonstrations."""
    columns = {
        name: _padded([rows[name] for rows in shown.rows]) for name in ("observation", "action", "reward", "tag")
    }
    lengths = np.array([len(rows["tag"]) for rows in shown.rows])

    def begin(agent: Agent, on: Prepared) -> None:
        agent.prefill(columns["observation"], columns["action"], columns["reward"], columns["tag"], lengths)

    return begin


def from_demonstrations(agent: Agent, on: Prepared, kind: str | None, episodes: int, say: Say) -> dict[str, Any]:
    """Evaluate an agent, and conservative Q-learning, from one beginning; no ``kind``: from an empty context.

    Raises:
        UsageError: There is no such demonstrator, or the number of episodes is under 1.
    """
    shown = None if kind is None else demonstrations(on, kind, episodes)
    name = "empty context" if shown is None else shown.name
    outcome = evaluate(
        agent,
        on,
        say=say,
        begin=None if shown is None else begin_with(shown),
        beginning=name,
        baselines=() if shown is None else PLAYERS,
        shown=shown,
    )
    players = {"model": outcome.entry["model"], **outcome.entry["baselines"]}
    line: dict[str, Any] = {
        "demonstrator": kind or "none",
        "episodes": 0 if shown is None else episodes,
        "shown_return": None if shown is None else float(shown.returns().mean()),
        "settings": outcome.entry["settings"],
        "references": outcome.entry["references"],
        "conservative-q": None,
    }
    for player, scores in players.items():
        line[player] = {"episodes": offline.figures(outcome.tallies[player]), "scores": scores}
    return line


def show_all(
    agent: Agent,
    prepared: Sequence[Prepared],
    results: dict[str, Any],
    kinds: Sequence[str],
    episodes: Sequence[int],
    out: Path,
) -> None:
    """Evaluate from every beginning, suite after suite; demonstrations.json is whole after each of them.

    Args:
        agent: Who plays.
        prepared: Suites made ready for it.
        results: What they begin with (``several.heading``); filled.
        kinds: Demonstrators.
        episodes: How many each shows; several numbers, several lines.
        out: The folder.
    """
    from trainer.evaluation.report import files  # draws pictures: needs matplotlib

    for on in prepared:
        beginnings = [(None, 0), *((kind, n) for kind in kinds for n in episodes)]
        results["suites"][on.suite.name] = [from_demonstrations(agent, on, kind, n, say) for kind, n in beginnings]
        files.write_json(results, out / "demonstrations.json")
    with (out / "table2.txt").open("w", encoding="utf-8") as file:
        offline.print_table(results, Console(file=file, width=200))


def _padded(columns: list[np.ndarray]) -> np.ndarray:
    """Return arrays (T_c, ..) of C contexts as one, (C, T, ..), zeros after each one's end."""
    whole = np.zeros((len(columns), max(len(one) for one in columns), *columns[0].shape[1:]), dtype=columns[0].dtype)
    for place, one in enumerate(columns):
        whole[place, : len(one)] = one
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    options.command = shlex.join(["python", "-m", "trainer.evaluation.demonstrations", *given])
    return cli.run(_command, options)


def _parser() -> argparse.ArgumentParser:
    made = cli.parser(
        "python -m trainer.evaluation.demonstrations",
        "Evaluate an agent that begins with demonstrations; print the paper's Table 2 beside ours.",
        [
            "python -m trainer.evaluation.demonstrations --run runs/large --out table2 --steps 20000",
            "python -m trainer.evaluation.demonstrations --agent model.safetensors --suite frozenlake "
            "--demonstrator noisy-oracle --episodes 1,10,100 --worlds 32 --out offline",
        ],
    )
    who = made.add_mutually_exclusive_group(required=True)
    who.add_argument("--run", help="a run's folder: its latest checkpoint")
    who.add_argument("--agent", help="an exported model's file, or a bundled agent's name")
    made.add_argument("--out", required=True, help="folder for demonstrations.json and table2.txt")
    made.add_argument("--suite", action="append", metavar="NAME", help=f"those of Table 2 unless given; {list(SUITES)}")
    made.add_argument("--demonstrator", action="append", choices=KINDS, help="all unless given")
    made.add_argument("--episodes", default="20", help="demonstration episodes, several with commas, as 1,10,100 (20)")
    made.add_argument("--worlds", type=int, default=64, help="worlds of each suite (64)")
    made.add_argument("--steps", type=int, help="steps after the demonstrations (the context it was trained at)")
    made.add_argument("--seed", type=int, default=0, help="of worlds, labels, transitions and demonstrations (0)")
    made.add_argument("--protocol", default="default", help=f"how the agent acts: {', '.join(PRESETS)}")
    made.add_argument("--threads", type=int, default=1, help="CPU threads of the model (1)")
    made.add_argument("--json", action="store_true", help="print demonstrations.json instead of the table")
    return made


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise UsageError(f"--episodes are whole numbers of at least 1 with commas between them, got {text!r}")
    return numbers


def _command(options: argparse.Namespace) -> int:
    from trainer.evaluation.report import files  # draws pictures: needs matplotlib

    episodes, chosen = _numbers(options.episodes), named(options.suite or list(TABLE_2))
    if min(options.worlds, options.threads, options.steps or 1) < 1 or options.seed < 0 or options.steps == 0:
        raise UsageError("--worlds, --steps and --threads must be at least 1 and --seed at least 0")
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out must be a folder, and {out} is a file; give another path")
    who = subject(Path(options.run or options.agent))
    acting = acting_of(who.path, options.protocol)
    torch.set_num_threads(options.threads)
    agent = Agent.load(who.path, acting)
    prepared, skipped = ready(agent, who, chosen, options.worlds, options.steps, options.seed)
    results = heading(who, options.command, skipped)
    with files.alone_in(out):
        show_all(agent, prepared, results, options.demonstrator or KINDS, episodes, out)
    if options.json:
        cli.print_json(results)
    else:
        offline.print_table(results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
