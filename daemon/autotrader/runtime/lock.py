"""One daemon an account: a file lock that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from autotrader.core.errors import LockHeld, StoreError


class FileLock:
    """Holds `path` locked until `release` or the end of the process.

    Raises LockHeld at once when another holds it, and StoreError where no file can be locked.
    """

    def __init__(self, path: Path, what: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{what} cannot be locked: {error}; name a writable `store`") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise LockHeld(
                f"{what} is already in use by the daemon with process id {holder}; stop it first, or give this one "
                "a `store` and exchanges of its own"
            ) from error
        except OSError as error:
            os.close(self._fd)
            raise StoreError(f"{what} cannot be locked: {error}; a network folder may not know locks") from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another daemon in."""
        os.close(self._fd)
