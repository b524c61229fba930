from pathlib import Path

import pytest
from pydantic import ValidationError

from common.config import Settings, digest, load_recipe, parse, recipe_names
from common.errors import UsageError


class Part(Settings):
    rate: float = 0.1
    steps: int = 3


class Whole(Settings):
    name: str
    part: Part = Part()
    parts: tuple[Part, ...] = ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text('name = "small"\n[part]\nsteps = 5\n[[parts]]\nrate = 0.5\n')
    (tmp_path / "broken.toml").write_text("name = \n")
    return tmp_path


def test_a_recipe_is_read_by_name_and_by_path(folder):
    by_name = load_recipe(Whole, "small", folder)
    assert by_name == load_recipe(Whole, str(folder / "small.toml"), Path("/nowhere"))
    assert by_name == Whole(name="small", part=Part(steps=5), parts=(Part(rate=0.5),))
    assert recipe_names(folder) == ["broken", "small"]


def test_overrides_reach_nested_settings_and_read_toml_or_strings(folder):
    recipe = load_recipe(Whole, "small", folder, ["part.steps=7", "parts.0.rate=2e-1", "name=other", "part.rate=1"])
    assert recipe == Whole(name="other", part=Part(steps=7, rate=1.0), parts=(Part(rate=0.2),))


def test_a_recipe_may_have_a_base_whose_settings_it_replaces(folder):
    (folder / "large.toml").write_text('base = "small"\nname = "large"\n[[parts]]\nsteps = 9\n')
    assert load_recipe(Whole, "large", folder) == Whole(name="large", part=Part(steps=5), parts=(Part(steps=9),))
    assert load_recipe(Whole, "large", folder, ["parts.0.rate=3.0"]).parts == (Part(rate=3.0, steps=9),)
    assert load_recipe(Whole, str(folder / "large.toml"), folder).part.steps == 5


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ('"tiny"', "unknown recipe 'tiny': known recipes are broken, loop, other, small"),
        ("3", "got 3 in"),
        ('"loop"', "got 'loop' in"),
        ('"other"', "got 'loop' in .*other"),
    ],
)
def test_a_base_that_is_none_is_refused(folder, base, message):
    (folder / "loop.toml").write_text(f"base = {base}\n")
    (folder / "other.toml").write_text('base = "loop"\n')
    with pytest.raises(UsageError, match=message):
        load_recipe(Whole, "loop", folder)


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Part().rate = 0.2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        ("tiny", [], r"unknown recipe 'tiny': known recipes are broken, small; .*\.toml"),
        ("broken", [], r"broken\.toml is not valid TOML"),
        ("small", ["steps"], "--set takes key=value .* got 'steps'"),
        ("small", ["=3"], "--set takes key=value"),
        ("small", ["part.step=3"], "'part.step' does not exist; settings here are rate, steps"),
        ("small", ["parts.0.step=3"], "'parts.0.step' does not exist; settings here are rate, steps"),
        ("small", ["other=3"], "'other' does not exist; settings here are name, part, parts"),
        ("small", ["part.steps=many"], "'part.steps': .*integer.*, got 'many'"),
        ("small", ["part.steps=2.5"], "'part.steps': .*integer.*, got 2.5"),
        ("small", ["name.first=3"], "'name' is a plain value"),
        ("small", ["parts.one.rate=3"], "'one' must be an index from 0 to 0"),
        ("small", ["parts.1.rate=3"], "'1' must be an index from 0 to 0"),
    ],
)
def test_bad_recipes_are_refused_with_rule_value_and_remedy(folder, recipe, overrides, message):
    with pytest.raises(UsageError, match=message):
        load_recipe(Whole, recipe, folder, overrides)


def test_a_missing_setting_is_named():
    with pytest.raises(UsageError, match=r"recipe 'x' is refused:\n  setting 'name': Field required"):
        parse(Whole, {}, "recipe 'x'")


def test_digest_depends_on_values_alone():
    one = digest(Whole(name="a", part=Part(steps=5)))
    assert one == digest({"part": {"steps": 5, "rate": 0.1}, "name": "a", "parts": []})
    assert one != digest(Whole(name="a", part=Part(steps=6)))
    assert len(one) == 64
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"x": float("nan")})
