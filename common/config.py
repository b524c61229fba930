"""Recipes: TOML files and ``--set`` overrides in, frozen and checked settings out."""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import UsageError


class Settings(BaseModel):
    """Base of every configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


S = TypeVar("S", bound=Settings)


def recipe_names(folder: Path) -> list[str]:
    """Return the names of the recipes shipped in ``folder``, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_recipe(model: type[S], recipe: str, folder: Path, overrides: Sequence[str] = ()) -> S:
    """Read a recipe by name (from ``folder``) or by path and apply ``a.b=value`` overrides.

    A recipe may begin with ``base = "name"``: it then has all settings of that one from ``folder`` that it does not
    write itself, at the top level.

    Args:
        model: The settings class the recipe must satisfy.
        recipe: A shipped name such as ``tiny``, or the path of a TOML file (it ends in ``.toml``).
        folder: Where the shipped recipes lie.
        overrides: ``--set`` arguments; the value is read as TOML, or as a string where that fails.

    Raises:
        UsageError: The recipe does not exist, is no TOML, or a setting is unknown or ill-typed.
    """
    values = _read(recipe, folder, ())
    for override in overrides:
        _apply_override(values, override)
    return parse(model, values, f"recipe {recipe!r}")


def changed(settings: S, overrides: Sequence[str], what: str) -> S:
    """Return settings with ``a.b=value`` overrides applied.

    Raises:
        UsageError: A setting is unknown or ill-typed; ``what`` names what is refused.
    """
    values = settings.model_dump()
    for override in overrides:
        _apply_override(values, override)
    return parse(type(settings), values, what)


def _read(recipe: str, folder: Path, above: tuple[str, ...]) -> dict[str, Any]:
    """Return a file's settings over those of its base; ``above`` are the recipes that it is the base of."""
    path = Path(recipe) if recipe.endswith(".toml") else folder / f"{recipe}.toml"
    if not path.is_file():
        raise UsageError(
            f"unknown recipe {recipe!r}: known recipes are {', '.join(recipe_names(folder))}; "
            "or give the path of a TOML file ending in .toml"
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {path} is not valid TOML: {error}; correct that line") from error
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str) or base in (*above, recipe):
        raise UsageError(f"a recipe's base is the name of another recipe, got {base!r} in {path}; correct it")
    return {**_read(base, folder, (*above, recipe)), **values}


def parse(model: type[S], values: dict[str, Any], what: str) -> S:
    """Check ``values`` against ``model``.

    Raises:
        UsageError: Names each offending setting, its value, the rule, and the settings that exist.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{what} is refused:\n" + "\n".join(_explain(model, e) for e in error.errors())) from None


def digest(settings: BaseModel | dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of settings, as 64 hexadecimal digits."""
    values = settings.model_dump(mode="json") if isinstance(settings, BaseModel) else settings
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UsageError(f"--set takes key=value with a dotted key, got {override!r}; for example --set length=512")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, leaf = key.strip().split(".")
    place: Any = values
    for parent in parents:
        place = _child(place, parent, override, create=True)
    if isinstance(place, list):
        place[_index(place, leaf, override)] = value
    else:
        place[leaf] = value


def _child(place: Any, key: str, override: str, create: bool) -> Any:
    if isinstance(place, list):
        return place[_index(place, key, override)]
    child = place.setdefault(key, {}) if create else place[key]
    if not isinstance(child, dict | list):
        raise UsageError(f"--set {override!r}: {key!r} is a plain value and has no settings below it")
    return child


def _index(place: list[Any], key: str, override: str) -> int:
    if not key.isdigit() or int(key) >= len(place):
        raise UsageError(f"--set {override!r}: {key!r} must be an index from 0 to {len(place) - 1}")
    return int(key)


def _explain(model: type[BaseModel], error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "(whole)"
    line = f"  setting {where!r}: {error['msg']}"
    if error["type"] != "missing" and not isinstance(error.get("input"), dict | list):
        line += f", got {error['input']!r}"
    if error["type"] == "extra_forbidden":
        names = _fields_at(model, error["loc"][:-1])
        if names:
            line = f"  setting {where!r} does not exist; settings here are {', '.join(names)}"
    return line


def _fields_at(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    place: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        field = getattr(place, "model_fields", {}).get(part)
        if field is None:
            return []
        place = field.annotation
        for inner in getattr(place, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                place = inner
    return list(getattr(place, "model_fields", {}))
