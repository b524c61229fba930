"""README's short commands and examples do what it says; its paths exist."""

import re
from pathlib import Path

import pytest

from tests.docs.examples import run_example

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- run -->\n```(bash|python)\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(("language", "text"), EXAMPLES, ids=[f"{i}-{lang}" for i, (lang, _) in enumerate(EXAMPLES)])
def test_an_example_runs(language, text, tmp_path):
    run_example(language, text, tmp_path)


def test_there_are_examples_of_both_kinds():
    assert {language for language, _ in EXAMPLES} == {"bash", "python"}


def test_what_it_links_to_exists():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_tree_names_what_exists():
    tree = README.split("## The tree", 1)[1].split("Read first", 1)[0]
    names = re.findall(r"^ {4}(?:  )?([a-z_]+(?:/|\.py))", tree, re.MULTILINE)
    assert len(names) > 10
    folders = [ROOT, ROOT / "common", ROOT / "trainer"]
    assert not [name for name in names if not any((folder / name).exists() for folder in folders)]


def test_every_make_target_is_real():
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
