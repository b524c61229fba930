"""A data recipe: worlds to draw, behaviours to mix, how long and how many; everything a dataset is made of, checked."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from common.agents.behaviour import Behaviour
from common.agents.kinds import AnyBehaviour
from common.config import Settings, digest, load_recipe, parse, recipe_names
from common.dataset.schema import DISCOUNTS, MAX_ACTIONS
from common.draw import Draw, extremes, real, whole
from common.errors import UsageError
from common.worlds import registry

FOLDER = Path(__file__).resolve().parent / "recipes"
"""Where the shipped recipes lie."""
SYNTHESIS_VERSION = 2
"""Raised whenever the same recipe and index would give other bytes for a reason that no family's version tells."""


class FamilyChoice(Settings):
    """A family of worlds in the mixture."""

    family: str
    """A registered family's name."""
    weight: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    """Probability of a sequence's world being of it, relative to the other families'."""
    parameters: dict[str, Draw] = Field(default_factory=dict)
    """The family's parameters, each a value or a way to draw one per world; the rest keep their defaults."""

    @model_validator(mode="after")
    def _known(self) -> "FamilyChoice":
        fields = registry.family(self.family).parameters.model_fields
        for name, what in list(self.parameters.items()):
            if name == "vocabulary":
                raise ValueError("vocabulary is the recipe's own setting: leave it out of a family's parameters")
            if name not in fields:
                known = ", ".join(field for field in fields if field != "vocabulary")
                raise ValueError(f"family {self.family!r} has no parameter {name!r}; its parameters are {known}")
            self.parameters[name] = _fit(fields[name].annotation, what, f"{self.family}.{name}")
        return self

    def corners(self, vocabulary: int) -> list[Settings]:
        """Return the family's settings at the ends of every drawn parameter, checked as the family checks them.

        Raises:
            UsageError: The family refuses one.
        """
        ends = {name: extremes(what) for name, what in self.parameters.items()}
        drawn = [name for name, values in ends.items() if len(values) > 1]
        cases = [{name: values[i] for name, values in ends.items()} for i in (0, -1)]
        for name in drawn:
            cases.extend({**cases[0], name: value} for value in ends[name])
        if len(drawn) <= 6:
            cases.extend(dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values()))
        model = registry.family(self.family).parameters
        unique = {repr(sorted(case.items())): case for case in cases}
        return [parse(model, {**c, "vocabulary": vocabulary}, f"family {self.family!r}") for c in unique.values()]


def _fit(annotation: Any, what: Any, name: str) -> Any:
    """Return a drawn parameter as one of its field's type: reals for float, integers for int."""
    types = set(get_args(annotation)) or {annotation}
    try:
        if float in types and not isinstance(what, str):
            return real(what)
        if int in types and bool not in types:
            return whole(what)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return what


