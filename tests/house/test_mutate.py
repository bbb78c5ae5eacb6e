"""The mutation tool: what it changes, what it leaves alone, and that what it makes is always a program."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("mutate", REPOSITORY / "tools" / "mutate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutate"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutate"]


def changed(tool, text: str) -> set[str]:
    """Return what a module may become."""
    return {mutant.text for mutant in tool.mutants(Path("daemon/autotrader/x.py"), text)}


@pytest.mark.parametrize(
    ("text", "mutants"),
    [
        ("x = a < b", {"x = (a <= b)"}),
        ("x = a is not None", {"x = (a is None)"}),
        ("x = a and b", {"x = (a or b)"}),
        ("x = a + b", {"x = (a - b)"}),
        ("x = not a", {"x = (a)"}),
        ("x = min(a, b)", {"x = (max(a, b))"}),
        ("x = a if c else b", {"x = (b if c else a)"}),
        ("x = 5", {"x = (6)", "x = (4)"}),
        ("x = True", {"x = (False)"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("def f():\n    return None", set()),
        ("x: Literal[3] = a", set()),
        ("x = 'words'", set()),
        ("x = f'{a + 1}'", set()),
        ("가 = '나'; x = a < b", {"가 = '나'; x = (a <= b)"}),
    ],
)
def test_each_change_is_one_small_change(tool, text, mutants) -> None:
    assert changed(tool, text) == mutants


@pytest.mark.parametrize("target", ["risk", "execution"])
def test_every_mutant_is_a_program_and_no_two_are_the_same(tool, target) -> None:
    found = tool.found(target, None)
    assert len(found) > 100
    for mutant in found:
        ast.parse(mutant.text)
    assert len({(mutant.path, mutant.text) for mutant in found}) == len(found)


def test_an_argument_names_a_mutant_that_there_is(tool) -> None:
    there = {mutant.name for target in ("risk", "execution") for mutant in tool.found(target, None)}
    assert tool.argued() - there == set()
