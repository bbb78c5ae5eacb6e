"""Docs are tests: no key, command or feature goes undocumented, and every example on a page works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autotrader import cli
from autotrader.app import Loader
from autotrader.config.schema import schemas
from autotrader.features.catalogue import CATALOGUE, PLANNED
from autotrader.features.outside import CALLS
from autotrader.strategies import registry

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
READMES = (REPOSITORY / "README.md", REPOSITORY / "README.ko.md")
YAML_BLOCK = re.compile(r"```yaml\n# (\S+)\n(.*?)```", re.DOTALL)
EXAMPLES = [
    pytest.param(name, text, id=f"{page.name}:{name}")
    for page in PAGES
    for name, text in YAML_BLOCK.findall(page.read_text(encoding="utf-8"))
]


def page(name: str) -> str:
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["configuration.md", "commands.md", "expressions.md"])
def test_the_tables_are_those_that_the_code_gives(reference, name):
    assert reference.filled(page(name)) == page(name), "run  python tools/reference.py"


def properties(node):
    """Yield the name of every key that a schema knows, however deep."""
    if isinstance(node, dict):
        yield from node.get("properties", ())
        for part in node.values():
            yield from properties(part)
    elif isinstance(node, list):
        for part in node:
            yield from properties(part)


def test_every_key_of_every_file_is_documented():
    text = page("configuration.md")
    known = {name for schema in schemas(registry.params()).values() for name in properties(schema)}
    assert len(known) > 60
    assert [name for name in sorted(known) if not re.search(rf"^\| `([a-z_]+\.)*{name}`", text, re.MULTILINE)] == []


def test_every_command_is_documented(reference):
    text = page("commands.md")
    names = set(reference.commands())
    assert {"run", "check", "reload", *cli.PLANNED} <= names
    assert [name for name in sorted(names) if not re.search(rf"^\| `{name}[ `]", text, re.MULTILINE)] == []


def test_every_feature_is_documented():
    text = page("expressions.md")
    assert [name for name in sorted(CATALOGUE) if f"| `{name}(" not in text] == []
    assert [name for name in CALLS if f"| `{name}(" not in text] == []
    assert [name for name in sorted(PLANNED) if f"`{name}`" not in text] == []


def test_every_page_with_examples_has_them_tested():
    for one in PAGES:
        text = one.read_text(encoding="utf-8")
        assert text.count("```yaml") == len(YAML_BLOCK.findall(text)), f"name the file in the first line: {one.name}"


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_an_example_on_a_page_is_valid(shipped, name, text):
    (shipped / name).write_text(text, encoding="utf-8")
    loaded = Loader(shipped)()
    assert [problem.render() for problem in (*loaded.problems, *loaded.warnings)] == []


def test_the_error_that_the_readme_shows_is_the_one_that_is_told(shipped):
    for readme in READMES:
        text = readme.read_text(encoding="utf-8")
        name, example = YAML_BLOCK.search(text).groups()
        (shipped / name).write_text(example.replace("capital:", "captial:"), encoding="utf-8")
        (problem,) = Loader(shipped)().problems
        assert f"```\n{problem.render()}\n```" in text


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.name)
def test_every_link_between_pages_leads_somewhere(one):
    links = re.findall(r"\]\(([^)#:\s]+)\)", one.read_text(encoding="utf-8"))
    made_elsewhere = {"docs/dashboard.png"}  # a picture of the page, taken by its own browser test
    assert [link for link in links if link not in made_elsewhere and not (one.parent / link).exists()] == []


def test_the_readmes_tell_the_same_in_both_languages():
    english, korean = (readme.read_text(encoding="utf-8") for readme in READMES)
    assert english.count("\n## ") == korean.count("\n## ")
    assert YAML_BLOCK.findall(english) == YAML_BLOCK.findall(korean)
    assert re.findall(r"\]\((docs/[^)]+)\)", english) == re.findall(r"\]\((docs/[^)]+)\)", korean)
    assert "(README.ko.md)" in english
    assert "(README.md)" in korean
