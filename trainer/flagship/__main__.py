"""``python -m trainer.flagship --minutes 9 --state FOLDER``: a leg of the flagship run; once more: the next leg."""

import argparse
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.errors import UsageError
from trainer.flagship.leg import PHASES, Asked, Leg
from trainer.flagship.scale import SCALES
from trainer.flagship.state import State

EXAMPLES = (
    "python -m trainer.flagship --minutes 9 --state runs/flagship",
    "python -m trainer.flagship --minutes 9 --state runs/flagship      # again: the next leg",
    "python -m trainer.flagship --minutes 9 --state runs/next --init share/agent/model.safetensors.index.json",
    "python -m trainer.flagship --minutes 4 --state runs/flagship --phases machine,parity,pick,speed",
    "python -m trainer.flagship --minutes 2 --state runs/rehearsal --device cpu --scale small",
)
NEEDED = ("torch", "numba", "pyarrow", "safetensors", "pydantic", "gymnasium", "rich")


def command(arguments: argparse.Namespace) -> int:
    """Check everything, then do a leg.

    Raises:
        UsageError: A setting is out of range, a package is missing, or the state folder is something else's.
    """
    if not (math.isfinite(arguments.minutes) and arguments.minutes > 0 and arguments.training_minutes > 0):
        raise UsageError("--minutes and --training-minutes must be over 0")
    phases = tuple(arguments.phases.split(",")) if arguments.phases else PHASES
    unknown = [name for name in phases if name not in PHASES]
    if unknown:
        raise UsageError(f"--phases takes some of {', '.join(PHASES)}, got {', '.join(unknown)}")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"packages are missing: {', '.join(missing)}; `make wheels` where there is a network, then "
            "`pip install --no-index --no-deps --target site wheels/*.whl` and PYTHONPATH=site here"
        )
    if arguments.init and not Path(arguments.init).exists():
        raise UsageError(f"--init {arguments.init} does not exist; give a run, an exported file or an index")
    if arguments.state.exists() and not (arguments.state / "journal.jsonl").exists() and any(arguments.state.iterdir()):
        raise UsageError(f"{arguments.state} holds something that is no flagship run; give another --state")
    state = State(arguments.state.resolve())
    known = state.settings()
    _same(known, arguments)
    state.keep(
        scale=arguments.scale,
        training_minutes=known.get("training_minutes", arguments.training_minutes),
        sets=known.get("sets", arguments.set),
        init=known.get("init") or (str(Path(arguments.init).resolve()) if arguments.init else None),
    )
    asked = Asked(
        minutes=arguments.minutes,
        device=arguments.device,
        scale=arguments.scale,
        phases=phases,
        again=arguments.again,
    )
    return Leg(state, asked, _say).run()


def _same(known: dict[str, object], arguments: argparse.Namespace) -> None:
    """Refuse to go on with other settings than a state was begun with."""
    for name, given in (("scale", arguments.scale), ("sets", arguments.set or None)):
        if given is not None and known.get(name) not in (None, given):
            raise UsageError(
                f"{arguments.state} was begun with {name} {known[name]}, got {given}; give another --state"
            )


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser(
        "python -m trainer.flagship",
        "From a bare accelerator to a trained, evaluated, shared agent, in legs of minutes.",
        EXAMPLES,
    )
    parser.add_argument("--minutes", type=float, required=True, help="that this leg may take, whatever happens")
    parser.add_argument(
        "--state", type=Path, required=True, help="folder that legs go on from; made where there is none"
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cuda (the default) or cpu")
    parser.add_argument("--scale", default="full", choices=list(SCALES), help="full, or small: a rehearsal")
    parser.add_argument("--phases", help=f"only these, in this order: {','.join(PHASES)}")
    parser.add_argument("--again", action="store_true", help="measure again what was measured on such a machine")
    parser.add_argument(
        "--training-minutes", type=float, default=14.0, help="of all legs together: fixes the schedule (14)"
    )
    parser.add_argument("--init", help="weights to begin with: an index, an exported file or a run")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="change the training recipes")
    return cli.run(command, parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
