"""``python -m datagen plan``."""

import argparse

from datagen.commands import options as shared

WHAT = "print what a recipe would make, touching nothing"
EXAMPLES = ("python -m datagen plan --recipe tiny --json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_recipe(parser)
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
        "raw_bytes": plan.shards * plan.header.raw_bytes(),
        "stored_bytes_at_most_about": plan.shards * plan.shard_bytes(),
    }
    shared.print_facts(facts, options.json)
