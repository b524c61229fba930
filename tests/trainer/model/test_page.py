"""docs/model.md: its examples run, its blocks and recipes are those that exist, links lead somewhere."""

import re
import shlex
from pathlib import Path

from common.config import recipe_names
from trainer.bench.__main__ import main
from trainer.config import RECIPES

from .parts import BACKBONES

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "model.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- run -->\n```(bash|python)\n(.*?)```", PAGE, re.DOTALL)


def test_its_examples_run(capsys) -> None:
    assert [language for language, _ in EXAMPLES] == ["python", "bash"]
    exec(compile(EXAMPLES[0][1], "docs/model.md", "exec"), {})
    python, dash, module, *arguments = shlex.split(EXAMPLES[1][1])
    assert (python, dash, module) == ("python", "-m", "trainer.bench")
    assert main(arguments) == 0
    assert "43,485,735" in capsys.readouterr().out


def test_it_names_every_block_and_recipe() -> None:
    assert not [name for name in BACKBONES if f"| `{name}` |" not in PAGE]
    assert not [name for name in recipe_names(RECIPES) if f"`{name}`" not in PAGE]


def test_what_it_links_to_exists() -> None:
    for page in ("model.md", "benchmarks.md"):
        for link, anchor in re.findall(r"\]\(([^)#]*)(?:#([a-z-]+))?\)", (DOCS / page).read_text(encoding="utf-8")):
            target = DOCS / (link or page)
            assert "://" in link or target.exists(), link
            if anchor:
                assert f"## {anchor}" in target.read_text(encoding="utf-8").lower(), anchor
