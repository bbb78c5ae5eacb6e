"""sd_notify: tells systemd that the daemon is ready, reloading, stopping, or alive. Silent without systemd.

Source: sd_notify(3), "Notes": a datagram to the address in NOTIFY_SOCKET; a leading @ is the abstract namespace.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger("notify")


class Notifier:
    """Sends state changes to the service manager that started us, if one did."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = int(environ.get("WATCHDOG_USEC", "0") or 0)
        pid = environ.get("WATCHDOG_PID")
        self.watchdog_s = usec / 1e6 if pid in {None, str(os.getpid())} else 0.0

    def _send(self, text: str) -> None:
        if not self._address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK  # trading waits for no manager
        with socket.socket(socket.AF_UNIX, kind) as sock:
            try:
                sock.connect(self._address)
                sock.send(text.encode())
            except OSError as error:
                log.warning("the service manager cannot be told", told=text.partition("=")[0], error=str(error))

    def ready(self, status: str) -> None:
        """Say that start-up or a reload is done."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Say that a reload begins."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that an orderly stop begins."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")
