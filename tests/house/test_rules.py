"""The house rules that a test can enforce; CONTRIBUTING.md tells them to people."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "daemon" / "autotrader"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
TOOLS = sorted((REPOSITORY / "tools").glob("*.py"))
TEXTS = sorted(
    path
    for pattern in (
        "*.md",
        "*.toml",
        "*.yaml",
        "Makefile",
        "constraints.txt",
        "docs/*",
        "schemas/*",
        "systemd/*",
        "*.d/*",
    )
    for path in REPOSITORY.glob(pattern)
    if path.suffix != ".png"
)
MAX_LINES = 500
HEAVY = ("torch", "lightgbm", "nicegui", "pandas", "numba", "ccxt", "stable_baselines3", "pyarrow", "telegram", "ta")


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def comments(path: Path) -> dict[int, str]:
    """Return every comment of a module by its line."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def long_modules(paths):
    return [name(path) for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES]


def test_a_module_is_read_in_one_sitting():
    assert long_modules([*MODULES, *TESTS, *TOOLS]) == []


def test_a_module_tells_in_its_first_line_why_it_exists():
    silent = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not re.match(r'"""\S.{9,}', lines[0] if lines else ""):
            silent.append(name(path))
    assert silent == []


def test_nothing_is_left_to_do():
    words = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)))
    left = [
        f"{name(path)}:{line}"
        for path in (*MODULES, *TESTS, *TOOLS)
        for line, text in comments(path).items()
        if words.search(text)
    ]
    assert left == []


def prints(path: Path) -> list[int]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    return [call.lineno for call in calls if call.func.id == "print"]


def test_only_the_command_line_prints_or_says_why():
    argued = re.compile(r"noqa: T201\b.*\w{3}")
    printing = [
        f"{name(path)}:{line}"
        for path in MODULES
        if path.name not in {"cli.py", "cli_output.py"}
        for line in prints(path)
        if not argued.search(comments(path).get(line, ""))
    ]
    assert printing == []


def catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"} for one in types)


def raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def unargued(path: Path) -> list[int]:
    """Return the lines of handlers that swallow whatever comes and give no reason in a comment there."""
    argued = comments(path)
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and catches_everything(node)
        and not raises_again(node)
        and len(re.sub(r"noqa: \S+", "", argued.get(node.lineno, ""))) < 15
    ]


def test_no_exception_is_swallowed_without_an_argument():
    assert [f"{name(path)}:{line}" for path in MODULES for line in unargued(path)] == []


def test_nothing_names_a_machine():
    places = re.compile(
        r"(?<![\w.$}])/(home|root|Users|mnt|work|workspace)/\w|\b(?:10|192\.168|172\.16)\.\d+\.\d+(?:\.\d+)?\b"
    )
    named = [
        f"{name(path)}:{number}"
        for path in (*MODULES, *TESTS, *TOOLS, *TEXTS)
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if places.search(line) and "re.compile" not in line
    ]
    assert named == []


def test_every_test_mirrors_a_part_of_the_package_or_has_a_folder_of_its_own():
    own = {"bench", "cli", "docs", "house", "systemd", "e2e", "simulation", "support"}
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders = {path.name for path in (REPOSITORY / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - packages - own == set()


@pytest.mark.parametrize("module", ["autotrader.cli", "autotrader.runtime.control", "autotrader.store.queries"])
def test_what_a_quick_command_imports_is_light(module):
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert sorted({one.partition(".")[0] for one in json.loads(done.stdout)} & set(HEAVY)) == []


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("except Exception:\n    pass\n", 1),
        ("except Exception:  # noqa: BLE001\n    pass\n", 1),
        ("except Exception:  # a page that fails must not end the others\n    pass\n", 0),
        ("except Exception:\n    raise\n", 0),
        ("except (ValueError, BaseException):\n    pass\n", 1),
        ("except ValueError:\n    pass\n", 0),
    ],
)
def test_the_rule_about_exceptions_can_fail(tmp_path, body, count):
    (tmp_path / "one.py").write_text(f"try:\n    x = 1\n{body}")
    assert len(unargued(tmp_path / "one.py")) == count
