"""Which files of a configuration folder are declarations, what their names say, and which of them are not fit."""

from __future__ import annotations

import difflib
import os
import re
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from autotrader.config.nodes import safe
from autotrader.core.errors import Problem

MAIN = "autotrader.yaml"
SECTIONS = ("strategies", "models", "exchanges", "risk")
MAX_FILES = 10_000
MAX_ENTRIES = 100_000
"""How many names of one folder are looked at, other files included; a folder of more holds no declarations."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SUFFIXES = (".yaml", ".yml")


class Found(NamedTuple):
    """One file to read: its section ('' for the daemon's own), its name and its path relative to the folder."""

    section: str
    name: str
    path: str


class Listing(NamedTuple):
    """What a folder holds."""

    files: tuple[Found, ...]
    problems: tuple[Problem, ...]


def listing(root: Path) -> Listing:
    """Return the declarations of a folder, in order of section and name. A missing section is an empty one."""
    problems: list[Problem] = []
    if not root.is_dir():
        missing = Problem(safe(str(root)), 0, 0, "this configuration folder does not exist", "name another with -c DIR")
        return Listing((), (missing,))
    files = _main(root, problems)
    problems += _misspelt(root)
    for section in SECTIONS:
        files += _section(root, section, problems)
    if len(files) > MAX_FILES:
        problems.append(Problem(f"{files[MAX_FILES].section}.d", 0, 0, f"more than {MAX_FILES} files are declared", ""))
        files = files[:MAX_FILES]
    return Listing(tuple(files), tuple(problems))


def _main(root: Path, problems: list[Problem]) -> list[Found]:
    if os.path.lexists(root / "autotrader.yml"):
        problems.append(Problem("autotrader.yml", 0, 0, "this file is not read", f"rename it to {MAIN}"))
    return [Found("", "autotrader", MAIN)] if os.path.lexists(root / MAIN) else []


def _misspelt(root: Path) -> list[Problem]:
    """Warn of folders whose names are nearly a section's: what stands there is not read."""
    sections = [f"{section}.d" for section in SECTIONS]
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in islice(entries, MAX_ENTRIES) if entry.name.endswith(".d")]
    except OSError:  # the sections' own listing tells why
        return []
    close = {name: difflib.get_close_matches(name, sections, 1, 0.75) for name in sorted(set(names) - set(sections))}
    return [
        Problem(safe(name), 0, 0, "this folder is not read", f"did you mean {meant[0]}?", severity="warning")
        for name, meant in close.items()
        if meant
    ]


def _section(root: Path, section: str, problems: list[Problem]) -> list[Found]:
    folder = f"{section}.d"
    try:
        with os.scandir(root / folder) as entries:
            looked = list(islice(entries, MAX_ENTRIES))
            names = sorted(entry.name for entry in looked)
            inner = sorted(
                entry.name for entry in looked if entry.is_dir(follow_symlinks=False) and "." not in entry.name
            )
    except FileNotFoundError:
        if os.path.lexists(root / folder):
            problems.append(Problem(folder, 0, 0, "this symlink points to nothing", "mend or remove it"))
        return []
    except NotADirectoryError:
        problems.append(Problem(folder, 0, 0, "this must be a folder, not a file", "move the file"))
        return []
    except OSError as error:
        text = f"the folder cannot be listed: {(error.strerror or 'unknown error').lower()}"
        problems.append(Problem(folder, 0, 0, text, "give the daemon's user the right to read it"))
        return []
    if len(names) == MAX_ENTRIES:
        problems.append(Problem(folder, 0, 0, f"the folder holds {MAX_ENTRIES} names or more", "move the others away"))
        return []
    problems += [
        Problem(f"{folder}/{safe(name)}", 0, 0, "folders inside are not read", "move its files up", severity="warning")
        for name in inner
    ]
    files: dict[str, Found] = {}
    for name in names:
        _consider(section, name, files, problems)
    return list(files.values())


def _consider(section: str, file: str, files: dict[str, Found], problems: list[Problem]) -> None:
    stem, dot, ending = file.rpartition(".")
    suffix = dot + ending
    if file.startswith((".", "#")) or suffix.lower() not in _SUFFIXES:
        return
    path = f"{section}.d/{safe(file)}"
    if suffix not in _SUFFIXES:
        problems.append(Problem(path, 0, 0, f"the ending {suffix} is not read", f"rename it to {suffix.lower()}"))
    elif not _NAME.fullmatch(stem):
        hint = "use at most 63 lower-case letters, digits, - and _, and begin with a letter or a digit"
        problems.append(Problem(path, 0, 0, f"'{safe(stem)[:80]}' cannot be a name", hint))
    elif stem in files:
        first = files[stem].path
        problems.append(Problem(path, 0, 0, f"'{stem}' is declared twice", f"{first} has the same name: remove one"))
    else:
        files[stem] = Found(section, stem, f"{section}.d/{file}")