class Recipe(Settings):
    """Everything a dataset is made of. What its sequences hold depends on all but name, counts and shard size."""

    name: str
    """What people call it."""
    seed: int = Field(default=0, ge=0)
    """Run seed; worlds and behaviours of every sequence come from (seed, purpose, index)."""
    sequences: int = Field(gt=0)
    """How many sequences are wanted; rounded up to whole shards."""
    length: int = Field(gt=0)
    """Rows of a sequence, breaks included."""
    tasks: int | None = Field(default=None, gt=0, exclude_if=lambda value: value is None)
    """Worlds that the training sequences share, taken in turn; None: there is always another.

    Validation and evaluation are not limited: their sets stay the same whatever the number of training tasks."""
    sequences_per_task: int = Field(default=1, gt=0, exclude_if=lambda value: value == 1)
    """So many training sequences in a row have the same world: short ones are then made faster, the world being drawn
    and solved once. Sequence i has world (i // this) modulo ``tasks``."""
    sequences_per_shard: int = Field(gt=0)
    """A constant of the dataset; kept when it is extended."""
    vocabulary: int = Field(gt=0, le=65_535)
    """Observation symbols."""
    actions: int = Field(gt=0, le=MAX_ACTIONS)
    """Action ids A; a world with fewer actions folds them."""
    label: Literal["oracle", "action"] = "oracle"
    """What the policy is trained on: all optimal actions, or the recorded action."""
    restarts: tuple[float, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Discounts whose labels count what follows an episode's end: the next episode. Elsewhere an end is worth 0, and an
    oracle of a high discount stays out of ends after which it could begin anew at once."""
    switch_share: float = Field(default=0.85, ge=0.0, le=1.0)
    """Share of sequences in which the behaviour may change."""
    switch_probability: float = Field(default=0.2, ge=0.0, le=1.0)
    """In those, the probability that a behaviour is drawn anew at an episode's end."""
    families: tuple[FamilyChoice, ...] = Field(min_length=1)
    """Worlds, mixed by weight."""
    behaviours: tuple[AnyBehaviour, ...] = Field(min_length=1)
    """Behaviours, mixed by weight."""

    @field_validator("families", "behaviours")
    @classmethod
    def _some_weight(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if sum(item.weight for item in value) <= 0.0:
            raise ValueError("at least one weight must be over 0; raise one")
        return value

    @field_validator("restarts")
    @classmethod
    def _labelled(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        unknown = [discount for discount in value if discount not in DISCOUNTS]
        if unknown:
            raise ValueError(f"restarts takes some of {', '.join(map(str, DISCOUNTS))}, got {list(value)}")
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        corners = [(choice.family, choice.corners(self.vocabulary)) for choice in self.families]
        for family, cases in corners:
            for settings in cases:
                for name, limit, what in (
                    ("n_states", self.vocabulary, "vocabulary"),
                    ("n_actions", self.actions, "actions"),
                ):
                    value = getattr(settings, name, None) or 0
                    if value > limit:
                        raise ValueError(
                            f"{name} must not exceed the recipe's {what}, got {value} in family {family!r} "
                            f"and {what} = {limit}; raise {what} or lower {name}"
                        )
        self._check_tokens(corners)
        return self

    def _check_tokens(self, corners: list[tuple[str, list[Settings]]]) -> None:
        """Refuse worlds of several tokens beside others: their observations and actions have other shapes."""
        found = set()
        for family, cases in corners:
            for settings in cases:
                observed, acted = (getattr(settings, f"{what}_tokens", 1) for what in ("observation", "action"))
                n_actions = getattr(settings, "n_actions", 0) if acted > 1 else 0
                found.add((observed, acted, n_actions))
                if acted > 1 and n_actions**acted != self.actions:
                    raise ValueError(
                        "a recipe's actions must be n_actions ** action_tokens where actions have several tokens, got "
                        f"{self.actions} and {n_actions} ** {acted} in family {family!r}; "
                        f"set actions = {n_actions**acted}"
                    )
        if len(found) > 1:
            raise ValueError(
                "families of several tokens are never mixed with others or with other numbers of tokens or actions, "
                f"got (observation tokens, action tokens, actions a token) {sorted(found)}; make a dataset of each"
            )

    @property
    def hides_state(self) -> bool:
        """Whether any family hides its state: the dataset then stores it, and labels are indexed by it."""
        return any(registry.family(choice.family).hides_state for choice in self.families)

    @property
    def observation_tokens(self) -> int:
        """Symbols of an observation, in all families the same."""
        return getattr(self.families[0].corners(self.vocabulary)[0], "observation_tokens", 1)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.sequences // self.sequences_per_shard)

    @property
    def n_sequences(self) -> int:
        """Number of sequences, whole shards."""
        return self.shards * self.sequences_per_shard

    def with_behaviours(self, behaviours: Sequence[Behaviour]) -> "Recipe":
        """Return the recipe with another mixture: the same worlds, differently explored."""
        return Recipe.model_validate({**self.model_dump(), "behaviours": [b.model_dump() for b in behaviours]})

    def without_oracle(self) -> "Recipe":
        """Return the recipe without behaviours that know the optimal actions.

        Raises:
            UsageError: No behaviour is left.
        """
        left = [item for item in self.behaviours if not item.needs_optimal]
        if sum(item.weight for item in left) <= 0.0:
            raise UsageError(f"recipe {self.name!r} has no behaviour without an oracle; add one, for example random")
        return self.with_behaviours(left)


def load(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """Return a recipe by name or by the path of a TOML file, with ``a.b=value`` overrides applied.

    Raises:
        UsageError: It does not exist, or a setting is unknown, ill-typed or breaks a rule.
    """
    return load_recipe(Recipe, recipe, FOLDER, overrides)


def names() -> list[str]:
    """Return the names of the shipped recipes."""
    return recipe_names(FOLDER)


def identity_digest(recipe: Recipe) -> str:
    """Return the digest of what decides every byte of every sequence, 64 hexadecimal digits.

    Families with their versions, behaviours, length, vocabularies, label rule and seed; not name, counts, shard size.
    The numbers of tasks and of a task's sequences are among them where they are given.
    """
    settings = recipe.model_dump(mode="json", exclude={"name", "sequences", "sequences_per_shard"})
    versions = {choice.family: registry.family(choice.family).version for choice in recipe.families}
    return digest({"recipe": settings, "families": versions, "synthesis": SYNTHESIS_VERSION})
