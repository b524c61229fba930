"""Who writes the contexts: does it learn from what happens, or imitate who is tagged an expert?"""

from common.synthesis.recipe import Recipe, load
from trainer.study import plain
from trainer.study.arm import Arm, Scale, Study
from trainer.study.inline import inline


def arms(scale: Scale) -> list[Arm]:
    """Return the recipe's mixture, the same without oracles, and with nothing but oracles and their noise."""
    recipe = load(scale.data, scale.data_settings)
    oracles = [one for one in recipe.behaviours if one.needs_optimal]
    mixtures = [
        ("all", "the recipe's mixture", ()),
        ("no-oracles", "the same without behaviours that know the optimum", behaviours(recipe.without_oracle())),
        ("oracles", "nothing but behaviours that know the optimum", behaviours(recipe.with_behaviours(oracles))),
    ]
    # all are judged in contexts of the same mixture
    settings = (*scale.settings, f"validation.recipe={scale.data}")
    return [
        Arm(name, about, scale.recipe, scale.data, settings, (*scale.data_settings, *mixed))
        for name, about, mixed in mixtures
    ]


def behaviours(recipe: Recipe) -> tuple[str]:
    """Return the ``--data-set`` value that gives a recipe's behaviours."""
    return (f"behaviours={inline([one.model_dump(mode='json') for one in recipe.behaviours])}",)


MIXTURE = Study(
    name="mixture",
    title="contexts with oracles, without, and of nothing else",
    about="paper: behaviours of every quality, oracles among them; tags tell them apart",
    arms=arms,
    measure=plain.measure,
    table=plain.table,
    draw=plain.draw,
)
