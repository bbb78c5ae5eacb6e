"""What systemd is told, over a real datagram socket; and that it can never hold up or end the daemon."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from autotrader.runtime.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        name = str(tmp_path / "notify") if request.param == "path" else f"@autotrader-test-{os.getpid()}"
        sock.bind(name.replace("@", "\0", 1))
        sock.setblocking(False)
        yield sock, name


def test_each_change_of_state_is_one_datagram(manager) -> None:
    sock, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("4 strategies, generation 2")
    notifier.reloading()
    notifier.alive()
    notifier.stopping()
    said = [sock.recv(4096).decode() for _ in range(4)]
    assert said[0] == "READY=1\nSTATUS=4 strategies, generation 2"
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", said[1])
    assert said[2:] == ["WATCHDOG=1", "STOPPING=1"]


def test_without_a_manager_nothing_is_said_and_no_watchdog_waits() -> None:
    notifier = Notifier({})
    notifier.ready("x")
    notifier.stopping()
    assert notifier.watchdog_s == 0


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": ""}, 0.0),
    ],
    ids=["for whoever runs", "for this process", "for another process", "none"],
)
def test_the_watchdog_is_fed_only_where_it_watches_this_process(environ, seconds) -> None:
    assert Notifier(environ).watchdog_s == seconds


def test_a_manager_that_is_gone_does_not_end_the_daemon(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")


def test_a_manager_that_does_not_read_does_not_hold_up_trading(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(2_000):  # more than any queue of datagrams holds
            notifier.alive()
