"""Compiling plain functions: with all that they call, kept on disk, compiled again after an edit and never else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotrader.core import jit
from autotrader.market import fills

COUNTING = """
import numba.core.event as event
from autotrader.core import jit
from autotrader.market import fills
heard = event.RecordingListener()
event.register("numba:compile", heard)
made = jit.outer(fills.affordable, {}, "counting")
assert made(10_000, 100, 10, 1) == fills.affordable(10_000, 100, 10, 1)
print(sum(one.is_start for _, one in heard.buffer), jit.COMPILING.seconds() > 0)
"""

READING = """
import sys
from autotrader.core import jit
from autotrader.market import fills
asked = []
made = jit.outer(fills.affordable, lambda: asked.append("asked") or {}, "reading")
assert made(10_000, 100, 10, 1) == fills.affordable(10_000, 100, 10, 1)
print(*asked, "numba.np.linalg" in sys.modules)
"""

KEEPING = """
from numba import int64
from autotrader.core import jit
from autotrader.market import fills
before = jit.is_kept(fills.affordable, "keeping")
jit.external(fills.affordable, int64, (int64,) * 4, {}, "keeping")
print(before, jit.is_kept(fills.affordable, "keeping"))
"""


def scaled(a: int) -> int:
    return a * factor(a)


def factor(a: int) -> int:
    return a + 1


scaled.__module__ = factor.__module__ = "autotrader.tests"


def test_a_function_is_compiled_with_what_it_calls() -> None:
    assert jit.outer(fills.affordable, {}, "test")(10**12, 977, 100, 100_000) == fills.affordable(
        10**12, 977, 100, 100_000
    )


def test_names_are_replaced_in_what_it_calls_too() -> None:
    def more(a: int) -> int:
        return a + 10

    more.__module__ = "autotrader.tests"
    assert jit.linked(scaled, {"factor": more}, compiled=False)(2) == 24
    assert scaled(2) == 6


def test_the_names_that_a_function_reaches_are_those_of_all_that_it_calls() -> None:
    assert {"factor"} <= jit.reached(scaled)
    assert "stop_level" in jit.reached(fills.protective_exit)


def run(code: str, cache: Path, **more: str) -> str:
    surroundings = {**os.environ, "AUTOTRADER_CACHE": str(cache), **more}
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_second_process_compiles_nothing(tmp_path) -> None:
    compiled, watched = run(COUNTING, tmp_path).split()
    assert int(compiled) > 0
    assert watched == "True"
    assert run(COUNTING, tmp_path) == "0 False"


def test_what_is_read_back_asks_for_no_names_and_loads_nothing_that_only_compiling_needs(tmp_path) -> None:
    assert run(READING, tmp_path) == "asked True"
    assert run(READING, tmp_path) == "False"


def test_what_is_compiled_once_and_for_all_is_known_to_be_kept(tmp_path) -> None:
    assert run(KEEPING, tmp_path) == "False True"
    assert run(KEEPING, tmp_path) == "True True"


def test_another_key_has_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(jit, "code_root", lambda: tmp_path)
    assert jit.code_folder("a") == jit.code_folder("a") != jit.code_folder("b")


def test_the_oldest_machine_code_goes_when_there_is_too_much_of_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(jit, "code_root", lambda: tmp_path)
    monkeypatch.setattr(jit, "MAX_KEPT", 3)
    made = [jit.code_folder(str(n)) for n in range(5)]
    for age, folder in enumerate(made):
        if folder.is_dir():
            os.utime(folder, (age, age))
    jit.code_folder("one more")
    assert len([one for one in tmp_path.iterdir() if one.is_dir()]) == 3
    assert jit.code_folder("one more").is_dir()


@pytest.mark.parametrize("home", ["/dev/null/nowhere", ""])
def test_without_a_home_that_can_be_written_it_lies_among_the_temporary_files(home) -> None:
    code = "from autotrader.core import jit; print(jit.code_root())"
    surroundings = {"XDG_CACHE_HOME": home} if home else {"XDG_CACHE_HOME": "/proc"}
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={k: v for k, v in os.environ.items() if k != "AUTOTRADER_CACHE"} | surroundings,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(found).name == f"autotrader-{os.getuid()}"
