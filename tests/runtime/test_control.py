"""The control socket: for its owner alone, bounded in every direction, and never taken from a daemon that lives."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from autotrader.core.errors import ControlError, LockHeld
from autotrader.runtime import control
from autotrader.runtime.ask import MAX_SOCKET_PATH, ask, socket_path
from autotrader.runtime.control import MAX_CLIENTS, MAX_REQUEST, ControlServer


async def echo(command: str, arguments: dict[str, Any]) -> Any:
    if command == "refuse":
        raise ControlError("not today")
    return {"command": command, "arguments": arguments}


@pytest.fixture
async def root(tmp_path: Path):
    server = ControlServer(socket_path(tmp_path), echo)
    await server.start()
    yield tmp_path
    await server.stop()


async def asked(root: Path, command: str, arguments: dict[str, Any] | None = None, timeout_s: float = 5.0) -> Any:
    return await asyncio.to_thread(ask, root, command, arguments, timeout_s)


async def told(root: Path, line: bytes) -> dict[str, Any]:
    """Send raw bytes and return the answer."""
    reader, writer = await asyncio.open_unix_connection(str(socket_path(root)))
    writer.write(line)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return json.loads(answer)


async def test_a_command_and_its_arguments_arrive_and_the_answer_comes_back(root: Path) -> None:
    assert await asked(root, "status", {"n": 1}) == {"command": "status", "arguments": {"n": 1}}


async def test_a_refusal_arrives_as_the_error_that_it_is(root: Path) -> None:
    with pytest.raises(ControlError, match="not today"):
        await asked(root, "refuse")


async def test_only_the_owner_may_open_the_socket(root: Path) -> None:
    assert stat.S_IMODE(socket_path(root).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [b"\n", b"nonsense\n", b"[1, 2]\n", b'"text"\n', b"{}\n", b'{"command": "x", "arguments": [1]}\n', b"\xff\xfe\n",
     b'{"command": "x", "arguments": "abc"}\n', b"null\n"],
)  # fmt: skip
async def test_what_is_no_request_is_answered_with_what_one_is(root: Path, line: bytes) -> None:
    answer = await told(root, line)
    assert answer["ok"] is False
    assert "a request is one line of JSON" in answer["error"]
    assert await asked(root, "still", {}) == {"command": "still", "arguments": {}}


async def test_a_request_may_be_as_long_as_its_bound_and_no_longer(root: Path) -> None:
    fits = json.dumps({"command": "x", "arguments": {"a": ""}})
    fits = fits.replace('""', '"' + "y" * (MAX_REQUEST - len(fits) - 1) + '"')
    assert (await told(root, fits.encode() + b"\n"))["ok"] is True
    answer = await told(root, fits.replace("y", "yyy").encode() + b"\n")
    assert str(MAX_REQUEST) in answer["error"]


async def test_null_arguments_are_none(root: Path) -> None:
    assert (await told(root, b'{"command": "x", "arguments": null}\n'))["result"]["arguments"] == {}


async def test_a_client_that_says_nothing_is_let_go_and_the_others_are_answered(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(control, "READ_TIMEOUT_S", 0.02)
    server = ControlServer(socket_path(tmp_path), echo)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
    writer.write(b'{"command": ')  # and never the rest
    assert (await asked(tmp_path, "status"))["command"] == "status"
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert not server._clients
    await server.stop()


async def test_a_client_that_does_not_read_its_answer_is_let_go(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(control, "WRITE_TIMEOUT_S", 0.02)

    asked_for = asyncio.Event()

    async def much(_: str, __: dict[str, Any]) -> str:
        asked_for.set()
        return "x" * 5_000_000

    server = ControlServer(socket_path(tmp_path), much)
    await server.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(socket_path(tmp_path)))
        client.sendall(b'{"command": "x"}\n')
        await asked_for.wait()
        await asyncio.gather(*server._clients)
        assert not server._clients
    await server.stop()


async def test_a_client_that_hangs_up_disturbs_nobody(root: Path) -> None:
    for line in (b"", b'{"comm', b'{"command": "x"}\n'):
        _, writer = await asyncio.open_unix_connection(str(socket_path(root)))
        writer.write(line)
        writer.transport.abort()
    assert (await asked(root, "status"))["command"] == "status"


async def test_one_client_too_many_is_told_so_and_a_place_becomes_free_again(root: Path) -> None:
    waiting = [await asyncio.open_unix_connection(str(socket_path(root))) for _ in range(MAX_CLIENTS)]
    try:
        with pytest.raises(ControlError, match="32 clients are being answered; try again"):
            await asked(root, "status")
        waiting[0][1].write(b'{"command": "x"}\n')
        await waiting[0][0].read()
        assert (await asked(root, "status"))["command"] == "status"
    finally:
        for _, writer in waiting:
            writer.close()
            await writer.wait_closed()


async def test_a_fault_of_a_command_reaches_its_client_as_an_ending(tmp_path: Path) -> None:
    async def cancelled(_: str, __: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    server = ControlServer(socket_path(tmp_path), cancelled)
    await server.start()
    with pytest.raises(ControlError, match="closed the connection without an answer"):
        await asked(tmp_path, "status")
    await server.stop()


# places


def test_the_socket_lies_in_the_folder(tmp_path: Path) -> None:
    assert socket_path(tmp_path) == tmp_path / "var" / "autotrader.sock"


async def test_a_folder_too_deep_for_a_socket_gets_a_shorter_place_of_its_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    deep, other = (tmp_path / name / ("d" * 120) for name in ("a", "b"))
    deep.mkdir(parents=True)
    path = socket_path(deep)
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH + len(os.fsencode(tmp_path))
    assert path.parent == tmp_path
    assert path not in (socket_path(other), socket_path(tmp_path))
    assert socket_path(deep) == path
    server = ControlServer(path, echo)
    await server.start()
    assert (await asked(deep, "status"))["command"] == "status"
    await server.stop()


async def test_a_socket_that_a_dead_daemon_left_is_replaced(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    path.parent.mkdir()
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(path))
    dead.listen()
    dead.close()
    assert path.is_socket()
    server = ControlServer(path, echo)
    await server.start()
    assert (await asked(tmp_path, "status"))["command"] == "status"
    await server.stop()
    assert not path.exists()


async def test_the_socket_of_a_daemon_that_lives_is_not_taken(root: Path) -> None:
    second = ControlServer(socket_path(root), echo)
    with pytest.raises(LockHeld, match="a daemon already listens on"):
        await second.start()
    await second.stop()
    assert (await asked(root, "status"))["command"] == "status"


# no answer


def test_without_a_daemon_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"no daemon runs in .*; start it with `autotrader run`"):
        ask(tmp_path, "status")


def test_a_daemon_that_does_not_answer_is_not_waited_for_forever(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ControlError, match="did not answer within"):
            ask(tmp_path, "status", timeout_s=0.02)
