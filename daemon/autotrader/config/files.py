"""Reading declared files from a disk that other people write to: bounded, never blocking, nothing but regular files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from autotrader.config.yaml import Flaw


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
        return _signature(os.stat(path))
    except (OSError, ValueError):
        return None


def read_regular(path: Path | str, limit: int) -> tuple[bytes, Signature, int] | Flaw:
    """Return a regular file's first `limit` + 1 bytes, its signature and its mode bits, or what stands in the way.

    A FIFO, a socket or a device is never opened for longer than it takes to see what it is.
    """
    try:
        seen = os.stat(path)
        if not stat.S_ISREG(seen.st_mode):
            return _irregular(seen.st_mode)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            seen = os.fstat(handle)
            if not stat.S_ISREG(seen.st_mode):
                return _irregular(seen.st_mode)
            return _drain(handle, limit), _signature(seen), stat.S_IMODE(seen.st_mode)
        finally:
            os.close(handle)
    except OSError as error:
        return _failure(path, error)


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
    if error.errno == errno.ENOENT and os.path.islink(path):
        return Flaw(None, f"this symlink points to nothing ({os.readlink(path)})", "mend or remove it")
    if error.errno == errno.ENOENT:
        return Flaw(None, "the file vanished while it was read", "nothing to do if it was being replaced")
    if error.errno == errno.ELOOP:
        return Flaw(None, "this symlink leads back to itself", "mend or remove it")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Flaw(None, "the file may not be read", "give the daemon's user the right to read it")
    return Flaw(None, f"the file cannot be read: {os.strerror(error.errno or 0).lower()}", "check the disk")
