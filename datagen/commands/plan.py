"""``python -m datagen plan``."""

import argparse
from typing import TYPE_CHECKING, Any

from datagen.commands import options as shared

if TYPE_CHECKING:
    from datagen.projection import Projection

WHAT = "print what a recipe would make, touching nothing"
EXAMPLES = (
    "python -m datagen plan --recipe d-small",
    "python -m datagen plan --recipe tiny --set sequences=1000000 --json",
    "python -m datagen plan --recipe d-long --no-sample",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_recipe(parser)
    parser.add_argument(
        "--no-sample",
        action="store_true",
        help="leave out what is told from a sample of the sequences, made in memory: stored bytes and core-minutes",
    )
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Print the plan."""
    from common.synthesis.recipe import load
    from datagen.plan import make_plan

    plan = make_plan(load(options.recipe, options.overrides))
    facts = {
        "recipe": plan.recipe.name,
        "identity": plan.header.identity,
        "shards": plan.shards,
        "sequences": plan.header.sequences,
        "steps": plan.steps,
        "files": plan.files,
        "actor_bytes": plan.actor_bytes(),
        "raw_bytes": plan.shards * plan.header.raw_bytes(),
        "stored_bytes_at_most_about": plan.shards * plan.shard_bytes(),
    }
    if not options.no_sample:
        from datagen.projection import project

        facts |= _projected(project(plan))
    shared.print_facts(facts, options.json)


def _projected(sample: "Projection") -> dict[str, Any]:
    return {
        "stored_bytes_about": sample.stored_bytes,
        "stored_bytes_per_step": round(sample.bytes_per_step, 3),
        "nanoseconds_per_step": round(sample.nanoseconds_per_step, 1),
        "core_minutes": round(sample.core_minutes, 2),
        "sampled_sequences": sample.sequences,
    }
