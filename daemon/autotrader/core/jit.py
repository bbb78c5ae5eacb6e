"""Plain Python functions compiled by numba as they stand, with their machine code kept on disk.

numba compiles only what is marked for it, and its cache looks at one file alone. Here a function is compiled together
with every plain function of this package that it names, and its machine code is kept under a hash of all the sources
that can reach it: an edit anywhere compiles again, and nothing else does.

numba itself is imported at the first call.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from autotrader.core.stopwatch import Stopwatch

F = TypeVar("F", bound=Callable[..., Any])
Names = Mapping[str, Any] | Callable[[], Mapping[str, Any]]

PACKAGE = "autotrader"
MAX_KEPT = 256
"""Folders of machine code that are kept, the newest; the others are removed when a new one is made."""

_ONE_AT_A_TIME = threading.Lock()
"""numba takes the folder of its cache from a setting of the whole process."""

COMPILING = Stopwatch()
"""How long this process has compiled what `outer` and `external` return."""

IN_USE_S = 3_600
"""A folder that was asked for this shortly ago stays, however many there are."""

_KEPT: list[Any] = []
"""Functions whose addresses others hold."""


class Inlining(Enum):
    """Which of the functions that compiled code calls become a part of it."""

    NONE = "none"
    OFTEN = "but those marked as called seldom"
    ALL = "all"


@cache
def inner(function: FunctionType, *, inlined: Inlining = Inlining.NONE) -> Any:
    """Return a function compiled for calls from other compiled ones, with all that it calls."""
    return _dispatcher(linked(function, {}, compiled=True, inlined=inlined), inlined=inlined)


def seldom(function: F) -> F:
    """Mark a function that hot loops hardly ever enter: it stays out of the way of what they do all the time."""
    function.__dict__["seldom"] = True
    return function


def native(make: Callable[[], Any]) -> Callable[[F], F]:
    """Mark a function for which compiled code has an instruction of its own, which `make` returns for numba."""

    def mark(function: F) -> F:
        function.__dict__["native"] = cache(make)
        return function

    return mark


def outer(
    function: FunctionType, names: Names, key: str, *, inlined: Inlining = Inlining.OFTEN, brief: bool = False
) -> Any:
    """Return a function compiled for calls from Python, with what it calls made a part of it.

    `names` replaces global names in it and in what it calls, or makes what does, where code is compiled instead of read
    back. `key` is what besides the sources decides the machine code (the replaced functions' texts, the constants):
    equal keys share it, across processes. A `brief` one keeps the interpreter's lock: another thread that took it
    meanwhile would keep it for longer than the function runs.
    """
    copied = _copied(function, dict(function.__globals__))
    made = _dispatcher(copied, called_from_python=True, brief=brief)
    vars(made)["_cache"] = _kept_code(copied, key, names, inlined)
    return made


def _kept_code(function: FunctionType, key: str, names: Names, inlined: Inlining) -> Any:
    """Return the kept code of a function, which is linked in place where it has to be compiled."""
    from numba.core import config

    from autotrader.core.read_back import KeptCode

    def link() -> None:
        found = names() if callable(names) else names
        function.__globals__.update(linked(function, found, compiled=True, inlined=inlined).__globals__)

    with _ONE_AT_A_TIME:
        vars(config)["CACHE_DIR"] = str(code_folder(key))
        return KeptCode(function, link, COMPILING)


def external(function: FunctionType, result: Any, arguments: Sequence[Any], names: Names, key: str) -> Any:
    """Return a function compiled once and for all, which other compiled code calls without being compiled with it.

    `result` and `arguments` are its numba types, `names` what `outer` takes them for. It is called as C calls; what it
    calls often is a part of it.
    """
    import llvmlite.binding
    from numba.core import types
    from numba.core.ccallback import CFunc

    signature = result(*arguments)
    options: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
    options["forceinline"] = True  # into what C calls: one call less
    copied = _copied(function, dict(function.__globals__))
    made = CFunc(copied, (signature.args, result), {}, options)
    vars(made)["_cache"] = _kept_code(copied, _key_of(function, key), names, Inlining.OFTEN)
    made.compile()
    symbol = f"{PACKAGE}.{_key_of(function, key)}"
    llvmlite.binding.add_symbol(symbol, made.address)
    _KEPT.append(made)
    return types.ExternalFunction(symbol, signature)


def is_kept(function: FunctionType, key: str) -> bool:
    """Return whether the machine code of an `external` function is on disk, so that it need not be compiled."""
    return any(_folder_of(_key_of(function, key)).rglob("*.nbi"))


def _key_of(function: FunctionType, key: str) -> str:
    return f"{key} {function.__module__}.{function.__qualname__}"


def linked(
    function: FunctionType, names: Mapping[str, Any], *, compiled: bool, inlined: Inlining = Inlining.NONE
) -> FunctionType:
    """Return a copy of a function in which `names` replace globals, in the functions of this package that it calls too.

    With `compiled` those are compiled functions, made a part of it as `inlined` says; else plain ones.
    """
    scope = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = names.get(name, scope.get(name))
        if not _ours(value):
            if name in names:
                scope[name] = value
        elif compiled and "native" in value.__dict__:
            scope[name] = value.__dict__["native"]()
        elif reached(value) & names.keys():
            copied = linked(value, names, compiled=compiled, inlined=inlined)
            scope[name] = _dispatcher(copied, inlined=inlined) if compiled else copied
        else:
            scope[name] = inner(value, inlined=inlined) if compiled else value
    return _copied(function, scope)


def _copied(function: FunctionType, scope: dict[str, Any]) -> FunctionType:
    """Return a copy of a function with globals of its own."""
    copied = FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    copied.__qualname__ = function.__qualname__
    copied.__module__ = function.__module__
    copied.__dict__.update(function.__dict__)
    return copied


def _ours(value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__module__.partition(".")[0] == PACKAGE


def reached(function: FunctionType) -> set[str]:
    """Return every attribute and global name in a function and in the functions of this package that it calls."""
    found: set[str] = set()
    left, seen = [function], {function}
    while left:
        one = left.pop()
        found.update(one.__code__.co_names)
        for name in one.__code__.co_names:
            value = one.__globals__.get(name)
            if isinstance(value, FunctionType) and _ours(value) and value not in seen:
                seen.add(value)
                left.append(value)
    return found


def _dispatcher(
    function: FunctionType, *, called_from_python: bool = False, inlined: Inlining = Inlining.NONE, brief: bool = False
) -> Any:
    from numba import njit

    options: dict[str, Any] = {} if called_from_python else {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    often = not function.__dict__.get("seldom")
    if inlined is Inlining.ALL or (inlined is Inlining.OFTEN and often):
        options["forceinline"] = True
    # Nothing that is compiled here makes or keeps an array, so nothing needs to count references.
    options |= {"error_model": "numpy", "nogil": not brief, "_nrt": False}
    return njit(**options)(function)


def code_folder(key: str) -> Path:
    """Return the folder in which the machine code of a key is kept; it is made where it is not there."""
    folder = _folder_of(key)
    if folder.is_dir():
        os.utime(folder)
    else:
        _make_room(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _folder_of(key: str) -> Path:
    digest = hashlib.blake2b(f"{sources_hash()}\n{key}".encode(), digest_size=12).hexdigest()
    return code_root() / digest


@cache
def code_root() -> Path:
    """Return where machine code is kept: $AUTOTRADER_CACHE, else the user's cache folder, else a temporary one."""
    named = os.environ.get("AUTOTRADER_CACHE")
    if named:
        return Path(named).resolve()
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home is no error here
    wanted = Path(home) / PACKAGE
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError:
        wanted = Path("/")
    if os.access(wanted, os.W_OK) and wanted != Path("/"):
        return wanted
    return Path(tempfile.gettempdir()) / f"{PACKAGE}-{os.getuid()}"


@cache
def sources_hash() -> str:
    """Return a hash of this package's sources and of the compiler's version."""
    import numba

    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=12)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        if path.parent.name in {"dashboard", "cli.py", "config", "runtime", "venues", "store"}:
            continue  # nothing of theirs is ever compiled
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make_room(root: Path) -> None:
    if not root.is_dir():
        return
    try:
        folders = sorted((one.stat().st_mtime, one) for one in root.iterdir() if one.is_dir())
    except FileNotFoundError:
        return  # another process makes room at this moment
    for used_s, folder in folders[: max(0, len(folders) - MAX_KEPT + 1)]:
        if time.time() - used_s > IN_USE_S:  # another process may be writing into a younger one
            shutil.rmtree(folder, ignore_errors=True)
