"""Mutate a package one small change at a time and run its tests: what survives is a line that no test holds.

    python tools/mutate.py risk                      # daemon/autotrader/risk by tests/risk
    python tools/mutate.py execution/ledger.py --tests tests/execution/test_ledger.py
    python tools/mutate.py risk --only 20,120-160 --list

A mutant flips a comparison, moves a whole number by one, swaps `and` with `or`, `+` with `-`, `*` with `/`, `min` with
`max`, drops a `not`, negates a condition, or returns None. Each runs with `-x` in a copy of `daemon`, `tests` and
`pyproject.toml`, the tests of its own module first; one that takes ten times as long as the sound code counts as
killed. Hypothesis draws the same examples for each. The exit code is 1 where any survives that `tools/mutants.txt` does
not argue for.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import importlib
import multiprocessing
import os
import py_compile
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, NoReturn

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = Path("daemon/autotrader")
ARGUED = REPOSITORY / "tools" / "mutants.txt"
SLOWER = 10
LEAST_S = 20.0

BY_HASH = py_compile.PycInvalidationMode.CHECKED_HASH

HEAVY = ("hypothesis", "numba", "numpy", "pydantic", "pytest", "pytest_asyncio", "structlog", "yaml")
"""What every run of the tests imports: it is loaded once, and each run begins with it."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """One change: where it is, what it says, the module's whole text with it, and the line as it stands."""

    path: Path
    line: int
    told: str
    text: str
    code: str

    @property
    def name(self) -> str:
        """What `tools/mutants.txt` calls it: the same whatever lines stand above it."""
        return f"{self.path.relative_to(PACKAGE)}: {self.code}: {self.told}"


def mutants(path: Path, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a module. Annotations, docstrings and messages are left alone."""
    tree = ast.parse(text)
    sites = [node for node in _code(tree) if isinstance(node, ast.expr | ast.Return)]
    for node in sites:
        for changed in _changes(node):
            before, after = ast.unparse(node), ast.unparse(changed)
            if before == after:
                continue
            mutated = _spliced(text, node, after)
            code = text.splitlines()[node.lineno - 1].strip()
            yield Mutant(path, node.lineno, f"{before} -> {after}", mutated, code)


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run when the program does, without annotations and texts."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list"} or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child
                yield from _code(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for place, op in enumerate(ops):
                swapped = [*ops[:place], COMPARISONS[type(op)](), *ops[place + 1 :]]
                yield ast.Compare(left, swapped, comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            yield ast.BinOp(left, OPERATORS[type(op)](), right)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in CALLS:
            yield ast.Call(ast.Name(CALLS[name]), args, keywords)
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield ast.Return(ast.Constant(None))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _spliced(text: str, node: ast.expr | ast.Return, after: str) -> str:
    """Return the text with a node's own characters replaced; the lines around stay as they are."""
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    first, last = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
    whole = text.encode()
    put = after if isinstance(node, ast.Return) else f"({after})"
    return (whole[:first] + put.encode() + whole[last:]).decode()


class Bench:
    """Copies of the repository in which mutants are tried, one a worker."""

    def __init__(self, folder: Path, workers: int, tests: list[str]) -> None:
        self._free = [folder / f"copy{number}" for number in range(workers)]
        self._tests = [path for test in tests for path in test_files(test)]
        for copy in self._free:
            copy.mkdir()
            for part in ("daemon", "tests"):
                shutil.copytree(REPOSITORY / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
                # by their hash: by time and length, two mutants of one second would be taken for each other
                compileall.compile_dir(copy / part, quiet=2, invalidation_mode=BY_HASH)
            shutil.copy(REPOSITORY / "pyproject.toml", copy / "pyproject.toml")
        self.limit_s = 600.0

    def passes(self, mutant: Mutant | None) -> bool:
        """Tell whether the tests pass with a mutant; without one, with the sound code."""
        copy = self._free.pop()
        try:
            if mutant is None:
                return self._run(copy, self._tests)
            path = copy / mutant.path
            sound = path.read_text(encoding="utf-8")
            path.write_text(mutant.text, encoding="utf-8")
            try:
                own = [test for test in self._tests if Path(test).name == f"test_{path.stem}.py"]
                rest = [test for test in self._tests if test not in own]
                return all(self._run(copy, tests) for tests in (own, rest) if tests)
            finally:
                path.write_text(sound, encoding="utf-8")
        finally:
            self._free.append(copy)

    def _run(self, copy: Path, tests: list[str]) -> bool:
        run = multiprocessing.get_context("fork").Process(target=_pytest, args=(copy, tests))
        run.start()
        run.join(self.limit_s)
        if run.is_alive():
            run.kill()
            run.join()
        return run.exitcode == 0


def test_files(test: str) -> list[str]:
    """Return the test files of a folder, or the one file that is named."""
    path = REPOSITORY / test
    return sorted(str(one.relative_to(REPOSITORY)) for one in path.rglob("test_*.py")) if path.is_dir() else [test]


def _pytest(copy: Path, tests: list[str]) -> NoReturn:
    """Run tests against the package of a copy, in a process of their own; the exit code is that of pytest."""
    import pytest
    from hypothesis import HealthCheck, Phase, settings

    # a failing example need not be the smallest
    settings.register_profile(
        "mutants",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
    )
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    os.chdir(copy)
    os.environ["AUTOTRADER_CACHE"] = str(copy / "cache")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(copy / "daemon"))
    # assertions need no explanation, and without one a module that is loaded already does
    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
    os._exit(pytest.main([*options, *tests]))


def argued() -> set[str]:
    """Return the names of the mutants that may survive: the lines of mutants.txt that are not indented or empty."""
    if not ARGUED.exists():
        return set()
    lines = ARGUED.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line.strip() and not line.startswith((" ", "#"))}


