"""Reading declared files from a disk that other people write to: bounded, never blocking, nothing but regular files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from autotrader.config.nodes import safe
from autotrader.config.yaml import Flaw

_READ_ATTEMPTS = 3


class Signature(NamedTuple):
    """What changes when a file does, as far as the file system tells without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def signature(path: Path | str) -> Signature | None:
    """Return a file's signature, following symlinks; None where there is nothing to look at."""
    try:
        return _signature(Path(path).stat())
    except (OSError, ValueError):
        return None


def read_regular(path: Path | str, limit: int) -> tuple[bytes, Signature, int] | Flaw:
    """Return a regular file's first `limit` + 1 bytes, its signature and its mode bits, or what stands in the way.

    A FIFO, a socket or a device is never opened for longer than it takes to see what it is.
    """
    try:
        seen = Path(path).stat()
        if not stat.S_ISREG(seen.st_mode):
            return _irregular(seen.st_mode)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            seen = os.fstat(handle)
            if not stat.S_ISREG(seen.st_mode):
                return _irregular(seen.st_mode)
            return _settled(handle, limit)
        finally:
            os.close(handle)
    except OSError as error:
        return _failure(path, error)


def _settled(handle: int, limit: int) -> tuple[bytes, Signature, int] | Flaw:
    """Read until what was read is what stands there, so that a file half-way through a write is not taken for whole."""
    for _ in range(_READ_ATTEMPTS):
        before = os.fstat(handle)
        os.lseek(handle, 0, os.SEEK_SET)
        data = _drain(handle, limit)
        after = os.fstat(handle)
        if _signature(before) == _signature(after):
            return data, _signature(after), stat.S_IMODE(after.st_mode)
    return Flaw(None, "the file changes while it is read", "it is read again once it rests")


def _drain(handle: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    left = limit + 1
    while left > 0 and (chunk := os.read(handle, left)):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _signature(seen: os.stat_result) -> Signature:
    return Signature(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _irregular(mode: int) -> Flaw:
    names = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return Flaw(None, f"this is {names.get(stat.S_IFMT(mode), 'a device')}, not a file", "remove or rename it")


def _failure(path: Path | str, error: OSError) -> Flaw:
    if error.errno == errno.ENOENT and Path(path).is_symlink():
        return Flaw(
            None, f"this symlink points to nothing ({safe(str(Path(path).readlink()))[:200]})", "mend or remove it"
        )
    if error.errno == errno.ENOENT:
        return Flaw(None, "the file vanished while it was read", "nothing to do if it was being replaced")
    if error.errno == errno.ELOOP:
        return Flaw(None, "this symlink leads back to itself", "mend or remove it")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Flaw(None, "the file may not be read", "give the daemon's user the right to read it")
    return Flaw(None, f"the file cannot be read: {os.strerror(error.errno or 0).lower()}", "check the disk")
