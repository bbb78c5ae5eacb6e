"""The real daemon under a service manager played by the test: ready, alive, reloading, stopping."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.folders import folder, rules

PATIENCE_S = 30.0


class Manager:
    """Receives what a service says, as systemd does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_S)

    def close(self) -> None:
        self._socket.close()

    def hears(self, word: str) -> dict[str, str]:
        """Wait for the next message that begins with a word; return its assignments."""
        deadline_s = time.monotonic() + PATIENCE_S
        heard = []
        while time.monotonic() < deadline_s:
            text = self._socket.recv(4096).decode()
            heard.append(text)
            if text.startswith(word):
                return dict(line.split("=", 1) for line in text.splitlines())
        raise AssertionError(f"no {word} within {PATIENCE_S} s; heard {heard}")


@pytest.fixture
def manager(tmp_path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify.sock")
    yield made
    made.close()


@contextmanager
def service(root: Path, manager: Manager, watchdog_s: float) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
    environment.pop("WATCHDOG_PID", None)
    command = [sys.executable, "-m", "autotrader", "-c", str(root), "run"]
    with (
        (root / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def test_the_daemon_tells_its_service_manager_everything_that_the_unit_relies_on(tmp_path, manager):
    root = folder(tmp_path / "configuration", {"one": rules()}, speed="1x", recorded=False)
    with service(root, manager, watchdog_s=0.6) as process:
        assert manager.hears("READY=1")["STATUS"] == "1 strategies, generation 1"
        manager.hears("WATCHDOG=1")
        manager.hears("WATCHDOG=1")
        process.send_signal(signal.SIGHUP)
        assert int(manager.hears("RELOADING=1")["MONOTONIC_USEC"]) > 0
        manager.hears("READY=1")
        process.send_signal(signal.SIGTERM)
        manager.hears("STOPPING=1")
        assert process.wait(timeout=PATIENCE_S) == 0


def test_a_start_that_fails_is_never_told_as_ready(tmp_path, manager):
    root = folder(tmp_path / "configuration", {"one": rules(capital="nonsense")}, recorded=False)
    with service(root, manager, watchdog_s=60) as process:
        assert process.wait(timeout=PATIENCE_S) == 1
    manager._socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager._socket.recv(4096)
