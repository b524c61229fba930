"""The code in docs/recipes.md runs, and its tables leave nothing out."""

import re
from pathlib import Path

from common.synthesis.recipe import Recipe, load, names

TEXT = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope: dict = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, "docs/recipes.md", "exec"), scope)
    assert capsys.readouterr().out.startswith("(32, 512) ")
    assert {row["family"] for row in scope["batch"].rows} == {"anymdp", "garnet"}


def test_every_recipe_and_setting_is_there():
    rows = {row.split("|")[1].strip(" `"): row.split("|")[2].strip() for row in TEXT.splitlines() if "| `" in row[:4]}
    assert rows == {name: load(name).label for name in names() if name in rows}
    assert {"dpd", "ad", "ad-eps", "dpt", "d-small", "d-large", "d-long", "tiny"} <= set(rows)
    assert set(Recipe.model_fields) - {"label"} <= set(re.findall(r"[a-z_]+", TEXT))
