"""Hints that the configuration folder may have changed; what did change, only the files' hashes tell.

Three eyes, since each is blind somewhere: the system's events for the folder and its sections (a watch dies with a
replaced directory, and does not follow a symlink), a re-arming whenever the set of directories changes, and a slow look
at the signatures of all files, which needs no events at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from watchfiles import Change, awatch

from autotrader.config.files import Signature, signature
from autotrader.config.folder import MAIN, MAX_ENTRIES, MAX_FILES, SECTIONS
from autotrader.core.clock import Clock

DEBOUNCE_MS = 30
STEP_MS = 10
POLL_S = 3.0
REARM_MS = 500
"""How soon a watch that died without a word (a swapped link, a recreated folder) is found dead and armed again."""

Seen = dict[str, Signature | None]
Identities = dict[str, tuple[int, int]]


class Hint(NamedTuple):
    """Something may have changed; `source` says which eye saw it."""

    source: Literal["event", "poll"]


async def watch(root: Path, clock: Clock, *, poll_s: float = POLL_S) -> AsyncIterator[Hint]:
    """Yield a hint each time the folder may have changed, until the consumer stops. Never raises for what vanishes.

    Hints that nobody takes yet are merged into one. The signatures are looked at every `poll_s` of the clock.
    """
    hints: asyncio.Queue[Hint] = asyncio.Queue(maxsize=1)
    eyes = [
        asyncio.create_task(_events(root, hints, clock), name="config-events"),
        asyncio.create_task(_poll(root, hints, clock, poll_s), name="config-poll"),
    ]
    taken: asyncio.Task[Hint] | None = None
    try:
        while True:
            taken = asyncio.create_task(hints.get(), name="config-hint")
            await asyncio.wait([taken, *eyes], return_when=asyncio.FIRST_COMPLETED)
            for eye in eyes:
                if eye.done():  # neither eye ends by itself: an error in one is the consumer's to see
                    eye.result()
            yield await taken
    finally:
        tasks = [*eyes, taken] if taken else eyes
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def directories(root: Path) -> tuple[str, ...]:
    """Return the real directories to watch now: the folder, its sections, and what their symlinks lead through."""
    found: dict[str, None] = {}
    for path in (root, *(root / f"{section}.d" for section in SECTIONS)):
        if path.is_dir():
            found[os.path.realpath(path)] = None
            if path.is_symlink():
                found[os.path.realpath(path.parent)] = None
    return tuple(found)


def signatures(root: Path) -> Seen:
    """Return what every file that may be a declaration looks like now, without reading it."""
    seen: Seen = {MAIN: signature(root / MAIN)}
    for section in SECTIONS:
        folder = f"{root}/{section}.d"
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in islice(entries, MAX_ENTRIES) if entry.name.endswith((".yaml", ".yml"))]
        except OSError:
            continue
        for name in names[: MAX_FILES - len(seen)]:
            seen[f"{section}.d/{name}"] = signature(f"{folder}/{name}")
    return seen


def _tell(hints: asyncio.Queue[Hint], hint: Hint) -> None:
    if not hints.full():
        hints.put_nowait(hint)


async def _events(root: Path, hints: asyncio.Queue[Hint], clock: Clock) -> None:
    """Follow the system's events, and watch anew whenever the directories are others than before."""
    first = True
    while True:
        with contextlib.ExitStack() as held:
            watched = await asyncio.to_thread(_hold, root, held)
            try:
                if watched:
                    await _follow(root, watched, hints, again=not first)
            except (OSError, RuntimeError):  # a directory went away in between, or the system has no watch left
                watched = {}
        if not watched:
            await clock.sleep(REARM_MS / 1000)
        first = False


async def _follow(root: Path, watched: Identities, hints: asyncio.Queue[Hint], *, again: bool) -> None:
    """Pass events on until the directories to watch change.

    A watch that is armed again tells once by itself: nobody saw what happened between the two.
    """
    changes = awatch(
        *watched,
        watch_filter=_relevant,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        recursive=False,
        rust_timeout=REARM_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async for batch in changes:
        if batch or again:
            _tell(hints, Hint("event"))
        again = False
        if await asyncio.to_thread(_identities, root) != watched:
            _tell(hints, Hint("event"))
            return


def _hold(root: Path, held: contextlib.ExitStack) -> Identities:
    """Return the directories to watch, each held open: as long as it is, no new one can be given its inode."""
    found: Identities = {}
    for path in directories(root):
        try:
            handle = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # gone since it was listed; the next look tells
            continue
        held.callback(os.close, handle)
        seen = os.fstat(handle)
        found[path] = (seen.st_dev, seen.st_ino)
    return found


def _identities(root: Path) -> Identities:
    """Return device and inode of each directory that should be watched now."""
    found = {path: signature(path) for path in directories(root)}
    return {path: (seen.device, seen.inode) for path, seen in found.items() if seen}


def _relevant(_: Change, path: str) -> bool:
    """Whether an event concerns declarations: their files, a section itself, or a mounted folder's `..data` link."""
    name = path.rpartition("/")[2]
    return name.endswith((".yaml", ".yml", ".d")) or name.startswith("..")


async def _poll(root: Path, hints: asyncio.Queue[Hint], clock: Clock, poll_s: float) -> None:
    before = await asyncio.to_thread(signatures, root)
    while True:
        await clock.sleep(poll_s)
        now = await asyncio.to_thread(signatures, root)
        if now != before:
            before = now
            _tell(hints, Hint("poll"))