def found(target: str, only: set[int] | None) -> list[Mutant]:
    """Return the mutants of a module or of every module of a folder, below the package."""
    path = PACKAGE / target
    paths = sorted((REPOSITORY / path).rglob("*.py")) if (REPOSITORY / path).is_dir() else [REPOSITORY / path]
    return [
        mutant
        for one in paths
        for mutant in mutants(one.relative_to(REPOSITORY), one.read_text(encoding="utf-8"))
        if only is None or mutant.line in only
    ]


def lines(text: str) -> set[int]:
    """Return `20,120-160` as lines, both ends of a stretch in it."""
    ends = ((first, last or first) for first, _, last in (part.partition("-") for part in text.split(",")))
    return {line for first, last in ends for line in range(int(first), int(last) + 1)}


def say(line: str) -> None:
    """Print a line at once, whoever reads it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the tool; the exit code is 1 where a mutant survives that nobody argues for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("target", help="a folder or module below the package, as risk or execution/ledger.py")
    parser.add_argument("--tests", nargs="+", help="what is run; left out: the folder of tests of the same name")
    parser.add_argument("--only", type=lines, metavar="LINES", help="mutants in these lines alone, as 20,120-160")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="list the mutants and run nothing")
    arguments = parser.parse_args()
    tests = arguments.tests or [f"tests/{arguments.target.split('/')[0]}"]
    tried = found(arguments.target, arguments.only)
    if arguments.list:
        for mutant in tried:
            say(f"{mutant.path}:{mutant.line}: {mutant.told}")
        return 0
    may_live = argued()
    for name in HEAVY:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        bench = Bench(Path(folder), arguments.workers, tests)
        began_s = time.monotonic()
        if not bench.passes(None):
            say("the tests fail without any mutant")
            return 2
        bench.limit_s = max(LEAST_S, SLOWER * (time.monotonic() - began_s))
        survived = []
        with ThreadPoolExecutor(arguments.workers) as pool:
            for mutant, lives in zip(tried, pool.map(bench.passes, tried), strict=True):
                if lives:
                    survived.append(mutant)
                    note = " (argued for)" if mutant.name in may_live else ""
                    say(f"{mutant.path}:{mutant.line}: survived: {mutant.told}{note}")
    unargued = [mutant for mutant in survived if mutant.name not in may_live]
    killed, excused = len(tried) - len(survived), len(survived) - len(unargued)
    say(f"{len(tried)} mutants, {killed} killed, {excused} argued for, {len(unargued)} survived")
    return 1 if unargued else 0


if __name__ == "__main__":
    sys.exit(main())
